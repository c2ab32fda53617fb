"""Names that a person gives and that no picture has: told, with the one that may be meant."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from functools import cache
from typing import TypeAlias

from datasetkit.cleaners.tags.rules.implications import IMPLIED
from datasetkit.cleaners.tags.rules.junk import COMPARED, META
from datasetkit.cleaners.tags.rules.patterns import Patterns
from datasetkit.record import Record
from datasetkit.stage import Note
from datasetkit.tags import from_caption, to_caption

Words: TypeAlias = tuple[str, ...]

ALIKE = 0.78  # of the letters two names must share to be one of them misspelt
NAMED = 5  # names in one sentence
_DIGITS = re.compile(r"\d")
_QUALIFIER = re.compile(r"(?:_\([^()]*\))+$")


def remarks(
    records: Iterable[Record],
    wanted: Patterns,
    guarded: Collection[str] = (),
    *,
    made: Collection[str] = (),
    aliases: Mapping[str, str] | None = None,
    known: Callable[[str], bool] = lambda name: False,
) -> Iterator[Note]:
    """Warn of names that stand on no picture, and went from none, where another one is near.

    Where nothing is near, and none of the ``wanted`` stands or stood, a plain note says so; those
    that are ``guarded`` need not be there. ``made`` are names that come by the stage itself,
    ``aliases`` and ``known`` say what a site calls otherwise, and what it knows. The records are
    walked once at most, and only until each name is found.
    """
    made = [name.lower() for name in made]
    given = wanted.all_names.union(guarded)
    missing = set(given.difference(made))
    if not missing:
        return
    counts: Counter[str] = Counter()
    gone: set[str] = set()
    for record in records:
        names = [
            (from_caption(t.name) if t.kind == "trigger" else t.name).lower() for t in record.tags
        ]
        counts.update(names)
        missing.difference_update(names)
        if record.removed or record.facts:
            went = {from_caption(name).lower() for name in (*record.removed, *record.dropped)}
            gone |= went
            missing -= went
        if not missing:
            return
    spelling = _Spelling(counts, given)
    warned = False
    for name in sorted(missing):
        near = (aliases or {}).get(name, "")
        near = near if near in counts else "" if known(name) else spelling.nearest(name)
        if near:
            warned = True
            yield Note(
                f"no picture has {to_caption(name)!r}; did you mean {to_caption(near)!r} "
                f"({counts[near]} picture{'s' * (counts[near] != 1)})?",
                warning=True,
            )
    unmet = sorted(wanted.all_names.difference(made))
    if warned or not (unmet and counts) or not missing.issuperset(unmet):
        return
    if not any(name in wanted for name in (*counts, *gone)):
        shown = ", ".join(repr(to_caption(name)) for name in unmet[:NAMED])
        more = f" and {len(unmet) - NAMED} more" if len(unmet) > NAMED else ""
        yield Note(f"no picture has {shown}{more}")


class _Spelling:
    """Which of the names that stand one may mean that does not.

    A name of known words is another tag and none misspelt: a white skirt is no white shirt.
    """

    def __init__(self, counts: Counter[str], given: Collection[str]) -> None:
        self._standing: dict[str, str] = {}  # in full, and without its qualifier: in full
        self._turned: dict[Words, str] = {}
        for name, _ in counts.most_common():
            if name not in given:
                self._standing[name] = name
                self._standing.setdefault(_QUALIFIER.sub("", name), name)
                self._turned.setdefault(_sorted_words(name), name)
        self._words = {word for name in counts for word in name.split("_")} | _table_words()

    def nearest(self, name: str) -> str:
        """The name that may be meant; "" for none."""
        one, many = name.removesuffix("s"), f"{name}s"
        for other in (name, one, many):  # without her qualifier the character is meant
            if there := self._standing.get(other):
                return there
        if there := self._turned.get(_sorted_words(name)):
            return there
        if self._words.issuperset(name.split("_")):
            return ""
        matcher = SequenceMatcher(autojunk=False, b=name)
        digits = _DIGITS.findall(name)
        best, near = ALIKE, ""
        for other, full in self._standing.items():
            if 2 * min(len(name), len(other)) <= best * (len(name) + len(other)):
                continue
            matcher.set_seq1(other)
            if matcher.quick_ratio() <= best or _DIGITS.findall(other) != digits:
                continue  # 2girls are no 3girls
            if (ratio := matcher.ratio()) > best:
                best, near = ratio, full
        return near


def is_of_known_words(name: str, there: Iterable[str]) -> bool:
    """Say whether a name is made of words that stand in others, and thus a tag of its own."""
    words = {word for other in there for word in other.split("_")}
    return all(word in words or word in _table_words() for word in name.split("_"))


def _sorted_words(name: str) -> Words:
    return tuple(sorted(name.split("_")))


@cache
def _table_words() -> frozenset[str]:
    """The words of the names that this house knows by itself."""
    said = (name for names in IMPLIED.values() for name in names)
    return frozenset(w for name in (*IMPLIED, *said, *META, *COMPARED) for w in name.split("_"))
