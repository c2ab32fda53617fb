"""Pictures for the tests: drawn, built by hand chunk by chunk, and bombs."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw

from datasetkit.pixels import MAX_PIXELS

OPTIONS = {
    ".jpg": {"quality": 95, "subsampling": 0},
    ".png": {},
    ".webp": {"lossless": True, "exact": True},
    ".gif": {},
    ".avif": {"quality": 95, "subsampling": "4:4:4"},
}


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **(OPTIONS[path.suffix] | options))
    return path


def scene(size: tuple[int, int] = (120, 80)) -> Image.Image:
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    draw = ImageDraw.Draw(image)
    for step in range(0, size[0], 9):
        draw.line((step, 0, size[0] - step, size[1]), (step * 2, 255 - step, 90), 2)
    return image


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, color: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def rows(*lines: bytes) -> bytes:
    return chunk(b"IDAT", zlib.compress(b"".join(b"\0" + line for line in lines)))


def swollen(kind: bytes, size: int) -> bytes:
    """A compressed chunk that unpacks to so many zeros."""
    return chunk(kind, b"x\0\0" + zlib.compress(b"\0" * size, 9))


EIGHT_ROWS = rows(*[b"\0" * 24] * 8)


def _webp_bomb(width: int, height: int) -> bytes:
    still = io.BytesIO()
    Image.new("RGBA", (16, 16)).save(still, "WEBP", lossless=True)
    frame = still.getvalue()[12:]
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + size + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _jpeg_bomb(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG")
    content = bytearray(file.getvalue())
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def _gif_bomb(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("P", (16, 16)).save(file, "GIF")
    content = bytearray(file.getvalue())
    content[6:10] = struct.pack("<HH", width, height)
    return bytes(content)


def _avif_bomb(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "AVIF")
    content = bytearray(file.getvalue())
    place = content.index(b"ispe") + 8
    content[place : place + 8] = struct.pack(">II", width, height)
    return bytes(content)


BOMBS: dict[str, Callable[[], bytes]] = {
    "png.png": lambda: png(13_300, 13_300, rows(b"\0" * 10)),
    "png-max.png": lambda: png(2**31 - 1, 2**31 - 1, rows(b"\0" * 10)),
    "gray.png": lambda: png(60_000, 60_000, rows(b"\0" * 10), color=0, depth=1),
    "just-over.png": lambda: png(MAX_PIXELS + 1, 1, rows(b"\0" * 10)),
    "webp.webp": lambda: _webp_bomb(13_000, 13_000),
    "webp-max.webp": lambda: _webp_bomb(16_383, 16_383),
    "jpeg.jpg": lambda: _jpeg_bomb(12_000, 12_000),
    "jpeg-max.jpg": lambda: _jpeg_bomb(65_500, 65_500),
    "gif.gif": lambda: _gif_bomb(12_000, 12_000),
    "gif-max.gif": lambda: _gif_bomb(65_535, 65_535),
    "avif.avif": lambda: _avif_bomb(12_000, 12_000),
    "iccp.png": lambda: png(8, 8, swollen(b"iCCP", 100_000_000), EIGHT_ROWS),
    "ztxt.png": lambda: png(8, 8, swollen(b"zTXt", 100_000_000), EIGHT_ROWS),
    "ztxts.png": lambda: png(8, 8, *[swollen(b"zTXt", 1_000_000)] * 200, EIGHT_ROWS),
}  # fmt: skip
