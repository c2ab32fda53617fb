"""Frames of animations: GIF, WebP, APNG and AVIF."""

import io
import os
from collections.abc import Generator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from datasetkit.errors import PictureError
from datasetkit.frames.basics import (
    MAX_FRAMES,
    SECONDS,
    blamed,
    check_size,
    hurry,
    spread,
    through_a_file,
)
from datasetkit.pixels import decode, read_header

if TYPE_CHECKING:
    from PIL.Image import Image


def animation_frames(path: Path) -> int:
    """Count a picture's frames, 1 where it is still, decoding none where it can."""
    form, _, frames = read_header(path)
    if form == "GIF" and frames > 1:
        with blamed("broken picture"), path.open("rb") as file:
            frames = _gif_frames(file)
    if frames > MAX_FRAMES:
        raise PictureError(f"an animation of more than {MAX_FRAMES:,} frames")
    return max(1, frames)


def _gif_frames(file: io.BufferedReader) -> int:
    """Count a GIF's frames by its blocks, up to one too many; Pillow would count without end.

    Layout: GIF89a specification, sections 18 to 27.
    """
    flags = file.read(13)[10]
    file.seek(3 << (flags & 7) + 1 if flags & 0x80 else 0, os.SEEK_CUR)
    frames = 0
    while frames <= MAX_FRAMES and (mark := file.read(1)) in {b"!", b",", b"\0"}:
        if mark == b"\0":  # stray padding, which readers pass over
            continue
        if mark == b"!":
            file.seek(1, os.SEEK_CUR)
        else:
            frames += 1
            flags = file.read(9)[8]
            file.seek((3 << (flags & 7) + 1 if flags & 0x80 else 0) + 1, os.SEEK_CUR)
        while size := file.read(1):
            if size == b"\0":
                break
            file.seek(size[0], os.SEEK_CUR)
    return frames


def from_animation(path: Path, count: int, folder: Path) -> "Generator[Image, None, None]":
    """Yield ``count`` frames as they are shown; ``folder`` holds each for a moment."""
    from PIL import Image

    total = 1 if count == 1 else animation_frames(path)
    if total == 1:
        yield decode(path)
        return
    end = monotonic() + SECONDS
    wanted = spread(total, count)
    form = read_header(path)[0]
    with blamed("broken picture"):
        image = Image.open(path, formats=[form])
    with image:
        for number in range(wanted[-1] + 1):  # a frame is often drawn upon the one before it
            hurry(end)
            with blamed(f"broken picture in frame {number + 1}"):
                image.seek(number)
                check_size(*image.size)
                image.load()
                shown = io.BytesIO()
                if number in wanted:
                    exif = image.info.get("exif")
                    image.save(shown, "PNG", compress_level=1, **({"exif": exif} if exif else {}))
            if number in wanted:
                yield through_a_file(folder, shown.getvalue())
