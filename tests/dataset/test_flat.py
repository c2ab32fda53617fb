"""Lines are read from the disk when asked for, whatever happens to the log meanwhile."""

import itertools
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from datasetkit.cleaners.tags.clean import Clean
from datasetkit.dataset import Dataset, Step, lines
from datasetkit.dataset.index import Entry, unpack
from datasetkit.dataset.lines import Log
from datasetkit.engines.local import run_leg
from datasetkit.errors import DatasetError
from datasetkit.grabbers.folder import Folder
from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag
from datasetkit.stage import Stage


def run(home: Path, *stages: Stage) -> None:
    with Dataset(home, write=True) as dataset:
        for stage in stages:
            run_leg(dataset, [stage], lambda event: None)


@pytest.fixture(params=["held open", "copied, as on Windows"])
def home(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    gallery: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    monkeypatch.setattr(lines, "_OPEN_FILES_STAY", request.param != "held open")
    run(tmp_path / "set", Folder(str(gallery)))
    return tmp_path / "set"


def test_a_reader_sees_the_log_as_it_was_opened(home: Path) -> None:
    with Dataset(home) as reader:
        before = [record.names for record in reader.records]
        run(home, Clean(first="x", drop=("1girl",)), Clean(first="y"))
        assert [record.names for record in reader.records] == before
        (home / ".dsk/records.jsonl").unlink()
        assert [record.names for record in reader.records] == before
    assert reader.records[0].names == before[0]


def test_records_are_read_after_the_dataset_was_closed(home: Path) -> None:
    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [Clean(first="x")], lambda event: None)
        records = dataset.records
    assert [record.names[0] for record in records] == ["x"] * 6


def test_a_closed_dataset_that_another_program_changed_says_so(home: Path) -> None:
    with Dataset(home, write=True) as dataset:
        records = dataset.records
    run(home, Clean(first="a_word_that_moves_every_line"))
    with pytest.raises(DatasetError, match="has changed; open the dataset again"):
        list(records)


def test_records_are_as_they_stand_when_asked_for(home: Path) -> None:
    with Dataset(home, write=True) as dataset:
        records = dataset.records
        first = records[0]
        with Step(dataset, [{"x": {}}]) as step:
            step.put(first.with_tags(first.tags[:1]))
            assert records[0].names == first.names[:1]
            step.reject(records[1], "x", "odd")
            assert [r.key for r in records] == ["p0", "p2", "p3", "p4", "p5"]
            assert [r.key for r in records[2:4]] == ["p2", "p3"]
            with pytest.raises(DatasetError, match="p1 does not stand there any more"):
                records[1]
        assert (len(records), len(dataset.records), records[-1].key) == (6, 5, "p5")
        assert [reject.record.key for reject in dataset.rejects] == ["p1"]


def test_what_is_done_to_a_line_changes_nothing(home: Path) -> None:
    with Dataset(home, write=True) as dataset:
        dataset.journal.kept["p0"]["tags"].clear()
        assert dataset.records[0].tags


def test_a_step_that_changes_nothing_leaves_the_log_alone(home: Path) -> None:
    log = home / ".dsk/records.jsonl"
    before = log.stat().st_ino
    run(home, Clean())
    changed = log.stat().st_ino
    run(home, Clean())
    assert log.stat().st_ino == changed != before


def test_a_log_longer_than_a_block_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK", 7)
    log = Log(tmp_path / "log")
    told = [{"key": "x" * size} for size in (0, 1, 20, 3)]
    places = [log.append(line) for line in told]
    assert [line for _, _, line in log] == told
    assert [log.line(*place) for place in reversed(places)] == told[::-1]
    log.close()
    with (tmp_path / "log").open("ab") as file:
        file.write(b'{"key": "' + b"x" * 30)
    torn = Log(tmp_path / "log")
    assert torn.torn and [line for _, _, line in torn] == told
    torn.append({"key": "y"})
    torn.close()
    assert len(lines.read(tmp_path / "log")) == 5


@pytest.mark.parametrize(
    "change",
    [
        {"step": "one"},
        {"place": -1},
        {"place": 2**70},
        {"bytes": "many"},
        {"origin": 5},
        {"origin": {"site": [], "post": "1"}},
        {"tags": [[]]},
        {"key": 5},
    ],
    ids=str,
)
def test_a_line_of_another_shape_is_refused_in_words(
    tmp_path: Path, gallery: Path, change: dict[str, object]
) -> None:
    run(tmp_path / "set", Folder(str(gallery)))
    log = tmp_path / "set/.dsk/records.jsonl"
    first, *rest = log.read_text().splitlines(keepends=True)
    log.write_text(json.dumps(json.loads(first) | change) + "\n" + "".join(rest))
    with pytest.raises(DatasetError, match="is it of another program"):
        run(tmp_path / "set")


@pytest.mark.parametrize("file", ["p0.png", "p0", "other.png", "p.png", "p00.png", "島風.webp"])
def test_an_entry_is_read_back_as_it_was_packed(file: str) -> None:
    entry = Entry(3, 2**40, 5000, 7, -1, 2**64 - 1, True, (-5, 2**62), file)
    assert unpack(entry.pack("p0"), "p0") == entry


def test_strangers_are_told_from_files_of_other_names(
    home: Path, draw: Callable[..., Path]
) -> None:
    draw(home / "mine.png")
    (home / "mine.txt").write_text("1girl")
    draw(home / "p0.webp")  # a second picture beside p0.png
    run(home)
    with Dataset(home) as dataset:
        assert sorted(record.key for record in dataset.records)[:3] == ["mine", "p0", "p0-webp"]
        assert dataset.strangers == []
    draw(home / "p0-webp.png")
    with Dataset(home) as dataset:
        assert [path.name for path in dataset.strangers] == ["p0-webp.png"]


def test_a_record_costs_little_memory(
    tmp_path: Path, draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some 300 bytes a record, in a step and after it; 41 parsed tags alone take ten thousand."""
    monkeypatch.setattr(os, "fsync", lambda file: None)  # memory is asked about, not the disk
    tiny, count = draw(tmp_path / "tiny.png", (8, 8)), 500
    held = []
    tracemalloc.start()
    try:
        with Dataset(tmp_path / "set", write=True) as dataset:
            with Step(dataset, [{"grab": {}}]) as step:
                for number in range(count):
                    if number and number % 100 == 0:
                        assert dataset.post("danbooru", "5") == "p5"
                        held.append(tracemalloc.get_traced_memory()[0])
                    draft = dataset.draft("x.png")
                    os.link(tiny, draft)
                    tags = tuple(Tag(f"word_{n}") for n in range(41))
                    picture = Picture(dataset.path / f"p{number}.png", (8, 8))
                    origin = Origin("danbooru", str(number), md5=f"{number:032x}")
                    step.put(Record(f"p{number}", picture, tags, origin), draft)
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    grown = sorted(after - before for before, after in itertools.pairwise(held))
    assert grown[len(grown) // 2] / 100 < 1000  # a table of the interpreter's may grow in one leap
