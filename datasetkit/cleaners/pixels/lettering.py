"""What a line of text is: a signature, a watermark, words in a bubble, or some other text.

Decided by the words, the place, the size, and what the picture's tags say of it.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from datasetkit.cleaners.pixels.text_finder import Line
from datasetkit.masks import Area
from datasetkit.tags import matches

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

Size: TypeAlias = tuple[int, int]

SIGNATURE, WATERMARK, BUBBLE, TEXT = KINDS = ("signature", "watermark", "bubble", "text")

# The tags that speak of each kind, by which a line is told and which go when it goes.
TAGS = {
    SIGNATURE: (
        "signature", "artist_name", "artist_logo", "dated", "artist_self-reference", "username",
        "*_username",
    ),
    WATERMARK: ("watermark", "*_watermark", "web_address", "copyright_notice"),
    BUBBLE: ("speech_bubble", "thought_bubble", "*_in_speech_bubble", "spoken_*"),
    TEXT: (
        "text", "*_text", "dialogue_box", "subtitled", "sound_effects", "character_name",
        "copyright_name", "song_name", "title",
    ),
}  # fmt: skip
NAMES = ("username", "*_username")  # which stand in a watermark as well, and go with it
NO_TEXT = "no_text"
# What is written on a thing that is drawn, and belongs to it.
WRITTEN_ON = ("clothes_writing", "*_writing", "*_print", "sign", "poster", "book", "newspaper")

_ADDRESS = re.compile(
    r"www\.|https?:|\.(com|net|org|jp|moe|art|info)\b|©|\(c\)|patreon|pixiv|fanbox"
    r"|twitter|gumroad|sample|do not (repost|use)",
    re.IGNORECASE,
)
_HANDLE = re.compile(r"[@＠]\s?\w")  # how many an artist signs
SMALL = 0.06  # of the longer side: how high the letters of a signature are at most
WIDE = 0.5  # of a side: how long a signature is at most
EDGE = 0.14  # of a side: how far from the edge a signature's middle is at most
LIGHT = 200  # of 255: a bubble's ground is no darker
MOST = 0.35  # of the picture: a bubble is no larger
_GLANCE = 640  # pixels of the long side on which a bubble's outline is followed


def spoken_of(names: Iterable[str], kind: str) -> bool:
    """Say whether tags tell of lettering of this kind."""
    return any(speaks(name, kind) for name in names)


def speaks(name: str, kind: str) -> bool:
    """Say whether a tag tells of lettering of this kind."""
    return name != NO_TEXT and any(matches(name, pattern) for pattern in TAGS[kind])


def goes_with(name: str, kind: str) -> bool:
    """Say whether a tag goes when all lettering of this kind is gone."""
    if speaks(name, kind):
        return True
    return kind == WATERMARK and any(matches(name, pattern) for pattern in NAMES)


def told(names: Iterable[str]) -> frozenset[str]:
    """The kinds of lettering that tags tell of."""
    names = tuple(names)
    return frozenset(kind for kind in KINDS if spoken_of(names, kind))


def kind_of(line: Line, ground: Area | None, size: Size, names: Collection[str]) -> str:
    """What a line is: one of KINDS.

    ``ground`` is the closed light area in which it stands, if any; ``names`` are the tags.
    """
    said = told(names)
    handle = bool(_HANDLE.search(line.words))
    if handle and _signs(line, size, said):
        return WATERMARK if WATERMARK in said and SIGNATURE not in said else SIGNATURE
    if handle or _ADDRESS.search(line.words):
        return WATERMARK
    on_a_thing = any(matches(name, pattern) for name in names for pattern in WRITTEN_ON)
    if ground and (BUBBLE in said or not (on_a_thing or _well_tagged(names))):
        return BUBBLE
    if _signs(line, size, said):
        return WATERMARK if WATERMARK in said and SIGNATURE not in said else SIGNATURE
    if WATERMARK in said and not said & {TEXT, BUBBLE} and not on_a_thing:
        return WATERMARK
    return TEXT


def _well_tagged(names: Collection[str]) -> bool:
    """Say whether a bubble would have been mentioned: somebody looked at the whole picture."""
    return len(names) >= 8


def _signs(line: Line, size: Size, said: Collection[str]) -> bool:
    """Say whether a line is as small, and as near to an edge, as signatures are."""
    left, top, right, bottom = line.box
    width, height = size
    if line.height > SMALL * max(size) or right - left > WIDE * width:
        return False
    if bottom - top > WIDE * height:
        return False
    x, y = (left + right) / 2 / width, (top + bottom) / 2 / height
    reach = EDGE * (2 if SIGNATURE in said else 1)
    # A line's own length is no distance: its end at the right edge makes it stand there.
    x_room = min(left / width, 1 - right / width, x, 1 - x)
    return min(x_room, y, 1 - y) <= reach and (SIGNATURE in said or min(y, 1 - y) <= 2 * EDGE)


def grounds(image: "Image", lines: Sequence[Line]) -> list[Area | None]:
    """For each line the box of the closed, even, light area in which it stands, None without one.

    The area is followed from beside the line to its outline; what reaches the picture's edge is
    no bubble but the background.
    """
    import numpy as np

    if not lines:
        return []
    image = image.convert("RGBA") if image.mode != "RGB" else image
    scale = min(1.0, _GLANCE / max(image.size))
    small = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    opaque = image
    if image.mode == "RGBA":
        from PIL import Image

        opaque = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    gray = np.asarray(opaque.convert("L").resize(small)).copy()
    return [_ground(gray, line, scale, image.size) for line in lines]


def _ground(gray: "NDArray[Any]", line: Line, scale: float, size: Size) -> Area | None:
    import cv2
    import numpy as np

    height, width = gray.shape
    gap = max(1, round(line.height * scale * 0.1))
    left, top = (max(0, int(side * scale) - gap) for side in line.box[:2])
    right = min(width, int(line.box[2] * scale) + gap + 1)
    bottom = min(height, int(line.box[3] * scale) + gap + 1)
    block = gray[top:bottom, left:right]
    if min(block.shape) < 3:
        return None
    tone = int(np.percentile(block, 80))  # letters are dark, and less than their ground
    rim = np.zeros(block.shape, bool)
    rim[0], rim[-1], rim[:, 0], rim[:, -1] = True, True, True, True
    seeds = np.argwhere(rim & (np.abs(block.astype(int) - tone) <= 6))
    if tone < LIGHT or len(seeds) < 0.5 * rim.sum():
        return None
    y, x = seeds[len(seeds) // 2]
    mask = np.zeros((height + 2, width + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (255 << 8)
    _, _, _, found = cv2.floodFill(gray, mask, (int(left + x), int(top + y)), 0, 12, 12, flags)
    x0, y0, wide, high = found
    at_edge = x0 <= 0 or y0 <= 0 or x0 + wide >= width or y0 + high >= height
    if at_edge or wide * high > MOST * width * height:
        return None
    middle = (line.box[0] + line.box[2]) / 2 * scale, (line.box[1] + line.box[3]) / 2 * scale
    if not (x0 <= middle[0] <= x0 + wide and y0 <= middle[1] <= y0 + high):
        return None
    return (
        int(x0 / scale), int(y0 / scale),
        min(size[0], int((x0 + wide) / scale) + 1), min(size[1], int((y0 + high) / scale) + 1),
    )  # fmt: skip
