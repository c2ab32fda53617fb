"""Draws the demo's cartoon characters, so that no picture in the demo is anybody else's.

Every picture is a pure function of its traits, its seed and its size: the same call gives the
same bytes of pixels on every machine with the same Pillow.
"""

from __future__ import annotations

import colorsys
import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

RGB = tuple[int, int, int]
Points = list[tuple[float, float]]

HAIR: dict[str, RGB] = {
    "black": (44, 42, 54),
    "brown": (128, 82, 50),
    "blonde": (246, 211, 100),
    "red": (204, 46, 48),
    "pink": (248, 150, 188),
    "purple": (132, 80, 182),
    "white": (236, 236, 244),
    "blue": (58, 96, 206),
}
EYES: dict[str, RGB] = {
    "blue": (46, 108, 220),
    "green": (62, 158, 48),
    "brown": (122, 74, 38),
    "red": (208, 38, 48),
    "purple": (136, 62, 192),
}
BACKGROUNDS: dict[str, RGB] = {
    "white": (250, 250, 250),
    "grey": (168, 170, 176),
    "pink": (252, 208, 220),
    "blue": (168, 200, 248),
    "yellow": (252, 234, 158),
    "red": (214, 92, 88),
}
SHIRTS: dict[str, RGB] = {
    "white": (244, 244, 248),
    "black": (52, 52, 62),
    "red": (196, 50, 60),
    "blue": (52, 84, 178),
}
STYLES: dict[str, tuple[str, ...]] = {
    "short": ("short_hair",),
    "long": ("long_hair",),
    "twintails": ("long_hair", "twintails"),
}
MOUTHS: dict[str, tuple[str, ...]] = {
    "smile": ("smile", "closed_mouth"),
    "open": ("open_mouth",),
    "straight": (":|", "closed_mouth"),
}
ACCESSORIES = ("glasses", "hair_flower", "earrings", "necktie", "blush")

# What only the held-out character has: a base that never saw these cannot paint her by luck.
HELD_OUT: dict[str, RGB] = {
    "hair": (32, 188, 180),
    "streak": (255, 128, 150),
    "shirt": (246, 146, 46),
}
SKIN: RGB = (255, 226, 204)
INK: RGB = (62, 44, 52)


@dataclass(frozen=True)
class Traits:
    """What one drawn character looks like; names are keys of this module's palettes."""

    hair: str = "brown"
    eyes: str = "brown"
    background: str = "white"
    shirt: str = "white"
    style: str = "short"
    mouth: str = "smile"
    accessories: frozenset[str] = frozenset()
    streaked: bool = False
    transparent: bool = False
    character: str = ""
    colours: Mapping[str, RGB] = field(default_factory=dict)
    """Overrides by part (hair, streak, eyes, shirt, background), for colours without a name."""

    def tags(self) -> list[str]:
        """The booru tags of this drawing: the character first when it has a name."""
        found = [self.character] if self.character else []
        found += ["1girl", "solo", f"{self.hair}_hair", *STYLES[self.style], f"{self.eyes}_eyes"]
        found += ["multicolored_hair", "streaked_hair"] if self.streaked else []
        found += [*MOUTHS[self.mouth], f"{self.shirt}_shirt"]
        found += [name for name in ACCESSORIES if name in self.accessories]
        if self.transparent:
            return [*found, "transparent_background"]
        return [*found, f"{self.background}_background", "simple_background"]

    def colour(self, part: str) -> RGB:
        """The plain colour of a part, before jitter."""
        named = {
            "hair": {**HAIR, "aqua": HELD_OUT["hair"]}.get(self.hair, HELD_OUT["hair"]),
            "streak": HELD_OUT["streak"],
            "eyes": EYES[self.eyes],
            "shirt": {**SHIRTS, "orange": HELD_OUT["shirt"]}[self.shirt],
            "background": BACKGROUNDS[self.background],
        }
        return self.colours.get(part, named[part])


KIRARA = Traits("aqua", "purple", shirt="orange", style="long", streaked=True, character="kirara")
CHARACTERS: dict[str, Traits] = {
    "kirara": KIRARA,
    "kohaku": Traits("blonde", "green", shirt="blue", style="short", character="kohaku"),
    "sumire": Traits("purple", "red", shirt="white", style="twintails", character="sumire"),
    "akane": Traits("red", "brown", shirt="black", style="long", character="akane"),
}


def random_traits(rng: random.Random, character: str = "") -> Traits:
    """Traits drawn by lot; a named character keeps its hair, eyes, shirt and style."""
    known = CHARACTERS.get(character)
    fixed = known or Traits(
        hair=rng.choice(list(HAIR)),
        eyes=rng.choice(list(EYES)),
        shirt=rng.choice(list(SHIRTS)),
        style=rng.choice(list(STYLES)),
    )
    return replace(
        fixed,
        background=rng.choice(list(BACKGROUNDS)),
        mouth=rng.choice(list(MOUTHS)),
        accessories=frozenset(name for name in ACCESSORIES if rng.random() < 0.25),
    )


def draw(
    subject: Traits | str,
    seed: int,
    size: tuple[int, int] = (64, 64),
    *,
    smooth: int = 0,
) -> tuple[Image.Image, list[str]]:
    """Draw a character (a name of `CHARACTERS` or traits) and return the picture and its tags.

    size is (width, height) in pixels of an RGB picture, or RGBA when the traits say transparent.
    smooth is the supersampling factor; 0 means 4 for small pictures and 2 for large ones.
    A name leaves mouth, background and accessories to the seed.
    """
    from PIL import Image

    rng = random.Random(f"{seed}")
    traits = random_traits(rng, subject) if isinstance(subject, str) else subject
    smooth = smooth or (4 if min(size) <= 256 else 2)
    canvas = (size[0] * smooth, size[1] * smooth)
    paint = {part: _jitter(traits.colour(part), rng) for part in
             ("hair", "streak", "eyes", "shirt", "background")}  # fmt: skip
    if traits.transparent:
        picture = Image.new("RGBA", canvas, (*paint["shirt"], 0))
    else:
        picture = Image.new("RGB", canvas, paint["background"])
    pen = _Pen(picture, rng)
    _back_hair(pen, traits, paint)
    _body(pen, traits, paint)
    _face(pen, traits, paint)
    _front_hair(pen, traits, paint)
    _trimmings(pen, traits, paint)
    return picture.reduce(smooth), traits.tags()


class _Pen:
    """Draws in units of 1/64 of the shorter side, origin in the middle, y downwards."""

    def __init__(self, picture: Image.Image, rng: random.Random) -> None:
        from PIL import ImageDraw

        width, height = picture.size
        self.unit = min(width, height) / 64 * rng.uniform(0.98, 1.13)
        self.turn = math.radians(rng.uniform(-5, 5))
        slack = (max(width / height, 1) - 1) * 16
        self.x = width / 2 + self.unit * rng.uniform(-2.5 - slack, 2.5 + slack)
        self.y = height / 2 + self.unit * rng.uniform(-2.5, 1)
        self.bottom = (height - self.y) / self.unit + 8
        self.on = ImageDraw.Draw(picture)

    def _place(self, points: Iterable[tuple[float, float]]) -> Points:
        cos, sin = math.cos(self.turn) * self.unit, math.sin(self.turn) * self.unit
        return [(self.x + x * cos - y * sin, self.y + x * sin + y * cos) for x, y in points]

    def fill(
        self, points: Points, colour: RGB, edge: RGB | None = None, width: float = 0.7
    ) -> None:
        placed = self._place(points)
        self.on.polygon(placed, fill=colour)
        if edge:
            thick = max(1, round(width * self.unit))
            self.on.line([*placed, *placed[:2]], fill=edge, width=thick, joint="curve")

    def line(self, points: Points, colour: RGB, width: float) -> None:
        thick = max(1, round(width * self.unit))
        placed = self._place(points)
        self.on.line(placed, fill=colour, width=thick, joint="curve")
        for x, y in (placed[0], placed[-1]):
            r = thick / 2
            self.on.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def _jitter(colour: RGB, rng: random.Random) -> RGB:
    """A slightly different shade of the same named colour."""
    hue, light, strong = colorsys.rgb_to_hls(*(value / 255 for value in colour))
    hue = (hue + rng.uniform(-0.012, 0.012)) % 1
    light = min(0.99, max(0.08, light + rng.uniform(-0.03, 0.03)))
    strong = min(1.0, strong * rng.uniform(0.92, 1.08))
    return _rgb(colorsys.hls_to_rgb(hue, light, strong))


def _rgb(values: tuple[float, float, float]) -> RGB:
    red, green, blue = (round(255 * value) for value in values)
    return red, green, blue


def _mix(one: RGB, other: RGB, share: float) -> RGB:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _round(x: float, y: float, rx: float, ry: float, start: float = 0, end: float = 360) -> Points:
    """An ellipse or, with angles in degrees (0 right, 90 down), an arc of one."""
    turns = (math.radians(start + (end - start) * step / 32) for step in range(33))
    return [(x + rx * math.cos(turn), y + ry * math.sin(turn)) for turn in turns]


def _smooth(corners: Points, closed: bool = True) -> Points:
    """A Catmull-Rom curve through the corners."""
    ends = (corners[-1:], corners[:2]) if closed else (corners[:1], corners[-1:])
    around = [*ends[0], *corners, *ends[1]]
    curve: Points = []
    for a, b, c, d in zip(around, around[1:], around[2:], around[3:], strict=False):
        for step in range(8):
            t = step / 8
            curve.append((_spline(a[0], b[0], c[0], d[0], t), _spline(a[1], b[1], c[1], d[1], t)))
    return curve if closed else [*curve, corners[-1]]


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t
                  + (3 * b - a - 3 * c + d) * t**3)  # fmt: skip


def _mirror(half: Points) -> Points:
    """Closes a right half, listed from top to bottom, with its left twin."""
    return half + [(-x, y) for x, y in reversed(half) if x]


def _flip(points: Points, side: int) -> Points:
    return [(x * side, y) for x, y in points]


def _back_hair(pen: _Pen, traits: Traits, paint: Mapping[str, RGB]) -> None:
    deep, edge = _mix(paint["hair"], INK, 0.2), _mix(paint["hair"], INK, 0.55)
    cap: Points = [(0, -20.5), (9, -18.8), (15.6, -12), (17.2, -1)]
    if traits.style == "long":
        shape = _mirror([*cap, (19, 13), (21.5, 27), (16, 31), (0, 30)])
    else:
        shape = _mirror([*cap, (16.2, 8), (12.5, 13.5), (0, 11)])
    if traits.style == "twintails":
        tail: Points = [(14, -10), (19, -13), (25, -7), (27.3, 7), (24, 26), (20.5, 19), (17.8, 6)]
        for side in (1, -1):
            pen.fill(_smooth(_flip(tail, side)), paint["hair"], edge)
            inner = _smooth(_flip([(19.5, -7), (23, 3), (23.4, 17)], side), closed=False)
            pen.line(inner, deep, 0.9)
    pen.fill(_smooth(shape), deep, edge)


def _body(pen: _Pen, traits: Traits, paint: Mapping[str, RGB]) -> None:
    shirt, shade = paint["shirt"], _mix(paint["shirt"], INK, 0.45)
    torso: Points = [(4.6, 16.8), (9, 18.6), (17, 20.8), (22, 25), (24.5, 34), (25.5, pen.bottom)]
    right = _smooth(torso, closed=False)
    pen.fill(_mirror(right), shirt, shade)
    for side in (1, -1):
        pen.line(_flip([(15.5, 28), (16.5, pen.bottom)], side), shade, 0.7)
    pen.fill(_mirror([(4.4, 9), (4.4, 16.5), (5.4, 18), (0, 25)]), _mix(SKIN, (214, 140, 120), 0.4))
    collar: Points = [(4.6, 15.8), (7.6, 18), (6.2, 25.5), (0, 23.2)]
    if "necktie" in traits.accessories:
        tie = _mix(INK, (70, 60, 130), 0.5) if traits.shirt != "black" else (196, 172, 80)
        pen.fill(_mirror([(1.7, 22), (1.3, 25), (2.8, 34), (0, 38)]), tie, _mix(tie, INK, 0.5))
    for side in (1, -1):
        pen.fill(_flip(collar, side), _mix(shirt, (255, 255, 255), 0.35), shade, 0.6)


def _face(pen: _Pen, traits: Traits, paint: Mapping[str, RGB]) -> None:
    blush, edge = _mix(SKIN, (244, 110, 110), 0.55), _mix(SKIN, (150, 80, 70), 0.6)
    half: Points = [(0, -16), (7, -14.5), (12, -8), (12.6, -1), (11, 6), (6.2, 11.6), (0, 14.2)]
    for side in (1, -1):
        pen.fill(_round(12.6 * side, 1.5, 2, 3.2), SKIN, edge, 0.5)
    pen.fill(_smooth(_mirror(half)), SKIN, edge, 0.6)
    for side in (1, -1):
        if "blush" in traits.accessories:
            pen.fill(_round(8 * side, 6.2, 2.6, 1.5), blush)
        _eye(pen, 5.7 * side, paint["eyes"], side)
    pen.line([(0.2, 4.6), (-0.3, 5.6), (0.3, 5.8)], edge, 0.45)
    if traits.mouth == "open":
        lip = _smooth([(-3, 8.2), (0, 7.8), (3, 8.2), (1.8, 11), (0, 11.7), (-1.8, 11)])
        pen.fill(lip, (150, 40, 50), INK, 0.5)
        pen.fill(_round(0, 10.7, 1.5, 0.8), (240, 120, 120))
    elif traits.mouth == "smile":
        pen.line(_round(0, 7, 3.6, 2.9, 25, 155), INK, 0.75)
    else:
        pen.line([(-2.4, 9), (2.4, 9)], INK, 0.75)


def _eye(pen: _Pen, x: float, colour: RGB, side: int) -> None:
    dark, pale = _mix(colour, INK, 0.62), _mix(colour, (255, 255, 255), 0.42)
    pen.fill(_round(x, 0.9, 3.3, 3.5), (255, 255, 255))
    pen.fill(_round(x - 0.2 * side, 1, 2.55, 3.35), colour, dark, 0.35)
    pen.fill(_round(x - 0.2 * side, 2.6, 1.7, 1.4), pale)
    pen.fill(_round(x - 0.2 * side, 0.7, 1.05, 1.6), dark)
    pen.fill(_round(x - 1.1, -0.8, 0.85, 0.95), (255, 255, 255))
    lash: Points = [(2.2, 0.2), (3.2, -2), (5.9, -3.1), (8.4, -1.8), (9.5, -0.4)]
    pen.line(_smooth(_flip(lash, side), closed=False), INK, 0.85)


def _front_hair(pen: _Pen, traits: Traits, paint: Mapping[str, RGB]) -> None:
    hair, edge = paint["hair"], _mix(paint["hair"], INK, 0.55)
    shine, deep = _mix(hair, (255, 255, 255), 0.38), _mix(hair, INK, 0.28)
    top = _smooth([(-16.9, 0), (-15.6, -11.5), (-9, -18.8), (0, -20.6), (9, -18.8), (15.6, -11.5),
                   (16.9, 0)], closed=False)  # fmt: skip
    tips: Points = [(14.6, 9.8), (10.6, -3.6), (4.6, -2.6), (-2.4, -3), (-9.2, -2.8), (-14.6, 9.8)]
    roots: Points = [(12.2, -1.5), (8.3, -8.2), (1.4, -8.8), (-5.4, -8.6), (-12.2, -1.5)]
    fringe: Points = []
    for tip, root, after in zip(tips, roots, tips[1:], strict=False):
        fringe += _smooth([tip, root, after], closed=False)
    if traits.style == "long":
        lock: Points = [(13.4, -4), (16.9, 0), (18.2, 14), (16.4, 29), (13.6, 22), (12.6, 8)]
        for side in (1, -1):
            pen.fill(_smooth(_flip(lock, side)), hair, edge)
    pen.fill([*top, *fringe], hair, edge)
    gleam = [*_round(0, -7.6, 12.4, 6.6, 198, 252), *reversed(_round(0, -6.8, 12.1, 5.3, 198, 252))]
    for side in (1, -1):
        pen.fill(_flip(gleam, side), shine)
        pen.line(_smooth([(1.6 * side, -18), (4 * side, -15), (5.6 * side, -11)], False), deep, 0.5)
        pen.line(_smooth([(12.6 * side, -11), (14.6 * side, -4), (15 * side, 2)], False), deep, 0.5)
        brow = _smooth(_flip([(3.6, -4.9), (6.2, -5.7), (8.8, -4.6)], side), closed=False)
        pen.line(brow, _mix(hair, INK, 0.6), 0.55)
    if traits.streaked:
        streak, rim = paint["streak"], _mix(paint["streak"], INK, 0.4)
        front = _smooth([(4.6, -2.6), (3.2, -8.6), (2.6, -14), (2.2, -20.4)], closed=False)
        back = _smooth([(8.4, -19), (9.8, -14), (8.6, -8.4), (4.6, -2.6)], closed=False)
        pen.fill([*front, *back], streak, rim, 0.5)
        if traits.style == "long":
            pen.fill(_smooth([(-14, 2), (-16.8, 8), (-16.8, 24), (-14.4, 18)]), streak)


def _trimmings(pen: _Pen, traits: Traits, paint: Mapping[str, RGB]) -> None:
    worn = traits.accessories
    if traits.style == "twintails":
        for side in (1, -1):
            pen.fill(_round(16.4 * side, -11, 2.2, 2.8), (250, 246, 236), INK, 0.5)
    if "glasses" in worn:
        for side in (1, -1):
            pen.line(_round(5.9 * side, 1, 4.5, 4.5), (48, 40, 56), 0.95)
            pen.line(_flip([(10.4, 0.4), (13, -0.6)], side), (48, 40, 56), 0.8)
        pen.line([(-1.4, 0.4), (1.4, 0.4)], (48, 40, 56), 0.8)
    if "earrings" in worn:
        for side in (1, -1):
            pen.fill(_round(13.4 * side, 7.4, 1.6, 2.3), (250, 206, 60), (150, 100, 30), 0.5)
    if "hair_flower" in worn:
        for petal in range(5):
            turn = math.radians(petal * 72)
            x, y = -11.5 + 2.5 * math.cos(turn), -13 + 2.5 * math.sin(turn)
            pen.fill(_round(x, y, 2, 2), (255, 250, 240), (206, 120, 140), 0.45)
        pen.fill(_round(-11.5, -13, 1.6, 1.6), (250, 190, 60))
