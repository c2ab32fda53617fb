"""Pictures that several test files look for text in."""

import pytest
from PIL import Image

from tests.cleaners.pixels.lettered import SIZE, figure, written


@pytest.fixture(scope="module")
def signed() -> tuple[Image.Image, tuple[int, int, int, int]]:
    return written(figure(1), "Kirara_art", (430, 760))


@pytest.fixture(scope="module")
def below() -> tuple[Image.Image, tuple[int, int, int, int]]:
    """A figure that ends above a plain strip, in which the signature stands."""
    image = Image.new("RGB", SIZE, (250, 250, 250))
    image.paste(figure(1, (600, 700)))
    return written(image, "Kirara_art", (430, 755))
