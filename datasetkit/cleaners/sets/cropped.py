"""Is one picture the other with a little cut off its edges?"""

from typing import TYPE_CHECKING, Any, TypeAlias

from datasetkit.likeness import Look, Relation, relation

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

Cut: TypeAlias = tuple[float, float, float, float]  # shares off the left, top, right and bottom

MOST = 0.06  # of a side that may be cut off, at each end
_STEPS = (0.02, 0.01, 0.005, 0.0025)
_SIDE = 64  # grays a side, by which the edges are found
_HOPELESS = 25.0  # of 255, by which grays still differ on average when the edges were moved


def part_of(one: Look, other: Look) -> bool:
    """Say whether ``other`` is ``one`` with up to 5 % cut off its edges, at any two sizes.

    The edges are moved inward until what is left of ``one`` resembles ``other`` most; the finer
    look then tells whether it is the same.
    """
    import numpy as np

    gray = one.image.convert("L")
    wanted = np.asarray(_small(other.image.convert("L"), (0, 0, 0, 0)), np.float32)

    def apart(cut: Cut) -> float:
        found: NDArray[Any] = np.asarray(_small(gray, cut), np.float32)
        return float(np.abs(found - wanted).mean())

    if apart((0, 0, 0, 0)) > 2 * _HOPELESS:
        return False
    cut, least = _best_cut(apart)
    if least > _HOPELESS or not any(cut):
        return False
    width, height = one.size
    left, top, right, bottom = _box(one.image, cut)
    kept = one.image.crop((round(left), round(top), round(right), round(bottom)))
    return min(width, height) > 1 and relation(Look(kept), other) is Relation.SAME


def _best_cut(apart: Any) -> tuple[Cut, float]:
    """Walk downhill, with shorter and shorter steps."""
    cut: Cut = (0.0, 0.0, 0.0, 0.0)
    least = apart(cut)
    for step in _STEPS:
        better = True
        while better:
            better = False
            for edges in ((0,), (1,), (2,), (3,), (0, 2), (1, 3), (0, 1, 2, 3)):
                for sign in (1, -1):
                    tried = list(cut)
                    for edge in edges:
                        tried[edge] += sign * step
                    if min(tried) < 0 or max(tried) > MOST:
                        continue
                    found = apart(tuple(tried))
                    if found < least:
                        cut, least, better = (tried[0], tried[1], tried[2], tried[3]), found, True
    return cut, least


def _box(image: "Image", cut: Cut) -> tuple[float, float, float, float]:
    width, height = image.size
    left, top, right, bottom = cut
    return left * width, top * height, (1 - right) * width, (1 - bottom) * height


def _small(gray: "Image", cut: Cut) -> "Image":
    from PIL.Image import Resampling

    return gray.resize((_SIDE, _SIDE), Resampling.BOX, box=_box(gray, cut))
