"""A record as a line of records.jsonl, and back."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

from datasetkit.dataset.lines import Line
from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag

_ORIGIN = {item.name: item.default for item in dataclasses.fields(Origin)}


def to_line(record: Record) -> Line:
    """Write a record as plain JSON values; what stands at its default is left out."""
    line: Line = {
        "key": record.key,
        "file": record.picture.path.name,
        "size": list(record.picture.size),
        "tags": [[tag.name, tag.kind, list(tag.by), tag.score] for tag in record.tags],
    }
    optional: dict[str, Any] = {
        "origin": _origin_line(record.origin),
        "facts": dict(record.facts),
        "removed": sorted(record.removed),
        "also": [_origin_line(origin) for origin in record.also],
    }
    return line | {key: value for key, value in optional.items() if value}


def from_line(line: Line, folder: Path) -> Record:
    """Read a record back; its picture is looked for in ``folder``."""
    width, height = line["size"]
    return Record(
        key=line["key"],
        picture=Picture(folder / line["file"], (width, height)),
        tags=tuple(_tag(name, kind, tuple(by), score) for name, kind, by, score in line["tags"]),
        origin=Origin(**line.get("origin", {})),
        facts=line.get("facts", {}),
        removed=frozenset(line.get("removed", ())),
        also=tuple(Origin(**origin) for origin in line.get("also", ())),
    )


@functools.lru_cache(maxsize=16_384)
def _tag(name: str, kind: str, by: tuple[str, ...], score: float) -> Tag:
    """One object for all that say the same: a few thousand tags make up most of a dataset."""
    return Tag(name, kind, by, score)


def _origin_line(origin: Origin) -> Line:
    return {name: value for name in _ORIGIN if (value := getattr(origin, name)) != _ORIGIN[name]}
