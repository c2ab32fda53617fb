"""Where each key's line stands in a log, and the little of it that is asked of all keys at once.

A line of 41 tags takes 10 KB as Python objects and 80 bytes here, so that a dataset of 100,000
pictures is held in some 20 MB; the lines themselves are read from the disk when asked for.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar, overload

from datasetkit.dataset.lines import BLOCK, Line, Log, dump, rewrite, text_of
from datasetkit.errors import DatasetError

T = TypeVar("T")

# Place, start, size, step, the file's bytes, caption, staged, how many marks; the marks and the
# file's name follow. The place is first and big-endian: to sort what is packed is to sort by place.
_HEAD = struct.Struct(">QQIIqQ?H")
_BITS = (1 << 64) - 1


class Entry(NamedTuple):
    """What is known of a line without reading it.

    ``start`` and ``size`` say where it stands, ``caption`` is the :func:`digest` of the caption
    that follows from it (0 where nobody asked), ``marks`` stand for the posts it came from.
    """

    place: int
    start: int
    size: int
    step: int
    file_bytes: int
    caption: int
    staged: bool
    marks: tuple[int, ...]
    file: str

    def pack(self, key: str) -> bytes:
        """The entry as few bytes; a file's name is as a rule the key and a suffix."""
        own = self.file.startswith(key)
        name = "/" + self.file[len(key) :] if own else self.file  # no name has a slash
        head = _HEAD.pack(*self[:7], len(self.marks))
        return head + struct.pack(f"{len(self.marks)}q", *self.marks) + name.encode()


def unpack(data: bytes, key: str) -> Entry:
    """Read an entry back."""
    place, start, size, step, file_bytes, caption, staged, count = _HEAD.unpack_from(data)
    end = _HEAD.size + 8 * count
    marks = struct.unpack_from(f"{count}q", data, _HEAD.size)
    name = data[end:].decode()
    name = key + name[1:] if name[0] == "/" else name
    return Entry(place, start, size, step, file_bytes, caption, staged, marks, name)


def digest(text: str) -> int:
    """A number, never 0, that stands for a caption in this process, blanks at its edges aside."""
    return hash(text.strip()) & _BITS or 1


class Index(Mapping[str, Line]):
    """The lines of a log by key, as if they were in memory; what is done to one changes nothing."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._packed: dict[str, bytes] = {}

    def __getitem__(self, key: str) -> Line:
        return self.read(key, self._packed[key])

    def __contains__(self, key: object) -> bool:
        return key in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def entry(self, key: str) -> Entry | None:
        """What is known of a key's line without reading it."""
        return self.place(key) if key in self._packed else None

    def place(self, key: str) -> Entry:
        """What is known of the line of a key that is there."""
        return unpack(self._packed[key], key)

    def is_file(self, key: str, name: str) -> bool:
        """Say whether a key is there and its line names this file."""
        packed = self._packed.get(key)
        if packed is None:
            return False
        if packed.endswith(b"/" + name[len(key) :].encode()) and name.startswith(key):
            return True
        return unpack(packed, key).file == name

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """All keys with what is known of their lines."""
        return ((key, unpack(data, key)) for key, data in self._packed.items())

    def number(self, key: str) -> int | None:
        """The place of a key, if it is there."""
        return _HEAD.unpack_from(self._packed[key])[0] if key in self._packed else None

    def packed(self, key: str) -> bytes | None:
        """A key's entry, to be kept for :meth:`read`."""
        return self._packed.get(key)

    def put(self, key: str, entry: Entry) -> None:
        """Say where a key's line stands now."""
        self._packed[key] = entry.pack(key)

    def drop(self, key: str) -> None:
        """Know a key no more."""
        self._packed.pop(key, None)

    def in_order(self) -> list[str]:
        """The keys in the order in which their pictures came."""
        return sorted(self._packed, key=self._packed.__getitem__)

    def read(self, key: str, packed: bytes) -> Line:
        """Read the line of an entry, the present one's or an older one's.

        Raises DatasetError where another program has written the log anew since it was let go.
        """
        _, start, size, *_ = _HEAD.unpack_from(packed)
        try:
            line = self.log.line(start, size)
        except ValueError:
            line = {}
        if line.get("key") != key:
            raise DatasetError(f"{self.log.path} has changed; open the dataset again")
        return line

    def text(self, key: str) -> bytes:
        """A key's line as it stands in the log, its end left out; raises what :meth:`read` does."""
        _, start, size, *_ = _HEAD.unpack_from(self._packed[key])
        raw = self.log.raw(start, size)
        if raw.startswith(b'{"key":%b,' % text_of(key).encode()) and raw.endswith(b"}\n"):
            return raw[:-1]
        return dump(self[key])[:-1]  # not ours to the letter, or not there

    def rewrite(self) -> None:
        """Write the log anew: one line a key, in the order of their places, nothing staged."""
        fresh: dict[str, bytes] = {}

        def lines() -> Iterator[bytes]:
            begin = end = 0  # of lines that stand in a row and are read together
            start = 0
            for key in self.in_order():
                entry = unpack(self._packed[key], key)
                if entry.staged or entry.start != end or end - begin > BLOCK:
                    yield self.log.raw(begin, end - begin)
                    begin = entry.start
                end = entry.start + entry.size
                size = entry.size
                if entry.staged:
                    line = self[key]
                    del line["staged"]
                    text = dump(line)
                    yield text
                    begin, size = end, len(text)
                fresh[key] = entry._replace(start=start, size=size, staged=False).pack(key)
                start += size
            yield self.log.raw(begin, end - begin)
            self.log.close()  # Windows does not replace a file that is open

        rewrite(self.log.path, lines())
        self.log = Log(self.log.path)
        self._packed = fresh


class Series(Sequence[T]):
    """Lines of an index as things, in an order; each is made, as it stands, when it is asked for.

    One whose key the index lost since is passed over, and cannot be asked for by its number.
    """

    def __init__(self, index: Index, keys: list[str], build: Callable[[Line], T]) -> None:
        self._index = index
        self.keys = keys
        self._build = build

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> "Series[T]": ...
    def __getitem__(self, at: int | slice) -> "T | Series[T]":
        if isinstance(at, slice):
            return Series(self._index, self.keys[at], self._build)
        key = self.keys[at]
        if key not in self._index:
            raise DatasetError(f"{key} does not stand there any more")
        return self._build(self._index[key])

    def __iter__(self) -> Iterator[T]:
        return (self._build(self._index[key]) for key in self.keys if key in self._index)
