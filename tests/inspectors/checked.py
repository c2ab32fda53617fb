"""Drawn sets with chosen faults, and what the check says of them."""

import io
import json
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw

from datasetkit.content import content_print
from datasetkit.dataset import Dataset, Step
from datasetkit.inspectors.check import Check, Unfit
from datasetkit.record import Tag
from datasetkit.stage import Note, Work

Run = Callable[..., subprocess.CompletedProcess[str]]
Make = Callable[..., Path]
USUAL = ("mia", "1girl", "solo", "smile", "standing")
SIZE = (512, 512)


def drawing(size: tuple[int, int] = SIZE, seed: int = 0, mode: str = "RGB") -> Image.Image:
    """A picture of its own: blocks whose colours and places come from the seed."""
    image = Image.new(mode, size, (230, 230, 230) if mode == "RGB" else (0, 0, 0, 0))
    pen, number = ImageDraw.Draw(image), seed * 7919 + 11
    for _ in range(14):
        number = number * 1103515245 + 12345 & 0x7FFFFFFF
        left, top = number % 90 * size[0] // 100, number // 97 % 90 * size[1] // 100
        right = left + (8 + number // 31 % 40) * size[0] // 100
        bottom = top + (8 + number // 53 % 40) * size[1] // 100
        colour = (number // 7 % 256, number // 11 % 256, number // 13 % 256)
        pen.rectangle((left, top, right, bottom), fill=(*colour, 255) if mode == "RGBA" else colour)
    return image


@cache
def encoded(seed: int) -> bytes:
    """A picture of :data:`SIZE` as a PNG file, drawn once for all tests."""
    file = io.BytesIO()
    drawing(seed=seed).save(file, "PNG")
    return file.getvalue()


def tagged(*names: str | Tag) -> tuple[Tag, ...]:
    kinds = {"mia": "trigger"}
    return tuple(
        name if isinstance(name, Tag) else Tag(name, kinds.get(name, "general"), ("danbooru",))
        for name in names
    )


def good(number: int = 30) -> dict[str, tuple[Image.Image | bytes, tuple[Tag, ...]]]:
    """A set without a fault: different pictures, whose tags tell them apart."""
    more = ("from_side", "from_behind", "sitting", "outdoors", "indoors")
    return {
        f"p{n:02}.png": (encoded(n), tagged(*USUAL, more[n % 5], more[(n + 2) % 5]))
        for n in range(number)
    }


def run(folder: Path, **options: object) -> tuple[list[Work], str]:
    """What a check yields, and what it refuses with."""
    found: list[Work] = []
    with Dataset(folder, write=True) as dataset:
        try:
            for work in Check(**options)(dataset):  # type: ignore[arg-type]
                found.append(work)
        except Unfit as error:
            return found, str(error)
    return found, ""


def said(folder: Path, **options: object) -> list[str]:
    """The findings, without the last line."""
    found, _ = run(folder, **options)
    return [work.text for work in found if isinstance(work, Note)][:-1]


def findings(folder: Path, tmp_path: Path, **options: object) -> dict[str, dict[str, object]]:
    """The findings of --out, by what they are called."""
    out = tmp_path / "findings.json"
    run(folder, out=str(out), **options)
    listed = json.loads(out.read_text(encoding="utf-8"))["findings"]
    return {finding["what"]: finding for finding in listed}


def masked(folder: Path, key: str, box: list[int], *, print_: str = "") -> None:
    """Hide a part of a picture from training."""
    with Dataset(folder, write=True) as dataset, Step(dataset, [{"text": {}}]) as step:
        record = dataset.record(key)
        assert record
        told = print_ or content_print(record.picture)
        fact = {"mask": [box], "size": list(record.picture.size), "print": told}
        step.put(record.with_facts("text", fact))
