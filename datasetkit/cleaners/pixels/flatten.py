"""The ``flatten`` stage: transparent pictures laid on a plain colour, with the tags following."""

import logging
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from datasetkit.errors import UsageError, did_you_mean
from datasetkit.pixels import flattened
from datasetkit.record import HAND, Record, Tag
from datasetkit.stage import Map, opt

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

log = logging.getLogger("datasetkit.cleaners")

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
AUTO = "auto"
WHITE = (255, 255, 255)
BLENDS = ("srgb", "linear")
NEAR = 8  # how far a JPEG may push a plain border off its colour, of 255
MOST = 0.6  # of the border: a figure may be cut off by one side of the picture
OWN = 0.5  # of the border: a figure cut off there takes less, a card's own ground takes more
CLEAR = 0.02  # of the pixels: below that only edges are transparent, and not the ground


@dataclass(frozen=True)
class Flatten(Map):
    """Lay transparent pictures on a plain colour, and let the tags follow.

    Every kind of transparency is composited, so that colour hidden under clear pixels does not
    reach the trainer. The tag transparent_background becomes white_background and
    simple_background (for another colour its booru name, where there is one). A picture that
    shows nothing transparent keeps its file byte for byte; where it wears the tag
    transparent_background wrongly, the tag goes (unless you typed it yourself), and the other two
    take its place only if the picture's border is mostly of that colour.

    With --color auto a picture lies on the colour that at least half of its own border has, and
    on white where there is none. Half-clear pixels are mixed as browsers and boorus' previews
    show them (srgb), or as light mixes (linear), which leaves soft edges a little lighter. With
    --skip, pictures that are transparent stay so, and get the tag transparent_background where
    it lacks: for trainers that read the alpha as a mask, or to be looked through by hand.

    A picture that was laid on a colour stays on it. For another one, take that step back first:
    dsk undo.
    """

    color: str = opt("white", "what to lay them on: a CSS colour name, #rrggbb, or auto")
    blend: str = opt("srgb", "how half-clear pixels are mixed: srgb or linear")
    skip: bool = opt(False, "leave transparent pictures as they are; only put the tags right")

    def check(self) -> None:
        """Raise UsageError for a colour that is neither a CSS name nor #rrggbb, or another word."""
        self._rgb()
        if self.blend not in BLENDS:
            raise UsageError(f"blend {self.blend!r} is unknown; {did_you_mean(self.blend, BLENDS)}")

    def __call__(self, record: Record) -> Record:
        """Return the record on opaque pixels, the same record where nothing was transparent."""
        if not record.has(TRANSPARENT) and not record.picture.may_be_transparent:
            self._tell_of_another(record)
            return record
        pixels = record.picture.pixels
        if pixels.mode == "RGBA" and self.skip:
            return _called_transparent(record)
        color = self._rgb() or _own_color(pixels)
        if pixels.mode == "RGBA":
            color = color or WHITE
            flat = blended_in_light(pixels, color) if self.blend == "linear" else None
            flat = flat or flattened(pixels, color)
            facts = {"color": self.color, "blend": self.blend}
            return _retagged(record.with_pixels(flat), color).with_facts("flatten", facts)
        if any(tag.name == TRANSPARENT and tag.by != (HAND,) for tag in record.tags):
            said = color is not None and _has_border(pixels, color)
            return _retagged(record, color if said else None)
        return record

    def _tell_of_another(self, record: Record) -> None:
        """Say, once, that a picture lies on another colour already, from a run before this one."""
        facts = record.facts.get("flatten", {})
        if "color" not in facts or record.facts.get(HAND) == "pixels":
            return
        before = replace(self, color=facts["color"], blend=facts["blend"], skip=False)
        as_before = before._rgb() == self._rgb() and before.blend == self.blend and not self.skip
        if not as_before and self._unsaid.acquire(blocking=False):
            log.info(
                "There are pictures that were laid on %s (%s) before; they stay as they are. "
                "To lay them on another colour, take that step back first: dsk undo.",
                before.color,
                before.blend,
            )

    @cached_property
    def _unsaid(self) -> Lock:
        """Taken by the first thread that says so, and kept."""
        return Lock()

    def _rgb(self) -> tuple[int, int, int] | None:
        """The colour that was asked for; None for the picture's own."""
        from PIL import ImageColor

        if self.color.strip().lower() == AUTO:
            return None
        refusal = f"color {self.color!r} is neither a CSS colour name (white, tan) nor #rrggbb"
        try:
            color = ImageColor.getrgb(self.color)
        except ValueError as error:
            raise UsageError(f"{refusal}, nor auto") from error
        if len(color) != 3:
            raise UsageError(f"{refusal}: what pictures lie on is not transparent itself")
        return color


def blended_in_light(image: "Image", color: tuple[int, int, int]) -> "Image":
    """Composite an RGBA image onto a colour as light mixes, and not the numbers that stand for it.

    Only half-clear pixels, which are few, differ from :func:`datasetkit.pixels.flattened`.
    """
    import numpy as np
    from PIL import Image

    flat = np.asarray(flattened(image, color)).copy()
    alpha = np.asarray(image.getchannel("A"))
    mixed = (alpha > 0) & (alpha < 255)
    share = (alpha[mixed] / 255.0)[:, None]
    seen = np.asarray(image)[mixed][:, :3]
    light = _light(seen) * share + _light(np.array(color)) * (1 - share)
    low, high = light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055
    flat[mixed] = np.rint(np.where(light <= 0.0031308, low, high) * 255).astype(np.uint8)
    return Image.fromarray(flat)


def _light(values: "NDArray[Any]") -> "NDArray[Any]":
    """How much light sRGB values (0..255) stand for, 0..1 (IEC 61966-2-1)."""
    import numpy as np

    part = values / 255.0
    found: NDArray[Any] = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return found


def _called_transparent(record: Record) -> Record:
    """The record with the tag transparent_background, if that is what its pixels show."""
    clear = record.picture.pixels.getchannel("A").histogram()[:128]
    width, height = record.picture.size
    if record.has(TRANSPARENT) or sum(clear) < CLEAR * width * height:
        return record
    tagged = record.with_tags([*record.tags, Tag(TRANSPARENT, by=("flatten",))])
    return record if tagged.tags == record.tags else tagged


def _retagged(record: Record, color: tuple[int, int, int] | None) -> Record:
    """Put the background's tags where transparent_background stood, in the same name.

    Without a colour the tag goes, and none comes. Who said "transparent" keeps standing for what
    became of it; a tag that stands already keeps its place and its say.
    """
    names = [SIMPLE] if color else []
    if color and (name := _booru_name(color)):
        names.insert(0, f"{name}_background")
    tags: list[Tag] = []
    for tag in record.tags:
        if tag.name != TRANSPARENT:
            tags.append(tag)
        else:
            tags.extend(replace(tag, name=name) for name in names if not record.has(name))
    return record.with_tags(tags)


def _booru_name(color: tuple[int, int, int]) -> str:
    """The colour by which boorus call such a background, "" if there is none."""
    if color in BACKGROUNDS:
        return BACKGROUNDS[color]
    for known, name in BACKGROUNDS.items():  # a picture's own white is seldom quite white
        if max(abs(a - b) for a, b in zip(known, color, strict=True)) <= NEAR:
            return name
    return ""


def _own_color(image: "Image") -> tuple[int, int, int] | None:
    """The colour of at least half of an image's outermost pixels, None where they have none."""
    import numpy as np

    sides = [np.asarray(image.crop(box)).reshape(-1, len(image.mode)) for box in _sides(image)]
    border = np.concatenate(sides).astype(np.int16)
    opaque = border[border[:, 3] == 255, :3] if image.mode == "RGBA" else border
    if not len(opaque):
        return None
    shades, counts = np.unique(opaque // NEAR, axis=0, return_counts=True)
    common = shades[counts.argmax()]
    color = np.median(opaque[(opaque // NEAR == common).all(axis=1)], axis=0).astype(int)
    if (np.abs(opaque - color).max(axis=1) <= NEAR).sum() < OWN * len(border):
        return None
    red, green, blue = color.tolist()
    return red, green, blue


def _has_border(image: "Image", color: tuple[int, int, int]) -> bool:
    """Say whether most of an RGB image's outermost pixels are of one colour, but for noise."""
    width, height = image.size
    for band, value in zip(image.split(), color, strict=True):
        near = slice(max(0, value - NEAR), value + NEAR + 1)
        found = sum(sum(band.crop(side).histogram()[near]) for side in _sides(image))
        if found < MOST * 2 * (width + height):
            return False
    return True


def _sides(image: "Image") -> list[tuple[int, int, int, int]]:
    """The boxes of an image's outermost lines."""
    width, height = image.size
    sides = [(0, 0, width, 1), (0, height - 1, width, height)]
    return [*sides, (0, 0, 1, height), (width - 1, 0, width, height)]
