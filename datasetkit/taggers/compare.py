"""How far a model agrees with those who tagged the pictures before it: the boorus and people."""

from array import array
from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from datasetkit.record import HAND, Record
from datasetkit.taggers.choose import KEPT
from datasetkit.taggers.spec import KINDS, RATING
from datasetkit.taggers.tag import Part
from datasetkit.tags import matches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXAMPLES = 3  # pictures named for what one side misses
_UNIT = 10_000  # probabilities have 4 decimals
_STEP = 100  # a person sets a threshold to 2


@dataclass(frozen=True)
class Agreement:
    """Counts of tags on pictures: how often they stand, how often the model says them, and both."""

    support: int = 0
    said: int = 0
    right: int = 0

    @property
    def precision(self) -> float:
        """Which part of what the model says stands; 0 where it says nothing."""
        return self.right / self.said if self.said else 0.0

    @property
    def recall(self) -> float:
        """Which part of what stands the model says; 0 where nothing stands."""
        return self.right / self.support if self.support else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return 2 * self.right / (self.said + self.support) if self.said + self.support else 0.0

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(
            self.support + other.support, self.said + other.said, self.right + other.right
        )


@dataclass(frozen=True)
class OfTag:
    """A tag: how far both sides agree at its present threshold, and where they would most.

    ``threshold`` is None where it goes by the widest gap. ``missed`` and ``extra`` are keys of
    pictures on which the booru alone or the model alone has it, the most striking first.
    ``counted`` says whether it stands often enough to be part of the totals.
    """

    name: str
    kind: str
    threshold: float | None
    at: Agreement
    best: float
    at_best: Agreement
    missed: tuple[str, ...]
    extra: tuple[str, ...]
    counted: bool


@dataclass(frozen=True)
class OfKind:
    """All counted tags of a kind ("" for all kinds): micro totals, the mean of their F1 (macro).

    ``threshold`` is None where it differs from tag to tag. ``best`` is one for the whole kind.
    ``curve`` holds (threshold, counts), by falling threshold.
    """

    kind: str
    tags: int
    threshold: float | None
    at: Agreement
    macro: float
    best: float
    at_best: Agreement
    curve: tuple[tuple[float, Agreement], ...]


@dataclass(frozen=True)
class Compared:
    """A model beside the booru: what was looked at, tag by tag (those at all seen), and by kind."""

    model: str
    pictures: int
    least: int
    kinds: tuple[OfKind, ...]
    tags: tuple[OfTag, ...]
    unknown: int  # tags of the booru that the model does not know


def truth_of(record: Record, machines: Iterable[str] = ()) -> frozenset[str]:
    """The names that sites and people gave a picture; none where nobody but machines tagged it.

    What a site listed counts though a stage or a person took it from the caption since: it is what
    the picture shows that is asked here. A person's additions to machines' tags are no full list,
    so they count only beside a site's or a folder's, or alone.
    """
    facts: Mapping[str, Any] = record.facts.get("tag", {})
    machines = {*facts, *machines}
    names, full, machine_made = set[str](), False, False
    for origin in (record.origin, *record.also):
        names.update(origin.tags.split())
        full = full or bool(origin.tags)
    aside = [(name, kind, by) for fact in facts.values() for name, kind, by, _ in
             fact.get("aside", ())]  # fmt: skip
    for name, kind, by in [*((tag.name, tag.kind, tag.by) for tag in record.tags), *aside]:
        told = set(by) - machines
        machine_made = machine_made or not told
        if told and kind != "trigger":
            names.add(name)
            full = full or told != {HAND}
    return frozenset(names) if full or not machine_made else frozenset()


class Comparison:
    """Counts up, picture by picture, how a model's tags and the booru's agree.

    A picture costs two bytes for each probability that is kept of it. Of tags that the stage is
    told to drop nothing is counted.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        self.pictures = 0
        dropped = part.rule.drop
        self._kinds = {
            label.name: label.kind
            for label in part.vocabulary.labels
            if label.kind != RATING and not any(matches(label.name, one) for one in dropped)
        }
        self._tags: dict[str, _Heard] = {}
        self._unknown: set[str] = set()
        self._above = KEPT

    def add(self, key: str, truth: frozenset[str], fact: Mapping[str, Any]) -> None:
        """Take in one picture: its key, what stands, and what the model saw."""
        self.pictures += 1
        self._above = max(self._above, fact["above"])
        said = {line.name for line in self.part.chosen(fact)}
        seen = {name: p for names in fact["seen"].values() for name, p in names.items()}
        self._unknown |= truth - self._kinds.keys() - self.part.vocabulary.names
        for name in seen.keys() | said | truth:
            if name in self._kinds:
                heard = self._tags.setdefault(name, _Heard())
                heard.add(key, seen.get(name), name in truth, name in said)

    def compared(self, least: int) -> Compared:
        """What was found; ``least`` is how often a tag must stand to be part of the totals."""
        floor = round(self._above * _UNIT)
        tags, totals = [], {kind: _Total(floor) for kind in ("", *KINDS)}
        for name, heard in self._tags.items():
            if not heard.at.support and not heard.at.said:
                continue
            kind = self._kinds[name]
            found = heard.of_tag(name, kind, self._threshold(kind, name), least, floor)
            tags.append(found)
            if found.counted:
                for one in ("", kind):
                    totals[one].add(heard)
        places = {kind: place for place, kind in enumerate(KINDS)}
        tags.sort(key=lambda tag: (places[tag.kind], -tag.at.support, -tag.at.said, tag.name))
        kinds = tuple(
            total.of_kind(kind, self._threshold_of_all(kind))
            for kind, total in totals.items()
            if total.tags
        )
        name = self.part.name
        return Compared(name, self.pictures, least, kinds, tuple(tags), len(self._unknown))

    def _threshold_of_all(self, kind: str) -> float | None:
        varies = kind in self.part.rule.own and self.part.vocabulary.own
        return self._threshold(kind, "") if kind and not varies else None

    def _threshold(self, kind: str, name: str) -> float | None:
        rule = self.part.rule
        if kind in rule.gaps:
            return None
        return rule.threshold(kind, name, (), self.part.vocabulary.own)


class _Heard:
    """What was heard of one tag."""

    __slots__ = ("_extra", "_missed", "at", "pairs")

    def __init__(self) -> None:
        self.pairs = array("H")  # a probability in 1/10,000 and, in the last bit, whether it stands
        self.at = Agreement()
        self._missed: list[tuple[float, str]] = []
        self._extra: list[tuple[float, str]] = []

    def add(self, key: str, probability: float | None, stands: bool, said: bool) -> None:
        if probability is not None:
            self.pairs.append(round(probability * _UNIT) * 2 + stands)
        if stands or said:
            self.at += Agreement(stands, said, stands and said)
        if stands != said:
            aside, sign = (self._missed, 1) if stands else (self._extra, -1)
            insort(aside, (sign * (probability or 0.0), key))
            del aside[EXAMPLES:]

    def of_tag(
        self, name: str, kind: str, threshold: float | None, least: int, floor: int
    ) -> OfTag:
        best, at_best = self._best(floor)
        return OfTag(
            name, kind, threshold, self.at, best, at_best,
            tuple(key for _, key in self._missed), tuple(key for _, key in self._extra),
            self.at.support >= max(least, 1),
        )  # fmt: skip

    def _best(self, floor: int) -> tuple[float, Agreement]:
        """The threshold of the highest F1: half-way to the next probability that is left out."""
        import numpy as np

        pairs = np.sort(np.frombuffer(self.pairs, np.uint16))[::-1]
        pairs = pairs[pairs // 2 >= floor]
        if not pairs.size or not self.at.support:
            return 1.0, Agreement(self.at.support)
        levels, right = (pairs // 2).astype(int), np.cumsum(pairs & 1)
        ends = np.flatnonzero(np.diff(levels, append=-1))  # of several alike all pass or none
        scores = 2 * right[ends] / (ends + 1 + self.at.support)
        place = int(scores.argmax())
        end = int(ends[place])
        below = levels[end + 1] if end + 1 < len(levels) else floor
        best = (int(levels[end]) + int(below) + 1) // 2
        return best / _UNIT, Agreement(self.at.support, end + 1, int(right[end]))


@dataclass
class _Total:
    """The counts of many tags, by threshold."""

    floor: int
    tags: int = 0
    at: Agreement = field(default_factory=Agreement)
    f1: float = 0.0
    said: "NDArray[np.int64] | None" = None
    right: "NDArray[np.int64] | None" = None

    def add(self, heard: _Heard) -> None:
        import numpy as np

        if self.said is None or self.right is None:
            self.said, self.right = (np.zeros(_UNIT + 1, np.int64) for _ in range(2))
        pairs = np.frombuffer(heard.pairs, np.uint16)
        np.add.at(self.said, pairs // 2, 1)
        np.add.at(self.right, pairs[pairs & 1 == 1] // 2, 1)
        self.tags += 1
        self.at += heard.at
        self.f1 += heard.at.f1

    def of_kind(self, kind: str, threshold: float | None) -> OfKind:
        import numpy as np

        assert self.said is not None and self.right is not None
        levels = np.arange(_UNIT, self.floor - 1, -_STEP)
        said = np.cumsum(self.said[::-1])[::-1][levels]
        right = np.cumsum(self.right[::-1])[::-1][levels]
        curve = tuple(
            (int(level) / _UNIT, Agreement(self.at.support, int(many), int(good)))
            for level, many, good in zip(levels, said, right, strict=True)
        )
        best, at_best = max(curve, key=lambda point: point[1].f1)
        return OfKind(
            kind, self.tags, threshold, self.at, self.f1 / self.tags, best, at_best, curve
        )
