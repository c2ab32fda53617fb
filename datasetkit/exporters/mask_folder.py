"""The folder of masks beside a training folder, as kohya's trainers and ours read it.

A mask has its picture's stem and size; black is not learned. Kohya's trainers (``masked_loss`` with
this folder as ``conditioning_data_dir``) want one for every picture, and none that has no picture;
several sub-folders may share one folder of masks.
"""

from pathlib import Path

from datasetkit.exporters.file import File, Made
from datasetkit.masks import drawn, hidden
from datasetkit.pixels import encode
from datasetkit.record import Record

FOLDER = "masks"  # no number stands before it: kohya's trainers take no pictures from it


def mask(record: Record, folder: str = FOLDER) -> File:
    """The mask of a picture; a white one where nothing of it is hidden."""
    size, areas = record.picture.size, hidden(record)

    def write(target: Path) -> None:
        target.write_bytes(encode(drawn(size, areas), ".png"))

    return File(f"{folder}/{record.picture.path.stem}.png", Made(repr((size, areas)), write))
