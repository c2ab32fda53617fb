"""The web session against sites that are busy, hang, or never end."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasetkit.errors import SiteError, UsageError
from datasetkit.web import Limits, Session
from datasetkit.web.patience import Pace, retry_after
from tests.grabbers.servers import Clock, Reply, Server
from tests.sessions import PNG, picture, replies, session


@pytest.fixture
def dest(tmp_path: Path) -> Iterator[Path]:
    """A place for a file; whatever happened, no damaged file stays there."""
    path = tmp_path / "file.part"
    yield path
    assert not path.exists() or path.read_bytes() == PNG


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 522])
def test_a_busy_site_is_asked_again(status: int) -> None:
    with Server(replies(Reply(status), Reply(body=b"[]"))) as server:
        assert session(server.url).api("/").status == 200
        assert len(server.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 421, 422, 451])
def test_a_refusal_is_not_asked_again(status: int) -> None:
    with Server(replies(Reply(status, b"{}"))) as server:
        assert session(server.url).api("/").status == status
        assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "tries"), [(503, 5), (429, 5), (500, 2)])
def test_tries_are_bounded(status: int, tries: int) -> None:
    with Server(replies(Reply(status))) as server:
        assert session(server.url).api("/").status == status
        assert len(server.asked) == tries


def test_back_off_grows_with_a_jitter_that_can_be_seeded() -> None:
    def waits(seed: int) -> list[float]:
        clock = Clock()
        with Server(replies(Reply(503))) as server:
            session(server.url, clock, seed=seed).api("/")
        return clock.slept

    assert waits(1) == waits(1) != waits(2)
    for number, wait in enumerate(waits(3)):
        assert 0.5 * 2**number * 0.5 <= wait <= 0.5 * 2**number * 1.5


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("7", 7, 7), ("0", 0, 0), ("-5", 0.2, 0.8), ("soon", 0.2, 0.8), ("1000000000", 300, 300)],
)
def test_retry_after_is_kept(header: str, least: float, most: float) -> None:
    clock, said = Clock(), []
    busy = Reply(429, headers={"Retry-After": header})
    with Server(replies(busy, Reply())) as server:
        session(server.url, clock, say=said.append).api("/")
    assert least <= sum(clock.slept) <= most
    assert bool(said) == (most == 300)
    assert not said or "1,000,000,000 s" in said[0]


def test_retry_after_as_a_date() -> None:
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert retry_after(format_datetime(now + timedelta(seconds=90), usegmt=True), now) == 90
    assert retry_after(format_datetime(now - timedelta(hours=1), usegmt=True), now) is None
    assert retry_after("Fri, 01 May 2026 12:00:30 -0000", now) == 30


@given(st.text(max_size=40))
def test_any_retry_after_is_seconds_or_none(text: str) -> None:
    seconds = retry_after(text)
    assert seconds is None or seconds >= 0


def test_a_pause_stops_the_whole_host_and_no_other() -> None:
    clock = Clock()
    pace = Pace(clock, clock.sleep)
    pace.pause("a", 60)
    pace.wait("b", 1)
    assert clock.slept == []
    pace.wait("a", 1)
    assert sum(clock.slept) == 60


def test_no_request_leaves_sooner_than_told_from_any_thread() -> None:
    busy = Reply(429, headers={"Retry-After": "1"})
    with Server(replies(Reply(), busy, Reply())) as server:
        web = Session(server.url, rate=0, file_rate=0, seed=1)
        web.api("/")
        web_threads = [threading.Thread(target=web.api, args=("/",)) for _ in range(1)]
        web_threads[0].start()
        time.sleep(0.2)
        web_threads += [threading.Thread(target=web.api, args=("/",)) for _ in range(3)]
        for thread in web_threads[1:]:
            thread.start()
        for thread in web_threads:
            thread.join()
    told_at = server.asked[1].at
    assert len(server.asked) == 6
    assert all(asked.at - told_at >= 1 for asked in server.asked[2:])


def test_requests_keep_the_rate_over_threads() -> None:
    with Server(replies(Reply())) as server:
        web = Session(server.url, rate=50, seed=1)
        threads = [threading.Thread(target=web.api, args=("/",)) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    moments = sorted(asked.at for asked in server.asked)
    assert moments[-1] - moments[0] >= 9 / 50 * 0.8
    assert all(later - earlier > 0 for earlier, later in pairwise(moments))


def test_no_bound_is_for_this_machine_only() -> None:
    with pytest.raises(UsageError, match="on this machine"):
        Session("https://danbooru.donmai.us", rate=0)
    Session("http://localhost:1", rate=0, file_rate=0)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"drip_head": 0.1}, "broke off|no answer in time"),
        ({"drip": 0.05}, "bytes a second"),
        ({"cut": 10}, "broke off"),
        ({"drip": 1}, "no answer in time"),
        ({"declared": 10**12}, "are beyond"),
        ({"length": False, "endless": True}, "more than|not done"),
        ({"reset": True}, "broke off"),
    ],
)
def test_bad_connections_end_within_the_limits(
    fault: dict[str, Any], words: str, dest: Path
) -> None:
    limits = Limits(2, 0.4, 2, 1024, 0.2, file_bytes=20_000_000, tries=2, first_wait=0.01)
    begun = time.monotonic()
    with Server(replies(picture(**fault))) as server, pytest.raises(SiteError, match=words):
        session(server.url, limits=limits).download(server.url + "/a.png?b=c", dest)
    assert time.monotonic() - begun < 8
    assert not dest.exists()


def test_a_total_time_is_kept(dest: Path) -> None:
    limits = Limits(total=0.3, slowest=0, tries=1)
    slow = Reply(body=PNG, drip=0.01, content_type="image/png")
    with Server(replies(slow)) as server, pytest.raises(SiteError, match="not done after"):
        session(server.url, limits=limits).download(server.url + "/a.png", dest)
