"""Pixels as a model wants them: the author's own, but without the work that does not show."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datasetkit.pixels import flattened
from datasetkit.taggers.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

# Goes up when the same picture would become other pixels than before.
VERSION = 2
_REACH = {"box": 0.5, "bilinear": 1, "bicubic": 2, "lanczos": 3}  # samples to either side


def at_least(spec: Spec, side: int, size: tuple[int, int]) -> int:
    """How long a picture's long side must be decoded: three times what the model sees of it.

    At three times, a JPEG decoded at a half differs from the author's way by .2/255; at two
    times, by four times that.
    """
    wanted = 3 * max(side, spec.canvas)
    if spec.fit == "squash":  # here the short side becomes as long as the other
        wanted = wanted * max(size) // max(1, min(size))
    return wanted


def square(
    image: "Image", spec: Spec, side: int, size: tuple[int, int] | None = None
) -> "NDArray[np.uint8]":
    """Fit a picture into the model's square: (side, side, 3) of 0..255, channels in its order.

    The image is RGB or RGBA. ``size`` is the picture's own (width, height) where the image is a
    JPEG that was decoded at a half, a quarter or an eighth of it.
    """
    import numpy as np
    from PIL import Image

    if image.mode == "RGBA":
        image = flattened(image, (255, 255, 255))
    size = size or image.size
    if spec.canvas and spec.canvas != side:
        pixels = _fitted(image, spec, spec.canvas_filter, spec.canvas, size)
        scaled = Image.fromarray(pixels).resize((side, side), _pillow(spec.filter))
        pixels = np.asarray(scaled)
    else:
        pixels = _fitted(image, spec, spec.filter, side, size)
    return pixels if spec.channels == "RGB" else pixels[:, :, ::-1]


def fed(pixels: "NDArray[np.uint8]", spec: Spec, dtype: str = "float32") -> "NDArray[Any]":
    """Make the model's input of squares (pictures, side, side, 3): its layout, its numbers."""
    import numpy as np

    if spec.layout == "NCHW":
        pixels = pixels.transpose(0, 3, 1, 2)
    if dtype == "uint8":
        return np.ascontiguousarray(pixels)
    numbers = np.ascontiguousarray(pixels, np.float32)
    std, mean = terms(spec)
    if spec.top != 255:
        numbers /= np.float32(255 / spec.top)
    if any(spec.mean):
        numbers -= mean
    if set(spec.std) != {1.0}:
        numbers /= std
    return numbers.astype(dtype, copy=False)


def terms(spec: Spec) -> tuple["NDArray[np.float32]", "NDArray[np.float32]"]:
    """The divisor and the mean by channel, shaped for the layout, in the model's channel order."""
    import numpy as np

    shape = (1, 3, 1, 1) if spec.layout == "NCHW" else (1, 1, 1, 3)
    step = 1 if spec.channels == "RGB" else -1
    return (
        np.array(spec.std[::step], np.float32).reshape(shape),
        np.array(spec.mean[::step], np.float32).reshape(shape),
    )


def _fitted(
    image: "Image", spec: Spec, how: str, side: int, size: tuple[int, int]
) -> "NDArray[np.uint8]":
    """The picture in a square, red first."""
    import numpy as np

    if spec.fit == "squash":
        return np.asarray(image.resize((side, side), _pillow(how), _box(image, size)))
    if spec.fit == "longside":
        return _longside(image, spec, how, side, size)
    return _padded(image, spec, how, side, size)


def _longside(
    image: "Image", spec: Spec, how: str, side: int, size: tuple[int, int]
) -> "NDArray[np.uint8]":
    """Resize until the long side fits, then centre on the colour of the padding."""
    import numpy as np

    longest = max(size)
    if spec.rounding == "near":
        width, height = (max(1, round(own * (side / longest))) for own in size)
    else:
        width, height = (max(1, int(own * (side / longest))) for own in size)
    small = image.resize((width, height), _pillow(how), _box(image, size))
    pixels = np.empty((side, side, 3), np.uint8)
    pixels[:] = spec.pad
    left, top = (side - width) // 2, (side - height) // 2
    pixels[top : top + height, left : left + width] = np.asarray(small)
    return pixels


def _box(image: "Image", size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Where the picture ends in an image that was decoded smaller, each side rounded up."""
    shrunk = round(max(size) / max(image.size))
    return 0, 0, min(image.width, size[0] / shrunk), min(image.height, size[1] / shrunk)


def _padded(
    image: "Image", spec: Spec, how: str, side: int, size: tuple[int, int]
) -> "NDArray[np.uint8]":
    """The same pixels as centring the picture in a square and resizing that.

    Odd pixels go right and below. The square is never built: the picture is resized alone, by a
    box whose fractional edges put its samples where the square's would lie, with just the rim
    that the filter sees.
    """
    import numpy as np
    from PIL import Image

    width, height = size
    longest = max(width, height)
    shrunk = round(longest / max(image.size))
    reach = _REACH[how]
    across = _span(width, image.width, longest, side, shrunk, reach)
    down = _span(height, image.height, longest, side, shrunk, reach)
    if any((*across.rim, *down.rim)):
        room = (image.width + sum(across.rim), image.height + sum(down.rim))
        canvas = Image.new("RGB", room, (spec.pad[0], spec.pad[1], spec.pad[2]))
        canvas.paste(image, (across.rim[0], down.rim[0]))
        image = canvas
    # Across first, then down, as Pillow goes about a square; a narrow picture alone it would take
    # the other way round, and the rounding between the two passes shows.
    columns = across.last - across.first
    edges = (across.start, 0, across.end, image.height)
    small = image.resize((columns, image.height), _pillow(how), edges)
    lines = (0, down.start, columns, down.end)
    small = small.resize((columns, down.last - down.first), _pillow(how), lines)
    pixels = np.empty((side, side, 3), np.uint8)
    pixels[:] = spec.pad
    pixels[down.first : down.last, across.first : across.last] = np.asarray(small)
    return pixels


def _pillow(name: str) -> Any:
    from PIL import Image

    return Image.Resampling[name.upper()]


@dataclass(frozen=True, slots=True)
class _Span:
    """Along one axis: which of the square's samples the picture touches, and where they lie.

    Samples first..last are made of the pixels start..end, counted from the outer edge of a rim of
    so many pixels before and after the image.
    """

    first: int
    last: int
    start: float
    end: float
    rim: tuple[int, int]


def _span(own: int, pixels: int, longest: int, side: int, shrunk: int, support: float) -> _Span:
    """Lay one axis: the picture's own length, the image's pixels, the square's two sides."""
    square, length = longest / shrunk, own / shrunk
    before = (longest - own) // 2 / shrunk
    after = square - before - length
    step = square / side  # pixels from one sample to the next
    reach = support * max(step, 1) + 1  # what the filter sees either way; 1 for rounding
    first = max(0, math.floor((before - reach) / step))
    last = min(side, math.ceil((before + length + reach) / step))
    start, end = first * step - before, last * step - before
    # The filter stops at the square's edge, so the rim must not go beyond it.
    low = min(math.ceil(max(0.0, reach - start)), math.ceil(before))
    high = min(math.ceil(max(0.0, end + reach - pixels)), math.ceil(after))
    return _Span(first, last, start + low, min(end + low, pixels + low + high), (low, high))
