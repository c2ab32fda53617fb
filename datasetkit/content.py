"""Knowing a picture again by its bytes, without reading all of a large one."""

import hashlib
import os
import stat
from pathlib import Path

from datasetkit.pixels import Picture

_WHOLE = 128 * 1024  # bytes; what is larger is known by pieces
_PIECES, _PIECE = 32, 4096


def content_print(picture: Picture) -> str:
    """A short hash of a picture file: of all its bytes, or of 32 pieces and the length of a large.

    Pictures are compressed, so a change anywhere shows in the length, in all that follows it, or
    (PNG) in the check sum at the end. Raises PictureError for what is no plain file.
    """
    found = _of_file(picture.path) if picture.painted is None else None
    if found is None:  # not written yet; or one that cannot be read, which is refused here
        content = picture.content
        pieces = [content[start : start + _PIECE] for start in _starts(len(content))]
        found = (len(content), pieces or [content])
    known = hashlib.blake2b(found[0].to_bytes(8, "little"), digest_size=8)
    for piece in found[1]:
        known.update(piece)
    return known.hexdigest()


def _of_file(path: Path) -> tuple[int, list[bytes]] | None:
    """A file's length and pieces; None where it is no plain file, or gone."""
    # A FIFO would wait for a writer for ever.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        number = os.open(path, flags)
    except OSError:
        return None
    status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        os.close(number)
        return None
    with os.fdopen(number, "rb", buffering=0) as file:
        try:
            pieces = []
            for start in _starts(status.st_size):
                file.seek(start)
                pieces.append(file.read(_PIECE))
            return status.st_size, pieces or [file.read()]
        except OSError:
            return None


def _starts(size: int) -> list[int]:
    """Where the pieces of a large file begin, the first at its start, the last at its end."""
    if size <= _WHOLE:
        return []
    return [place * (size - _PIECE) // (_PIECES - 1) for place in range(_PIECES)]
