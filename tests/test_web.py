"""The web session: answers, files, wrong bodies, and what is said of them."""

import gzip
import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datasetkit.errors import SiteError, WrongFile
from datasetkit.web import Answer, Limits, Session, explain
from datasetkit.web.answers import not_a_picture
from tests.grabbers.servers import Clock, Reply, Server
from tests.sessions import KEYS, PNG, SECRET, picture, replies, session


@pytest.fixture
def dest(tmp_path: Path) -> Iterator[Path]:
    """A place for a file; whatever happened, no damaged file stays there."""
    path = tmp_path / "file.part"
    yield path
    assert not path.exists() or path.read_bytes() == PNG


def test_an_answer_comes_back_whole() -> None:
    with Server(replies(Reply(body=b'{"a": 1}'))) as server:
        answer = session(server.url).api("/posts.json", {"tags": "a b+c", "limit": 5})
    assert answer == Answer(200, "application/json", b'{"a": 1}')
    assert server.asked[0].query == {"tags": "a b+c", "limit": "5"}


def test_the_user_agent_is_honest() -> None:
    with Server(replies(picture())) as server:
        web = session(server.url, user="danbooru user #12")
        web.api("/")
        session(server.url).api("/")
    first, second = (asked.headers["user-agent"] for asked in server.asked)
    project = "https://github.com/datasetkit/datasetkit"
    assert first.startswith("datasetkit/")
    assert first.endswith(f" (+{project}; danbooru user #12)")
    assert second.endswith(f" (+{project})")


def test_a_file_is_fetched_without_packing_keys_or_cookies(dest: Path) -> None:
    cookie = {"Set-Cookie": "session=1; Path=/"}
    with Server(replies(picture(headers=cookie))) as server:
        web = session(server.url, keys=KEYS)
        md5 = hashlib.md5(PNG).hexdigest()
        for _ in range(2):
            web.download(server.url + "/a.png", dest, md5=md5.upper(), referer="https://a.b/")
    assert dest.read_bytes() == PNG
    for asked in server.asked:
        assert asked.headers["accept-encoding"] == "identity"
        assert asked.headers["referer"] == "https://a.b/"
        assert "cookie" not in asked.headers
    assert SECRET not in server.everything


def test_netrc_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Server(replies(Reply())) as server:
        session(server.url).api("/")
    assert "authorization" not in server.asked[0].headers


# Row 6: short bodies are tried again, and the md5 is of the whole file


@pytest.mark.parametrize(
    "fault",
    [
        {"cut": 1000},
        {"cut": 1000, "chunked": True},
        {"cut": 0},
        {"reset": True},
        {"cut": 1000, "length": False},
    ],
)
def test_a_broken_transfer_is_made_good(fault: dict[str, Any], dest: Path) -> None:
    with Server(replies(picture(**fault), picture())) as server:
        session(server.url).download(server.url + "/a.png", dest, md5=hashlib.md5(PNG).hexdigest())
        assert len(server.asked) == 2
    assert dest.read_bytes() == PNG


def test_chunked_bodies_without_a_length_arrive(dest: Path) -> None:
    with Server(replies(picture(chunked=True))) as server:
        session(server.url).download(server.url + "/a.png", dest)
    assert dest.read_bytes() == PNG


def test_a_size_stands_in_where_no_md5_is_known(dest: Path) -> None:
    with Server(replies(picture(cut=1000, length=False), picture())) as server:
        session(server.url).download(server.url + "/a.png", dest, size=len(PNG))
    assert dest.read_bytes() == PNG


# Rows 7 and 8: wrong bodies, bombs


def test_a_wrong_md5_is_tried_once_more_then_refused(dest: Path) -> None:
    with Server(replies(picture())) as server:
        with pytest.raises(WrongFile, match=r"md5.*2 tries"):
            session(server.url).download(server.url + "/a.png", dest, md5="0" * 32)
        assert len(server.asked) == 2
    assert dest.read_bytes() == PNG  # for someone to look at


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"<!DOCTYPE html>\n<html><head>", "an HTML page"),
        (b"\n <HTML><head>", "an HTML page"),
        (b'{"success": false}', "a JSON answer"),
        (b"<?xml version='1.0'?><a/>", "an XML answer"),
        (b"\x1aE\xdf\xa3 webm", "a video"),
        (b"\0\0\0\x18ftypisom", "a video"),
        (b"PK\x03\x04", "a zip archive"),
        (b"MZ\x90", "no picture format"),
        (b"", "empty file"),
    ],
)
def test_what_is_no_picture_is_named(body: bytes, name: str, dest: Path) -> None:
    lying = Reply(body=body, content_type="image/png")
    with Server(replies(lying)) as server, pytest.raises(SiteError, match=name):
        session(server.url).download(server.url + "/a.png", dest)
    assert not dest.exists()


@pytest.mark.parametrize(
    "head",
    [
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"\0\0\0\x20ftypavif",
    ],
)
def test_pictures_are_known_by_their_first_bytes(head: bytes) -> None:
    assert not_a_picture(head + bytes(50)) == ""


def test_a_packed_file_is_refused_and_a_packed_answer_is_bounded(dest: Path) -> None:
    bomb = gzip.compress(bytes(40_000_000))
    packed = {"Content-Encoding": "gzip"}
    with Server(replies(Reply(body=bomb, headers=packed))) as server:
        web = session(server.url)
        with pytest.raises(SiteError, match="when unpacked"):
            web.api("/")
        with pytest.raises(SiteError, match="packed as 'gzip'"):
            web.download(server.url + "/a.png", dest)
    good = Reply(body=gzip.compress(b"[1]"), headers=packed)
    with Server(replies(good)) as server:
        assert session(server.url).api("/").body == b"[1]"
    with (
        Server(replies(Reply(body=b"no gzip", headers=packed))) as server,
        pytest.raises(SiteError, match="damaged"),
    ):
        session(server.url).api("/")


# What is said


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://nowhere.invalid", "does not resolve"),
        ("http://127.0.0.1:1", r"refused \(3 tries\)"),
    ],
)
def test_no_network_is_said(url: str, words: str) -> None:
    clock = Clock()
    with pytest.raises(SiteError, match=words):
        Session(url, clock=clock, sleep=clock.sleep).api("/a", {"b": "c"})


def test_each_refusal_has_its_sentence(dest: Path) -> None:
    sentences = set()
    for status in [401, 403, 404, 410, 422, 429, 451, 500, 418]:
        with Server(replies(Reply(status, b"<html>"))) as server:
            with pytest.raises(SiteError, match=str(status)) as caught:
                session(server.url).download(server.url + "/a.png?x=y", dest)
            assert "x=y" not in str(caught.value)
            sentences.add(str(caught.value).partition(".png ")[2].rpartition("(")[0])
    assert len(sentences) == 9


def test_a_cloudflare_challenge_is_explained_and_not_solved() -> None:
    page = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"
    with Server(replies(Reply(403, page, "text/html"))) as server:
        answer = session(server.url).api("/")
        assert len(server.asked) == 1
    assert "Cloudflare" in explain(answer, "a.b")
    assert "does not get round" in explain(answer, "a.b")


def test_a_full_disk_is_told_as_it_is(tmp_path: Path) -> None:
    with Server(replies(picture())) as server, pytest.raises(FileNotFoundError):
        session(server.url).download(server.url + "/a.png", tmp_path / "none" / "a")


def test_many_faults_leave_no_threads_behind(dest: Path) -> None:
    with Server(replies(Reply(reset=True))) as server:
        web = session(server.url, limits=Limits(tries=1, silence=5))
        before = threading.active_count()
        for _ in range(100):
            with pytest.raises(SiteError):
                web.download(server.url + "/a", dest)
        time.sleep(0.05)
        assert threading.active_count() <= before + 3
