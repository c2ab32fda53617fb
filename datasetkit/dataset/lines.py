"""JSON lines: one object a line, appended whole, read back past a torn end, rewritten by rename."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from datasetkit.errors import DatasetError

Line = dict[str, Any]


def dump(line: Line) -> bytes:
    """Write one object as a line of UTF-8."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def read(path: Path) -> tuple[list[Line], int]:
    """Return the lines of a file and how many bytes of it are whole.

    A last line without its end (a write that was cut) is left out of both; damage anywhere else
    raises DatasetError, since it is not ours and nothing should be guessed.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    whole = data.rfind(b"\n") + 1
    return list(_parse(data[:whole], path)), whole


def _parse(data: bytes, path: Path) -> Iterator[Line]:
    for number, text in enumerate(data.splitlines(), 1):
        try:
            line = json.loads(text)
        except ValueError as error:
            message = f"{path}, line {number} is damaged ({error}); mend or remove it"
            raise DatasetError(message) from error
        yield line


def refuse_paths(*names: str) -> None:
    """Raise DatasetError for a file name that leads elsewhere: a dataset may come from anyone."""
    for name in names:
        if not name or name in {".", ".."} or set(name) & set("/\\\0"):
            raise DatasetError(f"the log names a file outside the dataset: {name!r}")


class Log:
    """A file of lines open for appending; a torn end is cut off when it is opened."""

    def __init__(self, path: Path) -> None:
        lines, whole = read(path)
        self.lines = lines
        self.torn = path.exists() and path.stat().st_size > whole
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        os.ftruncate(self._file, whole)
        os.lseek(self._file, 0, os.SEEK_END)

    def append(self, line: Line) -> None:
        """Add a line whole; where the disk fails in the middle, what was written is taken back."""
        data = dump(line)
        start = os.lseek(self._file, 0, os.SEEK_CUR)
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError:
            os.ftruncate(self._file, start)
            raise

    def sync(self) -> None:
        """Bring what was appended to the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Bring what was appended to the disk and let the file go."""
        if self._file >= 0:
            os.fsync(self._file)
            os.close(self._file)
            self._file = -1


def rewrite(path: Path, lines: Iterable[Line]) -> None:
    """Replace a file of lines as one act: a reader sees the old file or the new one."""
    write_file(path, b"".join(dump(line) for line in lines))


def drafts(folder: Path) -> Iterator[Path]:
    """The files that :func:`write_file` had begun in a folder when its process was killed."""
    return folder.glob(".*.dsk-part")


def write_file(path: Path, data: bytes) -> None:
    """Write a file beside its name, bring it to the disk, and put it in place by rename."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.dsk-part")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
