"""PNG files of our own: the pixels come back, from any size and mode, and from any reader."""

import io

import numpy as np
import pytest
from PIL import Image

from datasetkit.pixels import encode
from datasetkit.png import KINDS, png
from tests.picture_files import scene


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (3, 5), (640, 479), (1201, 900)])
@pytest.mark.parametrize("mode", KINDS)
def test_every_pixel_comes_back(mode, size):
    values = np.random.default_rng(1).integers(0, 256, (*reversed(size), 4), np.uint8)
    image = Image.fromarray(values).convert(mode) if mode != "RGBA" else Image.fromarray(values)
    content = png(image)
    read = Image.open(io.BytesIO(content))
    assert (read.format, read.mode, read.size, read.info) == ("PNG", mode, size, {})
    assert read.tobytes() == image.tobytes()
    Image.open(io.BytesIO(content)).verify()  # the check sums


def test_a_row_longer_than_a_band():
    image = scene((100_000, 3))
    assert Image.open(io.BytesIO(png(image))).tobytes() == image.tobytes()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_files_are_as_small_as_pillows(mode):
    image = scene((900, 700)).convert(mode)
    pillows = io.BytesIO()
    image.save(pillows, "PNG", compress_level=1)
    assert len(png(image)) < 1.1 * len(pillows.getvalue())


@pytest.mark.parametrize("mode", ["1", "P", "LA"])
def test_other_modes_are_left_to_pillow(mode):
    image = scene((40, 30)).convert("L").convert(mode)
    read = Image.open(io.BytesIO(encode(image, ".png")))
    assert read.convert("RGB").tobytes() == image.convert("RGB").tobytes()
