"""A comparison as files: every tag as a row of a CSV, and precision by recall as an SVG drawing."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from datasetkit.dataset.lines import write_file
from datasetkit.names import safe_stem
from datasetkit.taggers.compare import Agreement, Compared, OfKind

FOLDER = "compare"
# Okabe and Ito's colours, which those who see fewer colours tell apart too; black is for all.
_COLOURS = {
    "": "#000000", "character": "#d55e00", "copyright": "#cc79a7", "artist": "#e69f00",
    "species": "#009e73", "general": "#0072b2", "meta": "#56b4e9",
}  # fmt: skip
_OTHER = "#888888"
_SIDE, _LEFT, _TOP = 440, 70, 60  # of the square in which is drawn, in pixels
_WIDTH, _HEIGHT = _LEFT + _SIDE + 250, _TOP + _SIDE + 70
_STYLE = "font-family='sans-serif' fill='#222'"
_STEPS = 5  # between the numbers of an axis
_NEAR = 0.85  # of the highest F1: what lies far below is nobody's choice


@dataclass(frozen=True)
class Words:
    """How those are called who tagged before."""

    who: str
    has: str
    whose: str


WORDS: Mapping[str, Words] = {
    "booru": Words("the booru", "has", "the booru's tags"),
    "captions": Words("the captions", "have", "the captions"),
    "both": Words("booru and captions", "have", "the tags of booru and captions"),
}


def written(found: Compared, folder: Path) -> tuple[Path, Path]:
    """Write a comparison's table and drawing into a dataset's folder, and return their paths."""
    home = folder / FOLDER
    home.mkdir(exist_ok=True)
    stem = safe_stem(found.model)
    table, drawing = home / f"{stem}.csv", home / f"{stem}.svg"
    write_file(table, table_of(found).encode())
    write_file(drawing, drawing_of(found).encode())
    return table, drawing


def table_of(found: Compared) -> str:
    """Every tag that the booru has or the model says, as CSV."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(
        ["tag", "kind", "support", "said", "right", "precision", "recall", "f1", "threshold",
         "best_threshold", "best_f1", "missed", "extra", "missed_on", "extra_on", "counted"]
    )  # fmt: skip
    for tag in found.tags:
        at = tag.at
        numbers = [f"{number:.4f}" for number in (at.precision, at.recall, at.f1)]
        threshold = "" if tag.threshold is None else f"{tag.threshold:.4g}"
        best = ["", ""] if tag.best is None else [f"{tag.best:.4f}", f"{tag.at_best.f1:.4f}"]
        # No key holds a bar: it may not stand in a file's name on Windows.
        rows.writerow(
            [tag.name, tag.kind, at.support, at.said, at.right, *numbers, threshold, *best,
             at.support - at.right, at.said - at.right, "|".join(tag.missed), "|".join(tag.extra),
             "yes" if tag.counted else "no"]
        )  # fmt: skip
    return text.getvalue()


def drawing_of(found: Compared) -> str:
    """Precision by recall over all thresholds, a line a kind, as SVG that needs nothing else.

    A ring is where the thresholds are now, a dot where F1 is highest.
    """
    words = WORDS[found.side]
    title = f"{found.model} beside {words.whose}"
    below = (
        f"{found.pictures:,} picture{'s' * (found.pictures != 1)}; all tags that {words.who} "
        f"{words.has} or the model says; ○ now, ● the highest F1"
    )
    shown = found.kinds[1:] if len(found.kinds) == 2 else found.kinds  # one kind is all kinds
    view = _View(round_limits(_worth_seeing(shown, "recall")),
                 round_limits(_worth_seeing(shown, "precision")))  # fmt: skip
    lines = [part for kind in (*shown[1:], *shown[:1]) for part in _line(kind, view)]
    legend = [part for place, kind in enumerate(shown) for part in _legend(kind, place)]
    return "\n".join([
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {_HEIGHT}' "
        f"width='{_WIDTH}' height='{_HEIGHT}' role='img'>",
        f"<title>{_safe(title)}</title>",
        f"<clipPath id='square'><rect x='{_LEFT - 8}' y='{_TOP - 8}' width='{_SIDE + 16}' "
        f"height='{_SIDE + 16}'/></clipPath>",
        f"<rect width='{_WIDTH}' height='{_HEIGHT}' fill='#fff'/>",
        f"<text x='{_LEFT}' y='26' font-size='17' {_STYLE}>{_safe(title)}</text>",
        f"<text x='{_LEFT}' y='46' font-size='12' {_STYLE}>{_safe(below)}</text>",
        *_grid(view, words),
        "<g clip-path='url(#square)'>", *lines, "</g>", *legend, "</svg>", "",
    ])  # fmt: skip


@dataclass(frozen=True)
class _View:
    """The part of the plane that is drawn: of recall and of precision the least, the most, a step.

    Most of it is empty where a model is good, and all that matters would be a smudge in a corner.
    """

    recall: tuple[float, float, float]
    precision: tuple[float, float, float]

    def point(self, recall: float, precision: float) -> tuple[float, float]:
        low, high, _ = self.recall
        bottom, top, _ = self.precision
        x, y = (recall - low) / (high - low), (precision - bottom) / (top - bottom)
        return round(_LEFT + x * _SIDE, 1), round(_TOP + (1 - y) * _SIDE, 1)

    def at(self, counts: Agreement) -> tuple[float, float]:
        return self.point(counts.recall, counts.precision)


def round_limits(values: Sequence[float]) -> tuple[float, float, float]:
    """Limits for an axis, and its step: round numbers around the values, five steps or six."""
    if not values:
        return 0.0, 1.0, 0.2
    room = 0.15 * (max(values) - min(values))
    low, high = max(min(values) - room, 0.0), min(max(values) + room, 1.0)
    for step in (0.01, 0.02, 0.05, 0.1, 0.2):
        most = round(1 / step)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first <= _STEPS + 1:
            break
    while last - first < _STEPS:
        first, last = (first, last + 1) if last < most else (first - 1, last)
    return first * step, last * step, step


def _worth_seeing(kinds: Sequence[OfKind], name: str) -> list[float]:
    """The values of the marks, and of the curves where F1 is not much below its best."""
    counts = [kind.at for kind in kinds]
    for kind in kinds:
        if kind.best is not None:
            good = _NEAR * kind.at_best.f1
            counts += [at for _, at in kind.curve if at.said and at.f1 >= good]
    return [getattr(at, name) for at in counts]


def _grid(view: _View, words: Words) -> Iterator[str]:
    bottom = _TOP + _SIDE
    for number in _ticks(view.recall):
        x, text = view.point(number, view.precision[0])[0], _number(number, view.recall[2])
        yield f"<line x1='{x}' y1='{_TOP}' x2='{x}' y2='{bottom}' stroke='#ddd'/>"
        yield (f"<text data-axis='recall' x='{x}' y='{bottom + 18}' font-size='12' "
               f"text-anchor='middle' {_STYLE}>{text}</text>")  # fmt: skip
    for number in _ticks(view.precision):
        y, text = view.point(view.recall[0], number)[1], _number(number, view.precision[2])
        yield f"<line x1='{_LEFT}' y1='{y}' x2='{_LEFT + _SIDE}' y2='{y}' stroke='#ddd'/>"
        yield (f"<text data-axis='precision' x='{_LEFT - 10}' y='{y + 4}' font-size='12' "
               f"text-anchor='end' {_STYLE}>{text}</text>")  # fmt: skip
    middle = _TOP + _SIDE // 2
    for place, text in (
        (f"x='{_LEFT + _SIDE // 2}' y='{bottom + 44}'", f"recall: of what {words.who} {words.has}"),
        (f"transform='translate(22 {middle}) rotate(-90)'", "precision: of what the model says"),
    ):
        yield f"<text {place} font-size='13' text-anchor='middle' {_STYLE}>{text}</text>"


def _ticks(limits: tuple[float, float, float]) -> list[float]:
    low, high, step = limits
    return [low + step * place for place in range(round((high - low) / step) + 1)]


def _number(number: float, step: float) -> str:
    return f"{number:.2f}" if step < 0.1 else f"{number:.1f}"


def _line(kind: OfKind, view: _View) -> Iterator[str]:
    colour = _COLOURS.get(kind.kind, _OTHER)
    points = " ".join(
        f"{x},{y}" for x, y in (view.at(counts) for _, counts in kind.curve if counts.said)
    )
    yield f"<polyline points='{points}' fill='none' stroke='{colour}' {_stroke(kind)}/>"
    x, y = view.at(kind.at)
    yield f"<circle cx='{x}' cy='{y}' r='6' fill='none' stroke='{colour}' stroke-width='2'/>"
    if kind.best is not None:
        x, y = view.at(kind.at_best)
        yield f"<circle cx='{x}' cy='{y}' r='4' fill='{colour}'/>"


def _stroke(kind: OfKind) -> str:
    """How thick a line is: that of all kinds has gaps, through which the others can be seen."""
    return "stroke-width='2'" if kind.kind else "stroke-width='2' stroke-dasharray='7 6'"


def _legend(kind: OfKind, place: int) -> Iterator[str]:
    left, top = _LEFT + _SIDE + 24, _TOP + 14 + place * 44
    colour = _COLOURS.get(kind.kind, _OTHER)
    yield (f"<line x1='{left}' y1='{top - 8}' x2='{left + 16}' y2='{top - 8}' stroke='{colour}' "
           f"{_stroke(kind)}/>")  # fmt: skip
    name = kind.kind or "all kinds"
    then = "" if kind.best is None else f", {kind.at_best.f1:.3f} at {kind.best:.2f}"
    words = f"F1 {kind.at.f1:.3f} now{then}"
    yield f"<text x='{left + 24}' y='{top - 4}' font-size='13' {_STYLE}>{_safe(name)}</text>"
    yield f"<text x='{left + 24}' y='{top + 12}' font-size='12' {_STYLE}>{words}</text>"


def _safe(text: str) -> str:
    """Text as XML has it; a control character would make the whole file unreadable."""
    return escape("".join(c if c.isprintable() else "�" for c in text))
