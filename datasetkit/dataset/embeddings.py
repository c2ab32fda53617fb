"""What models make of pictures as numbers: rows that are added to a file, and who each row is of.

Both files are plain NumPy arrays (``np.load(path, mmap_mode="r")``), so that other programs can
read them: ``<model>.npy`` holds (rows, numbers) of float16, ``<model>.prints.npy`` which picture
and model each row is of, as 64 bits.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasetkit.dataset.lines import BINARY
from datasetkit.errors import DatasetError
from datasetkit.names import safe_stem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

FOLDER = "embeddings"
_HEAD = 128  # bytes before the first row; the form of NumPy's files, 1.0, as its manual has it
_MAGIC = b"\x93NUMPY\x01\x00"
_ROWS = 512  # that are read at once


def path_of(memory: Path, model: str) -> Path:
    """Where a model's rows lie in the memory of a dataset, if there are any."""
    return memory / FOLDER / f"{safe_stem(model)}.npy"


class Embeddings:
    """A model's rows for a dataset, by the print that ``facts["tag"][model]["print"]`` holds.

    A print tells content and model, so a row never grows stale. Opened to be written (by one
    process, which holds the dataset's lock), rows that a kill left unfinished are cut off; opened
    to be read, it is what stood there then. A row costs 8 bytes of memory, and its own on disk.
    Raises DatasetError for files that are damaged: they may be deleted.
    """

    def __init__(self, memory: Path, model: str, *, write: bool = False) -> None:
        self.path = path_of(memory, model)
        self._one = threading.Lock()
        self._vectors = _Rows(self.path, "<f2", write=write)
        self._prints = _Rows(
            self.path.with_name(f"{self.path.stem}.prints.npy"), "<u8", write=write
        )
        self._new: dict[int, int] = {}
        self._load()

    def __len__(self) -> int:
        return self._prints.count

    def __contains__(self, print_: str) -> bool:
        return self._place(print_) is not None

    def __iter__(self) -> Iterator[tuple[str, "NDArray[np.float32]"]]:
        """All prints with their vectors, in the order in which they came; few are in memory."""
        for start in range(0, len(self), _ROWS):
            count = min(_ROWS, len(self) - start)
            with self._one:
                prints, vectors = self._prints.read(start, count), self._vectors.read(start, count)
            for print_, vector in zip(prints.reshape(-1).tolist(), vectors, strict=True):
                yield f"{print_:016x}", vector.astype("f4")

    def get(self, print_: str) -> "NDArray[np.float32] | None":
        """The vector of a print; None where there is none."""
        place = self._place(print_)
        if place is None:
            return None
        with self._one:
            vector: NDArray[np.float32] = self._vectors.read(place, 1)[0].astype("f4")
        return vector

    def put(self, print_: str, vector: "ArrayLike | bytes") -> None:
        """Keep a vector as float16, where its print has none yet.

        A vector of another length is another model's under the same name: the rows of that one
        are thrown away. Where the disk fails in the middle, what was written is taken back.
        """
        import numpy as np

        if isinstance(vector, bytes):
            row = np.frombuffer(vector, "<f2")
        else:
            row = np.asarray(vector).reshape(-1).astype("<f2")
        with self._one:
            if len(self) and self._vectors.width != len(row):
                self._clear()
            if print_ in self:
                return
            self.path.parent.mkdir(exist_ok=True)
            count = len(self)
            try:
                self._vectors.append(row)
                self._prints.append(np.array([int(print_, 16)], "<u8"))
            except OSError:
                self._vectors.cut(count)
                self._prints.cut(count)
                raise
            self._new[int(print_, 16)] = count

    def close(self) -> None:
        """Bring what was added to the disk and let the files go."""
        for rows in (self._vectors, self._prints):
            rows.close()

    def _load(self) -> None:
        import numpy as np

        count = min(self._vectors.count, self._prints.count)
        for rows in (self._vectors, self._prints):
            rows.cut(count)
        known = self._prints.read(0, count).reshape(-1)
        self._order = np.argsort(known, kind="stable").astype(np.uint32)
        self._known = known[self._order]

    def _clear(self) -> None:
        for rows in (self._vectors, self._prints):
            rows.clear()
        self._new.clear()
        self._load()

    def _place(self, print_: str) -> int | None:
        wanted = int(print_, 16)
        if wanted in self._new:
            return self._new[wanted]
        at = int(self._known.searchsorted(wanted))
        found = at < len(self._known) and int(self._known[at]) == wanted
        return int(self._order[at]) if found else None


class _Rows:
    """A NumPy file of rows of one length, whose head is made to fit when it is closed."""

    def __init__(self, path: Path, dtype: str, *, write: bool) -> None:
        import numpy as np

        self.path, self._dtype, self._write = path, np.dtype(dtype), write
        self.width = self.count = 0
        self._file = -1
        self._changed = False
        flags = os.O_RDWR if write else os.O_RDONLY
        try:
            self._file = os.open(path, flags | BINARY)
        except FileNotFoundError:
            return
        size = os.fstat(self._file).st_size
        if size < _HEAD:  # killed in its first moment
            self.clear()
            return
        self.width = self._read_head()
        self.count = (size - _HEAD) // self._size

    @property
    def _size(self) -> int:
        return self.width * self._dtype.itemsize

    def read(self, start: int, count: int) -> "NDArray[Any]":
        """Rows as an array (count, width)."""
        import numpy as np

        if not count:
            return np.zeros((0, self.width), self._dtype)
        os.lseek(self._file, _HEAD + start * self._size, os.SEEK_SET)
        data = b""
        while len(data) < count * self._size:
            more = os.read(self._file, count * self._size - len(data))
            if not more:
                raise DatasetError(f"{self.path} has become shorter; open the dataset again")
            data += more
        return np.frombuffer(data, self._dtype).reshape(count, self.width)

    def append(self, row: "NDArray[Any]") -> None:
        """Add a row at the end."""
        if self._file < 0:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | BINARY, 0o644)
        if not self.count:
            self.width = len(row)
            self._write_head()
        data = row.tobytes()
        os.lseek(self._file, _HEAD + self.count * self._size, os.SEEK_SET)
        while data:
            data = data[os.write(self._file, data) :]
        self.count += 1
        self._changed = True

    def cut(self, count: int) -> None:
        """Forget the rows after the first ones, and what may stand half written behind them."""
        self.count = min(self.count, count)
        if self._write and self._file >= 0 and self.width:
            end = _HEAD + self.count * self._size
            if os.fstat(self._file).st_size > end:
                os.ftruncate(self._file, end)
                self._changed = True

    def clear(self) -> None:
        """Forget all rows, and how long they were."""
        self.width = self.count = 0
        if self._write and self._file >= 0:
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        if self._file >= 0:
            if self._changed:
                self._write_head()
                os.fsync(self._file)
            os.close(self._file)
            self._file = -1

    def _write_head(self) -> None:
        said = (
            f"{{'descr': '{self._dtype.str}', 'fortran_order': False, "
            f"'shape': ({self.count}, {self.width}), }}"
        )
        room = _HEAD - len(_MAGIC) - 2
        head = _MAGIC + room.to_bytes(2, "little") + said.ljust(room - 1).encode() + b"\n"
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, head)

    def _read_head(self) -> int:
        """How many numbers a row has; raises DatasetError for a file that is not one of ours."""
        from io import BytesIO

        from numpy.lib import format as npy

        os.lseek(self._file, 0, os.SEEK_SET)
        head = BytesIO(os.read(self._file, _HEAD))
        try:
            npy.read_magic(head)
            shape, columns_first, dtype = npy.read_array_header_1_0(head)
            if len(shape) == 2 and shape[1] > 0 and dtype == self._dtype and not columns_first:
                return int(shape[1])
        except ValueError:
            pass
        raise DatasetError(
            f"{self.path} is damaged; delete the folder {self.path.parent}, and dsk tag fills it"
        )
