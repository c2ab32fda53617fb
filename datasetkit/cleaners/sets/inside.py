"""What lies inside a picture's bars: a letterboxed copy is known by that, and not by its bars."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

from datasetkit.bars import NOISE, seem_barred, trimmed_box
from datasetkit.likeness import Look, Way, fingerprints

if TYPE_CHECKING:
    from PIL.Image import Image

Box: TypeAlias = tuple[int, int, int, int]

SIDE = 512  # px of a picture's longer side, at least, at which it is looked at
MOST = 0.4  # as trim has it
_EDGE = 0.006  # of a side: where a bar ends, more than a pixel of those
_LEAST = 32  # px: what is smaller is not told from other pictures


@dataclass(frozen=True, slots=True)
class Inside:
    """A picture without its bars: the box in pixels of the whole, and its fingerprints by way."""

    box: Box
    looks: tuple[int, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        left, top, right, bottom = self.box
        return right - left, bottom - top


def without_edges(whole: Look, box: Box, size: tuple[int, int]) -> Look:
    """The part of a look at a picture of that size that lies well within a box.

    Where a bar ends, a scaled picture or a JPEG has something of the bar; so a line is left out at
    each side, and the same share of what it is compared with.
    """
    from PIL.Image import Resampling

    image = whole.image
    across, down = image.width / size[0], image.height / size[1]
    left, top, right, bottom = box[0] * across, box[1] * down, box[2] * across, box[3] * down
    aside, above = (right - left) * _EDGE, (bottom - top) * _EDGE
    part = (left + aside, top + above, right - aside, bottom - above)
    wanted = max(1, round(part[2] - part[0])), max(1, round(part[3] - part[1]))
    return Look(image.resize(wanted, Resampling.BILINEAR, box=part))


def inside(image: "Image", size: tuple[int, int]) -> Inside | None:
    """What lies inside the bars of a picture of that size; None where it has none."""
    if not seem_barred(image):
        return None
    small = _small(image)
    box = trimmed_box(small, small, MOST, NOISE)
    if box is None or min(box[2] - box[0], box[3] - box[1]) < _LEAST:
        return None
    prints = fingerprints(small.crop(box))
    by = size[0] / small.width, size[1] / small.height
    whole = tuple(round(edge * by[number % 2]) for number, edge in enumerate(box))
    return Inside((whole[0], whole[1], whole[2], whole[3]), tuple(prints[way] for way in Way))


def _small(image: "Image") -> "Image":
    times = max(image.size) // SIDE
    return image.reduce(times) if times > 1 else image


def to_fact(found: Inside) -> dict[str, object]:
    """As it stands in a record's facts."""
    return {"box": list(found.box), "looks": [f"{look:016x}" for look in found.looks]}


def of_fact(fact: object, size: tuple[int, int]) -> Inside | None:
    """Read it back; None for what makes no sense of a picture of that size."""
    if not isinstance(fact, Mapping):
        return None
    box, looks = fact.get("box"), fact.get("looks")
    if not _is_box(box, size) or not isinstance(looks, list) or len(looks) != len(Way):
        return None
    if not all(map(is_print, looks)):
        return None
    return Inside((box[0], box[1], box[2], box[3]), tuple(int(look, 16) for look in looks))


def is_print(text: object) -> TypeGuard[str]:
    """Say whether this is a fingerprint, written in hexadecimal digits."""
    return isinstance(text, str) and re.fullmatch("[0-9a-f]{16}", text) is not None


def _is_box(box: object, size: tuple[int, int]) -> TypeGuard[Sequence[int]]:
    if not isinstance(box, list) or len(box) != 4 or any(type(edge) is not int for edge in box):
        return False
    left, top, right, bottom = box
    return bool(0 <= left < right <= size[0] and 0 <= top < bottom <= size[1])
