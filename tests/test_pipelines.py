"""The pipelines that ship: each is read, and each is run, small, from the grab to the grid."""

import json
from pathlib import Path

import pytest

from datasetkit.dataset import Dataset
from datasetkit.demo.booru import DemoBooru
from datasetkit.demo.run import MODELS, pipeline_file
from datasetkit.engines.chain import run_pipeline
from datasetkit.engines.events import Ended, Event
from datasetkit.pipeline import load

PIPELINES = sorted((Path(__file__).parent.parent / "pipelines").glob("*.yaml"))
SMALL = [
    "grab.query=kirara order:score",
    "grab.limit=6",
    f"tag.model={MODELS / 'tagger'}",
    "clean.first=kirara",
    "repeats.steps=12",
    "repeats.epochs=2",
    f"train.base={MODELS / 'base'}",
    "train.epochs=2",
    "train.batch=3",
    "train.resolution=64",
    f"grid.base={MODELS / 'base'}",
    "grid.weights=0,1",
    f"grid.score={MODELS / 'tagger'}",
    "grid.count=1",
    "grid.size=64x64",
    "grid.steps=2",
]


def test_the_demo_is_one_of_them() -> None:
    assert pipeline_file() in PIPELINES


@pytest.mark.slow
@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_runs_from_grab_to_grid_and_then_does_nothing(path: Path, tmp_path: Path) -> None:
    outcomes: list[bool] = []

    def report(event: Event) -> None:
        if isinstance(event, Ended):
            outcomes.append(event.outcome.already_done)

    home = tmp_path / "set"
    with DemoBooru() as booru:
        drawn = ["filter.keep=lowres"] if "- filter" in path.read_text() else []
        pipeline = load(path, [*SMALL, *drawn, f"grab.url={booru.url}"])
        pipeline.check()
        for _ in range(2):
            with Dataset(home, write=True) as dataset:
                run_pipeline(dataset, pipeline, report)
                assert len(dataset) == 6
    half = len(outcomes) // 2
    assert outcomes == [False] * half + [True] * half
    assert all(text.read_text().startswith("kirara, ") for text in home.glob("*.txt"))
    (folder,) = (home / "train").glob("*_*")
    assert folder.name.startswith("1_") and len(list(folder.glob("*.txt"))) == 6
    assert len(list((home / "lora").glob("*.safetensors"))) == 2
    (table,) = (home / "grid").glob("*.json")
    cells = json.loads(table.read_text(encoding="utf-8"))["cells"]
    assert {(cell["epoch"], cell["weight"]) for cell in cells} == {(0, 0.0), (1, 1.0), (2, 1.0)}
    assert table.with_suffix(".png").stat().st_size > 10_000
    assert (home / "report.html").exists() == ("- report" in path.read_text())
