"""A filter for pictures, the same for every stage and for ``dsk info``: which ones are meant.

::

    solo and not comic
    score:>=100 and (rating:g or rating:s)
    "long hair" -artist:* width:1000..

A word is a tag, in large or small letters, with * for any; words beside each other all hold.
``kind:name`` is a tag of a kind (``character:hatsune*``), ``by:hand`` one that somebody said.
Numbers and days are written as in a query. ``rating:`` is the site's, ``model_rating:g`` what a
tagger says. What a picture does not tell (no score, no date) fulfils no condition.
docs/filters.md names all keys.
"""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, TypeAlias

from datasetkit.bounds import Bound, bound_of, dates_of
from datasetkit.content import content_print
from datasetkit.errors import PictureError, UsageError
from datasetkit.record import Record, Tag
from datasetkit.tags import from_caption, join_caption, matches, to_caption
from datasetkit.tokens import count

Test: TypeAlias = Callable[[Record], bool]

NEAR = 0.75  # how alike a name must be to be suggested
MOST = 50  # conditions inside of each other: a person nests three

# What the stage filter measured and remembers; nothing is measured for a filter.
MEASURED = ("sharpness", "jpeg_quality", "jpeg_damage", "uniform", "faces", "persons")


def _measured(name: str) -> Callable[[Record], float | None]:
    def told(record: Record) -> float | None:
        facts = record.facts.get("filter")
        if not isinstance(facts, dict):
            return None
        value = facts.get(name)
        return value if isinstance(value, int | float) and _is_of(facts, record) else None

    return told


def _is_of(facts: Mapping[str, Any], record: Record) -> bool:
    """Say whether the picture is still the one that was measured."""
    try:
        return bool(facts.get("file") == content_print(record.picture))
    except PictureError:
        return False


def _words_of(record: Record) -> list[str]:
    return [t.name if t.kind == "trigger" else to_caption(t.name) for t in record.tags]


NUMBERS: dict[str, Callable[[Record], float | None]] = {
    "score": lambda record: record.origin.score,
    "width": lambda record: record.picture.size[0],
    "height": lambda record: record.picture.size[1],
    "side": lambda record: min(record.picture.size),
    "ratio": lambda record: max(record.picture.size) / min(record.picture.size),
    "mpixels": lambda record: record.picture.size[0] * record.picture.size[1] / 1e6,
    "tags": lambda record: len(record.tags),
    "tokens": lambda record: count(join_caption(_words_of(record))),
    **{name: _measured(name) for name in MEASURED},
}
KINDS = (
    "general", "artist", "copyright", "character", "meta", "species", "lore", "trigger",
    "outfit", "quality",
)  # fmt: skip
_RATINGS = {"general": "g", "safe": "g", "sensitive": "s", "questionable": "q", "explicit": "e"}
_KEYS = (
    *NUMBERS, *KINDS, "rating", "model_rating", "site", "id", "name", "key", "filetype", "date",
    "by",
)  # fmt: skip

_TOKEN = re.compile(r"\s*(?:([()])|(-(?=\S)))")
WORDS = {"and", "or", "not"}


@lru_cache(maxsize=256)
def where(text: str) -> Test:
    """Understand a filter: a function that says of a record whether it is meant.

    An empty filter means all. Raises UsageError naming what is not understood.
    """
    parts = parts_of(text)
    if not parts:
        return lambda record: True
    reader = _Reader(text, parts)
    test = reader.either()
    if reader.left:
        raise UsageError(f"the filter {text!r}: {reader.left[0]!r} closes nothing")
    return test


class _Reader:
    """Reads a filter from left to right: ``or`` binds least, then ``and``, then ``not``."""

    def __init__(self, text: str, parts: list[str]) -> None:
        self._text = text
        self.left = parts
        self._depth = 0

    def either(self) -> Test:
        tests = [self._all()]
        while self._next("or"):
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda record: any(t(record) for t in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._next("and") or (self.left and self.left[0] not in {"or", ")"}):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda record: all(t(record) for t in tests)

    def _one(self) -> Test:
        if not self.left or self.left[0] in {"and", "or", ")"}:
            at = f"before {self.left[0]!r}" if self.left else "at the end"
            raise UsageError(f"the filter {self._text!r}: a condition is missing {at}")
        self._depth += 1
        if self._depth > MOST:
            raise UsageError(f"a filter with more than {MOST} conditions inside of each other")
        try:
            if self._next("not") or self._next("-"):
                inner = self._one()
                return lambda record: not inner(record)
            if self._next("("):
                inner = self.either()
                if not self._next(")"):
                    raise UsageError(f"the filter {self._text!r}: a bracket is not closed")
                return inner
            return _condition(self.left.pop(0))
        finally:
            self._depth -= 1

    def _next(self, word: str) -> bool:
        if self.left and self.left[0] == word:
            self.left.pop(0)
            return True
        return False


def parts_of(text: str) -> list[str]:
    """Split a filter into brackets, signs and words; quoted text is one word, marked by a quote."""
    parts: list[str] = []
    place = 0
    while place < len(text.rstrip()):
        if sign := _TOKEN.match(text, place):
            parts.append(sign[1] or sign[2])
            place = sign.end()
            continue
        word, place = _word(text, place)
        parts.append(word.lower() if word.lower() in WORDS else word)
    return parts


def _word(text: str, place: int) -> tuple[str, int]:
    """One word from ``place`` on, and where it ends: brackets inside of it are part of its name."""
    while text[place].isspace():
        place += 1
    start, depth, quoted = place, 0, False
    while place < len(text):
        letter = text[place]
        if letter == '"':
            quoted = not quoted
        elif not quoted and (letter.isspace() or (letter == ")" and not depth)):
            break
        depth += {"(": 1, ")": -1}.get(letter, 0) if not quoted else 0
        place += 1
    if quoted:
        raise UsageError(f"the filter {text!r}: a quote is not closed")
    return text[start:place], place


def _condition(word: str) -> Test:
    """What one word asks for."""
    key, colon, value = word.partition(":")
    key, value = key.lower(), value.replace('"', "")
    if not colon or '"' in key or not value:
        return _tag(word.replace('"', ""))
    if key in NUMBERS:
        return _number(NUMBERS[key], bound_of(key, value))
    if key in KINDS:
        pattern = from_glob(value).lower()
        return lambda record: any(
            t.kind == key and matches(called(t), pattern) for t in record.tags
        )
    if key in TEXTS:
        return TEXTS[key](value)
    near = get_close_matches(key, _KEYS, n=1, cutoff=NEAR)
    if near and len(key) > 3:
        raise UsageError(
            f"the filter knows no {key!r}; did you mean '{near[0]}'? (quote a tag with a colon)"
        )
    return _tag(word.replace('"', ""))


def from_glob(text: str) -> str:
    """A tag or glob as a person writes it, in booru form."""
    return text.replace(" ", "_") if any(mark in text for mark in "*?") else from_caption(text)


def called(tag: Tag) -> str:
    """A tag's name in booru form and small letters; a trigger is kept as a person writes it."""
    return (from_caption(tag.name) if tag.kind == "trigger" else tag.name).lower()


def _tag(text: str) -> Test:
    pattern = from_glob(text).lower()
    if not pattern:
        raise UsageError(f"the filter: {text!r} is no tag")
    if not any(mark in pattern for mark in "*?"):
        return lambda record: any(called(tag) == pattern for tag in record.tags)
    return lambda record: any(matches(called(tag), pattern) for tag in record.tags)


def _number(number: Callable[[Record], float | None], bound: Bound) -> Test:
    def test(record: Record) -> bool:
        value = number(record)
        return value is not None and bound.holds(value)

    return test


def _rating(value: str) -> Test:
    wanted = _ratings("rating", value)
    return lambda record: (record.origin.rating or "?") in wanted


def _model_rating(value: str) -> Test:
    wanted = _ratings("model_rating", value)

    def test(record: Record) -> bool:
        said = [fact.get("rating") for fact in record.facts.get("tag", {}).values()]
        letters = {_RATINGS.get(rating, rating[:1]) for rating in said if rating}
        return bool(wanted & (letters or {"?"}))

    return test


def _ratings(key: str, value: str) -> set[str]:
    """The letters of the ratings that a condition names."""
    wanted = {_RATINGS.get(part, part) for part in value.lower().split(",")}
    if strange := sorted(wanted - {"g", "s", "q", "e", "?"}):
        raise UsageError(f"{key}:{strange[0]} is none; there are g, s, q, e, and ? for unknown")
    return wanted


def _day(value: str) -> Test:
    span = dates_of(value)
    return lambda record: bool(record.origin.posted) and span.holds(record.origin.posted)


def _site(value: str) -> Test:
    def test(record: Record) -> bool:
        return any(place.site == value for place in (record.origin, *record.also))

    return test


def _post(value: str) -> Test:
    wanted = frozenset(value.split(","))

    def test(record: Record) -> bool:
        return any(place.post in wanted for place in (record.origin, *record.also))

    return test


def _name(value: str) -> Test:
    """A file's name as people see it, or without its suffix; a bracket is no glob's."""
    pattern = value.replace("[", "[[]")

    def test(record: Record) -> bool:
        return any(fnmatchcase(n, pattern) for n in (record.key, record.picture.path.name))

    return test


TEXTS: dict[str, Callable[[str], Test]] = {
    "rating": _rating,
    "model_rating": _model_rating,
    "date": _day,
    "site": _site,
    "id": _post,
    "name": _name,
    "key": _name,
    "filetype": lambda value: (
        lambda record: (
            record.picture.path.suffix.lower().lstrip(".").replace("jpeg", "jpg")
            == value.lower().replace("jpeg", "jpg")
        )
    ),
    "by": lambda value: lambda record: any(value in tag.by for tag in record.tags),
}
