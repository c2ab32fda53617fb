"""The grab stage against a server that behaves as Derpibooru does, and what its names become."""

from pathlib import Path
from typing import Any

import pytest

from datasetkit.errors import SafetyError, SiteError, UsageError
from datasetkit.grabbers.family import Place
from datasetkit.grabbers.grab import Grab
from datasetkit.grabbers.philomena import Philomena
from datasetkit.grabbers.query import Query, parse
from datasetkit.grabbers.sites import SITES
from datasetkit.record import Origin
from datasetkit.tags import from_caption
from datasetkit.web import Answer
from tests.grabbers.boorus import Picture
from tests.grabbers.got import SECRET, Got
from tests.grabbers.philomena_site import PhilomenaSite
from tests.grabbers.servers import Reply, Server

SITE = SITES["derpibooru"]
IMAGES = "/api/v1/json/search/images"
TAGS = "/api/v1/json/search/tags"
PONY = {
    "pony": "general",
    "twilight sparkle": "character",
    "artist:the_painter": "artist",
    "oc:night sky": "character",
    "editor:some_one": "general",
}


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DSK_DERPIBOORU_API_KEY", raising=False)


def ponies(count: int) -> list[Picture]:
    return [Picture(n, dict(PONY), score=n * 7 % 5) for n in range(1, count + 1)]


def grabbed(query: str, server: Server, **more: Any) -> Got:
    return Got(Grab(query, site=("derpibooru",), url=server.url, **more))


def test_a_grab_brings_pictures_tags_and_their_origin(tmp_path: Path) -> None:
    shown = ponies(3)
    site = PhilomenaSite(shown)
    with Server(site) as server:
        got = grabbed("twilight_sparkle", server)
        assert got.fetch(tmp_path / "got") == [p.data for p in reversed(shown)]
    record = got.finds[0].record
    assert record.key == "derpibooru_3"
    assert {tag.name: tag.kind for tag in record.tags} == {
        "pony": "general",
        "twilight_sparkle": "general",
        "the_painter": "artist",
        "night_sky": "character",
        "editor:some_one": "general",
    }
    assert record.origin == Origin(
        site="derpibooru",
        post="3",
        url=f"{server.url}/images/3",
        rating="g",
        score=1,
        posted="2026-05-04T11:16:37Z",
        source="https://example.org/a",
        tags=" ".join(tag.name for tag in record.tags),
        query="twilight_sparkle",
    )
    assert site.searched[0] == "twilight sparkle, safe"
    assert got.warnings == []


def test_a_whole_query_is_sent() -> None:
    query = parse(
        "long_hair -comic ~a_b ~c score:>=50 width:1000.. id:<77 mpixels:>=1.5 "
        "date:2024-01-01..2024-06-30 filetype:jpg -filetype:gif order:score"
    )
    plan = Philomena().plan(query, "gs", SITE, {})
    assert plan.sent == (
        "long hair, -comic, (a b || c), (safe || suggestive), score.gte:50, width.gte:1000, "
        "id.lt:77, created_at.gte:2024-01-01, created_at.lte:2024-06-30, "
        "(original_format:jpg || original_format:jpeg), -original_format:gif; sf=score; sd=desc"
    )
    assert plan.here == ("mpixels:>=1.5",)
    asked = Philomena().request(plan, SITE, Place(2, below=7), 50).params
    assert str(asked["q"]).endswith("-original_format:gif, score.lte:7")
    assert (asked["sf"], asked["sd"], asked["page"], asked["per_page"]) == ("score", "desc", 3, 50)
    plan = Philomena().plan(parse("pony score:>1.5 score:<=-2.5 score:9999999999"), "g", SITE, {})
    assert plan.sent.startswith("pony, safe, score.gt:1, score.lte:-3; ")


HOSTILE = [
    *("long hair", "-comic", "!comic", "a || b", "a && b", "a or b", "not comic", "x^2", "x ^2"),
    *('say "hi"', '"', "\\", "back\\slash", "\\\\", 'a\\"b', "what?", "*star*", "a*", "a?b", "~2"),
    *("near~2", "near~", "id:1", "score.gte:0", "my:faves", "name:comic", "(comic)", "comic (x)"),
    *(")", "(", "a) || (b", "comic)", ":3", "safe; sf=id; sd=asc", "d'oh!", "1 + 1", "système"),
    *("artist:the_painter", "artist:the painter", "oc:a_b", "oc:c d", "original format:png"),
    *("nier:automata", "^ ^", "> <", "faved by:me"),
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_no_mark_in_a_name_is_an_operator(name: str) -> None:
    others = [n for n in ("comic", "star", "axb", "a", "b", "x", "near", "what!") if n != name]
    shown = [Picture(n, {other: "general"}) for n, other in enumerate([name, *others], 1)]
    site = PhilomenaSite(shown)
    booru = from_caption(name)
    for known in ({booru: 1}, {} if not set("*?") & set(name) else {booru: 1}):
        wanted = Philomena().plan(Query("", terms=(booru,)), "g", SITE, known)
        asked = str(Philomena().request(wanted, SITE, Place(), 50).params["q"])
        assert [p.id for p in site.found(asked)] == [1]
        unwanted = Philomena().plan(Query("", nots=(booru,)), "g", SITE, known)
        asked = str(Philomena().request(unwanted, SITE, Place(), 50).params["q"])
        assert 1 not in [p.id for p in site.found(asked)]
        assert len(site.found(asked)) == len(others)
    with Server(site) as server:
        got = Philomena().named(asking(server), SITE, booru)
    assert got is not None
    assert got.name == booru


def asking(server: Server) -> Any:
    from datasetkit.grabbers.search import asking as asks
    from datasetkit.web import Session

    return asks(Session(server.url, rate=0, file_rate=0))


def test_wildcards_find_where_no_tag_has_that_name() -> None:
    shown = [Picture(n, {name: "general"}) for n, name in enumerate(["blue eyes", "red eyes"], 1)]
    with Server(PhilomenaSite(shown)) as server:
        assert grabbed("*_eyes", server).keys == ["derpibooru_2", "derpibooru_1"]
        assert grabbed("*_eyes -r*", server).keys == ["derpibooru_1"]


def test_ratings_are_tags_and_the_strictest_counts() -> None:
    shown = [
        Picture(1, dict(PONY)),
        Picture(2, dict(PONY), rating="s"),
        Picture(3, dict(PONY), rating="e"),
        Picture(4, dict(PONY), rating=""),
        Picture(5, {**PONY, "explicit": "general"}),
        Picture(6, {**PONY, "grotesque": "general"}, rating="s"),
    ]
    site = PhilomenaSite(shown)
    with Server(site) as server:
        assert grabbed("pony", server).keys == ["derpibooru_5", "derpibooru_1"][1:]
        site.lies = True
        got = grabbed("pony", server, rating="g,s")
    assert got.keys == ["derpibooru_2", "derpibooru_1"]
    assert got.drops == {"rating explicit": 3, "rating unknown": 1}
    names = {tag.name for find in got.finds for tag in find.record.tags}
    assert not names & {"safe", "suggestive"}


def test_the_safety_rules_hold() -> None:
    shown = [Picture(1, {**PONY, "foal": "general"}, rating="s"), Picture(2, dict(PONY))]
    with Server(PhilomenaSite(shown)) as server:
        got = grabbed("pony", server, rating="g,s")
        assert got.drops == {"safety rule 2": 1}
        with pytest.raises(SafetyError):
            Grab("foal", site=("derpibooru",), url=server.url, rating="s").check()


def test_pages_go_from_id_to_id_or_by_number() -> None:
    site = PhilomenaSite(ponies(130))
    with Server(site) as server:
        assert len(set(grabbed("pony", server, limit=0).keys)) == 130
        assert [q.rpartition(", ")[2] for q in site.searched] == [
            *("safe", "id.lt:81", "id.lt:31", "id.lt:1"),
        ]
        got = grabbed("pony order:score", server, limit=120)
        scores = [find.record.origin.score for find in got.finds]
        assert scores == sorted(scores, key=lambda score: -(score or 0))
        assert len(set(got.keys)) == 120
        oldest = grabbed("pony order:id_asc", server, limit=2).keys
        assert oldest == ["derpibooru_1", "derpibooru_2"]
        shuffled = grabbed("pony order:random", server, limit=0).keys
        assert len(set(shuffled)) == 130
        seeds = {a.query["sf"] for a in server.asked if "random" in a.query.get("sf", "")}
        assert len(seeds) == 1


def test_aliases_and_names_that_are_near() -> None:
    site = PhilomenaSite(ponies(3), {"ts": "twilight sparkle", "t:x": "oc:night sky"})
    with Server(site) as server:
        got = grabbed("ts", server)
        assert len(got.finds) == 3
        assert any("ts -> twilight_sparkle, 3 posts (character)" in note for note in got.notes)
        assert len(grabbed("t:x", server).finds) == 3
        with pytest.raises(UsageError, match=r"near it: artist:the_painter, 3 posts \(artist\)"):
            grabbed("the_painter", server)
        with pytest.raises(UsageError, match=r"near it: twilight_sparkle, 3 posts \(character\)"):
            grabbed("twilight", server)


def test_artists_are_found_by_their_prefix() -> None:
    shown = [*ponies(2), Picture(3, {"pony": "general", "artist:another": "artist"})]
    with Server(PhilomenaSite(shown)) as server:
        assert len(grabbed("artist:the_painter", server).finds) == 2
        assert grabbed("pony -artist:the_painter", server).keys == ["derpibooru_3"]
        assert len(grabbed("pony ~artist:another ~oc:night_sky", server).finds) == 3
        assert len(grabbed("pony", server, per_artist=1).finds) == 2


def test_what_has_no_picture_is_left_out_and_never_rebuilt() -> None:
    kinds: tuple[dict[str, Any], ...] = (
        {"withheld": True},
        {"ext": "webm"},
        {"ext": "svg"},
        {"deleted": True},
        {},
    )
    shown = [Picture(n, dict(PONY), **more) for n, more in enumerate(kinds, 1)]
    site = PhilomenaSite(shown)
    site.lies = True
    with Server(site) as server:
        got = grabbed("pony", server)
        moving = grabbed("pony", server, frames="first")
    assert got.keys == ["derpibooru_5"]
    assert moving.keys == ["derpibooru_5", "derpibooru_2"]
    assert got.drops == {
        "the site gives no file": 1,
        "a video (.webm)": 1,
        "no picture (.svg)": 1,
        "rating unknown": 1,
    }


def test_smaller_files_are_fetched_where_they_are_wanted() -> None:
    with Server(PhilomenaSite(ponies(1))) as server:
        page = Philomena().read(
            asking(server)(Philomena().these(["1", "9"], SITE)),
            SITE,
        )
    (post,) = page.posts
    assert post.file("large").url == "https://derpibooru.org/img/view/2026/1.png"
    assert post.file("original").size == 0
    assert Philomena().these(["1", "9"], SITE).params["q"] == "id:1 || id:9"


def test_a_post_that_was_hidden_is_gone() -> None:
    body = b'{"image": {"id": 7, "hidden_from_users": true, "deletion_reason": "Rule 1"}}'
    (post,) = Philomena().read(Answer(200, "application/json", body), SITE).posts
    assert post.no_picture() == "deleted on the site"


def test_what_the_site_cannot_do_is_refused_before_anything_is_asked() -> None:
    with Server(PhilomenaSite([])) as server:
        for query, words in {
            "pony md5:0123456789abcdef0123456789abcdef": "tells no md5",
            "pony explicit": "say rating:e",
            "pony order:favcont": "no order",
        }.items():
            with pytest.raises(UsageError, match=words):
                Grab(query, site=("derpibooru",), url=server.url).check()
        assert server.asked == []


def test_the_key_is_a_parameter_that_is_seen_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSK_DERPIBOORU_API_KEY", SECRET)
    site = PhilomenaSite(ponies(1))
    with Server(site) as server:
        got = grabbed("pony", server)
        assert all(asked.query["key"] == SECRET for asked in server.asked)
        refusal = f'{{"error": "no key {SECRET}"}}'.encode()
        site.faults = {IMAGES: [Reply(400, refusal)]}
        with pytest.raises(SiteError, match=r"no key \[key\]") as caught:
            grabbed("pony", server)
    assert SECRET not in str(caught.value) + str(got.items)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            Reply(400, b'{"error":"Imbalanced parentheses."}'),
            r"query \(400\): Imbalanced parentheses$",
        ),
        (Reply(403, b"<html><title>Just a moment...</title></html>", "text/html"), "Cloudflare"),
        (Reply(200, b"<!DOCTYPE html><html></html>", "text/html"), "a web page"),
        (Reply(200, b"[1]"), "holds no posts"),
        (Reply(200, b'{"images": [1]}'), "holds no posts"),
        (Reply(200, b'{"images": [{}]}'), "without a number"),
        (Reply(200, b"{"), "no JSON"),
        (Reply(404, b"", "text/html"), r"nothing there \(404\)"),
    ],
)
def test_what_is_no_list_of_posts_ends_in_a_sentence(reply: Reply, words: str) -> None:
    site = PhilomenaSite(ponies(2))
    site.faults = {IMAGES: [reply]}
    with Server(site) as server, pytest.raises(SiteError, match=words):
        grabbed("pony", server)


def test_names_that_cannot_be_looked_up_stop_nothing() -> None:
    site = PhilomenaSite(ponies(2))
    site.faults = {TAGS: [Reply(400, b'{"error": "no"}'), Reply(200, b'{"tags": 5}')]}
    with Server(site) as server:
        assert len(grabbed("pony", server).finds) == 2
