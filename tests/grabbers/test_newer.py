"""What --newer brings: nothing twice, nothing lost, wherever a run ends."""

from dataclasses import replace
from pathlib import Path

import pytest

from datasetkit.grabbers.grab import Grab
from tests.grabbers.boorus import DanbooruSite, Picture, png
from tests.grabbers.got import GIRL, Got, pictures
from tests.grabbers.servers import Server
from tests.homes import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "set")


def numbered(*ids: int) -> list[Picture]:
    return [Picture(n, dict(GIRL), content=png(n)) for n in ids]


def test_newer_goes_on_where_the_limit_cut_it_off(home: Home) -> None:
    shown = numbered(1, 2)
    with Server(DanbooruSite(shown)) as server:
        grab = Grab("cirno", url=server.url, limit=2)
        home.run(grab)
        shown += numbered(3, 4, 5, 6, 7)
        newer = replace(grab, newer=True)
        home.run(newer)
        assert set(home.records) == {f"danbooru_{n}" for n in (1, 2, 3, 4)}
        assert any("danbooru: 3 newer posts or more remain beyond the limit of 2" in text
                   for text in home.said)  # fmt: skip
        home.run(newer)
        home.run(newer)
        assert set(home.records) == {f"danbooru_{n}" for n in range(1, 8)}
        assert home.run(newer).idle
        assert home.said[-1] == "danbooru has nothing newer"


def test_newer_goes_by_the_newest_post_and_not_by_the_first_known_one(home: Home) -> None:
    shown = numbered(1, 2, 5)
    with Server(DanbooruSite(shown)) as server:
        home.run(Grab("cirno id:5", url=server.url))
        home.run(Grab("cirno id:<3", url=server.url))
        shown += numbered(3, 4, 6)
        home.run(Grab("cirno", url=server.url, limit=1))  # 6
        (home.path / "danbooru_6.png").unlink()  # a person takes the newest away
        home.run(Grab("cirno", url=server.url, limit=3))  # 6 and 5 are known, 4 is new
        shown += numbered(7)
        home.run(Grab("cirno", url=server.url, newer=True))
        assert set(home.records) == {f"danbooru_{n}" for n in (1, 2, 4, 5, 7)}


def test_newer_holds_only_so_many_posts_and_loses_none(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasetkit.grabbers.search.HELD", 2)
    shown = numbered(1)
    with Server(DanbooruSite(shown)) as server:
        home.run(Grab("cirno", url=server.url))
        shown += [*numbered(2, 3, 4, 5, 6), Picture(7, GIRL, ext="mp4")]
        outcome = home.run(Grab("cirno", url=server.url, newer=True, limit=0))
        assert list(home.records) == [f"danbooru_{n}" for n in range(1, 7)]  # the oldest first
    assert outcome.passed_over == {"a video (.mp4)": 1}
    assert home.said[-1] == ("danbooru: scanned 6 posts, kept 5; left out: 1 a video (.mp4)")


def test_an_order_is_not_used_for_what_is_newer() -> None:
    with Server(DanbooruSite(pictures(2))) as server:
        got = Got(Grab("cirno order:score", url=server.url, newer=True))
    assert got.notes[0].startswith("the query's order is not used with --newer")
    assert got.keys == ["danbooru_2", "danbooru_1"]
