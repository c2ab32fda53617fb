"""What a model's numbers stand for: every form of label list that taggers come with."""

import ast
import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from datasetkit.errors import ModelError, did_you_mean
from datasetkit.taggers.spec import KINDS, RATING, Spec
from datasetkit.tags import clean_name

MAX_BYTES = 64 * 1024 * 1024  # the longest list known, of 108,000 labels, has 8 MB

_DANBOORU = {0: "general", 1: "artist", 3: "copyright", 4: "character", 5: "meta", 9: RATING}
_E621 = {5: "species", 7: "meta", 8: "lore"}  # where e621's numbers differ from Danbooru's
_WORDS = {name: name for name in (*KINDS, RATING)} | {"style": "artist", "series": "copyright"}
_MARKS = ("rating:", "rating_")
_LETTERS = {"g": "general", "s": "sensitive", "q": "questionable", "e": "explicit"}
_WD_V3 = 10_861  # labels, by which the list is known again under any folder's name
_THRESHOLDS = ("best_threshold", "threshold")


@dataclass(frozen=True, slots=True)
class Label:
    """One of a model's outputs: a tag in booru form, and its kind (``rating`` for a rating).

    ``threshold`` is the tag's own, where the list has one; ``series`` are the copyrights that a
    character belongs to, where the list says so.
    """

    name: str
    kind: str
    threshold: float | None = None
    series: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """All that a model can say, in the order of its numbers; and what is asked of it often."""

    labels: tuple[Label, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """The tags, without the ratings."""
        return frozenset(label.name for label in self.labels if label.kind != RATING)

    @cached_property
    def own(self) -> Mapping[str, float]:
        """The thresholds that tags have of their own."""
        return {label.name: label.threshold for label in self.labels if label.threshold is not None}

    @cached_property
    def series(self) -> Mapping[str, tuple[str, ...]]:
        """The copyrights of characters, where the list says so."""
        return {label.name: label.series for label in self.labels if label.series}


def read_labels(path: Path, spec: Spec) -> tuple[Label, ...]:
    """Read a label list; raises ModelError for a file that is not one, naming the line."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"'{path}' is larger than {MAX_BYTES:,} bytes; that is no label list")
        text = path.read_text(encoding="utf-8-sig")
        if spec.format == "json":
            return _named(_from_json(json.loads(text), path), path)
        if spec.format == "lines":
            return _named(_flat(line for line in text.split("\n") if line.strip()), path)
        return _from_csv(text, path, spec)
    except (OSError, ValueError, AttributeError, TypeError, RecursionError, csv.Error) as error:
        raise ModelError(f"'{path}' cannot be read as a list of labels ({error})") from error


def labels_inside(tags: str, path: Path) -> tuple[Label, ...]:
    """Read the list that a model carries in its own metadata: JSON, a Python list, or lines."""
    names: Any = None
    for read in (json.loads, ast.literal_eval):
        try:
            names = read(tags)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        break
    if not isinstance(names, (list, tuple)):
        names = tags.splitlines() if "\n" in tags.strip() else tags.split()
    if not names or not all(isinstance(name, str) for name in names):
        raise ModelError(f"'{path}' carries no list of labels in its metadata")
    return _named(_flat(names), path)


def _named(labels: tuple[Label, ...], path: Path) -> tuple[Label, ...]:
    """The labels; raises ModelError for one without a name, which would become an empty tag."""
    for place, label in enumerate(labels):
        if not label.name:
            raise ModelError(f"'{path}': label {place} has no name")
    return labels


def _flat(names: Any) -> tuple[Label, ...]:
    """Labels of bare names: all general, but for ``rating:safe`` and its kin."""
    labels = []
    for name in names:
        plain = _without_mark(name.strip())
        kind = "general" if plain == name.strip() or "rating_" in name else RATING
        labels.append(_label(name, kind))
    return tuple(labels)


def _label(
    name: str, kind: str, threshold: float | None = None, series: tuple[str, ...] = ()
) -> Label:
    name = name.strip()
    if kind == RATING:
        name = _without_mark(name)
        name = _LETTERS.get(name, name)
    return Label(clean_name(name), kind, threshold, series)


def _without_mark(name: str) -> str:
    return next((name[len(mark) :] for mark in _MARKS if name.startswith(mark)), name)


def _from_csv(text: str, path: Path, spec: Spec) -> tuple[Label, ...]:
    """Read ``name`` and ``category`` of each row, wherever in the row they stand."""
    e621 = spec.codes == "e621" or path.name == "tags-selected.csv"
    kinds = _DANBOORU | _E621 if e621 else _DANBOORU
    rows = csv.DictReader(io.StringIO(text, newline=""))
    columns = set(rows.fieldnames or ())
    if not {"name", "category"} <= columns:
        raise ModelError(f"'{path}' has no columns 'name' and 'category' in its first line")
    limit_column = next((name for name in _THRESHOLDS if name in columns), "")
    labels, counts = [], []
    for row in rows:
        where = f"'{path}', line {rows.line_num}"
        kind = _kind(row["category"] or "", kinds, where)
        threshold = _number(row.get(limit_column) or "", where) if limit_column else None
        series = _series(row.get("ips") or "", where)
        label = _label(row["name"] or "", kind, threshold, series)
        if not label.name:
            raise ModelError(f"{where}: the tag has no name")
        labels.append(label)
        counts.append(row.get("count") or "")
    if spec.in_order or len(labels) == _WD_V3:
        _check_order(path, labels, counts)
    return tuple(labels)


def _kind(category: str, kinds: Mapping[int, str], where: str) -> str:
    word = category.strip().lower()
    if word.isdecimal() and int(word) in kinds:
        return kinds[int(word)]
    if word in _WORDS:
        return _WORDS[word]
    known = ", ".join(map(str, sorted(kinds)))
    raise ModelError(f"{where}: category '{category}' is none of {known}")


def _number(text: str, where: str) -> float | None:
    if not text.strip():
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 1:
        raise ModelError(f"{where}: the threshold '{text}' is no number from 0 to 1")
    return number


def _series(text: str, where: str) -> tuple[str, ...]:
    """The copyrights of a character: a JSON list in a cell."""
    if not text.strip():
        return ()
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelError(f"{where}: the series {text[:80]} are no list of names")
    return tuple(name for name in map(clean_name, names) if name)


def _check_order(path: Path, labels: Sequence[Label], counts: Sequence[str]) -> None:
    """Raise ModelError where rows were sorted anew: the numbers would then mean other tags.

    The lists of this family have their kinds in blocks, and the general tags by falling count.
    """
    done: set[str] = set()
    last = 0
    for place, label in enumerate(labels):
        count = int(counts[place]) if counts[place].isdecimal() else 0
        before = labels[place - 1].kind if place else label.kind
        if label.kind != before:
            done.add(before)
        elif label.kind == "general" and place and count > last:
            done.add(label.kind)
        if label.kind in done:
            raise ModelError(
                f"'{path}' is not in the order of the model's answers (line {place + 2}, "
                f"'{label.name}'); it was sorted anew: fetch it again"
            )
        last = count


def _from_json(data: Any, path: Path) -> tuple[Label, ...]:
    """Read a JSON list: names in their order, or a mapping of places to what stands there."""
    if isinstance(data, list):
        if not all(isinstance(name, str) for name in data):
            raise ModelError(f"'{path}' is a list, but not of names")
        return _flat(data)
    for key in ("dataset_info", "tag_mapping"):  # Camie keeps its list among other things
        if isinstance(data, dict) and isinstance(data.get(key), dict):
            data = data[key]
    if not isinstance(data, dict) or not data:
        raise ModelError(f"'{path}' holds no list of labels")
    if isinstance(data.get("idx_to_tag"), dict):
        kinds = data.get("tag_to_category", {})
        entries = {place: (tag, kinds.get(tag, "general")) for place, tag in
                   data["idx_to_tag"].items()}  # fmt: skip
    elif all(isinstance(value, int) for value in data.values()):
        entries = {str(place): (tag, "general") for tag, place in data.items()}
    else:
        entries = {place: _entry(path, place, value) for place, value in data.items()}
    return _in_places(entries, path)


def _entry(path: Path, place: str, value: Any) -> tuple[str, str]:
    if isinstance(value, str):
        return value, "general"
    if isinstance(value, dict) and isinstance(value.get("tag"), str):
        return value["tag"], str(value.get("category", "general"))
    raise ModelError(f"'{path}': label {place!r} has no tag")


def _in_places(entries: Mapping[str, tuple[Any, str]], path: Path) -> tuple[Label, ...]:
    labels = []
    for place in range(len(entries)):
        if str(place) not in entries:
            raise ModelError(f"'{path}' lists {len(entries)} labels, but none at place {place}")
        tag, word = entries[str(place)]
        kind = _WORDS.get(str(word).strip().lower())
        if not isinstance(tag, str):
            raise ModelError(f"'{path}': label {place} has no name")
        if kind is None:
            near = did_you_mean(str(word).lower(), _WORDS)
            raise ModelError(f"'{path}', label {place}: no kind of tag is '{word}'; {near}")
        labels.append(_label(tag, kind))
    return tuple(labels)
