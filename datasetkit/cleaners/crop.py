"""The ``crop`` stage: pictures longer than a trainer's buckets, cut to the part that matters."""

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datasetkit.pixels import flattened
from datasetkit.record import Record
from datasetkit.stage import Map, opt

if TYPE_CHECKING:
    from PIL.Image import Image

STEPS = 256  # places along the long side at which the window may begin
# How much detail, at most, is given up: a head is worth most of a figure, the middle less.
LEAN_UP, LEAN_IN = 0.7, 0.3


@dataclass(frozen=True)
class Crop(Map):
    """Cut pictures longer than 3:1 to that ratio, around what is drawn.

    Trainers sort pictures into buckets and cut off what sticks out; a very long picture loses
    most of itself there, blindly. Here the part kept is the one with the most detail. Of parts
    that are nearly as good, a tall picture keeps the upper one, where a figure's head is, and a
    wide one the more central. Other pictures are left as they are, without being decoded.
    """

    ratio: float = opt(3.0, "the longest shape that stays, long side to short side", ge=1)

    def __call__(self, record: Record) -> Record:
        """Return the record within the ratio, the same record where it was so already."""
        width, height = record.picture.size
        longest = int(min(width, height) * self.ratio + 1e-6)  # 1e-6: 10 * 2.3 is 22.99...
        if max(width, height) <= longest:
            return record
        pixels = record.picture.pixels
        start = _best_start(pixels, longest)
        box = (0, start, width, start + longest)
        if width > height:
            box = (start, 0, start + longest, height)
        cropped = record.with_pixels(pixels.crop(box))
        return cropped.with_facts("crop", {"box": list(box), "of": [width, height]})


def _best_start(image: "Image", length: int) -> int:
    """Where along its long side a window of this length (pixels) holds what is drawn."""
    from PIL import Image, ImageFilter, ImageOps

    wide = image.width > image.height
    long = max(image.size)
    steps = max(3, min(STEPS, long))
    across = max(3, round(steps * min(image.size) / long))
    if image.mode == "RGBA":  # what lies hidden under clear pixels is no detail
        image = flattened(image, (255, 255, 255))
    small = image.convert("L").resize((steps, across) if wide else (across, steps))
    if wide:
        small = small.transpose(Image.Transpose.TRANSPOSE)
    edges = ImageOps.crop(small.filter(ImageFilter.FIND_EDGES), 1)  # the rim is left unfiltered
    edges = ImageOps.expand(edges, 1).convert("F")
    rows = edges.resize((1, steps), Image.Resampling.BOX)
    detail: tuple[float, ...] = struct.unpack(f"={steps}f", rows.tobytes())
    window = max(1, round(steps * length / long))
    middle = (steps - window) / 2

    def worth(start: int) -> float:
        lean = LEAN_IN * abs(start - middle) if wide else LEAN_UP * start
        found = sum(detail[start : start + window]) + 1e-9  # an empty picture leans all the same
        return found * (1 - lean / steps)

    best = max(range(steps - window + 1), key=worth)
    return min(round(best * long / steps), long - length)
