"""Makes the demo's tagger: a small network with the interface of the WD v3 taggers.

    python scripts/make_demo_tagger.py          # draws, trains, exports, measures

The ONNX file takes `input`, float32 (batch, 448, 448, 3), BGR from 0 to 255, and gives
probabilities (batch, labels); normalisation is inside. selected_tags.csv names the labels.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from datasetkit.demo.drawing import (  # noqa: E402
    ACCESSORIES,
    BACKGROUNDS,
    CHARACTERS,
    EYES,
    HAIR,
    SHIRTS,
    draw,
    random_traits,
)

FOLDER = ROOT / "datasetkit" / "demo" / "models" / "tagger"
RATINGS = ["general", "sensitive", "questionable", "explicit"]
GENERAL = [
    *("1girl", "solo", "no_humans", "simple_background", "multicolored_hair", "streaked_hair"),
    *("short_hair", "long_hair", "twintails", "smile", "open_mouth", ":|", "closed_mouth"),
    *(f"{name}_hair" for name in [*HAIR, "aqua"]),
    *(f"{name}_eyes" for name in EYES),
    *(f"{name}_shirt" for name in [*SHIRTS, "orange"]),
    *(f"{name}_background" for name in BACKGROUNDS),
    *ACCESSORIES,
]
SIDE, REDUCED = 448, 4


def subject(rng: random.Random, seed: int) -> tuple[Image.Image, list[str]]:
    """One picture of any shape with what should be found on it."""
    side = rng.randrange(96, 400)
    odd = rng.random()
    ratio = rng.uniform(3.0, 3.6) if odd < 0.06 else rng.uniform(1.0, 1.7)
    size = (side, round(side * ratio)) if rng.random() < 0.5 else (round(side * ratio), side)
    named = rng.choice(list(CHARACTERS)) if rng.random() < 0.4 else ""
    traits = random_traits(rng, named)
    if not named and rng.random() < 0.3:  # so that no held-out trait means "kirara" by itself
        part = rng.choice(["hair", "shirt", "streak"])
        hair = "aqua" if part == "hair" else traits.hair
        shirt = "orange" if part == "shirt" else traits.shirt
        traits = replace(traits, hair=hair, shirt=shirt, streaked=part == "streak")
    if rng.random() < 0.06:
        # The tagger sees transparency as white, so that is what it learns to call it.
        picture, tags = draw(replace(traits, transparent=True), seed, size, smooth=2)
        return picture, [*tags[:-1], "white_background", "simple_background"]
    picture, tags = draw(traits, seed, size, smooth=2)
    if rng.random() < 0.04:
        picture = Image.new("RGB", size, picture.getpixel((2, 2)))
        return picture, ["no_humans", *tags[-2:]]
    return picture, tags


def prepared(picture: Image.Image) -> Image.Image:
    """As for the WD taggers: alpha onto white, padded to a white square, bicubic to 448."""
    layer = picture.convert("RGBA")
    flat = Image.new("RGBA", layer.size, "white")
    flat.alpha_composite(layer)
    side = max(layer.size)
    square = Image.new("RGB", (side, side), "white")
    corner = ((side - layer.width) // 2, (side - layer.height) // 2)
    square.paste(flat.convert("RGB"), corner)
    return square.resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def pictures(count: int, seed: int) -> tuple[torch.Tensor, list[list[str]]]:
    """uint8 (count, 3, 112, 112) in RGB, as the network's first pooling leaves them, and tags."""
    rng = random.Random(seed)
    small = SIDE // REDUCED
    shown = torch.empty(count, 3, small, small, dtype=torch.uint8)
    tags: list[list[str]] = []
    for number in range(count):
        picture, found = subject(rng, seed * 1_000_003 + number)
        pixels = np.asarray(prepared(picture).reduce(REDUCED)).copy()
        shown[number] = torch.from_numpy(pixels).permute(2, 0, 1)
        tags.append(found)
    return shown, tags


class Eye(nn.Module):
    """The trained part: RGB (N, 3, 112, 112) from -1 to 1 in, one logit a label out."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        widths = [(3, 16, 2), (16, 24, 2), (24, 32, 1), (32, 40, 2), (40, 56, 1)]
        self.layers = nn.Sequential()
        for given, wanted, stride in widths:
            self.layers.append(nn.Conv2d(given, wanted, 3, stride, 1, bias=False))
            self.layers.append(nn.BatchNorm2d(wanted))
            self.layers.append(nn.ReLU())
        self.answer = nn.Linear(112, labels)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        seen = self.layers(pixels)
        return self.answer(torch.cat([seen.mean(dim=(2, 3)), seen.amax(dim=(2, 3))], dim=1))


class Whole(nn.Module):
    """The exported part: BGR rows as a WD tagger takes them in, probabilities out."""

    def __init__(self, eye: Eye) -> None:
        super().__init__()
        self.eye = eye
        self.pool = nn.AvgPool2d(REDUCED)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        rgb = pixels.permute(0, 3, 1, 2).flip(1)
        return self.eye(self.pool(rgb) / 127.5 - 1).sigmoid()


def targets(tags: list[list[str]], labels: list[str]) -> torch.Tensor:
    place = {name: number for number, name in enumerate(labels)}
    wanted = torch.zeros(len(tags), len(labels))
    for row, found in enumerate(tags):
        wanted[row, place["general"]] = 1
        for name in found:
            wanted[row, place[name]] = 1
    return wanted


def train(labels: list[str], count: int, epochs: int) -> tuple[Eye, Counter[str]]:
    shown, tags = pictures(count, seed=11)
    wanted = targets(tags, labels)
    print(f"drew {count} after {time.process_time():.0f} CPU s", flush=True)
    torch.manual_seed(12)
    eye, batch = Eye(len(labels)), 32
    optimizer = torch.optim.AdamW(eye.parameters(), lr=4e-3, weight_decay=0.02)
    total = epochs * (count // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total, pct_start=0.15)
    for epoch in range(epochs):
        sum_loss = 0.0
        for rows in torch.randperm(count)[: count - count % batch].view(-1, batch):
            logits = eye(shown[rows].float() / 127.5 - 1)
            loss = nn.functional.binary_cross_entropy_with_logits(logits, wanted[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            sum_loss += loss.item()
        spent = time.process_time()
        print(f"epoch {epoch} loss {sum_loss / (count // batch):.4f} {spent:.0f} s", flush=True)
    return eye.eval(), Counter(name for found in tags for name in found)


def write(eye: Eye, labels: list[str], counts: Counter[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        Whole(eye).eval(),
        (torch.zeros(1, SIDE, SIDE, 3),),
        str(folder / "model.onnx"),
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
        opset_version=17,
        dynamo=False,  # the other exporter needs onnxscript
    )
    with (folder / "selected_tags.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["tag_id", "name", "category", "count"])
        for number, name in enumerate(labels):
            if name in RATINGS:
                seen = counts["simple_background"] if name == "general" else 0
                rows.writerow([9999999 - number, name, 9, seen])
            else:
                rows.writerow([number, name, 4 if name in CHARACTERS else 0, counts[name]])


def measure(folder: Path, count: int = 300) -> None:
    """F1 by label of the exported file on fresh drawings: general above .35, characters .85."""
    import onnxruntime

    rows = list(csv.DictReader((folder / "selected_tags.csv").open(encoding="utf-8")))
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    rng = random.Random(777)
    hits: Counter[str] = Counter()
    said: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for number in range(count):
        picture, tags = subject(rng, 555_000_000 + number)
        pixels = np.asarray(prepared(picture), dtype=np.float32)[None, :, :, ::-1]
        (answer,) = session.run(None, {"input": np.ascontiguousarray(pixels)})
        for row, chance in zip(rows, answer[0], strict=True):
            name, bar = row["name"], 0.85 if row["category"] == "4" else 0.35
            if row["category"] == "9":
                continue
            there[name] += name in tags
            said[name] += chance > bar
            hits[name] += name in tags and chance > bar
    scores = {name: 2 * hits[name] / max(1, there[name] + said[name]) for name in there}
    for name, score in sorted(scores.items(), key=lambda pair: pair[1]):
        print(f"{score:.3f} {name} ({there[name]})")
    size = (folder / "model.onnx").stat().st_size
    print(f"macro-F1 {sum(scores.values()) / len(scores):.3f}, {size / 1000:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--count", type=int, default=5000, help="drawings to learn from")
    parser.add_argument("--epochs", type=int, default=14)
    given = parser.parse_args()
    torch.set_num_threads(1)
    labels = [*RATINGS, *GENERAL, *CHARACTERS]
    eye, counts = train(labels, given.count, given.epochs)
    general = sorted(range(len(GENERAL)), key=lambda number: -counts[GENERAL[number]])
    order = [*range(4), *(4 + number for number in general)]
    order += range(4 + len(GENERAL), len(labels))
    with torch.no_grad():  # general labels go by frequency, as in the published lists
        eye.answer.weight.copy_(eye.answer.weight[order])
        eye.answer.bias.copy_(eye.answer.bias[order])
    print(f"{sum(part.numel() for part in eye.parameters())} parameters")
    write(eye, [labels[number] for number in order], counts, given.folder)
    measure(given.folder)


if __name__ == "__main__":
    main()
