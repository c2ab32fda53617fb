"""A pipeline killed anywhere and run again: the same set, and the same steps to undo."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from datasetkit.cleaners.sets.dedupe import Dedupe
from datasetkit.cleaners.sets.pick import Pick
from datasetkit.dataset import Dataset, history, undo
from datasetkit.engines import local, whole
from datasetkit.engines.chain import plan, run_pipeline
from datasetkit.engines.events import Ended, Event
from datasetkit.grabbers.folder import Folder
from datasetkit.pipeline import Pipeline
from datasetkit.record import Record
from datasetkit.stage import Map, Stage
from tests.engines.kills import moments

Tree = Callable[[Path], dict[str, bytes]]
PICKED = 3


@dataclass(frozen=True)
class Shave(Map):
    """Cut an eighth off the top, each time it is asked."""

    def __call__(self, record: Record) -> Record:
        if record.key == "p0":
            return record
        width, height = record.picture.size
        return record.with_pixels(record.picture.pixels.crop((0, height // 8, width, height)))


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six pictures that look different, and more so without their tops."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for module in (local, whole):
        monkeypatch.setattr(module, "TOGETHER", 2)  # so that a kill falls between two lots
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(6):
        noise = random.Random(number).randbytes(48 * 48 * 3)
        image = Image.frombytes("RGB", (48, 48), noise).filter(ImageFilter.GaussianBlur(5))
        image.save(folder / f"p{number}.{'jpg' if number % 2 else 'png'}")
        (folder / f"p{number}.txt").write_text("solo")
    (folder / "broken.png").write_bytes(b"")  # for which the folder is looked at again
    return folder


def pipeline(source: Path) -> Pipeline:
    picks = Pick(count=PICKED, over=("composition",))
    stages: tuple[Stage, ...] = (Folder(str(source)), Dedupe(), Shave(), picks)
    return Pipeline(stages)


def run(home: Path, source: Path) -> list[bool]:
    """Run the pipeline and say of each leg whether it was passed over."""
    passed: list[bool] = []

    def report(event: Event) -> None:
        if isinstance(event, Ended):
            passed.append(event.outcome.already_done)

    with Dataset(home, write=True) as dataset:
        run_pipeline(dataset, pipeline(source), report)
    return passed


def test_it_ends_as_if_nothing_had_happened(
    source: Path, tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = tmp_path / "begun"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Shave, "__call__", interrupted)
        run(begun, source)
    home, kills = tmp_path / "set", tmp_path / "kills"
    shutil.copytree(begun, home)
    with moments(home, kills, monkeypatch):
        assert run(home, source) == [False, True, False]
    expected = tree(home)
    places = sorted(kills.iterdir())
    assert len(places) > 40
    for killed in places:
        shutil.rmtree(home)
        shutil.copytree(killed, home)
        assert run(home, source)[1], killed.name
        assert tree(home) == expected, killed.name


def interrupted(stage: Stage, record: Record) -> Record:
    raise KeyboardInterrupt


def half_done(home: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt the pass over the pixels after four pictures."""
    real, seen = Shave.__call__, 0

    def half(stage: Shave, record: Record) -> Record:
        nonlocal seen
        seen += 1
        return real(stage, record) if seen < 5 else interrupted(stage, record)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(local, "spread", lambda work, items, _: ((i, work(i)) for i in items))
        patched.setattr(Shave, "__call__", half)
        run(home, source)
    assert history.open_step(home / ".dsk")


def test_one_undo_takes_all_of_it_back(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "set"
    half_done(home, source, monkeypatch)
    said = [line.split(": ")[1] for line in plan(home, pipeline(source)) if ": " in line]
    assert said[:2] == ["done before", "done before"] and "done before" not in said[2:]
    assert run(home, source) == [True, True, False]
    with Dataset(home, write=True) as dataset:
        assert len(dataset) == PICKED
        assert [list(line["stages"][0]) for line in dataset.history] == [["folder"], ["Shave"]]
        undo(dataset)
    for picture in source.glob("p*.[jp]*g"):
        assert (home / picture.name).read_bytes() == picture.read_bytes()


def test_after_an_edit_in_between_all_looks_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "set"
    half_done(home, source, monkeypatch)
    (home / "p1.txt").write_text("solo, red scarf")
    assert run(home, source)[1:] == [False, False]
    with Dataset(home, write=True) as dataset:
        kept = dataset.record("p1")
        assert kept and kept.has("red_scarf")
