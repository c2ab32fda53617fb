"""The ``upright`` stage: files that every program reads alike, turned, in plain sRGB."""

import logging
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from datasetkit.errors import UsageError, did_you_mean
from datasetkit.pixels import Header, read_more
from datasetkit.record import HAND, Record
from datasetkit.stage import Drop, Map, opt

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger("datasetkit.cleaners")

ANIMATED = ("first", "drop")
PLAIN = {"1", "L", "LA", "RGB", "RGBA"}  # modes that every reader brings to RGB in the same way


@dataclass(frozen=True)
class Upright(Map):
    """Rewrite turned, profiled, 16-bit, CMYK, palette and animated files as plain sRGB.

    Trainers ignore a camera's note that the picture lies on its side, and colour profiles; 16-bit
    and CMYK they clip or refuse. Such a file is written again upright, 8 bits a channel, without
    a profile, and with its first frame alone; GIF becomes PNG. Any other keeps its file byte for
    byte: its header alone is read. With --max-side, pictures that are larger are also scaled down
    to it (Lanczos), which no trainer needs but which saves room and time. They are not made larger
    again by a larger one; take that step back first: dsk undo.
    """

    max_side: int = opt(0, "the longest side that stays, in pixels; 0 leaves every size", ge=0)
    animated: str = opt("first", "what becomes of an animation: its first frame, or drop")

    def check(self) -> None:
        """Raise UsageError for an unknown word."""
        if self.animated not in ANIMATED:
            raise UsageError(
                f"animated {self.animated!r} is unknown; {did_you_mean(self.animated, ANIMATED)}"
            )

    def __call__(self, record: Record) -> Record | Drop:
        """Return the record with plain pixels, the same record where the file is plain."""
        picture = record.picture
        drops = self.animated == "drop"
        oddities: list[str] = []
        if picture.painted is None or drops:  # a stage before this one sees the first frame alone
            oddities = _oddities(read_more(picture.path))
        if "animated" in oddities and drops:
            return Drop("an animation")
        if picture.painted is not None:
            oddities = []
        large = 0 < self.max_side < max(picture.size)
        if not oddities and not large:
            self._tell_of_smaller(record)
            return record
        pixels = picture.pixels
        if large:
            oddities.append("large")
            pixels = _scaled(pixels, self.max_side)
        facts: dict[str, Any] = {"was": oddities, "of": list(picture.size)}
        if large:
            facts["side"] = self.max_side
        return record.with_pixels(pixels).with_facts("upright", facts)

    def _tell_of_smaller(self, record: Record) -> None:
        """Say, once, that a picture was scaled down further by a run before this one."""
        facts = record.facts.get("upright", {})
        if "side" not in facts or record.facts.get(HAND) == "pixels":
            return
        smaller = facts["side"] < min(self.max_side, max(facts["of"]))
        if smaller and self._unsaid.acquire(blocking=False):
            log.info(
                "There are pictures that were scaled down to %d before; they stay so. "
                "To have them larger, take that step back first: dsk undo.",
                facts["side"],
            )

    @cached_property
    def _unsaid(self) -> Lock:
        """Taken by the first thread that says so, and kept."""
        return Lock()


def _oddities(header: Header) -> list[str]:
    """What programs that read plain pixels would get wrong, in words."""
    found = {
        "animated": header.frames > 1,
        "turned": header.turn != 1,
        "profile": header.profiled,
        "16 bits": header.bits > 8,
        "palette": header.mode in {"P", "PA"},
        header.mode: header.mode not in {*PLAIN, "P", "PA"} and not header.mode.startswith("I"),
    }
    return [word for word, holds in found.items() if holds]


def _scaled(image: "Image", side: int) -> "Image":
    """Scale an image down so that its long side is this long; alpha is minded by Pillow."""
    from PIL import Image

    long = max(image.size)
    width, height = (max(1, round(length * side / long)) for length in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
