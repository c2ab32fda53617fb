"""A file of an export: its name in the folder, and what it holds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from datasetkit.content import content_print
from datasetkit.errors import DatasetError, PictureError
from datasetkit.pixels import decode, encode, read_header
from datasetkit.record import Record


@dataclass(frozen=True)
class Made:
    """A file that is large or takes long: how it is written, and all that its bytes depend on.

    ``write`` writes the whole file to a path of its own. Where ``essence`` is what it was, the
    file that stands is taken as it is.
    """

    essence: str
    write: Callable[[Path], None]


Content: TypeAlias = bytes | Path | Made


@dataclass(frozen=True)
class File:
    """One file to be written: ``name`` with / between folders, and its content.

    Bytes are written, a path is a picture to be hard-linked (copied where the disk cannot).
    """

    name: str
    content: Content


def picture(record: Record, name: str, read: frozenset[str]) -> File:
    """A record's picture as a file called ``name`` and its suffix.

    In a format that the reader does not know (not in ``read``: suffixes in lower case) it becomes
    a PNG.
    """
    path = record.picture.path
    check_link(path)
    if path.suffix.lower() in read:
        return File(name + path.suffix, path)

    def write(target: Path) -> None:
        with named(path):
            data = encode(decode(path), ".png")
        target.write_bytes(data)

    with named(path):
        return File(f"{name}.png", Made(content_print(record.picture), write))


def check_link(path: Path) -> None:
    """Raise DatasetError for a link to what is no picture: a dataset may come from anyone.

    What stands in a plain file is looked at by ``dsk check``, which takes its time.
    """
    if path.is_symlink():
        with named(path):
            read_header(path)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Say of which picture it is that it cannot be read: an export is all or nothing."""
    try:
        yield
    except PictureError as error:
        raise DatasetError(
            f"{path} cannot be exported: {error}; put it back or delete it (dsk check finds all "
            "such pictures), then run the same command again"
        ) from error
