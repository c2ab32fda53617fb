"""The grab stage against servers that behave as the Gelbooru family does."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from datasetkit.errors import SiteError, UsageError
from datasetkit.grabbers.grab import Grab
from tests.grabbers.boorus import GelbooruSite, Picture
from tests.grabbers.got import GIRL, SECRET, Got, pictures
from tests.grabbers.servers import Asked, Reply, Server


def test_escaped_tags_are_read_before_the_rules() -> None:
    class Escaping(GelbooruSite):
        def row(self, p: Picture, words: dict[str, str]) -> dict[str, object]:
            return super().row(p, words) | {"tags": "1girl &#108;oli rubik&#039;s_cube"}

    with Server(Escaping(pictures(1), fork=True)) as server:
        got = Got(Grab("cirno", site=("tbib",), url=server.url))
    assert got.drops == {"safety rule 1": 1}


def family_site(name: str, shown: list[Picture]) -> GelbooruSite:
    fork = name != "gelbooru"
    return GelbooruSite(
        shown, fork=fork, key="" if name in {"safebooru.org", "tbib.org"} else SECRET
    )


@pytest.mark.usefixtures("gelbooru_key")
@pytest.mark.parametrize("name", ["gelbooru", "rule34.xxx", "safebooru.org", "tbib.org"])
@pytest.mark.parametrize("urls", [True, False])
def test_the_gelbooru_family(name: str, urls: bool, tmp_path: Path) -> None:
    shown = [Picture(n, {**GIRL, ">_<": "general", "rubik's_cube": "general"}) for n in (1, 2, 3)]
    site = family_site(name, shown)
    site.urls = urls
    with Server(site) as server:
        got = Got(Grab("cirno -comic", site=(name,), url=server.url))
        if name == "rule34.xxx" and not urls:
            assert got.drops == {"the site gives no file": 3}
            return
        assert got.fetch(tmp_path / "got") == [p.data for p in reversed(shown)]
        asked = next(a for a in server.asked if a.query.get("s") == "post")
        assert asked.query["tags"].startswith("cirno -comic")
        assert SECRET not in "".join(a.target for a in server.asked if a.path != "/index.php")
    record = got.finds[0].record
    assert record.key == name.replace(".", "_") + "_3"
    assert {tag.name: tag.kind for tag in record.tags} == shown[0].tags
    assert record.origin.rating == "g"
    assert record.origin.md5 == shown[2].md5
    assert record.origin.source == "https://example.org/?a=1&b=2"
    if name == "gelbooru":
        assert record.origin.posted == "2026-09-26T03:51:09-05:00"


@pytest.mark.usefixtures("gelbooru_key")
def test_kinds_are_asked_for_by_the_hundred_and_kept(own_cache: Path) -> None:
    shown = [Picture(n, {**GIRL, **{f"t{n}_{i}": "general" for i in range(60)}}) for n in (1, 2)]
    with Server(GelbooruSite(shown, key=SECRET)) as server:
        Got(Grab("cirno", site=("gelbooru",), url=server.url))
        asked = [a for a in server.asked if "names" in a.query]
        assert [len(a.query["names"].split()) for a in asked] == [100, 24]
        again = Got(Grab("cirno", site=("gelbooru",), url=server.url))
        assert [a for a in server.asked if "names" in a.query] == asked
        assert {t.name: t.kind for t in again.finds[0].record.tags} == shown[1].tags
    (kept,) = (own_cache / "datasetkit" / "kinds").iterdir()
    assert json.loads(kept.read_text())["cirno"] == "character"
    assert SECRET not in kept.read_text()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"cirno": 5}', b"\xff", b"[" * 100_000])
def test_a_damaged_cache_is_no_harm(content: bytes, own_cache: Path) -> None:
    with Server(GelbooruSite(pictures(1), fork=True)) as server:
        file = own_cache / "datasetkit" / "kinds" / f"127.0.0.1_{server.port}.json"
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        got = Got(Grab("cirno", site=("tbib",), url=server.url))
    assert {tag.name: tag.kind for tag in got.finds[0].record.tags}["cirno"] == "character"


def test_kinds_that_are_not_told_stay_general_after_one_try() -> None:
    site = GelbooruSite([Picture(n, {f"t{n}_{i}": "general" for i in range(150)}) for n in (1, 2)])
    site.fork, site.takes_names = True, False
    with Server(site) as server:
        got = Got(Grab("-comic", site=("tbib",), url=server.url))
        assert len([a for a in server.asked if "names" in a.query]) == 1
    assert {tag.kind for tag in got.finds[0].record.tags} == {"general"}


@pytest.mark.usefixtures("gelbooru_key")
def test_beyond_the_depth_it_goes_on_by_id_where_the_order_allows() -> None:
    site = GelbooruSite(pictures(90), key=SECRET)
    site.depth = 40
    with Server(site) as server:
        by_id = Got(Grab("cirno", site=("gelbooru",), url=server.url, limit=85))
        assert len(set(by_id.keys)) == 85
    site.depth = 0
    with Server(site) as server:
        by_score = Got(Grab("cirno order:score", site=("gelbooru",), url=server.url, limit=0))
    assert len(by_score.finds) == 90  # one page holds them
    site = GelbooruSite(pictures(250), key=SECRET)
    site.depth = 100
    with Server(site) as server:
        by_score = Got(Grab("cirno order:score", site=("gelbooru",), url=server.url, limit=0))
    assert len(set(by_score.keys)) == len(by_score.keys) == 250  # on from score to score
    with Server(site) as server:
        at_random = Got(Grab("cirno order:random", site=("gelbooru",), url=server.url, limit=0))
    assert len(at_random.finds) == 200
    assert "narrow the query" in at_random.warnings[0]


@pytest.mark.usefixtures("gelbooru_key")
def test_a_score_that_many_posts_share_is_gone_round_as_far_as_the_site_lists() -> None:
    shown = pictures(390)
    for picture in shown:
        picture.score = 5 if picture.id > 140 else 1
    site = GelbooruSite(shown, key=SECRET)
    site.depth = 200
    with Server(site) as server:
        grab = Grab("cirno order:score", site=("gelbooru",), url=server.url, limit=0)
        got = Got(grab)
        assert len(set(got.keys)) == len(got.keys) == 390
        for picture in shown:
            picture.score = 5
        one_score = Got(grab)
    assert len(one_score.keys) == 300
    assert "narrow the query" in one_score.warnings[0]


def test_xml_that_breaks_off_is_gone_round_by_id() -> None:
    site = GelbooruSite(pictures(150), fork=True)
    whole: Callable[[Asked], Reply] = site.__call__

    def respond(asked: Asked) -> Reply:
        reply = whole(asked)
        if asked.query.get("s") == "post" and asked.query["pid"] != "0":
            return Reply(body=reply.body[:-30], content_type="text/xml")
        return reply

    with Server(respond) as server:
        assert len(set(Got(Grab("cirno", site=("tbib",), url=server.url, limit=0)).keys)) == 150
        with pytest.raises(SiteError, match="breaks off"):
            Got(Grab("cirno order:random", site=("tbib",), url=server.url, limit=0))


@pytest.mark.parametrize(
    ("site", "words"),
    [("gelbooru", r"wants a valid user id and key.*\(401\)"), ("rule34.xxx", "Missing auth")],
)
@pytest.mark.usefixtures("gelbooru_key")
def test_wrong_keys_are_explained(site: str, words: str) -> None:
    booru = GelbooruSite([], fork=site != "gelbooru", key="another")
    with Server(booru) as server, pytest.raises(SiteError, match=words) as caught:
        Got(Grab("cirno", site=(site,), url=server.url))
    assert SECRET not in str(caught.value)


@pytest.mark.usefixtures("gelbooru_key")
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            b'<?xml version="1.0"?><response success="false" reason="Search error: no"/>',
            "says: Sea",
        ),
        (b'{"success": false, "message": "nope"}', "says: nope"),
        (b"Some words", "says: Some words"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b'{"post": 5}', "holds no posts"),
        (b"<posts><post/></posts>", "without a number"),
    ],
)
def test_refusals_with_status_200(body: bytes, words: str) -> None:
    with Server(lambda asked: Reply(body=body)) as server, pytest.raises(SiteError, match=words):
        Got(Grab("cirno", site=("gelbooru",), url=server.url))


@pytest.mark.parametrize("body", [b"", b"  ", b"<posts count='0' offset='0'></posts>", b"[]"])
def test_nothing_is_nothing(body: bytes) -> None:
    def respond(asked: Asked) -> Reply:
        return Reply(body=body if asked.query["s"] == "post" else b"")

    with Server(respond) as server:
        got = Got(Grab("cirno", site=("safebooru.org",), url=server.url))
    assert got.finds == []
    assert got.warnings[0] == "safebooru.org: not looked up, so taken as it stands: cirno"
    assert "finds nothing" in got.warnings[1]


def test_a_name_that_is_no_tag_there_is_refused_but_may_be_an_alias() -> None:
    with Server(GelbooruSite(pictures(2), fork=True)) as server:
        with pytest.raises(UsageError, match=r"no posts are tagged cirn; .*an alias .*--exact"):
            Got(Grab("cirn", site=("tbib",), url=server.url))
        got = Got(Grab("cirn", site=("tbib",), url=server.url, exact=True))
    assert "finds nothing for 'cirn'" in got.warnings[-1]
