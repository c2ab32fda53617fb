"""Masks: what hides so much that nothing is left to learn, and what speaks of other pixels."""

from collections.abc import Iterator

from datasetkit.errors import PictureError
from datasetkit.inspectors.findings.finding import WRONG, Finding, some, without
from datasetkit.inspectors.findings.seen import Seen
from datasetkit.masks import drawn, hidden, outdated, said
from datasetkit.record import Record

MOST = 0.9  # of a picture that may be hidden


class Masks:
    """Measures how much of each picture is hidden."""

    def __init__(self) -> None:
        self._total = 0
        self.masked = 0  # pictures of which something is hidden
        self._hidden: list[str] = []
        self._shares: dict[str, str] = {}
        self._outdated: list[str] = []

    def add(self, record: Record, seen: Seen) -> None:
        """Take a picture in."""
        self._total += 1
        if seen.broken or not said(record.facts):
            return
        try:
            areas = hidden(record)
            stale = outdated(record)
        except PictureError:  # gone since it was seen
            return
        if stale:
            self._outdated.append(record.key)
        if not areas:
            return
        self.masked += 1
        width, height = record.picture.size
        share = drawn((width, height), areas).histogram()[0] / (width * height)
        if share > MOST:
            self._hidden.append(record.key)
            self._shares[record.key] = f": {share:.0%}"

    def findings(self) -> Iterator[Finding]:
        """What was found."""
        if keys := self._hidden:
            text = some(len(keys), self._total, "is hidden by its mask",
                        "are hidden by their masks")  # fmt: skip
            text += f", more than {MOST:.0%}, and teach{'es' * (len(keys) == 1)} nothing"
            what = "all masked"
            yield Finding(WRONG, what, text, tuple(keys), without(keys), shown=self._shares)
        if keys := self._outdated:
            text = some(
                len(keys),
                self._total,
                "has changed since a mask was made for it, and would be learned whole",
                "have changed since masks were made for them, and would be learned whole",
            )
            mend = ("text", "--how", "mask")
            yield Finding(WRONG, "outdated masks", text, tuple(keys), mend)
