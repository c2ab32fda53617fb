"""Where a dataset's files lie, and how they follow a committed line by rename."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datasetkit.dataset.captions import caption_path
from datasetkit.dataset.lines import Line
from datasetkit.errors import DatasetError

MEMORY = ".dsk"


@dataclass(frozen=True)
class Places:
    """The folders of a dataset: what people see, and its memory."""

    path: Path

    @property
    def memory(self) -> Path:
        """What the dataset remembers."""
        return self.path / MEMORY

    @property
    def workshop(self) -> Path:
        """Files that are not finished."""
        return self.memory / "tmp"

    @property
    def rejected(self) -> Path:
        """Pictures that were left out, with their captions."""
        return self.memory / "rejected"

    @property
    def originals(self) -> Path:
        """Pictures as they came, kept the first time their pixels change."""
        return self.memory / "originals"

    def size(self, name: str) -> int | None:
        """How many bytes a file has that people see, None if it is not there."""
        path = f"{self.path}{os.sep}{name}"
        try:
            return os.stat(path).st_size
        except OSError:
            return Path(path).stat().st_size if Path(path).exists() else None

    @property
    def parts(self) -> Path:
        """Downloads that are under way, or were broken off and may be gone on with."""
        return self.memory / "parts"

    def part(self, name: str) -> Path:
        """Where the download of a file lies until it is whole."""
        self.parts.mkdir(exist_ok=True)
        return self.parts / f"{name}.part"

    def clear_workshop(self) -> None:
        """Delete what a killed run did not finish."""
        for path in self.workshop.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def fetched(self) -> bool:
        """Say whether something lies here that was fetched and is in no log."""
        return any(any(folder.glob("*")) for folder in (self.parts, self._quarantine))

    def clear_parts(self) -> None:
        """Forget the downloads that nobody will go on with."""
        shutil.rmtree(self.parts, ignore_errors=True)

    def quarantine(self, part: Path) -> Path:
        """Keep a file that is not what its site lists, so that a person can look at it."""
        self._quarantine.mkdir(exist_ok=True)
        target = self._quarantine / part.name.removesuffix(".part")
        if target.exists() and digest(target) != (own := digest(part)):
            target = target.with_stem(f"{target.stem}-{own}")
        os.replace(part, target)
        return target

    @property
    def _quarantine(self) -> Path:
        return self.memory / "quarantine"

    def make(self) -> None:
        """Make the folders that are missing.

        Raises DatasetError for a link among them: a dataset may come from anyone, and what is
        written or cleared away here must not be elsewhere.
        """
        for path in (self.memory, *self.memory.glob("*"), *self.memory.glob("undo/*")):
            if path.is_symlink():
                raise DatasetError(f"{path} is a link that leads out of the dataset; remove it")
        for folder in (self.workshop, self.rejected, self.originals):
            folder.mkdir(parents=True, exist_ok=True)

    def settle(self, line: Line, before: Sequence[Line]) -> list[str]:
        """Put a committed picture in place, and take away what it replaces under another name.

        A file of the user's that bears its name is set aside; the sentences returned say so.
        """
        staged = self.workshop / line.get("staged", "-")
        target = self.path / line["file"]
        replaced = {old["file"] for old in before}
        notes = []
        if staged.exists():
            own = {caption_path(self.path / name).name for name in replaced} | replaced
            for path in (target, caption_path(target)):
                if path.exists() and path.name not in own:
                    notes.append(self.set_aside(path))
            os.replace(staged, target)
        for name in replaced - {target.name}:
            (self.path / name).unlink(missing_ok=True)
        return notes

    def shelve(self, line: Line) -> None:
        """Move a rejected picture and its caption out of people's sight."""
        picture, target = self.path / line["file"], self.rejected / line["file"]
        if "staged" in line:  # it never was in sight
            moves = [(self.workshop / line["staged"], target)]
        else:
            moves = [(picture, target), (caption_path(picture), caption_path(target))]
        for source, place in moves:
            if source.exists():
                if place.exists():  # of an earlier picture of that name
                    self.set_aside(place)
                os.replace(source, place)

    def set_aside(self, stranger: Path) -> str:
        """Move a file out of the way without losing it, and say where it is."""
        folder = self.memory / "set-aside"
        folder.mkdir(exist_ok=True)
        os.replace(stranger, folder / f"{os.urandom(4).hex()}-{stranger.name}")
        return f"{stranger.name} was in the way; it is in {folder} now"


def digest(path: Path) -> str:
    """A digest of a file's bytes, to know our own work by."""
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()


def save(source: Path, target: Path) -> None:
    """Keep a file under a second name: a hard link where the disk can, else a copy."""
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
