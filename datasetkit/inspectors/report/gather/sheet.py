"""The contact sheet: a cell a picture, with what a person asks of it first."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from datasetkit.inspectors.report.gather.tags import said
from datasetkit.inspectors.report.thumbs import Thumb, thumbs
from datasetkit.masks import Area, hidden
from datasetkit.record import Record

_CAPTION = 2000  # characters of a caption that are shown
_REASON = 160


@dataclass(frozen=True)
class Cell:
    """One picture on the page.

    ``words`` are those of its caption, ``link`` leads to its file, "" where the page does not lie
    beside it. ``areas`` are hidden from training, in the picture's own pixels. ``score`` and
    ``date`` are "" where nobody tells.
    """

    key: str
    thumb: Thumb
    size: tuple[int, int]
    words: tuple[str, ...] = ()
    remark: str = ""
    link: str = ""
    score: str = ""
    date: str = ""
    areas: tuple[Area, ...] = ()


def cells(
    records: Iterable[Record], side: int, beside: Path | None, remarks: Iterable[str] = ()
) -> Iterator[Cell]:
    """The cells of these pictures, in their order; ``beside`` is the folder the page lies in."""
    said_of = iter(remarks)
    for record, small in thumbs(records, side):
        yield _cell(record, small, beside, next(said_of, ""))


def _cell(record: Record, small: Thumb, beside: Path | None, remark: str) -> Cell:
    path, origin = record.picture.path, record.origin
    return Cell(
        record.key,
        small,
        record.picture.size,
        tuple(_words(record)),
        shortened(remark, _REASON),
        quote(path.name) if path.parent == beside else "",
        "" if origin.score is None else str(origin.score),
        origin.posted[:10],
        hidden(record) if small.uri else (),
    )


def _words(record: Record) -> Iterator[str]:
    """The caption's words; of a caption that is a book, the first."""
    left = _CAPTION
    for tag in record.tags:
        word = said(tag)
        left -= len(word)
        if left < 0:
            yield "…"
            return
        yield word


def shortened(text: str, most: int) -> str:
    """A text that may be long, cut."""
    return text if len(text) <= most else f"{text[:most].rstrip()}…"


def spread(number: int, most: int) -> list[int]:
    """So many places of a row at most, evenly over all of it."""
    if number <= most:
        return list(range(number))
    return [place * number // most for place in range(most)]
