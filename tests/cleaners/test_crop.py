"""The crop stage: exact limits, one-pixel strips, and which part of a long picture is kept."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image, ImageDraw

from datasetkit.cleaners.crop import Crop
from datasetkit.pixels import Picture
from datasetkit.record import Record


def painted(image: Image.Image) -> Record:
    return Record("1", Picture(Path("1.png"), image.size, painted=image))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((3000, 1000), (3000, 1000)),
        ((1000, 3000), (1000, 3000)),
        ((3002, 1000), (3000, 1000)),
        ((1000, 3002), (1000, 3000)),
        ((1, 4000), (1, 3)),
        ((4000, 1), (3, 1)),
        ((1, 3), (1, 3)),
        ((1, 1), (1, 1)),
        ((7, 22), (7, 21)),
    ],
)
def test_sides(size, expected):
    before = painted(Image.new("RGB", size, "red"))
    after = Crop()(before)
    assert after.picture.size == after.picture.pixels.size == expected
    assert (after is before) == (size == expected)


def test_a_picture_within_the_ratio_is_never_opened():
    before = Record("1", Picture(Path("does not exist.png"), (300, 100)))
    assert Crop()(before) is before


@given(
    width=some.integers(1, 300),
    height=some.integers(1, 300),
    ratio=some.floats(1, 8) | some.sampled_from([1.0, 1.1, 2.3, 3.0]),
)
def test_any_size_ends_within_the_ratio_and_stays_there(width, height, ratio):
    after = Crop(ratio)(painted(Image.new("RGB", (width, height))))
    long, short = max(after.picture.size), min(after.picture.size)
    assert short == min(width, height)
    assert long <= short * ratio + 1e-6
    assert long == max(width, height) or long + 1 > short * ratio - 1e-6
    assert Crop(ratio)(after) is after


def drawing(size: tuple[int, int], box: tuple[int, int, int, int], mode: str = "RGB"):
    image = Image.new(mode, size, "white" if mode == "RGB" else (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    for x in range(box[0], box[2], 10):
        draw.line((x, box[1], x, box[3]), "black", 3)
    for y in range(box[1], box[3], 10):
        draw.line((box[0], y, box[2], y), "black", 3)
    return image


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((100, 600), (10, 340, 90, 590)),
        ((100, 600), (10, 10, 90, 250)),
        ((600, 100), (340, 10, 590, 90)),
        ((600, 100), (10, 10, 250, 90)),
        ((600, 100), (180, 10, 420, 90)),
    ],
)
def test_what_is_drawn_is_kept(size, box, mode):
    after = Crop()(painted(drawing(size, box, mode)))
    left, top, right, bottom = after.facts["crop"]["box"]
    covered = min(right, box[2]) - max(left, box[0]), min(bottom, box[3]) - max(top, box[1])
    assert covered[0] >= 0.9 * (box[2] - box[0])
    assert covered[1] >= 0.9 * (box[3] - box[1])
    assert after.facts["crop"]["of"] == list(size)


def test_a_tall_figure_keeps_its_head():
    image = drawing((100, 400), (10, 0, 90, 400))
    assert Crop()(painted(image)).facts["crop"]["box"] == [0, 0, 100, 300]


def test_a_wide_scene_keeps_its_middle():
    image = drawing((400, 100), (0, 10, 400, 90))
    left, _, right, _ = Crop()(painted(image)).facts["crop"]["box"]
    assert abs((left + right) / 2 - 200) <= 3


def test_an_empty_picture_keeps_its_top_or_middle():
    assert Crop()(painted(Image.new("RGB", (10, 90)))).facts["crop"]["box"] == [0, 0, 10, 30]
    assert Crop()(painted(Image.new("RGB", (90, 10)))).facts["crop"]["box"] == [30, 0, 60, 10]


def test_the_kept_pixels_are_those_of_the_box():
    image = Image.linear_gradient("L").convert("RGB").resize((50, 256))
    after = Crop(2)(painted(image))
    assert after.picture.pixels.tobytes() == image.crop(after.facts["crop"]["box"]).tobytes()
