"""Which of a model's probabilities become tags: thresholds, gaps, limits, blacklists, votes."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from datasetkit.errors import UsageError
from datasetkit.record import Tag
from datasetkit.taggers.labels import Label
from datasetkit.taggers.spec import KINDS, RATING, Spec, check_kind
from datasetkit.tags import matches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT = 0.05  # probabilities below it are not kept: they say nothing, and there are ten thousand
MCUT_FLOOR = 0.15  # of characters, as imgutils has it: a gap below it parts noise from noise

# What a model saw: by kind, names with their probabilities, the surest first.
Seen: TypeAlias = Mapping[str, Mapping[str, float]]
_PLACES = {kind: place for place, kind in enumerate(KINDS)}
_NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Rule:
    """How sure a model must be, by kind; and what is left out however sure it is.

    ``own`` are the kinds in which a tag's own threshold goes before its kind's; in the kinds of
    ``gaps`` the limit is the middle of the widest gap between two probabilities. ``limits`` are
    the most tags of a kind. ``drop`` are patterns of names.
    """

    thresholds: Mapping[str, float]
    own: frozenset[str] = frozenset()
    gaps: frozenset[str] = frozenset()
    limits: Mapping[str, int] = field(default_factory=dict)
    drop: tuple[str, ...] = ()

    def threshold(self, kind: str, name: str, probabilities: Iterable[float],
                  own: Mapping[str, float]) -> float:  # fmt: skip
        """The limit for a name, beside the probabilities of its kind."""
        if kind in self.gaps:
            return _widest_gap(probabilities, MCUT_FLOOR if kind == "character" else 0.0)
        if kind in self.own and name in own:
            return own[name]
        return self.thresholds[kind]

    @property
    def lowest(self) -> float:
        """The lowest probability that could matter."""
        return min(self.thresholds.values())


@dataclass(frozen=True, slots=True)
class Explained:
    """A line of the table that says why a tag was taken or not; ``why`` is "" for one taken.

    ``others`` say the tag too on the picture: sites, other models, a person.
    """

    name: str
    kind: str
    probability: float
    threshold: float
    why: str = ""
    others: tuple[str, ...] = ()

    @property
    def taken(self) -> bool:
        """Say whether it became a tag."""
        return not self.why


def rule_for(
    spec: Spec,
    *,
    threshold: float | None = None,
    character: float | None = None,
    thresholds: str = "",
    mcut: bool = False,
    limits: str = "",
    drop: Sequence[str] = (),
) -> Rule:
    """The rule for a model, of what a person said and of the model's own thresholds for the rest.

    ``threshold`` is for all kinds but characters; ``thresholds`` (``copyright=.4,artist=.6``) goes
    before both; ``mcut`` takes the place of all but those. Raises UsageError.
    """
    named = by_kind(thresholds, "thresholds")
    given = dict(named)
    if threshold is not None:
        given = {kind: threshold for kind in KINDS if kind != "character"} | given
    if character is not None:
        given = {"character": character} | given
    most = {kind: int(number) for kind, number in by_kind(limits, "limit", whole=True).items()}
    if spec.limit and "general" not in most:
        most["general"] = spec.limit
    return Rule(
        {kind: given.get(kind, spec.threshold(kind)) for kind in KINDS},
        frozenset(set(KINDS) - set(given)),
        frozenset(set(KINDS) - set(named)) if mcut else frozenset(),
        most,
        tuple(drop),
    )


def by_kind(text: str, option: str, *, whole: bool = False) -> dict[str, float]:
    """Read ``copyright=.4,artist=.6``, or one number for every kind; raises UsageError."""
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, equals, said = part.rpartition("=")
        try:
            number = float(said)
            fits = number.is_integer() and number >= 0 if whole else 0 <= number <= 1
        except ValueError:
            fits = False
        if not fits:
            wanted = "a whole number, as in general=30"
            wanted = wanted if whole else "a number from 0 to 1, as in general=.4"
            raise UsageError(f"{option}: {part!r} must hold {wanted}")
        kinds = [kind.strip()] if equals else list(KINDS)
        for one in kinds:
            check_kind(one)
            found[one] = number
    return found


def seen_in(
    scores: "NDArray[np.float64]", labels: Sequence[Label], above: float = KEPT
) -> dict[str, dict[str, float]]:
    """Keep what a model is at least so sure of, by kind, the surest first; and all ratings."""
    import numpy as np

    places = np.flatnonzero(scores >= above)
    places = places[np.argsort(-scores[places], kind="stable")]
    found: dict[str, dict[str, float]] = {}
    for place, score in zip(places.tolist(), scores[places].tolist(), strict=True):
        label = labels[place]
        if label.kind != RATING and label.name:
            found.setdefault(label.kind, {}).setdefault(label.name, score)
    return found


def chosen(
    seen: Seen,
    rule: Rule,
    own: Mapping[str, float] = _NOTHING,
    series: Mapping[str, tuple[str, ...]] | None = None,
) -> list[Explained]:
    """The names that pass, characters first, each kind by falling probability.

    A character brings its ``series`` along, as surely as itself.
    """
    return explained(seen, rule, own, series, taken_only=True)


def explained(
    seen: Seen,
    rule: Rule,
    own: Mapping[str, float] = _NOTHING,
    series: Mapping[str, tuple[str, ...]] | None = None,
    *,
    taken_only: bool = False,
) -> list[Explained]:
    """Everything that was seen, in the order of the tags, and why what is missing is not there."""
    if series:
        seen = _with_series(seen, rule, own, series)
    lines: list[Explained] = []
    for kind in sorted(seen, key=lambda kind: _PLACES.get(kind, len(_PLACES))):
        names = seen[kind]
        if kind not in _PLACES:
            continue
        taken, most = 0, rule.limits.get(kind)
        fixed = None if kind in rule.own and own else (
            rule.threshold(kind, "", names.values(), own) if names else 0.0
        )  # fmt: skip
        for name, probability in sorted(names.items(), key=lambda item: (-item[1], item[0])):
            limit = rule.threshold(kind, name, names.values(), own) if fixed is None else fixed
            why = ""
            if probability < limit:
                why = "not sure enough"
            elif rule.drop and _dropped(name, rule.drop):
                why = "dropped"
            elif most is not None and taken >= most:
                why = f"more than {most}"
            else:
                taken += 1
            if not (why and taken_only):
                lines.append(Explained(name, kind, probability, limit, why))
    return lines


def _with_series(
    seen: Seen, rule: Rule, own: Mapping[str, float], series: Mapping[str, tuple[str, ...]]
) -> Seen:
    """What was seen, and the copyrights of the characters that are sure."""
    found = dict(seen.get("copyright", {}))
    characters = seen.get("character", {})
    for name, probability in characters.items():
        limit = rule.threshold("character", name, characters.values(), own)
        if probability >= limit and not _dropped(name, rule.drop):
            for one in series.get(name, ()):
                # It follows from the character: its own threshold has no say in it.
                found[one] = max(found.get(one, 0.0), probability, rule.thresholds["copyright"])
    return {**seen, "copyright": found} if found else seen


@functools.lru_cache(maxsize=16_384)
def _dropped(name: str, patterns: tuple[str, ...]) -> bool:
    return any(matches(name, pattern) for pattern in patterns)


def _widest_gap(probabilities: Iterable[float], floor: float) -> float:
    """The middle of the widest gap between probabilities that follow each other (MCut)."""
    # Below KEPT there are some or none, as an earlier threshold had it.
    ordered = sorted({KEPT, *(one for one in probabilities if one > KEPT)}, reverse=True)
    gaps = [(high - low, (high + low) / 2) for high, low in pairwise(ordered)]
    middle = max(gaps, key=lambda gap: gap[0])[1] if gaps else 1.0
    return max(middle, floor)


def voted(
    answers: Mapping[str, Sequence[Explained]],
    knows: Mapping[str, frozenset[str]],
    votes: int = 0,
) -> list[Tag]:
    """The tags on which enough models agree, each by its own thresholds.

    ``votes`` models must say a tag, however many know it; 0 asks for more than half of those that
    know it. A tag's score is the mean of those who say it.
    """
    said: dict[str, list[tuple[str, Explained]]] = {}
    for model, lines in answers.items():
        for line in lines:
            said.setdefault(line.name, []).append((model, line))
    tags = []
    for name, votes_for in said.items():
        able = max(sum(name in names for names in knows.values()), len(votes_for))
        if len(votes_for) >= (votes or able // 2 + 1):
            score = round(sum(line.probability for _, line in votes_for) / len(votes_for), 4)
            by = tuple(model for model, _ in votes_for)
            # Some models call everything general.
            kinds = [line.kind for _, line in votes_for if line.kind != "general"]
            tags.append(Tag(name, kinds[0] if kinds else "general", by, score))
    return sorted(tags, key=lambda tag: (_PLACES[tag.kind], -tag.score, tag.name))
