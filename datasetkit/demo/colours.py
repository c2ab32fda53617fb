"""Measures the colours of the demo's pictures: did the model paint the hair that was asked for?"""

from __future__ import annotations

import colorsys
from collections import Counter
from typing import TYPE_CHECKING

from datasetkit.demo.drawing import HAIR, HELD_OUT, RGB

if TYPE_CHECKING:
    from PIL import Image


def teal_share(picture: Image.Image) -> float:
    """The share (0 to 1) of clearly teal pixels, the held-out character's hair colour."""
    pixels = picture.convert("RGB").resize((64, 64)).tobytes()
    teal = 0
    for start in range(0, len(pixels), 3):
        red, green, blue = (value / 255 for value in pixels[start : start + 3])
        hue, light, strong = colorsys.rgb_to_hls(red, green, blue)
        teal += 0.42 < hue < 0.57 and strong > 0.25 and 0.22 < light < 0.72
    return teal / 4096


def hair_colour(picture: Image.Image) -> str:
    """The name of the hair colour: the palette's nearest, by votes of the pixels round the crown.

    Reads two patches left and right above the fringe of a square picture of one face; answers
    one of `HAIR` or "aqua".
    """
    small = picture.convert("RGB").resize((64, 64))
    palette: dict[str, RGB] = {**HAIR, "aqua": HELD_OUT["hair"]}
    votes: Counter[str] = Counter()
    for box in ((22, 14, 31, 20), (33, 14, 42, 20)):
        pixels = small.crop(box).tobytes()
        for start in range(0, len(pixels), 3):
            spot = pixels[start : start + 3]
            votes[min(palette, key=lambda name: _distance(palette[name], spot))] += 1
    return votes.most_common(1)[0][0]


def _distance(colour: RGB, spot: bytes) -> float:
    return sum((a - b) ** 2 for a, b in zip(colour, spot, strict=True))
