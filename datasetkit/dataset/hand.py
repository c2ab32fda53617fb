"""What people did to a dataset's folder between two commands: edits, deletions, returns."""

import os
import shlex
from dataclasses import replace
from pathlib import Path

from datasetkit import safety
from datasetkit.dataset import captions
from datasetkit.dataset.index import Entry, digest
from datasetkit.dataset.journal import Journal
from datasetkit.dataset.lines import Line
from datasetkit.dataset.places import Places
from datasetkit.dataset.rows import from_line, to_line
from datasetkit.errors import DatasetError, PictureError
from datasetkit.names import safe_stem
from datasetkit.pixels import SUFFIXES, Picture, decode
from datasetkit.record import HAND, Record

EDITED = "edited"  # in a line: a person changed the record after the step that the line names


def take_in_hand_edits(journal: Journal, places: Places, *, first: bool = False) -> list[str]:
    """Take in what people did: edited captions, and pictures deleted, put back, added, renamed.

    ``first`` says that the folder was no dataset before. Returns what a person should be told.
    """
    notes: list[str] = []
    out = journal.rejected
    back = {key for key in out.in_order() if places.size(out.place(key).file) is not None}
    for key in sorted(back):
        journal.keep(_kept_again(journal.rejected[key]) | {"bytes": -1})  # measured below
    converted, added = _take_in_strangers(journal, places, notes)
    if first and added:
        there = shlex.quote(str(places.path))
        were, added = "1 picture" if added == 1 else f"{added} pictures", 0
        notes.append(
            f"{were} taken in: {there} is a dataset now, where stages leave the tags of captions "
            f"as a person's (dsk folder {there} makes a copy whose tags they may change)"
        )
    keys = journal.kept.in_order()
    gone = []
    suspect = set()  # those whose files say that something was done
    for key in keys:
        entry = journal.kept.place(key)
        size = places.size(entry.file)
        if size is None:
            gone.append(key)
        elif (
            key in journal.older
            or not entry.caption
            or size != entry.file_bytes
            or not _says_what_it_did(entry, places)
        ):
            suspect.add(key)
    if gone and len(gone) == len(keys):
        raise DatasetError(
            f"all pictures of {places.path} are gone ({len(keys)}); put them back, "
            f"or delete {places.memory} to begin anew"
        )
    for key in gone:
        line = journal.kept[key]
        journal.reject(line | {"rejected": [HAND, "removed by hand"]})
        places.shelve(line)
    edited = sum(
        _take_in(journal, places, key) and key not in back
        for key in keys
        if key in suspect and key in journal.kept
    )
    said = {
        "added by hand": added,
        "put back by hand": len(back),
        "saved in another format by hand": converted,
        "removed by hand; they stay out": len(gone),
        "edited by hand; the edits stay": edited,
    }
    journal.compact()  # so that no edit is ever compared with a line from before it
    return notes + [f"pictures {what}: {count}" for what, count in said.items() if count]


def strangers(journal: Journal, places: Places) -> list[Path]:
    """Pictures in the folder that no record speaks of."""
    kept = journal.kept
    odd: set[str] | None = None  # files that are not called as their keys; of few people any

    def known(name: str) -> bool:
        nonlocal odd
        if kept.is_file(_stem(name), name):
            return True
        if odd is None:
            odd = {entry.file for key, entry in kept.entries() if _stem(entry.file) != key}
        return name in odd

    return sorted(path for path in pictures_in(places.path) if not known(path.name))


def pictures_in(folder: Path) -> list[Path]:
    """The files that lie in a folder itself and are called as pictures are."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as files:
        return [
            folder / file.name
            for file in files
            if f".{file.name.rpartition('.')[2].lower()}" in SUFFIXES
            and file.name[0] != "."
            and file.is_file(follow_symlinks=False)
        ]


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _take_in_strangers(journal: Journal, places: Places, notes: list[str]) -> tuple[int, int]:
    """Make records of pictures that a person put here, if they can be read and may be kept."""
    converted = added = 0
    for path in strangers(journal, places):
        key = safe_stem(path.stem)
        line = journal.kept.get(key)
        if line and not (places.path / line["file"]).exists():  # p0.png is p0.jpg now
            journal.keep(line | {"file": path.name, "bytes": -1, EDITED: True})
            converted += 1
            continue
        if key in journal:
            key = f"{key}-{path.suffix[1:].lower()}"
        try:
            size = decode(path).size
            text = captions.read_caption(captions.caption_path(path)) or ""
        except (PictureError, DatasetError) as error:
            notes.append(f"{path.name} was put here and is left alone: {error}")
            continue
        record = captions.with_hand_edits(Record(key, Picture(path, size)), text)
        if rule := safety.refusal(record.names, ""):
            notes.append(f"a picture was put here and is left alone ({rule})")
            continue
        journal.keep(to_line(record) | {"step": 0, "bytes": path.stat().st_size})
        added += 1
    return converted, added


def _take_in(journal: Journal, places: Places, key: str) -> bool:
    """Take one record's edits in; say whether there were any."""
    line = journal.kept[key]
    record = from_line(line, places.path)
    changed = _repainted(record, line)
    text = captions.read_caption(captions.caption_path(record.picture.path))
    older = [from_line(old, places.path) for old in journal.before(key)]
    same = text is not None and captions.says_the_same(text, record)
    if text is None or (not same and any(captions.says_the_same(text, old) for old in older)):
        captions.write_caption(record)
    elif not same:
        if older and captions.is_nearer(text, older[-1], record):  # killed before it was replaced
            changed = captions.with_late_edits(changed or record, older[-1], text)
            captions.write_caption(changed)
        else:
            changed = captions.with_hand_edits(changed or record, text)
    if changed is None:
        return False
    size = changed.picture.path.stat().st_size
    journal.keep(to_line(changed) | {"step": line["step"], "bytes": size, EDITED: True})
    return True


def _says_what_it_did(entry: Entry, places: Places) -> bool:
    """Say, without reading the line, that nobody touched a picture's caption.

    Every caption is read: no file system's times are fine enough to be trusted with an edit.
    """
    text = captions.read_caption(f"{places.path}{os.sep}{_stem(entry.file)}.txt")
    return text is not None and digest(text) == entry.caption


def as_edited(journal: Journal, folder: Path, record: Record) -> Record:
    """Return a record as the next run that writes will find it, what people did to it taken in.

    Nothing is written. Where its caption cannot be read, which that run says, the record stays.
    """
    line = journal.kept.get(record.key)
    try:
        text = captions.read_caption(captions.caption_path(record.picture.path))
    except DatasetError:
        return record
    if line is not None:
        record = _repainted(record, line) or record
    if text is None or captions.says_the_same(text, record):
        return record
    before = (from_line(old, folder) for old in journal.before(record.key))
    if any(captions.says_the_same(text, old) for old in before):  # a run is, or was, at work
        return record
    return captions.with_hand_edits(record, text)


def _repainted(record: Record, line: Line) -> Record | None:
    """The record with its new size and a mark, where another program wrote its picture."""
    path = record.picture.path
    if path.stat().st_size == line.get("bytes"):
        return None
    try:
        size = decode(path).size
    except PictureError:
        size = record.picture.size  # the next stage that looks at it will reject it
    return replace(record, picture=Picture(path, size)).with_facts(HAND, "pixels")


def _kept_again(line: Line) -> Line:
    """A rejected line as a kept one, a step later so that it outlives the reject."""
    kept = {name: value for name, value in line.items() if name != "rejected"}
    return kept | {"step": line["step"] + 1, EDITED: True}
