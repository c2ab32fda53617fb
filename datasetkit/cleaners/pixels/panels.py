"""The panels of a comic strip: what lies between its gutters, lines of one colour throughout."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

ACROSS = 256  # pixels, at least, of the short side at which gutters are looked for
NOISE = 24  # of 255: how far the colours of a gutter may lie apart (JPEG, paper)
THIN = 0.008  # of the short side: a thinner line of one colour is no gutter


def panels(image: "Image") -> list[tuple[int, int]]:
    """Where the panels of a strip begin and end along its long side, in pixels.

    One span, the whole but for plain margins, where no gutter crosses it; none in a plain image.
    """
    factor = max(1, min(image.size) // ACROSS)
    plain = _plain_lines(image.reduce(factor) if factor > 1 else image)
    least = max(1, round(THIN * min(image.size) / factor))
    return [(_edge(image, first, factor, -1), _edge(image, last, factor, 1))
            for first, last in spans(plain, least)]  # fmt: skip


def spans(plain: "NDArray[Any]", least: int) -> list[tuple[int, int]]:
    """The runs of lines between gutters; a plain run that is thinner than a gutter is drawing."""
    found: list[tuple[int, int]] = []
    start, quiet = None, 0
    for place, is_plain in enumerate([*plain.tolist(), *[True] * least]):
        if not is_plain:
            start = place if start is None else start
            quiet = 0
            continue
        quiet += 1
        if start is not None and quiet >= least:
            found.append((start, place - quiet + 1))
            start = None
    return found


def _edge(image: "Image", place: int, factor: int, outward: int) -> int:
    """The pixel at which a panel begins or ends, found by a look around a place in the small."""
    long = max(image.size)
    if factor == 1:
        return min(place, long)
    low, high = max(0, (place - 1) * factor), min(long, (place + 1) * factor)
    box = (0, low, image.width, high)
    if image.width > image.height:
        box = (low, 0, high, image.height)
    drawn = [at for at, plain in enumerate(_plain_lines(image.crop(box), image).tolist())
             if not plain]  # fmt: skip
    if not drawn:
        return min(place * factor, long)
    return low + drawn[0] if outward < 0 else low + drawn[-1] + 1


def _plain_lines(image: "Image", like: "Image | None" = None) -> "NDArray[Any]":
    """Say of each line across the long side (of another image, where given) if it is plain."""
    import numpy as np

    like = like or image
    values = np.asarray(image.convert("RGBa") if image.mode == "RGBA" else image)
    axis = 0 if like.width > like.height else 1
    plain: NDArray[Any] = (np.ptp(values, axis=axis).max(axis=1)) <= NOISE
    return plain
