"""What can be measured of a picture's quality: blur, the marks of JPEG, how much is of one colour.

Measured on 10 drawings and 5 sprites of 0.2 to 5.6 megapixels, blurred, enlarged and saved anew,
and on noise, screentones and pixel art. The figures beside the functions are from there.
"""

from typing import TYPE_CHECKING, Any

from datasetkit.errors import PictureError
from datasetkit.pixels import flattened

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

AREA = 1024 * 1024  # px: the size at which trainers look, and sharpness is measured
_GLANCE = 256  # px of the long side, enough to see how much is of one colour

_WINDOW = 8  # px, within which an edge must rise to be one
_BLOCK = 32  # px a side of the areas that each have one voice
_EDGES, _VOICES = 16, 4  # places with an edge that give an area a voice; areas that are enough
_FAINT, _CONTRAST = 12.0, 0.25  # of 255: the least edge; and of the picture's own contrast
_FLATTEST, _STEEPEST = 1 / 7, 0.75  # of an edge's height, in one px: over the window; as drawn
_PLAIN = 10  # of 255 by which colours of one plain colour differ
_LARGEST = 24  # of 255: what a drawn line adds at most, so that the many small steps count
_GRID = 8  # px a side of JPEG's blocks
_DRAWN_GRID = 6.0  # steps at the grid, of those beside it: pixel art at eight times its size has 13

# Annex K.1 of the JPEG standard: the luminance table that qualities are multiples of, zigzag.
_TABLE = (
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37,
    29, 40, 58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87,
    95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
)  # fmt: skip


def sharpness(image: "Image") -> float:
    """How steep a picture's edges are, 0..100, as a picture of one megapixel.

    An edge of the drawing counts by how much of its height it rises within one pixel, so neither
    contrast, nor the number of lines, nor flat colours matter. As drawn 75 to 100, saved as a JPEG
    of quality 30 still 57 or more; blurred by a Gaussian of 1 px 36 to 42, of 2 px 14 to 19, of
    3 px 7 to 12; enlarged 2 times 40 to 48, 4 times 17 to 23. One part in focus is enough. Blur
    with noise or sharp words all over it seems sharper than it is. 0 where nothing has an edge.
    """
    import numpy as np

    gray = _gray(image, AREA)
    low, high = np.percentile(gray[::4, ::4], (1, 99))
    least = max(_FAINT, _CONTRAST * float(high - low))
    voices = [*_voices(gray, least), *_voices(np.ascontiguousarray(gray.T), least)]
    if len(voices) < _VOICES:
        return 0.0
    part = (float(np.median(voices)) - _FLATTEST) / (_STEEPEST - _FLATTEST)
    return round(100 * min(1.0, max(0.0, part)), 1)


def _voices(gray: "NDArray[Any]", least: float) -> list[float]:
    """How steep the edges along the rows are, 0..1, in each area that has some."""
    import numpy as np

    if min(gray.shape) < 2 * _WINDOW:
        return []
    steps = np.maximum(gray[:, 1:], gray[:, :-1]) - np.minimum(gray[:, 1:], gray[:, :-1])
    height = _over(gray, _WINDOW, np.maximum) - _over(gray, _WINDOW, np.minimum)
    steepest = _over(steps, _WINDOW - 1, np.maximum)
    steep = np.where(height >= least, steepest / np.maximum(height, np.float32(1)), 0)
    side = min(_BLOCK, *steep.shape)
    rows, columns = (length // side for length in steep.shape)
    areas = steep[: rows * side, : columns * side].reshape(rows, side, columns, side)
    edges = (areas > 0).sum(axis=(1, 3))
    means = areas.sum(axis=(1, 3)) / np.maximum(edges, 1)
    voices: list[float] = means[edges >= _EDGES].tolist()
    return voices


def _over(values: "NDArray[Any]", length: int, of: Any) -> "NDArray[Any]":
    """The largest, or smallest, of so many neighbours in a row, at each place where they begin."""
    reach = 1
    while reach < length:
        shift = min(reach, length - reach)
        values = of(values[:, :-shift], values[:, shift:])
        reach += shift
    return values


def jpeg_damage(image: "Image") -> float:
    """How far the 8 x 8 blocks of JPEG show in the pixels, 0..100, at whatever place they begin.

    It must have its full size. A picture that was never a JPEG has 0 to 5, one of quality 95 3 to
    14, 85 21 to 34, 75 31 to 42, 50 42 to 56, 30 49 to 65, 10 63 to 79; also where it was cropped
    since, or saved anew as PNG. One that was scaled since shows hardly any. Dots eight pixels
    apart (a screentone) pass for 40, pixel art at eight times its size for nothing.
    """
    import numpy as np

    gray = _gray(image, 0)
    found = []
    for values in (gray, gray.T):
        if values.shape[1] < 8 * _GRID:
            return 0.0
        part = values[:: 1 + values.shape[0] // 1024].astype(np.int16)
        bends = np.abs(part[:, :-3] - 3 * part[:, 1:-2] + 3 * part[:, 2:-1] - part[:, 3:])
        along = np.minimum(bends, _LARGEST).mean(axis=0)
        phases = along[: len(along) // _GRID * _GRID].reshape(-1, _GRID).mean(axis=0)
        others = float(np.median(np.delete(phases, phases.argmax())))
        found.append((float(phases.max()) - others) / (others + 0.25))
    if max(found) > _DRAWN_GRID:
        return 0.0
    mean = sum(found) / len(found)
    return round(100 * mean / (1 + mean), 1)


def uniform(image: "Image") -> float:
    """How much of a picture is the one plain colour that it has most of, 0..1."""
    import numpy as np
    from PIL import Image

    if image.mode == "RGBA":
        image = flattened(image, (255, 255, 255))
    scale = min(1.0, _GLANCE / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = image.convert("RGB").resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    cells = np.asarray(small, np.int16).reshape(-1, 3)
    coarse = (cells >> 3) @ np.array([1024, 32, 1], np.int32)
    values, counts = np.unique(coarse, return_counts=True)
    common = np.median(cells[coarse == values[counts.argmax()]], axis=0)
    near = (np.abs(cells - common) <= _PLAIN).all(axis=1)
    return round(float(near.mean()), 4)


def jpeg_quality(content: bytes) -> int | None:
    """The quality, 1..100, at which a JPEG file was saved, by its table; None for other files."""
    import numpy as np

    table = _luminance(content)
    if table is None:
        return None
    qualities = np.arange(1, 101)
    scales = np.where(qualities < 50, 5000 // qualities, 200 - 2 * qualities)
    tables = (np.array(_TABLE) * scales[:, None] + 50) // 100
    apart = np.abs(tables.clip(1, 255) - np.array(table)).sum(axis=1)
    return int(qualities[apart.argmin()])


def _luminance(content: bytes) -> list[int] | None:
    """The first quantisation table of a JPEG file; None where there is none."""
    if content[:3] != b"\xff\xd8\xff":
        return None
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        kind = content[place + 1]
        if kind == 0xFF:  # filling
            place += 1
            continue
        size = int.from_bytes(content[place + 2 : place + 4], "big")
        if kind == 0xDB:
            body = content[place + 4 : place + 2 + size]
            wide = 2 if body and body[0] >> 4 else 1
            values = [
                int.from_bytes(body[at : at + wide], "big") for at in range(1, 1 + 64 * wide, wide)
            ]
            return values if len(body) > 64 * wide else None
        if kind == 0xDA or size < 2:
            return None
        place += 2 + size
    return None


def _gray(image: "Image", area: int) -> "NDArray[Any]":
    """The grays of a picture on white, made smaller to this area (px; 0: any); uint8."""
    import numpy as np
    from PIL import Image

    if not all(image.size):
        raise PictureError("a picture without pixels")
    if image.mode == "RGBA":
        image = flattened(image, (255, 255, 255))
    scale = (area / (image.width * image.height)) ** 0.5 if area else 1.0
    gray = image.convert("L")
    if scale < 1:
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        gray = gray.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return np.asarray(gray)
