"""A dataset of pictures of many sorts, and its exports."""

import json
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from datasetkit.content import content_print
from datasetkit.dataset import Dataset, Step
from datasetkit.engines.events import Event, Said
from datasetkit.engines.local import run_leg
from datasetkit.exporters.export import Export
from datasetkit.grabbers.folder import Folder

SIZES = {"test-1.png": (40, 60), "a.b.png": (64, 48), "tall.webp": (30, 90), "still.gif": (20, 20)}
TURNED = "turned.jpg"  # 50 x 30 in the file, 30 x 50 upright


def varied(folder: Path) -> Path:
    """A dataset of five pictures, of which the first two have a site's word."""
    gallery = folder / "gallery"
    gallery.mkdir(parents=True)
    for number, (name, size) in enumerate(SIZES.items()):
        image = Image.new("RGB", size, (40 * number, 90, 200))
        ImageDraw.Draw(image).ellipse((2, 2, size[0] - 3, size[1] - 3), fill=(250, 30 * number, 9))
        image.save(gallery / name)
        words = f"kirara, 1girl, tag {number} \\(set\\)"
        (gallery / name).with_suffix(".txt").write_text(words, encoding="utf-8")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (50, 30), "green").save(gallery / TURNED, exif=exif)
    home = folder / "set"
    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [Folder(str(gallery))], lambda event: None)
    say(home, "a.b", site="danbooru", post="7", rating="g", score=12, source="https://x.test/1")
    say(home, "tall", site="e621", post="9", rating="s", source="/home/somebody/tall.webp")
    return home


def say(home: Path, key: str, **origin: Any) -> None:
    """Write into a dataset's log what a site says of a picture."""
    log = home / ".dsk" / "records.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        if line["key"] == key:
            line["origin"] = origin
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def hide(home: Path, key: str, *areas: tuple[int, int, int, int]) -> None:
    """Keep in a picture's facts that these areas are hidden, as a stage does."""
    with Dataset(home, write=True) as dataset, Step(dataset, [{"text": {}}]) as step:
        record = dataset.record(key)
        assert record
        fact = {"print": content_print(record.picture), "size": list(record.picture.size)}
        step.note(record.with_facts("text", fact | {"mask": [list(area) for area in areas]}))


def export(home: Path, form: str, **options: Any) -> list[str]:
    """Run the stage; gives the sentences that it said."""
    said: list[str] = []

    def report(event: Event) -> None:
        if isinstance(event, Said):
            said.append(event.text)

    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [Export(form, **options)], report)
    return said
