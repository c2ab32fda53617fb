"""The engine: order, faults on one picture, one decode and one encode a leg, dry runs."""

import builtins
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from datasetkit import errors
from datasetkit.cleaners.pixels.crop import Crop
from datasetkit.cleaners.pixels.flatten import Flatten
from datasetkit.cleaners.tags.clean import Clean
from datasetkit.dataset import Dataset
from datasetkit.engines.chain import plan, run_pipeline
from datasetkit.engines.events import Ended, Event
from datasetkit.engines.local import legs, run_leg
from datasetkit.engines.results import CALM, LATE, QUICK, spread
from datasetkit.errors import DatasetError, ModelError, SiteError
from datasetkit.exporters.repeats import Repeats
from datasetkit.grabbers.folder import Folder
from datasetkit.pipeline import Pipeline
from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag
from datasetkit.stage import Drop, Find, Known, Map, Note, Source, Task, Work, Wrote
from datasetkit.threads import in_order

Tree = Callable[[Path], dict[str, bytes]]


def quiet(event: Event) -> None:
    """A report that nobody reads."""


@dataclass(frozen=True)
class Stumbles(Map):
    """Fails on one picture in each of the ways that a decoder may fail."""

    fault: str = "ValueError"

    def __call__(self, record: Record) -> Record | Drop:
        if record.key == "p2":
            kind = errors.ModelError if self.fault == "ModelError" else vars(builtins)[self.fault]
            raise kind("unlucky")
        return record


@dataclass(frozen=True)
class Sees(Map):
    """Adds a tag that the safety rules refuse."""

    def __call__(self, record: Record) -> Record | Drop:
        return record.with_tags([*record.tags, Tag("loli")]) if record.key == "p3" else record


@dataclass(frozen=True)
class Unlucky(Source):
    """A source whose downloads fail."""

    good: int = 0

    def find(self, known: Known) -> Iterator[Find | Drop | Note]:
        for number in range(20):
            record = Record(f"k{number}", Picture(Path(f"k{number}.png"), (0, 0)), origin=Origin())
            yield Find(record, f"k{number}.png", self.fetch)

    def fetch(self, path: Path) -> None:
        raise SiteError("the server hung up")


@dataclass(frozen=True)
class Writes(Task):
    """Writes one file."""

    def __call__(self, dataset: Dataset) -> Iterator[Work]:
        path = dataset.path / "made.bin"
        fresh = not path.exists()
        path.write_bytes(b"x")
        yield Wrote(path, fresh)


@pytest.fixture
def home(tmp_path: Path, gallery: Path) -> Path:
    with Dataset(tmp_path / "set", write=True) as dataset:
        run_leg(dataset, [Folder(str(gallery))], quiet)
    return tmp_path / "set"


def test_results_come_in_the_items_order() -> None:
    def slowly(number: int) -> int:
        time.sleep((7 - number % 7) * 0.002)
        return number * 2

    assert list(in_order(slowly, range(50), 8)) == [(n, n * 2) for n in range(50)]


def test_only_a_few_items_are_under_way() -> None:
    under_way = most = 0
    lock = threading.Lock()

    def offered() -> Iterator[int]:
        nonlocal under_way, most
        for number in range(100):
            with lock:
                under_way += 1
                most = max(most, under_way)
            yield number

    for _ in in_order(lambda number: number, offered(), 4):
        with lock:
            under_way -= 1
    assert most <= 6


def test_quick_work_is_done_here_and_what_follows_a_slow_item_in_threads() -> None:
    def work(number: int) -> str:
        if number in {5, 6, 30, 100}:
            time.sleep(QUICK + 1.5 * LATE)
        if number == 150:
            time.sleep(QUICK * 3)
        return threading.current_thread().name

    found = list(spread(work, range(400), 2))
    assert [number for number, _ in found] == list(range(400))
    here = {number for number, name in found if name == threading.current_thread().name}
    assert set(range(6)) <= here
    assert not set(range(6, 6 + 2 * CALM)) & here
    assert {90, 151, 399} <= here, "one item that is a little late is forgiven"


def test_slow_work_ends_in_threads_and_passes_on_what_fails() -> None:
    def work(number: int) -> int:
        time.sleep(QUICK * 2)
        if number == 9:
            raise ValueError("unlucky")
        return number

    found: list[int] = []
    with pytest.raises(ValueError, match="unlucky"):
        found += [result for _, result in spread(work, range(9), 4)]
        found += [result for _, result in spread(work, iter(range(9, 20)), 4)]
    assert found == list(range(9))


@pytest.mark.parametrize("fault", "ValueError TypeError MemoryError SyntaxError OSError".split())
def test_one_bad_picture_does_not_stop_the_rest(home: Path, fault: str) -> None:
    with Dataset(home, write=True) as dataset:
        outcome = run_leg(dataset, [Stumbles(fault)], quiet)
        assert outcome.unchanged == 5
        assert "unlucky" in outcome.errors["p2.png"]
        assert [r.record.key for r in dataset.rejects] == ["p2"]
    assert (home / ".dsk/rejected/p2.png").exists() and not (home / "p2.png").exists()


def test_what_ails_the_whole_stops_the_run(home: Path) -> None:
    with Dataset(home, write=True) as dataset, pytest.raises(ModelError):
        run_leg(dataset, [Stumbles("ModelError")], quiet)


def test_a_site_that_is_down_is_left_alone(tmp_path: Path) -> None:
    with (
        Dataset(tmp_path / "set", write=True) as dataset,
        pytest.raises(
            SiteError,
            match=r"5 downloads in a row failed \(run it again .*\); the last: the server hung up",
        ),
    ):
        run_leg(dataset, [Unlucky()], quiet)


def test_tags_that_safety_refuses_leave_the_set(home: Path) -> None:
    with Dataset(home, write=True) as dataset:
        outcome = run_leg(dataset, [Sees()], quiet)
        assert outcome.rejected.total() == 1
        assert [record.key for record in dataset.records] == ["p0", "p1", "p2", "p4", "p5"]


def test_a_leg_decodes_once_and_encodes_at_most_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasetkit import pixels

    decoded: list[str] = []
    encoded: list[str] = []
    real_decode, real_encode = pixels.decode, pixels.encode

    def counting_decode(path: Path) -> object:
        decoded.append(path.name)
        return real_decode(path)

    def counting_encode(image: object, suffix: str) -> bytes:
        encoded.append(suffix)
        return real_encode(image, suffix)  # type: ignore[arg-type]

    monkeypatch.setattr(pixels, "decode", counting_decode)
    monkeypatch.setattr(pixels, "encode", counting_encode)
    inode = (home / "p0.png").stat().st_ino
    with Dataset(home, write=True) as dataset:
        outcome = run_leg(dataset, [Clean(), Flatten(), Crop(ratio=1)], quiet)
    assert outcome.changed == 6
    assert sorted(decoded) == [f"p{n}.png" for n in range(6)]
    assert len(encoded) == 6
    decoded.clear()
    encoded.clear()
    with Dataset(home, write=True) as dataset:
        assert run_leg(dataset, [Clean(), Flatten(), Crop(ratio=1)], quiet).idle
    assert not decoded and not encoded
    assert (home / "p0.png").stat().st_ino != inode


def test_an_unchanged_picture_keeps_its_inode(home: Path) -> None:
    before = {path.name: path.stat().st_ino for path in home.glob("*.png")}
    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [Clean(), Flatten(), Crop()], quiet)
    after = {path.name: path.stat().st_ino for path in home.glob("*.png")}
    changed = {name for name, inode in after.items() if before[name] != inode}
    assert changed == {"p1.png", "p4.png", "p5.png"}


def test_a_dry_run_says_and_changes_nothing(home: Path, tree: Tree) -> None:
    before = tree(home)
    said: list[str] = []
    with Dataset(home) as dataset:
        outcome = run_leg(dataset, [Clean()], lambda event: said.append(str(event)), dry_run=True)
    assert outcome.changed == 6
    assert any("p0: -absurdres -highres" in line for line in said)
    assert tree(home) == before


def test_neighbouring_maps_are_one_leg() -> None:
    stages = [Folder("x"), Clean(), Flatten(), Repeats(), Writes(), Crop()]
    assert [len(leg) for leg in legs(stages)] == [1, 2, 1, 1, 1]


class TestPipeline:
    def run(self, home: Path, gallery: Path, *more: Map) -> list[bool]:
        """Run a pipeline and say of each leg whether it was passed over."""
        passed: list[bool] = []

        def report(event: Event) -> None:
            if isinstance(event, Ended):
                passed.append(event.outcome.already_done)

        stages = (Folder(str(gallery)), Clean(), Flatten(), *more, Writes())
        with Dataset(home, write=True) as dataset:
            run_pipeline(dataset, Pipeline(stages), report)
        return passed

    def test_a_second_run_does_nothing(self, tmp_path: Path, gallery: Path, tree: Tree) -> None:
        home = tmp_path / "new"
        assert self.run(home, gallery) == [False, False, False]
        before = tree(home)
        assert self.run(home, gallery) == [True, True, True]
        assert tree(home) == before

    def test_a_source_with_broken_files_is_asked_again_and_no_other_stage(
        self, tmp_path: Path, gallery: Path, tree: Tree
    ) -> None:
        (gallery / "broken.png").write_bytes(b"")
        home = tmp_path / "new"
        assert self.run(home, gallery) == [False, False, False]
        before = tree(home)
        assert self.run(home, gallery) == [False, True, True]
        after = tree(home)
        assert {name: after[name] for name in before if "marks" not in name} == {
            name: data for name, data in before.items() if "marks" not in name
        }
        assert self.run(home, gallery) == [True, True, True]

    def test_a_hand_edit_is_looked_at_by_all_but_the_source(
        self, tmp_path: Path, gallery: Path
    ) -> None:
        home = tmp_path / "new"
        self.run(home, gallery)
        (home / "p0.txt").write_text("1girl, red scarf")
        assert self.run(home, gallery) == [True, False, False]
        assert self.run(home, gallery) == [True, True, True]

    def test_a_missing_output_is_made_again(self, tmp_path: Path, gallery: Path) -> None:
        home = tmp_path / "new"
        self.run(home, gallery)
        (home / "made.bin").unlink()
        assert self.run(home, gallery) == [True, True, False]

    def test_a_changed_option_runs_from_there(self, tmp_path: Path, gallery: Path) -> None:
        home = tmp_path / "new"
        self.run(home, gallery)
        assert self.run(home, gallery, Crop(ratio=2)) == [True, False, False]

    def test_the_plan_says_what_was_done(self, tmp_path: Path, gallery: Path, tree: Tree) -> None:
        home = tmp_path / "new"
        pipeline = Pipeline((Folder(str(gallery)), Clean(), Writes()))
        assert not any("done before" in line for line in plan(home, pipeline))
        assert not home.exists()
        with Dataset(home, write=True) as dataset:
            run_pipeline(dataset, pipeline, quiet)
        before = tree(home)
        assert all("done before" in line for line in plan(home, pipeline))
        assert tree(home) == before


def test_two_writers_are_told_apart(home: Path) -> None:
    with Dataset(home, write=True), pytest.raises(DatasetError, match=r"in use by '.*' \(process"):
        Dataset(home, write=True).__enter__()
    with Dataset(home, write=True):
        pass
