"""What a killed run left: commits whose files did not follow, and files whose commit was lost."""

import hashlib
import os
from pathlib import Path

from datasetkit.dataset import captions, history
from datasetkit.dataset.journal import Journal
from datasetkit.dataset.lines import Line, drafts
from datasetkit.dataset.places import Places, digest, save
from datasetkit.dataset.rows import from_line


def recover(journal: Journal, places: Places) -> list[str]:
    """Bring files and logs together again, before anything else is asked of the dataset.

    Returns what a person should be told.
    """
    notes = ["the last line of the log was cut by a crash; it was mended"] * journal.mended
    for key in journal.unsettled():
        notes += places.settle(journal.kept[key], journal.before(key))
    for line in journal.cut_short():
        places.shelve(line)
    step = history.open_step(places.memory)
    if step:
        saved = history.undo_folder(places.memory, step["step"])
        for change in history.before(places.memory, step["step"]):
            _roll_back(journal, places, change, saved)
    for draft in [*drafts(places.path), *drafts(places.memory)]:
        draft.unlink(missing_ok=True)
    places.clear_workshop()
    return notes


def promise(picture: Path | None, caption: str) -> Line:
    """Note what a change is about to write, so that its files are known without its commit."""
    return {"picture": digest(picture) if picture else "", "caption": _text_digest(caption)}


def _roll_back(journal: Journal, places: Places, entry: Line, saved: Path) -> None:
    """Take away what a change wrote, if its commit did not reach the disk (a power cut)."""
    key, before = entry["key"], entry["before"]
    line = journal.kept.get(key) or journal.rejected.get(key)
    if line != before:
        return
    picture = places.path / entry["file"]
    shelved = places.rejected / entry["file"]
    if before and not picture.exists() and shelved.exists():
        for path in (captions.caption_path(shelved), shelved):
            if path.exists():
                os.replace(path, places.path / path.name)
    if entry["picture"] and picture.exists() and digest(picture) == entry["picture"]:
        picture.unlink()
        if before:
            save(saved / before["file"], places.path / before["file"])
    text = captions.caption_path(picture)
    if (
        text.exists()
        and _text_digest(said := text.read_text("utf-8", "replace")) == entry["caption"]
    ):
        was = from_line(before, places.path) if before else None
        if was and captions.says_the_same(said, was):
            return  # a person's bytes, or ours: the change was not one of words
        text.unlink()
        if was:
            captions.write_caption(was)


def _text_digest(text: str) -> str:
    data = text.strip().encode(errors="replace")
    return hashlib.blake2b(data, digest_size=8).hexdigest()
