"""The refresh stage against a server that behaves as Danbooru does."""

from pathlib import Path

import pytest

from datasetkit.cleaners.clean import Clean
from datasetkit.errors import UsageError
from datasetkit.grabbers.grab import Grab
from datasetkit.grabbers.refresh import Refresh
from tests.grabbers.boorus import DanbooruSite, GelbooruSite, Picture
from tests.grabbers.got import GIRL
from tests.grabbers.servers import Reply, Server
from tests.homes import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "set")


def test_refresh_brings_what_the_site_changed_and_nothing_else(home: Home) -> None:
    tags = {**GIRL, "absurdres": "meta", "wings": "general", "ice": "general"}
    shown = [Picture(n, dict(tags), score=1) for n in (1, 2, 3)]
    site = DanbooruSite(shown)
    with Server(site) as server:
        home.run(Grab("cirno", url=server.url))
        home.run(Clean())
        caption = home.path / "danbooru_1.txt"
        caption.write_text(caption.read_text().replace(", wings", "") + ", by hand")
        shown[0].tags |= {"smile": "general", "halo": "general"}
        del shown[0].tags["ice"]
        shown[0].score = 50
        shown[1].rating = "s"
        site.pictures = shown[:2]
        before = len(server.asked)
        outcome = home.run(Refresh(site=("danbooru",), url=server.url))
        asked = server.asked[before:]
        assert [a.path for a in asked] == ["/posts.json"]
        assert outcome.changed == 2
        assert any("1 post is gone from danbooru" in text for text in home.said)
        first = home.records["danbooru_1"]
        assert set(first.names) == {"cirno", "1girl", "ruu", "touhou", "smile", "halo", "by_hand"}
        assert first.origin.score == 50
        assert home.records["danbooru_2"].origin.rating == "s"
        assert len(home.records) == 3
        assert home.run(Refresh(site=("danbooru",), url=server.url)).idle


def test_a_tag_that_another_site_says_too_stays(home: Home) -> None:
    shown = [Picture(1, {**GIRL, "ice": "general"})]
    with Server(DanbooruSite(shown)) as one, Server(GelbooruSite(shown, fork=True)) as other:
        home.run(Grab("cirno", url=one.url))
        home.run(Grab("cirno", site=("tbib.org",), url=other.url))
        del shown[0].tags["ice"]
        home.run(Refresh(site=("danbooru",), url=one.url))
        by = {tag.name: tag.by for tag in home.records["danbooru_1"].tags}
        assert by["ice"] == ("tbib.org",)
        home.run(Refresh(site=("tbib.org",), url=other.url))
    assert not home.records["danbooru_1"].has("ice")


def test_a_picture_that_is_no_longer_fit_is_left_out(home: Home) -> None:
    shown = [Picture(1, {**GIRL, "child": "general"}), Picture(2, GIRL)]
    with Server(DanbooruSite(shown)) as server:
        home.run(Grab("cirno", url=server.url))
        shown[0].rating = "q"
        outcome = home.run(Refresh(site=("danbooru",), url=server.url))
    assert outcome.rejected == {"refresh: safety rule 2": 1}
    assert list(home.records) == ["danbooru_2"]


def test_a_site_that_does_not_serve_is_left_out(home: Home) -> None:
    site = DanbooruSite([Picture(1, GIRL)])
    with Server(site) as server:
        home.run(Grab("cirno", url=server.url))
        site.faults = {"/posts.json": [Reply(404)] * 5}
        outcome = home.run(Refresh(site=("danbooru",), url=server.url))
    assert outcome.errors == {"danbooru did not serve": "named above"}
    assert any("danbooru is left out" in text for text in home.said)


def test_what_it_needs_is_said_first(home: Home) -> None:
    with pytest.raises(UsageError, match="name that with --site"):
        Refresh(url="http://127.0.0.1:1").check()
    with pytest.raises(UsageError, match="no site 'danboru'; did you mean 'danbooru'"):
        Refresh(site=("danboru",)).check()
