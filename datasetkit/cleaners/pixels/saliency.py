"""Where along a long picture something is drawn: by its edges, and by what is not transparent."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

BODY = 12.0  # of 255: what opaque pixels count beside clear ones, if no edge is on them
# Of 255, and of the picture's own hard edges: a fading sky and the grain of a scan have no more
# from one value to the next, once scaled down; lines do.
FAINT, FAINT_PART, HARD = 6.0, 0.2, 99


def detail_along(image: "Image", steps: int) -> "NDArray[Any]":
    """How much is drawn at each of so many steps along the long side of an RGB or RGBA image.

    Edges of the grays count, and of the alpha, so that white on clear is seen; what lies hidden
    under clear pixels is no detail. float64, one value a step, of 255.
    """
    return _along(image, _detail(image, steps))


def drawn_along(image: "Image", steps: int) -> "NDArray[Any]":
    """The same without what is faint beside the picture's hard edges: plain or fading ground."""
    import numpy as np

    found = _detail(image, steps)
    found[found <= min(FAINT, FAINT_PART * float(np.percentile(found, HARD)))] = 0
    return _along(image, found)


def _along(image: "Image", detail: "NDArray[Any]") -> "NDArray[Any]":
    along: NDArray[Any] = detail.mean(axis=0 if image.width > image.height else 1)
    return along


def _detail(image: "Image", steps: int) -> "NDArray[Any]":
    """The detail (row, column) of an image that is scaled down to so many steps."""
    import numpy as np
    from PIL import Image

    wide = image.width > image.height
    across = max(3, round(steps * min(image.size) / max(image.size)))
    size = (steps, across) if wide else (across, steps)
    small = image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    alpha = None
    if small.mode == "RGBA":
        alpha = np.asarray(small.getchannel("A"), np.float64)
        ground = Image.new("RGB", small.size, (255, 255, 255))
        ground.paste(small, mask=small)
        small = ground
    found = _edges(np.asarray(small.convert("L"), np.float64))
    if alpha is not None:
        found = np.maximum(found, _edges(alpha)) + alpha * (BODY / 255)
    return found


def _edges(values: "NDArray[Any]") -> "NDArray[Any]":
    """How far each value is from those after it, in both directions."""
    import numpy as np

    found: NDArray[Any] = np.zeros_like(values)
    found[:, :-1] += np.abs(np.diff(values, axis=1))
    found[:-1] += np.abs(np.diff(values, axis=0))
    return found
