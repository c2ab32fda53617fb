"""The ``flatten`` stage: transparent pictures laid on a plain colour, with the tags following."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from datasetkit.errors import UsageError
from datasetkit.pixels import flattened
from datasetkit.record import Record, Tag
from datasetkit.stage import Map, opt

if TYPE_CHECKING:
    from PIL.Image import Image

TRANSPARENT = "transparent_background"
SIMPLE = "simple_background"
# The colours for which boorus have a tag of the form <color>_background, with their CSS values.
BACKGROUNDS = {
    (0, 255, 255): "aqua",
    (245, 245, 220): "beige",
    (0, 0, 0): "black",
    (0, 0, 255): "blue",
    (165, 42, 42): "brown",
    (0, 128, 0): "green",
    (128, 128, 128): "grey",
    (255, 165, 0): "orange",
    (255, 192, 203): "pink",
    (128, 0, 128): "purple",
    (255, 0, 0): "red",
    (210, 180, 140): "tan",
    (255, 255, 255): "white",
    (255, 255, 0): "yellow",
}
NEAR = 8  # how far a JPEG may push a plain border off its colour, of 255
MOST = 0.6  # of the border: a figure may be cut off by one side of the picture


@dataclass(frozen=True)
class Flatten(Map):
    """Lay transparent pictures on a plain colour, and let the tags follow.

    Every kind of transparency is composited, so that colour hidden under clear pixels does not
    reach the trainer. The tag transparent_background becomes white_background and
    simple_background (for another colour its booru name, where there is one). A picture that
    shows nothing transparent keeps its file byte for byte; where it wears the tag
    transparent_background wrongly, the tag goes, and the other two take its place only if the
    picture's border is mostly of that colour.
    """

    color: str = opt("white", "what to lay them on: a CSS colour name or #rrggbb")

    def check(self) -> None:
        """Raise UsageError for a colour that is neither a CSS name nor #rrggbb."""
        self._rgb()

    def __call__(self, record: Record) -> Record:
        """Return the record on opaque pixels, the same record where nothing was transparent."""
        if not record.has(TRANSPARENT) and not record.picture.may_be_transparent:
            return record
        pixels = record.picture.pixels
        color = self._rgb()
        if pixels.mode == "RGBA":
            return self._retagged(record.with_pixels(flattened(pixels, color)), said=True)
        if record.has(TRANSPARENT):
            return self._retagged(record, said=_has_border(pixels, color))
        return record

    def _rgb(self) -> tuple[int, int, int]:
        from PIL import ImageColor

        refusal = f"color {self.color!r} is neither a CSS colour name (white, tan) nor #rrggbb"
        try:
            color = ImageColor.getrgb(self.color)
        except ValueError as error:
            raise UsageError(refusal) from error
        if len(color) != 3:
            raise UsageError(f"{refusal}: what pictures lie on is not transparent itself")
        return color

    def _retagged(self, record: Record, said: bool) -> Record:
        """Put the background's tags where transparent_background stood, in the same name.

        Who said "transparent" keeps standing for what became of it; a tag that stands already
        keeps its place and its say.
        """
        name = BACKGROUNDS.get(self._rgb())
        names = [*([f"{name}_background"] if name else []), SIMPLE] if said else []
        tags: list[Tag] = []
        for tag in record.tags:
            if tag.name != TRANSPARENT:
                tags.append(tag)
            else:
                tags.extend(replace(tag, name=name) for name in names if not record.has(name))
        return record.with_tags(tags)


def _has_border(image: "Image", color: tuple[int, int, int]) -> bool:
    """Say whether most of an RGB image's outermost pixels are of one colour, but for noise."""
    width, height = image.size
    sides = [(0, 0, width, 1), (0, height - 1, width, height)]
    sides += [(0, 0, 1, height), (width - 1, 0, width, height)]
    for band, value in zip(image.split(), color, strict=True):
        near = slice(max(0, value - NEAR), value + NEAR + 1)
        found = sum(sum(band.crop(side).histogram()[near]) for side in sides)
        if found < MOST * 2 * (width + height):
            return False
    return True
