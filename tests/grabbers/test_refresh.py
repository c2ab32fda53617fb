"""The refresh stage against a server that behaves as Danbooru does."""

from dataclasses import replace
from pathlib import Path

import pytest

from datasetkit.cleaners.tags.clean import Clean
from datasetkit.engines.events import Outcome
from datasetkit.errors import UsageError
from datasetkit.grabbers.grab import Grab
from datasetkit.grabbers.posts import Post
from datasetkit.grabbers.refresh import Refresh, refreshed
from datasetkit.grabbers.sites import SITES
from datasetkit.pixels import Picture as Pixels
from datasetkit.record import Origin, Record, Tag
from datasetkit.screen import surveyed
from datasetkit.stage import Drop, Note
from tests.grabbers.boorus import DanbooruSite, GelbooruSite, Picture
from tests.grabbers.got import GIRL, Known, pictures
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


def test_refresh_asks_for_no_more_than_a_page_holds(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSK_CONFIG", str(tmp_path))
    with Server(DanbooruSite(pictures(5))) as server:
        text = f"sites: {{one: {{family: danbooru, url: '{server.url}', page: 2}}}}\n"
        (tmp_path / "sites.yaml").write_text(text)
        home.run(Grab("cirno", site=("one",)))
        outcome = home.run(Refresh(site=("one",)))
    assert outcome.idle and outcome.passed_over == {}


def test_a_post_with_another_file_is_left_as_it_is(home: Home) -> None:
    shown = pictures(3)
    with Server(DanbooruSite(shown)) as server:
        home.run(Grab("cirno", url=server.url))
        before = home.records["danbooru_1"]
        for picture in shown:
            picture.score = 99
        shown[0].content = shown[2].data + b" "
        outcome = home.run(Refresh(site=("danbooru",), url=server.url))
    now = home.records["danbooru_1"]
    assert (now.origin, now.tags) == (before.origin, before.tags)
    assert outcome.changed == 2
    assert "1 post has another file on danbooru now; it is left as it is" in home.said


def test_pictures_of_another_server_are_not_asked_for_at_the_real_site(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(DanbooruSite(pictures(2))) as server:
        home.run(Grab("cirno", url=server.url))
    monkeypatch.setattr("datasetkit.grabbers.refresh.open_session", lambda *args: 1 / 0)
    assert home.run(Refresh()).idle
    assert any("2 pictures are of another server than danbooru" in text and "--url" in text
               for text in home.said)  # fmt: skip


def test_the_kind_of_a_tag_follows_its_site(home: Home) -> None:
    tags = {**GIRL, "snow": "general", "ice": "artist"}
    shown = [Picture(1, dict(tags))]
    with Server(DanbooruSite(shown)) as server:
        home.run(Grab("cirno", url=server.url))
        shown[0].tags |= {"snow": "copyright", "ice": "general"}
        home.run(Refresh(site=("danbooru",), url=server.url))
    kinds = {tag.name: tag.kind for tag in home.records["danbooru_1"].tags}
    assert kinds["snow"] == "copyright" and kinds["ice"] == "artist"


def test_of_two_sites_the_first_tells_the_kind_and_of_a_trigger_none() -> None:
    one, two = (
        Post("1", (Tag("a", kind, (name,)), Tag("b", kind, (name,))), Origin(name, "1"))
        for name, kind in (("danbooru", "artist"), ("tbib.org", "copyright"))
    )
    tags = (
        Tag("a", "general", ("hand", "danbooru", "tbib.org")),
        Tag("b", "trigger", ("danbooru",)),
    )
    record = Record(
        "k", Pixels(Path("k.png"), (1, 1)), tags, replace(one.origin, tags="a b"),
        also=(replace(two.origin, tags="a b"),),
    )  # fmt: skip
    for post in (two, one, two):
        record = refreshed(record, post, SITES[post.origin.site])
    assert [(tag.name, tag.kind) for tag in record.tags] == [("a", "artist"), ("b", "trigger")]


def test_a_dry_run_says_how_many_would_change() -> None:
    outcome = Outcome("refresh", changed=2)
    assert surveyed(outcome) == ["2 pictures would change"]
    assert surveyed(Outcome("refresh")) == ["0 pictures would change"]
    assert surveyed(Outcome("grab", added=1)) == ["1 picture would be fetched"]


def of_site(site: str) -> Known:
    """A dataset with two frames of a post of a site, and another post."""
    known = Known()
    known.records = [
        Record(key, Pixels(Path(f"{key}.png"), (1, 1)), origin=Origin(site=site, post=post))
        for key, post in {"a": "1", "a_f02": "1#2", "b": "2"}.items()
    ]
    return known


def test_refresh_counts_posts_and_not_their_frames() -> None:
    with Server(DanbooruSite([])) as server:
        refresh = Refresh(site=("danbooru",), url=server.url)
        *drops, note = refresh.find(of_site("danbooru"))
    assert [type(item) for item in drops] == [Drop, Drop, Drop]
    assert isinstance(note, Note) and note.text.startswith("2 posts are gone from danbooru")


def test_refresh_finds_a_server_that_goes_by_its_address() -> None:
    refresh = Refresh(site=("danbooru",), url="http://a.invalid")
    notes = [item.text for item in refresh.find(of_site("a.invalid")) if isinstance(item, Note)]
    assert len(notes) == 1 and "a.invalid is left out" in notes[0]


def test_a_tag_deleted_by_hand_still_tells_the_rules_what_is_there(home: Home) -> None:
    shown = [Picture(1, {**GIRL, "child": "general"}), Picture(2, GIRL)]
    with Server(DanbooruSite(shown)) as server:
        home.run(Grab("cirno", url=server.url))
        caption = home.path / "danbooru_1.txt"
        caption.write_text(caption.read_text().replace(", child", ""))
        shown[0].rating = "q"
        outcome = home.run(Refresh(site=("danbooru",), url=server.url))
    assert outcome.rejected == {"refresh: safety rule 2": 1}
