"""The upright stage: which files are rewritten, from their headers alone, and what they become."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from datasetkit.cleaners.pixels.upright import Upright
from datasetkit.errors import PictureError, UsageError
from datasetkit.pixels import Picture, decode, read_header
from datasetkit.record import HAND, Record
from datasetkit.stage import Drop
from tests.picture_files import chunk, png, rows, saved, scene


def record(path: Path) -> Record:
    return Record("a", Picture(path, read_header(path)[1]))


def profile(space: str = "sRGB") -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


def foreign_profile() -> bytes:
    """sRGB by another name: it says nothing that a reader could pass over."""
    return profile().replace(b"s\0R\0G\0B\0 ", b"w\0i\0d\0e\0 ")


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()


ODD = {
    "turned.jpg": (lambda p: saved(p, scene(), exif=turned()), ["turned"]),
    "turned.png": (lambda p: saved(p, scene(), exif=turned()), ["turned"]),
    "turned.webp": (lambda p: saved(p, scene(), exif=turned()), ["turned"]),
    "profile.jpg": (lambda p: saved(p, scene(), icc_profile=foreign_profile()), ["profile"]),
    "profile.png": (lambda p: saved(p, scene(), icc_profile=foreign_profile()), ["profile"]),
    "cmyk.jpg": (lambda p: saved(p, scene().convert("CMYK")), ["CMYK"]),
    "palette.png": (lambda p: saved(p, scene().convert("P")), ["palette"]),
    "palette.gif": (lambda p: saved(p, scene()), ["palette"]),
    "gray16.png": (
        lambda p: (p.write_bytes(png(4, 2, rows(*[b"\x12\x34" * 4] * 2), depth=16, color=0)), p)[1],
        ["16 bits"],
    ),
    "rgb16.png": (
        lambda p: (p.write_bytes(png(4, 2, rows(*[b"\x12\x34" * 12] * 2), depth=16)), p)[1],
        ["16 bits"],
    ),
    "rgba16.png": (
        lambda p: (
            p.write_bytes(png(4, 2, rows(*[b"\x12\x34" * 16] * 2), depth=16, color=6)), p,
        )[1],
        ["16 bits"],
    ),
    "moving.gif": (
        lambda p: saved(p, scene(), save_all=True, append_images=[scene().rotate(90)]),
        ["animated", "palette"],
    ),
    "moving.png": (
        lambda p: saved(p, scene(), save_all=True, append_images=[scene().rotate(90)]),
        ["animated"],
    ),
    "moving.webp": (
        lambda p: saved(p, scene(), save_all=True, append_images=[scene().rotate(90)]),
        ["animated"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_readers_get_wrong_is_written_plainly(name, tmp_path):
    make, was = ODD[name]
    before = record(make(tmp_path / name))
    seen = decode(before.picture.path)
    after = Upright()(before)
    assert after.facts["upright"] == {"was": was, "of": list(before.picture.size)}
    path = tmp_path / f"after{'.png' if name.endswith('.gif') else Path(name).suffix}"
    path.write_bytes(after.picture.content)
    with Image.open(path) as plain:  # as a trainer opens it: no EXIF, no profile minded
        assert plain.mode in {"RGB", "RGBA"}
        assert not {"exif", "icc_profile"} & set(plain.info)
        assert getattr(plain, "n_frames", 1) == 1
        assert plain.size == before.picture.size == seen.size
        if path.suffix != ".jpg":
            assert plain.convert(seen.mode).tobytes() == seen.tobytes()
    again = record(path)
    assert Upright()(again) is again


PLAIN = {
    "rgb.jpg": lambda p: saved(p, scene()),
    "gray.jpg": lambda p: saved(p, scene().convert("L")),
    "rgb.png": lambda p: saved(p, scene()),
    "rgba.png": lambda p: saved(p, scene().convert("RGBA")),
    "gray.png": lambda p: saved(p, scene().convert("L")),
    "gray alpha.png": lambda p: saved(p, scene().convert("LA")),
    "rgb.webp": lambda p: saved(p, scene()),
    "rgb.avif": lambda p: saved(p, scene()),
    "srgb.jpg": lambda p: saved(p, scene(), icc_profile=profile()),
    "srgb.png": lambda p: saved(p, scene(), icc_profile=profile()),
    "damaged profile.jpg": lambda p: saved(p, scene(), icc_profile=b"nonsense" * 40),
    "another's profile.png": lambda p: saved(
        p, scene().convert("L"), icc_profile=foreign_profile()
    ),
    "damaged exif.jpg": lambda p: saved(p, scene(), exif=b"Exif\0\0garbage"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_file_is_the_same_record_by_its_header(name, tmp_path):
    before = record(PLAIN[name](tmp_path / name))
    assert Upright()(before) is before
    assert before.picture._decoded is None


def test_no_pixel_is_read_to_decide(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(8, 8, chunk(b"IDAT", b"no pixels here")))
    before = record(path)
    assert Upright()(before) is before
    path.write_bytes(png(8, 8, chunk(b"IDAT", b"no pixels here"), depth=16))
    with pytest.raises(PictureError, match="broken picture"):
        Upright()(record(path))


def test_animations_may_be_left_out(tmp_path):
    path = ODD["moving.webp"][0](tmp_path / "a.webp")
    assert Upright(animated="drop")(record(path)) == Drop("an animation")
    flat = record(path).with_pixels(scene())  # by flatten, which saw the first frame alone
    assert Upright(animated="drop")(flat) == Drop("an animation")
    still = record(PLAIN["rgb.webp"](tmp_path / "b.webp"))
    assert Upright(animated="drop")(still.with_pixels(scene())).picture.painted is not None
    still = record(PLAIN["rgb.webp"](tmp_path / "b.webp"))
    assert Upright(animated="drop")(still) is still
    with pytest.raises(UsageError, match="animated 'none' is unknown"):
        Upright(animated="none").check()


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((120, 80), 60, (60, 40)),
        ((80, 120), 60, (40, 60)),
        ((400, 3), 50, (50, 1)),
        ((120, 80), 120, (120, 80)),
        ((120, 80), 0, (120, 80)),
    ],
)
def test_larger_pictures_are_scaled_down(size, side, expected, tmp_path):
    before = record(saved(tmp_path / "a.png", scene(size)))
    after = Upright(side)(before)
    assert after.picture.size == expected
    assert (after is before) == (size == expected)
    assert Upright(side)(after) is after


def test_scaling_does_not_bring_out_what_is_clear(tmp_path):
    image = Image.new("RGBA", (80, 80), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 40, 80))
    small = Upright(20)(record(saved(tmp_path / "a.png", image))).picture.pixels
    for x in range(20):
        red, _, blue, alpha = small.getpixel((x, 10))
        assert alpha == 0 or (red < 5 and blue > 250)


def test_pictures_that_were_scaled_down_further_before_are_told_of_once(tmp_path, caplog):
    path = tmp_path / "a.png"
    small = Upright(50)(record(saved(path, scene((120, 80)))))
    path.write_bytes(small.picture.content)
    small = replace(small, picture=record(path).picture)

    def said(stage: Upright, small: Record = small) -> list[str]:
        caplog.clear()
        with caplog.at_level("INFO", "datasetkit.cleaners"):
            assert stage(small) is small
            assert stage(small) is small
        return caplog.messages

    assert said(Upright(100)) == [
        "There are pictures that were scaled down to 50 before; they stay so. To have them larger, "
        "take that step back first: dsk undo."
    ]
    assert len(said(Upright(1000))) == 1
    for side in (0, 50):
        assert not said(Upright(side))
    assert not said(Upright(100), small.with_facts(HAND, "pixels"))
    cut = replace(small, picture=record(saved(tmp_path / "b.png", scene((30, 30)))).picture)
    assert not said(Upright(50), cut)
