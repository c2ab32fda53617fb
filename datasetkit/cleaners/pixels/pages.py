"""Where the panels of a comic lie: along a strip, or in the rows and columns of a page."""

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from datasetkit.cleaners.pixels.panels import ACROSS, NOISE, THIN, panels, spans

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

Area: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom; the last two excluded
# So much wider is the gap between two columns of four than the gaps in each; else, and where
# there are but two rows, a page is read by rows.
COLUMNS = 1.5
SHADE = 16  # of 255: colours that lie closer count as one when the ground is looked for
AIR = 0.04  # of a panel's side, at most: the ground that a panel without a frame keeps around it
FRAMED = 0.5  # of a panel's side: where more of it is ground, no frame is drawn there
EDGE = 3  # lines at a panel's side, of which a JPEG's ground may blur the outer ones


def of_strip(image: "Image") -> list[Area]:
    """The panels of a strip of RGB or RGBA pixels along its long side, each as wide as it is."""
    wide = image.width > image.height
    areas: list[Area] = [
        (first, 0, last, image.height) if wide else (0, first, image.width, last)
        for first, last in panels(image)
    ]
    return [_aired(image, area, (0, 2) if wide else (1, 3)) for area in areas]


def of_page(image: "Image", *, right: bool = False) -> list[Area]:
    """The panels of a page of RGB or RGBA pixels, row by row, each row from the left or ``right``.

    They are divided by lines of the page's ground that run through, again and again in each part;
    what no such line divides is one panel. Where the gaps between columns are clearly wider than
    those between three rows or more, each column is read to its end.
    """
    factor = max(1, min(image.size) // ACROSS)
    small = _values(image.reduce(factor) if factor > 1 else image)
    ground = _ground(small)
    if ground is None:
        return []
    least = max(1, round(THIN * min(image.size) / factor))
    height, width = small.shape[:2]
    found = _divided(_ink(small, ground), (0, 0, width, height), least, right)
    sharp = (_sharpened(image, area, factor, ground) for area in found)
    return [_aired(image, area, (0, 1, 2, 3)) for area in sharp]


def _values(image: "Image") -> "NDArray[Any]":
    """The values (row, column, channel), of 255; what is clear is of one colour."""
    import numpy as np

    return np.asarray(image.convert("RGBa") if image.mode == "RGBA" else image)


def _ground(values: "NDArray[Any]") -> "NDArray[Any] | None":
    """The colour of most lines that are of one colour, across or down; None where none is."""
    import numpy as np

    found: list[NDArray[Any]] = []
    for axis in (0, 1):
        plain = np.ptp(values, axis=axis).max(axis=1) <= NOISE
        found.append(values.mean(axis=axis)[plain])
    colours = np.concatenate(found)
    if not len(colours):
        return None
    shades, number = np.unique(np.round(colours / SHADE), axis=0, return_inverse=True)
    of_most = number.reshape(-1) == np.bincount(number.reshape(-1), minlength=len(shades)).argmax()
    middle: NDArray[Any] = np.median(colours[of_most], axis=0)
    return middle


def _ink(values: "NDArray[Any]", ground: "NDArray[Any]") -> "NDArray[Any]":
    """Say of each pixel whether it is something else than the ground."""
    import numpy as np

    apart: NDArray[Any] = np.abs(values.astype(np.int16) - ground.astype(np.int16)).max(axis=2)
    return apart > NOISE


def _divided(ink: "NDArray[Any]", area: Area, least: int, right: bool) -> list[Area]:
    """The parts of an area in which something is drawn, divided as far as lines run through."""
    left, top, end, bottom = area
    inside = ink[top:bottom, left:end]
    rows = [(top + a, top + b) for a, b in spans(~inside.max(axis=1), least)]
    columns = [(left + a, left + b) for a, b in spans(~inside.max(axis=0), least)]
    if not rows:
        return []
    if len(rows) == len(columns) == 1:
        return [(columns[0][0], rows[0][0], columns[0][1], rows[0][1])]
    parts: list[Area] = [(left, first, end, last) for first, last in rows]
    in_columns = len(rows) > 2 and _widest(columns) > COLUMNS * _widest(rows)
    if len(rows) == 1 or in_columns:
        parts = [(first, top, last, bottom) for first, last in columns]
        parts = parts[::-1] if right else parts
    return [cell for part in parts for cell in _divided(ink, part, least, right)]


def _widest(found: list[tuple[int, int]]) -> int:
    """The widest gap between parts; 0 where there is one part."""
    return max((b[0] - a[1] for a, b in itertools.pairwise(found)), default=0)


def _sharpened(image: "Image", area: Area, factor: int, ground: "NDArray[Any]") -> Area:
    """An area of the picture scaled down as one of the picture, to the pixel."""
    left, top, right, bottom = area
    end, foot = min(image.width, (right + 1) * factor), min(image.height, (bottom + 1) * factor)
    box = (max(0, (left - 1) * factor), max(0, (top - 1) * factor), end, foot)
    ink = _ink(_values(image.crop(box)), ground)
    x = _ends(ink.max(axis=0), left * factor - box[0], right * factor - box[0], factor)
    y = _ends(ink.max(axis=1), top * factor - box[1], bottom * factor - box[1], factor)
    return box[0] + x[0], box[1] + y[0], box[0] + x[1], box[1] + y[1]


def _ends(drawn: "NDArray[Any]", first: int, last: int, reach: int) -> tuple[int, int]:
    """Where what is drawn begins and ends, each near a place that is known to ``reach`` pixels."""

    def moved(place: int, step: int) -> int:
        """Outward over what is drawn, else inward to it."""
        for _ in range(reach):
            if not 0 <= place + step < len(drawn) or not drawn[place + step]:
                break
            place += step
        while 0 <= place < len(drawn) and not drawn[place]:
            place -= step
        return place

    return moved(first, -1), moved(min(last, len(drawn)) - 1, 1) + 1


def _aired(image: "Image", area: Area, sides: Sequence[int]) -> Area:
    """An area with some of the ground around it at the sides (0 to 3) where it has no frame."""
    ends = list(area)
    for side in sides:
        most = round(AIR * (area[2] - area[0] if side % 2 == 0 else area[3] - area[1]))
        ends[side] += _air(image, area, side, most) * (1 if side > 1 else -1)
    left, top, right, bottom = ends
    return left, top, right, bottom


def _air(image: "Image", area: Area, side: int, most: int) -> int:
    """How many pixels of ground a panel keeps at a side; half of them where a neighbour is near."""
    import numpy as np

    near = list(_outward(image, area, side, 2 * most))  # a neighbour may reach as far this way
    edge, lines = near[:EDGE], near[EDGE:]
    if not lines:
        return 0
    ground = lines[0].mean(axis=0)
    if any((np.abs(line - ground).max(axis=1) <= NOISE).mean() <= FRAMED for line in edge):
        return 0
    plain = [np.ptp(line, axis=0).max() <= NOISE for line in lines]
    return min(most, len(plain) if all(plain) else plain.index(False) // 2)


def _outward(image: "Image", area: Area, side: int, most: int) -> "Iterator[NDArray[Any]]":
    """The outer EDGE lines of an area at one of its sides, and those outside of it in turn."""
    start, step = (area[side] - EDGE, 1) if side > 1 else (area[side] + EDGE - 1, -1)
    last = image.height if side % 2 else image.width
    for place in range(start, start + (most + EDGE) * step, step):
        if not 0 <= place < last:
            return
        line = (area[0], place, area[2], place + 1) if side % 2 else (
            place, area[1], place + 1, area[3])  # fmt: skip
        values = _values(image.crop(line))
        yield values.reshape(-1, values.shape[2]).astype(int)
