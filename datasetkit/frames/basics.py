"""What all that moves has in common: its limits, whose fault a fault is, where a frame goes."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from datasetkit.errors import PictureError
from datasetkit.pixels import MAX_PIXELS, decode

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_FRAMES = 10_000  # of an animation or a ugoira: the longest on boorus have some 2,000
SECONDS = 60.0


def spread(total: int, count: int) -> list[int]:
    """The numbers of ``count`` frames spread evenly over ``total``, the first included."""
    count = min(total, count)
    return [number * total // count for number in range(count)]


def write(folder: Path, content: bytes) -> Path:
    """Write a PNG file's bytes under a random name, whole or not at all."""
    path = folder / f"{secrets.token_hex(12)}.png"
    try:
        with path.open("xb") as file:
            file.write(content)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def through_a_file(folder: Path, content: bytes) -> "Image":
    """Decode bytes as any picture file is decoded, so that colours are treated in one place."""
    path = write(folder, content)
    try:
        return decode(path)
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def blamed(what: str) -> Iterator[None]:
    """Turn whatever a decoder raises into a PictureError of one short line."""
    try:
        yield
    except PictureError:
        raise
    except Exception as error:  # decoders raise far more than OSError
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise PictureError(f"{what} ({reason})") from error


def hurry(end: float) -> None:
    """Raise PictureError once the time is up, by ``monotonic``."""
    if monotonic() > end:
        raise PictureError(f"takes longer than {SECONDS:.0f} seconds to read")


def check_size(width: int, height: int) -> None:
    """Raise PictureError for a frame of more than MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        raise PictureError(f"picture bomb: {width} x {height} is more than {MAX_PIXELS:,} pixels")
