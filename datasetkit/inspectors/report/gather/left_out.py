"""What was left out of a set, by reason, and which pictures were found to be the same."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from datasetkit.dataset import Reject
from datasetkit.inspectors.report.gather.sheet import Cell, cells, shortened
from datasetkit.record import Record

REASONS = 40  # that are shown, the commonest
SHOWN = 8  # pictures of each
GROUPS = 40  # of pictures that are the same
TWINS = 7  # of a group, beside the one that stayed

_TWIN = re.compile(r"(same picture as|variant of) (.+)", re.DOTALL)
_SAME = {"same picture as": "the same picture as another", "variant of": "a variant of another"}


@dataclass
class Reason:
    """Why pictures were left out, by which stage, how many, and the first of them."""

    stage: str
    text: str
    number: int = 0
    places: list[int] = field(default_factory=list)
    same: bool = False  # they stand among the twins, beside the one that stays


@dataclass
class Twins:
    """The key of a picture that stayed, and those that were left out for it."""

    key: str
    number: int = 0
    places: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """A few pictures in a row, under a heading."""

    stage: str
    text: str
    number: int
    cells: tuple[Cell, ...]
    same: bool = False

    @property
    def more(self) -> int:
        """How many pictures of it are not shown."""
        return max(0, self.number - len(self.cells))


class LeftOut:
    """Counts what was left out; of each reason the first few places are kept."""

    def __init__(self) -> None:
        self.number = 0
        self._reasons: dict[tuple[str, str], Reason] = {}
        self._twins: dict[str, Twins] = {}

    def add(self, place: int, reject: Reject) -> None:
        """Take a picture in that stands at a place of the dataset's rejects."""
        self.number += 1
        stage, said = reject.stage, reject.reason
        twin = _TWIN.fullmatch(said)
        if twin:
            text = _SAME[twin[1]]
            twins = self._twins.setdefault(twin[2], Twins(twin[2]))
            twins.number += 1
            twins.places += [place] * (len(twins.places) < TWINS)
        else:
            text = shortened(said.partition(": ")[0], 120)
        reason = self._reasons.setdefault((stage, text), Reason(stage, text, same=bool(twin)))
        reason.number += 1
        reason.places += [place] * (not twin and len(reason.places) < SHOWN)

    @property
    def reasons(self) -> list[Reason]:
        """The reasons, the commonest first."""
        found = sorted(self._reasons.values(), key=lambda r: (-r.number, r.stage, r.text))
        return found[:REASONS]

    @property
    def more_reasons(self) -> int:
        """How many reasons are not among these."""
        return max(0, len(self._reasons) - REASONS)

    @property
    def twins(self) -> list[Twins]:
        """The pictures that had twins, those with the most first."""
        return sorted(self._twins.values(), key=lambda twins: (-twins.number, twins.key))[:GROUPS]

    @property
    def groups(self) -> int:
        """How many pictures had twins."""
        return len(self._twins)


def reason_rows(
    found: Iterable[Reason], rejects: Sequence[Reject], side: int, budget: int
) -> Iterator[Row]:
    """The reasons with their pictures; ``budget`` is how many of them there may be in all."""
    for reason in found:
        shown = [rejects[place] for place in reason.places[: max(0, budget)]]
        budget -= len(shown)
        remarks = [reject.reason.partition(": ")[2] for reject in shown]
        drawn = tuple(cells((reject.record for reject in shown), side, None, remarks))
        yield Row(reason.stage, reason.text, reason.number, drawn, reason.same)


def twin_rows(
    found: Iterable[Twins],
    standing: Mapping[str, Record],
    rejects: Sequence[Reject],
    side: int,
    budget: int,
) -> Iterator[Row]:
    """The groups, the picture that stayed first; one of which nothing is left is none."""
    for twins in found:
        kept = standing.get(twins.key)
        left = [rejects[place] for place in twins.places]
        records = [kept] * (kept is not None) + [reject.record for reject in left]
        if budget < len(records):
            return
        budget -= len(records)
        remarks = ["stays"] * (kept is not None)
        remarks += ["variant" if r.reason.startswith("variant") else "same" for r in left]
        drawn = tuple(cells(filter(None, records), side, None, remarks))
        number = twins.number + (kept is not None)
        yield Row("dedupe", twins.key, number, drawn)
