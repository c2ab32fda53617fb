"""A dataset folder, opened to be read or to be written."""

import errno
import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from datasetkit.dataset import captions, history
from datasetkit.dataset.hand import take_in_hand_edits
from datasetkit.dataset.journal import Journal, in_place_order
from datasetkit.dataset.lines import Line, write_file
from datasetkit.dataset.lock import Lock
from datasetkit.dataset.recovery import recover
from datasetkit.dataset.rows import from_line, to_line
from datasetkit.errors import DatasetError
from datasetkit.pixels import SUFFIXES, Picture
from datasetkit.record import Origin, Record

MEMORY = ".dsk"
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
    makes the folder if need be, finishes what a killed run left, and takes in what people edited
    or deleted (``notes`` says what). Raises DatasetError where it cannot be written, is in use,
    or is no dataset.
    """

    def __init__(self, path: Path | str, *, write: bool = False) -> None:
        self.path = Path(path)
        self.memory = self.path / MEMORY
        self.rejected_folder = self.memory / "rejected"
        self.originals_folder = self.memory / "originals"
        self.workshop = self.memory / "tmp"  # files that are not finished
        self.notes: list[str] = []
        self._write = write
        self._open = ExitStack()

    def __enter__(self) -> "Dataset":
        try:
            if self._write:
                self._enter_to_write()
            else:
                self._enter_to_read()
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
        self._open.close()

    def __len__(self) -> int:
        return len(self.journal.kept)

    def __contains__(self, key: object) -> bool:
        """Say whether a key is known here: kept, or left out before."""
        return key in self.journal

    def origin(self, key: str) -> Origin | None:
        """Where a known key came from, kept or left out."""
        line = self.journal.kept.get(key) or self.journal.rejected.get(key)
        return Origin(**line.get("origin", {})) if line else None

    @property
    def records(self) -> list[Record]:
        """The records in the order in which they came."""
        return [from_line(line, self.path) for line in in_place_order(self.journal.kept)]

    @property
    def rejects(self) -> list[Reject]:
        """The pictures that were left out, in the order in which they came."""
        lines = in_place_order(self.journal.rejected)
        return [Reject(from_line(line, self.rejected_folder), *line["rejected"]) for line in lines]

    @property
    def history(self) -> list[Line]:
        """What was run here, oldest first, without what was undone."""
        entries = history.entries(self.memory)
        undone = {entry["undo"] for entry in entries if "undo" in entry}
        return [e for e in entries if "undo" not in e and e["step"] not in undone]

    @property
    def strangers(self) -> list[Path]:
        """Pictures in the folder that no record speaks of."""
        known = {line["file"] for line in self.journal.kept.values()}
        files = (path for path in sorted(self.path.iterdir()) if path.is_file())
        return [p for p in files if p.suffix.lower() in SUFFIXES and p.name not in known]

    def draft(self, name: str) -> Path:
        """A path in the workshop, nobody else's, for a file that will be ``name``."""
        return self.workshop / f"{os.urandom(4).hex()}-{name}"

    def put(self, record: Record, step: int, staged: Path | None = None) -> Record:
        """Add or change a record; ``staged``, a file in the workshop, becomes its picture.

        The appended line is the commit; the files follow, now or when the next run opens.
        """
        before = self.journal.kept.get(record.key)
        line = to_line(record) | {"step": step}
        if staged is not None:
            line |= {"staged": staged.name, "bytes": staged.stat().st_size}
        elif before:
            line["bytes"] = before["bytes"]
        self.journal.keep(line)
        self.settle(line, [before] if before else [])
        captions.write_caption(record)
        return replace(record, picture=Picture(record.picture.path, record.picture.size))

    def reject(
        self, record: Record, step: int, stage: str, reason: str, staged: Path | None = None
    ) -> None:
        """Leave a record out; its file and caption go to ``.dsk/rejected``."""
        line = to_line(record) | {"step": step, "rejected": [stage, reason]}
        if staged is not None:
            line["staged"] = staged.name
        self.journal.reject(line)
        self.shelve(line)

    def settle(self, line: Line, before: Sequence[Line]) -> None:
        """Put a committed picture in place, and take away what it replaces under another name."""
        staged = self.workshop / line.get("staged", "-")
        target = self.path / line["file"]
        replaced = {old["file"] for old in before}
        if staged.exists():
            if target.exists() and target.name not in replaced:
                self._set_aside(target)
            os.replace(staged, target)
        for name in replaced - {target.name}:
            (self.path / name).unlink(missing_ok=True)

    def _set_aside(self, stranger: Path) -> None:
        """Make way for a picture without losing a file of the user's that bears its name."""
        folder = self.memory / "set-aside"
        folder.mkdir(exist_ok=True)
        os.replace(stranger, folder / f"{os.urandom(4).hex()}-{stranger.name}")
        self.notes.append(f"{stranger.name} was in the way; it is in {folder} now")

    def shelve(self, line: Line) -> None:
        """Move a rejected picture and its caption out of people's sight."""
        picture = self.path / line["file"]
        target = self.rejected_folder / line["file"]
        staged = self.workshop / line.get("staged", "-")
        if staged.exists():
            os.replace(staged, target)
        elif picture.exists() and "staged" not in line:
            os.replace(picture, target)
        caption = captions.caption_path(picture)
        if "staged" not in line and caption.exists():
            os.replace(caption, captions.caption_path(target))

    def _enter_to_read(self) -> None:
        if not self.memory.is_dir():
            raise DatasetError(
                f"there is no dataset in {self.path}; "
                "dsk grab QUERY or dsk folder PATH makes one (--dataset names another folder)"
            )
        self.journal = Journal(self.memory, write=False)

    def _enter_to_write(self) -> None:
        for folder in (self.workshop, self.rejected_folder, self.originals_folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._open.enter_context(Lock(self.memory))
        self._check_format()
        self.journal = Journal(self.memory, write=True)
        self._open.callback(lambda: self.journal.close())
        recover(self)
        take_in_hand_edits(self)

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


def cannot_write(path: Path, error: OSError) -> DatasetError:
    """Say why a folder cannot be written, and what helps."""
    way_out = {
        errno.ENOSPC: "free some space and run the same command again; nothing is lost",
        errno.EACCES: "check its permissions",
        errno.EPERM: "check its permissions",
        errno.EROFS: "it is on a read-only disk",
        errno.EMFILE: "too many files are open; raise the limit (ulimit -n)",
    }
    name = Path(error.filename).name if error.filename else ""
    help_ = way_out.get(error.errno or 0, "check the folder")
    return DatasetError(f"cannot write {name or 'a file'} in {path}: {error.strerror}; {help_}")
