"""``dsk demo``: the whole length on drawn characters, and the proof in a number."""

import json
from importlib.resources import files
from pathlib import Path

from datasetkit.dataset import Dataset
from datasetkit.demo.booru import DemoBooru
from datasetkit.demo.colours import teal_share
from datasetkit.engines.chain import run_pipeline
from datasetkit.engines.events import Report
from datasetkit.errors import DatasetkitError
from datasetkit.pipeline import load
from datasetkit.pixels import decode

MODELS = Path(str(files("datasetkit.demo"))) / "models"
# Her hair colour is in no picture that the base was made of. Drawings of her have about .2.
PRESENT = 0.12
ABSENT = 0.01
PORT = 45123  # the same each time, so that a second run is the same run


def pipeline_file() -> Path:
    """The demo's pipeline: beside the package in a checkout, inside it when installed."""
    package = Path(str(files("datasetkit")))
    checkout = package.parent / "pipelines" / "demo.yaml"
    return checkout if checkout.exists() else package / "pipelines" / "demo.yaml"


def run_demo(folder: Path, report: Report) -> str:
    """Run the demo's pipeline on ``folder`` and return what its grid proves.

    The booru is a real server on loopback, asked by the ordinary grabber; tagger, base and LoRA
    are real models, small. Raises DatasetkitError if the character is not absent without the LoRA
    and present with it.
    """
    with DemoBooru(port=PORT) as booru:
        own = {
            "grab.url": booru.url,
            "tag.model": MODELS / "tagger",
            "train.base": MODELS / "base",
            "grid.base": MODELS / "base",
            "grid.score": MODELS / "tagger",
        }
        pipeline = load(pipeline_file(), [f"{option}={value}" for option, value in own.items()])
        pipeline.check()
        with Dataset(folder, write=True) as dataset:
            run_pipeline(dataset, pipeline, report)
    return verdict(folder)


def verdict(folder: Path) -> str:
    """Measure the grid's cells: how much of each is the held-out character's hair colour?"""
    table = json.loads((folder / "grid" / "kirara.json").read_text(encoding="utf-8"))
    last = max(cell["epoch"] for cell in table["cells"])
    shares = {
        cell["weight"]: teal_share(decode(folder / "grid" / cell["file"]))
        for cell in table["cells"]
        if cell["epoch"] in (0, last)
    }
    measured = (
        f"kirara's hair colour covers {shares[0.0]:.1%} of the picture at weight 0 and "
        f"{shares[1.0]:.1%} at weight 1 (epoch {last})"
    )
    best = table["best"]
    if shares[0.0] > ABSENT or shares[1.0] < PRESENT or best is None:
        raise DatasetkitError(f"the demo did not prove itself: {measured}")
    return (
        f"{measured}: the base never saw her, the LoRA shows her.\n"
        f"The tagger is {table['base_score']:.0%} sure of her without the LoRA and "
        f"{best['score']:.0%} at best (epoch {best['epoch']}, weight {best['weight']:g}).\n"
        f"Look at {folder / 'grid' / 'kirara.png'}"
    )
