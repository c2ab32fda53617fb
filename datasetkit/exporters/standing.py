"""What an earlier export left in its folder: told by its mark, looked at file by file."""

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from datasetkit.content import content_print
from datasetkit.errors import DatasetError, PictureError
from datasetkit.pixels import Picture
from datasetkit.stage import Note

MARK = ".dsk-export.json"
MANY = 1000  # somebody's files are counted so far
# What trainers and systems leave beside pictures. It goes where one of its folder's files changes,
# for a trainer does not see that (sd-scripts looks only if the cache is there). Weights are none.
CACHES = (
    "*.npz", "metadata_cache.json",  # sd-scripts
    "_latent_cache", "_t_e_cache", "_clip_vision_cache", ".aitk_size.json",  # ai-toolkit
    ".DS_Store", "Thumbs.db", "desktop.ini",
)  # fmt: skip


@dataclass
class Standing:
    """What an earlier export wrote that stands as it was: by name what tells it."""

    texts: dict[str, str] = field(default_factory=dict)  # a digest of all bytes
    pictures: dict[str, str] = field(default_factory=dict)  # a print of the content
    made: dict[str, list[str]] = field(default_factory=dict)  # a print, and the essence
    names: set[str] = field(default_factory=set)  # of all files but caches, also changed ones
    caches: list[str] = field(default_factory=list)
    patterns: Sequence[str] = CACHES  # by which the caches are known

    @classmethod
    def of(cls, out: Path, what: str, caches: Sequence[str]) -> "Standing":
        """Look at a folder; DatasetError where an export would take something from somebody."""
        found = cls(patterns=caches)
        if not out.is_dir():
            if out.exists():
                raise DatasetError(f"{out} is a file; choose a folder with --out")
            return found
        mark = _read_mark(out)
        if mark and mark["what"] != what:
            raise DatasetError(
                f"{out} holds an export of another kind ({mark['what']}); "
                "choose another folder with --out, or delete that one"
            )
        strange = (
            name
            for name, entry in _walk(out)
            if name != MARK and not found._take(name, entry, mark, caches)
        )
        strangers = list(islice(strange, MANY))  # of a whole disk not all
        if strangers:
            least = "at least " * (len(strangers) == MANY)
            more = f" and {least}{len(strangers) - 3} more" if len(strangers) > 3 else ""
            raise DatasetError(
                f"{out} holds files that are not of this export, or were edited there "
                f"({', '.join(sorted(strangers)[:3])}{more}); edit the dataset's own files "
                "instead, move these away, or choose another folder with --out"
            )
        return found

    def check_writable(self, out: Path) -> None:
        """Raise PermissionError where a file could not be taken away: better now than half-way."""
        parents = {name.rpartition("/")[0] for name in (*self.names, *self.caches)}
        for folder in sorted(out / parent for parent in parents):
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    def _take(
        self, name: str, entry: "os.DirEntry[str]", mark: dict[str, Any], caches: Sequence[str]
    ) -> bool:
        """Take up a file that stands as it was written; False for somebody's."""
        if not entry.is_file(follow_symlinks=False):
            return False
        path = Path(entry.path)
        if name in mark.get("texts", {}):
            self.names.add(name)
            self.texts[name] = _digest_of(path)
            return bool(mark["texts"][name] == self.texts[name])
        if name in mark.get("made", {}):
            self.names.add(name)
            self.made[name] = mark["made"][name]
            return bool(self.made[name][0] == _found(path))
        if name in mark.get("pictures", {}):
            self.names.add(name)
            found, known = _found(path), mark["pictures"][name]
            if found == known:
                self.pictures[name] = found
            # Painted over through another link, it is not lost; an early mark knows names only.
            return not known or found == known or entry.stat(follow_symlinks=False).st_nlink > 1
        if _is_cache(name, caches):
            self.caches.append(name)
            return True
        return False


def take_away(old: Path, out: Path, caches: Sequence[str]) -> Note | None:
    """Delete what an export wrote, by its mark; what came in there meanwhile is kept aside."""
    mark = _read_mark(old)
    ours = {name for kind in ("texts", "pictures", "made") for name in mark.get(kind, {})}
    for name, entry in list(_walk(old)):
        if _is_cache(name, caches) if name not in ours else not _edited(name, entry, mark):
            Path(entry.path).unlink()
    for folder, _, _ in os.walk(old, topdown=False):
        if Path(folder) != old:
            with suppress(OSError):  # somebody's file is in it
                Path(folder).rmdir()
    left = [name for name, _ in _walk(old) if name != MARK]
    (old / MARK).unlink(missing_ok=True)  # the last: killed before, the rest is still known
    if not left:
        shutil.rmtree(old)
        return None
    numbers = (out.with_name(f"{out.name}-kept{n or ''}") for n in range(1000))
    aside = next(path for path in numbers if not path.exists())
    os.replace(old, aside)
    return Note(f"{left[0]} came into {out} meanwhile; it is in {aside} now", warning=True)


def _edited(name: str, entry: "os.DirEntry[str]", mark: dict[str, Any]) -> bool:
    """Say whether a file that was written here is another one by now, and nowhere else."""
    status, path = entry.stat(follow_symlinks=False), Path(entry.path)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        return False
    if name in mark["texts"]:
        return bool(_digest_of(path) != mark["texts"][name])
    known = mark["pictures"].get(name) or mark["made"].get(name, [""])[0]
    return bool(known) and _found(path) != known


def digest(data: bytes) -> str:
    """A short digest of bytes, as the mark has it."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _read_mark(out: Path) -> dict[str, Any]:
    """What an earlier export wrote here; nothing where there was none."""
    path = out / MARK
    try:
        mark = json.loads(path.read_bytes())
        if "folder" in mark:
            return _of_an_early_mark(mark)
        prints = [*mark["texts"].values(), *mark["pictures"].values()]
        for known, essence in mark["made"].values():
            prints += [known, essence]
        if all(isinstance(said, str) for said in (mark["what"], *prints)):
            return dict(mark)
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise DatasetError(f"{path} is damaged; delete or move away {out}, it can be written again")


def _of_an_early_mark(mark: dict[str, Any]) -> dict[str, Any]:
    """The mark of version 0.1: one folder of pictures, which it knew by name, and its masks."""
    files = {f"{mark['folder']}/{name}": known for name, known in mark["files"].items()}
    masks = {f"masks/{name}": known for name, known in mark.get("masks", {}).items()}
    texts = {name: known for name, known in files.items() if known}
    pictures = {name: "" for name, known in files.items() if not known}
    return {"what": "repeats", "texts": texts | masks, "pictures": pictures, "made": {}}


def _walk(folder: Path) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """Everything below a folder that is no folder, with its name from there; links are not gone."""
    open_ = [(str(folder), "")]
    while open_:
        path, before = open_.pop()
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    open_.append((entry.path, f"{before}{entry.name}/"))
                else:
                    yield before + entry.name, entry


def _is_cache(name: str, caches: Sequence[str]) -> bool:
    parts = PurePosixPath(name).parts
    return any(fnmatchcase(part, pattern) for part in parts for pattern in caches)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def print_of(path: Path) -> str:
    """What tells a picture's content; compressed bytes are told by some of them."""
    return content_print(Picture(path, (0, 0)))


def _found(path: Path) -> str:
    """The print of a file that was written here; "" of one that was emptied since."""
    try:
        return print_of(path)
    except PictureError:
        return ""


def one_file(one: Path, other: Path) -> bool:
    try:
        first, second = one.stat(), other.stat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(first.st_mode) and os.path.samestat(first, second)
