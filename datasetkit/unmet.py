"""Filters that no picture fulfils: said, with the tag that may have been meant."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches

from datasetkit.record import Record
from datasetkit.where import KINDS, NEAR, NUMBERS, TEXTS, WORDS, called, from_glob, parts_of, where

_DIGITS = re.compile(r"\d")


def unmet(text: str, records: Iterable[Record], so: str = "") -> str:
    """Say that no picture fulfils a filter, what follows, and what may have been meant instead."""
    said = "; ".join(filter(None, (f"no picture fulfils {text!r}", so)))
    names, parts = _names_in(records), parts_of(text)
    hint = _joined(parts, names.get("", set())) or next(
        filter(None, (_hint(part, names) for part in parts)), ""
    )
    return f"{said}; {hint}" if hint else said


def in_vain(
    text: str,
    records: Collection[Record],
    so: str = "",
    known: Callable[[str, Collection[str]], bool] = lambda name, names: False,
) -> str:
    """Say why a filter is not one to go by; "" where it is.

    No picture fulfils it, or more would if a name that none has were the nearest that one has:
    but for names that are ``known`` to be other tags, beside those that pictures have.
    """
    test = where(text)
    if not records:
        return ""
    if not any(test(record) for record in records):
        return unmet(text, records, so)
    names, parts = _names_in(records), parts_of(text)
    for place, part in enumerate(parts):
        near = _nearest(part, names)
        if near and not known(_name_of(part), names.get("", ())):
            spelt = [*parts[:place], f'{part.partition(":")[0]}:"{near}"' if _kind_of(part)
                     else f'"{near}"', *parts[place + 1 :]]  # fmt: skip
            meant = where(" ".join("not" if word == "-" else word for word in spelt))
            if any(meant(record) and not test(record) for record in records):
                said = f"no picture has '{part}', of which {text!r} speaks"
                return "; ".join(filter(None, (said, so, _hint(part, names))))
    return ""


def _names_in(records: Iterable[Record]) -> dict[str, set[str]]:
    """The names of tags by kind, and by "" all that stand or stood, in small letters."""
    names: dict[str, set[str]] = {}
    for record in records:
        names.setdefault("", set()).update(name.lower() for name in record.removed)
        for tag in record.tags:
            name = called(tag)
            names[""].update((name, tag.name.lower()))
            names.setdefault(tag.kind, set()).add(name)
    return names


def _joined(parts: list[str], names: set[str]) -> str:
    """Words side by side that are one tag: ``long hair``; the most that make one."""
    for many in range(len(parts), 1, -1):
        for start in range(len(parts) - many + 1):
            words = parts[start : start + many]
            name = "_".join(words)
            if name.lower() in names and WORDS.isdisjoint(words):
                return f'did you mean {name} (or "{" ".join(words)}" in quotes)?'
    return ""


def _kind_of(word: str) -> str:
    """The kind that a word of a filter names; "" for none."""
    key, _, value = word.partition(":")
    return key.lower() if key.lower() in KINDS and value else ""


def _name_of(word: str) -> str:
    """The tag that a word of a filter names; "" for a glob, or a condition of another sort."""
    key, _, value = word.partition(":")
    if word in WORDS or word in {"(", ")", "-"} or key.lower() in {*NUMBERS, *TEXTS}:
        return ""
    name = from_glob((value if _kind_of(word) else word).replace('"', "")).lower()
    return "" if any(mark in name for mark in "*?") else name


def _nearest(word: str, names: Mapping[str, set[str]]) -> str:
    """What is near to a tag that no picture has; "" for a condition of another sort."""
    name, known = _name_of(word), names.get(_kind_of(word), set())
    if not name or name in known:
        return ""
    digits = _DIGITS.findall(name)  # 2girls are no 3girls
    near = get_close_matches(name, known, n=3, cutoff=NEAR)
    return next((one for one in near if _DIGITS.findall(one) == digits), "")


def _hint(word: str, names: Mapping[str, set[str]]) -> str:
    """End a sentence about a tag that no picture has."""
    kind = _kind_of(word)
    if near := _nearest(word, names):
        return f"did you mean '{kind}{':' * bool(kind)}{near}'?"
    name, (key, _, value) = _name_of(word), word.partition(":")
    if name and name not in names.get(kind, set()) and not kind and value and key.isalpha():
        return f"there is no key '{key}', and no tag '{name}'"
    return ""
