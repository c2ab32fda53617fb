"""The ``report`` stage: one page of HTML that shows what a dataset is, before hours of training."""

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from datasetkit import safety
from datasetkit.cleaners.sets.variety import Variety
from datasetkit.dataset import Dataset
from datasetkit.dataset.lines import write_file
from datasetkit.errors import DatasetError, UsageError
from datasetkit.families import FAMILIES, named
from datasetkit.inspectors.findings.trigger import Word, word_of
from datasetkit.inspectors.report.gather.advice import remarks, variety_lists
from datasetkit.inspectors.report.gather.faults import Faults
from datasetkit.inspectors.report.gather.left_out import LeftOut, Row, reason_rows, twin_rows
from datasetkit.inspectors.report.gather.origins import Origins
from datasetkit.inspectors.report.gather.past import MOST, Past, past
from datasetkit.inspectors.report.gather.shapes import Shapes
from datasetkit.inspectors.report.gather.sheet import Cell, cells, spread
from datasetkit.inspectors.report.gather.tags import Tags
from datasetkit.inspectors.report.page import MARK, Figure, Page, Sheet, written
from datasetkit.record import Record
from datasetkit.stage import Note, Progress, Task, Work, Wrote, opt
from datasetkit.unmet import unmet
from datasetkit.where import where

LOOK = frozenset({"report", "check", "plan"})  # stages that change nothing of a set
_SUGGESTED = 200  # tags that the box for looking offers
_EVERY = 500  # pictures read between two words of progress


@dataclass(frozen=True)
class Report(Task):
    """Write one page of HTML that shows the dataset: pictures, tags, shapes, what was left out.

    The page is a single file that loads nothing and works without a network, on a phone, in the
    dark and on paper: what stands out, a contact sheet with captions to look through and sort, what
    the pictures show and lack, tags by kind, buckets and sizes, scores, dates and artists, what was
    left out and why, which pictures were the same, and what each stage changed. What stands out is
    what `dsk check` finds without decoding all pictures, with the commands that mend it.

    Of a large set --most pictures are shown, evenly over all of it; all are counted. The same
    dataset gives the same page. A file that is no report is never written over.
    """

    out: str = opt("", "the file to write (default: report.html in the dataset)")
    where: str = opt("", "only the pictures for which this holds (see docs/filters.md)")
    family: str = opt("sd1", "the base that is trained, for its resolution and buckets")
    thumbs: int = opt(160, "px of the longer side of a small picture", ge=32, le=512)
    most: int = opt(300, "how many pictures are shown", ge=1, le=5000)

    def plan(self) -> str:
        """Say where the page goes."""
        return f"written to {self.out or 'report.html in the dataset'}"

    def check(self) -> None:
        """Raise UsageError for a filter, a family or a name of a file that makes no sense."""
        where(self.where)
        named(self.family)
        out = Path(self.out)
        if self.out and out.is_dir():
            raise UsageError(f"{out} is a folder; name a file in it: --out {out / 'report.html'}")
        if self.out and out.suffix.lower() not in {".html", ".htm"}:
            raise UsageError(f"the report is a page of HTML; call it {out.with_suffix('.html')}")

    def __call__(self, dataset: Dataset) -> Iterator[Work]:
        """Read the set once, make small pictures of some, and write the page."""
        self.check()
        path = Path(self.out) if self.out else dataset.path / "report.html"
        _refuse_strangers(path)
        found = _Found(self)
        yield from found.read(dataset)
        if not found.shown:
            if len(dataset.records) > found.refused:
                raise UsageError(unmet(self.where, dataset.records))
            raise UsageError(f"there are no pictures in {dataset.path} to report on")
        if found.refused:
            are = "1 picture is" if found.refused == 1 else f"{found.refused:,} pictures are"
            yield Note(f"{are} left out by the safety rules", warning=True)
        page = yield from found.page(dataset, path.resolve().parent)
        content = written(page)
        fresh = not (path.exists() and path.read_bytes() == content)
        if fresh:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, content)
        shown, total = len(page.sheet.cells), page.sheet.total
        some = f"{shown:,} of {total:,} pictures are" if shown < total else f"all {total:,} are"
        some = "the one picture is" if total == 1 else some
        there = "" if fresh else "; it is up to date"
        yield Note(f"{some} shown on a page of {_size(len(content))}{there}")
        yield Wrote(path, fresh)


class _Found:
    """What is gathered for the page: counts, and places in the dataset; no pictures."""

    def __init__(self, asked: Report) -> None:
        self._asked = asked
        self._meant = where(asked.where)
        self._family = FAMILIES[asked.family]
        self.variety, self.tags, self.origins = Variety(), Tags(), Origins()
        self.shapes, self.left_out = Shapes(self._family), LeftOut()
        self.shown: list[int] = []  # places of the pictures that are meant
        self.refused = 0
        self.faults = Faults(Word(), self._family)

    def read(self, dataset: Dataset) -> Iterator[Work]:
        """Take in all pictures, and all that were left out."""
        records, rejects = dataset.records, dataset.rejects
        total = len(records) + len(rejects)
        word = word_of(filter(self._takes, records), dataset.history)
        self.faults = Faults(word, self._family)
        for place, record in enumerate(records):
            if place % _EVERY == 0:
                yield Progress(place, total, "read")
            if safety.refusal(record.names, record.origin.rating):
                self.refused += 1
            elif self._meant(record):
                self.shown.append(place)
                self._add(record)
        for place, reject in enumerate(rejects):
            if place % _EVERY == 0:
                yield Progress(len(records) + place, total, "read")
            record = reject.record
            if self._takes(record):
                self.left_out.add(place, reject)

    def _takes(self, record: Record) -> bool:
        return not safety.refusal(record.names, record.origin.rating) and self._meant(record)

    def _add(self, record: Record) -> None:
        for gathered in (self.variety, self.tags, self.origins, self.shapes, self.faults):
            gathered.add(record)

    def page(self, dataset: Dataset, folder: Path) -> Generator[Work, None, Page]:
        """Draw small pictures and put the page together; the page is what the generator returns."""
        side, most = self._asked.thumbs, self._asked.most
        records, rejects = dataset.records, dataset.rejects
        places = [self.shown[place] for place in spread(len(self.shown), most)]
        beside = dataset.path if folder == dataset.path.resolve() else None
        drawn: list[Cell] = []
        for cell in cells((records[place] for place in places), side, beside):
            drawn.append(cell)
            yield Progress(len(drawn), len(places), "made small")
        reasons = list(reason_rows(self.left_out.reasons, rejects, side, most))
        yield Progress(len(places), len(places), "left out")
        twins = self._twins(dataset, side, most)
        steps = past(dataset.history, LOOK)
        name = dataset.path.resolve().name
        faults, own = self.faults, Path(name)  # no path of this machine
        return Page(
            name=name,
            about=self._about(steps),
            figures=tuple(self._figures()),
            remarks=tuple(remarks(self.variety, faults.remarks(own), faults.masked, own)),
            sheet=Sheet(drawn, len(self.shown), self.tags.commonest(_SUGGESTED)),
            variety=variety_lists(self.variety) if self.tags.different else (),
            tags=self.tags.by_kind(),
            lengths=self.tags.lengths(),
            buckets=self.shapes.buckets(),
            sizes=self.shapes.sizes(),
            origins=self.origins.lists(),
            spreads=[c for c in (self.origins.scores(), self.origins.dates()) if c],
            reasons=reasons,
            left_out=self.left_out.number,
            more_reasons=self.left_out.more_reasons,
            twins=twins,
            more_twins=self.left_out.groups - len(twins),
            history=steps[-MOST:],
            earlier=max(0, len(steps) - MOST),
        )

    def _twins(self, dataset: Dataset, side: int, most: int) -> list[Row]:
        """Groups of the same picture; the one that stays may have been left out since."""
        found = self.left_out.twins
        standing = {twins.key: dataset.record(twins.key) for twins in found}
        there = {
            key: record
            for key, record in standing.items()
            if record and not safety.refusal(record.names, record.origin.rating)
        }
        return list(twin_rows(found, there, dataset.rejects, side, most))

    def _about(self, steps: list[Past]) -> str:
        said = []
        if self._asked.where:
            said.append(f"pictures for which {self._asked.where} holds")
        if steps and steps[-1].when:
            said.append(f"as of {steps[-1].when} UTC")
        return ", ".join(said)

    def _figures(self) -> Iterator[Figure]:
        number = len(self.shown)
        yield Figure(f"{number:,}", "picture" if number == 1 else "pictures")
        yield Figure(f"{self.tags.pictures - self.tags.untagged:,}", "with a caption")
        for many, one, more in (
            (self.tags.different, "different tag", "different tags"),
            (self.tags.median, "tag a picture", "tags a picture"),
            (self.origins.sites, "site", "sites"),
            (self.origins.artists, "artist", "artists"),
            (self.left_out.number, "left out", "left out"),
        ):
            if many:
                yield Figure(f"{many:,}", one if many == 1 else more)


def _refuse_strangers(path: Path) -> None:
    """Raise DatasetError where something stands that is no report of ours."""
    if not os.path.lexists(path):
        return
    if path.is_file() and not path.is_symlink():
        with path.open("rb") as file:
            if file.read(len(MARK)) == MARK:
                return
    raise DatasetError(
        f"{path} is no report of dsk and is left as it is; choose another name with --out"
    )


def _size(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{-(-number // 1000):,} KB"
