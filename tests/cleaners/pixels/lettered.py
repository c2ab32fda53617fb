"""Pictures with words on them, and what the text stage found there."""

import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from datasetkit.cleaners.pixels import text_finder
from datasetkit.content import content_print
from datasetkit.demo.drawing import draw, random_traits
from datasetkit.pixels import Picture
from datasetkit.record import Record, Tag

SIZE = (600, 800)


def record(image: Image.Image, *names: str, key: str = "1") -> Record:
    tags = tuple(Tag(name, by=("danbooru",)) for name in names)
    return Record(key, Picture(Path(f"{key}.png"), image.size, painted=image), tags)


def figure(seed: int = 1, size: tuple[int, int] = SIZE) -> Image.Image:
    return draw(random_traits(random.Random(seed)), seed, size)[0].convert("RGB")


def written(
    image: Image.Image, words: str, at: tuple[int, int], high: int = 28, ink: object = (60, 60, 60)
) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """The picture with words on it, and the box in which they are."""
    image = image.copy()
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(high)
    pen.text(at, words, font=font, fill=ink)
    left, top, right, bottom = pen.textbbox(at, words, font=font)
    return image, (int(left), int(top), int(right), int(bottom))


def bubble(image: Image.Image, words: str, box: tuple[int, int, int, int]) -> Image.Image:
    image = image.copy()
    pen = ImageDraw.Draw(image)
    pen.ellipse(box, "white", "black", 4)
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    pen.text(middle, words, font=ImageFont.load_default(30), fill="black", anchor="mm")
    return image


def holds(outer: object, inner: tuple[int, int, int, int], loose: int = 4) -> bool:
    left, top, right, bottom = outer  # type: ignore[misc]
    return (
        left <= inner[0] + loose
        and top <= inner[1] + loose
        and right >= inner[2] - loose
        and bottom >= inner[3] - loose
    )


def kinds(after: Record) -> list[str]:
    return [item["kind"] for item in after.facts["text"]["found"] if item["kind"]]


def scribble(kind: str, seed: int) -> Image.Image:
    """A busy drawing in which nothing is written."""
    rng = random.Random(seed)
    width, height = SIZE
    image = Image.new("RGB", SIZE, (225, 215, 200))
    pen = ImageDraw.Draw(image)
    for _ in range({"hair": 200, "grass": 900, "buttons": 130}.get(kind, 0)):
        x, y = rng.randrange(width), rng.randrange(height)
        if kind == "hair":
            turn = rng.randrange(360)
            box = (x, y, x + rng.randrange(20, 160), y + rng.randrange(20, 200))
            pen.arc(box, turn, turn + 200, (80, 40, 20), 3)
        elif kind == "grass":
            pen.line((x, y, x + rng.randrange(-6, 7), y - 20), (30, rng.randrange(90, 200), 40), 2)
        else:
            side = rng.randrange(6, 26)
            pen.ellipse((x, y, x + side, y + side), outline="black", width=2)
    for y in range(0, height, {"hatch": 9, "bricks": 40, "frills": 90}.get(kind, height)):
        for x in range(0, width, {"hatch": 60, "bricks": 90, "frills": 24}.get(kind, width)):
            if kind == "hatch" and rng.random() < 0.6:
                pen.line((x, y, x + 40, y + rng.randrange(-5, 5)), (20, 20, 20), 2)
            elif kind == "bricks":
                left = x - 45 * (y // 40 % 2)
                pen.rectangle((left, y, left + 84, y + 35), (170, 90, 70), (60, 30, 20))
            elif kind == "frills":
                pen.arc((x, y, x + 24, y + 30), 0, 180, "black", 3)
    return image


def looked_at(image: Image.Image, words: str, box: tuple[int, int, int, int]) -> dict[str, object]:
    """The facts of a look that found one line."""
    found = [{"box": list(box), "score": 0.99, "words": words}]
    seen = {"print": content_print(Picture(Path("1.png"), image.size, painted=image))}
    look = {"size": list(image.size), "version": text_finder.VERSION, "closely": True}
    return {**seen, **look, "found": found}
