"""The ``trim`` stage: letterbox bars and plain borders cut off, a drawing's own ground not."""

from collections.abc import Mapping
from dataclasses import dataclass

from datasetkit.bars import NOISE, SMALL, seem_barred, trimmed_box
from datasetkit.content import content_print
from datasetkit.record import HAND, Record, Tag
from datasetkit.stage import Map, opt

# The sides, counted as in a box (left, top, right, bottom), that lose a bar where a tag goes; of a
# border, two that are opposite.
PAIRS = ((0, 2), (1, 3))
BARS = {"letterboxed": (1, 3), "pillarboxed": (0, 2), "windowboxed": (0, 1, 2, 3)}
# Borders that are drawn around or into a picture, which a trimmed bar does not take away.
DRAWN = {"outside_border", "inset_border", "ornate_border", "floral_border", "lace_border"}


@dataclass(frozen=True)
class Trim(Map):
    """Cut off letterbox bars and plain borders, at any of the four sides.

    A bar is of one colour, but for the noise of a scan or a JPEG, and ends in a straight edge
    along its whole side; so a figure on a white ground keeps its ground, and so does a ground
    that fades. One that stands alone is taken for a bar only if it is black or white, for it may
    be a plain sky. The tags of what is gone (letterboxed, border, white_border) go as well, but
    for those that you typed yourself, and where one bar of two stays, as with a subtitle in it.
    Pictures without bars keep their files byte for byte.
    """

    most: float = opt(0.4, "the thickest bar that is cut, as a part of the side", ge=0, le=0.45)
    noise: int = opt(NOISE, "how far a bar's colours may lie apart, of 255", ge=0, le=100)

    @property
    def remembers(self) -> bool:
        """That a picture has no bars is its memory."""
        return True

    def __call__(self, record: Record) -> Record:
        """Return the record without its bars, as it is where it has none; that is remembered."""
        how = {"most": self.most, "noise": self.noise}
        written = record.picture.painted is None
        if written and _looked_at(record, how):
            return record
        glance = record.picture.glance(SMALL)
        box = None
        if seem_barred(glance, self.noise):
            box = trimmed_box(record.picture.pixels, glance, self.most, self.noise)
        if box is None:  # of pixels that are not in their file yet, nothing is remembered
            seen = {"seen": content_print(record.picture), **how}
            return record.with_facts("trim", seen) if written else record
        pixels = record.picture.pixels
        cut = {n for n, end in enumerate((0, 0, *pixels.size)) if box[n] != end}
        trimmed = record.with_pixels(pixels.crop(box)).keep(lambda tag: not _says_bars(tag, cut))
        facts = {"box": list(box), "of": list(pixels.size), "seen": content_print(trimmed.picture)}
        return trimmed.with_facts("trim", {**facts, **how})


def _looked_at(record: Record, how: Mapping[str, float]) -> bool:
    """Say whether this very picture was looked at before in this way."""
    facts = record.facts.get("trim", {})
    if "seen" not in facts or any(facts.get(word) != value for word, value in how.items()):
        return False
    return bool(facts["seen"] == content_print(record.picture))


def _says_bars(tag: Tag, cut: set[int]) -> bool:
    """Say whether a tag tells of bars that are gone; ``cut`` are their sides as in PAIRS."""
    if tag.by == (HAND,) or tag.kind not in {"general", "meta"} or tag.name in DRAWN:
        return False
    if tag.name in BARS:
        return cut.issuperset(BARS[tag.name])
    is_border = tag.name == "border" or tag.name.endswith("_border")
    return is_border and any(cut.issuperset(pair) for pair in PAIRS)
