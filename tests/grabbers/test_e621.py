"""Grabs from a server that behaves as e621 and e926 do."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datasetkit.errors import SiteError, UsageError
from datasetkit.grabbers.e621 import E621
from datasetkit.grabbers.grab import Grab
from datasetkit.grabbers.listing import listed
from datasetkit.grabbers.posts import Post
from datasetkit.grabbers.query import parse
from datasetkit.grabbers.search import asking
from datasetkit.grabbers.sites import SITES
from datasetkit.record import Origin
from datasetkit.stage import Note
from datasetkit.web import Answer, Session
from tests.grabbers.e621_site import E621Site, Upload
from tests.grabbers.got import SECRET, Got
from tests.grabbers.servers import Reply, Server

SITE = SITES["e621"]
FOX = {"forest": "general", "red_fox": "species", "reynard": "character", "ruu": "artist"}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for site in ("E621", "E926"):
        for what in ("LOGIN", "USER_ID", "API_KEY"):
            monkeypatch.delenv(f"DSK_{site}_{what}", raising=False)


def uploads(count: int = 5, **more: Any) -> list[Upload]:
    return [Upload(n, {**FOX, f"tag_{n}": "general"}, score=n * 7 % 5, **more)
            for n in range(1, count + 1)]  # fmt: skip


def grab(query: str, server: Server, site: str = "e621", **options: Any) -> Grab:
    return Grab(query, site=(site,), url=server.url, **options)


def searches(server: Server) -> list[dict[str, str]]:
    return [asked.query for asked in server.asked if asked.path == "/posts.json"]


def plan(query: str, letters: str = "g", counts: dict[str, int] | None = None) -> Any:
    return E621().plan(parse(query), letters, SITE, counts or {})


def page(body: str, status: int = 200) -> tuple[Post, ...]:
    return E621().read(Answer(status, "application/json", body.encode()), SITE).posts


def test_a_grab_brings_pictures_grouped_tags_and_their_origin(tmp_path: Path) -> None:
    shown = uploads(2)
    new = {"a_helper": "contributor", "true_(lore)": "lore", "fur_(ambiguous)": "invalid"}
    shown[1].tags |= {**new, "hi_res": "meta", "something": "a_group_of_tomorrow"}
    shown[1].sources = ["-https://example.org/dead", "https://example.org/alive"]
    with Server(E621Site(shown)) as server:
        got = Got(grab("red_fox", server))
        assert got.fetch(tmp_path / "got") == [p.data for p in reversed(shown)]
    first = got.finds[0].record
    assert {tag.name: tag.kind for tag in first.tags} == shown[1].tags
    assert {tag.by for tag in first.tags} == {("e621",)}
    assert first.picture.size == (24, 32)
    assert replace(first.origin, tags="") == Origin(
        site="e621",
        post="2",
        url=f"{server.url}/posts/2",
        md5=shown[1].md5,
        rating="g",
        score=shown[1].score,
        posted="2024-01-02T12:00:00.000-04:00",
        source="https://example.org/alive",
        query="red_fox",
    )
    assert got.finds[0].size == len(shown[1].data)
    assert searches(server)[0] == {"tags": "red_fox rating:s", "limit": "100", "page": "1"}


@pytest.mark.parametrize("order", ["", " order:score"])
def test_every_page_is_read_and_no_post_twice(order: str) -> None:
    with Server(E621Site(uploads(700))) as server:
        got = Got(grab("red_fox" + order, server, limit=0))
    pages = [query["page"] for query in searches(server)]
    assert len(set(got.keys)) == 700
    assert pages == (["1", "2", "3", "4"] if order else ["1", "b381", "b61", "b1"])
    assert {query["limit"] for query in searches(server)} == {"320"}


def test_beyond_the_last_page_a_score_carries_on() -> None:
    shown = uploads(300)
    with Server(E621Site(shown)) as server:
        ask = asking(Session(server.url, rate=0, file_rate=0))
        for query, kept in {"red_fox order:score": 300, "red_fox order:favcount": 100}.items():
            ended = replace(SITE, url=server.url, pages=2)
            items = list(listed(E621(), ask, ended, plan(query), 50))
            assert len([item for item in items if isinstance(item, Post)]) == kept
            assert isinstance(items[-1], Note)
    asked = [query["tags"].split()[-1] for query in searches(server)]
    assert [word for word in dict.fromkeys(asked) if word.startswith("score")] == [
        "score:<=3",
        "score:<=2",
        "score:<=1",
        "score:<=0",
    ]


def test_the_sites_own_end_of_pages_is_understood() -> None:
    site = E621Site(uploads(5))
    message = b'{"success":false,"message":"You cannot go beyond page 750.","code":null}'
    with Server(site) as server:
        session = Session(server.url, rate=0, file_rate=0)
        site.faults = {"/posts.json": []}
        listing = listed(E621(), asking(session), SITE, plan("red_fox order:random"), 2)
        first = [next(listing), next(listing)]
        site.faults["/posts.json"] = [Reply(410, message)]
        last = list(listing)
    assert all(isinstance(item, Post) for item in first)
    assert [str(getattr(item, "text", item)) for item in last] == [
        "e621 says: You cannot go beyond page 750 (410); narrow the query to reach the rest"
    ]


def test_what_is_deleted_or_withheld_is_left_out_and_what_is_pending_comes() -> None:
    shown = [
        Upload(1, FOX, deleted=True),
        Upload(2, FOX, withheld=True),
        Upload(3, FOX, pending=True),
        Upload(4, FOX, ext="webm"),
        Upload(5, FOX, ext="swf"),
        Upload(6, FOX),
    ]
    with Server(E621Site(shown)) as server:
        got = Got(grab("red_fox", server))
        assert got.keys == ["e621_6", "e621_3"]
        assert got.drops == {
            "the site gives no file": 1,
            "a video (.webm)": 1,
            "a Flash file (.swf)": 1,
        }
        session = Session(server.url, rate=0, file_rate=0)
        answer = asking(session)(E621().these(["1", "2", "9"], SITE))
        told = {post.id: post.gone for post in E621().read(answer, SITE).posts}
        assert not any(asked.path.startswith("/data/") for asked in server.asked)
    assert told == {"1": "deleted on the site", "2": "the site gives no file"}
    assert searches(server)[-1]["tags"] == "id:1,2,9 status:any"


def test_ratings_are_translated_and_looked_at_again() -> None:
    shown = [Upload(n, FOX, rating=letter) for n, letter in enumerate("gqe", 1)]
    site = E621Site(shown)
    with Server(site) as server:
        for asked, sent, keys in [
            ("", ["rating:s"], [1]),
            ("q", ["rating:q"], [2]),
            ("g,s,q", ["-rating:e"], [2, 1]),
            ("g,q,e", [], [3, 2, 1]),
        ]:
            got = Got(grab("red_fox", server, rating=asked))
            assert searches(server)[-1]["tags"].split()[1:] == sent
            assert got.keys == [f"e621_{key}" for key in keys]
        site.safe = True
        got = Got(grab("red_fox", server, "e926"))
        assert got.keys == ["e926_1"]
        assert got.finds[0].record.origin.url == f"{server.url}/posts/1"
    with pytest.raises(UsageError, match="e926 has no rating 'explicit'; it has general"):
        Grab("red_fox", site=("e926",), rating="e").check()


def test_forty_terms_are_sent_the_rarest_first_and_the_rest_is_filtered_here() -> None:
    names = [f"n{number}" for number in range(45)]
    counts = {name: 1000 - number for number, name in enumerate(names)}
    made = plan(" ".join(names) + " order:score score:>=5 -bad", counts=counts)
    assert made.sent.split() == [*names[7:], "order:score", "score:>=5", "rating:s"]
    assert made.terms == tuple(names[:7])
    assert made.here == (*names[:7], "-bad")
    shown = [Upload(1, dict.fromkeys(names, "general")), Upload(2, dict.fromkeys(names[5:], "n"))]
    with Server(E621Site(shown)) as server:
        got = Got(grab(" ".join(names), server))
    assert got.keys == ["e621_1"]
    assert len(searches(server)[0]["tags"].split()) == 41


def test_globs_and_either_are_sent_where_the_site_reads_them_as_meant() -> None:
    assert plan("red_*").sent == "red_* rating:s"
    assert plan("red_* forest").here == ("red_*",)
    assert plan("~a ~b red_*").here == ("red_*",)
    assert plan("~a* ~b forest").here == ("~a*", "~b")
    assert plan("forest -a*").sent == "forest -a* rating:s"
    shown = uploads(4)
    with Server(E621Site(shown)) as server:
        assert Got(grab("tag_* ~tag_1 ~tag_3 order:id_asc", server)).keys == ["e621_1", "e621_3"]
        assert Got(grab("red_fox tag_* -tag_2*", server)).keys == ["e621_4", "e621_3", "e621_1"]


def test_conditions_hold() -> None:
    shown = uploads(9)
    shown[3].size = (2000, 3000)
    shown[4].ext = "jpg"
    shown[2].hour, shown[3].hour, shown[0].favourites = 23, 0, 3
    with Server(E621Site(shown)) as server:
        for query, ids in {
            "score:>1 score:<4": [9, 6, 4, 1],
            "date:2024-01-02..2024-01-03": [3, 2],  # the third's last hour, not the fourth's first
            "date:..2024-01-02": [2, 1],
            "date:2024-01-08..": [9, 8],
            "date:..9999-12-31 id:1": [1],
            "id:>3 id:<=5": [5, 4],
            "mpixels:>=6": [4],
            "filetype:jpeg": [5],
            "filetype:jpg,gif": [5],
            "-filetype:png": [5],
            "order:favcount id:<3": [1, 2],
            f"md5:{shown[6].md5}": [7],
        }.items():
            assert Got(grab(f"red_fox {query}", server)).keys == [f"e621_{n}" for n in ids], query
        sent = [query["tags"] for query in searches(server)]
    assert "red_fox date:2024-01-02..2024-01-04 rating:s" in sent
    assert "red_fox type:jpg rating:s" in sent
    assert plan("a filetype:jpg,gif").here == ("filetype:jpg", "filetype:gif")
    assert plan("a date:2024-01-01..").here == ("date:2024-01-01..",)


def test_a_sample_is_taken_where_it_is_asked_for() -> None:
    shown = [Upload(1, FOX), Upload(2, FOX, sample=True), Upload(3, FOX, ext="webm", sample=True)]
    with Server(E621Site(shown)) as server:
        got = Got(grab("red_fox", server, file="sample", frames="first"))
        urls = [find.fetch.args[0] for find in got.finds]  # type: ignore[attr-defined]
    assert urls == [
        f"{server.url}/data/{shown[2].md5}.webm",
        f"{server.url}/data/sample/{shown[1].md5}.png",
        f"{server.url}/data/{shown[0].md5}.png",
    ]


# Names and logins


def test_an_alias_is_followed_and_bigger_tags_are_named() -> None:
    shown = [Upload(1, {"rey_(artist)": "artist"})]
    shown += [Upload(n, {"rey_(fox)": "species", "\v": "general"}) for n in range(2, 9)]
    with Server(E621Site(shown, {"rey": "rey_(artist)"})) as server:
        got = Got(grab("rey -nothing", server))
        assert got.keys == ["e621_1"]
        assert "rey -> rey_(artist), 1 post (artist)" in got.warnings[0]
        assert "there is also: rey_(fox), 7 posts (species)" in got.warnings[0]
        assert "no posts are tagged nothing" in got.warnings[1]
        asked = asking(Session(server.url, rate=0, file_rate=0))
        assert [tag.name for tag in E621().like(asked, SITE, "")] == ["rey_(fox)", "rey_(artist)"]
        assert Got(grab("rey_(fox)", server)).finds[0].record.names == ("rey_(fox)",)
        with pytest.raises(UsageError, match="no posts are tagged fox"):
            Got(grab("fox", server))


def test_a_login_goes_as_a_header_and_names_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSK_E621_LOGIN", "me")
    monkeypatch.setenv("DSK_E621_API_KEY", SECRET)
    site = E621Site(uploads(2))
    site.login = f"me:{SECRET}"
    with Server(site) as server:
        got = Got(grab("red_fox", server))
        assert len(got.finds) == 2
        assert "; by me on e621)" in server.asked[0].headers["user-agent"]
        assert SECRET not in server.everything  # nowhere but in the header, packed
        site.login = "me:another"
        with pytest.raises(SiteError, match=r"look at DSK_E621_LOGIN and DSK_E621_API_KEY"):
            Got(grab("red_fox", server))
        monkeypatch.delenv("DSK_E621_API_KEY")
        with pytest.raises(UsageError, match="both or neither"):
            grab("red_fox", server).check()


# Refusals


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (403, '{"success":false,"reason":"Access Denied"}',
         r"^e621 says: Access Denied \(403\); an account may be let in: set DSK_E621_LOGIN and"),
        (404, '{"success":false,"reason":"not found"}', r"^e621 says: not found \(404\)$"),
        (410, '{"success":false,"message":"Limit must be between 0 and 320.","code":null}',
         r"between 0 and 320 \(410\)$"),
        (422, '{"success":false,"message":"You cannot search for more than 40 tags at a time"}',
         r"40 tags at a time \(422\); use fewer or simpler terms"),
        (429, '{"success":false,"message":"Throttled: Too many requests","code":null}',
         r"\(429\); run again in some minutes"),
        (500, '{"success":false,"message":"The database timed out running your query."}',
         r"running your query \(500\); narrow the query"),
        (503, '{"success":false,"message":"The database is unavailable. Try again later."}',
         r"\(503\); run again in some minutes"),
        (503, "<html>busy</html>", r"has trouble; try again later \(503\)"),
        (403, "<html><head><title>Forbidden</title></head></html>", r"refuses access \(403\)"),
        (403, "<html><title>Just a moment...</title></html>", "Cloudflare challenge"),
        (200, '{"success":false}', r"did not serve the request \(200\)"),
        (200, "<!DOCTYPE html><html></html>", "sent a web page instead of an answer"),
        (200, "", "holds no posts"),
        (200, "[]", "holds no posts"),
        (200, "{", "no JSON that can be read"),
        (200, '{"posts": {}}', "holds no posts"),
        (200, '{"post": 1}', "holds no posts"),
        (200, '{"posts": [{"tags": {}}]}', "a post without a number"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_posts_ends_in_a_sentence(status: int, body: str, words: str) -> None:
    with pytest.raises(SiteError, match=words):
        page(body, status)


def test_odd_values_are_read_as_unknown() -> None:
    odd = '"file": [], "score": {"total": null}, "tags": {"general": "x", "meta": [1, "\\u000b"]}'
    post = page('{"post": {"id": 5, ' + odd + ', "rating": "x", "sources": null}}')[0]
    assert post.origin == Origin(site="e621", post="5", url="https://e621.net/posts/5")
    assert [(tag.name, tag.kind) for tag in post.tags] == [("1", "meta")]
    assert post.no_picture() == "the site gives no file"
    assert page('{"posts": []}') == ()


def test_a_browser_is_refused_and_faults_are_waited_out() -> None:
    site = E621Site(uploads(3))
    site.faults = {"/posts.json": [Reply(503, b"<html>", "text/html"), Reply(reset=True)]}
    with Server(site) as server:
        assert len(Got(grab("red_fox", server)).finds) == 3
        site.faults = {"/tags.json": [Reply(404)] * 9}
        assert len(Got(grab("red_fox", server)).finds) == 3
