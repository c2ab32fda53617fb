"""What a grab says and refuses, so that a slip is seen for what it is."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from datasetkit.errors import UsageError
from datasetkit.grabbers.grab import Grab
from tests.grabbers.boorus import DanbooruSite, GelbooruSite, Picture
from tests.grabbers.got import Got, pictures
from tests.grabbers.servers import Reply, Server


def speaks(server: Server, more: str = "") -> str:
    return f"{{family: danbooru, url: '{server.url}'{more}}}"


def test_a_random_order_is_known_to_miss_posts() -> None:
    with Server(DanbooruSite(pictures(3))) as server:
        whole = Got(Grab("cirno order:random", url=server.url, limit=0))
        few = Got(Grab("cirno order:random", url=server.url, limit=2))
    assert "pages of a random order overlap" in whole.warnings[-1]
    assert few.warnings == []


def test_what_was_excluded_in_vain_is_named() -> None:
    with Server(DanbooruSite(pictures(3))) as server:
        got = Got(Grab("cirno", url=server.url, exclude=("1gril", "tag_2", "TAG_?")))
    assert got.keys == []
    assert [note for note in got.notes if "--exclude" in note] == [
        "--exclude 1gril matched nothing"
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_ratio": 0.5}, "max_ratio 0.5 is below 1"),
        ({"exclude": ("a\udc80",)}, "exclude .* holds bytes that are no text"),
        ({"name": "{id}\udc80"}, "name .* holds bytes that are no text"),
        ({"name": "{position:04}"}, "{position:04}: formats in tokens are not known"),
        ({"name": "{id}_{md5:8}"}, "{md5:8}: formats in tokens are not known; write {md5}"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Grab("cirno", **options).check()


@pytest.mark.parametrize("ending", [".png", ".JPG", ".{ext}", ""])
def test_a_name_ends_as_the_file_does_and_once(ending: str) -> None:
    with Server(DanbooruSite(pictures(1))) as server:
        got = Got(Grab("cirno", url=server.url, name="{site}_{id}" + ending))
    assert [find.name for find in got.finds] == ["danbooru_1.png"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (
            "id:5",
            "finds nothing for 'id:5' with rating general; too narrow may be the rating, id:5",
        ),
        ("cirno score:>=900", "too narrow may be the rating, score:>=900"),
        ("cirno touhou date:2001-01-01", "may be its tags together, the rating, date:2001-01-01"),
        ("cirno filetype:gif rating:g,s,q,e", "too narrow may be filetype:gif"),
    ],
)
def test_what_may_be_too_narrow_is_named_where_the_names_are_right(query: str, words: str) -> None:
    class Empty(DanbooruSite):
        def posts(self, query: dict[str, str]) -> Reply:
            return Reply(body=b"[]")

    with Server(Empty(pictures(2))) as server:
        got = Got(Grab(query, url=server.url))
    assert words in got.warnings[-1]
    assert "scanned 0 posts" in got.notes[-2]


def test_a_score_that_an_option_asks_for_is_named_too() -> None:
    with Server(DanbooruSite(pictures(1))) as server:
        got = Got(Grab("cirno", url=server.url, min_score=900))
    assert "score:>=900" in got.warnings[-1]


def test_one_post_is_no_posts() -> None:
    with Server(DanbooruSite(pictures(1))) as server:
        assert Got(Grab("cirno", url=server.url)).notes[-1] == "danbooru: scanned 1 post, kept 1"


def test_the_pace_that_a_person_sets_for_a_server_here_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(DanbooruSite(pictures(3))) as server:
        monkeypatch.setenv("DSK_CONFIG", str(tmp_path))
        rows = f"one: {speaks(server, ', rate: 10, at_once: 2')}, two: {speaks(server)}"
        (tmp_path / "sites.yaml").write_text(f"sites: {{{rows}}}\n")
        assert Grab("cirno", site=("one",)).at_once() == 2
        assert Grab("cirno", site=("two",)).at_once() == 16
        assert Grab("cirno", url=server.url).at_once() == 16
        begun = time.monotonic()
        Got(Grab("cirno", site=("one",), limit=0))
        assert len(server.asked) > 2
        assert time.monotonic() - begun > (len(server.asked) - 1) / 20


def test_a_misspelt_name_is_told_with_what_is_near_to_it() -> None:
    names = ["shimakaze_(kancolle)", "hatsune_miku", *(f"shi_{n}" for n in range(20))]
    shown = [Picture(n, dict.fromkeys(names, "general")) for n in (1, 2)]
    for name, near in {
        "shimakaze_(kancole)": "shimakaze_(kancolle)",
        "shimakase_(kancolle)": "shimakaze_(kancolle)",
        "hatsune_mikku": "hatsune_miku",
    }.items():
        with Server(DanbooruSite(shown)) as server, pytest.raises(UsageError) as caught:
            Got(Grab(name, url=server.url))
        assert f"no posts are tagged {name}; near it: {near}, 2 posts " in str(caught.value)
        with Server(GelbooruSite(shown, fork=True)) as server, pytest.raises(UsageError) as caught:
            Got(Grab(name, site=("tbib",), url=server.url))
        assert f"no posts are tagged {name}; near it: {near}, 1 post " in str(caught.value)


def test_a_person_is_not_asked_about_what_is_left_out_and_is_warned_after_an_answer() -> None:
    shown = [Picture(1, {"saber": "general"}), Picture(30, {"comic": "general"})]
    shown += [Picture(n, {"saber_(fate)": "character"}) for n in range(2, 20)]
    shown += [Picture(n, {"comic_(fate)": "general"}) for n in range(31, 50)]
    asked: list[str] = []

    def second(question: str, answers: Sequence[str]) -> int:
        asked.append(question)
        return 1

    with Server(DanbooruSite(shown)) as server:
        grab = Grab("saber -comic", url=server.url)
        meant = grab.settled(second)
        assert (meant.query, meant.exact) == ("saber -comic", False)
        assert len(asked) == 1 and "saber is not clear" in asked[0]
        assert "there is also: saber_(fate)" in Got(meant).warnings[0]
