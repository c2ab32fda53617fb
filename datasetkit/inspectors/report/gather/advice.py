"""What stands out in a set, in sentences: what is fine, and what wants a look, with a way out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from datasetkit.cleaners.sets.pick import FEW, FEW_TAGS, lacks, words_told
from datasetkit.cleaners.sets.variety import GROUPS, UNTOLD, Variety
from datasetkit.inspectors.findings.alike import few
from datasetkit.inspectors.findings.finding import LOOK, WRONG, typed
from datasetkit.inspectors.report.charts import Bar, Bars, length, percent
from datasetkit.recipe import ENOUGH, PLENTY
from datasetkit.tags import to_caption

FINE, NOTE = "fine", "note"  # beside what a finding is
_MARKS = {WRONG: "✗", LOOK: "!", FINE: "✓", NOTE: ""}  # the gravest first
_SHOWN = tuple(group for group in GROUPS if group not in {"scene", "artist", "character"})


@dataclass(frozen=True)
class Remark:
    """A sentence on the set; ``level`` is how grave it is, ``command`` is one that helps."""

    text: str
    level: str = LOOK
    command: str = ""

    @property
    def mark(self) -> str:
        """The sign in front of it."""
        return _MARKS[self.level]

    @property
    def shown(self) -> str:
        """The sentence with a capital; a name that leads it stands in quotes and keeps its own."""
        return self.text[:1].upper() + self.text[1:]


def remarks(
    variety: Variety, faults: Iterable[Remark], masked: int, folder: Path
) -> Iterator[Remark]:
    """What stands out, the gravest first: what is wrong, how many there are, what is missing.

    ``folder`` is the dataset's, as commands are to name it.
    """
    found = _found(variety, faults, masked, folder)
    yield from sorted(found, key=lambda remark: tuple(_MARKS).index(remark.level))


def _found(
    variety: Variety, faults: Iterable[Remark], masked: int, folder: Path
) -> Iterator[Remark]:
    number = len(variety)
    yield _enough(number, folder)
    yield from faults
    if masked:
        learned = "is learned" if masked == 1 else "are learned"
        yield Remark(f"{masked:,} of {number:,} {learned} in part: masks hide the rest", FINE)
    yield from _lacking(variety, number, folder)
    yield Remark(
        "not looked for here: broken, transparent and turned files, and pictures that are alike",
        NOTE,
        command=typed(("check",), folder),
    )


def _enough(number: int, folder: Path) -> Remark:
    span = f"{ENOUGH} to {PLENTY} different ones"
    if number < ENOUGH:
        return Remark(few(number))
    if number <= PLENTY:
        return Remark(f"{number} pictures: guides advise {span}", FINE)
    return Remark(
        f"{number:,} pictures: guides advise {span}; the most varied of many do as well",
        FINE,
        command=typed(("pick", "--count", str(PLENTY)), folder),
    )


def _lacking(variety: Variety, number: int, folder: Path) -> Iterator[Remark]:
    """What `pick` says that a model would miss."""
    if number < FEW:
        return
    tags = sorted(variety.tags)[number // 2]
    if tags < FEW_TAGS:
        yield Remark(
            f"half of the captions have {tags} general tags or fewer, which tells little",
            command=typed(("tag",), folder),
        )
    lacking = lacks(variety.counts(), number)
    for lack in lacking:
        yield Remark(lack)
    if not lacking:
        yield Remark("no view, framing or pose is missing", FINE)


def variety_lists(variety: Variety) -> list[Bars]:
    """A list a group: how many pictures show what, by their tags."""
    counts, number = variety.counts(), len(variety)
    return [Bars(group, rows) for group in _SHOWN if (rows := _rows(counts[group], group, number))]


def _rows(counts: Mapping[str, int], group: str, number: int) -> tuple[Bar, ...]:
    return tuple(
        Bar(
            to_caption(word) if word != UNTOLD else UNTOLD,
            counts.get(word, 0),
            length(counts.get(word, 0), number),
            percent(counts.get(word, 0), number),
            remark="" if counts.get(word) else "none",
            kind="pale" if word == UNTOLD else "" if counts.get(word) else "flag",
        )
        for word in words_told(group, counts, counts)
    )
