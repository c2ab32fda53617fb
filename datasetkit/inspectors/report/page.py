"""The page: one file that loads nothing, with all that others wrote escaped.

The browser holds it to that: the policy in its head allows pictures inside of the page, its one
style sheet and its one script, by their hashes, and nothing else.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from datasetkit.inspectors.report.charts import HEIGHT, SQUARE, Bars, Columns, Scatter
from datasetkit.inspectors.report.gather.advice import Remark
from datasetkit.inspectors.report.gather.left_out import Row
from datasetkit.inspectors.report.gather.past import Past
from datasetkit.inspectors.report.gather.sheet import Cell

if TYPE_CHECKING:
    from jinja2 import Environment

MARK = b"<!doctype html>\n<!-- a report of datasetkit, which writes over none but its own -->\n"


@dataclass(frozen=True)
class Figure:
    """A number that matters, and what it counts."""

    number: str
    what: str


@dataclass(frozen=True)
class Sheet:
    """The contact sheet: its cells, of how many pictures, and tags to look for."""

    cells: Sequence[Cell]
    total: int
    tags: Sequence[str]

    @property
    def scored(self) -> bool:
        """Say whether there is a score to sort by."""
        return any(cell.score for cell in self.cells)

    @property
    def dated(self) -> bool:
        """Say whether there is a date to sort by."""
        return any(cell.date for cell in self.cells)

    @property
    def masked(self) -> bool:
        """Say whether something is hidden on one of them."""
        return any(cell.areas for cell in self.cells)


@dataclass(frozen=True)
class Page:
    """All that the page shows; what is empty is not shown at all."""

    name: str
    about: str
    figures: Sequence[Figure]
    remarks: Sequence[Remark]
    sheet: Sheet
    variety: Sequence[Bars] = ()
    tags: Sequence[Bars] = ()
    lengths: Columns | None = None
    buckets: Bars | None = None
    sizes: Scatter | None = None
    origins: Sequence[Bars] = ()
    spreads: Sequence[Columns] = ()
    reasons: Sequence[Row] = ()
    left_out: int = 0
    more_reasons: int = 0
    twins: Sequence[Row] = ()
    more_twins: int = 0
    history: Sequence[Past] = ()
    earlier: int = 0


def written(page: Page) -> bytes:
    """The page as a file; the same bytes for the same content."""
    from markupsafe import Markup

    style, script = _text("page.css"), _text("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    text = (
        _templates()
        .get_template("page.html")
        .render(
            page=page,
            policy=policy,
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            height=HEIGHT,
            square=SQUARE,
        )
    )
    return MARK + text.encode("utf-8", "replace") + b"\n"


def _templates() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader("datasetkit.inspectors.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["number"] = "{:,}".format
    return found


def _text(name: str) -> str:
    return files("datasetkit.inspectors.report").joinpath("page", name).read_text("utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
