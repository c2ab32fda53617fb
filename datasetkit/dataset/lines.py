"""JSON lines: one object a line, appended whole, read back past a torn end, rewritten by rename."""

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from datasetkit.errors import DatasetError

Line = dict[str, Any]

BLOCK = 1024 * 1024  # bytes that are read at once where a whole file is
BINARY = getattr(os, "O_BINARY", 0)  # Windows would make other line ends of ours
_PREAD: Callable[[int, int, int], bytes] | None = getattr(os, "pread", None)  # not on Windows
_OPEN_FILES_STAY = os.name == "nt"  # a file that is open cannot be replaced there

DRAFT = ".dsk-part"

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def text_of(value: Any) -> str:
    """Write a value as JSON, as it stands in a line."""
    return _ENCODER.encode(value)


def dump(line: Line) -> bytes:
    """Write one object as a line of UTF-8."""
    return text_of(line).encode() + b"\n"


def read(path: Path) -> list[Line]:
    """Return the lines of a small file, none if there is no such file."""
    return [line for _, _, line in Log(path, write=False)]


def refuse_paths(*names: str) -> None:
    """Raise DatasetError for a file name that leads elsewhere: a dataset may come from anyone."""
    for name in names:
        if not name or name in {".", ".."} or "/" in name or "\\" in name or "\0" in name:
            raise DatasetError(f"the log names a file outside the dataset: {name!r}")


class Log:
    """A file of lines, read where one asks and added to at its end.

    Opened to be written, a torn end (a write that was cut) is cut off. Opened to be read, it is
    the file as it was then, whatever a writer puts in its place. May be read from any thread.
    """

    def __init__(self, path: Path, *, write: bool = True) -> None:
        self.path = path
        self._one = threading.Lock()  # one offset serves all where there is no pread
        self._file = -1
        if write:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | BINARY, 0o644)
        else:
            self._file = _held(path)
        size = os.fstat(self._file).st_size if self._file >= 0 else 0
        self._end = self._whole(size)
        self.torn = self._end < size
        if write and self.torn:
            os.ftruncate(self._file, self._end)

    def __iter__(self) -> Iterator[tuple[int, int, Line]]:
        """The whole lines, each with where it begins and how many bytes it has.

        Damage anywhere but at the end raises DatasetError, since it is not ours and nothing
        should be guessed.
        """
        number = start = 0
        rest = b""
        for at in range(0, self._end, BLOCK):
            *texts, rest = (rest + self.raw(at, min(BLOCK, self._end - at))).split(b"\n")
            for text in texts:
                number += 1
                try:
                    line = json.loads(text)
                except ValueError as error:
                    message = f"{self.path}, line {number} is damaged ({error}); mend or remove it"
                    raise DatasetError(message) from error
                yield start, len(text) + 1, line
                start += len(text) + 1

    def line(self, start: int, size: int) -> Line:
        """The line that stands somewhere; raises ValueError if there is none."""
        found = json.loads(self.raw(start, size))
        if not isinstance(found, dict):
            raise ValueError("not an object")
        return found

    def raw(self, start: int, size: int) -> bytes:
        """The bytes that stand somewhere in the file; a closed one is opened again to be read."""
        with self._one:
            if self._file < 0:
                self._file = _held(self.path)
            if self._file < 0:
                raise DatasetError(f"{self.path} is gone; open the dataset again")
            if _PREAD is not None:
                return _PREAD(self._file, size, start)
            os.lseek(self._file, start, os.SEEK_SET)
            return os.read(self._file, size)

    def append(self, line: Line) -> tuple[int, int]:
        """Add a line whole, and say where it begins and how many bytes it has."""
        data = dump(line)
        return self.append_all([data]), len(data)

    def append_all(self, lines: Sequence[bytes]) -> int:
        """Add whole lines, one behind the other, and say where the first begins.

        Where the disk fails in the middle, what was written is taken back.
        """
        start, data = self._end, b"".join(lines)
        with self._one:
            os.lseek(self._file, start, os.SEEK_SET)
            try:
                write_whole(self._file, data)
            except OSError:
                os.ftruncate(self._file, start)
                raise
        self._end = start + len(data)
        return start

    def sync(self) -> None:
        """Bring what was appended to the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Bring what was appended to the disk and let the file go."""
        if self._file >= 0:
            os.fsync(self._file)
            self._let_go()

    def __del__(self) -> None:
        self._let_go()

    def _let_go(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _whole(self, size: int) -> int:
        """How many bytes there are up to the end of the last whole line."""
        while size:
            start = max(0, size - BLOCK)
            found = self.raw(start, size - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            size = start
        return 0


def _held(path: Path) -> int:
    """Open a file to be read for as long as one likes, without being in a writer's way.

    Returns its descriptor, -1 if there is no such file. Where an open file cannot be replaced, it
    is a copy that goes with the descriptor.
    """
    try:
        if not _OPEN_FILES_STAY:
            return os.open(path, os.O_RDONLY | BINARY)
        with path.open("rb") as file, tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(file, copy, BLOCK)
            copy.flush()
            return os.dup(copy.fileno())
    except FileNotFoundError:
        return -1


def write_whole(file: int, data: bytes) -> None:
    """Write to a descriptor until the last byte is taken."""
    while data:
        data = data[os.write(file, data) :]


def drafts(folder: Path) -> Iterator[Path]:
    """The files that :func:`rewrite` had begun in a folder when its process was killed."""
    try:
        with os.scandir(folder) as entries:
            names = [
                e.name
                for e in entries
                if e.name[0] == "." and e.name.endswith(DRAFT)
                and not e.is_dir(follow_symlinks=False)
            ]  # fmt: skip
    except FileNotFoundError:
        return
    yield from (folder / name for name in names)


def write_file(path: Path, data: bytes) -> None:
    """Write a file beside its name, bring it to the disk, and put it in place by rename."""
    rewrite(path, (data,))


def rewrite(path: Path, parts: Iterable[bytes]) -> None:
    """Replace a file, part by part, as one act: a reader sees the old file or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}{DRAFT}")
    try:
        with draft.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
