"""The plain way to tag, to measure against: one picture after the other, Pillow and onnxruntime.

    python benchmarks/tagging_plain.py MODEL PICTURES

What most scripts do, with onnxruntime's own options and the pixels of the WD family's author:
composite on white, pad to a square, resize, run, pick the names, write a caption beside the
picture. It imports nothing of datasetkit.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image

GENERAL, CHARACTER = 0.35, 0.85


def labels_of(model: Path) -> list[tuple[str, int]]:
    """Names and categories, as the list has them."""
    with (model / "selected_tags.csv").open(encoding="utf-8", newline="") as file:
        return [(row["name"], int(row["category"])) for row in csv.DictReader(file)]


def pixels_of(path: Path, side: int) -> np.ndarray:
    """The square that the model sees: (1, side, side, 3), blue first."""
    with Image.open(path) as image:
        colour = image.convert("RGBA")
    ground = Image.new("RGBA", colour.size, (255, 255, 255))
    ground.alpha_composite(colour)
    image = ground.convert("RGB")
    longest = max(image.size)
    square = Image.new("RGB", (longest, longest), (255, 255, 255))
    square.paste(image, ((longest - image.width) // 2, (longest - image.height) // 2))
    if longest != side:
        square = square.resize((side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(square, np.float32)[:, :, ::-1]
    return np.ascontiguousarray(pixels)[None]


def tags_of(scores: np.ndarray, labels: list[tuple[str, int]]) -> tuple[str, list[str]]:
    """The rating and the names that pass, the surest first, characters before the others."""
    found = list(zip(labels, scores.astype(float), strict=True))
    ratings = {name: score for (name, kind), score in found if kind == 9}
    general = {name: score for (name, kind), score in found if kind == 0 and score > GENERAL}
    people = {name: score for (name, kind), score in found if kind == 4 and score > CHARACTER}
    names = [
        name for some in (people, general) for name in sorted(some, key=some.get, reverse=True)
    ]
    return max(ratings, key=ratings.get), names


def main(model: Path, pictures: Path) -> None:
    """Tag all pictures of a folder."""
    session = ort.InferenceSession(model / "model.onnx", providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    labels = labels_of(model)
    for path in sorted(pictures.iterdir()):
        if path.suffix == ".txt":
            continue
        scores = session.run(None, {given.name: pixels_of(path, given.shape[1])})[0][0]
        _, names = tags_of(scores, labels)
        caption = ", ".join(name.replace("_", " ") for name in names)
        path.with_suffix(".txt").write_text(caption, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
