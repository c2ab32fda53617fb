"""The ``.txt`` beside a picture: what people and trainers read, and where people's edits win."""

import codecs
import functools
import os
import stat
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from datasetkit.dataset.lines import BINARY, write_file
from datasetkit.errors import DatasetError
from datasetkit.record import HAND, Record, Tag
from datasetkit.tags import from_caption, join_caption, split_caption, to_caption

MAX_BYTES = 1024 * 1024  # a caption is a line; a larger file beside a picture is something else

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def caption(record: Record) -> str:
    """The caption of a record: its tags in order, a trigger word as it stands."""
    return caption_of([tag.name for tag in record.tags], [tag.kind for tag in record.tags])


def caption_of(names: Iterable[str], kinds: Iterable[str]) -> str:
    """The caption that tags make, of their names and their kinds."""
    return join_caption(map(_word, names, kinds))


@functools.lru_cache(maxsize=16_384)
def _word(name: str, kind: str) -> str:
    return name if kind == "trigger" else to_caption(name)


def caption_path(picture: Path) -> Path:
    """The caption file of a picture: same stem, ``.txt``."""
    return picture.with_suffix(".txt")


def read_caption(path: Path | str) -> str | None:
    """Read a caption file, whatever editor saved it; None if there is none.

    UTF-8 with or without a mark, UTF-16 with one, then cp932 (old Japanese Windows). Raises
    DatasetError for a file over MAX_BYTES, with NUL bytes, or in no such encoding.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):  # a FIFO would wait for ever, a link lead elsewhere
        raise DatasetError(f"{path}: a caption is a plain file; this is none")
    if status.st_size > MAX_BYTES:
        raise DatasetError(
            f"{path}: a caption of {status.st_size:,} bytes; {MAX_BYTES:,} is the limit"
        )
    data = _bytes(path)
    encodings = [name for mark, name in _MARKS.items() if data.startswith(mark)]
    for encoding in encodings or ["utf-8", "cp932"]:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise DatasetError(f"{path}: a caption with NUL bytes; save it as UTF-8 text")
        return text
    raise DatasetError(f"{path}: neither UTF-8, UTF-16 nor cp932; save the caption as UTF-8 text")


def _bytes(path: Path | str) -> bytes:
    """A small file's bytes; a file object would cost more than the reading does."""
    file = os.open(path, os.O_RDONLY | BINARY)
    try:
        return os.read(file, MAX_BYTES + 1)
    finally:
        os.close(file)


def write_caption(record: Record) -> None:
    """Write a record's caption beside its picture, unless it stands there already."""
    path = caption_path(record.picture.path)
    data = (caption(record) + "\n").encode()
    if not path.exists() or path.read_bytes() != data:
        write_file(path, data)


def says_the_same(text: str, record: Record) -> bool:
    """Say whether a caption text names the record's tags in the record's order."""
    if text.strip() == caption(record):  # as a rule; to parse costs twenty times more
        return True
    return _names(text) == [from_caption(tag.name) for tag in record.tags]


def with_hand_edits(record: Record, text: str) -> Record:
    """Return the record as a person's caption has it.

    Added words become tags by ``hand``, words that were taken out stay out, the order is theirs.
    """
    standing = {from_caption(tag.name): tag for tag in record.tags}
    names = _names(text)
    tags = tuple(standing.get(name) or Tag(name, by=(HAND,)) for name in names)
    gone = {tag.name for name, tag in standing.items() if name not in set(names)}
    removed = (record.removed | gone) - {tag.name for tag in tags}
    return replace(record, tags=tags, removed=frozenset(removed))


def with_late_edits(record: Record, before: Record) -> Record:
    """Take in what a person did to the caption since it was ``before``, on top of ``record``."""
    text = read_caption(caption_path(before.picture.path))
    if text is None or says_the_same(text, before) or says_the_same(text, record):
        return record
    edited = with_hand_edits(before, text)
    added = [tag for tag in edited.tags if not before.has(tag.name)]
    return replace(record, removed=edited.removed).with_tags([*record.tags, *added])


def _names(text: str) -> list[str]:
    return split_caption(text.replace("\n", ","))  # a person may write a tag a line
