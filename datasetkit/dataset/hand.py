"""What people did to a dataset's folder between two commands: edits, deletions, returns."""

from dataclasses import replace
from pathlib import Path

from datasetkit import safety
from datasetkit.dataset import captions
from datasetkit.dataset.journal import Journal, in_place_order
from datasetkit.dataset.lines import Line
from datasetkit.dataset.places import Places
from datasetkit.dataset.rows import from_line, to_line
from datasetkit.errors import DatasetError, PictureError
from datasetkit.names import safe_stem
from datasetkit.pixels import SUFFIXES, Picture, decode
from datasetkit.record import HAND, Record


def take_in_hand_edits(journal: Journal, places: Places) -> list[str]:
    """Take in what people did: edited captions, and pictures deleted, put back, added, renamed.

    Returns what a person should be told.
    """
    notes: list[str] = []
    rejected = journal.rejected.values()
    back = [line for line in rejected if (places.path / line["file"]).exists()]
    for line in back:
        journal.keep(_kept_again(line) | {"bytes": -1})  # its size is measured below
    converted, added = _take_in_strangers(journal, places, notes)
    lines = in_place_order(journal.kept)
    gone = [line for line in lines if not (places.path / line["file"]).exists()]
    if gone and len(gone) == len(lines):
        raise DatasetError(
            f"all pictures of {places.path} are gone ({len(lines)}); put them back, "
            f"or delete {places.memory} to begin anew"
        )
    for line in gone:
        journal.reject(line | {"rejected": [HAND, "removed by hand"]})
        places.shelve(line)
    known = {line["key"] for line in back}
    edited = sum(
        _take_in(journal, places, line) and line["key"] not in known
        for line in lines
        if line["key"] in journal.kept
    )
    said = {
        "added by hand": added,
        "put back by hand": len(back),
        "saved in another format by hand": converted,
        "removed by hand; they stay out": len(gone),
        "edited by hand; the edits stay": edited,
    }
    if any(said.values()) or journal.older or journal.cut:
        journal.compact()  # so that no edit is ever compared with a line from before it
    return notes + [f"pictures {what}: {count}" for what, count in said.items() if count]


def strangers(journal: Journal, places: Places) -> list[Path]:
    """Pictures in the folder that no record speaks of."""
    known = {line["file"] for line in journal.kept.values()}
    files = (path for path in sorted(places.path.iterdir()) if path.suffix.lower() in SUFFIXES)
    plain = (path for path in files if path.is_file() and not path.is_symlink())
    return [path for path in plain if path.name not in known and path.name[0] != "."]


def _take_in_strangers(journal: Journal, places: Places, notes: list[str]) -> tuple[int, int]:
    """Make records of pictures that a person put here, if they can be read and may be kept."""
    converted = added = 0
    for path in strangers(journal, places):
        key = safe_stem(path.stem)
        line = journal.kept.get(key)
        if line and not (places.path / line["file"]).exists():  # p0.png is p0.jpg now
            journal.keep(line | {"file": path.name, "bytes": -1})
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


def _take_in(journal: Journal, places: Places, line: Line) -> bool:
    """Take one record's edits in; say whether there were any."""
    record = from_line(line, places.path)
    changed = _repainted(record, line)
    text = captions.read_caption(captions.caption_path(record.picture.path))
    older = [from_line(old, places.path) for old in journal.older.get(record.key, ())]
    if text is None or any(captions.says_the_same(text, old) for old in older):
        captions.write_caption(record)
    elif not captions.says_the_same(text, record):
        changed = captions.with_hand_edits(changed or record, text)
    if changed is None:
        return False
    size = changed.picture.path.stat().st_size
    journal.keep(to_line(changed) | {"step": line["step"], "bytes": size})
    return True


def _repainted(record: Record, line: Line) -> Record | None:
    """The record with its new size, where another program wrote its picture."""
    path = record.picture.path
    if path.stat().st_size == line["bytes"]:
        return None
    try:
        size = decode(path).size
    except PictureError:
        size = record.picture.size  # the next stage that looks at it will reject it
    return replace(record, picture=Picture(path, size))


def _kept_again(line: Line) -> Line:
    """A rejected line as a kept one, a step later so that it outlives the reject."""
    kept = {name: value for name, value in line.items() if name != "rejected"}
    return kept | {"step": line["step"] + 1}
