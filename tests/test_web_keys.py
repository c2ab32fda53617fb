"""The web session against redirects, private addresses, and sites after the keys."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from datasetkit.errors import SafetyError, SiteError
from datasetkit.web import Keys, Limits, Session, explain
from datasetkit.web.wire import is_private
from tests.grabbers.servers import Asked, Clock, Reply, Server
from tests.sessions import KEYS, PNG, SECRET, picture, replies, session


@pytest.fixture
def dest(tmp_path: Path) -> Iterator[Path]:
    """A place for a file; whatever happened, no damaged file stays there."""
    path = tmp_path / "file.part"
    yield path
    assert not path.exists() or path.read_bytes() == PNG


def test_a_redirect_within_the_site_keeps_the_keys() -> None:
    moved = Reply(302, headers={"Location": "/new?tags=a"})
    with Server(replies(moved, Reply(body=b"[]"))) as server:
        session(server.url, keys=KEYS).api("/old", {"tags": "a"})
    assert server.asked[1].path == "/new"
    assert server.asked[1].query == {"tags": "a", "api_key": SECRET}


def test_a_redirect_to_another_port_never_carries_a_key() -> None:
    keys = Keys({"api_key": SECRET}, {"Authorization": f"Basic {SECRET}"}, SECRET)
    with Server(replies(Reply())) as other:
        away = Reply(302, headers={"Location": f"{other.url}/?api_key={SECRET}&x=1"})
        with (
            Server(replies(away)) as server,
            pytest.raises(SiteError, match="not public") as caught,
        ):
            session(server.url, keys=keys).api("/")
    assert SECRET in server.everything
    assert other.asked == []
    assert SECRET not in str(caught.value)


def test_keys_stay_with_the_site_through_a_proxy_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def respond(asked: Asked) -> Reply:
        if asked.target.startswith("http://site.example/"):
            away = f"http://other.example/b?api_key={SECRET}&x=1"
            return Reply(302, headers={"Location": away, "Set-Cookie": f"s={SECRET}"})
        return Reply(body=b"[]")

    with Server(respond) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        keys = Keys({"api_key": SECRET}, {"Authorization": f"Basic {SECRET}"}, SECRET)
        clock = Clock()
        web = Session("http://site.example", keys=keys, clock=clock, sleep=clock.sleep)
        assert web.api("/a").status == 200
    first, second = proxy.asked
    assert first.query == {"api_key": SECRET}
    assert first.headers["authorization"] == f"Basic {SECRET}"
    assert second.target == "http://other.example/b?x=1"
    assert SECRET not in second.head


def test_a_redirect_with_a_key_in_its_path_is_not_followed() -> None:
    away = Reply(302, headers={"Location": f"/a/%53{SECRET[1:]}/b"})
    with Server(replies(away)) as server, pytest.raises(SiteError, match="not followed") as caught:
        session(server.url, keys=KEYS).api("/")
    assert SECRET not in str(caught.value)


def test_five_redirects_and_no_more() -> None:
    def respond(asked: Asked) -> Reply:
        left = int(asked.path[1:])
        return Reply(302, headers={"Location": f"/{left - 1}"}) if left else Reply()

    with Server(respond) as server:
        assert session(server.url).api("/5").status == 200
        with pytest.raises(SiteError, match="redirected more than 5 times"):
            session(server.url).api("/6")


@pytest.mark.parametrize(
    "target",
    [
        "ftp://127.0.0.1/a",
        "file:///etc/passwd",
        "gopher://x/",
        "http://u:p@127.0.0.1/",
        "http://[/",
    ],
)
def test_redirects_stay_on_the_open_web(target: str) -> None:
    with Server(replies(Reply(301, headers={"Location": target}))) as server:
        with pytest.raises(SiteError):
            session(server.url).api("/")
        assert len(server.asked) == 1


def test_a_redirect_to_a_refused_host_is_refused() -> None:
    away = Reply(301, headers={"Location": "https://lolibooru.moe/"})
    with Server(replies(away)) as server, pytest.raises(SafetyError):
        session(server.url).api("/")


def test_the_endless_body_of_a_redirect_is_not_read() -> None:
    away = Reply(302, headers={"Location": "/b"}, endless=True, length=False)
    with Server(replies(away, Reply(body=b"[]"))) as server:
        assert session(server.url).api("/").body == b"[]"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "0.0.0.0", "[::1]"]
)
def test_files_on_other_ports_of_this_machine_are_not_fetched(host: str, dest: Path) -> None:
    with Server(replies(Reply())) as server, Server(replies(picture())) as other:
        with pytest.raises(SiteError):
            session(server.url).download(f"http://{host}:{other.port}/a.png", dest)
        assert other.asked == []


@pytest.mark.parametrize(
    "address",
    """127.0.0.1 127.8.8.8 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.100.100.200 0.0.0.0
    224.0.0.1 255.255.255.255 ::1 :: fe80::1%eth0 fd00::1 fd00:ec2::254 ::ffff:127.0.0.1
    ::ffff:10.0.0.1 64:ff9b::7f00:1 2002:7f00:1:: ff02::1""".split(),
)
def test_private_addresses(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "104.20.1.1", "2606:4700::1111", "64:ff9b::101:101", "198.18.0.5"]
)
def test_public_addresses(address: str) -> None:
    assert not is_private(address)


def test_keys_are_in_no_text(caplog: pytest.LogCaptureFixture, dest: Path) -> None:
    caplog.set_level(logging.DEBUG)
    keys = Keys({"api_key": SECRET, "user_id": "7"}, {"Authorization": SECRET}, SECRET)
    texts = [repr(keys)]
    for fault in [Reply(reset=True), Reply(500), Reply(401), Reply(cut=3, body=b"123456")]:
        with Server(replies(fault)) as server:
            web = session(server.url, keys=keys, limits=Limits(tries=2))
            texts.append(repr(web))
            try:
                texts.append(explain(web.api("/a", {"tags": "x"}), server.url))
            except SiteError as error:
                texts += [repr(error), repr(error.__context__), repr(error.__cause__)]
            assert SECRET in server.everything
    with pytest.raises(SiteError) as caught:
        session("http://127.0.0.1:1", keys=keys).api("/a", {"tags": "x"})
    texts.append(repr(caught.getrepr(showlocals=False)))
    assert SECRET not in "\n".join(texts) + caplog.text
    assert "tags=x" not in "\n".join(texts)


def test_a_key_that_the_site_repeats_is_struck_out() -> None:
    with Server(replies(Reply(body=b'{"message": "no such key: SECRET0123456789"}'))) as server:
        assert session(server.url, keys=KEYS).api("/").body == b'{"message": "no such key: [key]"}'


def test_this_machine_by_another_name_is_the_same_server(dest: Path) -> None:
    with Server(replies(picture())) as server:
        named = server.url.replace("127.0.0.1", "localhost")
        session(server.url, keys=KEYS).download(f"{named}/a.png", dest)
    assert dest.read_bytes() == PNG
    assert SECRET not in server.everything


def test_a_file_that_redirects_to_another_port_here_is_refused(dest: Path) -> None:
    with Server(replies(picture())) as other:
        away = Reply(302, headers={"Location": f"{other.url}/a.png"})
        with Server(replies(away)) as server, pytest.raises(SiteError, match="not public"):
            session(server.url, keys=KEYS).download(f"{server.url}/a.png", dest)
    assert other.asked == []
