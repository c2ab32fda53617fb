"""A second, finer look at two pictures: the same, a variant, or something else."""

from enum import Enum
from typing import TYPE_CHECKING, Any

from datasetkit.likeness.prints import on_white

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

_SIDE = 128  # cells a side in the finer look
_BLOCK = 4  # cells a side of the area in which a change is sought
_ASPECT = 0.015
_LOCAL = 3.5  # of 255, in the block that differs most
_QUIET = (1.5, 3.0)  # the same for two that hardly differ elsewhere: so much, and times overall
_OVERALL = 4.0  # of 255
_TOUCHED, _EQUAL, _STEP = 40, 4, 24  # of 255: changed; equal but for an encoder; a line
_PLACES = 0.08  # of the lines' pixels: of true pairs of one size 0.1 or more differ
_FINE, _AREA = 512, 8  # pixels of the long side, and a side of the area, in the finest look
_PEAK, _NOISE = 1.02, 6.0  # how far one area stands out, and of 255, of an encoder's own noise
_STEEP = 120.0  # of 765, beyond which a line is no steeper
_LINES = (
    0.9  # correlation of their lines: of 24 drawings' variants 0.92 or more, of others 0.87 or less
)


class Relation(Enum):
    """What two pictures are to each other."""

    SAME = "same"
    VARIANT = "variant"
    OTHER = "other"


class Look:
    """A picture made ready to be compared: on white, and, with ``side``, no larger than it need be.

    At a half, a third … of its size, its long side at least ``side`` pixels, it tells as much.
    """

    def __init__(self, image: "Image", side: int = 0) -> None:
        self.image = on_white(image)
        times = max(image.size) // side if side else 1
        if times > 1:
            self.image = self.image.reduce(times)
        self._cells: dict[tuple[int, int], NDArray[Any]] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.image.size

    def cells(self, size: tuple[int, int]) -> "NDArray[Any]":
        """Its _SIDE x _SIDE colours, by way of this size; (row, column, channel) float32."""
        if size not in self._cells:
            if len(self._cells) > 3:
                self._cells.clear()
            self._cells[size] = _cells(self.image, size)
        return self._cells[size]


def same_picture(one: "Image", other: "Image") -> bool:
    """Tell a re-encoding or another size of a picture from a variant of it.

    Another expression, outfit, background or some words added make a variant. To be asked of
    pictures whose fingerprints are near, at any two sizes; transparent is white here.
    """
    return relation(Look(one), Look(other)) is Relation.SAME


def relation(one: Look, other: Look) -> Relation:
    """What two pictures are to each other whose fingerprints are near."""
    (width, height), (wide, high) = one.size, other.size
    if abs(width * high - wide * height) > _ASPECT * max(width * high, wide * height):
        return Relation.OTHER
    size = min(one.size, other.size)
    a, b = one.cells(size), other.cells(size)
    overall, local = _differences(a, b)
    if overall <= _OVERALL and local <= min(_LOCAL, _QUIET[0] + _QUIET[1] * overall):
        changed = _changed_in_places(one, other) or _stands_out(one, other)
        return Relation.VARIANT if changed else Relation.SAME
    return Relation.VARIANT if _likeness_of_lines(a, b) >= _LINES else Relation.OTHER


def _differences(a: "NDArray[Any]", b: "NDArray[Any]") -> tuple[float, float]:
    """How far two pictures are apart: on the whole, and where they differ most; of 255.

    A cell counts as far as its colour lies outside of what the other picture has around that
    place, for a smaller size or a lower quality blurs and shifts edges but adds nothing new.
    """
    import numpy as np

    overall = float(np.abs(a - b).mean())
    if overall > _OVERALL:  # not the same, wherever it is
        return overall, 255.0
    beyond = np.maximum(_outside(a, b), _outside(b, a)).mean(axis=2)
    blocks = _SIDE // _BLOCK
    local = beyond.reshape(blocks, _BLOCK, blocks, _BLOCK).mean(axis=(1, 3)).max()
    return overall, float(local)


def _changed_in_places(one: Look, other: Look) -> bool:
    """Say whether two pictures of one size differ in places, while most of their lines are equal.

    What encodes a picture anew changes all of its lines a little; what changes a small mouth
    leaves the others as they were, to the last bit or, in two files of one encoder, nearly so.
    """
    import numpy as np

    if one.size != other.size:
        return False
    a, b = (np.asarray(look.image, np.int16) for look in (one, other))
    apart = np.abs(a - b).max(axis=2)
    if apart.max() <= _TOUCHED:
        return False
    lines = _steps(a) | _steps(b)
    return bool((apart[lines] > _EQUAL).mean() < _PLACES) if lines.any() else False


def _stands_out(one: Look, other: Look) -> bool:
    """Say whether two pictures differ in one small place far more than anywhere else.

    What encodes or scales a picture blurs all of its lines alike; another mouth in a small face
    is a peak. Both are looked at in the size of the smaller, so that both have lost as much.
    """
    import numpy as np

    size = min(one.size, other.size)
    a, b = (_fine(look.image, size) for look in (one, other))
    beyond = np.maximum(_outside(a, b), _outside(b, a)).sum(axis=2, dtype=np.float32)
    half = _AREA // 2
    rows, columns = (length // half for length in beyond.shape)
    if min(rows, columns) < 2:
        return False
    parts = beyond[: rows * half, : columns * half]
    parts = parts.reshape(rows, half, columns, half).mean(axis=(1, 3))
    areas = (parts[:-1, :-1] + parts[1:, :-1] + parts[:-1, 1:] + parts[1:, 1:]) / 4
    areas /= 3 * 16  # channels, and the weights of the mean
    return bool(areas.max() > _PEAK * (np.quantile(areas, 0.99) + _NOISE))


def _fine(image: "Image", size: tuple[int, int]) -> "NDArray[Any]":
    """Its colours at _FINE pixels, by way of this size, times 16; (row, column, channel) int16."""
    import numpy as np
    from PIL import Image

    scale = min(1.0, _FINE / max(size))
    small = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    box = Image.Resampling.BOX
    found: NDArray[Any] = np.asarray(image.resize(size, box).resize(small, box), np.int16)
    for axis in (0, 1):
        before, same, after = _shifted(found, axis)
        found = before + 2 * same + after
    return found


def _steps(pixels: "NDArray[Any]") -> "NDArray[Any]":
    """Where the colour changes from a pixel to the next, (row, column) of bool."""
    import numpy as np

    found: NDArray[Any] = np.zeros(pixels.shape[:2], bool)
    found[:, :-1] = np.abs(np.diff(pixels, axis=1)).max(axis=2) > _STEP
    found[:-1] |= np.abs(np.diff(pixels, axis=0)).max(axis=2) > _STEP
    return found


def _likeness_of_lines(a: "NDArray[Any]", b: "NDArray[Any]") -> float:
    """How far two pictures have their lines in the same places, whatever the colours; 1 is all."""
    import numpy as np

    one, other = (_lines(cells) for cells in (a, b))
    scale = float(np.sqrt((one * one).sum() * (other * other).sum()))
    return float((one * other).sum()) / scale if scale else 0.0


def _lines(cells: "NDArray[Any]") -> "NDArray[Any]":
    """How steep the colours are at each cell, less the mean; a strong line counts as a line."""
    import numpy as np

    down = np.abs(np.diff(cells, axis=0))[:, :-1].sum(axis=2)
    along = np.abs(np.diff(cells, axis=1))[:-1].sum(axis=2)
    steep: NDArray[Any] = np.sqrt(np.minimum(down + along, _STEEP))
    steep -= steep.mean()
    return steep


def _cells(image: "Image", size: tuple[int, int]) -> "NDArray[Any]":
    import numpy as np
    from PIL import Image

    box = Image.Resampling.BOX
    small = image.resize(size, box).resize((_SIDE, _SIDE), box)
    found: NDArray[Any] = np.asarray(small, np.float32)
    for axis in (0, 1):
        before, same, after = _shifted(found, axis)
        found = (before + 2 * same + after) / 4
    return found


def _outside(cells: "NDArray[Any]", other: "NDArray[Any]") -> "NDArray[Any]":
    """How far each cell's colour is from the range of the 3 x 3 cells there in the other one."""
    import numpy as np

    low = high = other
    for axis in (0, 1):
        low = np.minimum.reduce(_shifted(low, axis))
        high = np.maximum.reduce(_shifted(high, axis))
    beyond: NDArray[Any] = np.maximum(np.maximum(cells - high, low - cells), 0)
    return beyond


def _shifted(cells: "NDArray[Any]", axis: int) -> "list[NDArray[Any]]":
    """The cells before, at and after each place along an axis; the border is its own neighbour."""
    import numpy as np

    number = cells.shape[axis]
    places = np.arange(-1, number + 1).clip(0, number - 1)
    return [cells.take(places[start : start + number], axis) for start in range(3)]
