"""Lines of text made whole: what was seen of a line in part, and what was left out of it.

A name over a change of the ground is often seen in two pieces with a gap, or to its middle. The
letters beside it have its colour and its height, by which they are told from what is drawn.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from datasetkit.cleaners.pixels.text_finder import MOST_WORDS, Line
from datasetkit.masks import Area

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

ALIKE = 40  # of 255: how far letters of one line lie apart in their colour
GAP = 0.7  # of the height: between two letters, or two words
LOW, HIGH = 0.35, 1.4  # of the height: a letter's own
BROAD = 2.0  # of the height: how wide letters are that run together
LEFT = 0.3  # of a line's ink: more of it that still stands is the line


def whole(image: "Image", lines: Sequence[Line]) -> list[Line]:
    """The lines, each to the end of its letters; those that become one are joined.

    ``image`` is RGB or RGBA. Lines that stand upright are left as they are.
    """
    widened = [line._replace(box=_widened(image, line.box)) for line in lines]
    became: list[Line] = []
    for line in sorted(widened, key=lambda line: line.box[0]):
        beside = next((one for one in became if _same_line(one.box, line.box)), None)
        if beside is None:
            became.append(line)
            continue
        words = f"{beside.words} {line.words}"[:MOST_WORDS]
        both = Line(joined(beside.box, line.box), max(beside.score, line.score), words)
        became[became.index(beside)] = both
    return sorted(became, key=lambda line: (line.box[1], line.box[0]))


def joined(box: Area, other: Area) -> Area:
    """The box around two."""
    return (
        min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3]),
    )  # fmt: skip


def stands(before: "Image", after: "Image", box: Area) -> bool:
    """Say whether a good part of the letters in a box have still their colour afterwards."""
    import numpy as np

    color = _ink(_pixels(before, box))
    there, left = (
        int((np.abs(_pixels(image, box) - color).max(axis=2) <= ALIKE).sum())
        for image in (before, after)
    )
    return left > LEFT * there


def _same_line(box: Area, other: Area) -> bool:
    """Say whether two boxes meet, at about the same height."""
    meet = min(box[2], other[2]) - max(box[0], other[0])
    shared = min(box[3], other[3]) - max(box[1], other[1])
    return meet > 0 and shared > 0.6 * min(box[3] - box[1], other[3] - other[1])


def _pixels(image: "Image", box: Area) -> "NDArray[Any]":
    """The colours of a part, white where it is clear, and its alpha; int16 (row, column, 4)."""
    import numpy as np
    from PIL import Image

    part = image.crop(box).convert("RGBA")
    alpha = part.getchannel("A")
    part = Image.alpha_composite(Image.new("RGBA", part.size, "white"), part)
    part.putalpha(alpha)
    return np.asarray(part).astype(np.int16)


def _ink(part: "NDArray[Any]") -> "NDArray[Any]":
    """The commonest colour of what stands out most in a part."""
    import cv2
    import numpy as np

    window = min(255, max(3, min(part.shape[:2]) | 1))
    apart = np.abs(part - cv2.medianBlur(part.astype(np.uint8), window)).max(axis=2)
    colors = part[apart >= 0.6 * np.percentile(apart, 97)].reshape(-1, 4)
    shades, counts = np.unique(colors // 16, axis=0, return_counts=True)
    common = (colors // 16 == shades[counts.argmax()]).all(axis=1)
    ink: NDArray[Any] = np.median(colors[common], axis=0)
    return ink


def _widened(image: "Image", box: Area) -> Area:
    """A line's box, to where letters of its colour and its height go on beside it."""
    import cv2
    import numpy as np

    left, top, right, bottom = box
    high, long = bottom - top, right - left
    if high < 8 or long < 1.2 * high:
        return box
    x0, y0 = max(0, left - long), max(0, top - high // 2)
    x1, y1 = min(image.width, right + long), min(image.height, bottom + high // 2)
    if (x1 - x0) * (y1 - y0) > 4_000_000:  # letters as large are no line that was cut short
        return box
    part = _pixels(image, (x0, y0, x1, y1))
    color = _ink(part[top - y0 : bottom - y0, left - x0 : right - x0])
    same = (np.abs(part - color).max(axis=2) <= ALIKE).astype(np.uint8)
    _, _, found, _ = cv2.connectedComponentsWithStats(same, connectivity=8)
    letters = [
        (x + x0, x + wide + x0)
        for x, y, wide, tall, area in found[1:].tolist()
        if LOW * high <= tall <= HIGH * high
        and wide <= BROAD * high
        and area <= 0.8 * wide * tall  # a spot of one colour is no letter
        and top <= y + y0 + tall / 2 <= bottom
        and (y > 0 or y0 == 0)
        and (y + y0 + tall < y1 or y1 == image.height)
    ]
    # From the inside out, so that a gap ends it.
    for start, end in sorted(letters):
        if start <= right + GAP * high and end > right:
            right = end
    for start, end in sorted(letters, key=lambda ends: -ends[1]):
        if end >= left - GAP * high and start < left:
            left = start
    return left, top, right, bottom
