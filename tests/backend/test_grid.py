"""The grid shows every epoch at every weight, paints nothing twice, and names the best."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from datasetkit.backend import grid, paint
from datasetkit.backend.grid import Grid
from datasetkit.backend.sheet import SMALLEST, Sheet, wrapped
from datasetkit.backend.train import Train
from datasetkit.dataset import Dataset
from datasetkit.errors import UsageError
from datasetkit.stage import Note, Progress, Wrote


@pytest.fixture
def trained(dataset: Dataset, pictures: Callable[..., Path], base_folder: Path) -> Dataset:
    pictures(dataset.path / "train")
    list(Train(base=str(base_folder), epochs=2, batch=2, rank=4, alpha=4, lr=3e-2)(dataset))
    return dataset


@pytest.fixture
def task(base_folder: Path) -> Callable[..., Grid]:
    return lambda **options: Grid(**({"base": str(base_folder), "steps": 1} | options))


def fresh(work: list[Any]) -> list[str]:
    return [item.path.name for item in work if isinstance(item, Wrote) and item.fresh]


def test_the_base_is_painted_once_and_every_cell_is_kept(
    trained: Dataset, task: Callable[..., Grid]
) -> None:
    work = list(task()(trained))
    assert fresh(work) == ["kirara.png", "kirara.json"]
    table = json.loads((trained.path / "grid" / "kirara.json").read_text())
    assert table["prompt"] == "kirara, solo, smile"
    cells = [(row["epoch"], row["weight"]) for row in table["cells"]]
    assert cells == [(0, 0.0)] + [(n, w) for n in (1, 2) for w in (0.4, 0.6, 0.8, 1.0)]
    assert len(list((trained.path / "grid" / "cells").iterdir())) == 9
    assert [item.total for item in work if isinstance(item, Progress)] == [9] * 9
    text = paint.parameters_of(trained.path / "grid" / "kirara.png")
    assert 'X Values: "0, 0.4, 0.6, 0.8, 1", Y Type: LoRA epoch, Y Values: "1, 2"' in text
    assert "Seed: 42" in text

    again = list(task()(trained))
    assert fresh(again) == []
    assert [i.text for i in again if isinstance(i, Note)] == ["the grid of kirara is there already"]
    more = list(task(weights=(0.0, 0.4, 1.2))(trained))
    assert [item.total for item in more if isinstance(item, Progress)] == [2, 2]
    assert fresh(more) == ["kirara.png", "kirara.json"]


def test_a_cell_is_what_generate_paints(
    trained: Dataset, task: Callable[..., Grid], base_folder: Path
) -> None:
    list(task(weights=(0.8,))(trained))
    row = json.loads((trained.path / "grid" / "kirara.json").read_text())["cells"][1]
    lora = trained.path / "lora" / "kirara.safetensors"
    assert row["lora"] == lora.name
    one = paint.Generate(base=str(base_folder), lora=str(lora), weight=0.8, count=1, steps=1)
    path = next(item.path for item in one(trained) if isinstance(item, Wrote))
    assert path.read_bytes() == (trained.path / "grid" / row["file"]).read_bytes()


def test_the_best_cell_is_named_and_written_for_webuis(
    trained: Dataset, task: Callable[..., Grid]
) -> None:
    tagger = Path(__file__).parents[2] / "datasetkit" / "demo" / "models" / "tagger"
    options = {"score": str(tagger), "tags": ("smile", "long hair"), "count": 2}
    work = list(task(weights=(0.5, 1.0), **options)(trained))
    said = [item.text for item in work if isinstance(item, Note)]
    assert any("where the tagger is" in text for text in said)
    table = json.loads((trained.path / "grid" / "kirara.json").read_text())
    assert table["tags"] == ["smile", "long_hair"]
    scores = {(row["epoch"], row["weight"]): row["score"] for row in table["cells"]}
    assert table["base_score"] == scores[0, 0.0]
    highest = max(score for (_, weight), score in scores.items() if weight)
    named = table["best"] and table["best"]["score"]
    assert named == (highest if highest >= table["base_score"] + grid.CLEAR else None)
    assert len(list((trained.path / "grid" / "cells").iterdir())) == 2 * 5
    assert fresh(list(task(weights=(0.5, 1.0), **options)(trained))) == []
    with pytest.raises(UsageError, match="knows no no_such_tag"):
        list(task(**options | {"tags": ("no such tag",)})(trained))


def test_the_verdict(tmp_path: Path) -> None:
    epochs = {1: tmp_path / "a.safetensors", 2: tmp_path / "b.safetensors"}
    scores = {(0, 0.0): 0.02, (1, 0.8): 0.93, (2, 0.8): 0.93, (2, 1.0): 0.9}
    best = grid._best(scores)
    assert best == (1, 0.8)  # of equals the earlier
    work = list(grid._verdict(best, scores, epochs, "kirara"))
    told = "epoch 1 at weight 0.8, where the tagger is 93% sure of what it learned (base 2%)"
    assert work[0] == Note(f"best: {told}")
    assert work[1] == Wrote(tmp_path / "a.json")
    said = json.loads((tmp_path / "a.json").read_text())
    assert (said["activation text"], said["preferred weight"]) == ("kirara", 0.8)
    (tmp_path / "a.json").write_text("mine")
    assert len(list(grid._verdict(best, scores, epochs, "kirara"))) == 1
    assert (tmp_path / "a.json").read_text() == "mine"
    weak = {(0, 0.0): 0.9, (1, 0.8): 0.91}
    (said,) = grid._verdict((1, 0.8), weak, epochs, "")
    assert isinstance(said, Note) and "no cell is clearly better" in said.text


def test_which_lora(trained: Dataset, task: Callable[..., Grid], base_folder: Path) -> None:
    folder = trained.path / "lora"
    (folder / "other-000003.safetensors").write_bytes((folder / "kirara.safetensors").read_bytes())
    with pytest.raises(UsageError, match="several LoRAs; --name can be: kirara, other"):
        list(task()(trained))
    with pytest.raises(UsageError, match="no LoRA 'x'"):
        list(task(name="x")(trained))
    assert list(task(name="other")._epochs(folder)[1]) == [3]
    assert task()._epochs(folder / "kirara.safetensors")[0] == "kirara"
    with pytest.raises(UsageError, match=r"no LoRA in .*; dsk train makes one"):
        list(task(lora=str(trained.path))(trained))


@pytest.mark.parametrize("size", [(64, 64), (8, 16), (512, 768)])
def test_a_sheet_can_be_read_at_any_size(size: tuple[int, int]) -> None:
    cells = {(row, column): Image.new("RGB", size, (200, 60 * row, 80 * column))
             for row in range(2) for column in range(3)}  # fmt: skip
    sheet = Sheet("a title of many words " * 9, "seed 1", ["epoch 1", "epoch 2"],
                  ["weight 0", "weight 0.5", "weight 1"], cells,
                  dict.fromkeys(cells, "0.50"), best=(1, 2))  # fmt: skip
    drawn = numpy.array(sheet.draw())
    wide = max(size[0], SMALLEST)
    assert drawn.shape[1] > 3 * wide
    for colour in ((200, 60, 160), (200, 0, 0), (0xC2, 0x41, 0x0C)):
        assert (drawn == colour).all(axis=2).any()


def test_long_titles_are_cut() -> None:
    from PIL import ImageFont

    font = ImageFont.load_default(16)
    lines = wrapped("word " * 200, font, 300)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
