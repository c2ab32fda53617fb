"""A grab from two sites, killed before any of its steps on the disk: run again, it is whole."""

import errno
import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datasetkit.dataset import Dataset, undo
from datasetkit.errors import DatasetError
from datasetkit.grabbers.grab import Grab
from tests.engines.kills import moments
from tests.engines.sites import GIRL, drawn, encoded, own_sites, sized
from tests.grabbers.boorus import DanbooruSite, GelbooruSite, Picture
from tests.grabbers.servers import Server
from tests.homes import Home

Tree = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def grab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Grab]:
    """One picture in two sizes and types, one twice the same, one that moves, one a site more."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DSK_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    frames = [drawn(number, 60) for number in range(5)]
    gif = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)
    same = Picture(2, GIRL, content=encoded(drawn(2)))
    first = [
        sized(1, 360, "JPEG"),
        same,
        Picture(3, GIRL, ext="gif", content=gif, size=(60, 40)),
        Picture(4, {**GIRL, "child": "general"}, content=encoded(drawn(4))),
    ]
    second = [
        sized(11, 720, sky="general"),
        Picture(12, {**GIRL, "sky": "general"}, content=same.data),
        Picture(14, GIRL, rating="q", content=first[3].data),
        Picture(15, GIRL, content=encoded(drawn(5))),
    ]
    monkeypatch.setattr(Grab, "at_once", lambda self: 1)
    with (
        Server(DanbooruSite(first)) as one,
        Server(GelbooruSite(second, fork=True)) as two,
    ):
        own_sites(tmp_path, one=("danbooru", one.url), two=("gelbooru02", two.url))
        yield Grab("cirno", site=("one", "two"), frames="3", rating="g,q")


def seen(found: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in found.items() if not name.startswith(".dsk")}


@pytest.mark.slow
def test_killed_before_every_change_of_the_disk(
    grab: Grab, tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "set")
    with moments(home.path, tmp_path / "kills", monkeypatch):
        outcome = home.run(grab)
    assert outcome.errors == {}
    keys = ["one_1", "one_2", "one_3", "one_3_f02", "one_3_f03", "two_15"]
    assert sorted(home.records) == keys
    expected = tree(home.path)
    kills = sorted((tmp_path / "kills").iterdir())
    assert len(kills) > 60
    for killed in kills:
        after = Home(killed)
        after.run(grab)
        assert tree(killed) == expected, killed.name
        after.undo()
        assert seen(tree(killed)) == {}, killed.name
        shutil.rmtree(killed)


@pytest.mark.slow
def test_undo_killed_before_every_change_of_the_disk(
    grab: Grab, tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "set")
    home.run(Grab(grab.query, site=("one",), frames="3"))
    before = seen(tree(home.path))
    home.run(grab)
    with moments(home.path, tmp_path / "kills", monkeypatch):
        home.undo()
    assert seen(tree(home.path)) == before
    for killed in sorted((tmp_path / "kills").iterdir()):
        with Dataset(killed, write=True) as dataset:
            if len(dataset.history) == 2:
                undo(dataset)
        assert seen(tree(killed)) == before, killed.name
        shutil.rmtree(killed)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["ENOSPC", "EMFILE"])
def test_a_disk_that_fails_once_at_any_call(
    fault: str, grab: Grab, tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Home(tmp_path / "whole")
    whole.run(grab)
    expected = tree(whole.path)
    for call in ("write", "replace", "fsync") if fault == "ENOSPC" else ("open",):
        for when in itertools.count(1):
            home, left = Home(tmp_path / f"{call}{when}"), itertools.count(1 - when)
            real = getattr(os, call)

            def failing(*args: Any, left: Any = left, real: Any = real) -> Any:
                if next(left) == 0:
                    raise OSError(getattr(errno, fault), os.strerror(getattr(errno, fault)))
                return real(*args)

            with monkeypatch.context() as patched:
                patched.setattr(os, call, failing)
                try:
                    outcome = home.run(grab)
                except DatasetError as error:
                    assert "free some space" in str(error) or "too many files" in str(error)
                else:
                    assert outcome.errors == {}, f"{call} {when}"
            if next(left) <= 0:
                break
            for thread in threading.enumerate():
                if thread.name.startswith("dsk"):  # a download that the fault did not concern
                    thread.join()
            home.run(grab)
            assert tree(home.path) == expected, f"{call} {when}"
            shutil.rmtree(home.path)
        assert when > 5
