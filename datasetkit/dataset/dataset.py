"""A dataset folder, opened to be read or to be written."""

import errno
import json
import os
import shlex
import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from datasetkit.dataset import history
from datasetkit.dataset.embeddings import Embeddings
from datasetkit.dataset.hand import pictures_in, strangers, take_in_hand_edits
from datasetkit.dataset.index import Series
from datasetkit.dataset.journal import Journal
from datasetkit.dataset.lines import Line, write_file
from datasetkit.dataset.lock import Lock
from datasetkit.dataset.places import Places
from datasetkit.dataset.posts import md5_mark, origins, post_mark
from datasetkit.dataset.recovery import recover
from datasetkit.dataset.rows import from_line, to_line
from datasetkit.dataset.together import put_all, with_late_edit
from datasetkit.errors import DatasetError
from datasetkit.record import HAND, Origin, Record

FORMAT = 1  # of the files in .dsk


@dataclass(frozen=True)
class Reject:
    """A picture that was left out: its record, the stage that said so, and why."""

    record: Record
    stage: str
    reason: str


class Dataset:
    """The pictures of a folder with their tags, and the changes that stages make to them.

    Use as a context manager. To read takes no lock and changes nothing on disk; ``write=True``
    finishes what a killed run left and takes in what people edited or deleted (``notes`` says
    what), and makes the folder if need be, but for ``make=False``. Raises DatasetError where it
    cannot be written, is in use, or is no dataset.
    """

    def __init__(self, path: Path | str, *, write: bool = False, make: bool = True) -> None:
        self.places = Places(Path(path))
        self.memory = self.places.memory
        self.notes: list[str] = []
        self._write = write
        self._make = make and write
        self._made = False
        self._embeddings: dict[str, Embeddings] = {}
        self._open = ExitStack()

    def __enter__(self) -> "Dataset":
        try:
            self._check_there()
            if self._write:
                self._enter_to_write()
            else:
                self.journal = Journal(self.memory, write=False)
        except OSError as error:
            self._open.close()
            raise cannot_write(self.path, error) from error
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._open.close()
        except OSError as failed:
            raise cannot_write(self.path, failed) from failed
        if error is not None and self._made and not (self.journal.kept or self.journal.rejected):
            self._unmake()

    @property
    def path(self) -> Path:
        """The folder that people see."""
        return self.places.path

    def __len__(self) -> int:
        return len(self.journal.kept)

    def __contains__(self, key: object) -> bool:
        """Say whether a key is known here: kept, or left out before."""
        return key in self.journal

    def like(self, key: str) -> str | None:
        """The known key whose files a case-insensitive disk would not tell from this one's."""
        return self.journal.like(key)

    def origin(self, key: str) -> Origin | None:
        """Where a known key came from, kept or left out."""
        line = self.journal.line(key)
        return Origin(**line.get("origin", {})) if line else None

    def post(self, site: str, post: str) -> str | None:
        """The key of the record, kept or left out, that stands for a site's post."""
        for lines in (self.journal.kept, self.journal.rejected):
            for key in self.journal.posts.keys(post_mark(site, post)):
                if _says(lines.get(key), site=site, post=post):
                    return key
        return None

    def of_md5(self, md5: str) -> str | None:
        """The key of the kept record whose file some site has under this md5."""
        for key in self.journal.posts.keys(md5_mark(md5)):
            if md5 and _says(self.journal.kept.get(key), md5=md5):
                return key
        return None

    def left_out(self, md5: str) -> bool:
        """Say whether a picture was left out whose file some site has under this md5."""
        rejected = self.journal.rejected
        keys = self.journal.posts.keys(md5_mark(md5)) if md5 else ()
        return any(_says(rejected.get(key), md5=md5) for key in keys)

    def by_hand(self, record: Record) -> bool:
        """Say whether a person has put other pixels into a picture's file."""
        entry = self.journal.kept.entry(record.key)
        touched = entry is not None and self.places.size(entry.file) != entry.file_bytes
        return touched or HAND in record.facts

    def record(self, key: str) -> Record | None:
        """A kept record."""
        line = self.journal.kept.get(key)
        return from_line(line, self.path) if line else None

    @property
    def records(self) -> Series[Record]:
        """The records in the order in which they came, whose pictures are there.

        Each is read from the disk when it is asked for, and is then as it stands at that moment.
        """
        kept = self.journal.kept
        keys = kept.in_order()
        if not self._write:
            keys = [key for key in keys if self.places.size(kept.place(key).file) is not None]
        return Series(kept, keys, lambda line: from_line(line, self.path))

    def in_order(self, keys: Iterable[str]) -> list[str]:
        """Known keys, kept or left out, in the order in which their pictures came."""
        kept, rejected = self.journal.kept, self.journal.rejected
        return sorted(keys, key=lambda key: kept.number(key) or rejected.number(key) or 0)

    @property
    def rejects(self) -> Sequence[Reject]:
        """The pictures that were left out, in the order in which they came; read like records."""
        rejected = self.journal.rejected
        return Series(rejected, rejected.in_order(), self._reject)

    def reject_of(self, key: str) -> Reject:
        """A picture that was left out; raises KeyError for any other."""
        return self._reject(self.journal.rejected[key])

    def _reject(self, line: Line) -> Reject:
        stage, reason = line["rejected"]
        return Reject(from_line(line, self.places.rejected), stage, reason)

    def embeddings(self, model: str) -> Embeddings:
        """What a model made of the pictures as numbers, by ``facts["tag"][model]["print"]``."""
        if model not in self._embeddings:
            opened = Embeddings(self.memory, model, write=self._write)
            self._open.callback(opened.close)
            self._embeddings[model] = opened
        return self._embeddings[model]

    @property
    def history(self) -> list[Line]:
        """What was run here, oldest first, without what was undone."""
        entries = history.entries(self.memory)
        undone = {entry["undo"] for entry in entries if "undo" in entry}
        return [e for e in entries if "undo" not in e and e["step"] not in undone]

    @property
    def strangers(self) -> list[Path]:
        """Pictures in the folder that no record speaks of."""
        return strangers(self.journal, self.places)

    def draft(self, name: str) -> Path:
        """A path in the workshop, nobody else's, for a file that will be ``name``."""
        return self.places.workshop / f"{os.urandom(4).hex()}-{name}"

    def put(self, record: Record, step: int, staged: Path | None = None) -> None:
        """Add or change a record; ``staged``, a file in the workshop, becomes its picture."""
        self.put_all([(record, staged)], step)

    def put_all(self, changes: Sequence[tuple[Record, Path | None]], step: int) -> None:
        """Add or change records of different keys.

        The appended lines are the commit; the files follow, now or when the next run opens. Each
        caption is held open for a moment, so that a hundred at once are many.
        """
        if changes:
            self.notes += put_all(self, changes, step)

    def reject(
        self, record: Record, step: int, stage: str, reason: str, staged: Path | None = None
    ) -> None:
        """Leave a record out; its file and caption go to ``.dsk/rejected``.

        What a person wrote into the caption since its stage read the record stays in the record.
        """
        record = with_late_edit(self, record)
        line = to_line(record) | {"step": step, "rejected": [stage, reason]}
        if staged is not None:
            line["staged"] = staged.name
        self.journal.reject(line)
        self.places.shelve(line)

    def _check_there(self) -> None:
        if not (self._make or self.memory.is_dir()):
            there = shlex.quote(str(self.path))
            if found := len(pictures_in(self.path)):
                its = "its picture" if found == 1 else f"its {found} pictures"
                raise DatasetError(
                    f"there is no dataset in {self.path} yet; any stage takes {its} in where it "
                    f"is run without --dry-run (dsk check -d {there}), or dsk folder {there} "
                    "copies them into one"
                )
            raise DatasetError(
                f"there is no dataset in {self.path}; "
                "dsk grab QUERY or dsk folder PATH makes one (--dataset names another folder)"
            )

    def _unmake(self) -> None:
        """Leave no empty dataset behind where nothing came of it, not even a part of a file."""
        if not history.entries(self.memory) and not self.places.fetched():
            shutil.rmtree(self.memory, ignore_errors=True)
            with suppress(OSError):
                self.path.rmdir()

    def _enter_to_write(self) -> None:
        self._made = not self.memory.is_dir()
        self.places.make()
        self._open.enter_context(Lock(self.memory))
        self._check_format()
        self.journal = Journal(self.memory, write=True)
        self._open.callback(lambda: self.journal.close())
        self.notes += recover(self.journal, self.places)
        self.notes += take_in_hand_edits(self.journal, self.places, first=self._made)

    def _check_format(self) -> None:
        path = self.memory / "format.json"
        if not path.exists():
            write_file(path, json.dumps({"format": FORMAT}).encode())
            return
        found = json.loads(path.read_text())["format"]
        if found != FORMAT:
            raise DatasetError(
                f"{self.path} is of format {found}, this program writes {FORMAT}; "
                "upgrade with pip install -U datasetkit"
            )


def _says(line: Line | None, **wanted: str) -> bool:
    """Say whether one of a line's origins has all of these."""
    return line is not None and any(
        all(origin.get(name, "") == value for name, value in wanted.items())
        for origin in origins(line)
    )


def cannot_write(path: Path, error: OSError) -> DatasetError:
    """Say why a folder cannot be written, and what helps."""
    way_out = {
        errno.ENOSPC: "free some space and run the same command again; nothing is lost",
        errno.EACCES: "check its permissions",
        errno.EPERM: "check its permissions",
        errno.EROFS: "it is on a read-only disk",
        errno.ENOTDIR: "a part of that path is a file",
        errno.EEXIST: "that is a file, not a folder",
        errno.EMFILE: "too many files are open; raise the limit (ulimit -n)",
    }
    name = ""
    if error.filename:
        file = Path(os.fsdecode(error.filename))
        name = file.name
        if not file.resolve().is_relative_to(path.resolve()):  # an --out elsewhere
            path = file.parent
    help_ = way_out.get(error.errno or 0, "check the folder")
    return DatasetError(f"cannot write {name or 'a file'} in {path}: {error.strerror}; {help_}")
