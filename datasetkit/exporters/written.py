"""A folder brought to hold exactly some files: written aside whole, put in place by rename.

Beside a folder ``train`` there stand, while it is worked on or after a kill,

    .train.dsk-export   the new one, until its last file is written
    .train.dsk-before   what stood there, from the rename that puts it aside until it is gone
    .train.dsk-lock     held while it is written, so that two exports do not mix

so that ``train`` is what it was, or what it is to be, or for a moment not there. The mark
``.dsk-export.json`` in it names every file that was written: nothing else is ever removed.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from datasetkit import __version__
from datasetkit.dataset.dataset import cannot_write
from datasetkit.dataset.lines import BINARY, write_file, write_whole
from datasetkit.dataset.places import MEMORY, save
from datasetkit.errors import DatasetError
from datasetkit.exporters.file import File, Made, named
from datasetkit.exporters.standing import (
    CACHES,
    MARK,
    Standing,
    digest,
    one_file,
    print_of,
    take_away,
)
from datasetkit.names import same_file
from datasetkit.stage import Note, Progress, Work, Wrote

_PART, _OLD, _LOCK = "export", "before", "lock"  # no .dsk-part: those are files of the dataset
_SYNC = getattr(os, "sync", None)  # not on Windows


def put(
    out: Path,
    files: Iterable[File],
    *,
    what: str,
    total: int = 0,
    wrote: Sequence[str] = (),
    caches: Sequence[str] = CACHES,
    copy: bool = False,
    first: Iterable[Note] = (),
    last: Iterable[Note] = (),
) -> Iterator[Work]:
    """Bring ``out`` to hold exactly these files, or say that it does; nothing is half done.

    ``files`` is walked through once and may be a generator: nothing of it is held but the names.
    ``what`` names the kind of export, so that none replaces another's. ``total`` is how many files
    there will be, for the progress. ``wrote`` are names in ``out`` that are told as written
    (default: ``out`` itself). ``caches`` are patterns of names (a file's, or a folder's on the way
    to it) that others may leave in there; they stay while every file of their folder stays. Files
    that stand as wanted are kept: pictures by their content, others by their bytes, a ``Made`` by
    its essence and this program's version.

    With ``copy`` pictures are never links. ``first`` is said once the folder was looked at and not
    refused, ``last`` once all stands.

    Raises DatasetError, and leaves all as it was, where the folder holds files that were not
    written here or were edited since, where it cannot be written or another export writes it, and
    where two of the files, or a file and a folder, would be one.
    """
    place = place_of(out)
    with _alone(place, out):
        with _plainly(out):
            kept = _recover(place)
            standing = Standing.of(place, what, caches)
        if kept:
            yield kept
        yield from first
        draft = _Draft(place, standing, what, copy)
        yield from _put(draft, out, files, total, [out / name for name in wrote] or [out], last)


def _put(
    draft: "_Draft",
    out: Path,
    files: Iterable[File],
    total: int,
    told: Sequence[Path],
    last: Iterable[Note],
) -> Iterator[Work]:
    try:
        for done, file in enumerate(files, 1):
            with _plainly(out):
                draft.add(file)
            yield Progress(done, max(total, done), file.name)
        if draft.nothing_new():
            yield from last
            yield Note(f"{out} is up to date")
            yield from (Wrote(path, fresh=False) for path in told)
            return
        with _plainly(out):
            kept = draft.put_in_place()
    except BaseException:
        draft.drop()
        raise
    if kept:
        yield kept
    yield from last
    yield from (Wrote(path) for path in told)


class _Draft:
    """The new folder: nothing until something differs from what stands, then written aside."""

    def __init__(self, out: Path, standing: Standing, what: str, copy: bool) -> None:
        self._out, self._standing, self._copy = out, standing, copy
        self._place = _beside(out, _PART)
        self._begun = False
        self._mark: dict[str, Any] = {"what": what, "texts": {}, "pictures": {}, "made": {}}
        self._names: set[str] = set()  # as a case-insensitive disk has them
        self._folders: set[str] = set()
        self._made: set[Path] = set()
        self._same: list[str] = []
        self._unsynced: list[Path] = []
        self._changed: set[str] = set()  # folders of which a file is new, other or gone

    def add(self, file: File) -> None:
        """Take a file as it stands, or write it into the draft."""
        name, content = file.name, file.content
        self._claim(name)
        before = self._standing
        if isinstance(content, bytes):
            said = digest(content)
            stands = before.texts.get(name) == said
            self._mark["texts"][name] = said
        elif isinstance(content, Path):
            if not content.is_file():
                raise DatasetError(f"{content} is gone; run the same command again")
            linked = name in before.pictures and one_file(self._out / name, content)
            with named(content):
                said = before.pictures[name] if linked else print_of(content)
            stands = not self._copy if linked else before.pictures.get(name) == said
            self._mark["pictures"][name] = said
        else:
            essence = digest(f"{__version__}\n{content.essence}".encode())
            stands = before.made.get(name, ["", ""])[1] == essence
            self._mark["made"][name] = before.made[name] if stands else ["", essence]
        if stands:
            if self._begun:
                save(self._out / name, self._target(name))
            else:
                self._same.append(name)
        else:
            self._begin()
            self._changed.add(name.rpartition("/")[0])
            self._write(name, content)

    def nothing_new(self) -> bool:
        """Say whether what stands is what is wanted."""
        return not self._begun and bool(self._same) and len(self._same) == len(self._standing.names)

    def put_in_place(self) -> Note | None:
        """Finish the draft, exchange the folders, and take the old one away."""
        self._standing.check_writable(self._out)
        self._begin()
        self._keep_caches()
        _sync(self._unsynced)
        write_file(self._place / MARK, json.dumps(self._mark, ensure_ascii=False).encode())
        old = _beside(self._out, _OLD)
        there = self._out.is_dir()
        if there:
            os.replace(self._out, old)
        try:
            os.replace(self._place, self._out)
        except OSError:
            if there:
                os.replace(old, self._out)
            raise
        return take_away(old, self._out, self._standing.patterns) if there else None

    def drop(self) -> None:
        """Leave nothing of a draft behind."""
        if self._begun:
            shutil.rmtree(self._place, ignore_errors=True)

    def _keep_caches(self) -> None:
        """Take over what a trainer left in folders of which every file stays."""
        kept = {name for kind in ("texts", "pictures", "made") for name in self._mark[kind]}
        there = {name.rpartition("/")[0] for name in kept}
        gone = {name.rpartition("/")[0] for name in self._standing.names - kept}
        for name in self._standing.caches:
            parts = name.split("/")[:-1]
            ways = {"/".join(parts[: end + 1]) for end in range(len(parts))}
            if ways & there and not ways & (self._changed | gone):
                save(self._out / name, self._target(name))

    def _begin(self) -> None:
        if self._begun:
            return
        self._place.parent.mkdir(parents=True, exist_ok=True)
        self._place.mkdir()
        self._begun = True
        for name in self._same:
            save(self._out / name, self._target(name))

    def _write(self, name: str, content: bytes | Path | Made) -> None:
        target = self._target(name)
        if isinstance(content, bytes):
            file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o666)
            try:
                write_whole(file, content)
            finally:
                os.close(file)
            self._unsynced.append(target)
        elif isinstance(content, Path):
            # Linux would link a link itself, which leads nowhere from here.
            source = content.resolve() if content.is_symlink() else content
            if self._copy:
                shutil.copyfile(source, target)
            else:
                save(source, target)
            if not one_file(source, target):
                self._unsynced.append(target)
        else:
            content.write(target)
            self._mark["made"][name][0] = print_of(target)
            self._unsynced.append(target)

    def _target(self, name: str) -> Path:
        target = self._place / name
        if target.parent not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(target.parent)
        return target

    def _claim(self, name: str) -> None:
        """Raise for a name that leads elsewhere, or that a disk would take for one before it."""
        parts = name.split("/")
        if name == MARK or any(not part or part in {".", ".."} or "\\" in part for part in parts):
            raise DatasetError(f"{name!r} is no name for a file of an export")
        same = same_file(name)
        ways = {same_file("/".join(parts[:end])) for end in range(1, len(parts))}
        if same in self._names or same in self._folders or ways & self._names:
            raise DatasetError(
                f"two files of the export would be one on some disks: {name}; "
                "rename one of the two in the dataset (dsk check says how)"
            )
        self._names.add(same)
        self._folders |= ways


def _beside(out: Path, which: str) -> Path:
    return out.with_name(f".{out.name}.dsk-{which}")


def place_of(out: Path) -> Path:
    """Where a folder lies; raises DatasetError for one that is not to be exchanged.

    That is the root of a disk, where the user stands, and the memory of a dataset.
    """
    try:
        place = out.resolve()
    except RuntimeError as error:
        raise DatasetError(f"{out} is a link that leads to itself; remove it") from error
    if MEMORY in map(same_file, place.parts):
        raise DatasetError(
            f"{out} lies in {MEMORY}, where a dataset keeps what it remembers; choose another "
            "folder with --out"
        )
    if place.is_mount() or Path.cwd().is_relative_to(place):
        raise DatasetError(
            f"{place} cannot be exchanged by a rename, being a disk's root or a folder you are "
            f"in; choose a folder in it: --out {place / 'train'}"
        )
    return place


@contextmanager
def _alone(place: Path, out: Path) -> Iterator[None]:
    """Hold a folder against other exports; DatasetError where one is at it."""
    path = _beside(place, _LOCK)
    lock = FileLock(path, timeout=0, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        if not path.exists():  # filelock waits in vain where none can be made, as in /proc
            raise DatasetError(
                f"{out} cannot be written: no file can be made in {place.parent}; choose another "
                "folder with --out"
            ) from error
        raise DatasetError(f"{out} is being written by another export; wait for it") from error
    except OSError:  # nothing can be written here, which is told when something has to be
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):  # Windows deletes it itself
            path.unlink()  # before it is let go, or it would be somebody else's
        lock.release()


@contextmanager
def _plainly(out: Path) -> Iterator[None]:
    """Tell of a disk that is full, or of another reason why nothing can be written."""
    try:
        yield
    except OSError as error:
        raise cannot_write(out, error) from error


def _sync(paths: Sequence[Path]) -> None:
    """Bring files to the disk: thousands at once in a moment, which one by one takes minutes."""
    if _SYNC is not None and paths:
        _SYNC()
        return
    for path in paths:
        file = os.open(path, os.O_RDWR | BINARY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def _recover(out: Path) -> Note | None:
    """Bring a folder back to before or behind a run that was killed."""
    part, old = _beside(out, _PART), _beside(out, _OLD)
    kept = None
    if old.is_dir():
        if out.exists():
            kept = take_away(old, out, CACHES)
        else:
            os.replace(old, out)
    if part.exists():
        shutil.rmtree(part)
    return kept
