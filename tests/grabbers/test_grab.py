"""The grab stage against a server that behaves as Danbooru does."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from datasetkit.errors import SafetyError, SiteError, UsageError
from datasetkit.grabbers.grab import Grab
from datasetkit.record import Origin
from tests.grabbers.boorus import DanbooruSite, Picture
from tests.grabbers.got import GIRL, SECRET, Got, Known, pictures
from tests.grabbers.servers import Reply, Server


def test_a_grab_brings_pictures_tags_and_their_origin(tmp_path: Path) -> None:
    shown = pictures(3)
    with Server(DanbooruSite(shown)) as server:
        got = Got(Grab("cirno", url=server.url))
        assert got.fetch(tmp_path / "got") == [p.data for p in reversed(shown)]
        assert server.asked[-1].headers["user-agent"].startswith("datasetkit/")
    first = got.finds[0]
    assert first.name == "danbooru_3.png"
    assert first.record.picture.size == (24, 32)
    kinds = {tag.name: tag.kind for tag in first.record.tags}
    assert kinds == {**GIRL, "tag_3": "general"}
    assert {tag.by for tag in first.record.tags} == {("danbooru",)}
    assert first.record.origin == Origin(
        site="danbooru",
        post="3",
        url=f"{server.url}/posts/3",
        md5=shown[2].md5,
        rating="g",
        score=shown[2].score,
        posted="2026-05-07T11:16:37.000-04:00",
        source="https://example.org/a",
        tags="1girl cirno touhou ruu tag_3",
        query="cirno",
    )
    assert got.notes[-1] == "danbooru: scanned 3 posts, kept 3"
    assert "danbooru: cirno, 3 posts (character)" in got.notes
    assert got.warnings == []


@pytest.mark.parametrize("order", ["", " order:score"])
def test_every_page_is_read_and_no_post_twice(order: str) -> None:
    site = DanbooruSite(pictures(450))
    with Server(site) as server:
        row = Got(Grab("cirno" + order, url=server.url, limit=420))
        pages = [asked.query["page"] for asked in server.asked if asked.path == "/posts.json"]
    assert len(set(row.keys)) == 420
    assert pages == (["1", "2", "3"] if order else ["1", "b251", "b51"])
    scores = [find.record.origin.score for find in row.finds]
    assert not order or scores == sorted(scores, key=lambda score: -(score or 0))


def test_a_limit_of_zero_takes_all() -> None:
    with Server(DanbooruSite(pictures(230))) as server:
        assert len(Got(Grab("cirno", url=server.url, limit=0)).finds) == 230


def test_the_same_grab_again_fetches_nothing_new() -> None:
    with Server(DanbooruSite(pictures(9))) as server:
        first = Got(Grab("cirno", url=server.url, limit=4))
        known = Known({find.record.key: find.record.origin for find in first.finds})
        again = Got(Grab("cirno", url=server.url, limit=4), known)
        assert again.finds == []
        assert again.drops == {"known already": 4}
        assert again.notes[-1] == "danbooru: scanned 4 posts, kept 4 (4 known already)"
        more = Got(Grab("cirno", url=server.url, limit=6), known)
        assert more.keys == ["danbooru_5", "danbooru_4"]


def test_only_two_terms_are_sent_and_the_rest_is_filtered_here() -> None:
    shown = pictures(6)
    shown[0].tags["comic"] = "general"
    shown[1].tags["solo"] = "general"
    shown[2].tags["solo"] = "general"
    with Server(DanbooruSite(shown)) as server:
        got = Got(Grab("cirno touhou solo -comic -tag_3", url=server.url))
        posts = [asked for asked in server.asked if asked.path == "/posts.json"]
    assert got.keys == ["danbooru_2"]
    assert posts[0].query["tags"] == "cirno solo rating:g -status:deleted"
    assert any("filtered here: touhou -comic -tag_3" in note for note in got.notes)


def test_ratings_are_looked_at_again() -> None:
    shown = [*pictures(2), Picture(3, GIRL, rating="e"), Picture(4, GIRL, rating="s")]
    site = DanbooruSite([*shown, Picture(5, GIRL, rating="")])
    site.lies = True
    with Server(site) as server:
        got = Got(Grab("cirno", url=server.url))
        assert got.keys == ["danbooru_2", "danbooru_1"]
        assert got.drops == {"rating explicit": 1, "rating sensitive": 1, "rating unknown": 1}
        wider = Got(Grab("cirno", url=server.url, rating="general,sensitive"))
        assert wider.keys == ["danbooru_4", "danbooru_2", "danbooru_1"]


def test_what_has_no_picture_is_left_out_and_never_rebuilt() -> None:
    shown = [
        Picture(1, GIRL, withheld=True),
        Picture(2, GIRL, ext="mp4"),
        Picture(3, GIRL, ext="zip"),
        Picture(4, GIRL, ext="swf"),
        Picture(5, GIRL),
    ]
    with Server(DanbooruSite(shown)) as server:
        got = Got(Grab("cirno", url=server.url))
        assert not any("/original/" in asked.path for asked in server.asked)
    assert got.keys == ["danbooru_5"]
    assert got.drops == {
        "the site gives no file": 1,
        "a video (.mp4)": 1,
        "an ugoira (.zip)": 1,
        "a Flash file (.swf)": 1,
    }
    assert "left out: " in got.notes[-1]


@pytest.mark.parametrize(
    ("tag", "rating", "rule"),
    [
        ("loli", "g", "safety rule 1"),
        ("child", "s", "safety rule 2"),
        ("child", "g", ""),
    ],
)
def test_the_safety_rules_hold_for_what_a_site_sends(tag: str, rating: str, rule: str) -> None:
    shown = [Picture(1, {**GIRL, tag: "general"}, rating=rating), Picture(2, GIRL)]
    with Server(DanbooruSite(shown)) as server:
        got = Got(Grab("cirno", url=server.url, rating="g,s"))
    assert got.drops == ({rule: 1} if rule else {})
    assert not rule or tag not in " ".join(got.notes)


def test_queries_are_refused_before_anything_is_asked() -> None:
    with Server(DanbooruSite([])) as server:
        for query, refused in {
            "loli": SafetyError,
            "child rating:e": SafetyError,
            "cirno order:date": UsageError,
            "cirno rating:x": UsageError,
        }.items():
            with pytest.raises(refused):
                Grab(query, url=server.url).check()
        with pytest.raises(SafetyError):
            Grab("child", url=server.url, rating="q").check()
        with pytest.raises(UsageError, match="said twice"):
            Grab("cirno rating:g", url=server.url, rating="g").check()
        with pytest.raises(UsageError, match="no rating 'questionable'; it has general"):
            Grab("cirno", site=("safebooru.donmai.us",), url=server.url, rating="q").check()
        with pytest.raises(UsageError, match="no order 'favcount'"):
            Grab("cirno order:favcount", site=("safebooru.org",)).check()
        with pytest.raises(UsageError, match="DSK_GELBOORU_USER_ID"):
            Grab("cirno", site=("gelbooru",)).check()
        Grab("cirno -loli", url=server.url).check()
        assert server.asked == []


# Names


def test_an_alias_is_said_and_bigger_tags_are_named() -> None:
    artist = {"shimakaze_(soundz_of_bell)": "artist"}
    ship = {"shimakaze_(kancolle)": "character"}
    shown = [Picture(1, artist), *(Picture(n, ship) for n in range(2, 9))]
    site = DanbooruSite(shown, {"shimakaze": "shimakaze_(soundz_of_bell)"})
    with Server(site) as server:
        got = Got(Grab("shimakaze order:score", url=server.url))
    assert got.warnings == [
        "danbooru: shimakaze -> shimakaze_(soundz_of_bell), 1 post (artist); "
        "there is also: shimakaze_(kancolle), 7 posts (character) (--exact for no warning)"
    ]
    assert got.keys == ["danbooru_1"]


def test_a_person_is_asked_what_is_meant() -> None:
    ship = {"shimakaze_(kancolle)": "character", "1girl": "general"}
    shown = [Picture(1, {"shimakaze_(soundz_of_bell)": "artist", "1girl": "general"})]
    shown += [Picture(n, ship) for n in range(2, 9)]
    site = DanbooruSite(shown, {"shimakaze": "shimakaze_(soundz_of_bell)"})
    asked: list[tuple[str, list[str]]] = []

    def first(question: str, answers: Sequence[str]) -> int:
        asked.append((question, list(answers)))
        return 0

    with Server(site) as server:
        grab = Grab("shimakaze 1girl order:score", url=server.url)
        meant = grab.settled(first)
        assert meant.query == "shimakaze_(kancolle) 1girl order:score"
        assert len(Got(meant).finds) == 7
        assert Got(meant).warnings == []
        assert asked[0][1] == [
            "shimakaze_(kancolle), 7 posts (character)",
            "shimakaze_(soundz_of_bell), 1 post (artist)",
        ]
        assert "shimakaze is not clear" in asked[0][0]
        plain = replace(grab, query="1girl")
        assert plain.settled(first) == plain
        exact = replace(grab, exact=True)
        assert exact.settled(first) is exact
        assert Got(exact).warnings == []
    assert len(asked) == 1


def test_a_plain_word_is_asked_about_where_one_meaning_of_it_is_far_more_common() -> None:
    shown = [Picture(1, {"saber": "general"})]
    shown += [
        Picture(n, {"saber_(fate)": "character", "saberhagen": "artist"}) for n in range(2, 20)
    ]
    with Server(DanbooruSite(shown)) as server:
        got = Got(Grab("saber", url=server.url))
        few = Got(Grab("saberhagen", url=server.url))
    assert got.warnings == [
        "danbooru: saber, 1 post (general); there is also: saber_(fate), 18 posts (character) "
        "(--exact for no warning)"
    ]
    assert few.warnings == []


def test_an_alias_among_what_is_filtered_here_is_resolved_too() -> None:
    shown = pictures(4)
    shown[0].tags["scythe"] = "general"
    with Server(DanbooruSite(shown, {"reaping_hook": "scythe"})) as server:
        got = Got(Grab("cirno order:score -reaping_hook", url=server.url))
    assert got.drops == {"has scythe": 1}


def test_an_alias_of_what_is_never_taken_is_refused() -> None:
    site = DanbooruSite(pictures(1), {"harmless": "lolicon"})
    with Server(site) as server, pytest.raises(SafetyError):
        Got(Grab("harmless", url=server.url))


def test_nothing_found_is_said_with_what_is_near() -> None:
    shown = [Picture(1, {"kirisame_marisa": "character"}), Picture(2, {"cirno": "character"})]
    with Server(DanbooruSite(shown)) as server:
        near = "near it: kirisame_marisa, 1 post "
        with pytest.raises(UsageError, match=near):
            Got(Grab("marisa_kirisame", url=server.url))
        with pytest.raises(UsageError, match="near it: cirno, 1 post "):
            Got(Grab("cirn", url=server.url))
        with pytest.raises(UsageError, match=r"no posts are tagged nobody$"):
            Got(Grab("nobody", url=server.url, exact=True))
        got = Got(Grab("cirno -cirn", url=server.url))
    assert "no posts are tagged cirn" in got.warnings[0]


def test_names_that_cannot_be_looked_up_stop_nothing() -> None:
    site = DanbooruSite(pictures(3))
    site.faults = {"/tags.json": [Reply(404)] * 9, "/tag_aliases.json": [Reply(body=b"<")] * 9}
    with Server(site) as server:
        assert len(Got(Grab("cirno", url=server.url)).finds) == 3


# Refusals and faults


def test_a_login_goes_as_a_header_and_a_wrong_one_is_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DSK_DANBOORU_LOGIN", "me")
    monkeypatch.setenv("DSK_DANBOORU_API_KEY", SECRET)
    monkeypatch.setenv("DSK_DANBOORU_USER_ID", "12")
    site = DanbooruSite(pictures(2))
    site.login = f"me:{SECRET}"
    with Server(site) as server:
        assert len(Got(Grab("cirno", url=server.url)).finds) == 2
        assert "danbooru user #12" in server.asked[0].headers["user-agent"]
        site.login = "me:another"
        with pytest.raises(SiteError, match="DSK_DANBOORU_API_KEY") as caught:
            Got(Grab("cirno", url=server.url))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("level", "sent"), [(20, 1), (30, 5), (31, 7)])
def test_a_better_account_has_more_looked_for_by_the_site(
    level: int, sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSK_DANBOORU_LOGIN", "me")
    monkeypatch.setenv("DSK_DANBOORU_API_KEY", SECRET)
    names = [f"t{n}" for n in range(7)]
    site = DanbooruSite([Picture(1, dict.fromkeys(names, "general"))])
    site.login, site.level = f"me:{SECRET}", level
    with Server(site) as server:
        assert len(Got(Grab(f"{' '.join(names)} order:score", url=server.url)).finds) == 1
        asked = next(a for a in server.asked if a.path == "/posts.json")
    assert len([term for term in asked.query["tags"].split() if ":" not in term]) == sent


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(403, b"<html><head><title>Just a moment...</title>", "text/html"), "Cloudflare"),
        (Reply(200, b"<!DOCTYPE html><html></html>", "text/html"), "sent a web page instead of an"),
        (
            Reply(200, b"<html><title>\n Be &lt;back&gt;  soon\x07</title>"),
            "answer: 'Be <back> soon'$",
        ),
        (Reply(200, b"[{}]"), "post without a number"),
        (Reply(200, b"[[[["), "no JSON"),
        (Reply(200, b"[1]"), "holds no posts"),
        (Reply(200, b"[" * 100_000), "no JSON"),
        (Reply(200, b'{"success": false, "error": "X", "message": "No way."}'), "says: No way"),
        (Reply(451, b"<html>gone"), "451"),
        (Reply(200, b'<!DOCTYPE a [<!ENTITY b "c">]><posts/>'), "no plain XML"),
    ],
)
def test_what_is_no_list_of_posts_ends_in_a_sentence(reply: Reply, words: str) -> None:
    site = DanbooruSite(pictures(2))
    site.faults = {"/posts.json": [reply]}
    with Server(site) as server, pytest.raises(SiteError, match=words):
        Got(Grab("cirno", url=server.url))


def test_too_many_requests_and_broken_answers_are_waited_out() -> None:
    site = DanbooruSite(pictures(4))
    busy = Reply(429, b"{}", headers={"Retry-After": "0"})
    cut = Reply(body=b'[{"id": 1}, {"id"', cut=10, declared=1000)
    site.faults = {"/posts.json": [busy, cut, Reply(reset=True)]}
    with Server(site) as server:
        assert len(Got(Grab("cirno", url=server.url)).finds) == 4


def test_the_end_of_the_numbered_pages_is_said() -> None:
    site = DanbooruSite(pictures(250))
    site.last_page = 1
    with Server(site) as server, pytest.raises(SiteError, match="cannot go beyond page 1"):
        Got(Grab("cirno order:score", url=server.url, limit=0))


def test_files_that_come_wrong_are_fetched_again_or_refused(tmp_path: Path) -> None:
    shown = pictures(2)
    site = DanbooruSite(shown)
    with Server(site) as server:
        got = Got(Grab("cirno", url=server.url))
        wrong = Reply(body=shown[0].data, content_type="image/png")
        site.faults = {f"/original/{shown[1].md5}.png": [wrong]}
        assert got.fetch(tmp_path / "a") == [shown[1].data, shown[0].data]
        page = Reply(body=b"<html>", content_type="image/png")
        site.faults = {f"/original/{shown[1].md5}.png": [page]}
        with pytest.raises(SiteError, match="an HTML page instead of a picture"):
            got.fetch(tmp_path / "b")
    assert list((tmp_path / "b").iterdir()) == []


def test_help_needs_no_network_library() -> None:
    code = (
        "import sys, datasetkit.grabbers.grab as g; g.Grab('a').plan();"
        "assert not {'requests', 'urllib3', 'PIL.Image', 'datasetkit.web'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
