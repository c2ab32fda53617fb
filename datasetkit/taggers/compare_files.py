"""A comparison as files: every tag as a row of a CSV, and precision by recall as an SVG drawing."""

import csv
import io
from collections.abc import Iterator
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
        best = [f"{tag.best:.4f}", f"{tag.at_best.f1:.4f}"] if at.support else ["", ""]
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
    title = f"{found.model} beside the booru's tags"
    below = (
        f"{found.pictures:,} picture{'s' * (found.pictures != 1)}; tags that the booru has at "
        f"least {found.least} times; ○ now, ● the highest F1"
    )
    shown = found.kinds[1:] if len(found.kinds) == 2 else found.kinds  # one kind is all kinds
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {_HEIGHT}' "
        f"width='{_WIDTH}' height='{_HEIGHT}' role='img'>",
        f"<title>{_safe(title)}</title>",
        f"<rect width='{_WIDTH}' height='{_HEIGHT}' fill='#fff'/>",
        f"<text x='{_LEFT}' y='26' font-size='17' {_STYLE}>{_safe(title)}</text>",
        f"<text x='{_LEFT}' y='46' font-size='12' {_STYLE}>{_safe(below)}</text>",
        *_grid(),
    ]
    for place, kind in enumerate(shown):
        parts += _line(kind, place)
    return "\n".join([*parts, "</svg>", ""])


def _grid() -> Iterator[str]:
    bottom = _TOP + _SIDE
    for tenth in range(0, 11, 2):
        x, y = _point(tenth / 10, tenth / 10)
        for line in (f"x1='{x}' y1='{_TOP}' x2='{x}' y2='{bottom}'",
                     f"x1='{_LEFT}' y1='{y}' x2='{_LEFT + _SIDE}' y2='{y}'"):  # fmt: skip
            yield f"<line {line} stroke='#ddd'/>"
        number = f"{tenth / 10:.1f}"
        yield (f"<text x='{x}' y='{bottom + 18}' font-size='12' text-anchor='middle' {_STYLE}>"
               f"{number}</text>")  # fmt: skip
        yield (f"<text x='{_LEFT - 8}' y='{y + 4}' font-size='12' text-anchor='end' {_STYLE}>"
               f"{number}</text>")  # fmt: skip
    middle = _TOP + _SIDE // 2
    for place, words in (
        (f"x='{_LEFT + _SIDE // 2}' y='{bottom + 44}'", "recall: of what the booru has"),
        (f"transform='translate(22 {middle}) rotate(-90)'", "precision: of what the model says"),
    ):
        yield f"<text {place} font-size='13' text-anchor='middle' {_STYLE}>{words}</text>"


def _line(kind: OfKind, place: int) -> Iterator[str]:
    colour = _COLOURS.get(kind.kind, _OTHER)
    points = " ".join(
        f"{x},{y}" for x, y in (_at(counts) for _, counts in kind.curve if counts.said)
    )
    yield f"<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='2'/>"
    x, y = _at(kind.at)
    yield f"<circle cx='{x}' cy='{y}' r='6' fill='none' stroke='{colour}' stroke-width='2'/>"
    x, y = _at(kind.at_best)
    yield f"<circle cx='{x}' cy='{y}' r='4' fill='{colour}'/>"
    left, top = _LEFT + _SIDE + 24, _TOP + 14 + place * 44
    yield f"<rect x='{left}' y='{top - 10}' width='14' height='4' fill='{colour}'/>"
    name = kind.kind or "all kinds"
    words = f"F1 {kind.at.f1:.3f} now, {kind.at_best.f1:.3f} at {kind.best:.2f}"
    yield f"<text x='{left + 22}' y='{top - 4}' font-size='13' {_STYLE}>{_safe(name)}</text>"
    yield f"<text x='{left + 22}' y='{top + 12}' font-size='12' {_STYLE}>{words}</text>"


def _at(counts: Agreement) -> tuple[float, float]:
    return _point(counts.recall, counts.precision)


def _point(recall: float, precision: float) -> tuple[float, float]:
    return round(_LEFT + recall * _SIDE, 1), round(_TOP + (1 - precision) * _SIDE, 1)


def _safe(text: str) -> str:
    """Text as XML has it; a control character would make the whole file unreadable."""
    return escape("".join(c if c.isprintable() else "�" for c in text))
