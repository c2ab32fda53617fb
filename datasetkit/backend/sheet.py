"""A table of pictures with labelled rows and columns, drawn as one picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Cell: TypeAlias = tuple[int, int]  # row, column

SMALLEST = 224  # px: smaller pictures are enlarged, so that they and the words can be read
PAPER, INK, PALE, MARK = "#fbfbfa", "#1f2328", "#6e7781", "#c2410c"


@dataclass(frozen=True)
class Sheet:
    """What stands on a sheet. ``notes`` are short words below a cell; ``best`` is outlined."""

    title: str
    subtitle: str
    rows: Sequence[str]
    columns: Sequence[str]
    pictures: "Mapping[Cell, Image]"
    notes: Mapping[Cell, str] = field(default_factory=dict)
    best: Cell | None = None

    def draw(self) -> "Image":
        """Draw it in RGB; all measures follow from the size of a picture."""
        from PIL import Image, ImageDraw, ImageFont

        width, height = self._cell_size()
        text = max(15, min(width, height) // 13)
        plain, large = ImageFont.load_default(text), ImageFont.load_default(round(text * 1.3))
        tall, low = round(text * 1.75), round(text * 1.35)
        gap = max(6, text // 2)
        band = max(round(plain.getlength(row)) for row in self.rows) + 2 * gap
        line = round(text * 1.45)
        below = line + gap // 2 if self.notes else 0
        total = band + len(self.columns) * (width + gap) + gap
        words = [
            *((part, large, INK, tall) for part in wrapped(self.title, large, total - 4 * gap)),
            *((part, plain, PALE, low) for part in wrapped(self.subtitle, plain, total - 4 * gap)),
        ]
        head = 3 * gap + sum(step for *_, step in words)
        top = head + line + gap // 2
        sheet = Image.new(
            "RGB", (total, top + len(self.rows) * (height + below + gap) + gap), PAPER
        )
        pen = ImageDraw.Draw(sheet)
        at = 2 * gap
        for part, font, colour, step in words:
            pen.text((2 * gap, at), part, colour, font)
            at += step
        for column, name in enumerate(self.columns):
            middle = band + column * (width + gap) + width // 2
            pen.text((middle, head + line // 2), name, INK, plain, anchor="mm")
        for row, name in enumerate(self.rows):
            y = top + row * (height + below + gap)
            pen.text((band - gap, y + height // 2), name, INK, plain, anchor="rm")
            for column in range(len(self.columns)):
                place = (band + column * (width + gap), y)
                self._draw_cell(sheet, pen, (row, column), place, (width, height), plain)
        return sheet

    def _draw_cell(
        self,
        sheet: "Image",
        pen: "ImageDraw",
        cell: Cell,
        place: tuple[int, int],
        size: tuple[int, int],
        font: Any,
    ) -> None:
        from PIL.Image import Resampling

        (x, y), (width, height) = place, size
        best = cell == self.best
        picture = self.pictures[cell].convert("RGB")
        if picture.size != size:
            picture = picture.resize(size, Resampling.LANCZOS)
        sheet.paste(picture, place)
        edge = max(3, width // 60)
        if best:
            box = (x - edge, y - edge, x + width + edge - 1, y + height + edge - 1)
            pen.rectangle(box, outline=MARK, width=edge)
        if cell in self.notes:
            words = f"{self.notes[cell]}  best" if best else self.notes[cell]
            below = (x + width // 2, y + height + edge + 5)
            pen.text(below, words, MARK if best else PALE, font, anchor="mt")

    def _cell_size(self) -> tuple[int, int]:
        width = max(picture.width for picture in self.pictures.values())
        height = max(picture.height for picture in self.pictures.values())
        times = max(1, -(-SMALLEST // min(width, height)))
        return width * times, height * times


def wrapped(text: str, font: Any, width: int) -> list[str]:
    """Break a text at blanks into lines of at most ``width`` pixels, three at most."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > 3:
        lines = [*lines[:2], f"{lines[2]} …"]
    return lines
