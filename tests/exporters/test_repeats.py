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
    names = [".dsk-export.json", "80_x", "dataset.toml", "train.toml"]
    assert sorted(path.name for path in (home / "train").iterdir()) == names
    assert not (folder / "p5.png").exists() and not (folder / "p0.npz").exists()


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
def test_a_mark_that_names_files_elsewhere_removes_none(home: Path, name: str) -> None:
    export(home, Repeats(name="x"))
    (home / "victim").mkdir()
    (home / "victim" / "p0.png").write_bytes(b"somebody's")
    mark = home / "train" / ".dsk-export.json"
    named = {f"{name}/p0.png": "", "../victim/p0.png": ""}
    content = json.loads(mark.read_text())
    mark.write_text(json.dumps(content | {"pictures": content["pictures"] | named}))
    export(home, Repeats(name="y"))
    assert (home / "victim" / "p0.png").read_bytes() == b"somebody's"


def test_a_killed_export_is_finished_by_the_next(home: Path, tree: Tree) -> None:
    export(home, Repeats(name="x"))
    wanted = tree(home / "train")
    (home / ".train.dsk-export" / "67_x").mkdir(parents=True)
    (home / ".train.dsk-export" / "67_x" / "p0.png").write_bytes(b"half")
    (home / "train").rename(home / ".train.dsk-before")
    export(home, Repeats(name="x"))
    assert tree(home / "train") == wanted
    assert not any(path.name.startswith(".train") for path in home.iterdir())


def test_a_picture_without_a_caption_gets_the_name(home: Path) -> None:
    (home / "p0.txt").write_text("")
    export(home, Repeats(name="kirara"))
    assert (home / "train" / "67_kirara" / "p0.txt").read_text() == "kirara\n"


def test_a_copy_is_edited_without_the_datasets_picture(home: Path) -> None:
    export(home, Repeats(name="x"))
    export(home, Repeats(name="x", copy=True))
    mine, ours = home / "train" / "67_x" / "p0.png", home / "p0.png"
    before = ours.read_bytes()
    assert not mine.samefile(ours) and mine.read_bytes() == before
    assert export(home, Repeats(name="x", copy=True))[-1].endswith("is up to date")
    Image.new("RGB", (20, 20), "red").save(mine)
    assert ours.read_bytes() == before
    with pytest.raises(DatasetError, match=r"were edited there \(67_x/p0.png\)"):
        export(home, Repeats(name="x", copy=True, steps=1))


def test_a_refused_folder_is_told_before_anything_else(home: Path) -> None:
    (home / "train").mkdir()
    (home / "train" / "mine.doc").write_bytes(b"mine")
    said: list[str] = []
    with Dataset(home, write=True) as dataset, pytest.raises(DatasetError, match="not of this"):
        run_leg(
            dataset,
            [Repeats(name="x")],
            lambda event: said.append(event.text) if isinstance(event, Said) else None,
        )
    assert said == []


def test_the_command_is_said_last(home: Path) -> None:
    said = export(home, Repeats(name="x"))
    assert [text for text in said if not text.startswith("wrote")][-1].startswith("for kohya's")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux has a folder like that")
def test_where_nothing_can_be_written_is_said(home: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be written"):
        export(home, Repeats(name="x", out="/proc/x"))


def test_more_than_was_asked_is_told_with_the_way_out(home: Path) -> None:
    said = export(home, Repeats(name="x", steps=12, epochs=10))
    assert any("5.0 times what was asked" in text and "use --epochs 2" in text for text in said)
    said = export(home, Repeats(name="x", steps=2, epochs=1))
    assert any("3.0 times" in text and "; leave pictures out" in text for text in said)
    assert not any("times what was" in t for t in export(home, Repeats(name="x", steps=60)))


def test_steps_have_one_meaning_in_a_sentence(home: Path) -> None:
    said = export(home, Repeats(name="x", steps=120, batch=4))
    assert "= 120 pictures shown (asked: 120; repeats = ceil(120 / 10 / 6))" in said[0]
    assert not any("batch size 1" in text for text in said)
