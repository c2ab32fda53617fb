"""The pictures of an export: what the safety rules let through, and nothing held that need not."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from datasetkit import safety
from datasetkit.dataset import Dataset
from datasetkit.dataset.captions import caption_of
from datasetkit.errors import DatasetError
from datasetkit.exporters.file import named
from datasetkit.record import Record
from datasetkit.stage import Note

T = TypeVar("T")

KEEP = "keep_tokens"  # in a stage's facts: how many tags trainers leave in front
# Brackets that somebody escaped for a WebUI's prompt; trainers would learn the backslashes.
_ESCAPED = re.compile(r"\\\(([^()\\]*)\\\)")
LEADS = ("trigger", "character")  # kinds of tags after which a LoRA is named
SEPARATOR = " ||| "  # kohya's keep_tokens_separator: what stands before it stays in front


def chosen(records: Iterable[Record], take: Callable[[Record], T]) -> tuple[list[T], list[Note]]:
    """What ``take`` makes of each picture that may leave the dataset, and what is to be said."""
    kept: list[T] = []
    refused = 0
    for record in records:
        if safety.refusal(record.names, record.origin.rating):
            refused += 1
        else:
            with named(record.picture.path):
                kept.append(take(record))
    notes = []
    if refused:
        are = "1 picture is" if refused == 1 else f"{refused} pictures are"
        notes.append(Note(f"{are} left out by the safety rules", warning=True))
    return kept, notes


def reader(dataset: Dataset) -> Callable[[str], Record]:
    """Read a picture by its key when its turn comes; DatasetError for one that is gone since."""

    def read(key: str) -> Record:
        record = dataset.record(key)
        if record is None:
            raise DatasetError(f"{key} was taken out of the dataset meanwhile; run it again")
        return record

    return read


def leads_of(record: Record) -> Iterator[tuple[str, str]]:
    """Kind and name of the tags after which a LoRA is named."""
    return ((tag.kind, tag.name) for tag in record.tags if tag.kind in LEADS)


def name_of(leads: Iterable[tuple[str, str]]) -> str:
    """Name a set after its trigger word, else its commonest character; "" where it has neither."""
    names: dict[str, Counter[str]] = {kind: Counter() for kind in LEADS}
    for kind, name in leads:
        names[kind][name] += 1
    found = next(filter(None, names.values()), None)
    if not found:
        return ""
    name = found.most_common(1)[0][0]
    return name.split("_(")[0] or name


def base_of(option: str) -> str:
    """The base model that a trainer's settings name: the option, else DSK_BASE; "" for neither.

    A file's path is made absolute, for trainers are started elsewhere; a Hugging Face name stays.
    """
    said = option or os.environ.get("DSK_BASE", "")
    path = Path(said).expanduser() if said else Path()
    return path.resolve().as_posix() if said and path.exists() else said


def fixed_tags(record: Record) -> int:
    """How many first tags a stage wrote down as fixed for trainers; 0 where none did."""
    facts = (fact for fact in record.facts.values() if isinstance(fact, Mapping))
    return max((int(fact.get(KEEP) or 0) for fact in facts), default=0)


def caption_line(record: Record, keep: int = 0) -> str:
    """A caption as trainers read it: one line, no escapes; with the mark behind ``keep`` tags."""
    names, kinds = [tag.name for tag in record.tags], [tag.kind for tag in record.tags]
    if not 0 < keep < len(names):
        # A mark at the end: without one kohya fixes as many as everywhere, and shuffles the others.
        return _line(caption_of(names, kinds)) + SEPARATOR.rstrip() * (1 < len(names) <= keep)
    parts = (caption_of(names[:keep], kinds[:keep]), caption_of(names[keep:], kinds[keep:]))
    return SEPARATOR.join(map(_line, parts))


def _line(text: str) -> str:
    return _ESCAPED.sub(r"(\1)", " ".join(text.splitlines()))
