"""dsk undo takes the last step back, byte for byte, and loses nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from datasetkit.cleaners.pixels.crop import Crop
from datasetkit.cleaners.pixels.flatten import Flatten
from datasetkit.cleaners.tags.clean import Clean
from datasetkit.dataset import Dataset, undo
from datasetkit.engines.local import run_leg
from datasetkit.errors import DatasetError
from datasetkit.grabbers.folder import Folder
from datasetkit.record import Record
from datasetkit.stage import Drop, Map

Tree = Callable[[Path], dict[str, bytes]]


class Picky(Map):
    def __call__(self, record: Record) -> Record | Drop:
        return Drop("odd") if record.key in {"p1", "p3"} else record


def visible(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files people see, and the records."""
    kept = {"records.jsonl", "rejects.jsonl"}
    return {
        name: data
        for name, data in files.items()
        if not name.startswith(".dsk") or Path(name).name in kept
    }


def test_each_step_is_taken_back_byte_for_byte(tmp_path: Path, gallery: Path, tree: Tree) -> None:
    home = tmp_path / "set"
    seen = []
    with Dataset(home, write=True) as dataset:
        for leg in ([Folder(str(gallery))], [Clean()], [Flatten(), Crop()], [Picky()]):
            seen.append(visible(tree(home)))
            run_leg(dataset, leg, lambda event: None)
    assert sorted(p.name for p in (home / ".dsk" / "rejected").iterdir()) == [
        "p1.png",
        "p1.txt",
        "p3.png",
        "p3.txt",
    ]
    for expected in reversed(seen):
        with Dataset(home, write=True) as dataset:
            undo(dataset)
        found = visible(tree(home))
        for log in ("records", "rejects"):
            name = f".dsk/{log}.jsonl"
            strip = [line.split(b'"step"')[0] for line in found.pop(name, b"").splitlines()]
            was = [line.split(b'"step"')[0] for line in expected.pop(name, b"").splitlines()]
            assert strip == was
        assert found == expected
    with Dataset(home, write=True) as dataset, pytest.raises(DatasetError, match="nothing to undo"):
        undo(dataset)


def test_what_an_undone_step_brought_in_is_set_aside(tmp_path: Path, gallery: Path) -> None:
    home = tmp_path / "set"
    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [Folder(str(gallery))], lambda event: None)
        undo(dataset)
        assert len(list((home / ".dsk" / "undone" / "0001").glob("*.png"))) == 6
        assert run_leg(dataset, [Folder(str(gallery))], lambda event: None).added == 6


def test_originals_are_kept_the_first_time_pixels_change(tmp_path: Path, gallery: Path) -> None:
    home = tmp_path / "set"
    with Dataset(home, write=True) as dataset:
        for stage in (Folder(str(gallery)), Flatten(), Flatten(color="red"), Crop()):
            run_leg(dataset, [stage], lambda event: None)
    originals = {path.name: path.read_bytes() for path in (home / ".dsk" / "originals").iterdir()}
    assert originals == {
        name: (gallery / name).read_bytes() for name in ("p1.png", "p4.png", "p5.png")
    }


def test_a_step_that_changes_nothing_leaves_no_trace(
    tmp_path: Path, gallery: Path, tree: Tree
) -> None:
    home = tmp_path / "set"
    with Dataset(home, write=True) as dataset:
        for stage in (Folder(str(gallery)), Clean(), Flatten(), Crop()):
            run_leg(dataset, [stage], lambda event: None)
    before = tree(home)
    with Dataset(home, write=True) as dataset:
        for stage in (Folder(str(gallery)), Clean(), Flatten(), Crop()):
            assert run_leg(dataset, [stage], lambda event: None).idle
    assert tree(home) == before
