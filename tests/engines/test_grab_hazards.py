"""What a machine and people do to a grab: it ends in a sentence, and the next one completes it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from datasetkit.dataset import Dataset
from datasetkit.engines.chain import run_pipeline
from datasetkit.engines.events import Outcome
from datasetkit.errors import PictureError, SiteError
from datasetkit.grabbers.grab import Grab
from datasetkit.pipeline import Pipeline
from tests.engines.sites import GIRL, drawn, encoded, own_sites, sized
from tests.grabbers.boorus import DanbooruSite, GelbooruSite, Picture
from tests.grabbers.servers import Asked, Reply, Server
from tests.homes import Home

CommandLine = Callable[..., subprocess.CompletedProcess[str]]
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "set")


@pytest.fixture
def site() -> DanbooruSite:
    return DanbooruSite([Picture(n, GIRL, content=encoded(drawn(n, 90))) for n in range(1, 41)])


@pytest.fixture
def server(site: DanbooruSite) -> Iterator[Server]:
    with Server(site) as running:
        yield running


def address(picture: Picture) -> str:
    return f"/original/{picture.md5}.{picture.ext}"


def under(limit: str, folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run the command line under a limit of the shell's."""
    command = f"ulimit {limit}; exec {sys.executable} -m datasetkit {' '.join(map(str, words))}"
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def started(folder: Path, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "datasetkit", *map(str, words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def pictures(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.png"))


# The machine (row 3)


@pytest.mark.parametrize("limit", [16, 20, 24, 32])
def test_few_open_files_are_enough_or_a_sentence(
    limit: int, server: Server, dsk: CommandLine, tmp_path: Path
) -> None:
    words = ("grab", "cirno", "--url", server.url)
    done = under(f"-n {limit}", tmp_path, *words)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0 or "too many files are open" in done.stderr
    assert dsk(*words).returncode == 0
    assert len(pictures(tmp_path / "dataset")) == 40
    assert list((tmp_path / "dataset/.dsk/rejected").iterdir()) == []


def test_files_that_no_longer_fit_are_no_pictures_fault(
    server: Server, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasetkit.engines import sources

    def unlucky(path: Path) -> object:
        try:
            raise OSError(24, "Too many open files")
        except OSError as error:
            raise PictureError("cannot be read (Too many open files)") from error

    with monkeypatch.context() as patched, pytest.raises(Exception, match="Too many open files"):
        patched.setattr(sources, "read_header", unlucky)
        home.run(Grab("cirno", url=server.url))
    while any(thread.name.startswith("dsk") for thread in threading.enumerate()):
        time.sleep(0.01)  # downloads under way; a process that ended would have none
    assert home.run(Grab("cirno", url=server.url)).added == 40


def test_a_disk_that_is_full_for_real(dsk: CommandLine, tmp_path: Path) -> None:
    """On a small file system of its own; where none may be mounted, a limit on file sizes."""
    shown = [sized(n, 720 - n, "PNG") for n in range(1, 31)]
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(small)]
    mounted = subprocess.run(mount, capture_output=True).returncode == 0
    with Server(DanbooruSite(shown)) as server:
        words = ("grab", "cirno", "--url", server.url)
        if not mounted:
            done = under("-f 100", tmp_path, *words)
            assert done.returncode == 1 and "cannot write" in done.stderr, done.stderr
            return
        try:
            done = dsk(*words, "-d", small / "set")
            assert done.returncode == 1, done.stderr
            assert "No space left on device; free some space" in done.stderr, done.stderr
            whole = {f"danbooru_{picture.id}.png": picture.data for picture in shown}
            for name in pictures(small / "set"):
                assert (small / "set" / name).read_bytes() == whole[name]
            subprocess.run(["mount", "-o", "remount,size=90m", str(small)], check=True)
            assert dsk(*words, "-d", small / "set").returncode == 0
            assert pictures(small / "set") == sorted(whole)
        finally:
            subprocess.run(["umount", str(small)], check=True)


# Two runs, and runs that are ended (row 21)


def test_a_second_grab_into_one_folder_is_refused_by_name(
    site: DanbooruSite, server: Server, dsk: CommandLine, tmp_path: Path
) -> None:
    slow = site.pictures[20]
    site.faults[address(slow)] = [Reply(body=slow.data, cut=20, stall=20)]
    words = ("grab", "cirno", "--url", server.url)
    first = started(tmp_path, *words)
    owner = tmp_path / "dataset/.dsk/owner.json"
    while not owner.exists():
        time.sleep(0.01)
    second = dsk(*words, "--json")
    assert second.returncode == 1
    assert f"dataset is in use by '__main__.py grab' (process {first.pid})" in second.stderr
    assert json.loads(second.stdout.splitlines()[-1])["event"] == "failed"
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert dsk(*words).returncode == 0  # the lock died with its holder
    assert len(pictures(tmp_path / "dataset")) == 40


def test_ctrl_c_keeps_what_had_come_of_the_first_file(tmp_path: Path, dsk: CommandLine) -> None:
    large = Picture(1, GIRL, content=encoded(drawn(1, 900)))
    asked: list[str] = []
    site = DanbooruSite([large])

    def respond(question: Asked) -> Reply:
        if question.path != address(large):
            return site(question)
        begin = question.headers.get("range", "").removeprefix("bytes=").removesuffix("-")
        asked.append(begin)
        if not begin:
            return Reply(body=large.data, content_type="image/png", cut=60_000, stall=20)
        span = f"bytes {begin}-{len(large.data) - 1}/{len(large.data)}"
        return Reply(206, large.data[int(begin) :], "image/png", {"Content-Range": span})

    with Server(respond) as server:
        words = ("grab", "cirno", "--url", server.url)
        process = started(tmp_path, *words, "--json")
        part = tmp_path / "dataset/.dsk/parts/danbooru_1.png.part.resume"
        while not part.exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        shown, said = process.communicate(timeout=20)
        assert process.returncode == 130, said
        last = json.loads(shown.splitlines()[-1])
        assert (last["event"], last["code"]) == ("failed", 130)
        assert "interrupted; run the same command again to go on" in said
        assert dsk(*words).returncode == 0
    assert (tmp_path / "dataset/danbooru_1.png").read_bytes() == large.data
    assert asked[0] == "" and int(asked[1]) > 0
    assert list((tmp_path / "dataset").rglob("*.part*")) == []


def test_a_grab_that_gives_up_waits_for_no_download(
    site: DanbooruSite, server: Server, tmp_path: Path
) -> None:
    newest = sorted(site.pictures, key=lambda picture: -picture.id)
    for picture in newest[:5]:
        site.faults[address(picture)] = [Reply(403)]
    for picture in newest[5:]:
        site.faults[address(picture)] = [Reply(body=picture.data, cut=10, stall=40)]
    process = started(tmp_path, "grab", "cirno", "--url", server.url)
    _, said = process.communicate(timeout=25)
    assert process.returncode == 1
    assert "5 downloads in a row failed" in said


# Time and order (row 22)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Caracas"])
def test_the_clock_and_the_zone_of_a_machine_change_nothing(
    zone: str,
    site: DanbooruSite,
    server: Server,
    tmp_path: Path,
    tree: Callable[[Path], dict[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    site.faults["/posts.json"] = []
    there, here = Home(tmp_path / "there"), Home(tmp_path / "here")
    grab = Grab("cirno order:score", url=server.url)
    there.run(grab)
    real, back = time.time, 0.0
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: real() - back)
    try:
        here.run(replace(grab, limit=15))
        back = 3600.0
        site.faults["/posts.json"] = [Reply(429, b"{}", headers={"Retry-After": "0"})]
        here.run(grab)
        assert here.run(grab).idle
        assert here.run(replace(grab, newer=True)).idle
    finally:
        monkeypatch.undo()
        time.tzset()
    seen = [
        {name: data for name, data in tree(one.path).items() if not name.startswith(".dsk")}
        for one in (there, here)
    ]
    assert seen[0] == seen[1]
    with Dataset(there.path) as one, Dataset(here.path) as other:
        assert [r.origin for r in one.records] == [r.origin for r in other.records]


def test_the_order_in_which_a_site_lists_does_not_matter(
    site: DanbooruSite,
    server: Server,
    tmp_path: Path,
    tree: Callable[[Path], dict[str, bytes]],
) -> None:
    found = []
    for number in (1, 2, 3):
        site.pictures = site.pictures[number:] + site.pictures[:number]
        home = Home(tmp_path / f"set{number}")
        home.run(Grab("cirno", url=server.url))
        files = tree(home.path).items()
        found.append({name: data for name, data in files if not name.startswith(".dsk")})
    assert found[0] == found[1] == found[2]


# What another day may bring


def test_a_pipeline_fetches_again_what_failed(
    site: DanbooruSite, server: Server, tmp_path: Path
) -> None:
    late = site.pictures[7]
    site.faults[address(late)] = [Reply(404)]
    pipeline = Pipeline((Grab("cirno", url=server.url),))

    def run() -> Outcome:
        with Dataset(tmp_path / "set", write=True) as dataset:
            return run_pipeline(dataset, pipeline, lambda event: None)[0]

    assert list(run().errors) == ["danbooru_8.png"]
    assert run().added == 1
    assert run().already_done


def test_files_that_are_gone_do_not_bar_the_way_to_the_others(
    site: DanbooruSite, server: Server, home: Home
) -> None:
    for picture in site.pictures[10:20]:
        site.faults[address(picture)] = [Reply(404)]
    outcome = home.run(Grab("cirno", url=server.url))
    assert (outcome.added, len(outcome.errors)) == (30, 10)


def test_a_video_is_not_rejected_for_want_of_a_decoder(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = Picture(1, GIRL, ext="mp4", content=b"\0\0\0\x18ftypisom" + b"\0" * 500)
    with Server(DanbooruSite([moving, Picture(2, GIRL)])) as server:
        grab = Grab("cirno", url=server.url, frames="first")
        with monkeypatch.context() as without:
            without.setitem(sys.modules, "cv2", None)
            outcome = home.run(grab)
        assert "datasetkit[video]" in outcome.errors["danbooru_1.mp4"]
        assert (outcome.added, outcome.rejected.total()) == (1, 0)
        assert not any(asked.path.endswith(".mp4") for asked in server.asked)
        assert home.run(grab).rejected.total() == 1  # it was looked at, and is no video


def test_wrong_files_of_several_runs_stay_to_be_looked_at(home: Home) -> None:
    shown = Picture(1, GIRL)
    site = DanbooruSite([shown, Picture(2, GIRL)])
    others = [encoded(drawn(n)) for n in (7, 8, 8)]
    with Server(site) as server:
        for body in others:
            site.faults = {address(shown): [Reply(body=body, content_type="image/png")] * 2}
            assert len(home.run(Grab("cirno", url=server.url)).errors) == 1
    kept = [path.read_bytes() for path in (home.path / ".dsk/quarantine").iterdir()]
    assert sorted(kept) == sorted(others[:2])


def test_a_first_grab_of_wrong_files_keeps_them_where_it_says(home: Home) -> None:
    shown = [Picture(n, GIRL) for n in range(1, 7)]
    site = DanbooruSite(shown)
    for picture in shown:
        wrong = Reply(body=encoded(drawn(picture.id)), content_type="image/png")
        site.faults[address(picture)] = [wrong] * 2
    with Server(site) as server, pytest.raises(SiteError) as caught:
        home.run(Grab("cirno", url=server.url))
    assert Path(str(caught.value).rpartition("what came instead is ")[2]).is_file()


def test_a_dry_run_counts_a_picture_of_two_sites_once(home: Home, tmp_path: Path) -> None:
    from datasetkit.engines.sources import ONE_OF_TWO, survey

    first = [Picture(n, GIRL) for n in (1, 2, 3)]
    second = [Picture(n + 10, GIRL, content=p.data) for n, p in enumerate(first[1:])]
    with (
        Server(DanbooruSite(first)) as one,
        Server(GelbooruSite(second, fork=True)) as two,
    ):
        own_sites(tmp_path, one=("danbooru", one.url), two=("gelbooru02", two.url))
        grab = Grab("cirno", site=("one", "two"))
        home.run(replace(grab, site=("one",), limit=1))
        with Dataset(home.path) as dataset:
            outcome = survey(grab, dataset, lambda event: None)
    assert outcome.added == 2
    assert outcome.passed_over[ONE_OF_TWO] == 2
