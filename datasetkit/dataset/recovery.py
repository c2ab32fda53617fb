"""What a killed run left: commits whose files did not follow, and files whose commit was lost."""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from datasetkit.dataset import captions, history
from datasetkit.dataset.lines import Line, drafts, read
from datasetkit.dataset.rows import from_line

if TYPE_CHECKING:
    from datasetkit.dataset.dataset import Dataset


def recover(dataset: "Dataset") -> None:
    """Bring files and logs together again, before anything else is asked of the dataset."""
    journal = dataset.journal
    if journal.mended:
        dataset.notes.append("the last line of the log was cut by a crash; it was mended")
    for key, line in journal.kept.items():
        if "staged" in line or key in journal.older:
            dataset.settle(line, journal.older.get(key, ()))
    for line in journal.cut:
        dataset.shelve(line)
    step = history.open_step(dataset.memory)
    if step:
        for entry in read(history.before_log(dataset.memory, step["step"]))[0]:
            _roll_back(dataset, entry, history.undo_folder(dataset.memory, step["step"]))
    for draft in [*dataset.workshop.iterdir(), *drafts(dataset.path), *drafts(dataset.memory)]:
        draft.unlink()


def promise(picture: Path | None, caption: str) -> Line:
    """Note what a change is about to write, so that its files are known without its commit."""
    return {"picture": _digest(picture) if picture else "", "caption": _text_digest(caption)}


def _roll_back(dataset: "Dataset", entry: Line, saved: Path) -> None:
    """Take away what a change wrote, if its commit did not reach the disk (a power cut)."""
    journal, key, before = dataset.journal, entry["key"], entry["before"]
    line = journal.kept.get(key) or journal.rejected.get(key)
    if (line and line["step"]) != (before and before["step"]):
        return
    picture = dataset.path / entry["file"]
    shelved = dataset.rejected_folder / entry["file"]
    if before and not picture.exists() and shelved.exists():
        for path in (captions.caption_path(shelved), shelved):
            if path.exists():
                os.replace(path, dataset.path / path.name)
    if entry["picture"] and picture.exists() and _digest(picture) == entry["picture"]:
        picture.unlink()
        if before:
            os.link(saved / before["file"], dataset.path / before["file"])
    text = captions.caption_path(picture)
    if text.exists() and _text_digest(text.read_text(errors="replace")) == entry["caption"]:
        text.unlink()
        if before:
            captions.write_caption(from_line(before, dataset.path))


def _digest(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()


def _text_digest(text: str) -> str:
    data = text.strip().encode(errors="replace")
    return hashlib.blake2b(data, digest_size=8).hexdigest()
