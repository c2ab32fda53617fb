"""The ``check`` stage: what would harm a training, each with the command that mends it."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from datasetkit import safety
from datasetkit.buckets import Buckets, asked_for
from datasetkit.dataset import Dataset
from datasetkit.dataset.lines import write_file
from datasetkit.errors import DatasetError, DatasetkitError, UsageError
from datasetkit.exporters.chosen import chosen
from datasetkit.families import FAMILIES, named
from datasetkit.inspectors.findings.alike import Alike
from datasetkit.inspectors.findings.captions import Captions
from datasetkit.inspectors.findings.finding import LOOK, WRONG, Finding, Theme
from datasetkit.inspectors.findings.masks import Masks
from datasetkit.inspectors.findings.pictures import Pictures
from datasetkit.inspectors.findings.ratings import Ratings
from datasetkit.inspectors.findings.seen import all_seen
from datasetkit.inspectors.findings.shapes import Shapes
from datasetkit.inspectors.findings.tags import Tags
from datasetkit.inspectors.findings.trigger import Trigger, word_of
from datasetkit.record import Record
from datasetkit.stage import Note, Progress, Task, Work, Wrote, opt
from datasetkit.tags import split_caption
from datasetkit.tokens import CHUNKS
from datasetkit.unmet import unmet
from datasetkit.where import where

MARK = b'{\n "datasetkit": "check"'  # how a file of findings begins


class Unfit(DatasetkitError):
    """A dataset in which a check found what would harm a training."""


@dataclass(frozen=True)
class Check(Task):
    """Find what would harm a training, each fault with the command that mends it.

    Looked at are captions (missing, longer than a trainer reads, with backslashes, codes of HTML
    or sentences among tags), files (broken, transparent, turned by EXIF, animated, in odd colours
    or formats, of one name), sizes and buckets (small ones that would be enlarged, those that
    train alone at --batch), tags (the trigger missing, tags on every picture, misspelt ones, mixed
    ratings), masks (that hide all, or are outdated), and how alike and how few the pictures are.

    What would do harm is wrong, anything else worth a look. Where something is wrong the exit code
    is 1, and a pipeline stops before the training; with --strict that holds for both. Nothing is
    changed. Each picture is decoded once, but for those that `dsk dedupe` measured and that have
    no room for transparency; look-alikes are compared with each other.

    The trigger is known by its kind, by `dsk clean --first` or by --trigger; otherwise one that
    most captions have in front passes for it. --out writes all findings with all names as JSON.
    """

    family: str = opt("sd1", "what the base is, for its resolution: " + ", ".join(FAMILIES))
    resolution: int = opt(
        0, "side in pixels of the square whose area pictures have (0: the family's)", ge=0
    )
    batch: int = opt(1, "pictures a step, for which buckets are too sparse", ge=1)
    tokens: int = opt(CHUNKS[0], "CLIP's tokens that the trainer reads: 75, 150 or 225", ge=1)
    trigger: str = opt("", "the word that every caption is to have")
    strict: bool = opt(False, "exit with 1 for what is worth a look, too")
    where: str = opt("", "only the pictures for which this holds (see docs/filters.md)")
    out: str = opt("", "a JSON file for all findings, with all names")

    def check(self) -> None:
        """Raise for a family, resolution, filter, trigger or file that makes no sense."""
        where(self.where)
        _ = self._buckets
        safety.check_prompt(self.trigger)
        if len(split_caption(self.trigger)) > 1:
            raise UsageError(
                f"trigger {self.trigger!r} holds a comma; a trigger is one word or tag"
            )
        if self.out and Path(self.out).is_dir():
            raise UsageError(f"{self.out} is a folder; name a file in it")
        if self.out and Path(self.out).suffix.lower() != ".json":  # a .txt would be a caption
            raise UsageError(
                f"the findings are JSON; call it {Path(self.out).with_suffix('.json')}"
            )

    @property
    def tells(self) -> bool:
        """It looks, and changes nothing."""
        return True

    def plan(self) -> str:
        """Say for what it is checked."""
        return f"for {self.family} at {self._buckets.resolution} px, batch {self.batch}"

    def __call__(self, dataset: Dataset) -> Iterator[Work]:
        """Look at all pictures, say what was found, and raise Unfit where something is wrong."""
        self.check()
        out = Path(self.out) if self.out else None
        _refuse_strangers(out)
        records = dataset.records
        meant = where(self.where)
        keys, notes = chosen((r for r in records if meant(r)), lambda record: record.key)
        yield from notes
        if not keys:
            if self.where and len(records):
                raise UsageError(unmet(self.where, records))
            raise UsageError(f"there are no pictures in {dataset.path} to check")
        themes, alike, tags = self._themes(dataset, keys)
        for done, (record, seen) in enumerate(all_seen(_read(dataset, keys)), 1):
            for theme in themes:
                theme.add(record, seen)
            yield Progress(done, len(keys), record.key)
        yield from alike.compare()
        found = [finding for theme in themes for finding in theme.findings()]
        found.sort(key=lambda finding: finding.level != WRONG)
        yield from self._said(found, dataset.path)
        pictures = "1 picture" if len(keys) == 1 else f"{len(keys):,} pictures"
        yield Note(
            f"{pictures} and {tags.different:,} tags checked, {tags.single:,} of which stand on "
            f"one picture only; {_summary(found)}"
        )
        if out:
            yield Wrote(out, _written(out, found, dataset.path))
        self._raise_if_unfit(found, dataset.path)

    @cached_property
    def _buckets(self) -> Buckets:
        return asked_for(self.resolution or named(self.family).resolution)

    def _themes(self, dataset: Dataset, keys: Sequence[str]) -> tuple[list[Theme], Alike, Tags]:
        history = dataset.history
        word = word_of(_read(dataset, keys), history, self.trigger)
        alike = Alike(dataset, history)
        tags = Tags(word)
        themes: list[Theme] = [
            Captions(self.tokens, word.names),
            Pictures(),
            Shapes(self._buckets, self.batch, named(self.family)),
            Trigger(word),
            tags,
            Ratings(),
            Masks(),
            alike,
        ]
        return themes, alike, tags

    def _said(self, found: Sequence[Finding], folder: Path) -> Iterator[Note]:
        for finding in found:
            mend = finding.command(folder)
            grave = self.strict or finding.level == WRONG
            to_mend = f"; to mend it: {mend}" if mend else ""
            yield Note(f"{finding.level}: {finding.sentence}{to_mend}", warning=grave)

    def _raise_if_unfit(self, found: Sequence[Finding], folder: Path) -> None:
        grave = [finding for finding in found if self.strict or finding.level == WRONG]
        if not grave:
            return
        what = ", ".join(dict.fromkeys(finding.what for finding in grave))
        number = "1 thing" if len(grave) == 1 else f"{len(grave)} things"
        beside = "it" if len(grave) == 1 else "each"
        mended = all(finding.command(folder) for finding in grave)
        above = f"the command that mends {beside} stands above" if mended else "see above"
        raise Unfit(
            f"{folder} is not fit to be trained on: {number} to mend first ({what}); {above}"
        )


def _read(dataset: Dataset, keys: Sequence[str]) -> Iterator[Record]:
    """The records of these keys that are there still."""
    for key in keys:
        if record := dataset.record(key):
            yield record


def _summary(found: Sequence[Finding]) -> str:
    counts = Counter(finding.level for finding in found)
    wrong = f"{_things(counts[WRONG])} wrong" if counts[WRONG] else "nothing is wrong"
    return f"{wrong}, {_things(counts[LOOK])} worth a look" if counts[LOOK] else wrong


def _things(number: int) -> str:
    return "1 thing is" if number == 1 else f"{number} things are"


def _refuse_strangers(out: Path | None) -> None:
    """Raise DatasetError where something stands that is no file of findings."""
    if out is None or not os.path.lexists(out):
        return
    if out.is_file() and not out.is_symlink():
        with out.open("rb") as file:
            if file.read(len(MARK)) == MARK:
                return
    raise DatasetError(f"{out} is no list of findings of dsk; choose another name with --out")


def _written(out: Path, found: Sequence[Finding], folder: Path) -> bool:
    """Write the findings; say whether they are others than stood there."""
    plain = [finding.plain(folder) for finding in found]
    made = {"datasetkit": "check", "dataset": str(folder), "findings": plain}
    content = json.dumps(made, ensure_ascii=False, indent=1).encode() + b"\n"
    if out.exists() and out.read_bytes() == content:
        return False
    out.parent.mkdir(parents=True, exist_ok=True)
    write_file(out, content)
    return True
