"""Pictures that are damaged, huge, foreign or no files: one reason each, no other exception."""

import io
import os
import random
import struct
import subprocess
import sys

import pytest
from PIL import Image

from datasetkit.errors import PictureError
from datasetkit.pixels import FORMATS, Picture, decode, read_header, read_more
from tests.picture_files import BOMBS, OPTIONS, saved, scene

# --- damage ---------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", FORMATS.values())
def test_a_truncated_file_is_one_picture_error_wherever_it_ends(suffix, tmp_path):
    content = saved(tmp_path / f"whole{suffix}", scene()).read_bytes()
    cut = tmp_path / f"cut{suffix}"
    whole = decode(tmp_path / f"whole{suffix}").tobytes()
    last = {".png": 16, ".gif": 1}.get(suffix, 0)  # pixels are all there; only the end mark lacks
    for length in sorted({0, 1, 8, 20, *range(30, len(content), max(1, len(content) // 60))}):
        cut.write_bytes(content[:length])
        if length >= len(content) - last:
            assert decode(cut).tobytes() == whole
            continue
        with pytest.raises(PictureError) as caught:
            decode(cut)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize("suffix", FORMATS.values())
def test_flipped_bits_never_raise_anything_else(suffix, tmp_path):
    content = saved(tmp_path / f"whole{suffix}", scene((60, 40))).read_bytes()
    rng = random.Random(suffix)
    broken = tmp_path / f"broken{suffix}"
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 12)):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        broken.write_bytes(damaged)
        try:
            form, size, frames = read_header(broken)
            assert form in FORMATS
            assert frames == read_more(broken).frames >= 1
            assert decode(broken).size == size
        except PictureError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"\0" * 5000, "known format"),
        (b"<!DOCTYPE html><title>404</title>", "known format"),
        (b'{"success": false}', "known format"),
        (b"\x89PNG\r\n\x1a\n", "broken|known format"),
        (b"\xff\xd8\xff", "broken|known format"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "broken|known format"),
        (b"GIF89a", "broken|known format"),
    ],
)
def test_what_is_no_picture_says_so(content, reason, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for look in (read_header, decode):
        with pytest.raises(PictureError, match=reason):
            look(path)


def test_damage_is_the_same_error_for_the_header_and_the_lazy_picture(tmp_path):
    path = saved(tmp_path / "a.png", scene())
    path.write_bytes(path.read_bytes()[:200])
    assert read_header(path)[1] == (120, 80)
    picture = Picture(path, (120, 80))
    for _ in range(2):
        with pytest.raises(PictureError, match="broken picture"):
            _ = picture.pixels


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "missing.png", tmp_path):
        for look in (read_header, decode, lambda path: Picture(path, (1, 1)).content):
            with pytest.raises(PictureError, match=r"No such file|regular file"):
                look(path)


# --- bombs ---------------------------------------------------------------------------------

LOOK = """
import resource, sys, time
from pathlib import Path
from datasetkit.errors import PictureError
from datasetkit.pixels import Picture, decode, read_header, read_more
decode(Path(sys.argv[1]))  # a good one, so that Pillow is loaded
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in sys.argv[2:]:
    transparent = lambda path: Picture(path, (1, 1)).may_be_transparent
    for look in (read_header, read_more, decode, transparent):
        start = time.process_time()
        try:
            look(Path(name))
            print("accepted", name)
        except PictureError as error:
            assert "Memory" not in str(error), error
        assert time.process_time() - start < 2, name
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base
assert used < 100 * 1024, f"{used} KiB"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS and ru_maxrss as on Linux")
def test_bombs_are_refused_from_their_headers_in_little_memory(tmp_path):
    good = saved(tmp_path / "good.png", scene())
    names = []
    for name, make in BOMBS.items():
        (tmp_path / name).write_bytes(make())
        names.append(str(tmp_path / name))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOOK, str(good), *names],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_gif_of_a_hundred_thousand_frames_is_not_walked_through(tmp_path):
    one = io.BytesIO()
    Image.new("P", (8, 8)).save(one, "GIF")
    content = one.getvalue()
    frame = content[content.index(b",") : -1]
    (tmp_path / "a.gif").write_bytes(content[:-1] + frame * 100_000 + b";")
    assert read_header(tmp_path / "a.gif") == ("GIF", (8, 8), 2)
    assert decode(tmp_path / "a.gif").size == (8, 8)


# --- foreign formats ------------------------------------------------------------------------

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"


def _foreign() -> dict[str, bytes]:
    found = {"eps": EPS, "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'}
    for form, mode in {"TIFF": "RGB", "BLP": "P", "BMP": "RGB", "ICO": "RGBA", "JPEG2000": "RGB",
                       "PPM": "RGB", "TGA": "RGB", "PCX": "RGB", "PDF": "RGB"}.items():  # fmt: skip
        file = io.BytesIO()
        Image.new(mode, (16, 16)).save(file, form)
        found[form] = file.getvalue()
    found["PSD"] = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 9, 9, 8, 3) + bytes(500)
    found["FITS"] = b"SIMPLE  =                    T".ljust(80) + b"END".ljust(2800)
    return found


@pytest.mark.parametrize("form", _foreign())
def test_other_formats_are_refused_and_start_no_program(form, tmp_path, monkeypatch):
    for name in ("gs", "gswin64c"):
        canary = tmp_path / name
        canary.write_text(f"#!/bin/sh\ntouch {tmp_path}/RAN\n")
        canary.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    path = tmp_path / "a.png"
    path.write_bytes(_foreign()[form])
    for look in (read_header, decode):
        with pytest.raises(PictureError, match="not a picture of a known format"):
            look(path)
    assert not (tmp_path / "RAN").exists()


def test_the_content_and_not_the_suffix_says_the_format(tmp_path):
    path = saved(tmp_path / "a.webp", scene()).rename(tmp_path / "a.png")
    assert read_header(path) == ("WEBP", (120, 80), 1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_fifo_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    for name in ("a.png", "b.png"):
        for look in (read_header, decode, lambda path: Picture(path, (1, 1)).content):
            with pytest.raises(PictureError, match="regular file"):
                look(tmp_path / name)


def test_a_jpeg_with_a_second_view_is_a_jpeg(tmp_path):
    path = tmp_path / "a.jpg"
    scene().save(path, "MPO", save_all=True, append_images=[scene()])
    assert read_header(path) == ("JPEG", (120, 80), 1)
    assert decode(path).size == (120, 80)


def test_animations_say_so_and_give_their_first_frame(tmp_path):
    frames = [Image.new("RGB", (20, 10), color) for color in ("red", "lime", "blue")]
    for suffix in (".gif", ".webp", ".png", ".avif"):
        path = tmp_path / f"a{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:], **OPTIONS[suffix])
        assert read_header(path)[2] == (2 if suffix == ".gif" else 3)
        red, green, blue = decode(path).getpixel((10, 5))
        assert red > 250 and green < 5 and blue < 5
