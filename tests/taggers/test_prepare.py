"""The pixels a model gets are its author's: alpha, palettes, EXIF, ratios, JPEG at a half."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from datasetkit.pixels import Picture, read_header
from datasetkit.taggers.prepare import at_least, fed, square
from datasetkit.taggers.spec import FAMILIES, Spec
from datasetkit.taggers.steps import staged

WD = FAMILIES["wd"]
FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}


def on_white(image: Image.Image) -> Image.Image:
    ground = Image.new("RGBA", image.size, (255, 255, 255))
    ground.alpha_composite(image.convert("RGBA"))
    return ground.convert("RGB")


def plainly(image: Image.Image, spec: Spec, side: int) -> np.ndarray:
    """The square as the families' authors make it, step by step; red first."""
    image = on_white(image)
    how = FILTERS[spec.filter]
    if spec.fit == "squash":
        return np.asarray(image.resize((side, side), how), np.float32)
    longest = max(image.size)
    if spec.fit == "pad":
        whole = Image.new("RGB", (longest, longest), spec.pad)
        whole.paste(image, ((longest - image.width) // 2, (longest - image.height) // 2))
        return np.asarray(whole.resize((side, side), how) if longest != side else whole, np.float32)
    on = spec.canvas or side
    to = FILTERS[spec.canvas_filter] if spec.canvas else how
    turned = round if spec.rounding == "near" else int
    small = image.resize([max(1, turned(length * (on / longest))) for length in image.size], to)
    whole = Image.new("RGB", (on, on), spec.pad)
    whole.paste(small, ((on - small.width) // 2, (on - small.height) // 2))
    return np.asarray(whole.resize((side, side), how), np.float32)


def scene(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """Hard edges, gradients and noise, up to the border."""
    rng = np.random.default_rng(size[0] * 10_007 + size[1])
    y, x = np.mgrid[: size[1], : size[0]]
    waves = [127 + 120 * np.sin(x / (7 + 9 * c) + y / (23 - 5 * c)) for c in range(len(mode))]
    pixels = np.stack(waves, axis=-1) + rng.normal(0, 10, (size[1], size[0], len(mode)))
    pixels[(x // 37 + y // 29) % 5 == 0] = 20
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8), mode)


def drawing(size: tuple[int, int]) -> Image.Image:
    """Flat colours and lines, as drawings have."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for step in range(12):
        spot = (step * size[0] // 15, step * 67 % (size[1] * 5 // 6))
        colour = (step * 20, 200 - step * 15, step * 67 % 256)
        far = (spot[0] + size[0] // 7, spot[1] + size[1] // 7)
        draw.ellipse((*spot, *far), colour, "black", 5)
    return image


def differences(ours: np.ndarray, theirs: np.ndarray, spec: Spec) -> np.ndarray:
    return np.abs(
        ours.astype(np.float32) - (theirs if spec.channels == "RGB" else theirs[:, :, ::-1])
    )


SIZES = [
    (448, 448), (449, 448), (900, 600), (601, 1000), (1234, 777), (777, 1233), (1000, 334),
    (333, 1000), (100, 60), (30, 41), (3, 1), (1, 300), (447, 446), (1001, 1001), (1400, 2201),
]  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_the_pixels_are_those_of_the_plain_way(size):
    image = scene(size)
    difference = differences(square(image, WD, 448), plainly(image, WD, 448), WD)
    assert difference.mean() <= 0.001
    assert difference.max() <= 1


@pytest.mark.parametrize("size", [(448, 448), (901, 600), (333, 1000), (40, 30), (1400, 2201)])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_familys_pixels_are_those_of_its_plain_way(family, size):
    spec = FAMILIES[family]
    side = spec.side or 448
    image = scene(size, "RGBA")
    difference = differences(square(image, spec, side), plainly(image, spec, side), spec)
    assert difference.mean() <= 0.2
    assert difference.max() <= 2


def test_a_canvas_is_laid_first_and_resized_then(tmp_path):
    path = tmp_path / "preprocess.json"
    path.write_text(
        """{"test": [
        {"type": "pad_to_size", "size": [512, 512], "background_color": "white",
         "interpolation": "bilinear"},
        {"type": "resize", "size": 384, "interpolation": "bicubic"},
        {"type": "center_crop", "size": [384, 384]},
        {"type": "maybe_to_tensor"},
        {"type": "normalize", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}]}"""
    )
    spec = staged(FAMILIES["animetimm"], path)
    assert (spec.side, spec.canvas, spec.rounding) == (384, 512, "near")
    image = scene((901, 603))
    ours = square(image, spec, 384)
    difference = differences(ours, plainly(image, spec, 384), spec)
    assert difference.max() == 0
    numbers = fed(ours[None], spec)
    expected = (ours.astype(np.float32) / 255 - spec.mean) / spec.std
    assert numbers.shape == (1, 3, 384, 384)
    assert numbers[0].transpose(1, 2, 0) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("family", ["wd", "pixai-0.9", "pixai-1.0", "camie"])
@pytest.mark.parametrize("size", [(2701, 1803), (1500, 3999), (4003, 401)])
def test_a_large_jpeg_decoded_at_a_half_differs_by_a_trifle(tmp_path, size, family):
    spec = FAMILIES[family]
    side = spec.side or 448
    drawing(size).save(tmp_path / "a.jpg", quality=92)
    picture = Picture(tmp_path / "a.jpg", size)
    glance = picture.glance(at_least(spec, side, size))
    ours = square(glance, spec, side, size)
    difference = differences(ours, plainly(picture.pixels, spec, side), spec)
    assert difference.mean() <= 0.2
    if family == "wd":
        assert max(glance.size) < max(size)  # or this would show nothing


def written(path: Path, kind: str) -> Path:
    image = drawing((1400, 900))
    if kind == "alpha":
        ramp = Image.fromarray(np.tile(np.linspace(0, 255, 1400).astype(np.uint8), (900, 1)))
        image.putalpha(ramp)
        image.save(path / "a.png")
        return path / "a.png"
    if kind == "palette":
        image.quantize(32).save(path / "a.png", transparency=3)
        return path / "a.png"
    if kind == "exif":
        exif = Image.Exif()
        exif[0x0112] = 6
        drawing((3001, 2003)).save(path / "a.jpg", exif=exif, quality=92)
        return path / "a.jpg"
    if kind == "webp":
        image.save(path / "a.webp", quality=90)
        return path / "a.webp"
    if kind == "grey":
        image.convert("L").save(path / "a.png")
        return path / "a.png"
    drawing((4001, 37)).save(path / "a.jpg", quality=92)  # a ratio of a hundred
    return path / "a.jpg"


@pytest.mark.parametrize("kind", ["alpha", "palette", "exif", "webp", "grey", "strip"])
@pytest.mark.parametrize("family", ["wd", "pixai-0.9", "pixai-1.0", "joytag", "deepdanbooru"])
def test_files_of_every_kind_within_a_fifth_of_a_level(tmp_path, kind, family):
    spec = FAMILIES[family]
    side = spec.side or 448
    path = written(tmp_path, kind)
    size = read_header(path)[1]
    picture = Picture(path, size)
    ours = square(picture.glance(at_least(spec, side, size)), spec, side, size)
    with Image.open(path) as image:
        theirs = plainly(ImageOps.exif_transpose(image), spec, side)
    assert differences(ours, theirs, spec).mean() <= 0.2


def test_numbers_are_those_of_each_familys_formula():
    pixels = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    wd = fed(pixels, WD)
    assert wd.dtype == np.float32
    assert (wd == pixels).all()
    cl = fed(pixels[:, :, :, ::-1], FAMILIES["cl"])  # blue first, from -1 to 1
    assert cl.flags.c_contiguous
    assert cl == pytest.approx(pixels[:, :, :, ::-1].transpose(0, 3, 1, 2) / 127.5 - 1, abs=1e-6)
    clip = fed(pixels, FAMILIES["joytag"])
    assert clip[1, 2, 3, 1] == pytest.approx((pixels[1, 3, 1, 2] / 255 - 0.40821073) / 0.27577711)
    assert fed(pixels, WD, "uint8").dtype == np.uint8
    assert fed(pixels, WD, "float16").dtype == np.float16
