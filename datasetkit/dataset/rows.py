"""A record as a line of records.jsonl, and back."""

import dataclasses
from pathlib import Path
from typing import Any

from datasetkit.dataset.lines import Line
from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag


def to_line(record: Record) -> Line:
    """Write a record as plain JSON values; what stands at its default is left out."""
    line: Line = {
        "key": record.key,
        "file": record.picture.path.name,
        "size": list(record.picture.size),
        "tags": [[tag.name, tag.kind, list(tag.by), tag.score] for tag in record.tags],
    }
    origin = {
        item.name: getattr(record.origin, item.name)
        for item in dataclasses.fields(Origin)
        if getattr(record.origin, item.name) != item.default
    }
    optional: dict[str, Any] = {
        "origin": origin,
        "facts": dict(record.facts),
        "removed": sorted(record.removed),
    }
    return line | {key: value for key, value in optional.items() if value}


def from_line(line: Line, folder: Path) -> Record:
    """Read a record back; its picture is looked for in ``folder``."""
    width, height = line["size"]
    return Record(
        key=line["key"],
        picture=Picture(folder / line["file"], (width, height)),
        tags=tuple(Tag(name, kind, tuple(by), score) for name, kind, by, score in line["tags"]),
        origin=Origin(**line.get("origin", {})),
        facts=line.get("facts", {}),
        removed=frozenset(line.get("removed", ())),
    )
