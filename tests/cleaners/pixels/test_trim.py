"""The trim stage: bars of every kind to the pixel, and no drawing trimmed to its figure."""

import io
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor, ImageDraw

from datasetkit.cleaners.pixels.trim import Trim
from datasetkit.demo import drawing
from datasetkit.pixels import Picture, read_header
from datasetkit.record import HAND, Record, Tag


def record(image: Image.Image, *tags: Tag) -> Record:
    return Record("1", Picture(Path("1.png"), image.size, painted=image), tags)


def scene(width: int, height: int, dark: bool = False) -> Image.Image:
    """Soft shades and discs, as a film frame or a painting has them."""
    rng = np.random.default_rng(5)
    shades = rng.integers(40, 220, (max(2, height // 40), max(2, width // 40), 3), np.uint8)
    image = Image.fromarray(shades).resize((width, height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for x, y in zip(rng.integers(0, width, 30), rng.integers(0, height, 30), strict=True):
        radius = int(rng.integers(10, min(width, height) // 5))
        colour = tuple(rng.integers(0, 256, 3).tolist())
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), colour, "black", 3)
    return image.point(lambda value: value // 4) if dark else image


def figure(width: int, height: int, ground: str = "white") -> Image.Image:
    """A head, and a dress whose hem is as straight as a bar's edge."""
    image = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(image)
    middle, hem = width // 2, height * 9 // 10
    pen.polygon(
        [(middle - 60, height // 3), (middle + 60, height // 3), (width * 9 // 10, hem),
         (width // 10, hem)],
        "navy", "black",
    )  # fmt: skip
    pen.ellipse((middle - 80, height // 10, middle + 80, height // 3 + 20), "bisque", "black", 4)
    return image


def framed(image: Image.Image, sides: tuple[int, int, int, int], colour="black") -> Image.Image:
    """An image with bars of (left, top, right, bottom) pixels around."""
    left, top, right, bottom = sides
    whole = Image.new(image.mode, (image.width + left + right, image.height + top + bottom), colour)
    whole.paste(image, (left, top))
    return whole


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def inner(image: Image.Image, sides: tuple[int, int, int, int]) -> list[int]:
    return [sides[0], sides[1], sides[0] + image.width, sides[1] + image.height]


@pytest.mark.parametrize("quality", [0, 75, 30])
@pytest.mark.parametrize("sides", [(0, 90, 0, 90), (120, 0, 117, 0), (50, 70, 33, 21)])
@pytest.mark.parametrize("colour", ["black", "white"])
def test_bars_go_to_the_pixel(sides, quality, colour):
    picture = scene(900, 640)
    whole = framed(picture, sides, colour)
    after = Trim()(record(as_jpeg(whole, quality) if quality else whole))
    box = after.facts["trim"]["box"]
    assert max(abs(a - b) for a, b in zip(box, inner(picture, sides), strict=True)) <= 1
    if not quality:
        assert after.picture.pixels.tobytes() == picture.tobytes()
        assert Trim()(after) is after


def test_bars_beside_a_dark_scene():
    sides = (0, 90, 0, 90)
    picture = scene(900, 640, dark=True)
    after = Trim()(record(as_jpeg(framed(picture, sides), 75)))
    assert after.facts["trim"]["box"] == inner(picture, sides)


def test_the_noisy_paper_of_a_scan():
    picture, sides = scene(640, 800), (60, 80, 55, 70)
    paper = np.asarray(framed(picture, sides, (244, 241, 233)), np.int16)
    noise = np.random.default_rng(1).normal(0, 4, paper.shape)
    scan = Image.fromarray((paper + noise).clip(0, 255).astype(np.uint8))
    after = Trim()(record(as_jpeg(scan, 80)))
    box = after.facts["trim"]["box"]
    assert max(abs(a - b) for a, b in zip(box, inner(picture, sides), strict=True)) <= 1


def test_bars_within_bars_are_all_gone_and_a_second_run_finds_none():
    whole = framed(framed(scene(700, 600), (20, 20, 20, 20)), (40, 50, 60, 70), "white")
    after = Trim()(record(whole))
    assert after.picture.size == (700, 600)
    again = record(after.picture.pixels)  # without the facts that say so
    assert Trim()(again) is again


def test_clear_margins_around_a_window():
    whole = Image.new("RGBA", (500, 400), (255, 0, 0, 0))  # red is hidden under what is clear
    whole.paste(scene(420, 300).convert("RGBA"), (30, 60))
    assert Trim()(record(whole)).facts["trim"]["box"] == [30, 60, 450, 360]


@pytest.mark.parametrize("ground", ["white", "black", "pink"])
@pytest.mark.parametrize("quality", [0, 50])
def test_a_figure_keeps_its_ground(ground, quality):
    image = figure(600, 900, ground)
    before = record(as_jpeg(image, quality) if quality else image)
    assert Trim()(before) is before


def test_a_figure_on_clear_ground_keeps_it():
    image = Image.new("RGBA", (300, 600), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((50, 80, 250, 560), "navy")
    before = record(image)
    assert Trim()(before) is before


@pytest.mark.parametrize("quality", [0, 85])
@pytest.mark.parametrize("side", [400, 1000])
@pytest.mark.parametrize(
    ("first", "last", "bent"),
    [
        ("white", "skyblue", 1),
        ("black", "navy", 1),
        ("black", "slateblue", 2),
        ("black", "white", 1),
    ],
)
def test_a_ground_that_fades_is_no_bar(first, last, bent, side, quality):
    ends = [np.array(ImageColor.getrgb(name)) for name in (first, last)]
    down = np.linspace(0, 1, side)[:, None, None] ** bent
    shades = (ends[0] * (1 - down) + ends[1] * down) * np.ones((1, side * 4 // 5, 1))
    ground = Image.fromarray(shades.astype(np.uint8))
    ImageDraw.Draw(ground).ellipse((side // 4, side // 2, side // 2, side), "bisque", "black", 4)
    for turn in range(4):
        image = ground.rotate(90 * turn, expand=True)
        before = record(as_jpeg(image, quality) if quality else image)
        assert Trim()(before) is before


def test_the_border_around_a_figures_ground_goes_and_no_more():
    after = Trim()(record(framed(figure(600, 900, "pink"), (40, 40, 40, 40), "white")))
    assert after.facts["trim"]["box"] == [40, 40, 640, 940]


@pytest.mark.parametrize(
    ("colour", "trimmed"), [("black", True), ("white", True), ("skyblue", False)]
)
def test_a_lone_bar_may_be_the_sky(colour, trimmed):
    after = Trim()(record(framed(scene(600, 500), (0, 150, 0, 0), colour)))
    assert ("trim" in after.facts) == trimmed


def test_no_side_gives_up_more_than_it_may(tmp_path):
    whole = framed(scene(600, 300), (0, 320, 0, 330))
    assert Trim(most=0.4)(record(whole)).picture.size == (600, 300)
    before = record(whole)
    assert Trim(most=0.3)(before) is before
    nested = framed(framed(scene(600, 500), (0, 100, 0, 100), "white"), (0, 150, 0, 150), "black")
    once = Trim(most=0.2)(record(nested))
    assert once.picture.size == (600, 700)
    path = tmp_path / "a.png"
    path.write_bytes(once.picture.content)
    again = replace(once, picture=Picture(path, once.picture.size))
    assert Trim(most=0.2)(again) is again


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (7, 5), (400, 300)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_plain_pictures_are_left(size, mode):
    before = record(Image.new(mode, size))
    assert Trim()(before) is before


def test_tags_of_the_bars_go_with_them():
    tags = [
        Tag("1girl"),
        Tag("letterboxed", by=("danbooru",)),
        Tag("white_border", by=("danbooru", "wd")),
        Tag("border", by=("wd",)),
        Tag("outside_border", by=("danbooru",)),
        Tag("pillarboxed", by=(HAND,)),
    ]
    after = Trim()(record(framed(scene(600, 400), (0, 60, 0, 60)), *tags))
    assert after.names == ("1girl", "outside_border", "pillarboxed")
    before = record(scene(600, 400), *tags)
    assert Trim()(before) is before


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_files(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    framed(scene(700, 500), (0, 90, 0, 80)).save(path, quality=92)
    before = Record("a", Picture(path, read_header(path)[1]))
    after = Trim()(before)
    left, top, right, bottom = after.facts["trim"]["box"]
    assert (left, right) == (0, 700)
    assert abs(top - 90) <= 1 and abs(bottom - 590) <= 1
    path.write_bytes(after.picture.content)
    again = Trim()(Record("a", Picture(path, read_header(path)[1])))
    assert again.picture.painted is None and "box" not in again.facts["trim"]


def test_another_picture_of_the_size_that_was_trimmed_is_looked_at(tmp_path):
    once = Trim()(record(framed(scene(600, 400), (0, 60, 0, 60))))
    path = tmp_path / "a.png"
    path.write_bytes(once.picture.content)
    as_left = replace(once, picture=Picture(path, (600, 400)))
    assert Trim()(as_left) is as_left
    framed(scene(600, 300), (0, 50, 0, 50)).save(path)  # put there by hand, of the same size
    assert Trim()(as_left).facts["trim"]["box"] == [0, 50, 600, 350]


def test_a_name_that_ends_in_border_is_no_bar():
    tags = [Tag("on_the_border", "artist", ("danbooru",)), Tag("border", by=("danbooru",))]
    after = Trim()(record(framed(scene(600, 400), (0, 60, 0, 60)), *tags))
    assert after.names == ("on_the_border",)


def test_a_file_without_bars_is_decoded_once(tmp_path):
    path = tmp_path / "a.png"
    scene(300, 200).save(path)
    once = Trim()(Record("a", Picture(path, (300, 200))))
    assert once.picture.painted is None
    again = replace(once, picture=Picture(path, (300, 200)))
    assert Trim()(again) is again
    assert again.picture._decoded is None
    assert "seen" in Trim(most=0.2)(again).facts["trim"]
    assert again.picture._decoded is not None
    framed(scene(300, 200), (0, 40, 0, 40)).save(path)  # painted over by hand
    over = replace(once, picture=Picture(path, (300, 280)))
    assert Trim()(over).facts["trim"]["box"] == [0, 40, 300, 240]


@pytest.mark.parametrize("seed", range(8))
def test_drawn_characters_are_never_cut_into(seed):
    image = drawing.draw(drawing.random_traits(random.Random(seed)), seed, (300, 400))[0]
    before = record(image.convert("RGB"))
    assert Trim()(before) is before
    sides = (20, 30, 25, 15)
    after = Trim()(record(framed(image.convert("RGB"), sides, "gray")))
    left, top, right, bottom = after.facts.get("trim", {}).get("box", [0, 0, 345, 445])
    assert left <= 20 and top <= 30 and right >= 320 and bottom >= 430


PAIRS = [
    ((0, 60, 0, 0), {"letterboxed", "pillarboxed", "windowboxed", "border", "white_border"}),
    ((60, 0, 0, 60), {"letterboxed", "pillarboxed", "windowboxed", "border", "white_border"}),
    ((0, 60, 0, 60), {"pillarboxed", "windowboxed"}),
    ((60, 0, 60, 0), {"letterboxed", "windowboxed"}),
    ((40, 60, 60, 40), set()),
]


@pytest.mark.parametrize(("sides", "kept"), PAIRS)
def test_bars_of_which_one_stays_keep_their_tag(sides, kept):
    names = ("letterboxed", "pillarboxed", "windowboxed", "border", "white_border")
    after = Trim()(
        record(framed(scene(600, 400), sides), *(Tag(name, by=("danbooru",)) for name in names))
    )
    assert after.picture.size == (600, 400)
    assert set(after.names) == kept


def test_a_bar_with_a_subtitle_keeps_letterboxed():
    whole = framed(scene(600, 400), (0, 60, 0, 60))
    pen = ImageDraw.Draw(whole)
    for x in range(150, 450, 12):
        pen.rectangle((x, 480, x + 6, 500), "white")
    after = Trim()(record(whole, Tag("letterboxed", by=("wd",)), Tag("1girl")))
    assert after.facts["trim"]["box"] == [0, 60, 600, 520]
    assert after.names == ("letterboxed", "1girl")
