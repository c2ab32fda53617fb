"""Frames of animations, ugoira archives and videos; and the files that pretend to be one."""

import io
import random
import stat
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from datasetkit.errors import PictureError
from datasetkit.frames import animations, frames_in, take_frames, ugoira, videos
from tests.picture_files import BOMBS, OPTIONS, saved, scene

ANIMATED = (".gif", ".webp", ".png", ".avif")
CLEAR = (0, 0, 0, 0)


def shade(number: int) -> tuple[int, int, int]:
    return (20 * number + 10, 250 - 20 * number, 120)


def film(count: int, size: tuple[int, int] = (48, 32)) -> list[Image.Image]:
    return [Image.new("RGB", size, shade(number)) for number in range(count)]


def animated(path: Path, pictures: list[Image.Image], **options: object) -> Path:
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], **(OPTIONS[path.suffix] | options)
    )
    return path


def seen(files: list[Path]) -> list[int]:
    """The numbers of the frames that were taken, told by their colours."""
    found = []
    for file in files:
        with Image.open(file) as image:
            assert (image.format, image.mode) == ("PNG", "RGB")
            red, green, _ = image.getpixel((image.width // 2, image.height // 2))
        number = round((red - 10) / 20)
        assert abs(red - shade(number)[0]) <= 6 and abs(green - shade(number)[1]) <= 6
        found.append(number)
    return found


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def refused(path: Path, out: Path, reason: str, count: int = 3) -> None:
    """Both ways of looking refuse, with one short line, and leave nothing behind."""
    for look in (lambda: frames_in(path), lambda: take_frames(path, count, out)):
        with pytest.raises(PictureError, match=reason) as caught:
            look()
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 200
    assert list(out.iterdir()) == []


# --- animations -----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ANIMATED)
@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, [0]), (2, [0, 5]), (3, [0, 3, 6]), (10, list(range(10))), (99, list(range(10)))],
)
def test_frames_come_spread_evenly_over_an_animation(suffix, count, expected, tmp_path, out):
    path = animated(tmp_path / f"a{suffix}", film(10))
    assert frames_in(path) == 10
    files = take_frames(path, count, out)
    assert seen(files) == expected
    assert sorted(files) == sorted(out.iterdir())


@pytest.mark.parametrize("suffix", [*ANIMATED, ".jpg"])
def test_a_still_picture_is_one_frame(suffix, tmp_path, out):
    path = saved(tmp_path / f"a{suffix}", scene())
    assert frames_in(path) == 1
    [file] = take_frames(path, 4, out)
    with Image.open(file) as image:
        assert image.size == (120, 80)


@pytest.mark.parametrize("suffix", ANIMATED)
def test_transparent_frames_stay_so(suffix, tmp_path, out):
    pictures = []
    for number in range(3):
        image = Image.new("RGBA", (40, 40), CLEAR)
        place = (10 * number, 4, 10 * number + 9, 35)
        ImageDraw.Draw(image).ellipse(place, fill=(*shade(number), 255))
        pictures.append(image)
    options = {} if suffix in {".webp", ".avif"} else {"disposal": 2 if suffix == ".gif" else 1}
    files = take_frames(animated(tmp_path / f"a{suffix}", pictures, **options), 3, out)
    for number, file in enumerate(files):
        with Image.open(file) as image:
            assert image.mode == "RGBA"
            opaque = [image.getpixel((10 * place + 5, 20))[3] > 128 for place in range(4)]
        assert opaque == [place == number for place in range(4)]


def test_a_frame_is_what_is_shown_and_not_what_is_stored(tmp_path, out):
    ground = Image.new("RGB", (60, 40), "white")
    pictures = [ground.copy() for _ in range(4)]
    for number, image in enumerate(pictures):
        for place in range(number + 1):
            ImageDraw.Draw(image).rectangle((15 * place, 0, 15 * place + 9, 40), fill="navy")
    for suffix in (".gif", ".png", ".webp"):  # these store the part that changed
        files = take_frames(animated(tmp_path / f"a{suffix}", pictures), 4, out)
        for file, expected in zip(files, pictures, strict=True):
            with Image.open(file) as image:
                assert image.convert("RGB").tobytes() == expected.tobytes()


@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_colours_and_turns_are_treated_as_in_any_picture(suffix, tmp_path, out):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    path = animated(tmp_path / f"a{suffix}", film(4), exif=exif, icc_profile=lab)
    still = saved(tmp_path / f"b{suffix}", film(4)[2], exif=exif, icc_profile=lab)
    taken, [alone] = take_frames(path, 2, out), take_frames(still, 1, out)
    with Image.open(taken[1]) as image, Image.open(alone) as expected:
        assert image.size == expected.size == (32, 48)
        assert image.tobytes() == expected.tobytes()
        assert "icc_profile" not in image.info


def test_the_bytes_and_not_the_name_say_what_a_file_is(tmp_path, out):
    names = {"zip": "a.mp4", "gif": "b.zip", "mp4": "c%03d.jpg", "webm": "d.gif"}
    archive(tmp_path / names["zip"], members(4))
    animated(tmp_path / "b.gif", film(4)).rename(tmp_path / names["gif"])
    video(tmp_path / "c.mp4", 4).rename(tmp_path / names["mp4"])
    video(tmp_path / "d.webm", 4).rename(tmp_path / names["webm"])
    for name in names.values():
        assert frames_in(tmp_path / name) == 4
        assert seen(take_frames(tmp_path / name, 2, out)) == [0, 2]


@pytest.mark.parametrize("suffix", ANIMATED)
def test_a_damaged_animation_is_refused_or_read_and_nothing_else(suffix, tmp_path, out):
    pictures = [scene((60 + number, 40)).resize((60, 40)) for number in range(5)]
    content = animated(tmp_path / f"a{suffix}", pictures).read_bytes()
    rng = random.Random(suffix)
    path = tmp_path / f"broken{suffix}"
    faults = 0
    for turn in range(60):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 12)):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged if turn % 3 else content[: rng.randrange(len(content))])
        try:
            for file in take_frames(path, 3, out):
                file.unlink()
        except PictureError:
            faults += 1
        assert list(out.iterdir()) == []
    assert faults > 5


def gif_of(count: int, canvas: tuple[int, int] = (8, 8)) -> bytes:
    one = io.BytesIO()
    Image.new("P", (8, 8)).save(one, "GIF")
    content = bytearray(one.getvalue())
    content[6:10] = struct.pack("<HH", *canvas)
    start = content.index(b",")
    return bytes(content[:start]) + bytes(content[start:-1]) * count + b";"


def test_a_gif_without_end_is_refused_but_has_a_first_frame(tmp_path, out):
    path = tmp_path / "a.gif"
    path.write_bytes(gif_of(100_000))
    refused(path, out, "more than 10,000 frames")
    assert len(take_frames(path, 1, out)) == 1
    path.write_bytes(gif_of(9_999))
    assert frames_in(path) == 9_999


def test_no_file_is_worked_on_for_longer_than_it_may(tmp_path, out, monkeypatch):
    (tmp_path / "a.gif").write_bytes(gif_of(5_000, (4000, 4000)))
    archive(tmp_path / "a.zip", members(4))
    video(tmp_path / "a.mp4", 4)
    for module in (animations, ugoira, videos):
        monkeypatch.setattr(module, "SECONDS", 0.0)
    for name in ("a.gif", "a.zip", "a.mp4"):
        with pytest.raises(PictureError, match="takes longer than"):
            take_frames(tmp_path / name, 3, out)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("name", [name for name in BOMBS if name[:4] not in {"iccp", "ztxt"}])
def test_bombs_are_refused(name, tmp_path, out):
    (tmp_path / name).write_bytes(BOMBS[name]())
    with pytest.raises(PictureError):
        take_frames(tmp_path / name, 1, out)


def test_what_is_no_file_or_holds_nothing_known(tmp_path, out):
    (tmp_path / "empty.zip").touch()
    (tmp_path / "page.mp4").write_bytes(b"<!DOCTYPE html><title>404</title>")
    refused(tmp_path, out, "not a regular file")
    refused(tmp_path / "missing.zip", out, "No such file")
    refused(tmp_path / "empty.zip", out, "empty file")
    refused(tmp_path / "page.mp4", out, "not a picture of a known format")
    with pytest.raises(ValueError, match="1 or more"):
        take_frames(saved(tmp_path / "a.png", scene()), 0, out)


def test_a_disk_that_is_full_is_no_fault_of_the_picture(tmp_path):
    path = animated(tmp_path / "a.gif", film(4))
    with pytest.raises(FileNotFoundError):
        take_frames(path, 2, tmp_path / "no such folder")


# --- ugoira archives ------------------------------------------------------------------------


def member(number: int, size: tuple[int, int] = (48, 32), form: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, shade(number)).save(file, form)
    return file.getvalue()


def members(count: int) -> dict[str, bytes]:
    return {f"{number:06}.jpg": member(number) for number in range(count)}


def archive(path: Path, content: dict[str, bytes], packed: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packed) as file:
        for name, data in content.items():
            file.writestr(name, data)
    return path


def patched(path: Path, change: Callable[[bytearray], None]) -> Path:
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    return path


def directory(content: bytearray) -> int:
    """Where the first entry of an archive's directory stands."""
    return content.index(b"PK\1\2")


@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(("count", "expected"), [(1, [0]), (3, [0, 4, 8]), (50, list(range(12)))])
def test_frames_of_a_ugoira(packed, count, expected, tmp_path, out):
    path = archive(tmp_path / "a.zip", members(12), packed)
    assert frames_in(path) == 12
    files = take_frames(path, count, out)
    assert seen(files) == expected
    assert sorted(files) == sorted(out.iterdir())


def test_frames_go_by_their_numbers_and_not_by_their_places(tmp_path, out):
    names = ["f10.png", "f2.jpg", "F01.png", f"f{'9' * 5000}.jpg", "f3.jpg"]
    numbers = [4, 2, 1, 5, 3]
    content = {
        name: member(number, form="PNG" if name.endswith("png") else "JPEG")
        for name, number in zip(names, numbers, strict=True)
    }
    content["animation.json"] = b'{"frames": []}'
    path = archive(tmp_path / "a.zip", content)
    assert frames_in(path) == 5
    assert seen(take_frames(path, 5, out)) == [1, 2, 3, 4, 5]


HOSTILE = {
    "../../SLIPPED.jpg": "leads out",
    "a/../../SLIPPED.jpg": "leads out",
    "/tmp/SLIPPED.jpg": "path of a system",
    "..\\SLIPPED.jpg": "path of a system",
    "C:SLIPPED.jpg": "path of a system",
    "\\\\host\\SLIPPED.jpg": "path of a system",
    "000000.JPG": "two members of one name",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_and_never_written(name, tmp_path, out):
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    path = archive(tmp_path / "deep" / "deeper" / "a.zip", members(3) | {name: member(9)})
    refused(path, out, HOSTILE[name])
    assert not list(tmp_path.rglob("*SLIPPED*"))
    assert not Path("/tmp/SLIPPED.jpg").exists()


def test_a_name_that_ends_early_is_refused(tmp_path, out):
    path = archive(tmp_path / "a.zip", members(2) | {"SLIPPEDX.jpg": member(3)})
    patched(path, lambda content: content.__setitem__(slice(None), content.replace(b"DX", b"D\0")))
    refused(path, out, "path of a system")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_doubled_names_are_refused(tmp_path, out):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.jpg", member(1))
        file.writestr("a.jpg", member(2))
    refused(tmp_path / "a.zip", out, "two members of one name")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(kind, tmp_path, out):
    entry = zipfile.ZipInfo("000001.jpg")
    entry.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("000000.jpg", member(0))
        file.writestr(entry, "/etc/hostname")
    refused(tmp_path / "a.zip", out, "a link or a device")


def test_archives_in_archives_and_other_things_are_refused(tmp_path, out):
    inner = archive(tmp_path / "inner.zip", members(2)).read_bytes()
    for name, data in {
        "b.zip": inner,
        "000009.jpg": inner,
        "a.txt": b"hello",
        "e.jpg": b"",
    }.items():
        path = archive(tmp_path / "a.zip", members(3) | {name: data})
        refused(path, out, "no JPEG or PNG picture")
    archive(tmp_path / "none.zip", {"folder/": b"", "animation.json": b"{}"})
    refused(tmp_path / "none.zip", out, "without pictures")
    archive(tmp_path / "empty.zip", {})
    refused(tmp_path / "empty.zip", out, "without pictures")


def test_encrypted_members_are_refused(tmp_path, out):
    path = archive(tmp_path / "a.zip", members(2))

    def lock(content: bytearray) -> None:
        content[directory(content) + 8] |= 1
        content[6] |= 1

    refused(patched(path, lock), out, "encrypted")


@pytest.mark.parametrize("packed", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_packing_is_refused(packed, tmp_path, out):
    refused(archive(tmp_path / "a.zip", members(2), packed), out, "packed in an unusual way")


def test_twenty_thousand_members_are_refused(tmp_path, out):
    picture = member(1)[:20]
    content = {f"{number}.jpg": picture for number in range(20_000)}
    refused(archive(tmp_path / "a.zip", content), out, "more than 10,000 members")


def test_a_directory_of_any_size_is_not_read(tmp_path, out):
    content = {f"{number}{'x' * 400}.jpg": b"" for number in range(11_000)}
    refused(archive(tmp_path / "a.zip", content), out, "directory of more than 4 MB")


def zeros(path: Path, mebibytes: int) -> Path:
    """A member that starts as a PNG file does and unpacks to so many zeros."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("0.png", "w") as entry,
    ):
        entry.write(b"\x89PNG\r\n\x1a\n")
        for _ in range(mebibytes):
            entry.write(bytes(1 << 20))
    return path


def declare(path: Path, size: int) -> Path:
    """Change what the directory and the header say of the first member's unpacked size."""

    def change(content: bytearray) -> None:
        place = directory(content)
        content[place + 24 : place + 28] = struct.pack("<I", size)
        content[22:26] = struct.pack("<I", size)

    return patched(path, change)


def test_a_member_that_unpacks_to_too_much_is_refused_whatever_it_says(tmp_path, out):
    path = zeros(tmp_path / "a.zip", 100)
    refused(path, out, "a member of more than")
    declare(path, 5000)
    assert frames_in(path) == 1
    with pytest.raises(PictureError, match="broken archive"):
        take_frames(path, 1, out)
    refused(declare(archive(tmp_path / "b.zip", members(2)), 1 << 30), out, "a member of more than")


def test_a_bomb_of_many_members_is_refused(tmp_path, out):
    path = archive(tmp_path / "a.zip", members(40))

    def swell(content: bytearray) -> None:
        place = directory(content)
        while place >= 0:
            content[place + 24 : place + 28] = struct.pack("<I", 60 << 20)
            place = content.find(b"PK\1\2", place + 4)

    refused(patched(path, swell), out, "archive bomb")


def test_members_that_lie_over_each_other_are_refused(tmp_path, out):
    path = archive(tmp_path / "a.zip", members(3))

    def overlay(content: bytearray) -> None:
        second = content.index(b"PK\1\2", directory(content) + 4)
        content[second + 42 : second + 46] = struct.pack("<I", 4)

    refused(patched(path, overlay), out, "overlap|broken archive")


@pytest.mark.parametrize("change", [-100, -1, 1, 5000])
@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_sizes_that_lie_are_refused(change, packed, tmp_path, out):
    content = members(2)
    path = archive(tmp_path / "a.zip", content, packed)
    declare(path, len(content["000000.jpg"]) + change)
    with pytest.raises(PictureError, match=r"broken archive|smaller than it says"):
        take_frames(path, 2, out)
    assert list(out.iterdir()) == []


def test_a_picture_bomb_in_an_archive_is_refused(tmp_path, out):
    path = archive(tmp_path / "a.zip", members(2) | {"000002.jpg": BOMBS["jpeg.jpg"]()})
    with pytest.raises(PictureError, match="picture bomb"):
        take_frames(path, 3, out)
    assert list(out.iterdir()) == []


def test_a_damaged_archive_is_refused_or_read_and_nothing_else(tmp_path, out):
    content = archive(tmp_path / "a.zip", members(4), zipfile.ZIP_DEFLATED).read_bytes()
    rng = random.Random(5)
    path = tmp_path / "broken.zip"
    faults = 0
    for turn in range(300):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 8)):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged if turn % 3 else content[: rng.randrange(4, len(content))])
        try:
            for file in take_frames(path, 3, out):
                file.unlink()
        except PictureError:
            faults += 1
        assert list(out.iterdir()) == []
    assert faults > 100


# --- videos ---------------------------------------------------------------------------------


def video(path: Path, count: int, size: tuple[int, int] = (64, 48)) -> Path:
    """A video of flat frames; beyond 12 frames the colours go round."""
    code = {".mp4": "mp4v", ".webm": "VP80"}[path.suffix]
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    file = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*code), 25, size)
    cv2.utils.logging.setLogLevel(before)
    assert file.isOpened()
    for number in range(count):
        file.write(np.full((size[1], size[0], 3), shade(number % 12)[::-1], np.uint8))
    file.release()
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_frames_of_a_video(suffix, tmp_path, out):
    path = video(tmp_path / f"a{suffix}", 12)
    assert frames_in(path) == 12
    for count, expected in {1: [0], 3: [0, 4, 8], 50: list(range(12))}.items():
        assert seen(take_frames(path, count, out)) == expected


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_far_frames_of_a_video_are_leapt_to(suffix, tmp_path, out):
    path = video(tmp_path / f"a{suffix}", 1200)
    wanted = [number * 1200 // 7 for number in range(7)]
    assert seen(take_frames(path, 7, out)) == [number % 12 for number in wanted]


def test_a_video_without_the_extra_says_what_to_install(tmp_path, out, monkeypatch):
    path = video(tmp_path / "a.mp4", 3)
    monkeypatch.setitem(sys.modules, "cv2", None)
    refused(path, out, r"a video; pip install 'datasetkit\[video\]' takes its frames")


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_video_cut_short_is_refused(suffix, tmp_path, out):
    path = video(tmp_path / f"a{suffix}", 300)
    content = path.read_bytes()
    for share in (0.02, 0.3, 0.6):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(PictureError, match="broken video"):
            take_frames(path, 6, out)
        assert list(out.iterdir()) == []


@pytest.mark.parametrize("milliseconds", [1e5, 1e7, 1e12])
def test_a_video_that_declares_too_much_is_refused_in_time(milliseconds, tmp_path, out):
    path = video(tmp_path / "a.webm", 60)

    def lie(content: bytearray) -> None:
        place = content.index(b"\x44\x89\x88") + 3  # Duration, a double of milliseconds
        content[place : place + 8] = struct.pack(">d", milliseconds)

    patched(path, lie)
    assert len(take_frames(path, 1, out)) == 1
    for file in out.iterdir():
        file.unlink()
    with pytest.raises(PictureError, match="broken video"):
        take_frames(path, 3, out)


def test_a_video_that_declares_nothing_is_counted(tmp_path, out):
    path = video(tmp_path / "a.webm", 60)

    def drop(content: bytearray) -> None:
        place = content.index(b"\x44\x89\x88")
        content[place : place + 11] = b"\xec\x89" + bytes(9)  # Void

    patched(path, drop)
    assert frames_in(path) == 60
    assert seen(take_frames(path, 5, out)) == [0, 0, 0, 0, 0]
    assert seen(take_frames(path, 7, out)) == [number * 60 // 7 % 12 for number in range(7)]


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_damaged_video_is_refused_or_read_in_silence(suffix, tmp_path, out):
    """In a process of its own, to see all that FFmpeg would say, and whether it survives."""
    video(tmp_path / f"a{suffix}", 60)
    code = """
import random, sys
from pathlib import Path
from datasetkit.errors import PictureError
from datasetkit.frames import frames_in, take_frames
source, out = Path(sys.argv[1]), Path(sys.argv[2])
content, rng = source.read_bytes(), random.Random(3)
for turn in range(60):
    damaged = bytearray(content)
    for _ in range(rng.randint(1, 30)):
        damaged[rng.randrange(4, len(damaged))] ^= 1 << rng.randrange(8)
    source.write_bytes(damaged if turn % 3 else content[: rng.randrange(12, len(content))])
    for look in (frames_in, lambda path: take_frames(path, 4, out)):
        try:
            look(source)
        except PictureError as error:
            assert len(str(error)) < 200
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path / f"a{suffix}"), str(out)],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_many_threads_take_frames_at_once(tmp_path, out):
    paths = [
        video(tmp_path / "a.mp4", 12),
        video(tmp_path / "b.webm", 12),
        archive(tmp_path / "c.zip", members(12)),
        animated(tmp_path / "d.gif", film(12)),
    ] * 6
    with ThreadPoolExecutor(8) as pool:
        for files in pool.map(lambda path: take_frames(path, 4, out), paths):
            assert seen(files) == [0, 3, 6, 9]
    assert threading.active_count() < 20


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss as on Linux")
def test_memory_is_that_of_a_frame(tmp_path, out):
    size = (640, 640)
    animated(tmp_path / "a.gif", film(12, size) * 5)
    video(tmp_path / "a.mp4", 60, size)
    archive(
        tmp_path / "a.zip", {f"{number}.jpg": member(number % 12, size) for number in range(60)}
    )
    code = """
import resource, sys
from pathlib import Path
from datasetkit.frames import take_frames
def used():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
for name in sys.argv[2:]:
    take_frames(Path(name), 2, Path(sys.argv[1]))
    before = used()
    take_frames(Path(name), 200, Path(sys.argv[1]))
    assert used() - before < 40, (name, used() - before)
"""
    names = [str(tmp_path / name) for name in ("a.gif", "a.zip", "a.mp4")]
    subprocess.run([sys.executable, "-c", code, str(out), *names], check=True, timeout=100)


@pytest.fixture(autouse=True)
def nothing_stays_open(tmp_path: Path) -> Iterator[None]:
    """No file handle is left behind, whatever was refused."""
    yield
    descriptors = Path("/proc/self/fd")
    if descriptors.is_dir():
        targets = []
        for link in descriptors.iterdir():
            try:
                targets.append(link.readlink())
            except OSError:  # the one that lists them
                continue
        assert not [target for target in targets if tmp_path in target.parents]
