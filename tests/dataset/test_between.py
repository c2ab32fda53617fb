"""What people do between, and during, two commands, where two changes meet."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from datasetkit.cleaners.pixels.flatten import Flatten
from datasetkit.cleaners.tags.clean import Clean
from datasetkit.dataset import Dataset, note_task, undo
from datasetkit.dataset.journal import Journal
from datasetkit.engines.local import run_leg
from datasetkit.errors import DatasetError
from datasetkit.grabbers.folder import Folder
from datasetkit.record import Record, Tag
from datasetkit.stage import Drop, Map, Stage

Draw = Callable[..., Path]


@dataclass(frozen=True)
class Picky(Map):
    """Leaves one picture out."""

    def __call__(self, record: Record) -> Record | Drop:
        return Drop("odd") if record.key == "p1" else record


@dataclass(frozen=True)
class Meanwhile(Map):
    """Adds a tag, while a person edits the caption of the same picture."""

    def __call__(self, record: Record) -> Record | Drop:
        if record.key == "p0":
            record.picture.path.with_suffix(".txt").write_text("1girl, >_<, red scarf")
        return record.with_tags([*record.tags, Tag("smile", by=("wd",))])


@dataclass(frozen=True)
class Spurned(Map):
    """Leaves a picture out whose caption a person edits at that moment."""

    caption: str

    def __call__(self, record: Record) -> Record | Drop:
        if record.key != "p0":
            return record
        record.picture.path.with_suffix(".txt").write_text(self.caption)
        return Drop("odd")


@dataclass(frozen=True)
class Vanishing(Map):
    """Paints a picture anew, which a person deletes at that moment."""

    def __call__(self, record: Record) -> Record | Drop:
        if record.key != "p1":
            return record
        painted = record.with_pixels(record.picture.pixels.convert("RGB"))
        record.picture.path.unlink()
        return painted


def run(home: Path, *stages: Stage) -> list[str]:
    with Dataset(home, write=True) as dataset:
        for stage in stages:
            run_leg(dataset, [stage], lambda event: None)
        return dataset.notes


def take_back(home: Path) -> None:
    with Dataset(home, write=True) as dataset:
        undo(dataset)


@pytest.fixture
def home(tmp_path: Path, gallery: Path) -> Path:
    run(tmp_path / "set", Folder(str(gallery)), Clean())
    return tmp_path / "set"


def names(home: Path, key: str) -> tuple[str, ...]:
    with Dataset(home) as dataset:
        return next(record.names for record in dataset.records if record.key == key)


def test_a_caption_edited_while_a_stage_runs_is_kept(home: Path) -> None:
    run(home, Meanwhile())
    assert names(home, "p0") == ("1girl", ">_<", "smile", "red_scarf")
    assert (home / "p0.txt").read_text() == "1girl, >_<, smile, red scarf\n"


def test_a_caption_edited_at_the_very_commit_is_kept(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Journal.keep_all

    def meanwhile(journal: Journal, changes: Any) -> None:
        real(journal, changes)
        if not edited:
            edited.append((home / "p0.txt").write_text("1girl, >_<, red scarf"))

    edited: list[int] = []
    monkeypatch.setattr(Journal, "keep_all", meanwhile)
    run(home, Clean(first="x"))
    assert names(home, "p0") == ("x", "1girl", ">_<", "red_scarf")
    assert (home / "p0.txt").read_text() == "x, 1girl, >_<, red scarf\n"
    assert (home / "p1.txt").read_text().startswith("x, ")
    assert run(home) == []
    with Dataset(home) as dataset:
        assert dataset.records[0].removed == {"long_hair", "tag_0"}
    take_back(home)
    assert names(home, "p0") == ("1girl", ">_<", "red_scarf")


@pytest.mark.parametrize(("missing", "edit"), [("", "red scarf"), ("long hair", "red scarf")])
def test_a_caption_edited_after_a_kill_between_the_commit_and_its_file(
    home: Path, monkeypatch: pytest.MonkeyPatch, missing: str, edit: str
) -> None:
    def killed(*_: Any) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr("datasetkit.dataset.together._follow", killed)
    with pytest.raises(KeyboardInterrupt):
        run(home, Clean(first="x", drop=("tag *",)))
    monkeypatch.undo()
    words = (home / "p0.txt").read_text().strip().split(", ")
    assert "tag 0" in words and "x" not in words
    (home / "p0.txt").write_text(", ".join([*(word for word in words if word != missing), edit]))
    run(home, Clean(first="x", drop=("tag *",)))
    expected = [*("x", "1girl", "long_hair", ">_<"), "red_scarf"]
    if missing:
        expected.remove("long_hair")
    assert names(home, "p0") == tuple(expected)
    assert (home / "p0.txt").read_text() == ", ".join(expected).replace("_", " ").replace(
        "> <", ">_<"
    ) + "\n"
    assert (home / "p1.txt").read_text().startswith("x, ")


def test_a_picture_put_into_the_folder_is_taken_in_with_its_caption(home: Path, draw: Draw) -> None:
    draw(home / "new.png", seed=9)
    (home / "new.txt").write_text("1girl, absurdres")
    (home / "cut.png").write_bytes(b"no picture")
    (home / "bad.png").write_bytes((home / "p0.png").read_bytes())
    (home / "bad.txt").write_text("1girl, loli")
    notes = run(home, Clean())
    assert "pictures added by hand: 1" in notes
    assert any("cut.png was put here and is left alone" in note for note in notes)
    assert any("left alone (safety rule 1)" in note for note in notes)
    assert names(home, "new") == ("1girl", "absurdres")  # what a person typed is not dropped
    assert (home / "cut.png").exists() and (home / "bad.png").exists()


def test_a_picture_saved_in_another_format_is_the_same_picture(home: Path) -> None:
    from PIL import Image

    with Image.open(home / "p0.png") as image:
        image.convert("RGB").save(home / "p0.jpg")
    (home / "p0.png").unlink()
    (home / "p0.txt").write_text("1girl, red scarf")
    assert "pictures saved in another format by hand: 1" in run(home, Clean())
    assert names(home, "p0") == ("1girl", "red_scarf")
    with Dataset(home) as dataset:
        assert len(dataset) == 6 and not dataset.rejects


def test_undo_keeps_a_picture_that_was_painted_over_since(home: Path, draw: Draw) -> None:
    run(home, Flatten())
    painted = draw(home / "p1.png", (70, 70), seed=5).read_bytes()
    take_back(home)
    kept = [path.read_bytes() for path in (home / ".dsk/undone").rglob("p1.png")]
    assert kept == [painted]


def test_undo_leaves_out_what_was_deleted_by_hand_since(home: Path) -> None:
    run(home, Flatten())
    (home / "p1.png").unlink()
    run(home, Clean(first="x"))
    take_back(home)
    take_back(home)
    assert not (home / "p1.png").exists()
    with Dataset(home) as dataset:
        assert [(r.record.key, r.stage) for r in dataset.rejects] == [("p1", "hand")]


def test_undo_keeps_a_picture_that_was_put_back_by_hand(home: Path, draw: Draw) -> None:
    run(home, Picky())
    mine = draw(home / "p1.png", (50, 50), seed=7).read_bytes()
    run(home, Clean(first="x"))
    take_back(home)
    assert (home / "p1.png").read_bytes() == mine
    assert (home / ".dsk/rejected/p1.png").exists()


def test_undo_keeps_a_tag_that_was_put_back_by_hand(home: Path) -> None:
    (home / "p0.txt").write_text("1girl, >_<")
    run(home, Clean(first="x"))
    (home / "p0.txt").write_text("x, 1girl, long hair, >_<")
    take_back(home)
    assert set(names(home, "p0")) >= {"1girl", "long_hair", ">_<"}


def test_a_rejected_picture_is_not_lost_to_another_of_its_name(home: Path, draw: Draw) -> None:
    first = (home / "p1.png").read_bytes()
    run(home, Picky())
    draw(home / "p1.png", (50, 50), seed=7)
    run(home, Picky())
    aside = [path.read_bytes() for path in (home / ".dsk/set-aside").iterdir()]
    assert first in aside


def test_an_undone_picture_is_not_the_original_under_another_name(home: Path) -> None:
    run(home, Flatten())
    take_back(home)
    assert not os.path.samefile(home / "p1.png", home / ".dsk/originals/p1.png")


def test_a_strangers_caption_is_set_aside_not_overwritten(tmp_path: Path, gallery: Path) -> None:
    home = tmp_path / "set"
    home.mkdir()
    (home / "p0.txt").write_text("my notes")
    run(home, Folder(str(gallery)))
    assert [path.read_text() for path in (home / ".dsk/set-aside").iterdir()] == ["my notes"]


def test_a_task_between_an_interrupted_step_and_its_end(home: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Dataset(home, write=True) as dataset:
        run_leg(dataset, [Flatten()], interrupt)
    with Dataset(home, write=True) as dataset:
        note_task(dataset, [{"repeats": {}}], {"outputs": []})
    run(home, Flatten())
    with Dataset(home) as dataset:
        steps = [line["step"] for line in dataset.history]
        assert len(set(steps)) == len(steps) == 4
    take_back(home)


def interrupt(event: object) -> None:
    if "Advanced" in type(event).__name__:
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["../victim.txt", "/etc/passwd", "..", "a\\b"])
def test_a_log_that_names_files_elsewhere_is_refused(home: Path, name: str) -> None:
    (home.parent / "victim.txt").write_text("mine")
    log = home / ".dsk/records.jsonl"
    line = json.loads(log.read_text().splitlines()[0])
    log.write_text(json.dumps(line | {"file": name}) + "\n" + log.read_text())
    with pytest.raises(DatasetError, match="names a file outside the dataset"):
        run(home)
    assert (home.parent / "victim.txt").read_text() == "mine"


def test_an_undo_log_that_names_files_elsewhere_is_refused(home: Path) -> None:
    (home.parent / "victim.txt").write_text("mine")
    log = home / ".dsk/undo/0002/before.jsonl"
    line = json.loads(log.read_text().splitlines()[0])
    log.write_text(json.dumps(line | {"before": None, "file": "../victim.txt"}) + "\n")
    with pytest.raises(DatasetError, match="names a file outside the dataset"):
        take_back(home)
    assert (home.parent / "victim.txt").read_text() == "mine"


def test_a_picture_deleted_while_a_stage_works_stays_deleted(home: Path) -> None:
    run(home, Vanishing(), Flatten())
    assert not (home / "p1.png").exists()
    with Dataset(home) as dataset:
        assert [(r.record.key, r.stage) for r in dataset.rejects] == [("p1", "hand")]


def test_a_fifo_for_a_caption_is_refused_not_waited_for(home: Path) -> None:
    (home / "p0.txt").unlink()
    os.mkfifo(home / "p0.txt")
    said: list[str] = []

    def work() -> None:
        try:
            run(home)
        except DatasetError as error:
            said.append(str(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    assert "a caption is a plain file" in said[0]


def test_a_power_cut_that_loses_the_commit_but_not_the_files(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was synced stays: captions, pictures, the lines of what was before."""
    monkeypatch.setattr("datasetkit.engines.local.TOGETHER", 1)
    records = (home / ".dsk/records.jsonl").read_bytes()
    captions = {path.name: path.read_bytes() for path in home.glob("*.txt")}
    pictures = {path.name: path.read_bytes() for path in home.glob("*.png")}

    def cut(event: object) -> None:
        if getattr(event, "done", 0) == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Dataset(home, write=True) as dataset:
        run_leg(dataset, [Clean(drop=("1girl",)), Flatten()], cut)
    assert any(path.read_bytes() != pictures[path.name] for path in home.glob("*.png"))
    (home / ".dsk/records.jsonl").write_bytes(records)
    with Dataset(home, write=True) as dataset:
        assert not any("by hand" in note for note in dataset.notes)
        assert all(not record.removed for record in dataset.records)
    assert {path.name: path.read_bytes() for path in home.glob("*.txt")} == captions
    assert {path.name: path.read_bytes() for path in home.glob("*.png")} == pictures


@pytest.mark.parametrize("name", ["tmp", "owner.json", "records.jsonl", "parts", "undo/0001"])
def test_a_link_in_a_datasets_memory_is_refused(home: Path, name: str) -> None:
    victim = home.parent / "victim"
    victim.mkdir()
    (victim / "mine.txt").write_text("no line end")
    link = home / ".dsk" / name
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to(victim / "mine.txt" if link.suffix else victim)
    with pytest.raises(DatasetError, match="is a link that leads out of the dataset"):
        run(home)
    assert [path.read_text() for path in victim.iterdir()] == ["no line end"]


def test_a_caption_edited_while_its_picture_is_left_out_is_kept(home: Path) -> None:
    run(home, Spurned("1girl, >_<, red scarf"))
    take_back(home)
    assert names(home, "p0") == ("1girl", ">_<", "red_scarf")
    assert (home / "p0.txt").read_text() == "1girl, >_<, red scarf"


def test_what_cannot_be_read_stops_no_stage_that_leaves_its_picture_out(home: Path) -> None:
    before = names(home, "p0")
    run(home, Spurned("\0"))
    take_back(home)
    assert names(home, "p0") == before


def test_undo_takes_away_what_was_saved_in_another_format_since(tmp_path: Path, draw: Draw) -> None:
    home, source = tmp_path / "set", tmp_path / "in"
    draw(source / "a.png")
    run(home, Folder(str(source)))
    os.replace(home / "a.png", home / "a.webp")
    assert "pictures saved in another format by hand: 1" in run(home)
    take_back(home)
    assert sorted(path.name for path in home.iterdir()) == [".dsk"]
    assert {path.name for path in (home / ".dsk" / "undone").glob("*/*")} == {"a.webp", "a.txt"}
