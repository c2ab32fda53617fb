"""What tagging costs beside a plain loop of Pillow and onnxruntime over the same pictures.

    python benchmarks/tagging.py [--pictures 48] [--model FOLDER]

The plain loop is what most scripts do: one picture after the other, composite on white, pad to a
square, resize, run, with onnxruntime's own choice of threads. The model is small, so this measures
everything but the model: decoding, preparing, threads, merging of tags, keeping them on disk. Give
--model for a real one.
"""

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image

from datasetkit.dataset import Dataset
from datasetkit.engines.local import run_leg
from datasetkit.grabbers.folder import Folder
from datasetkit.record import Record
from datasetkit.taggers.tag import Tagging

sys.path.insert(0, str(Path(__file__).parent))
from pixel_pass import cost, draw_pictures

DEMO = Path(__file__).parents[1] / "datasetkit" / "demo" / "models" / "tagger"


def main() -> None:
    """Make the pictures, tag them both ways, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=48)
    parser.add_argument("--model", default=str(DEMO))
    arguments = parser.parse_args()
    model = Path(arguments.model)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        home = Path(folder) / "set"
        draw_pictures(source, arguments.pictures)
        taken_in(source, home)
        stage = Tagging(str(model))
        start = time.process_time()
        stage.check()
        started = time.process_time() - start
        print(f"{arguments.pictures} pictures, {model.name}; start {started:.2f} s")
        plain: list[set[str]] = []
        ours: list[Record] = []
        again: list[Record] = []
        rows: dict[str, Callable[[Path], None]] = {
            "plain loop": lambda _: plain.extend(plain_loop(source, model)),
            "datasetkit": lambda _: ours.extend(our_tags(home, stage)),
            "datasetkit, a second run": lambda _: again.extend(our_tags(home, stage)),
        }
        costs = {name: cost(run, source) for name, run in rows.items()}
    print(f"{'':28}{'CPU s':>8}{'wall s':>8}{'ms CPU each':>13}")
    for name, (cpu, wall) in costs.items():
        print(f"{name:28}{cpu:8.2f}{wall:8.2f}{cpu / arguments.pictures * 1000:13.1f}")
    (plain_cpu, plain_wall), (cpu, wall), _ = costs.values()
    print(f"ours / plain: CPU {cpu / plain_cpu:.2f}, wall {wall / plain_wall:.2f}")
    shared = sum(len(a & set(b.names)) for a, b in zip(plain, ours, strict=True))
    union = sum(len(a | set(b.names)) for a, b in zip(plain, ours, strict=True))
    print(f"same tags: {shared} of {union}")


def taken_in(source: Path, home: Path) -> None:
    """Make a dataset of the pictures, which is not what is timed."""
    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [Folder(str(source))], lambda event: None)


def our_tags(home: Path, stage: Tagging) -> list[Record]:
    """Tag a dataset, as ``dsk tag`` does."""
    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [stage], lambda event: None)
        return dataset.records


def plain_loop(source: Path, model: Path) -> list[set[str]]:
    """One picture after the other, in the words of the usual script."""
    session = ort.InferenceSession(model / "model.onnx", providers=["CPUExecutionProvider"])
    name, side = session.get_inputs()[0].name, session.get_inputs()[0].shape[1]
    with (model / "selected_tags.csv").open(encoding="utf-8", newline="") as file:
        labels = [(row["name"], int(row["category"])) for row in csv.DictReader(file)]
    found = []
    for path in sorted(source.iterdir()):
        with Image.open(path) as image:
            colour = image.convert("RGBA")
        ground = Image.new("RGBA", colour.size, "white")
        ground.alpha_composite(colour)
        longest = max(ground.size)
        square = Image.new("RGB", (longest, longest), "white")
        place = ((longest - ground.width) // 2, (longest - ground.height) // 2)
        square.paste(ground.convert("RGB"), place)
        square = square.resize((side, side), Image.Resampling.BICUBIC)
        pixels = np.asarray(square, np.float32)[None, :, :, ::-1]
        scores = session.run(None, {name: np.ascontiguousarray(pixels)})[0][0]
        limits = {0: 0.35, 4: 0.85}
        found.append(
            {tag for (tag, kind), p in zip(labels, scores, strict=True) if p >= limits.get(kind, 2)}
        )
    return found


if __name__ == "__main__":
    main()
