"""Pictures in every colour: EXIF, alpha, depth, ICC; decoded once, encoded once, in threads."""

import io
import os
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from datasetkit.errors import PictureError
from datasetkit.pixels import (
    FORMATS,
    Picture,
    decode,
    encode,
    flattened,
    read_header,
    written_suffix,
)
from tests.picture_files import BOMBS, chunk, png, rows, saved, scene

# --- orientation ----------------------------------------------------------------------------

TURNS = {
    1: (0, 1, 2, 3), 2: (1, 0, 3, 2), 3: (3, 2, 1, 0), 4: (2, 3, 0, 1),
    5: (0, 2, 1, 3), 6: (2, 0, 3, 1), 7: (3, 1, 2, 0), 8: (1, 3, 0, 2),
}  # fmt: skip
CORNERS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("turn", TURNS)
def test_eight_orientations(suffix, turn, tmp_path):
    image = Image.new("RGB", (48, 32))
    for place, color in enumerate(CORNERS):
        x, y = place % 2 * 24, place // 2 * 16
        image.paste(color, (x, y, x + 24, y + 16))
    exif = Image.Exif()
    exif[0x0112] = turn
    path = saved(tmp_path / f"a{suffix}", image, exif=exif.tobytes())
    size = (32, 48) if turn >= 5 else (48, 32)
    upright = decode(path)
    assert read_header(path)[1] == upright.size == size
    spots = [
        (x, y) for y in (size[1] // 4, size[1] * 3 // 4) for x in (size[0] // 4, size[0] * 3 // 4)
    ]
    for spot, place in zip(spots, TURNS[turn], strict=True):
        found = upright.getpixel(spot)
        assert max(abs(a - b) for a, b in zip(found, CORNERS[place], strict=True)) <= 6
    again = saved(tmp_path / "again.png", upright)
    assert decode(again).tobytes() == upright.tobytes()


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b""])
def test_damaged_exif_is_ignored(exif, tmp_path):
    path = saved(tmp_path / "a.jpg", scene(), exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(path).size == read_header(path)[1] == (120, 80)


def test_a_nonsense_orientation_is_ignored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 99
    assert read_header(saved(tmp_path / "a.jpg", scene(), exif=exif))[1] == (120, 80)


def test_reading_a_header_decodes_no_png(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(8, 8, chunk(b"IDAT", b"no pixels here")))
    assert read_header(path) == ("PNG", (8, 8), 1)
    assert not Picture(path, (8, 8)).may_be_transparent


# --- alpha ----------------------------------------------------------------------------------


def white(path: Path) -> Image.Image:
    picture = Picture(path, read_header(path)[1])
    assert picture.may_be_transparent
    assert picture.pixels.mode == "RGBA"
    return flattened(picture.pixels, (255, 255, 255))


@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif"])
def test_colour_hidden_under_clear_pixels_comes_out_white(suffix, tmp_path):
    image = Image.new("RGBA", (16, 16), (200, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 8, 16))
    flat = white(saved(tmp_path / f"a{suffix}", image))
    assert flat.getpixel((12, 8)) == (255, 255, 255)
    assert max(abs(a - b) for a, b in zip(flat.getpixel((2, 8)), (0, 0, 255), strict=True)) <= 3


def test_la_and_palette_alpha(tmp_path):
    gray = Image.new("LA", (2, 1), (40, 0))
    gray.putpixel((0, 0), (40, 255))
    flat = white(saved(tmp_path / "a.png", gray))
    assert [flat.getpixel((x, 0)) for x in (0, 1)] == [(40,) * 3, (255,) * 3]
    palette = Image.new("P", (3, 1))
    palette.putpalette([9, 8, 7, 0, 0, 0, 100, 0, 0])
    for x in range(3):
        palette.putpixel((x, 0), x)
    flat = white(saved(tmp_path / "b.png", palette, transparency=bytes([255, 0, 128])))
    assert [flat.getpixel((x, 0)) for x in range(3)] == [(9, 8, 7), (255,) * 3, (177, 127, 127)]


@pytest.mark.parametrize(
    ("depth", "line", "key", "clear"),
    [(1, b"\x40", 1, 1), (2, b"\x1b", 2, 2), (4, b"\x0f\xa0", 15, 1), (8, b"\0\x80\xff", 128, 1),
     (16, b"\0\0\x80\x00\xff\xff", 0x8000, 1)],
)  # fmt: skip
def test_gray_png_keys_of_every_depth(depth, line, key, clear, tmp_path):
    path = tmp_path / "a.png"
    width = min(3, len(line) * 8 // depth)
    path.write_bytes(
        png(width, 1, chunk(b"tRNS", struct.pack(">H", key)), rows(line), depth=depth, color=0)
    )
    alphas = [decode(path).getpixel((x, 0))[3] for x in range(width)]
    assert alphas == [0 if x == clear else 255 for x in range(width)]


def test_rgb_png_key(tmp_path):
    path = tmp_path / "a.png"
    key = chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))
    path.write_bytes(png(2, 1, key, rows(bytes([1, 2, 3, 1, 2, 4]))))
    assert [decode(path).getpixel((x, 0)) for x in (0, 1)] == [(1, 2, 3, 0), (1, 2, 4, 255)]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha_that_hides_nothing_goes(mode, tmp_path):
    image = scene().convert("RGBA" if mode == "PA" else mode)
    path = saved(tmp_path / "a.png", image)
    assert decode(path).mode == "RGB"
    assert decode(path).tobytes() == image.convert("RGB").tobytes()


# --- depth and colour -----------------------------------------------------------------------


def test_sixteen_bit_gray_is_scaled_and_not_clipped(tmp_path):
    values = [0, 257, 0x4000, 0x8000, 0xC0C0, 0xFFFF]
    line = b"".join(value.to_bytes(2, "big") for value in values)
    (tmp_path / "a.png").write_bytes(png(6, 1, rows(line), depth=16, color=0))
    found = [decode(tmp_path / "a.png").getpixel((x, 0)) for x in range(6)]
    assert found == [(round(value / 257),) * 3 for value in values]


@pytest.mark.parametrize(("color", "bands"), [(2, 3), (6, 4), (4, 2)])
def test_sixteen_bit_colour(color, bands, tmp_path):
    line = b"".join(value.to_bytes(2, "big") for value in (0xFFFF, 0x8080, 0x0101, 0x7F7F)[:bands])
    (tmp_path / "a.png").write_bytes(png(1, 1, rows(line), depth=16, color=color))
    expected = {2: (255, 128, 1), 6: (255, 128, 1, 127), 4: (255, 255, 255, 128)}[color]
    assert decode(tmp_path / "a.png").getpixel((0, 0)) == expected


def test_cmyk_jpeg(tmp_path):
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # no cyan: red
    red, green, blue = decode(saved(tmp_path / "a.jpg", image)).getpixel((8, 8))
    assert red > 240 and green < 15 and blue < 15


def swapped_profile() -> bytes:
    """sRGB with its red and green primaries changed about: red pixels are green ones."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    entries = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, green = entries[b"rXYZ"], entries[b"gXYZ"]
    (profile[red + 4 : red + 12], profile[green + 4 : green + 12]) = (
        profile[green + 4 : green + 12], profile[red + 4 : red + 12],
    )  # fmt: skip
    return bytes(profile).replace(b"s\0R\0G\0B\0 ", b"s\0W\0A\0P\0 ").replace(b"sRGB b", b"swap b")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".avif"])
def test_an_embedded_profile_is_converted_to_srgb(suffix, tmp_path):
    path = saved(
        tmp_path / f"a{suffix}",
        Image.new("RGB", (16, 16), (250, 10, 10)),
        icc_profile=swapped_profile(),
    )
    red, green, blue = decode(path).getpixel((8, 8))
    assert red < 30 and green > 235 and blue < 30
    again = tmp_path / f"again{written_suffix(suffix)}"
    again.write_bytes(encode(decode(path), again.suffix))
    red, green, blue = decode(again).getpixel((8, 8))  # not converted once more
    assert red < 30 and green > 235 and blue < 30


def test_a_profile_with_alpha_palette_and_key(tmp_path):
    profile = swapped_profile()
    image = Image.new("RGBA", (2, 1), (250, 10, 10, 0))
    image.putpixel((0, 0), (250, 10, 10, 128))
    red, green, _, alpha = decode(saved(tmp_path / "a.png", image, icc_profile=profile)).getpixel(
        (0, 0)
    )
    assert red < 30 and green > 235 and alpha == 128
    palette = Image.new("P", (2, 1))
    palette.putpalette([250, 10, 10, 0, 0, 0])
    palette.putpixel((1, 0), 1)
    found = decode(saved(tmp_path / "b.png", palette, icc_profile=profile, transparency=1))
    assert found.getpixel((0, 0))[1] > 235
    assert found.getpixel((1, 0))[3] == 0
    key = Image.new("RGB", (2, 1), (250, 10, 10))
    key.putpixel((1, 0), (9, 9, 9))
    found = decode(saved(tmp_path / "c.png", key, icc_profile=profile, transparency=(9, 9, 9)))
    assert (found.getpixel((0, 0))[3], found.getpixel((1, 0))[3]) == (255, 0)


@pytest.mark.parametrize("profile", [b"garbage", b"\0" * 200, swapped_profile()[:300]])
def test_a_damaged_profile_is_ignored(profile, tmp_path):
    for suffix in (".png", ".jpg", ".webp"):
        path = saved(
            tmp_path / f"a{suffix}", Image.new("RGB", (16, 16), (250, 10, 10)), icc_profile=profile
        )
        assert decode(path).getpixel((8, 8))[0] > 240


def test_a_gray_picture_with_a_colour_profile_stays_as_it_is(tmp_path):
    path = saved(tmp_path / "a.png", Image.new("L", (4, 4), 77), icc_profile=swapped_profile())
    assert decode(path).getpixel((0, 0)) == (77, 77, 77)


def test_an_srgb_profile_changes_no_pixel(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = saved(tmp_path / "a.png", scene(), icc_profile=profile)
    assert decode(path).tobytes() == scene().tobytes()


# --- encoding, laziness, threads ------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".webp", ".gif", ".avif", ".JPEG", ".jpg"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_painted_pixels_come_back_from_their_file(suffix, mode, tmp_path):
    image = scene().convert(mode)
    target = written_suffix(suffix)
    if mode == "RGBA":
        if target == ".jpg":
            return
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    picture = Picture(tmp_path / f"a{suffix}", (1, 1)).repainted(image)
    (tmp_path / f"b{target}").write_bytes(picture.content)
    assert picture.content is picture.content
    again = decode(tmp_path / f"b{target}")
    assert again.mode == mode
    if target == ".jpg":
        assert again.size == image.size
    else:
        assert again.tobytes() == image.tobytes()


def test_nothing_of_the_old_file_is_written_again(tmp_path):
    path = saved(tmp_path / "a.png", scene(), icc_profile=swapped_profile(), transparency=(1, 2, 3))
    for suffix in (".png", ".webp", ".jpg"):
        written = Image.open(io.BytesIO(encode(decode(path).convert("RGB"), suffix)))
        assert not {"icc_profile", "exif", "transparency"} & set(written.info)


def test_a_picture_is_decoded_once_until_it_is_forgotten(tmp_path):
    picture = Picture(saved(tmp_path / "a.png", scene()), (120, 80))
    first = picture.pixels
    assert picture.pixels is first
    picture.forget()
    assert picture.pixels is not first


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts files as Linux shows them")
def test_files_are_closed(tmp_path):
    paths = [saved(tmp_path / f"a{suffix}", scene()) for suffix in FORMATS.values()]
    frames = [scene(), scene().rotate(90)]
    frames[0].save(tmp_path / "b.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "b.png", save_all=True, append_images=frames[1:])
    (tmp_path / "c.png").write_bytes(paths[1].read_bytes()[:300])
    (tmp_path / "d.jpg").write_bytes(BOMBS["jpeg.jpg"]())
    paths += [tmp_path / name for name in ("b.gif", "b.png", "c.png", "d.jpg")]
    before = len(os.listdir("/proc/self/fd"))
    kept = []
    for path in paths * 3:
        try:
            read_header(path)
            kept.append(decode(path))
        except PictureError as error:
            kept.append(error)
    assert len(os.listdir("/proc/self/fd")) == before


def test_many_threads_decode_alike(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    paths = [saved(tmp_path / f"a{suffix}", scene()) for suffix in FORMATS.values()]
    paths.append(saved(tmp_path / "b.jpg", scene(), exif=b"Exif\0\0garbage"))
    paths.append(saved(tmp_path / "c.jpg", scene(), icc_profile=swapped_profile(), exif=exif))
    (tmp_path / "d.png").write_bytes(BOMBS["png.png"]())
    paths.append(tmp_path / "d.png")

    def look(path: Path) -> bytes | str:
        try:
            return decode(path).tobytes()
        except PictureError as error:
            return str(error)

    alone = [look(path) for path in paths]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(look, paths * 20)) == alone * 20
