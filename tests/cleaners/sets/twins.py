"""Drawings that are alike, and the dataset that is made of them, for the tests of dedupe."""

from dataclasses import replace
from pathlib import Path

from PIL import Image

from datasetkit.dataset import Dataset
from datasetkit.demo.drawing import CHARACTERS, Traits, draw
from datasetkit.grabbers.folder import Folder
from datasetkit.pixels import Picture, flattened
from datasetkit.record import Record
from tests.homes import Home

SIZE = (400, 560)


def drawn(traits: Traits = CHARACTERS["kohaku"], seed: int = 7) -> Image.Image:
    image = draw(traits, seed, SIZE)[0]
    return flattened(image, (255, 255, 255)) if image.mode == "RGBA" else image


def smiling(mouth: str) -> Image.Image:
    return drawn(replace(CHARACTERS["kohaku"], mouth=mouth))


def framed(image: Image.Image, sides: tuple[int, int, int, int], colour="black") -> Image.Image:
    """With bars of (left, top, right, bottom) pixels around."""
    left, top, right, bottom = sides
    whole = Image.new("RGB", (image.width + left + right, image.height + top + bottom), colour)
    whole.paste(image, (left, top))
    return whole


def scene(mouth: str = "smile") -> Image.Image:
    """A figure before a ground that reaches to the edges, as a film frame has it."""
    ground = Image.radial_gradient("L").resize((500, 640)).convert("RGB")
    ground.paste(smiling(mouth), (50, 40))
    return ground


class Source:
    """A folder of pictures and captions, and the dataset that is made of it."""

    def __init__(self, path: Path) -> None:
        self.path = path / "source"
        self.path.mkdir()
        self.home = Home(path / "set")

    def put(self, name: str, image: Image.Image, tags: str = "", **options: object) -> Path:
        image.save(self.path / name, **options)
        if tags:
            (self.path / name).with_suffix(".txt").write_text(tags)
        return self.path / name

    def taken_in(self) -> Home:
        self.home.run(Folder(str(self.path)))
        return self.home


def left_out(home: Home) -> dict[str, str]:
    with Dataset(home.path) as dataset:
        return {reject.record.key: reject.reason for reject in dataset.rejects}


def record_of(path: Path, **more: object) -> Record:
    return replace(Record(path.stem, Picture(path, SIZE)), **more)
