"""How far a model agrees with those who tagged the pictures before it: the boorus and people."""

from array import array
from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from datasetkit.taggers.choose import KEPT, voted
from datasetkit.taggers.parts import Part
from datasetkit.taggers.spec import KINDS, RATING
from datasetkit.taggers.truth import Truth
from datasetkit.tags import matches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXAMPLES = 3  # pictures named for what one side misses
_UNIT = 10_000  # probabilities have 4 decimals
_STEP = 100  # a person sets a threshold to 2
# What every booru tells of a picture, as far as it goes; other kinds only some of them have.
_TOLD = frozenset({"general", "character", "copyright", "artist"})


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

    ``threshold`` is None where it goes by the widest gap, ``best`` where nothing stands; both are
    for a vote. ``missed`` and ``extra`` are keys of pictures on which the booru alone or the model
    alone has it, the most striking first. ``counted`` says whether it stands often enough to be
    part of the mean of F1.
    """

    name: str
    kind: str
    threshold: float | None
    at: Agreement
    best: float | None
    at_best: Agreement
    missed: tuple[str, ...]
    extra: tuple[str, ...]
    counted: bool


@dataclass(frozen=True)
class OfKind:
    """All tags of a kind ("" for all kinds): micro totals, and the mean of F1 (macro).

    The totals are over all that stands or is said; the mean is over the tags that stand ``often``
    enough. ``threshold`` is None where it differs from tag to tag. ``best`` is one for the whole
    kind, None where nothing stands. ``curve`` holds (threshold, counts), by falling threshold.
    """

    kind: str
    tags: int
    often: int
    threshold: float | None
    at: Agreement
    macro: float
    best: float | None
    at_best: Agreement
    curve: tuple[tuple[float, Agreement], ...]


@dataclass(frozen=True)
class Compared:
    """A model, or a vote, beside those who tagged before: tag by tag (those at all seen), by kind.

    ``side`` says who those are: booru, captions or both. ``unknown`` are tags of theirs that the
    model does not know, ``untold`` kinds of which they never speak: what the model says of these
    is not counted. ``said_of_none`` is how often it says a tag that stands on no picture.
    """

    model: str
    pictures: int
    least: int
    kinds: tuple[OfKind, ...]
    tags: tuple[OfTag, ...]
    unknown: int
    side: str
    untold: tuple[str, ...]
    said_of_none: int

    @property
    def often(self) -> int:
        """How many tags stand on enough pictures."""
        return self.kinds[0].often if self.kinds else 0


class Comparison:
    """Counts up, picture by picture, how tags of a model or of a vote agree with those that stand.

    A picture costs two bytes for each probability that is kept of it. Of tags that the stage is
    told to drop nothing is counted.
    """

    def __init__(self, parts: Sequence[Part], vote: int = 0) -> None:
        self.parts = tuple(parts)
        self.pictures = 0
        self._vote = vote
        self._known = frozenset().union(*(part.vocabulary.names for part in parts))
        self._kinds: dict[str, str] = {}
        for part in parts:
            for label in part.vocabulary.labels:
                if label.kind != RATING and self._kinds.get(label.name, "general") == "general":
                    self._kinds[label.name] = label.kind
        for pattern in self.parts[0].rule.drop:
            for name in [name for name in self._kinds if matches(name, pattern)]:
                del self._kinds[name]
        self._tags: dict[str, _Heard] = {}
        self._unknown: set[str] = set()
        self._sides: set[str] = set()
        self._above = KEPT

    @property
    def name(self) -> str:
        """The model's, or what the vote is."""
        names = [part.name for part in self.parts]
        how = f"{self._vote} of them" if self._vote else "more than half"
        return names[0] if len(names) == 1 else f"the vote of {', '.join(names)} ({how})"

    def add(self, key: str, truth: Truth, facts: Mapping[str, Mapping[str, Any]]) -> None:
        """Take in one picture: its key, what stands, and what each model saw."""
        self.pictures += 1
        self._sides |= truth.sides
        chosen = {part.name: part.chosen(facts[part.name]) for part in self.parts}
        seen: dict[str, float] = {}
        if len(self.parts) == 1:
            (fact,) = (facts[part.name] for part in self.parts)
            self._above = max(self._above, fact["above"])
            seen = {name: p for names in fact["seen"].values() for name, p in names.items()}
            said = {line.name for lines in chosen.values() for line in lines}
        else:
            knows = {part.name: part.vocabulary.names for part in self.parts}
            said = {tag.name for tag in voted(chosen, knows, self._vote)}
        self._unknown |= truth.names - self._known
        for name in (seen.keys() | said | truth.names) - truth.unasked:
            if name in self._kinds:
                heard = self._tags.setdefault(name, _Heard())
                heard.add(key, seen.get(name), name in truth.names, name in said)

    def compared(self, least: int) -> Compared:
        """What was found; ``least`` is how often a tag must stand to be part of the mean of F1."""
        floor = round(self._above * _UNIT)
        told = _TOLD | {self._kinds[name] for name, heard in self._tags.items() if heard.at.support}
        tags, totals = [], {kind: _Total(floor) for kind in ("", *KINDS)}
        for name, heard in self._tags.items():
            kind = self._kinds[name]
            often = kind in told and heard.at.support >= max(least, 1)
            if heard.at.support or heard.at.said:
                tags.append(self._of_tag(name, kind, heard, often, floor))
            if kind in told:  # also what would be said at a lower threshold alone
                for one in ("", kind):
                    totals[one].add(heard, often)
        places = {kind: place for place, kind in enumerate(KINDS)}
        tags.sort(key=lambda tag: (places[tag.kind], -tag.at.support, -tag.at.said, tag.name))
        kinds = tuple(
            total.of_kind(kind, self._threshold_of_all(kind), curve=len(self.parts) == 1)
            for kind, total in totals.items()
            if total.tags
        )
        return Compared(
            self.name, self.pictures, least, kinds, tuple(tags), len(self._unknown),
            "both" if len(self._sides) > 1 else next(iter(self._sides), "booru"),
            tuple(kind for kind in KINDS if kind in {tag.kind for tag in tags} - told),
            sum(tag.at.said for tag in tags if tag.kind in told and not tag.at.support),
        )  # fmt: skip

    def _of_tag(self, name: str, kind: str, heard: "_Heard", often: bool, floor: int) -> OfTag:
        best, at_best = heard.best(floor)
        known = heard.at.support and len(self.parts) == 1
        return OfTag(
            name, kind, self._threshold(kind, name), heard.at, best if known else None, at_best,
            *heard.examples, often,
        )  # fmt: skip

    def _threshold_of_all(self, kind: str) -> float | None:
        part = self.parts[0]
        varies = kind in part.rule.own and part.vocabulary.own
        return self._threshold(kind, "") if kind and not varies else None

    def _threshold(self, kind: str, name: str) -> float | None:
        part = self.parts[0]
        if len(self.parts) > 1 or kind in part.rule.gaps:
            return None
        return part.rule.threshold(kind, name, (), part.vocabulary.own)


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

    @property
    def examples(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Keys of pictures on which it is missed, and of those on which it is said alone."""
        return tuple(key for _, key in self._missed), tuple(key for _, key in self._extra)

    def best(self, floor: int) -> tuple[float, Agreement]:
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
    often: int = 0
    at: Agreement = field(default_factory=Agreement)
    f1: float = 0.0
    said: "NDArray[np.int64] | None" = None
    right: "NDArray[np.int64] | None" = None

    def add(self, heard: _Heard, often: bool) -> None:
        import numpy as np

        if self.said is None or self.right is None:
            self.said, self.right = (np.zeros(_UNIT + 1, np.int64) for _ in range(2))
        pairs = np.frombuffer(heard.pairs, np.uint16)
        np.add.at(self.said, pairs // 2, 1)
        np.add.at(self.right, pairs[pairs & 1 == 1] // 2, 1)
        self.tags += bool(heard.at.support or heard.at.said)
        self.at += heard.at
        if often:
            self.often += 1
            self.f1 += heard.at.f1

    def of_kind(self, kind: str, threshold: float | None, *, curve: bool) -> OfKind:
        macro = self.f1 / self.often if self.often else 0.0
        found = self._curve() if curve else ()
        best: tuple[float | None, Agreement] = (None, Agreement(self.at.support))
        if found and self.at.support:
            best = max(found, key=lambda point: point[1].f1)
        return OfKind(kind, self.tags, self.often, threshold, self.at, macro, *best, found)

    def _curve(self) -> tuple[tuple[float, Agreement], ...]:
        import numpy as np

        assert self.said is not None and self.right is not None
        levels = np.arange(_UNIT, self.floor - 1, -_STEP)
        said = np.cumsum(self.said[::-1])[::-1][levels]
        right = np.cumsum(self.right[::-1])[::-1][levels]
        return tuple(
            (int(level) / _UNIT, Agreement(self.at.support, int(many), int(good)))
            for level, many, good in zip(levels, said, right, strict=True)
        )
