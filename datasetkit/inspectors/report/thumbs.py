"""Small pictures inside the page: decoded no further than needed, as WebP in a data URI."""

import base64
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from datasetkit.errors import PictureError
from datasetkit.record import Record
from datasetkit.threads import in_order

if TYPE_CHECKING:
    from PIL.Image import Image

_QUALITY = 72  # of WebP: 4 to 6 KB for 160 px


@dataclass(frozen=True)
class Thumb:
    """A small picture as the page holds it; ``uri`` is empty where ``fault`` says what is wrong."""

    uri: str = ""
    width: int = 0
    height: int = 0
    fault: str = ""


def thumb(record: Record, side: int) -> Thumb:
    """Make a picture small: its longer side ``side`` px at most."""
    try:
        image = record.picture.glance(side)
    except PictureError as error:
        return Thumb(fault="no file" if not record.picture.path.exists() else str(error))
    finally:
        record.picture.forget()
    return _encoded(image, side)


def thumbs(records: Iterable[Record], side: int) -> Iterator[tuple[Record, Thumb]]:
    """Make many small, in threads, in their order; a few are under way at once."""
    return in_order(partial(thumb, side=side), records, os.cpu_count() or 1)


def _encoded(image: "Image", side: int) -> Thumb:
    from PIL.Image import Resampling

    scale = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if size != image.size:
        image = image.resize(size, Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY, method=4)
    text = base64.b64encode(buffer.getvalue()).decode()
    return Thumb(f"data:image/webp;base64,{text}", *size)
