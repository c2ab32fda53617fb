"""The folder a kohya trainer reads, and the sum."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from datasetkit.dataset import Dataset
from datasetkit.engines.events import Event, Said
from datasetkit.engines.local import run_leg
from datasetkit.errors import DatasetError, UsageError
from datasetkit.exporters.repeats import Repeats
from datasetkit.grabbers.folder import Folder

Tree = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def home(tmp_path: Path, gallery: Path) -> Path:
    with Dataset(tmp_path / "set", write=True) as dataset:
        run_leg(dataset, [Folder(str(gallery))], lambda event: None)
    return tmp_path / "set"


def export(home: Path, stage: Repeats) -> list[str]:
    said: list[str] = []

    def report(event: Event) -> None:
        if isinstance(event, Said):
            said.append(event.text)

    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [stage], report)
    return said


@pytest.mark.parametrize(
    ("steps", "epochs", "repeats"), [(4000, 10, 67), (60, 10, 1), (61, 10, 2), (1, 1, 1)]
)
def test_the_sum(home: Path, steps: int, epochs: int, repeats: int) -> None:
    said = export(home, Repeats(steps=steps, epochs=epochs, name="x"))
    assert (home / "train" / f"{repeats}_x").is_dir()
    each = f"{repeats} repeat{'s' * (repeats > 1)} x {epochs} epoch{'s' * (epochs > 1)}"
    assert said[0].startswith(f"6 pictures x {each} = {6 * repeats * epochs:,} steps")


def test_of_one_picture_it_says_one_picture(home: Path) -> None:
    for number in range(1, 6):
        (home / f"p{number}.png").unlink()
    (home / "p0.txt").write_text("")
    said = export(home, Repeats(steps=20, epochs=10, name="x"))
    assert said[0].startswith("1 picture has no caption")
    assert said[1].startswith("1 picture x 2 repeats x 10 epochs = 20 steps")


def test_pictures_are_links_and_captions_one_line(home: Path) -> None:
    export(home, Repeats(name="x"))
    folder = home / "train" / "67_x"
    assert (folder / "p0.png").stat().st_ino == (home / "p0.png").stat().st_ino
    assert (folder / "p0.txt").read_text() == "1girl, absurdres, highres, long hair, >_<, tag 0\n"
    assert len(list(folder.iterdir())) == 12


def test_twice_writes_the_same_bytes_and_then_nothing(home: Path, tree: Tree) -> None:
    export(home, Repeats())
    before = tree(home / "train")
    assert export(home, Repeats())[-1].endswith("is up to date")
    assert tree(home / "train") == before


def test_a_change_brings_the_folder_up_to_date(home: Path) -> None:
    export(home, Repeats(name="x"))
    (home / "train" / "67_x" / "p0.npz").write_bytes(b"a trainer's cache")
    (home / "p0.txt").write_text("1girl, red scarf")
    (home / "p5.png").unlink()
    export(home, Repeats(name="x"))
    folder = home / "train" / "80_x"
    assert (folder / "p0.txt").read_text() == "1girl, red scarf\n"
    assert sorted(path.name for path in (home / "train").iterdir()) == [
        ".dsk-export.json",
        "80_x",
    ]
    assert not (folder / "p5.png").exists()


@pytest.mark.parametrize("stranger", ["notes.doc", "10_other/a.png", "67_x/mine.png"])
def test_a_folder_with_other_files_is_refused_not_emptied(home: Path, stranger: str) -> None:
    export(home, Repeats(name="x"))
    path = home / "train" / stranger
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"mine")
    with pytest.raises(DatasetError, match="not of this export"):
        export(home, Repeats(name="x", steps=1))
    assert path.read_bytes() == b"mine"


def test_the_name_is_the_character_else_the_folder(home: Path) -> None:
    export(home, Repeats(steps=60))
    assert (home / "train" / "1_set").is_dir()
    log = home / ".dsk" / "records.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        line["tags"].append(["shimakaze_(kancolle)", "character", ["danbooru"], 1.0])
        caption = home / f"{line['key']}.txt"
        caption.write_text(caption.read_text().strip() + ", shimakaze (kancolle)")
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    export(home, Repeats(steps=60))
    assert (home / "train" / "1_shimakaze").is_dir()


def test_a_name_that_no_file_system_takes_is_made_one(home: Path) -> None:
    export(home, Repeats(steps=60, name="a/b:c?"))
    assert (home / "train" / "1_a_b_c_").is_dir()


def test_no_pictures_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no pictures"):
        export(tmp_path / "empty", Repeats())


def test_what_safety_refuses_is_not_exported(home: Path) -> None:
    (home / "p0.txt").write_text("1girl, loli")
    said = export(home, Repeats(steps=50, name="x"))
    assert said[0] == "1 picture is left out by the safety rules"
    assert not (home / "train" / "1_x" / "p0.png").exists()


def test_what_trainers_pass_over_is_exported_as_png(home: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    Image.new("RGB", (20, 20), "red").save(tmp_path / "more" / "still.gif")
    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [Folder(str(tmp_path / "more"))], lambda event: None)
    export(home, Repeats(steps=70, name="x"))
    with Image.open(home / "train" / "1_x" / "still.png") as image:
        assert image.format == "PNG" and image.getpixel((5, 5)) == (255, 0, 0)
    assert export(home, Repeats(steps=70, name="x"))[-1].endswith("is up to date")


def test_a_caption_edited_in_the_export_is_not_thrown_away(home: Path) -> None:
    export(home, Repeats(name="x"))
    edited = home / "train" / "67_x" / "p0.txt"
    edited.write_text("mine")
    with pytest.raises(DatasetError, match=r"were edited there \(67_x/p0.txt\)"):
        export(home, Repeats(name="x", steps=1))
    assert edited.read_text() == "mine"


@pytest.mark.parametrize("name", ["../victim", "/tmp", ".."])
def test_a_mark_that_names_a_folder_elsewhere_is_refused(home: Path, name: str) -> None:
    export(home, Repeats(name="x"))
    mark = home / "train" / ".dsk-export.json"
    mark.write_text(json.dumps(json.loads(mark.read_text()) | {"old": name}))
    with pytest.raises(DatasetError, match="names a folder elsewhere"):
        export(home, Repeats(name="y"))


def test_a_killed_export_is_finished_by_the_next(home: Path, tree: Tree) -> None:
    export(home, Repeats(name="x"))
    wanted = tree(home / "train")
    (home / "train" / "..dsk-export.json.99.dsk-part").write_text("{")
    (home / "train" / ".part").mkdir()
    (home / "train" / ".part" / "p0.png").write_bytes(b"half")
    (home / "train" / "67_x" / "p1.png").unlink()
    export(home, Repeats(name="x"))
    assert tree(home / "train") == wanted
