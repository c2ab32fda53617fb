"""Thousands of faults in one process leave nothing behind: no file, no thread, no memory."""

import gc
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from datasetkit.errors import SiteError
from datasetkit.web import Limits, Session
from tests.grabbers.servers import Asked, Reply, Server
from tests.sessions import PNG, picture, session, shelf

FAULTS = [
    Reply(reset=True),
    Reply(404, b"{}"),
    Reply(503, headers={"Retry-After": "0"}),
    Reply(302, headers={"Location": "ftp://a.b/"}),
    Reply(body=b"<html>", content_type="image/png"),
    Reply(body=PNG[:5000], cut=3000, headers={"ETag": '"1"'}),
    Reply(body=PNG[:5000], cut=3000, chunked=True),
    Reply(body=PNG[:5000], declared=10**12),
    Reply(body=PNG[:5000], headers={"Content-Encoding": "gzip"}),
    Reply(body=b""),
]


def state() -> tuple[int, int, int]:
    """Open files, threads and resident KB of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return len(os.listdir("/proc/self/fd")), threading.active_count(), pages * 4


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts what Linux shows")
def test_two_thousand_faults_leave_nothing_open(tmp_path: Path) -> None:
    rng = random.Random(3)
    with Server(lambda asked: rng.choice(FAULTS)) as server:
        web = session(server.url, limits=Limits(tries=1, silence=5))

        def fail(number: int) -> None:
            with pytest.raises(SiteError):
                web.download(server.url + "/a", tmp_path / f"{number % 50}.png", md5="0" * 32)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(fail, range(400)))
        web.close()
        time.sleep(0.2)
        files, running, memory = state()
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(fail, range(2_000)))
        web.close()
        time.sleep(0.2)
        later = state()
    assert later[0] <= files + 4
    assert later[1] <= running + 4
    assert later[2] <= memory + 20_000


def test_threads_keep_their_connections(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ports = set()

    def respond(asked: Asked) -> Reply:
        time.sleep(0.02)
        return shelf()(asked)

    with Server(respond) as server:
        serve = server._serve

        def noted(handler: object) -> None:
            ports.add(handler.client_address)  # type: ignore[attr-defined]
            serve(handler)  # type: ignore[arg-type]

        server._serve = noted  # type: ignore[method-assign, assignment]
        web = Session(server.url, rate=0, file_rate=0)
        with ThreadPoolExecutor(24) as threads:
            for _ in threads.map(
                lambda number: web.download(server.url + "/a.png", tmp_path / str(number)),
                range(120),
            ):
                pass
    assert len(ports) <= 24
    assert "pool is full" not in caplog.text


def test_trailers_without_end_are_not_waited_for(tmp_path: Path) -> None:
    endless = picture(chunked=True, trailers=0.05)
    limits = Limits(silence=0.4, total=0.6, window=0.2, tries=1)
    begun = time.monotonic()
    with Server(lambda asked: endless) as server, pytest.raises(SiteError):
        session(server.url, limits=limits).download(server.url + "/a.png", tmp_path / "a.png")
    assert time.monotonic() - begun < 5
