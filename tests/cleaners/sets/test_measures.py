"""What is measured of pixels: blur, JPEG's marks, one colour; on drawings, and told by figures."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from datasetkit.cleaners.sets.measures import jpeg_damage, jpeg_quality, sharpness, uniform
from datasetkit.demo.drawing import CHARACTERS, draw
from datasetkit.pixels import flattened
from tests.picture_files import png, rows

SIZES = {"kohaku": (832, 1216), "sumire": (1400, 1800), "akane": (400, 560)}
DRAWN = {name: draw(name, 3, size, smooth=2)[0] for name, size in SIZES.items()}


def blurred(image: Image.Image, pixels: float) -> Image.Image:
    """Blurred by so much at a megapixel."""
    scale = max(1.0, (image.width * image.height / 2**20) ** 0.5)
    return image.filter(ImageFilter.GaussianBlur(pixels * scale))


def jpeg(image: Image.Image, quality: int, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, **options)
    return file.getvalue()


def saved(image: Image.Image, quality: int) -> Image.Image:
    return Image.open(io.BytesIO(jpeg(image, quality))).convert("RGB")


def noisy(image: Image.Image, much: float) -> Image.Image:
    noise = np.random.default_rng(1).normal(0, much, (image.height, image.width, 1))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("image", DRAWN.values(), ids=DRAWN)
class TestDrawings:
    def test_blur_is_told_whatever_is_drawn(self, image: Image.Image) -> None:
        assert sharpness(image) > 70
        assert 33 < sharpness(blurred(image, 1)) < 50
        assert 12 < sharpness(blurred(image, 2)) < 22
        assert 5 < sharpness(blurred(image, 3)) < 14

    def test_faint_saved_or_partly_sharp_is_not_blurred(self, image: Image.Image) -> None:
        faint = Image.blend(image, Image.new("RGB", image.size, (235, 235, 235)), 0.8)
        assert sharpness(faint) > 70
        assert sharpness(saved(image, 30)) > 45
        part = blurred(image, 8)
        width, height = image.size
        box = (width // 3, height // 4, 2 * width // 3, height // 2)
        part.paste(image.crop(box), box)
        assert sharpness(part) > 60

    def test_marks_of_jpeg_grow_as_quality_falls(self, image: Image.Image) -> None:
        damage = [jpeg_damage(saved(image, quality)) for quality in (95, 75, 50, 30, 10)]
        assert jpeg_damage(image) < 6
        assert damage == sorted(damage)
        assert damage[0] < 16 and 29 < damage[1] < 45 and 40 < damage[2] < 60 < damage[4]

    def test_marks_of_jpeg_outlive_a_crop_and_a_better_copy(self, image: Image.Image) -> None:
        once = saved(image, 30)
        for anew in (saved(once, 95), once.crop((3, 5, *image.size))):
            assert abs(jpeg_damage(anew) - jpeg_damage(once)) < 3

    def test_quality_is_read_from_the_file(self, image: Image.Image) -> None:
        for quality in (100, 92, 75, 50, 49, 20, 3):
            assert jpeg_quality(jpeg(image, quality)) == quality


def test_other_grids_and_noise_are_no_jpeg() -> None:
    image = DRAWN["kohaku"]
    blocks = image.resize((104, 152)).resize((832, 1216), Image.Resampling.NEAREST)
    assert jpeg_damage(blocks) == 0
    assert jpeg_damage(noisy(image, 8)) < 3
    ramp = Image.linear_gradient("L").resize((640, 640)).convert("RGB")
    assert jpeg_damage(ramp) < 40
    assert jpeg_damage(saved(image, 20).resize((620, 900))) < 15


def test_transparent_counts_as_white() -> None:
    cut = draw(CHARACTERS["kohaku"], 3, (400, 560))[0].convert("RGBA")
    cut.putalpha(Image.linear_gradient("L").resize(cut.size).point(lambda value: value // 2))
    flat = flattened(cut, (255, 255, 255))
    for measure in (sharpness, jpeg_damage, uniform):
        assert measure(cut) == measure(flat)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (15, 15), (64, 7), (800, 900)])
def test_a_blank_picture_of_any_size(size: tuple[int, int]) -> None:
    blank = Image.new("RGB", size, "white")
    assert (sharpness(blank), jpeg_damage(blank), uniform(blank)) == (0, 0, 1)


def test_how_much_is_of_one_colour() -> None:
    page = Image.new("RGB", (800, 900), (240, 236, 230))
    assert uniform(noisy(page, 3)) > 0.99
    ImageDraw.Draw(page).ellipse((300, 300, 380, 390), fill="red")
    assert 0.985 < uniform(page) < 0.995
    assert all(0.3 < uniform(image) < 0.7 for image in DRAWN.values())
    assert uniform(Image.effect_noise((600, 600), 80).convert("RGB")) < 0.6


def test_a_table_is_read_wherever_it_stands_and_damage_is_none() -> None:
    image = DRAWN["akane"]
    content = jpeg(image, 60)
    comment = b"\xff\xe1" + (60_000).to_bytes(2, "big") + b"\0" * 59_998
    assert jpeg_quality(content[:2] + comment * 3 + b"\xff" + content[2:]) == 60
    assert jpeg_quality(jpeg(image, 80, progressive=True, optimize=True)) == 80
    assert jpeg_quality(jpeg(image.convert("L"), 40)) == 40
    wide = b"\xff\xdb" + (131).to_bytes(2, "big") + b"\x10" + b"\0\x10" * 64
    assert jpeg_quality(b"\xff\xd8" + wide) is not None
    for end in range(0, content.index(b"\xff\xda") + 4, 7):
        jpeg_quality(content[:end])  # no cut makes it fail
    for other in (
        b"",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xdb\0\0",
        png(8, 8, rows(*[b"\0" * 24] * 8)),
    ):
        assert jpeg_quality(other) is None


def test_the_sprites(shared: Path) -> None:
    for path in sorted((shared / "data" / "sprites").glob("*.png")):
        sprite = flattened(Image.open(path).convert("RGBA"), (255, 255, 255))
        assert sharpness(sprite) > 70 > 45 > sharpness(blurred(sprite, 1))
        assert jpeg_damage(sprite) < 6 < 30 < jpeg_damage(saved(sprite, 60))
        assert uniform(sprite) < 0.7
