"""The ``.txt`` beside a picture: what people and trainers read, and where people's edits win."""

import codecs
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from datasetkit.dataset.lines import BINARY, write_file, write_whole
from datasetkit.errors import DatasetError
from datasetkit.record import HAND, ORDER, Record, Tag
from datasetkit.tags import from_caption, join_caption, split_caption, to_caption

# More drafts than these get a folder of their own. ext4 looks for a new file's place near its
# folder, and beside some thousands of files that search takes five times as long as the rest.
FEW = 8
MOST_WORDS = 65_536  # kept as captions have them; a set of 100,000 posts uses some 30,000
MAX_BYTES = 1024 * 1024  # a caption is a line; a larger file beside a picture is something else

# Linux begins to write what it is told to forget. A sync of the first draft then brings the places
# of all to the disk; otherwise each has to wait for a commit of its own.
_BEGIN_WRITING = getattr(os, "posix_fadvise", None)

Stamp = tuple[int, ...]  # of a caption file

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
    return join_caption(
        [
            name if kind == "trigger" else _WORDS[name]
            for name, kind in zip(names, kinds, strict=True)
        ]
    )


class _Words(dict[str, str]):
    """Names as captions have them: a dictionary answers in a third of lru_cache's time."""

    def __missing__(self, name: str) -> str:
        if len(self) >= MOST_WORDS:
            self.clear()
        word = self[name] = to_caption(name)
        return word


_WORDS = _Words()


def caption_path(picture: Path) -> Path:
    """The caption file of a picture: same stem, ``.txt``."""
    return picture.with_suffix(".txt")


def text_path(picture: Path | str) -> str:
    """The path of :func:`caption_path`, made for a great many."""
    folder, slash, name = str(picture).rpartition(os.sep)
    return f"{folder}{slash}{name.rpartition('.')[0] or name}.txt"


def read_caption(path: Path | str) -> str | None:
    """Read a caption file, whatever editor saved it; None if there is none.

    UTF-8 with or without a mark, UTF-16 with one, then cp932 (old Japanese Windows). Raises
    DatasetError for a file over MAX_BYTES, with NUL bytes, or in no such encoding.
    """
    data = bytes_of(path)
    return None if data is None else text_in(data, path)


def stamp(path: Path | str) -> Stamp:
    """What changes when a person writes into a caption file; () where there is none."""
    try:
        return _stamp(os.lstat(path))
    except FileNotFoundError:
        return ()


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_size, status.st_ino


def bytes_of(path: Path | str) -> bytes | None:
    """What a caption file holds, None if there is none; raises what :func:`read_caption` does."""
    return stamped(path)[0]


def stamped(path: Path | str) -> tuple[bytes | None, Stamp]:
    """What a caption file holds, and its stamp from before it was read."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None, ()
    if not stat.S_ISREG(status.st_mode):  # a FIFO would wait for ever, a link lead elsewhere
        raise DatasetError(f"{path}: a caption is a plain file; this is none")
    if status.st_size > MAX_BYTES:
        raise DatasetError(
            f"{path}: a caption of {status.st_size:,} bytes; {MAX_BYTES:,} is the limit"
        )
    file = os.open(path, os.O_RDONLY | BINARY)  # a file object costs more than the reading does
    try:
        return os.read(file, MAX_BYTES + 1), _stamp(status)
    finally:
        os.close(file)


def text_in(data: bytes, path: Path | str) -> str:
    """The text of a caption file's bytes; raises what :func:`read_caption` does."""
    encodings = [_MARKS[mark] for mark in _MARKS if data.startswith(mark)]
    for encoding in encodings or ["utf-8", "cp932"]:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise DatasetError(f"{path}: a caption with NUL bytes; save it as UTF-8 text")
        return text
    raise DatasetError(f"{path}: neither UTF-8, UTF-16 nor cp932; save the caption as UTF-8 text")


@contextmanager
def drafts(folder: Path, captions: Sequence[str]) -> Iterator[list[str]]:
    """Write captions into a folder and bring them to the disk together; gives their paths.

    One after the other, written and synced, costs five times as much. Each is to be put in its
    place by rename; those that were not are deleted.
    """
    lot = folder / os.urandom(4).hex()
    many = len(captions) > FEW
    paths = [f"{lot}{os.sep if many else '-'}{number}.txt" for number in range(len(captions))]
    if many:
        lot.mkdir()
    try:
        for path, text in zip(paths, captions, strict=True):
            with _opened(path, os.O_CREAT | os.O_EXCL) as file:
                write_whole(file, written(text))
                if _BEGIN_WRITING is not None:
                    _BEGIN_WRITING(file, 0, 0, os.POSIX_FADV_DONTNEED)
        for path in paths:  # opened anew, for a system may allow as few as 256 open files
            with _opened(path) as file:
                os.fsync(file)
        yield paths
    finally:
        try:
            lot.rmdir()  # as a rule all are where they belong
        except OSError:
            for path in paths:
                Path(path).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                lot.rmdir()


@contextmanager
def _opened(path: str, how: int = 0) -> Iterator[int]:
    file = os.open(path, os.O_WRONLY | BINARY | how, 0o666)
    try:
        yield file
    finally:
        os.close(file)


def written(text: str) -> bytes:
    """A caption as it is written into its file."""
    return f"{text}\n".encode()


def write_caption(record: Record) -> None:
    """Write a record's caption beside its picture, unless it stands there already."""
    path = caption_path(record.picture.path)
    data = written(caption(record))
    if not path.exists() or path.read_bytes() != data:
        write_file(path, data)


def as_written(paths: Iterable[Path], record: Record) -> bytes | None:
    """What the first of these caption files holds that names a record's tags in its own way."""
    for path in paths:
        with suppress(DatasetError):  # what cannot be read says nothing
            data = bytes_of(path)
            if data is not None and says_the_same(text_in(data, path), record):
                return data if data != written(caption(record)) else None
    return None


def says_the_same(text: str, record: Record) -> bool:
    """Say whether a caption text names the record's tags in the record's order."""
    if text.strip() == caption(record):  # as a rule; to parse costs twenty times more
        return True
    return _names(text) == [from_caption(tag.name) for tag in record.tags]


def is_nearer(text: str, one: Record, other: Record) -> bool:
    """Say whether a caption text shares more with one record than with the other."""
    names = set(_names(text))
    lacks = [
        len(names ^ {from_caption(tag.name) for tag in record.tags}) for record in (one, other)
    ]
    return lacks[0] < lacks[1]


def with_hand_edits(record: Record, text: str) -> Record:
    """Return the record as a person's caption has it.

    Added words become tags by ``hand``, words that were taken out stay out, the order is theirs.
    """
    standing = {from_caption(tag.name): tag for tag in record.tags}
    names = _names(text)
    tags = tuple(standing.get(name) or Tag(name, by=(HAND,)) for name in names)
    gone_names = standing.keys() - set(names)
    gone = {standing[name].name for name in gone_names}
    removed = (record.removed | gone) - {tag.name for tag in tags}
    edited = replace(record, tags=tags, removed=frozenset(removed))
    left = [name for name in standing if name not in gone_names]
    moved = left != [name for name in names if name in standing]
    return edited.with_facts(ORDER, HAND) if moved else edited


def with_late_edits(record: Record, before: Record, text: str) -> Record:
    """Take in what a person wrote into the caption since it was ``before``, atop ``record``."""
    if says_the_same(text, before) or says_the_same(text, record):
        return record
    edited = with_hand_edits(before, text)
    added = [tag for tag in edited.tags if not before.has(tag.name)]
    return replace(record, removed=edited.removed).with_tags([*record.tags, *added])


def _names(text: str) -> list[str]:
    return split_caption(text.replace("\n", ","))  # a person may write a tag a line
