"""Contact sheets: groups of pictures, a row or a few each, on pages that people look through."""

import hashlib
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

from datasetkit.dataset.lines import write_file

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

PAGES = 100  # that are drawn at most: nobody looks through more
PICTURE = 200  # px a side of the square in which a picture stands
ACROSS = 6  # pictures beside each other
GROUP = 3 * ACROSS  # of one group that are drawn
_TALL = 2400  # px of a page, about
_GAP, _LINE, _TEXT = 12, 17, 14
_MARK_OF_OURS = b"datasetkit dedupe "
_UNREADABLE = re.compile(r"[^ -~]+")
_LETTERS = dict(zip("ßæÆøØœŒđĐłŁıðþ", "ss ae AE o O oe OE d D l L i d th".split(), strict=True))
_PAPER, _INK, _PALE, _MARK, _SQUARE = "#fbfbfa", "#1f2328", "#6e7781", "#0f7b3a", "#e4e6e8"


@dataclass(frozen=True)
class Cell:
    """One picture on a sheet, small, and up to three short lines below it; ``stays`` marks it."""

    picture: "Image | None"
    lines: Sequence[str]
    stays: bool = False


class Pages:
    """Draws groups one below the other, and begins a new page where one is full."""

    def __init__(self) -> None:
        self.pages: list[bytes] = []
        self._rows: list[Image] = []

    @property
    def full(self) -> bool:
        """Say whether no more groups are drawn."""
        return len(self.pages) >= PAGES

    def add(self, cells: Iterator[Cell], number: int) -> None:
        """Draw a group of so many cells, the first of them at least."""
        row = _row(list(islice(cells, GROUP)), number)
        if self._rows and sum(drawn.height for drawn in [*self._rows, row]) > _TALL:
            self._end_page()
        self._rows.append(row)

    def end(self) -> list[bytes]:
        """The pages, as JPEG files."""
        if self._rows and not self.full:
            self._end_page()
        return self.pages

    def _end_page(self) -> None:
        from PIL import Image

        page = Image.new("RGB", (self._rows[0].width, sum(r.height for r in self._rows)), _PAPER)
        y = 0
        for row in self._rows:
            page.paste(row, (0, y))
            y += row.height
        self._rows = []
        file = io.BytesIO()
        page.save(file, "JPEG", quality=88)
        self.pages.append(_signed(file.getvalue()))


def written(pages: Sequence[bytes], folder: Path) -> tuple[list[Path], bool]:
    """Write pages into a folder in place of those of before, and say whether they are new.

    A file that is no page as it was written here is never written over: the next number of a set
    is taken. Where just these pages stand, they are left as they are.
    """
    folder.mkdir(exist_ok=True)
    mine = {path for path in folder.glob("sheet-*-*.jpg") if _is_own(path)}
    for number in count(1):
        if not mine.issuperset(folder.glob(f"sheet-{number}-*")):
            continue
        paths = [folder / f"sheet-{number}-{page:02}.jpg" for page in range(1, len(pages) + 1)]
        if mine == set(paths) and all(
            path.read_bytes() == page for path, page in zip(paths, pages, strict=True)
        ):
            return paths, False
        for path, page in zip(paths, pages, strict=True):
            write_file(path, page)
        for path in mine.difference(paths):
            path.unlink()
        return paths, True
    raise AssertionError("numbers do not end")


def _signed(jpeg: bytes) -> bytes:
    """A JPEG file with a comment that tells whether it is still as it was written here."""
    mark = _MARK_OF_OURS + hashlib.blake2b(jpeg, digest_size=16).hexdigest().encode()
    comment = b"\xff\xfe" + (len(mark) + 2).to_bytes(2, "big") + mark
    return jpeg[:2] + comment + jpeg[2:]


def _is_own(path: Path) -> bool:
    """Say whether a file is a page as it was written here, and nobody changed it since."""
    if path.is_symlink() or not path.is_file():
        return False
    data = path.read_bytes()
    comment = 4 + len(_MARK_OF_OURS) + 32
    return data == _signed(data[:2] + data[2 + comment :])


def shown(text: str, most: int = 26) -> str:
    """A text in letters of ASCII, which are all that Pillow's own font has; a long one cut.

    Of é the e is drawn, of other letters in a row a ~; a text with none that can be read is
    written in their numbers.
    """
    text = unicodedata.normalize("NFC", text)
    plain = _UNREADABLE.sub("~", "".join(map(_plain, text)))
    if not any(c.isalnum() for c in plain):
        half = len(text)
        while len(plain := _in_numbers(text, half)) > most:
            half = min(half - 1, len(text) // 2)
    if len(plain) <= most:
        return plain
    half = (most - 2) // 2
    return f"{plain[:half]}..{plain[-half:]}"


def _plain(letter: str) -> str:
    """A letter without its marks."""
    apart = unicodedata.normalize("NFKD", _LETTERS.get(letter, letter))
    return "".join(c for c in apart if not unicodedata.combining(c)) or letter


def _in_numbers(text: str, half: int) -> str:
    parts = [text] if half >= len(text) else [text[:half], text[-half:] if half else ""]
    return "..".join(
        "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode() for c in part)
        for part in parts
    )


def _row(cells: Sequence[Cell], number: int) -> "Image":
    from PIL import Image, ImageDraw, ImageFont

    width = ACROSS * (PICTURE + _GAP) + _GAP
    height = PICTURE + 3 * _LINE + _GAP
    lines = -(-len(cells) // ACROSS)
    more = f"and {number - len(cells)} more" if number > len(cells) else ""
    row = Image.new("RGB", (width, 2 * _GAP + lines * height + bool(more) * _LINE), _PAPER)
    pen = ImageDraw.Draw(row)
    pen.line((_GAP, 0, width - _GAP, 0), _SQUARE, 1)
    for place, cell in enumerate(cells):
        x = _GAP + place % ACROSS * (PICTURE + _GAP)
        _draw(row, pen, cell, (x, _GAP + place // ACROSS * height))
    if more:
        font = ImageFont.load_default(_TEXT)
        pen.text((_GAP, row.height - _GAP - _LINE), more, _INK, font)
    return row


def _draw(row: "Image", pen: "ImageDraw", cell: Cell, corner: tuple[int, int]) -> None:
    from PIL import ImageFont
    from PIL.Image import Resampling

    x, y = corner
    pen.rectangle((x, y, x + PICTURE - 1, y + PICTURE - 1), _SQUARE)
    if cell.picture is not None:
        small = cell.picture.convert("RGB")
        scale = PICTURE / max(small.size)
        size = tuple(max(1, round(side * scale)) for side in small.size)
        small = small.resize((size[0], size[1]), Resampling.LANCZOS)
        row.paste(small, (x + (PICTURE - small.width) // 2, y + (PICTURE - small.height) // 2))
    if cell.stays:
        pen.rectangle((x - 3, y - 3, x + PICTURE + 2, y + PICTURE + 2), outline=_MARK, width=3)
    font = ImageFont.load_default(_TEXT)
    for number, line in enumerate(cell.lines):
        colour = _INK if number == 0 else _MARK if cell.stays and number == 2 else _PALE
        pen.text((x, y + PICTURE + 6 + number * _LINE), line, colour, font)
