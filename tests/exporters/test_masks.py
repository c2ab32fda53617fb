"""Masks beside the exported folder: drawn from the facts, fit for their pictures, or not there."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from datasetkit.dataset import Dataset
from datasetkit.engines.events import Event, Said
from datasetkit.engines.local import run_leg
from datasetkit.errors import DatasetError
from datasetkit.exporters.repeats import Repeats
from datasetkit.grabbers.folder import Folder
from datasetkit.masks import hidden, outdated
from tests.exporters.exported import hide

Tree = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def home(tmp_path: Path, gallery: Path) -> Path:
    with Dataset(tmp_path / "set", write=True) as dataset:
        run_leg(dataset, [Folder(str(gallery))], lambda event: None)
    return tmp_path / "set"


def export(home: Path, **options: object) -> list[str]:
    said: list[str] = []

    def report(event: Event) -> None:
        if isinstance(event, Said):
            said.append(event.text)

    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [Repeats(name="x", **options)], report)  # type: ignore[arg-type]
    return said


def test_without_hidden_parts_there_is_no_folder_and_no_word_of_it(home: Path) -> None:
    said = export(home)
    names = [".dsk-export.json", "67_x", "dataset.toml", "train.toml"]
    assert sorted(path.name for path in (home / "train").iterdir()) == names
    assert not any("mask" in text for text in said)
    assert not any("mask" in (home / "train" / name).read_text() for name in names if "." in name)


def test_every_picture_has_a_mask_of_its_size_where_one_has(home: Path) -> None:
    hide(home, "p0", (5, 10, 15, 20), (30, 50, 40, 60))
    said = export(home)
    assert any(text.startswith("1 of 6 pictures is learned in part") for text in said)
    masks, pictures = home / "train" / "masks", home / "train" / "67_x"
    assert {p.name for p in masks.iterdir()} == {f"{p.stem}.png" for p in pictures.glob("*.png")}
    for path in masks.iterdir():
        with Image.open(path) as mask, Image.open(pictures / path.name) as picture:
            assert mask.size == picture.size
            red = mask.convert("RGB").getchannel("R")
            assert sorted(set(red.tobytes())) == ([0, 255] if path.stem == "p0" else [255])
    with Image.open(masks / "p0.png") as mask:
        corners = [(5, 10), (14, 19), (39, 59), (4, 10), (15, 19), (29, 50)]
        assert [mask.getpixel(at) for at in corners] == [0, 0, 0, 255, 255, 255]


def test_twice_writes_nothing_and_a_change_is_followed(home: Path, tree: Tree) -> None:
    hide(home, "p0", (5, 10, 15, 20))
    export(home)
    before = tree(home / "train")
    assert export(home)[-1].endswith("is up to date")
    assert tree(home / "train") == before
    hide(home, "p0", (5, 10, 15, 30))
    export(home)
    changed = {name for name, content in tree(home / "train").items() if before[name] != content}
    assert changed == {".dsk-export.json", "masks/p0.png"}
    hide(home, "p0")
    export(home)
    assert not (home / "train" / "masks").exists()


def test_of_a_picture_that_has_changed_since_nothing_is_hidden(home: Path) -> None:
    hide(home, "p0", (5, 10, 15, 20))
    with Image.open(home / "p0.png") as image:
        image.load()
    image.putpixel((1, 1), (1, 2, 3))
    image.save(home / "p0.png")
    said = export(home)
    wanted = "1 picture has changed since text was found there"
    assert any(text.startswith(wanted) for text in said)
    assert not (home / "train" / "masks").exists()
    with Dataset(home) as dataset:
        record = dataset.record("p0")
        assert record and not hidden(record) and outdated(record)


def test_a_mask_that_a_person_painted_on_is_not_thrown_away(home: Path) -> None:
    hide(home, "p0", (5, 10, 15, 20))
    export(home)
    mask = home / "train" / "masks" / "p0.png"
    Image.new("L", (40, 60), 0).save(mask)
    painted = mask.read_bytes()
    with pytest.raises(DatasetError, match=r"edited there \(masks/p0.png\)"):
        export(home, steps=1)
    assert mask.read_bytes() == painted


def test_somebody_elses_masks_are_not_touched(home: Path) -> None:
    (home / "train" / "masks").mkdir(parents=True)
    (home / "train" / "masks" / "p0.png").write_bytes(b"mine")
    with pytest.raises(DatasetError, match=r"not of this export.*\(masks/p0.png\)"):
        export(home)
    assert (home / "train" / "masks" / "p0.png").read_bytes() == b"mine"


def test_kohyas_settings_name_the_masks(home: Path) -> None:
    hide(home, "p0", (5, 10, 15, 20))
    export(home, subset=("one: name:p0", "rest: x1"))
    train = home / "train"
    (dataset,) = tomllib.loads((train / "dataset.toml").read_text())["datasets"]
    masks = {subset["conditioning_data_dir"] for subset in dataset["subsets"]}
    assert masks == {str(train / "masks")} and len(dataset["subsets"]) == 2
    assert tomllib.loads((train / "train.toml").read_text())["training"]["masked_loss"] is True
    pictures = {path.stem for path in train.glob("*_*/*.png")}
    assert {path.stem for path in (train / "masks").iterdir()} == pictures  # none more, none less


def test_a_turned_picture_is_told_of(home: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40), "red").save(home / "turned.jpg", exif=exif)
    with Dataset(home, write=True):
        pass
    hide(home, "turned", (5, 10, 15, 20))
    said = export(home)
    assert any("its EXIF turns" in text for text in said)
    with Image.open(home / "train" / "masks" / "turned.png") as mask:
        assert mask.size == (40, 60)
