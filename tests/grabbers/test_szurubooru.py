"""The grab stage against a server that behaves as szurubooru does."""

from pathlib import Path
from typing import Any

import pytest

from datasetkit.errors import SiteError, UsageError
from datasetkit.grabbers.family import Place
from datasetkit.grabbers.grab import Grab
from datasetkit.grabbers.query import Query, parse
from datasetkit.grabbers.sites import SITES
from datasetkit.grabbers.szurubooru import Szurubooru
from datasetkit.record import Origin
from datasetkit.tags import from_caption
from datasetkit.web import Answer
from tests.grabbers.boorus import Picture
from tests.grabbers.got import SECRET, Got
from tests.grabbers.servers import Reply, Server
from tests.grabbers.szurubooru_site import SzurubooruSite

SITE = SITES["szurubooru"]
GIRL = {"1girl": "General", "Cirno|baka": "Character", "touhou": "Series", "ruu": "artist"}


@pytest.fixture(autouse=True)
def no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for what in ("LOGIN", "API_KEY"):
        monkeypatch.delenv(f"DSK_SZURUBOORU_{what}", raising=False)


def pictures(count: int) -> list[Picture]:
    return [Picture(n, {**GIRL, f"tag_{n}": "14_things"}, score=n * 7 % 5)
            for n in range(1, count + 1)]  # fmt: skip


def grabbed(query: str, server: Server, **more: Any) -> Got:
    return Got(Grab(query, site=("szurubooru",), url=server.url, **more))


def test_a_grab_brings_pictures_tags_and_their_origin(tmp_path: Path) -> None:
    shown = pictures(3)
    with Server(SzurubooruSite(shown)) as server:
        got = grabbed("cirno -comic", server)
        assert got.fetch(tmp_path / "got") == [p.data for p in reversed(shown)]
        asked = next(a.query for a in server.asked if a.path == "/api/posts/")
    assert asked == {
        "query": "cirno -comic safety:safe -type:flash",
        "offset": "0",
        "limit": "100",
    }
    record = got.finds[0].record
    assert record.key == "szurubooru_3"
    assert {tag.name: tag.kind for tag in record.tags} == {
        "1girl": "general",
        "cirno": "character",
        "touhou": "copyright",
        "ruu": "artist",
        "tag_3": "general",
    }
    assert record.origin == Origin(
        site="szurubooru",
        post="3",
        url=f"{server.url}/post/3",
        md5=shown[2].md5,
        rating="g",
        score=1,
        posted="2026-05-04T18:37:14.800970Z",
        source="https://example.org/a",
        tags="1girl cirno touhou ruu tag_3",
        query="cirno -comic",
    )


def test_a_whole_query_is_sent() -> None:
    query = parse(
        "long_hair -comic ~a_b ~c score:>=50 width:1000.. id:<77 height:>2 mpixels:0.5..1.5 "
        "date:2024-01-01.. filetype:jpg order:score"
    )
    plan = Szurubooru().plan(query, "gs", SITE, {})
    assert plan.sent == (
        "long_hair -comic a_b,c sort:score safety:safe,sketchy -type:flash score:50.. "
        "image-width:1000.. id:..76 image-height:3.. image-area:500000.. image-area:..1500000 "
        "date:2024-01-01.."
    )
    assert plan.here == ("filetype:jpg",)
    asked = Szurubooru().request(plan, SITE, Place(2, below=7), 100).params
    assert asked["query"] == f"{plan.sent} score:..7"
    assert (asked["offset"], asked["limit"]) == (200, 100)
    plan = Szurubooru().plan(parse("a score:1.5 score:<-2 score:7"), "e", SITE, {})
    assert plan.sent == "a safety:unsafe -type:flash score:..-3 score:7..7"


HOSTILE = [
    *("long_hair", "-comic", "a,b", "a..b", "a...b", "..", ".", "nier:automata", "sort:id", "id:1"),
    *("safety:unsafe", "back\\slash", "\\", "a\\", "a\\:b", "what?", "?", "none", "null"),
    *(
        "unknown",
        "*star*",
        "a*",
        "--x",
        "special:fav",
        "(x)",
        ":3",
        "a:",
        "100%",
        "d'oh",
        "système",
    ),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_mark_in_a_name_is_an_operator(name: str) -> None:
    others = [n for n in ("comic", "star", "axb", "a", "b", "x", "what!") if n != name]
    shown = [Picture(n, {other: "general"}) for n, other in enumerate([name, *others], 1)]
    site = SzurubooruSite(shown)
    booru = name if "," in name else from_caption(name)

    def found(**terms: Any) -> list[int]:
        plan = Szurubooru().plan(Query("", **terms), "g", SITE, {booru: 1})
        asked = Szurubooru().request(plan, SITE, Place(), 100).params["query"]
        return [p.id for p in site.found({"query": str(asked)})]

    assert found(terms=(booru,)) == [1]
    assert found(nots=(booru,)) == list(range(len(shown), 1, -1))
    assert sorted(found(either=("comic", booru))) == [1, 2]
    with Server(site) as server:
        got = Szurubooru().named(asking(server), SITE, booru)
    assert (got.name if got else booru) == booru
    assert got or "," in name  # which stands in no name of ours


def asking(server: Server) -> Any:
    from datasetkit.grabbers.search import asking as asks
    from datasetkit.web import Session

    return asks(Session(server.url, rate=0, file_rate=0))


def test_wildcards_of_one_letter_are_looked_at_here() -> None:
    names = ["cat", "cart", "dog", "what?"]
    shown = [Picture(n, {name: "general", "pet": "general"}) for n, name in enumerate(names, 1)]
    with Server(SzurubooruSite(shown)) as server:
        assert grabbed("pet -c?t", server).keys == [f"szurubooru_{n}" for n in (4, 3, 2)]
        assert grabbed("pet ~c?t ~do*", server).keys == ["szurubooru_3", "szurubooru_1"]
        assert grabbed("what?", server).keys == ["szurubooru_4"]
    plan = Szurubooru().plan(parse("pet c?t"), "g", SITE, {})
    assert (plan.sent.partition(" safety")[0], plan.terms) == ("pet c*t", ("c?t",))


def test_names_are_looked_up_with_their_aliases() -> None:
    with Server(SzurubooruSite(pictures(3))) as server:
        got = grabbed("baka", server)
        assert len(got.finds) == 3
        assert any("baka -> cirno, 3 posts (character)" in note for note in got.notes)
        with pytest.raises(UsageError, match=r"near it: cirno, 3 posts \(character\)"):
            grabbed("cirn", server)


def test_ratings_are_looked_at_again() -> None:
    shown = [Picture(n, dict(GIRL), rating=rating) for n, rating in enumerate("gse", 1)]
    site = SzurubooruSite(shown)
    with Server(site) as server:
        assert grabbed("cirno", server).keys == ["szurubooru_1"]
        assert grabbed("cirno", server, rating="g,s").keys == ["szurubooru_2", "szurubooru_1"]
        with pytest.raises(UsageError, match="no rating 'questionable'"):
            grabbed("cirno", server, rating="q")
        site.lies = True
        assert grabbed("cirno", server).drops == {"rating explicit": 1, "rating sensitive": 1}


def test_pages_go_from_id_to_id_or_by_offset() -> None:
    site = SzurubooruSite(pictures(230))
    with Server(site) as server:
        assert len(set(grabbed("cirno", server, limit=0).keys)) == 230
        asked = [a.query["query"] for a in server.asked if a.path == "/api/posts/"]
        assert [q.rpartition(" ")[2] for q in asked[1:]] == ["id:..130", "id:..30", "id:..0"]
        for order in ("score", "score_asc", "id_asc", "favcount"):
            server.asked.clear()
            got = grabbed(f"cirno order:{order}", server, limit=0)
            assert len(set(got.keys)) == 230
            offsets = [a.query["offset"] for a in server.asked if a.path == "/api/posts/"]
            assert offsets == ["0", "100", "200"]
            scores = [find.record.origin.score or 0 for find in got.finds]
            if "score" in order:
                assert scores == sorted(scores, reverse=order == "score")
            elif order == "id_asc":
                assert got.keys[0] == "szurubooru_1"
        assert grabbed("cirno order:random", server, limit=5).finds


def test_what_has_no_picture_is_left_out() -> None:
    kinds: tuple[dict[str, Any], ...] = (
        *({"withheld": True}, {"ext": "webm"}, {"ext": "swf"}, {"ext": "gif"}, {}),
    )
    shown = [Picture(n, dict(GIRL), **more) for n, more in enumerate(kinds, 1)]
    with Server(SzurubooruSite(shown)) as server:
        got = grabbed("cirno", server)
        moving = grabbed("cirno", server, frames="first")
    assert got.keys == ["szurubooru_5", "szurubooru_4"]
    assert got.drops == {"the site gives no file": 1, "a video (.webm)": 1}
    assert moving.keys == ["szurubooru_5", "szurubooru_4", "szurubooru_2"]


def test_posts_by_their_numbers_and_a_single_one() -> None:
    site = SzurubooruSite(pictures(4))
    with Server(site) as server:
        page = Szurubooru().read(asking(server)(Szurubooru().these(["1", "3", "9"], SITE)), SITE)
    assert [post.id for post in page.posts] == ["3", "1"]
    body = b'{"id": 7, "contentUrl": "https://cdn.example/7.png", "safety": "odd", "tags": [1]}'
    (post,) = Szurubooru().read(Answer(200, "application/json", body), SITE).posts
    assert (post.file_url, post.origin.rating) == ("https://cdn.example/7.png", "")


def test_a_token_goes_as_a_header_and_a_wrong_one_is_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = SzurubooruSite(pictures(2))
    site.login = f"me:{SECRET}"
    with Server(site) as server:
        with pytest.raises(SiteError, match=r"Insufficient privileges.* \(403\); look at DSK_SZ"):
            grabbed("cirno", server)
        monkeypatch.setenv("DSK_SZURUBOORU_LOGIN", "me")
        with pytest.raises(UsageError, match="DSK_SZURUBOORU_API_KEY"):
            Grab("cirno", site=("szurubooru",), url=server.url).check()
        monkeypatch.setenv("DSK_SZURUBOORU_API_KEY", SECRET)
        got = grabbed("cirno", server)
        assert len(got.finds) == 2
        assert SECRET not in "".join(a.target for a in server.asked) + str(got.items)
        site.login = "me:another"
        with pytest.raises(SiteError, match=r"Invalid token.*DSK_SZURUBOORU_API_KEY") as caught:
            grabbed("cirno", server)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            Reply(400, b'{"name":"SearchError","title":"Bad","description":"Unknown token."}'),
            r"says: Unknown token \(400\); change the query",
        ),
        (Reply(404, b'{"name":"ValidationError","title":"No such path"}'), r"No such path \(404\)"),
        (Reply(200, b"<!DOCTYPE html><html></html>", "text/html"), "a web page"),
        (Reply(200, b"[1]"), "something else"),
        (Reply(200, b'{"results": [1]}'), "holds no posts"),
        (Reply(200, b'{"results": [{}]}'), "without a number"),
        (Reply(200, b'{"results": '), "no JSON"),
        (Reply(404, b"", "text/html"), r"nothing there \(404\)"),
    ],
)
def test_what_is_no_list_of_posts_ends_in_a_sentence(reply: Reply, words: str) -> None:
    site = SzurubooruSite(pictures(2))
    site.faults = {"/api/posts/": [reply]}
    with Server(site) as server, pytest.raises(SiteError, match=words):
        grabbed("cirno", server)


def test_it_has_no_host_of_its_own() -> None:
    with pytest.raises(UsageError, match="--url"):
        Grab("cirno", site=("szurubooru",)).check()
