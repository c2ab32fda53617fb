"""Where a dataset's files lie, and how they follow a committed line by rename."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datasetkit.dataset.captions import caption_path
from datasetkit.dataset.lines import Line

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

    def make(self) -> None:
        """Make the folders that are missing."""
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
            if target.exists() and target.name not in replaced:
                notes.append(self._set_aside(target))
            os.replace(staged, target)
        for name in replaced - {target.name}:
            (self.path / name).unlink(missing_ok=True)
        return notes

    def shelve(self, line: Line) -> None:
        """Move a rejected picture and its caption out of people's sight."""
        picture, target = self.path / line["file"], self.rejected / line["file"]
        if "staged" in line:  # it never was in sight
            staged = self.workshop / line["staged"]
            if staged.exists():
                os.replace(staged, target)
            return
        for source, place in ((picture, target), (caption_path(picture), caption_path(target))):
            if source.exists():
                os.replace(source, place)

    def _set_aside(self, stranger: Path) -> str:
        folder = self.memory / "set-aside"
        folder.mkdir(exist_ok=True)
        os.replace(stranger, folder / f"{os.urandom(4).hex()}-{stranger.name}")
        return f"{stranger.name} was in the way; it is in {folder} now"
