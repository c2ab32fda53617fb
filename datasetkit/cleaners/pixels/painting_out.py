"""Taking lettering out of pictures: painted over from what surrounds it, or cut off at an edge."""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from datasetkit.masks import Area

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

EVEN = 6  # of 255: how far the surroundings of a line may lie from their middle, to be one colour
ALIKE = 0.65  # of the surroundings that must be so: an outline may pass
INK = 48  # of 255: how far the letters' own colours may lie apart
OTHER = 12  # of 255: from there on something is drawn on a plain ground
_AROUND = 24  # pixels around a line that show what goes on beneath it
_STROKE = 10  # of 255: how far letters stand out from what is around them
DRAWN = 0.02  # of a strip: lines on more of it are something that is not to be cut off
_LINE = 24  # of 255: how far a line stands out from what is beside it
_GLANCE = 320  # pixels of the long side on which lines are looked for
_REACH = 4  # pixels: how far the colours are carried inward at a time


def padded(box: Area, size: tuple[int, int], share: float = 0.2) -> Area:
    """A line's box with a rim, a share of its height: soft edges and shadows reach beyond it."""
    left, top, right, bottom = box
    rim = max(3, round(min(right - left, bottom - top) * share))
    return (
        max(0, left - rim), max(0, top - rim),
        min(size[0], right + rim), min(size[1], bottom + rim),
    )  # fmt: skip


def painted_over(
    image: "Image",
    boxes: Iterable[Area],
    bubbles: Collection[Area] = (),
    *,
    stroke_wise: bool = False,
) -> "Image":
    """The image without what stands in these boxes; of ``bubbles`` the ground is known to be even.

    With ``stroke_wise`` thin strokes go, on whatever they stand. Without: where most of the
    surroundings are of one colour the letters take it, and become clear where they are clear; else
    they are painted over with what is beside them.
    """
    import numpy as np
    from PIL import Image

    pixels = np.asarray(image).copy()
    for box in boxes:
        rim = padded(box, image.size)
        color = None
        if not stroke_wise:
            color = _surroundings(pixels, rim, 0 if box in bubbles else ALIKE)
        if color is None:
            _inpaint(pixels, rim)
        else:
            # A bubble's letters do not lie on its outline, which may run through their box.
            _fill(pixels, rim, color, None if box in bubbles else box)
    return Image.fromarray(pixels)


def _surroundings(pixels: "NDArray[Any]", box: Area, alike: float) -> "NDArray[Any] | None":
    """The colour that most of what is in and around a box has.

    None where less than a share (``alike``) of what is around it is so.
    """
    import numpy as np

    left, top, right, bottom = box
    height, width = pixels.shape[:2]
    wide = max(2, (bottom - top) // 10)
    x0, y0, x1, y1 = (
        max(0, left - wide), max(0, top - wide),
        min(width, right + wide), min(height, bottom + wide),
    )  # fmt: skip
    around = np.ones((y1 - y0, x1 - x0), bool)
    around[top - y0 : bottom - y0, left - x0 : right - x0] = False
    part = pixels[y0:y1, x0:x1].astype(np.int16)
    ring = part[around]
    if not len(ring):
        return None
    if ring.shape[1] == 4:
        clear = (ring[:, 3] == 0).mean()
        if clear >= ALIKE:
            return np.zeros(4, np.uint8)
        if clear > 0:
            return None
    shades, counts = np.unique((part // 8).reshape(-1, part.shape[2]), axis=0, return_counts=True)
    common = (part // 8 == shades[counts.argmax()]).all(axis=2)
    middle = np.median(part[common], axis=0)
    share = (np.abs(ring - middle) <= EVEN).all(axis=1).mean()
    return middle.astype(np.uint8) if share >= alike else None


def _fill(
    pixels: "NDArray[Any]", rim: Area, color: "NDArray[Any]", box: Area | None = None
) -> None:
    """Paint the letters in a box with a rim over as the ground goes on there, in place.

    A line that goes on beyond the rim stays, but for what in the ``box`` has the letters' colour.
    """
    import cv2
    import numpy as np

    left, top, right, bottom = rim
    part = pixels[top:bottom, left:right]
    other = (np.abs(part.astype(np.int16) - color) > OTHER).any(axis=2)
    count, labels = cv2.connectedComponents(other.astype(np.uint8), connectivity=8)
    edges = [labels[0], labels[-1], labels[:, 0], labels[:, -1]]
    at_end = [top == 0, bottom == pixels.shape[0], left == 0, right == pixels.shape[1]]
    going_on = np.zeros(count, bool)
    for edge, end in zip(edges, at_end, strict=True):
        if not end:
            going_on[edge] = True
    going_on[0] = False  # the ground
    letters = other & ~going_on[labels]
    on_things = np.zeros(other.shape, bool)  # those that stand on what goes on
    if box:
        inner = np.zeros(other.shape, bool)
        inner[box[1] - top : box[3] - top, box[0] - left : box[2] - left] = True
        if letters.any():
            tone = np.median(part[letters], axis=0)
            inner &= (np.abs(part.astype(np.int16) - tone) <= INK).all(axis=2)
        on_things = other & inner & ~letters
    gone = _grown(letters | on_things) & (letters | ~other)  # soft edges, but no line beside them
    if len(color) == 4 and not color[3]:
        part[gone] = 0
        gone[:] = False
    # Not with the one colour: a shade that changes slowly goes on, and so does what is beneath.
    _spread(part, (gone | _grown(on_things)).astype(np.uint8) * 255)


def _grown(area: "NDArray[Any]") -> "NDArray[Any]":
    """An area with two pixels around it."""
    import cv2
    import numpy as np

    return cv2.dilate(area.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)


def _inpaint(pixels: "NDArray[Any]", box: Area) -> None:
    """Paint over the letters in a box, in place."""
    import numpy as np

    left, top, right, bottom = box
    height, width = pixels.shape[:2]
    x0, y0 = max(0, left - _AROUND), max(0, top - _AROUND)
    x1, y1 = min(width, right + _AROUND), min(height, bottom + _AROUND)
    part = pixels[y0:y1, x0:x1]
    inside = np.zeros(part.shape[:2], np.uint8)
    inside[top - y0 : bottom - y0, left - x0 : right - x0] = 255
    colors = np.ascontiguousarray(part[:, :, :3])
    letters = _letters(colors, min(bottom - top, right - left)) & inside
    if letters.sum() / 255 < 0.04 * (right - left) * (bottom - top):
        letters = inside  # they stand out too little to be told from what is beneath
    _spread(part, letters)


def _spread(part: "NDArray[Any]", gone: "NDArray[Any]") -> None:
    """Carry the colours around into what is gone (255 there, 0 elsewhere), in place."""
    import cv2
    import numpy as np

    colors = np.ascontiguousarray(part[:, :, :3])
    part[:, :, :3] = cv2.inpaint(colors, gone, _REACH, cv2.INPAINT_TELEA)
    if part.shape[2] == 4:
        alpha = np.ascontiguousarray(part[:, :, 3])
        part[:, :, 3] = cv2.inpaint(alpha, gone, _REACH, cv2.INPAINT_TELEA)


def _letters(colors: "NDArray[Any]", height: int) -> "NDArray[Any]":
    """Where thin strokes stand out from what is around them: 255 there, 0 elsewhere."""
    import cv2
    import numpy as np

    window = min(255, max(3, height | 1))  # strokes are less than half of it, and go
    beneath = cv2.medianBlur(colors, window)
    apart = np.abs(colors.astype(np.int16) - beneath).max(axis=2)
    strokes = (apart >= _STROKE).astype(np.uint8) * 255
    rim = max(3, height // 10) | 1
    return cv2.dilate(strokes, np.ones((rim, rim), np.uint8))


def cut_off(image: "Image", boxes: Sequence[Area], most: float) -> Area:
    """The part of a picture that stays when strips with these boxes are cut off its edges.

    For each box the edge is taken where least is lost. A strip stays, and its box with it, that
    would bring the loss of the picture's area beyond ``most``, or in which more is drawn than the
    text: a foot, or the top of a head.
    """
    width, height = size = image.size
    kept = (0, 0, width, height)
    drawn = _drawn(image, boxes) if boxes else None
    for box in sorted(boxes, key=lambda box: _least_loss(box, size)):
        if drawn is None or not _overlaps(box, kept):
            continue
        left, top, right, bottom = kept
        x0, y0, x1, y1 = padded(box, size)
        # What stays, and the strip that goes.
        candidates = (((x1, top, right, bottom), (left, top, x1, bottom)),
                      ((left, y1, right, bottom), (left, top, right, y1)),
                      ((left, top, x0, bottom), (x0, top, right, bottom)),
                      ((left, top, right, y0), (left, y0, right, bottom)))  # fmt: skip
        free = [stays for stays, strip in candidates if _share(drawn, strip, size) <= DRAWN]
        best = max(free, key=_area, default=(0, 0, 0, 0))
        if _area(best) >= (1 - most) * width * height:
            kept = best
    return kept


def _drawn(image: "Image", boxes: Sequence[Area]) -> "NDArray[Any]":
    """Where something is drawn that is none of these boxes: 1 there, 0 elsewhere, made smaller."""
    import cv2
    import numpy as np
    from PIL import Image

    scale = min(1.0, _GLANCE / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = image.convert("RGBA").resize(size, Image.Resampling.BOX)
    small = Image.alpha_composite(Image.new("RGBA", size, "white"), small)
    pixels = np.asarray(small.convert("RGB"))
    found = cv2.morphologyEx(pixels, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).max(axis=2)
    drawn: NDArray[Any] = (found > _LINE).astype(np.uint8)
    for box in boxes:
        left, top, right, bottom = (round(side * scale) for side in padded(box, image.size, 0.35))
        drawn[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = 0
    return drawn


def _share(drawn: "NDArray[Any]", area: Area, size: tuple[int, int]) -> float:
    """How much of an area is drawn upon, 0..1."""
    high, wide = drawn.shape[0] / size[1], drawn.shape[1] / size[0]
    left, top, right, bottom = area
    part = drawn[
        int(top * high) : -int(-bottom * high // 1), int(left * wide) : -int(-right * wide // 1)
    ]
    return float(part.mean()) if part.size else 0.0


def _least_loss(box: Area, size: tuple[int, int]) -> float:
    left, top, right, bottom = box
    width, height = size
    return min(right / width, bottom / height, 1 - left / width, 1 - top / height)


def _overlaps(box: Area, other: Area) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]


def _area(box: Area) -> int:
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])
