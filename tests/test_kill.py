"""kill -9 in the middle of grab and of tag: run again, it is as if nothing had happened."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datasetkit.demo.booru import DemoBooru
from datasetkit.grabbers.search import AT_ONCE_MOST

REPOSITORY = Path(__file__).parent.parent
TAGGER = REPOSITORY / "datasetkit/demo/models/tagger"
KILLS = 20
SECRET = "SECRET0123456789"
Tree = Callable[[Path], dict[str, bytes]]


@pytest.fixture(scope="module")
def booru() -> Iterator[DemoBooru]:
    with DemoBooru() as running:
        yield running


def run(home: Path, *words: str, kill_after: float | None = None) -> float:
    """Run a command in a process, kill it if it lives too long; return the seconds it took."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "SOURCE_DATE_EPOCH": "1700000000",
        "OMP_NUM_THREADS": "1",
        "DSK_DANBOORU_LOGIN": "me",
        "DSK_DANBOORU_API_KEY": SECRET,
    }
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "datasetkit", *words, "--quiet"],
        cwd=home,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _, said = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    else:
        assert process.returncode == 0, said
    return time.monotonic() - began


def files_asked_for(booru: DemoBooru) -> Counter[str]:
    return Counter(path for path in booru.requests if path.startswith("/original"))


@pytest.mark.slow
def test_grab_killed_at_random_moments(tmp_path: Path, booru: DemoBooru, tree: Tree) -> None:
    words = ["grab", "1girl order:score", "--limit", "0", "--url", booru.url]
    whole = tmp_path / "whole"
    whole.mkdir()
    booru.requests.clear()
    took = run(whole, *words)
    once = files_asked_for(booru)
    assert set(once.values()) == {1} and len(once) > 50
    expected = tree(whole / "dataset")
    chance = random.Random(1)
    for number in range(KILLS):
        home = tmp_path / f"killed{number}"
        home.mkdir()
        booru.requests.clear()
        run(home, *words, kill_after=chance.uniform(0.2, took))
        finals = [p for p in (home / "dataset").glob("*.*") if not p.name.startswith(".")]
        assert all((whole / "dataset" / p.name).exists() for p in finals if p.suffix != ".txt")
        run(home, *words)
        found = tree(home / "dataset")
        assert found == expected
        assert not [name for name in found if ".part" in name]
        assert not any(SECRET.encode() in content for content in found.values())
        assert files_asked_for(booru).total() <= len(once) + AT_ONCE_MOST + 1
        shutil.rmtree(home)


@pytest.mark.slow
def test_tag_killed_at_random_moments(tmp_path: Path, booru: DemoBooru, tree: Tree) -> None:
    grabbed = tmp_path / "grabbed"
    grabbed.mkdir()
    run(grabbed, "grab", "1girl order:score", "--limit", "30", "--url", booru.url)
    words = ["tag", "--model", str(TAGGER)]
    whole = tmp_path / "whole"
    shutil.copytree(grabbed, whole)
    took = run(whole, *words)
    expected = tree(whole / "dataset")
    chance = random.Random(2)
    for number in range(6):
        home = tmp_path / f"killed{number}"
        shutil.copytree(grabbed, home)
        run(home, *words, kill_after=chance.uniform(took * 0.3, took))
        run(home, *words)
        assert tree(home / "dataset") == expected
        shutil.rmtree(home)
