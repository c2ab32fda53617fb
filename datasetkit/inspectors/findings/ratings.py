"""Ratings: a set in which pictures for everyone stand beside others."""

from collections import Counter
from collections.abc import Iterator

from datasetkit.inspectors.findings.finding import LOOK, Finding, some
from datasetkit.inspectors.findings.seen import Seen
from datasetkit.record import Record

_WORDS = {"g": "general", "s": "sensitive", "q": "questionable", "e": "explicit", "": "unrated"}


class Ratings:
    """Counts the ratings that sites gave."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._strict: list[str] = []

    def add(self, record: Record, seen: Seen) -> None:
        """Take a picture in."""
        rating = record.origin.rating
        self._counts[rating] += 1
        if rating in {"q", "e"}:
            self._strict.append(record.key)

    def findings(self) -> Iterator[Finding]:
        """What was found."""
        if not self._strict or not (self._counts["g"] or self._counts["s"]):
            return
        told = ", ".join(
            f"{self._counts[r]:,} {word}" for r, word in _WORDS.items() if self._counts[r]
        )
        rated = "rated questionable or explicit among safe ones"
        text = some(len(self._strict), self._counts.total(), f"is {rated}", f"are {rated}")
        mend = ("filter", "--set", "none", "--only", "not rating:q,e")
        yield Finding(LOOK, "ratings", f"{text}: {told}", tuple(self._strict), mend)
