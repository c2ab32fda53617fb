"""The grab stage against a server that behaves as Zerochan does."""

from pathlib import Path
from typing import Any

import pytest

from datasetkit.errors import SafetyError, SiteError, UsageError
from datasetkit.grabbers.grab import Grab
from datasetkit.grabbers.query import parse
from datasetkit.grabbers.sites import SITES
from datasetkit.grabbers.zerochan import Zerochan
from datasetkit.record import Origin
from datasetkit.web import Answer
from tests.grabbers.boorus import Picture
from tests.grabbers.got import Got
from tests.grabbers.servers import Reply, Server
from tests.grabbers.zerochan_site import ZerochanSite

SITE = SITES["zerochan"]
MIKU = {"Hatsune Miku": "general", "Long Hair": "general", "Text: Good Morning": "general"}


@pytest.fixture(autouse=True)
def no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DSK_ZEROCHAN_LOGIN", raising=False)


def entries(count: int) -> list[Picture]:
    return [Picture(n, {**MIKU, f"Tag {n}": "general"}, score=n * 7 % 5)
            for n in range(1, count + 1)]  # fmt: skip


def grabbed(query: str, server: Server, **more: Any) -> Got:
    return Got(Grab(query, site=("zerochan",), url=server.url, **more))


def test_a_grab_brings_pictures_tags_and_their_origin(tmp_path: Path) -> None:
    shown = entries(3)
    with Server(ZerochanSite(shown)) as server:
        got = grabbed("hatsune_miku long_hair -tag_2", server)
        assert got.fetch(tmp_path / "got") == [shown[2].data, shown[0].data]
        listed = server.asked[0]
    assert listed.target == "/Hatsune+Miku,Long+Hair?json=&p=1&l=100&s=id"
    assert got.finds[0].name == "zerochan_3.png"
    record = got.finds[0].record
    assert {tag.name: tag.kind for tag in record.tags} == dict.fromkeys(
        ["hatsune_miku", "long_hair", "text:_good_morning", "tag_3"], "general"
    )
    assert record.origin == Origin(
        site="zerochan",
        post="3",
        url=f"{server.url}/3",
        md5=shown[2].md5,
        source="https://example.org/\\./a",
        tags=" ".join(tag.name for tag in record.tags),
        query="hatsune_miku long_hair -tag_2",
    )
    assert got.drops == {"has tag_2": 1}
    assert got.warnings == ["zerochan tells no ratings; look at what comes"]
    assert "zerochan: not looked up, so taken as it stands: " in got.notes[0]
    assert got.notes[-1].startswith("zerochan: 2 posts do not tell the kinds of all tags")


@pytest.mark.parametrize("says_next", [True, False])
@pytest.mark.parametrize("order", ["", " order:favcount", " order:score"])
def test_every_page_is_read_and_no_entry_twice(order: str, says_next: bool) -> None:
    site = ZerochanSite(entries(45))
    site.says_next = says_next
    with Server(site) as server:
        got = grabbed("hatsune_miku" + order, server, limit=0)
        lists = [asked for asked in server.asked if "p" in asked.query]
    assert len(set(got.keys)) == 45
    assert len(lists) == (1 if says_next else 2)
    assert {asked.query["s"] for asked in lists} == {"fav" if order else "id"}


def test_only_what_is_wanted_is_asked_for_by_its_number() -> None:
    shown = [*entries(30), Picture(31, {**MIKU, "Comic": "general"})]
    with Server(ZerochanSite(shown)) as server:
        grabbed("hatsune_miku -comic", server, limit=3)
        assert [a.path for a in server.asked][1:] == ["/30", "/29", "/28"]


def test_names_are_quoted_and_a_redirect_to_the_right_one_is_followed() -> None:
    name = "Saber (Fate/stay Night)"
    shown = [Picture(1, {name: "general"}), Picture(2, {"R&B 100% Café?": "general"})]
    with Server(ZerochanSite(shown, {"saver": name})) as server:
        assert grabbed("saber_(fate/stay_night)", server).keys == ["zerochan_1"]
        assert server.asked[0].path == "/Saber+%28Fate%2Fstay+Night%29"
        assert grabbed("saver", server).keys == ["zerochan_1"]
    assert Zerochan().plan(parse("r&b_#1,x"), "", SITE, {}).sent == "/R%26b+%231%2Cx?s=id"


def test_what_it_cannot_look_for_is_filtered_here_or_refused() -> None:
    shown = entries(4)
    shown[0].tags["2001"] = "general"
    shown[1].tags["Red Eyes"] = "general"
    with Server(ZerochanSite(shown)) as server:
        assert grabbed("hatsune_miku 2001", server).keys == ["zerochan_1"]
        assert grabbed("hatsune_miku *_eyes width:>=10", server).keys == ["zerochan_2"]
        either = grabbed("hatsune_miku ~tag_4 ~red_eyes", server)
        assert either.keys == ["zerochan_4", "zerochan_2"]
        assert {a.path for a in server.asked if "p" in a.query} == {"/Hatsune+Miku"}
        assert "filtered here: ~tag_4 ~red_eyes" in " ".join(either.notes)
        assert grabbed("-tag_1", server).keys == ["zerochan_4", "zerochan_3", "zerochan_2"]
        server.asked.clear()
        for query, words in {
            "2001": "cannot look for 2001 alone",
            "..": "cannot look for",
            "miku*": "cannot look for",
            "~a ~b": "cannot look for ~a alone",
            "miku score:>5": "leave score: out",
            "miku date:2024-01-01": "leave date: out",
            "miku filetype:png": "leave filetype: out",
            "miku md5:0123456789abcdef0123456789abcdef": "leave md5: out",
            "miku rating:g": "no rating",
            "miku order:random": "no order",
        }.items():
            with pytest.raises(UsageError, match=words):
                Grab(query, site=("zerochan",), url=server.url).check()
        assert server.asked == []


def test_an_unknown_tag_is_said() -> None:
    with Server(ZerochanSite(entries(2))) as server:
        got = grabbed("miku_hatsune", server)
    assert got.finds == []
    assert "finds nothing for 'miku_hatsune'; is each name right" in got.warnings[-1]


def test_unknown_ratings_count_as_unsafe_and_later_tags_are_judged_too() -> None:
    shown = [*entries(2), Picture(3, {**MIKU, "Child": "general"})]
    site = ZerochanSite(shown)
    site.hidden = {1: "Lolicon"}
    with Server(site) as server:
        got = grabbed("hatsune_miku", server)
        assert got.drops["safety rule 2"] == 1
        assert got.drops["safety rule 1"] == 1
        assert not any("post 1" in note for note in got.notes)  # counted, never listed
        assert got.keys == ["zerochan_2"]
        assert not any("/static/" in asked.path for asked in server.asked)
        with pytest.raises(SafetyError):
            Grab("child", site=("zerochan",), url=server.url).check()


def test_an_entry_that_is_gone_or_broken_is_no_harm_to_the_others() -> None:
    site = ZerochanSite(entries(4))
    site.lost, site.broken = {2}, {3}
    site.pictures[3].withheld = True
    with Server(site) as server:
        got = grabbed("hatsune_miku", server)
    assert got.keys == ["zerochan_1"]
    assert got.drops["the site gives no file"] == 1
    assert got.warnings[1:] == [
        "post 3 is left out: zerochan: the answer is no JSON that can be read",
        "post 2 is left out: not on the site any more",
    ]


def test_the_user_agent_says_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    site = ZerochanSite(entries(1))
    site.user = "me"
    with Server(site) as server:
        with pytest.raises(SiteError, match="refuses access"):
            grabbed("hatsune_miku", server)
        monkeypatch.setenv("DSK_ZEROCHAN_LOGIN", "me")
        assert len(grabbed("hatsune_miku", server).finds) == 1
        monkeypatch.setenv("DSK_ZEROCHAN_LOGIN", "ミク) x")
        site.user = "%E3%83%9F%E3%82%AF%29 x"
        assert len(grabbed("hatsune_miku", server).finds) == 1


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(200, b"<!DOCTYPE html><html>Checking</html>", "text/html"), "a web page"),
        (Reply(403, b"<html><title>Just a moment...</title></html>", "text/html"), "Cloudflare"),
        (Reply(500, b'{\r\n  "items": [\r\n}\r\n'), r"try again later \(500\)"),
        (Reply(200, b'{\r\n  "items": [\r\n}\r\n'), "no JSON"),
        (Reply(200, b'{"items": 5}'), "holds no posts"),
        (Reply(200, b"[1]"), "holds no posts"),
        (Reply(200, b'{"items": [{"tag": "A"}]}'), "without a number"),
    ],
)
def test_what_is_no_list_ends_in_a_sentence(reply: Reply, words: str) -> None:
    with Server(lambda asked: reply) as server, pytest.raises(SiteError, match=words):
        grabbed("hatsune_miku", server)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (rb"a\.b", "a\\.b"),
        (rb"a\\.b", "a\\.b"),
        (rb"a\\\.b", "a\\\\.b"),
        (rb"\u30df\u12", "ミ\\u12"),
        (rb"a\"b\/c", 'a"b/c'),
        (b"a\tb\r\nc", "a b  c"),
    ],
)
def test_stray_backslashes_are_read_with_care(text: bytes, source: str) -> None:
    body = b'{"items": [{"id": 1, "thumbnail": "t", "source": "' + text + b'"}]}'
    (post,) = Zerochan().read(Answer(200, "application/json", body), SITE).posts
    assert post.origin.source == source
