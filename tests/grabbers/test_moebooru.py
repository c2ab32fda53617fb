"""Grabs from a server that behaves as yande.re and konachan.com do."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datasetkit.errors import SiteError, UsageError
from datasetkit.grabbers.grab import Grab
from datasetkit.grabbers.listing import listed
from datasetkit.grabbers.moebooru import Moebooru
from datasetkit.grabbers.posts import Post
from datasetkit.grabbers.query import parse
from datasetkit.grabbers.search import asking
from datasetkit.grabbers.sites import SITES
from datasetkit.record import Origin
from datasetkit.stage import Note
from datasetkit.web import Answer, Session
from tests.grabbers.got import GIRL, Got
from tests.grabbers.moebooru_site import MoebooruSite, Upload
from tests.grabbers.servers import Reply, Server

YANDE = SITES["yande.re"]


def uploads(count: int = 5, **more: Any) -> list[Upload]:
    return [Upload(n, {**GIRL, f"tag_{n}": "general"}, score=n * 7 % 5, **more)
            for n in range(1, count + 1)]  # fmt: skip


def grab(query: str, server: Server, site: str = "yande.re", **options: Any) -> Grab:
    return Grab(query, site=(site,), url=server.url, **options)


def searches(server: Server) -> list[dict[str, str]]:
    return [asked.query for asked in server.asked if asked.path == "/post.json"]


def plan(query: str, letters: str = "g", counts: dict[str, int] | None = None) -> Any:
    return Moebooru().plan(parse(query), letters, YANDE, counts or {})


def page(body: str, status: int = 200) -> tuple[Post, ...]:
    return Moebooru().read(Answer(status, "application/json", body.encode()), YANDE).posts


def test_a_grab_brings_pictures_typed_tags_and_their_origin(tmp_path: Path) -> None:
    shown = uploads(2)
    shown[1].tags |= {"some_circle": "circle", "jpeg_artifacts": "meta"}
    with Server(MoebooruSite(shown)) as server:
        got = Got(grab("cirno", server))
        assert got.fetch(tmp_path / "got") == [p.data for p in reversed(shown)]
    first = got.finds[0].record
    kinds = {"tag_2": "general", "some_circle": "artist", "jpeg_artifacts": "meta"}
    assert {tag.name: tag.kind for tag in first.tags} == GIRL | kinds
    assert {tag.by for tag in first.tags} == {("yande.re",)}
    assert first.picture.size == (24, 32)
    assert replace(first.origin, tags="") == Origin(
        site="yande.re",
        post="2",
        url=f"{server.url}/post/show/2",
        md5=shown[1].md5,
        rating="g",
        score=shown[1].score,
        posted="2024-01-02T00:00:00+00:00",
        source="https://example.org/a",
        query="cirno",
    )
    assert got.finds[0].size == len(shown[1].data)
    assert got.warnings == []


def test_an_older_server_answers_without_kinds_and_counts_every_word() -> None:
    site = MoebooruSite(uploads(3))
    site.old = True
    with Server(site) as server:
        got = Got(grab("cirno touhou tag_2 order:score", server, "konachan.com"))
        assert searches(server)[0]["tags"] == "cirno touhou tag_2 order:score rating:s"
        assert {tag.kind for tag in got.finds[0].record.tags} == {"general"}
        assert got.finds[0].record.origin.site == "konachan.com"
        Got(grab("cirno touhou", server, "konachan.com"))
        assert searches(server)[-1]["tags"] == "cirno touhou rating:s holds:false pending:false"
    post = page('[{"id": 1, "tags": "a b"}]')[0]
    assert post.kinds_told is False
    assert page('{"posts": [{"id": 1, "tags": "a"}], "tags": {"a": "style"}}')[0].kinds_told


def test_what_is_deleted_held_pending_flagged_or_withheld_is_left_out() -> None:
    shown = [
        Upload(1, GIRL, status="deleted"),
        Upload(2, GIRL, status="flagged"),
        Upload(3, GIRL, status="pending"),
        Upload(4, GIRL, held=True),
        Upload(5, GIRL, withheld=True),
        Upload(6, GIRL, ext="swf"),
        Upload(7, GIRL),
    ]
    with Server(MoebooruSite(shown)) as server:
        got = Got(grab("cirno", server))
        assert got.keys == ["yande_re_7"]
        seen = {"flagged on the site": 1, "the site gives no file": 1, "a Flash file (.swf)": 1}
        assert got.drops == seen
        wide = Got(grab("cirno touhou 1girl ruu score:>=0 id:>=1", server))  # no word to spare
        seen |= {"deleted on the site": 1, "awaits approval on the site": 1}
        assert wide.drops == seen | {"held back on the site": 1}
        assert not any("/image/" in asked.path for asked in server.asked)


def test_six_tags_are_sent_the_rarest_first_and_the_rest_is_filtered_here() -> None:
    names = [f"n{number}" for number in range(8)]
    bearing = {n: {name: "general" for name in names if n % (int(name[1:]) + 1) == 0}
               for n in range(1, 841)}  # fmt: skip
    site = MoebooruSite([Upload(n, {"a": "general", **tags}) for n, tags in bearing.items()])
    with Server(site) as server:
        got = Got(grab(" ".join(names), server, limit=0))
        assert searches(server)[0]["tags"] == "n2 n3 n4 n5 n6 n7 rating:s"
        assert got.keys == ["yande_re_840"]
        assert "filtered here: n0 n1" in " ".join(got.notes)
        nots = [f"-n{number}" for number in (1, 2, 3, 4, 5, 6, 7)]
        got = Got(grab("a " + " ".join(nots), server, limit=0))
        sent = " ".join(nots[:6])
        assert searches(server)[-1]["tags"] == f"a {sent} rating:s"
        assert got.drops == {}
        assert len(got.keys) == sum(set(tags) == {"n0"} for tags in bearing.values())


def test_ratings_are_translated_and_looked_at_again() -> None:
    shown = [Upload(n, GIRL, rating=letter) for n, letter in enumerate("gqe", 1)]
    with Server(MoebooruSite(shown)) as server:
        for asked, sent, keys in [
            ("", "rating:s", [1]),
            ("q", "rating:q", [2]),
            ("g,s,q", "-rating:e", [2, 1]),
            ("g,q,e", "", [3, 2, 1]),
        ]:
            got = Got(grab("cirno", server, rating=asked))
            assert searches(server)[-1]["tags"].split()[1:-2] == sent.split()
            assert got.keys == [f"yande_re_{key}" for key in keys]
        with pytest.raises(UsageError, match="no rating 'sensitive'"):
            Grab("cirno", site=("yande.re",), rating="s").check()
        with pytest.raises(UsageError, match=r"konachan\.net has no rating 'explicit'"):
            Grab("cirno", site=("konachan.net",), rating="e").check()


def test_a_lone_letter_is_never_sent_as_a_tag() -> None:
    shown = [Upload(1, {**GIRL, "e": "general"}), Upload(2, GIRL, rating="e"), Upload(3, GIRL)]
    with Server(MoebooruSite(shown)) as server:
        got = Got(grab("cirno e", server))
        assert got.keys == ["yande_re_1"]
        assert searches(server)[0]["tags"].split()[:2] == ["cirno", "rating:s"]
    for query in ("e", "s -cirno", "holds:all"):
        with pytest.raises(UsageError, match="name another tag that all have"):
            plan(query)
    assert plan("cirno -rain -pool:3x".replace("-pool:3x", "-shown:x")).here == ("-shown:x",)


def test_globs_and_either_are_sent_where_the_site_reads_them_as_meant() -> None:
    assert plan("blue_*").sent.startswith("blue_* rating:s")
    assert plan("blue_* cirno").here == ("blue_*",)
    assert plan("blue_* red_*").here == ("red_*",)
    assert plan("~a ~b cirno").sent.startswith("cirno ~a ~b rating:s")
    assert plan("~a ~b blue_*").here == ("blue_*",)
    assert plan("~a* ~b cirno").here == ("~a*", "~b")
    assert plan("cirno -a*").here == ("-a*",)
    with pytest.raises(UsageError, match="name another tag"):
        plan("~a* ~b")
    shown = uploads(4)
    with Server(MoebooruSite(shown)) as server:
        assert Got(grab("tag_* ~tag_1 ~tag_3 order:id_asc", server)).keys == [
            "yande_re_1",
            "yande_re_3",
        ]
        assert Got(grab("cirno tag_* -tag_2", server)).keys == [
            f"yande_re_{number}" for number in (4, 3, 1)
        ]


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("score:>=50", "score:>=50"),
        ("score:>5 score:<9.5", "score:6..9"),
        ("score:-5..-1", "score:-5..-1"),
        ("id:12345678", "id:12345678..12345678"),
        ("width:<1000", "width:<=999"),
        (f"width:<{'9' * 400}", "width:<=1999999999"),
        ("mpixels:>1.25", "mpixels:>=1.25"),
        ("mpixels:0.5..2", "mpixels:0.5..2"),
        ("date:2024-01-02..2024-01-03", "date:2024-01-02..2024-01-03"),
        ("date:2024-01-02..", "date:2024-01-02.."),
        ("filetype:png,jpeg", "ext:png,jpg"),
        ("md5:" + "0" * 32, "md5:" + "0" * 32),
        ("order:random", "order:random"),
    ],
)
def test_conditions_are_sent_in_the_sites_words(query: str, sent: str) -> None:
    made = plan("cirno " + query)
    assert sent in made.sent.split()
    assert made.here == ()


def test_conditions_hold() -> None:
    shown = uploads(9)
    shown[3].size = (2000, 3000)
    with Server(MoebooruSite(shown)) as server:
        for query, ids in {
            "score:>1 score:<4": [9, 6, 4, 1],
            "date:2024-01-02..2024-01-03": [3, 2],
            "id:>3 id:<=5": [5, 4],
            "mpixels:>=6": [4],
            "-filetype:jpg id:1": [1],
        }.items():
            assert Got(grab(f"cirno {query}", server)).keys == [f"yande_re_{n}" for n in ids], query
        assert Got(grab("cirno -filetype:png", server)).drops == {"a .png": 9}
    with pytest.raises(UsageError, match="no order 'favcount'"):
        Grab("cirno order:favcount", site=("yande.re",)).check()


@pytest.mark.parametrize("query", ["cirno", "cirno id:40..400", "cirno order:score score:1..3"])
def test_pages_end_and_an_id_or_a_score_carries_on(query: str) -> None:
    shown = uploads(430)
    with Server(MoebooruSite(shown)) as server:
        session = Session(server.url, rate=0, file_rate=0)
        ended = replace(YANDE, url=server.url, pages=2)
        posts = list(listed(Moebooru(), asking(session), ended, plan(query), 50))
        asked = searches(server)
    bounds = parse(query).bounds
    wanted = [p for p in shown
              if all(b.holds({"id": p.id, "score": p.score}[b.key]) for b in bounds)]  # fmt: skip
    if "order" not in query:
        assert [int(p.id) for p in posts if isinstance(p, Post)] == [p.id for p in wanted][::-1]
        assert not any(isinstance(p, Note) for p in posts)
        assert asked[2]["tags"].endswith("id:<=330" if query == "cirno" else "id:40..300")
    else:
        scores = [p.origin.score or 0 for p in posts if isinstance(p, Post)]
        assert scores == sorted(scores, reverse=True)
        assert len(scores) == len(wanted)
        assert [asked[n]["tags"].split()[-1] for n in (2, 4)] == ["score:1..2", "score:1..1"]
    assert max(int(query["page"]) for query in asked) == 2


def test_smaller_files_are_taken_where_they_are_asked_for() -> None:
    shown = [Upload(1, GIRL), Upload(2, GIRL, smaller=True)]
    with Server(MoebooruSite(shown)) as server:
        urls = {}
        for file in ("original", "large", "sample"):
            got = Got(grab("cirno", server, file=file))
            urls[file] = [find.fetch.args[0] for find in got.finds]  # type: ignore[attr-defined]
            assert [find.name for find in got.finds][1] == "yande_re_1.png"
    big = f"{server.url}/image/{shown[0].md5}/"
    assert all(of_file[1].startswith(big) for of_file in urls.values())
    assert urls["large"][0] == f"{server.url}/jpeg/{shown[1].md5}/2.jpg"
    assert urls["sample"][0] == f"{server.url}/sample/{shown[1].md5}/2.jpg"


def test_posts_are_asked_for_by_their_numbers() -> None:
    shown = [Upload(1, GIRL), Upload(2, GIRL, status="deleted"), Upload(3, GIRL)]
    with Server(MoebooruSite(shown)) as server:
        session = Session(server.url, rate=0, file_rate=0)
        answer = asking(session)(Moebooru().these(["1", "2", "9"], YANDE))
    assert searches(server)[0]["tags"] == "id:1,2,9"
    assert answer.status == 200


# Names


def test_an_alias_is_followed_and_bigger_tags_are_named() -> None:
    shown = [Upload(1, {"shimakaze_(artist)": "artist"})]
    shown += [Upload(n, {"shimakaze_(kancolle)": "character"}) for n in range(2, 9)]
    aliases = {f"shimakaze_{number:02}": "shimakaze_(kancolle)" for number in range(25)}
    site = MoebooruSite(shown, {**aliases, "shimakaze": "shimakaze_(artist)"})
    with Server(site) as server:
        got = Got(grab("shimakaze", server))
        pages = [asked.query for asked in server.asked if asked.path == "/tag_alias.json"]
    assert [query["page"] for query in pages] == ["1", "2"]
    assert got.keys == ["yande_re_1"]
    assert "shimakaze -> shimakaze_(artist), 1 post (artist)" in got.warnings[0]
    assert "there is also: shimakaze_(kancolle), 7 posts (character)" in got.warnings[0]


def test_a_name_among_many_that_begin_with_it_is_found() -> None:
    shown = [Upload(n, {f"a_{n % 120}": "general"}) for n in range(1, 400)]
    with Server(MoebooruSite([*shown, Upload(400, {"a": "general"})])) as server:
        got = Got(grab("a", server))
        assert got.keys == ["yande_re_400"]
        with pytest.raises(UsageError, match="no posts are tagged b"):
            Got(grab("b", server))


# Refusals


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (500, '{"success": false, "reason": "Error: No more than 6 tags at a time"}',
         r"^yande.re says: No more than 6 tags at a time \(500\); use fewer terms$"),
        (500, '{"success": false, "reason": "You can only search up to six tags at once"}',
         "six tags at once .*use fewer terms"),
        (403, '{"success": false, "reason": "access denied"}', r"says: access denied \(403\); try"),
        (421, '{"success": false, "reason": "Throttled"}', "run again in some minutes"),
        (200, '{"success": false, "reason": "No."}', r"says: No \(200\)"),
        (200, '{"success": false}', r"refuses and gives no reason \(200\)"),
        (503, "<html>busy</html>", r"has trouble; try again later \(503\)"),
        (404, "", r"has nothing there \(404\)"),
        (200, "<!DOCTYPE html><html></html>", "sent a web page instead of an answer"),
        (200, "", "no JSON that can be read"),
        (200, "[" * 100_000, "no JSON that can be read"),
        (200, '{"posts": null}', "holds no posts"),
        (200, "[1]", "holds no posts"),
        (200, "[{}]", "a post without a number"),
        (403, "<html><title>Just a moment...</title></html>", "Cloudflare challenge"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_posts_ends_in_a_sentence(status: int, body: str, words: str) -> None:
    with pytest.raises(SiteError, match=words):
        page(body, status)


def test_odd_values_are_read_as_unknown() -> None:
    row = '"md5": "x", "score": "no", "created_at": 1e99, "rating": "g!", "file_url": null'
    post = page('[{"id": 5, "tags": "a\\u202e &amp;b", ' + row + "}]")[0]
    assert post.origin == Origin(site="yande.re", post="5", url="https://yande.re/post/show/5")
    assert [tag.name for tag in post.tags] == ["a", "&amp;b"]  # nothing is escaped there
    assert post.no_picture() == "the site gives no file"
    far = page('[{"id": 5, "created_at": 99999999999999999}]')[0]
    assert far.origin.posted == ""


def test_refusals_and_faults_of_a_server(tmp_path: Path) -> None:
    site = MoebooruSite(uploads(4))
    site.faults = {"/post.json": [Reply(503, b"<html>", "text/html"), Reply(reset=True)]}
    with Server(site) as server:
        assert len(Got(grab("cirno", server)).finds) == 4
        site.old = True
        with pytest.raises(SiteError, match="use fewer terms"):
            Got(grab("cirno touhou 1girl ruu -a -b -c", server))
        site.faults = {"/tag.json": [Reply(404)] * 9}
        assert len(Got(grab("cirno", server)).finds) == 4


def test_a_search_of_many_pages_asks_no_more_than_it_must() -> None:
    with Server(MoebooruSite(uploads(250))) as server:
        assert len(Got(grab("cirno", server, limit=0)).finds) == 250
        assert len(searches(server)) == math.ceil(250 / YANDE.page) + 1
        assert {query["limit"] for query in searches(server)} == {"100"}
