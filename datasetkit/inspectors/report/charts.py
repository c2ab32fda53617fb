"""Charts as places on a page: what is drawn where. page/charts.html makes SVG of them.

Across, places are percent of the drawing's width, so that a chart fits any screen while its text
keeps its size; down, they are pixels from the top.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

HEIGHT = 150  # px of the plot, without the line of labels below
TOP = 18  # px above the highest column, for the number on the line
SQUARE = 300  # px of the scatter
_MOST = 24  # columns
_LONG = 80  # letters of a label
_TICKS = 5  # labels below a chart, at most: so many fit on a phone


@dataclass(frozen=True)
class Bar:
    """A row of a list: its label, its number, the bar's length in percent, and a remark.

    ``kind`` is "" for an ordinary one, "flag" for what wants a look, "pale" for what says little.
    ``tag`` is what a click looks for among the pictures; ``shape`` a drawing's width and height.
    """

    label: str
    number: int
    length: float
    share: str = ""
    remark: str = ""
    kind: str = ""
    tag: str = ""
    shape: tuple[float, float] | None = None


@dataclass(frozen=True)
class Bars:
    """A list of numbers with bars: its title, the rows, and how much is not shown."""

    title: str
    rows: Sequence[Bar]
    more: str = ""


@dataclass(frozen=True)
class Column:
    """A column: from ``x``, so wide (percent), its top in px, and what it says."""

    x: float
    width: float
    y: float
    label: str
    number: int
    kind: str = ""


@dataclass(frozen=True)
class Tick:
    """A label at a place, in percent of the width or in px from the top."""

    at: float
    text: str


@dataclass(frozen=True)
class Columns:
    """Columns side by side over a line of labels; ``lines`` are those across, ``mark`` one down."""

    title: str
    columns: Sequence[Column]
    ticks: Sequence[Tick]
    lines: Sequence[Tick]
    mark: Tick | None = None
    note: str = ""


@dataclass(frozen=True)
class Dot:
    """One or more things at a place: percent across, px down, px of the radius."""

    x: float
    y: float
    radius: float
    number: int
    label: str


@dataclass(frozen=True)
class Line:
    """A straight line between two places, with its text at the end."""

    x1: float
    y1: float
    x2: float
    y2: float
    text: str
    kind: str


@dataclass(frozen=True)
class Scatter:
    """Dots over two axes; both are logarithmic, with the same span."""

    title: str
    dots: Sequence[Dot]
    across: Sequence[Tick]
    down: Sequence[Tick]
    lines: Sequence[Line]
    note: str = ""


def percent(part: int, whole: int) -> str:
    """A share as people read it: 0.4 % is neither 0 nor 1."""
    if not whole:
        return ""
    share = 100 * part / whole
    if 0 < share < 1:
        return "<1 %"
    return f"{math.floor(share) if share > 99 else round(share)} %"


def bars(
    title: str,
    counts: Iterable[tuple[str, int]],
    of: int = 0,
    *,
    pale: str = "",
    linked: bool = False,
    more: str = "",
) -> Bars:
    """A list of numbers, the bars as long as their share of ``of``, or of the largest."""
    rows = list(counts)
    longest = of or max((number for _, number in rows), default=1) or 1
    return Bars(
        title,
        tuple(
            Bar(
                label if len(label) <= _LONG else f"{label[:_LONG]}…",
                number,
                length(number, longest),
                percent(number, of),
                kind="pale" if label == pale else "",
                tag=label[:_LONG] if linked and label != pale else "",
            )
            for label, number in rows
        ),
        more,
    )


def length(number: int, longest: int) -> float:
    """How long a bar is, in percent; what is there at all shows."""
    return round(max(100 * number / longest, 0.5 * (number > 0)), 2)


def columns(
    title: str,
    labels: Sequence[str],
    numbers: Sequence[int],
    ticks: Sequence[tuple[int, str]],
    *,
    mark: tuple[float, str] | None = None,
    flagged: Iterable[int] = (),
    note: str = "",
) -> Columns:
    """Columns of these numbers; ``ticks`` are columns' left edges and what stands below them."""
    width = 100 / max(1, len(numbers))
    high = ceiling(max(numbers, default=1))
    plot = HEIGHT - TOP
    marked = set(flagged)
    drawn = tuple(
        Column(
            round(place * width + width * 0.06, 3),
            round(width * 0.88, 3),
            round(HEIGHT - max(plot * number / high, 1.5 * (number > 0)), 2),
            label,
            number,
            "flag" if place in marked else "",
        )
        for place, (label, number) in enumerate(zip(labels, numbers, strict=True))
    )
    below = tuple(Tick(round(place * width, 3), text) for place, text in ticks)
    halves = (high, high // 2) if high % 2 == 0 else (high,)
    lines = tuple(Tick(round(HEIGHT - plot * n / high, 2), f"{n:,}") for n in halves)
    line = Tick(round(mark[0] * width, 3), mark[1]) if mark else None
    return Columns(title, drawn, below, lines, line, note)


def histogram(
    title: str,
    counts: Mapping[int, int],
    *,
    mark: tuple[int, str] | None = None,
    note: str = "",
) -> Columns | None:
    """Whole numbers in columns of a round width; the few that lie far out join the end ones.

    None where there is nothing to spread. ``mark`` is a value with a line of its own, and what is
    beyond it is flagged: then a column ends with its round number instead of beginning there.
    """
    if len(counts) < 2:
        return None
    after = int(mark is not None)
    total, marks = sum(counts.values()), [mark[0]] if mark else []
    low = min(_quantile(counts, 0.01 * total) - after, *marks, math.inf)
    high = max(_quantile(counts, 0.99 * total) - after, *marks, -math.inf)
    step = _round_step(int(high - low))
    shift = marks[0] % step if marks else 0
    first = int((low - shift) // step * step) + shift
    number = int((high - first) // step) + 1
    values = [0] * number
    for value, many in counts.items():
        values[min(max((value - after - first) // step, 0), number - 1)] += many
    edges = [first + place * step for place in range(number)]
    least = 0 if min(counts) >= 0 else -math.inf  # what is never below 0 is not said to be
    labels = [
        f"{edge + after:,}"
        if step == 1
        else f"{max(edge + after, least):,} to {edge + after + step - 1:,}"
        for edge in edges
    ]
    if min(counts) < first + after:
        labels[0] = f"up to {first + after + step - 1:,}"
    if max(counts) >= first + after + number * step:
        labels[-1] = f"{edges[-1] + after:,} or more"
    every = -(-number // _TICKS)
    ticks = [(place, f"{max(edges[place], least):,}") for place in range(0, number, every)]
    flagged = [place for place, edge in enumerate(edges) if marks and edge >= marks[0]]
    line = ((mark[0] - first) / step, mark[1]) if mark else None
    return columns(title, labels, values, ticks, mark=line, flagged=flagged, note=note)


def scatter(
    title: str,
    counts: Mapping[tuple[int, int], int],
    side: int,
    note: str = "",
) -> Scatter:
    """Widths and heights in px; a line shows where a picture has the area of ``side`` squared."""
    sides = [length for size in counts for length in size] + [side]
    low = math.floor(math.log2(max(1, min(sides))))
    high = max(low + 1, math.ceil(math.log2(max(sides))))

    def across(value: float) -> float:
        return round(100 * (math.log2(value) - low) / (high - low), 2)

    def down(value: float) -> float:
        return round(SQUARE * (1 - (math.log2(value) - low) / (high - low)), 2)

    cells: dict[tuple[int, int], list[tuple[int, tuple[int, int]]]] = {}
    for (width, height), number in counts.items():
        cell = (round(across(width)), round(down(height) / 3))
        cells.setdefault(cell, []).append((number, (width, height)))
    most = max(sum(number for number, _ in found) for found in cells.values())
    dots = []
    for found in cells.values():
        number = sum(many for many, _ in found)
        size = max(found)[1]
        about = "about " if len(found) > 1 else ""
        radius = round(3 + 9 * math.sqrt((number - 1) / max(most, 25)), 2)
        label = f"{about}{size[0]} × {size[1]}"
        dots.append(Dot(across(size[0]), down(size[1]), radius, number, label))
    dots.sort(key=lambda dot: (-dot.number, dot.x, dot.y))
    ticks = [2**power for power in range(low, high + 1)]
    area = 2 * math.log2(side)
    left, right = max(low, area - high), min(high, area - low)
    lines = (
        Line(0, SQUARE, 100, 0, "square", "faint"),
        Line(
            across(2**left), down(2 ** (area - left)), across(2**right), down(2 ** (area - right)),
            f"{side} × {side} px", "mark",
        ),
    )  # fmt: skip
    return Scatter(
        title,
        dots,
        [Tick(across(value), f"{value:,}") for value in ticks],
        [Tick(down(value), f"{value:,}") for value in ticks],
        lines,
        note,
    )


def ceiling(number: int) -> int:
    """The round number that a scale ends in: 1, 2, 4, 6, 8 or 10 times a power of ten."""
    power = int(10 ** (len(str(max(1, number))) - 1))
    return next(n for n in (1, 2, 4, 6, 8, 10) if n * power >= number) * power


def _round_step(span: int) -> int:
    """The width of a column: 1, 2 or 5 times a power of ten."""
    step = 1
    for factor in (1, 2, 5) * 12:
        if span // (factor * step) + 1 <= _MOST:
            return factor * step
        if factor == 5:
            step *= 10
    return step


def _quantile(counts: Mapping[int, int], place: float) -> int:
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen > place:
            return value
    return max(counts)
