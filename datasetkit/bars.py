"""Bars and plain borders around a picture: of one colour, ended by a straight edge.

A drawing on a plain ground has no bars: what ends its margins is the outline of a figure, and not
a line across the whole side.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

BARRED = "barred"  # the fact of grab: whether the file as its site served it has bars
NOISE = 20  # of 255: how far a bar's colours may lie apart, as a rule
SIDES = ("top", "bottom", "left", "right")
SMALL = 256  # pixels of the long side, at least, at which bars are looked for
BAND = 32  # lines of the small image that are made at once of one with clear pixels
DUST = 0.01  # of a bar's line may be of another colour
EDGE = 0.5  # of a side along which the picture must differ from the bar, where the bar ends
CORNER = 0.03  # of a side, at both its ends: the hem of a dress is straight too, but ends before
SOFT = 0.012  # of a side, or 8 pixels: how much of the picture the eye takes for that end
RISE = 0.4  # of the difference that the picture makes there, where the bar ends
SHARP = 0.004  # of a side, or 2 pixels, to both sides of that end: there the colour must change
JUMP, FLOOR = 0.6, 6  # by so much of the noise, or of 255: a gradient changes less
ABRUPT = 0.3  # of the end along which it does
THIN = 0.005  # of a side, or 2 pixels: a thinner bar is left
DARK, PALE = 24, 232  # a bar that stands alone is black or white; else it may be a plain sky


@dataclass(frozen=True)
class Bars:
    """How thick the bars at the four sides are, in pixels."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def __bool__(self) -> bool:
        return any((self.top, self.bottom, self.left, self.right))


def trimmed_box(
    image: "Image", glance: "Image", most: float, noise: int
) -> tuple[int, int, int, int] | None:
    """The box (left, top, right, bottom) of an image without its bars; None where it has none.

    ``glance`` is the image or a smaller one of it. A bar within a bar is one more; in all, no side
    gives up more than ``most`` (0..1) of the picture. ``noise`` (of 255) is how far a bar's
    colours may lie apart.
    """
    width, height = image.size
    left, top, right, bottom = 0, 0, width, height
    small = glance
    while True:
        view = image if small is glance else small
        spare = Bars(
            int(most * height) - top,
            int(most * height) - (height - bottom),
            int(most * width) - left,
            int(most * width) - (width - right),
        )
        found = bars(view, small, spare, noise)
        if not found:
            break
        left, top = left + found.left, top + found.top
        right, bottom = right - found.right, bottom - found.bottom
        small = image.crop((left, top, right, bottom))
    box = (left, top, right, bottom)
    return None if box == (0, 0, width, height) else box


def seem_barred(glance: "Image", noise: int = NOISE) -> bool:
    """Say whether a small image of a picture has bars, without a look at the picture itself.

    That takes a millisecond or two, of a large image as well.
    """
    # A look at the outermost lines is enough for most paintings, which are no bars anywhere.
    return bool(_colours(_outer(glance), noise)) and bool(_found(_small(glance), noise))


def bars(image: "Image", glance: "Image", spare: Bars, noise: int) -> Bars:
    """The outermost bars of an image in pixels, none thicker than ``spare`` (pixels) allows."""
    width, height = image.size
    small = _small(glance)
    scale = height / small.shape[0], width / small.shape[1]
    limits = {
        "top": spare.top / scale[0],
        "bottom": spare.bottom / scale[0],
        "left": spare.left / scale[1],
        "right": spare.right / scale[1],
    }
    rough = _found(small, noise, limits)
    if not rough:
        return Bars()
    exact: dict[str, int] = {}
    across = {  # the part of each side that lies between the bars beside it
        "top": (rough.get("left", 0) * scale[1], width - rough.get("right", 0) * scale[1]),
        "left": (rough.get("top", 0) * scale[0], height - rough.get("bottom", 0) * scale[0]),
    }
    across |= {"bottom": across["top"], "right": across["left"]}
    for side, thick in rough.items():
        span = int(across[side][0] + 0.5), int(across[side][1] + 0.5)
        by = scale[0] if side in {"top", "bottom"} else scale[1]
        exact[side] = _end(image, side, span, thick * by, by, noise)
    kept = {side: thick for side, thick in exact.items() if 0 < thick <= getattr(spare, side)}
    return Bars(**kept)


def _small(image: "Image") -> "NDArray[Any]":
    """An image as an array of at least SMALL pixels on its long side, where it has them."""
    import numpy as np

    factor = _factor(image)
    if factor == 1 or image.mode != "RGBA":
        return _array(image.reduce(factor) if factor > 1 else image)
    width, height = image.size
    bands = range(0, height, BAND * factor)  # a copy of the whole would be as large as the picture
    return np.concatenate(
        [_reduced(image, (0, top, width, min(height, top + BAND * factor))) for top in bands]
    )


def _factor(image: "Image") -> int:
    return max(1, max(image.size) // SMALL)


def _reduced(image: "Image", box: tuple[int, int, int, int]) -> "NDArray[Any]":
    """What a part of an image is in the small one; it begins at a multiple of its factor."""
    part, factor = image.crop(box), _factor(image)
    plain = part.convert("RGBa") if part.mode == "RGBA" else part
    return _array(plain.reduce(factor) if factor > 1 else plain)


def _outer(image: "Image") -> "dict[str, NDArray[Any]]":
    """The outermost lines of the small image, a side each."""
    width, height = image.size
    factor = _factor(image)
    right, bottom = (width - 1) // factor * factor, (height - 1) // factor * factor
    return {
        "top": _reduced(image, (0, 0, width, min(factor, height)))[0],
        "bottom": _reduced(image, (0, bottom, width, height))[0],
        "left": _reduced(image, (0, 0, min(factor, width), height))[:, 0],
        "right": _reduced(image, (right, 0, width, height))[:, 0],
    }


def _array(image: "Image") -> "NDArray[Any]":
    """(row, column, channel) int16; clear pixels are all of one colour."""
    import numpy as np

    plain = image.convert("RGBa") if image.mode == "RGBA" else image
    values: NDArray[Any] = np.asarray(plain, np.int16)
    return values


def _found(
    small: "NDArray[Any]", noise: int, limits: "dict[str, float] | None" = None
) -> dict[str, int]:
    """The bars of a small image, a side each: how many lines of it they take."""
    import numpy as np

    lines = {"top": small[0], "bottom": small[-1], "left": small[:, 0], "right": small[:, -1]}
    colours = _colours(lines, noise)
    while colours:
        first = next(iter(colours))
        alike = {s for s, c in colours.items() if np.abs(c - colours[first]).max() <= noise}
        found = _of_one_colour(small, colours[first], alike, noise, limits or {})
        if len(found) > 1 or (found and _black_or_white(colours[first])):
            return found
        colours = {side: colour for side, colour in colours.items() if side not in alike}
    return {}


def _colours(lines: "dict[str, NDArray[Any]]", noise: int) -> "dict[str, NDArray[Any]]":
    """The colours of those lines that are of one colour."""
    import numpy as np

    colours = {}
    for side, line in lines.items():
        colour = np.median(line, axis=0).astype(np.int16)
        if _share(_apart(line, colour) > noise) <= DUST:
            colours[side] = colour
    return colours


def _apart(values: "NDArray[Any]", others: "NDArray[Any]") -> "NDArray[Any]":
    """How far colours lie apart, in the channel in which they do most.

    A channel at a time: NumPy's own maximum along so short an axis takes five times as long.
    """
    import numpy as np

    others = np.broadcast_to(others, values.shape)
    found: NDArray[Any] = np.abs(values[..., 0] - others[..., 0])
    for channel in range(1, values.shape[-1]):
        np.maximum(found, np.abs(values[..., channel] - others[..., channel]), out=found)
    return found


def _black_or_white(colour: "NDArray[Any]") -> bool:
    return bool(colour[:3].max() <= DARK or colour[:3].min() >= PALE)


def _of_one_colour(
    small: "NDArray[Any]",
    colour: "NDArray[Any]",
    sides: set[str],
    noise: int,
    limits: dict[str, float],
) -> dict[str, int]:
    """The bars of one colour among these sides.

    At first all of them are taken for bars; a side that does not end in a straight edge between
    its neighbours is none, and then those neighbours' edges must be longer.
    """
    import numpy as np

    differs = _apart(small, colour) > noise
    sides = set(sides)
    found: dict[str, int] = {}
    while sides:
        found = _quiet(differs, sides)
        failing = {
            side
            for side in sides
            if found[side] > limits.get(side, np.inf) or not _ends_straight(differs, side, found)
        }
        if not failing:
            return found
        sides -= failing
    return {}


def _quiet(differs: "NDArray[Any]", sides: set[str]) -> dict[str, int]:
    """How many lines at each of these sides are of the bar's colour."""
    import numpy as np

    found = {}
    for side in sides:
        noisy = np.flatnonzero(_seen_from(differs, side).mean(axis=1) > DUST)
        found[side] = int(noisy[0]) if len(noisy) else len(_seen_from(differs, side))
    return found


def _between(differs: "NDArray[Any]", found: dict[str, int]) -> "NDArray[Any]":
    rows, columns = differs.shape
    return differs[
        found.get("top", 0) : rows - found.get("bottom", 0),
        found.get("left", 0) : columns - found.get("right", 0),
    ]


def _seen_from(values: "NDArray[Any]", side: str) -> "NDArray[Any]":
    """The same array with its lines counted from one side."""
    turned = values if side in {"top", "bottom"} else values.T
    return turned if side in {"top", "left"} else turned[::-1]


def _ends_straight(differs: "NDArray[Any]", side: str, found: dict[str, int]) -> bool:
    """Say whether a bar is thick enough, and ends along most of the side at once."""
    import numpy as np

    inner = _seen_from(_between(differs, found), side)
    long = differs.shape[0 if side in {"top", "bottom"} else 1]
    soft = max(3, round(SOFT * long))
    if found[side] < max(1, THIN * long) or inner.shape[0] <= soft:
        return False
    picture: NDArray[Any] = np.logical_or.reduce(inner[:soft])
    corner = max(1, round(CORNER * len(picture)))
    return _share(picture) >= EDGE and bool(picture[:corner].any() and picture[-corner:].any())


def _end(
    image: "Image", side: str, span: tuple[int, int], thick: float, by: float, noise: int
) -> int:
    """The line of an image, counted from a side, at which its bar ends; 0 where it is too thin.

    It is sought near ``thick``, as it was found in a version ``by`` times smaller.
    """
    import numpy as np

    long = image.height if side in {"top", "bottom"} else image.width
    reach = max(4, round(3 * by), round(SOFT * long))
    low, high = max(0, int(thick) - reach), min(long, int(thick) + reach + 1)
    start, stop = (low, high) if side in {"top", "left"} else (long - high, long - low)
    box = (span[0], start, span[1], stop)
    if side in {"left", "right"}:
        box = (start, span[0], stop, span[1])
    lines = _array(image.crop(box))
    if side in {"left", "right"}:
        lines = lines.transpose(1, 0, 2)
    if side in {"bottom", "right"}:
        lines = lines[::-1]
    edge = _array(image.crop(_outermost(image, side, span))).reshape(-1, lines.shape[2])
    colour = np.median(edge, axis=0).astype(np.int16)
    # Beside an edge a JPEG is off its colour by a little, over its blocks of 8 pixels.
    apart = _apart(lines, colour).mean(axis=1)
    end = int(np.argmax(apart >= RISE * apart.max()))
    sharp = max(2, round(SHARP * long))
    before, after = lines[max(0, end - sharp)], lines[min(len(lines) - 1, end + sharp)]
    jump = _apart(after, before) > max(FLOOR, JUMP * noise)
    place = low + end if _share(jump) >= ABRUPT else 0
    return place if apart.max() > DUST * noise and place >= max(2, THIN * long) else 0


def _outermost(image: "Image", side: str, span: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box of an image's outermost line at a side."""
    width, height = image.size
    return {
        "top": (span[0], 0, span[1], 1),
        "bottom": (span[0], height - 1, span[1], height),
        "left": (0, span[0], 1, span[1]),
        "right": (width - 1, span[0], width, span[1]),
    }[side]


def _share(values: "NDArray[Any]") -> float:
    return float(values.mean()) if values.size else 0.0
