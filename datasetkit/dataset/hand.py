"""What people did to a dataset's folder between two commands: edits, deletions, returns."""

from dataclasses import replace

from datasetkit.dataset import captions
from datasetkit.dataset.journal import Journal, in_place_order
from datasetkit.dataset.lines import Line
from datasetkit.dataset.places import Places
from datasetkit.dataset.rows import from_line, to_line
from datasetkit.errors import DatasetError, PictureError
from datasetkit.pixels import Picture, decode
from datasetkit.record import Record


def take_in_hand_edits(journal: Journal, places: Places) -> list[str]:
    """Read edited captions back, remember deleted pictures, and keep those that were put back.

    Returns what a person should be told.
    """
    rejected = journal.rejected.values()
    back = [line for line in rejected if (places.path / line["file"]).exists()]
    for line in back:
        size = (places.path / line["file"]).stat().st_size
        journal.keep(_kept_again(line) | {"bytes": size})
    lines = in_place_order(journal.kept)
    gone = [line for line in lines if not (places.path / line["file"]).exists()]
    if gone and len(gone) == len(lines):
        raise DatasetError(
            f"all {len(lines)} pictures are gone from {places.path}; put them back, "
            f"or delete {places.memory} to begin anew"
        )
    for line in gone:
        journal.reject(line | {"rejected": ["hand", "removed by hand"]})
        places.shelve(line)
    edited = sum(_take_in(journal, places, line) for line in lines if line["key"] in journal.kept)
    said = {
        "put back by hand": len(back),
        "removed by hand; they stay out": len(gone),
        "edited by hand; the edits stay": edited,
    }
    if back or gone or edited or journal.older or journal.cut:
        journal.compact()  # so that no edit is ever compared with a line from before it
    return [f"pictures {what}: {count}" for what, count in said.items() if count]


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
