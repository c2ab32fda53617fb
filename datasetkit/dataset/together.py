"""Records put into a dataset together: captions synced as a lot, one write for all the lines."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datasetkit.dataset import captions, history
from datasetkit.dataset.index import Entry, digest
from datasetkit.dataset.lines import Line, write_file
from datasetkit.dataset.rows import from_line
from datasetkit.errors import DatasetError
from datasetkit.record import Record

if TYPE_CHECKING:
    from datasetkit.dataset.dataset import Dataset


@dataclass(slots=True)
class _Change:
    """A record on its way: what is known of its line before, its caption and where that lies."""

    record: Record
    staged: Path | None
    before: Entry | None
    caption: str
    said: int  # the digest of the caption
    path: str  # of the caption
    draft: str | None = None  # None where it is written by itself, "" where it stands already
    stamp: captions.Stamp = ()  # of the caption that was looked at


def put_all(
    dataset: "Dataset", changes: Sequence[tuple[Record, Path | None]], step: int
) -> list[str]:
    """Add or change records; returns what a person should be told.

    The captions are written beforehand, so that between the look for a person's last edit and the
    rename nothing waits for the disk; and what is edited in that moment is merged once more.
    """
    begun = [_begun(dataset, record, staged) for record, staged in changes]
    new = [c for c in begun if c.before is None or c.before.caption != c.said]
    with captions.drafts(dataset.places.workshop, [change.caption for change in new]) as paths:
        for change, path in zip(new, paths, strict=True):
            change.draft = path
        for change in begun:
            _take_in_late_edits(dataset, change, step)
            for model, (print_, vector) in change.record.embeddings.items():
                dataset.embeddings(model).put(print_, vector)
        lines = [(change.record, _more(change, step), change.said) for change in begun]
        dataset.journal.keep_all(lines)
        notes: list[str] = []
        for change, (_, more, _) in zip(begun, lines, strict=True):
            notes += _follow(dataset, change, more)
    return notes


def _begun(dataset: "Dataset", record: Record, staged: Path | None) -> _Change:
    before, text = dataset.journal.kept.entry(record.key), captions.caption(record)
    path = captions.text_path(record.picture.path)
    return _Change(record, staged, before, text, digest(text), path)


def _take_in_late_edits(dataset: "Dataset", change: _Change, step: int) -> None:
    """Put into a change what a person did to the caption since its stage read the record.

    A caption that says the same keeps its bytes; those of one that must change go to the undo.
    """
    before = change.before
    if before is None:
        return
    path = captions.text_path(f"{dataset.path}{os.sep}{before.file}")
    data, change.stamp = captions.stamped(path)
    if data is None:
        return
    if data == captions.written(change.caption) and path == change.path:
        change.draft = ""
        return
    text = captions.text_in(data, path)
    if before.caption and digest(text) == before.caption:
        if change.said == before.caption and path == change.path:
            change.draft = ""
        elif data != captions.written(text.strip()):
            _keep_bytes(dataset, path, data, step)
        return
    was = from_line(dataset.journal.kept[change.record.key], dataset.path)
    if captions.says_the_same(text, change.record) and path == change.path:
        change.draft = ""
        return
    if captions.says_the_same(text, was):
        _keep_bytes(dataset, path, data, step)
        return
    record = captions.with_late_edits(change.record, was, text)
    if record is not change.record:
        change.record, change.caption, change.draft = record, captions.caption(record), None
        change.said = digest(change.caption)


def _keep_bytes(dataset: "Dataset", path: str, data: bytes, step: int) -> None:
    """Keep a caption as a person wrote it, for the undo of a step."""
    folder = history.undo_folder(dataset.memory, step)
    kept = folder / Path(path).name
    if folder.is_dir() and not kept.exists():
        write_file(kept, data)


def with_late_edit(dataset: "Dataset", record: Record) -> Record:
    """A record that goes, with what a person did to its caption since its stage read it."""
    before = dataset.journal.kept.entry(record.key)
    path = captions.text_path(f"{dataset.path}{os.sep}{before.file}") if before else ""
    try:
        text = captions.read_caption(path) if before else None
    except DatasetError:  # the file itself goes where the picture does
        return record
    if before is None or text is None or (before.caption and digest(text) == before.caption):
        return record
    was = from_line(dataset.journal.kept[record.key], dataset.path)
    return captions.with_late_edits(record, was, text)


def _more(change: _Change, step: int) -> Line:
    """What the line says that the record does not know."""
    if change.staged is not None:
        size = change.staged.stat().st_size
        return {"step": step, "staged": change.staged.name, "bytes": size}
    return {"step": step} | ({"bytes": change.before.file_bytes} if change.before else {})


def _follow(dataset: "Dataset", change: _Change, more: Line) -> list[str]:
    """Bring a committed record's files to where they belong."""
    notes: list[str] = []
    file = change.record.picture.path.name
    if change.staged is not None or (change.before and change.before.file != file):
        before = [{"file": change.before.file}] if change.before else []
        notes = dataset.places.settle({**more, "file": file}, before)
    path = change.path
    if change.before and change.draft != "" and captions.stamp(path) != change.stamp:
        _merge_once_more(dataset, change, more)
        return notes
    if change.draft:
        os.replace(change.draft, path)
    elif change.draft is None:
        captions.write_caption(change.record)
    return notes


def _merge_once_more(dataset: "Dataset", change: _Change, more: Line) -> None:
    """Take in an edit that a person made between the look at a caption and its commit."""
    text = captions.read_caption(change.path)
    before = from_line(dataset.journal.before(change.record.key)[-1], dataset.path)
    record = change.record
    if text is not None:
        record = captions.with_late_edits(record, before, text)
    if record is not change.record:
        again = {name: value for name, value in more.items() if name != "staged"}
        dataset.journal.keep_all([(record, again, digest(captions.caption(record)))])
    captions.write_caption(record)
