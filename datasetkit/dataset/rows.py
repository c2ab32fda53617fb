"""A record as a line of records.jsonl, and back."""

import dataclasses
import functools
import operator
from pathlib import Path
from typing import Any

from datasetkit.dataset.lines import Line, text_of
from datasetkit.errors import DatasetError
from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag

MOST_TAGS = 32_768  # remembered; a set of 100,000 posts has some 30,000

_ORIGIN = {item.name: item.default for item in dataclasses.fields(Origin)}


def to_line(record: Record) -> Line:
    """Write a record as plain JSON values; what stands at its default is left out."""
    picture = record.picture
    line: Line = {"key": record.key, "file": picture.path.name, "size": list(picture.size)}
    line["tags"] = [[tag.name, tag.kind, list(tag.by), tag.score] for tag in record.tags]
    return line | _tail(record)


def as_text(record: Record, more: Line) -> bytes:
    """The line of :func:`to_line` and ``more``, which is something, as the bytes of a log.

    What tags look like is remembered: they make up most of it, and most stand on many pictures.
    """
    picture = record.picture
    key, file = text_of(record.key), text_of(picture.path.name)
    width, height = picture.size
    tags = ",".join(map(_TAG_TEXTS.__getitem__, map(_PARTS, record.tags)))
    tail = text_of(_tail(record) | more)
    return (
        f'{{"key":{key},"file":{file},"size":[{width},{height}],"tags":[{tags}],{tail[1:]}\n'
    ).encode()


def _tail(record: Record) -> Line:
    line: Line = {}
    if origin := _origin_line(record.origin):
        line["origin"] = origin
    if record.facts:
        line["facts"] = dict(record.facts)
    if record.removed:
        line["removed"] = sorted(record.removed)
    if record.also:
        line["also"] = [_origin_line(origin) for origin in record.also]
    return line


def from_line(line: Line, folder: Path) -> Record:
    """Read a record back; its picture is looked for in ``folder``.

    Raises DatasetError for a line that is JSON, and yet not what a record was written as.
    """
    try:
        width, height = line["size"]
        tags = [_tag(name, kind, tuple(by), score) for name, kind, by, score in line["tags"]]
        return Record(
            key=line["key"],
            picture=Picture(folder / line["file"], (width, height)),
            tags=tuple(tags),
            origin=Origin(**line.get("origin", {})),
            facts=line.get("facts", {}),
            removed=frozenset(line.get("removed", ())),
            also=tuple(Origin(**origin) for origin in line.get("also", ())),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"{folder}: the record of {line.get('key', '?')!r} is damaged"
        raise DatasetError(message) from error


@functools.lru_cache(maxsize=MOST_TAGS)
def _tag(name: str, kind: str, by: tuple[str, ...], score: float) -> Tag:
    """One object for all that say the same: a few thousand tags make up most of a dataset."""
    return Tag(name, kind, by, score)


class _TagTexts(dict[tuple[Any, ...], str]):
    """What tags look like in a line, by their parts: to ask it runs no line of Python."""

    def __missing__(self, parts: tuple[Any, ...]) -> str:
        if len(self) >= MOST_TAGS:
            self.clear()
        text = self[parts] = text_of(parts)
        return text


_PARTS = operator.attrgetter("name", "kind", "by", "score")
_TAG_TEXTS = _TagTexts()


def _origin_line(origin: Origin) -> Line:
    return {
        name: value
        for name, default in _ORIGIN.items()
        if (value := getattr(origin, name)) != default
    }
