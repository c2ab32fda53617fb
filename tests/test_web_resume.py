"""Downloads that broke off, were killed, or changed in between: gone on with, and never spliced."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from datasetkit.errors import SiteError, WrongFile
from datasetkit.web import Limits, Session
from tests.grabbers.servers import Asked, Reply, Server
from tests.sessions import PNG, picture, replies, rest, session, shelf

MD5 = hashlib.md5(PNG).hexdigest()
OTHER = PNG[:8] + random.Random(1).randbytes(len(PNG) - 8)  # the same file, drawn over
ETAG = '"v1"'
ONCE = Limits(silence=0.4, tries=1)
CUT = 100_000


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "a.png"


def sidecar(dest: Path) -> Path:
    return dest.with_name(dest.name + ".resume")


def left_behind(server: Server, dest: Path, *, md5: str = "", etag: str = ETAG) -> str:
    """Let a first run break off after 100,000 bytes; its server then does something else."""
    first = picture(cut=CUT, headers={"ETag": etag} if etag else {})
    later, server.respond = server.respond, lambda asked: first
    with pytest.raises(SiteError, match="broke off"):
        session(server.url, limits=ONCE).download(server.url + "/a.png?t=TOKEN", dest, md5=md5)
    assert dest.read_bytes() == PNG[:CUT]
    server.respond = later
    server.asked.clear()
    return server.url + "/a.png?t=TOKEN"


def test_tries_of_one_call_go_on_where_the_last_broke_off(dest: Path) -> None:
    asked_for = []

    def respond(asked: Asked) -> Reply:
        asked_for.append(asked.headers.get("range"))
        reply = shelf(ETag=ETAG)(asked)
        reply.cut = CUT if len(asked_for) < 3 else None
        return reply

    with Server(respond) as server:
        session(server.url).download(server.url + "/a.png", dest, md5=MD5)
    assert asked_for == [None, "bytes=100000-", "bytes=200000-"]
    assert [asked.headers.get("if-range") for asked in server.asked] == [None, ETAG, ETAG]
    assert dest.read_bytes() == PNG
    assert os.listdir(dest.parent) == ["a.png"]


@pytest.mark.parametrize("md5", ["", MD5])
def test_a_later_run_goes_on(dest: Path, md5: str) -> None:
    with Server(shelf(ETag=ETAG)) as server:
        url = left_behind(server, dest, md5=md5)
        assert "TOKEN" not in sidecar(dest).read_text()
        session(server.url).download(url, dest, md5=md5)
    assert [asked.headers.get("range") for asked in server.asked] == ["bytes=100000-"]
    assert dest.read_bytes() == PNG
    assert not sidecar(dest).exists()


def test_a_run_killed_outright_is_gone_on_with(dest: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from datasetkit.web import Session\n"
        "Session(sys.argv[1], rate=0, file_rate=0)"
        ".download(sys.argv[1] + '/a.png', Path(sys.argv[2]))"
    )
    with Server(replies(picture(cut=CUT, stall=20, headers={"ETag": ETAG}))) as server:
        child = subprocess.Popen([sys.executable, "-c", program, server.url, str(dest)])
        for _ in range(1000):
            if dest.exists() and dest.stat().st_size == CUT:
                break
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
        server.respond = shelf(ETag=ETAG)
        session(server.url).download(server.url + "/a.png", dest)
    assert server.asked[1].headers["range"] == "bytes=100000-"
    assert dest.read_bytes() == PNG
    assert not sidecar(dest).exists()


def test_a_run_killed_before_the_last_look_is_finished(dest: Path) -> None:
    with Server(shelf(ETag=ETAG)) as server:
        url = left_behind(server, dest)
        dest.write_bytes(PNG)
        session(server.url).download(url, dest)
    assert server.asked[0].headers["range"] == f"bytes={len(PNG) - 1}-"
    assert dest.read_bytes() == PNG


@pytest.mark.parametrize("md5", ["", hashlib.md5(OTHER).hexdigest()])
def test_a_file_that_changed_in_between_is_fetched_whole(dest: Path, md5: str) -> None:
    with Server(shelf(OTHER, ETag='"v2"')) as server:
        url = left_behind(server, dest, md5=md5)
        session(server.url).download(url, dest, md5=md5)
        assert len(server.asked) == 1
    assert dest.read_bytes() == OTHER


LIES: dict[str, Callable[[Asked], Reply]] = {
    "416": lambda asked: Reply(416, b"", headers={"Content-Range": f"bytes */{len(PNG)}"}),
    "another start": lambda asked: rest(
        PNG, CUT, Content_Range=f"bytes 0-{len(PNG) - 1}/{len(PNG)}"
    ),
    "a later start": lambda asked: rest(PNG, CUT + 1),
    "not to the end": lambda asked: rest(PNG, CUT, Content_Range=f"bytes {CUT}-{CUT}/{len(PNG)}"),
    "only some of it": lambda asked: Reply(
        206, PNG[CUT : CUT + 9], headers={"Content-Range": f"bytes {CUT}-{CUT + 8}/{len(PNG)}"}
    ),
    "another total": lambda asked: rest(PNG + b"more", CUT),
    "no range named": lambda asked: rest(PNG, CUT, Content_Range=""),
    "several ranges": lambda asked: rest(PNG, CUT, Content_Type="multipart/byteranges; boundary=x"),
    "nonsense": lambda asked: rest(PNG, CUT, Content_Range="bytes ²-9/-1"),
    "backwards": lambda asked: rest(PNG, CUT, Content_Range=f"bytes {CUT}-0/{len(PNG)}"),
    "of another version": lambda asked: rest(OTHER, CUT, ETag='"v2"'),
    "of no strong version": lambda asked: rest(OTHER, CUT, ETag=f"W/{ETAG}"),
    "too short": lambda asked: Reply(
        206, PNG[CUT:-5], headers={"Content-Range": f"bytes {CUT}-{len(PNG) - 1}/{len(PNG)}"}
    ),
    "too long": lambda asked: Reply(
        206,
        PNG[CUT:] + b"more",
        headers={"Content-Range": f"bytes {CUT}-{len(PNG) - 1}/{len(PNG)}"},
        chunked=True,
    ),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("md5", ["", MD5])
def test_a_server_that_cannot_go_on_is_asked_for_the_whole(lie: str, md5: str, dest: Path) -> None:
    def respond(asked: Asked) -> Reply:
        if "range" in asked.headers:
            reply = LIES[lie](asked)
            reply.content_type = reply.headers.pop("Content-Type", reply.content_type)
            return reply
        return shelf(ETag=ETAG)(asked)

    with Server(respond) as server:
        url = left_behind(server, dest, md5=md5)
        session(server.url).download(url, dest, md5=md5)
        assert len(server.asked) == 2
    assert dest.read_bytes() == PNG
    assert not sidecar(dest).exists()


def test_a_rest_that_ends_early_is_gone_on_with(dest: Path) -> None:
    def respond(asked: Asked) -> Reply:
        reply = shelf(ETag=ETAG)(asked)
        if len(server.asked) == 1:  # a well-formed end, too soon: no length tells
            reply.body, reply.chunked = reply.body[:1000], True
        return reply

    with Server(respond) as server:
        url = left_behind(server, dest)
        session(server.url).download(url, dest)
        assert [asked.headers["range"] for asked in server.asked] == [
            "bytes=100000-",
            "bytes=101000-",
        ]
    assert dest.read_bytes() == PNG


def test_a_part_that_cannot_be_gone_on_with_is_not_tried_again(dest: Path) -> None:
    with Server(replies(Reply(416), Reply(reset=True), picture())) as server:
        url = left_behind(server, dest)
        session(server.url).download(url, dest)
        assert ["range" in asked.headers for asked in server.asked] == [True, False, False]
    assert dest.read_bytes() == PNG


def test_after_a_wrong_file_an_md5_alone_is_no_reason_to_go_on(dest: Path) -> None:
    wrong = Reply(body=OTHER, content_type="image/png")
    with Server(replies(wrong, picture(cut=CUT), picture())) as server:
        session(server.url).download(server.url + "/a.png", dest, md5=MD5)
        assert ["range" in asked.headers for asked in server.asked] == [False, False, False]
    assert dest.read_bytes() == PNG


def test_a_server_that_ignores_ranges_is_read_from_the_start(dest: Path) -> None:
    with Server(replies(picture(headers={"ETag": ETAG}))) as server:
        url = left_behind(server, dest)
        session(server.url).download(url, dest)
        assert len(server.asked) == 1
    assert dest.read_bytes() == PNG


def test_an_md5_stands_in_for_a_validator_and_catches_the_splice(dest: Path) -> None:
    with Server(shelf(OTHER)) as server:
        wanted = hashlib.md5(OTHER).hexdigest()
        url = left_behind(server, dest, md5=wanted, etag="")
        session(server.url).download(url, dest, md5=wanted)
    assert [asked.headers.get("range") for asked in server.asked] == ["bytes=100000-", None]
    assert "if-range" not in server.asked[0].headers
    assert dest.read_bytes() == OTHER


def test_a_lying_etag_is_caught_by_the_md5(dest: Path) -> None:
    with Server(shelf(OTHER, ETag=ETAG)) as server:
        wanted = hashlib.md5(OTHER).hexdigest()
        url = left_behind(server, dest, md5=wanted)
        session(server.url).download(url, dest, md5=wanted)
        assert len(server.asked) == 2
    assert dest.read_bytes() == OTHER


@pytest.mark.parametrize("etag", ["", f"W/{ETAG}", "v1", '"v\t1"', '"' + "v" * 400 + '"'])
def test_without_a_validator_and_md5_nothing_is_kept(etag: str, dest: Path) -> None:
    first = picture(cut=CUT, headers={"ETag": etag} if etag else {})
    with Server(replies(first)) as server, pytest.raises(SiteError, match="broke off"):
        session(server.url, limits=ONCE).download(server.url + "/a.png", dest)
    assert os.listdir(dest.parent) == []


@pytest.mark.parametrize(
    ("modified", "used"), [("Mon, 05 Jan 2026 10:00:00 GMT", True), (0, False)]
)
def test_a_date_names_a_version_once_its_second_is_over(
    modified: str | int, used: bool, dest: Path
) -> None:
    def respond(asked: Asked) -> Reply:
        date = modified or time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 60))
        reply = shelf(Last_Modified=date)(asked)
        reply.cut = CUT if len(server.asked) == 1 else None
        return reply

    with Server(respond) as server:
        session(server.url).download(server.url + "/a.png", dest)
    assert server.asked[1].headers.get("if-range") == (modified if used else None)
    assert ("range" in server.asked[1].headers) == used
    assert dest.read_bytes() == PNG


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"url": "x", "validator": "\\"v1\\"", "length": 5}',
        '{"url": "URL", "validator": "\\"v\\r\\nX-Evil: 1\\"", "length": 300008}',
        '{"url": "URL", "validator": 5, "length": 300008}',
        '{"url": "URL", "validator": "\\"v1\\"", "length": 5}',
        '{"url": "URL", "validator": "\\"v1\\"", "length": "5"}',
    ],
)
def test_a_sidecar_is_read_with_suspicion(text: str, dest: Path) -> None:
    with Server(shelf(ETag=ETAG)) as server:
        url = left_behind(server, dest)
        kept = json.loads(sidecar(dest).read_text())
        assert set(kept) == {"url", "validator", "length"}
        sidecar(dest).write_text(text.replace("URL", kept["url"]))
        session(server.url).download(url, dest)
    assert ["range" in asked.headers for asked in server.asked] == [False]
    assert "x-evil" not in server.everything.lower()
    assert dest.read_bytes() == PNG


def test_the_part_of_another_address_is_not_used(dest: Path) -> None:
    with Server(shelf(OTHER, ETag=ETAG)) as server:
        left_behind(server, dest)
        session(server.url).download(server.url + "/b.png", dest)
        assert "range" not in server.asked[0].headers
    assert dest.read_bytes() == OTHER


@pytest.mark.parametrize("link", ["symbolic", "hard", "sidecar"])
def test_a_link_in_place_of_a_part_is_not_written_through(link: str, dest: Path) -> None:
    with Server(shelf(ETag=ETAG)) as server:
        url = left_behind(server, dest)
        linked = sidecar(dest) if link == "sidecar" else dest
        elsewhere = dest.parent / "elsewhere"
        linked.rename(elsewhere)
        before = elsewhere.read_bytes()
        if link == "hard":
            linked.hardlink_to(elsewhere)
        else:
            linked.symlink_to(elsewhere)
        session(server.url).download(url, dest)
        assert "range" not in server.asked[0].headers
    assert elsewhere.read_bytes() == before
    assert dest.read_bytes() == PNG
    assert not dest.is_symlink()


# What stays, and what does not


@pytest.mark.parametrize(
    ("wanted", "words"), [({"md5": "0" * 32}, r"md5.*2 tries"), ({"size": 7}, "lists 7 .2 tries")]
)
def test_a_file_that_is_wrong_twice_stays_to_be_looked_at(
    wanted: dict[str, str | int], words: str, dest: Path
) -> None:
    with Server(shelf(ETag=ETAG)) as server:
        web = session(server.url)
        with pytest.raises(WrongFile, match=words):
            web.download(server.url + "/a.png", dest, **wanted)  # type: ignore[arg-type]
        assert ["range" in asked.headers for asked in server.asked] == [False, False]
    assert dest.read_bytes() == PNG
    assert not sidecar(dest).exists()


def test_a_spliced_file_is_wrong_once_and_the_whole_decides(dest: Path) -> None:
    with Server(shelf(OTHER, ETag=ETAG)) as server:
        url = left_behind(server, dest, md5="0" * 32)
        with pytest.raises(WrongFile):
            session(server.url).download(url, dest, md5="0" * 32)
        assert len(server.asked) == 2
    assert dest.read_bytes() == OTHER


@pytest.mark.parametrize(
    ("reply", "stays"),
    [
        (Reply(503), True),
        (Reply(reset=True), True),
        (Reply(404), False),
        (Reply(403, b"<html>"), False),
        (Reply(200, b"<html><body>gone", "image/png"), False),
        (picture(headers={"Content-Encoding": "gzip"}), False),
        (Reply(302, headers={"Location": "ftp://a.b/"}), False),
    ],
)
def test_a_part_outlives_only_what_may_pass(reply: Reply, stays: bool, dest: Path) -> None:
    with Server(replies(reply)) as server:
        url = left_behind(server, dest)
        with pytest.raises(SiteError) as caught:
            session(server.url).download(url, dest)
    assert not isinstance(caught.value, WrongFile)
    assert dest.exists() == sidecar(dest).exists() == stays


def test_a_part_outlives_a_missing_network(dest: Path) -> None:
    with Server(shelf(ETag=ETAG)) as server:
        url = left_behind(server, dest)
    with pytest.raises(SiteError, match="refused"):
        session(server.url).download(url, dest)
    assert dest.read_bytes() == PNG[:CUT]
    assert sidecar(dest).exists()


def test_a_part_and_its_rest_keep_the_limit_of_size(dest: Path) -> None:
    with Server(shelf(ETag=ETAG)) as server:
        url = left_behind(server, dest)
        limits = Limits(file_bytes=len(PNG) - 1)
        with pytest.raises(SiteError, match="beyond"):
            session(server.url, limits=limits).download(url, dest)
    assert os.listdir(dest.parent) == []


@pytest.mark.parametrize("seed", range(12))
def test_no_storm_of_faults_splices_two_versions(seed: int, dest: Path) -> None:
    """Servers that break off, change the file, ignore, deny or lie about ranges, at random."""
    rng = random.Random(seed)

    def respond(asked: Asked) -> Reply:
        body, etag = (PNG, ETAG) if rng.random() < 0.6 else (OTHER, '"v2"')
        lied = rng.choice([etag, "", f"W/{etag}"])
        reply = shelf(body, **({"ETag": lied} if lied else {}))(asked)
        if "range" in asked.headers:
            reply = rng.choice([reply, *(make(asked) for make in LIES.values())])
            reply.headers.pop("Content-Type", None)
        if rng.random() < 0.5:
            reply.cut = rng.randrange(len(reply.body) + 1)
        return rng.choice([reply, reply, reply, reply, Reply(503), Reply(reset=True)])

    with Server(respond) as server:
        for _ in range(4):
            try:
                Session(
                    server.url,
                    rate=0,
                    file_rate=0,
                    limits=Limits(tries=8, first_wait=0, silence=1),
                    seed=seed,
                ).download(server.url + "/a.png", dest, md5=MD5)
            except SiteError:
                continue
            assert dest.read_bytes() == PNG
            assert not sidecar(dest).exists()
