"""Killed anywhere, on a disk that fills anywhere: the next run ends as if nothing had happened."""

import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datasetkit.cli import main
from datasetkit.dataset import Dataset, undo

Tree = Callable[[Path], dict[str, bytes]]
STAGES = (["folder", "gallery"], ["clean"], ["flatten"], ["crop"])


def command(home: Path, *words: str, crash: tuple[str, str, int] | None = None) -> int:
    """Run the command line in a child process, broken at the n-th call of a function of ``os``.

    What a power cut or a full disk can do lies at these calls; everything else is memory.
    """
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.chdir(home)
            os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
            sys.argv = ["dsk", *words, *(["--quiet"] if words[0] != "undo" else []), "-d", "set"]
            with (home / "stderr").open("w") as sys.stderr:
                if crash:
                    break_at(*crash)
                main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    said = (home / "stderr").read_text()
    assert status != 99 and "Traceback" not in said, said
    if crash is None:
        assert status == 0, said
    return status


def break_at(how: str, name: str, when: int) -> None:
    """Kill the process, or fail as a disk does, at one call of ``os.<name>``."""
    real = getattr(os, name)
    left = when

    def breaking(*args: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left != 0:
            return real(*args, **options)
        if how == "kill-after":
            real(*args, **options)
        if how.startswith("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "write":
            real(args[0], args[1][: len(args[1]) // 2])  # a full disk takes a part
        raise OSError(getattr(errno, how), os.strerror(getattr(errno, how)))

    setattr(os, name, breaking)


@pytest.fixture
def gallery(gallery: Path) -> Path:
    """Three of the six pictures: a transparent one, a plain one, and one longer than 3:1."""
    for number in (0, 2, 3):
        (gallery / f"p{number}.png").unlink()
        (gallery / f"p{number}.txt").unlink()
    (gallery / "p4.png").replace(gallery / "p3.png")
    (gallery / "p4.txt").replace(gallery / "p3.txt")
    return gallery


@pytest.fixture
def stages(tmp_path: Path, gallery: Path, tree: Tree) -> list[Path]:
    """The dataset before each stage and after the last, each in a folder of its own."""
    steps = []
    for number in range(len(STAGES)):
        here = tmp_path / f"before{number}"
        here.mkdir()
        shutil.copytree(gallery, here / "gallery")
        if number > 1:
            shutil.copytree(steps[-1] / "set", here / "set")
        if number:
            command(here, *STAGES[number - 1])
        steps.append(here)
    after = tmp_path / "after"
    shutil.copytree(steps[-1], after)
    command(after, *STAGES[-1])
    return [*steps, after]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(STAGES)))
@pytest.mark.parametrize(
    ("how", "call"),
    [
        *[(how, call) for how in ("kill", "kill-after") for call in ("write", "replace")],
        *[("ENOSPC", call) for call in ("write", "replace", "fsync")],
        ("EACCES", "replace"),
    ],
)
def test_broken_at_every_call(
    stages: list[Path], tree: Tree, tmp_path: Path, number: int, how: str, call: str
) -> None:
    expected = tree(stages[number + 1] / "set")
    rounds = 0
    for when in range(1, 60):
        here = tmp_path / "trial"
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(stages[number], here)
        if command(here, *STAGES[number], crash=(how, call, when)) == 0:
            break
        for picture in (here / "set").glob("*.png"):  # never a final name with partial bytes
            assert any(
                picture.read_bytes() == (stages[i] / "set" / picture.name).read_bytes()
                for i in range(len(stages))
                if (stages[i] / "set" / picture.name).exists()
            )
        command(here, *STAGES[number])
        assert tree(here / "set") == expected, f"{how} at {call} number {when}"
        rounds += 1
    assert rounds


@pytest.mark.slow
def test_a_log_cut_within_its_last_two_lines(
    stages: list[Path], tree: Tree, tmp_path: Path
) -> None:
    """A torn line is what a crash leaves while a step is open; the step is then done again."""
    expected = tree(stages[2] / "set")
    here = tmp_path / "torn"
    shutil.copytree(stages[1], here)
    command(here, *STAGES[1], crash=("kill-after", "write", 5))
    whole = (here / "set/.dsk/records.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    start = len(whole) - len(lines[-1]) - len(lines[-2])
    assert len(lines) > 3, "the kill fell before the commits of the step"
    for cut in range(start, len(whole), 13):
        trial = tmp_path / "trial"
        shutil.rmtree(trial, ignore_errors=True)
        shutil.copytree(here, trial)
        with (trial / "set/.dsk/records.jsonl").open("r+b") as log:
            log.truncate(cut)
        with Dataset(trial / "set", write=True) as dataset:
            assert dataset.journal.mended == (not whole[:cut].endswith(b"\n"))
            assert len(dataset) == 3
        command(trial, *STAGES[1])
        assert tree(trial / "set") == expected, f"cut at byte {cut}"


@pytest.mark.slow
@pytest.mark.parametrize("call", ["write", "replace", "unlink"])
def test_undo_killed_and_done_again(
    stages: list[Path], tree: Tree, tmp_path: Path, call: str
) -> None:
    for number in (3, 1):
        for when in range(1, 40):
            here = tmp_path / "trial"
            shutil.rmtree(here, ignore_errors=True)
            shutil.copytree(stages[number], here)
            if command(here, "undo", crash=("kill", call, when)) == 0:
                break
            with Dataset(here / "set", write=True) as dataset:
                if len(dataset.history) == number:
                    undo(dataset)
            found = {n: d for n, d in tree(here / "set").items() if not n.startswith(".dsk")}
            before = stages[number - 1] / "set"
            wanted = {n: d for n, d in tree(before).items() if not n.startswith(".dsk")}
            assert found == wanted, f"undo of step {number}, killed at {call} {when}"
        assert when > 1, f"undo of step {number} never calls {call}"


def test_a_full_disk_is_a_sentence(tmp_path: Path, gallery: Path) -> None:
    assert command(tmp_path, "folder", "gallery", crash=("ENOSPC", "write", 4)) == 1
    command(tmp_path, "folder", "gallery")
    with Dataset(tmp_path / "set") as dataset:
        assert len(dataset) == 3
    lines = (tmp_path / "set/.dsk/records.jsonl").read_text().splitlines()
    assert len({json.loads(line)["key"] for line in lines}) == len(lines) == 3
