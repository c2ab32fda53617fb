"""What `dsk check` finds in a set, as far as no picture need be decoded for it."""

from collections.abc import Iterator
from pathlib import Path

from datasetkit.buckets import buckets_for
from datasetkit.families import Family
from datasetkit.inspectors.findings.captions import Captions
from datasetkit.inspectors.findings.finding import Theme, typed
from datasetkit.inspectors.findings.masks import Masks
from datasetkit.inspectors.findings.ratings import Ratings
from datasetkit.inspectors.findings.seen import Seen
from datasetkit.inspectors.findings.shapes import Shapes
from datasetkit.inspectors.findings.tags import Tags
from datasetkit.inspectors.findings.trigger import Trigger, Word
from datasetkit.inspectors.report.gather.advice import Remark
from datasetkit.inspectors.report.gather.sheet import shortened
from datasetkit.record import Record
from datasetkit.tokens import CHUNKS

_TEXT, _COMMAND = 500, 300  # characters that are shown of each
_UNSEEN = Seen()


class Faults:
    """Shows each record to the themes of the check that ask nothing else."""

    def __init__(self, word: Word, family: Family) -> None:
        self._masks = Masks()
        self._themes: tuple[Theme, ...] = (
            Captions(CHUNKS[0], word.names),
            Shapes(buckets_for(family.resolution), 1, family),
            Trigger(word),
            Tags(word),
            Ratings(),
            self._masks,
        )

    def add(self, record: Record) -> None:
        """Take a picture in."""
        for theme in self._themes:
            theme.add(record, _UNSEEN)

    @property
    def masked(self) -> int:
        """How many pictures are learned in part."""
        return self._masks.masked

    def remarks(self, folder: Path) -> Iterator[Remark]:
        """The findings of the dataset in a folder."""
        found = [finding for theme in self._themes for finding in theme.findings()]
        for finding in found:
            command = finding.command(folder)
            # Of a command with a hundred names the check has all.
            yield Remark(
                shortened(finding.sentence, _TEXT),
                finding.level,
                command if len(command) <= _COMMAND else typed(("check",), folder),
            )
