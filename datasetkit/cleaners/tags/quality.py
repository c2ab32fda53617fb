"""The ``quality`` stage: what pictures are worth by their sites' votes, in a family's words."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from datasetkit import safety
from datasetkit.cleaners.tags.quality_words import END, START, Words, words_of
from datasetkit.cleaners.tags.rules.order import fixed
from datasetkit.cleaners.tags.rules.patterns import Patterns
from datasetkit.cleaners.tags.rules.tokens import length
from datasetkit.errors import UsageError, did_you_mean
from datasetkit.record import HAND, Origin, Record, Tag
from datasetkit.stage import Change, Note, Whole, Work, opt
from datasetkit.tags import to_caption
from datasetkit.tokens import too_long

KIND, BY = "quality", ("quality",)
PLACES = ("", START, END)

Group = tuple[str, ...]


@dataclass(frozen=True)
class Quality(Whole):
    """Add a family's quality tags by the sites' scores, and its tags for the year.

    A score is compared with those of the same site, rating and quarter of a year, since old posts
    had fewer voters and new ones had less time; where they are fewer than --least, with those of
    the same year, of any time, at last of any rating. The percentile in that company gives the
    words: masterpiece to worst quality, or Pony's score_9 to score_4_up. A picture without a score
    gets none.

    The company is this set: of pictures that were picked by score the least loved gets the worst
    word all the same, which --never "worst quality" prevents.

    The words stand where the family's captions have them, at the end or right behind the fixed
    head, never before the trigger. Run again, or with another family, they are replaced. Where you
    typed a word of quality yourself, none is added.
    """

    family: str = opt(
        "sdxl-anime",
        "whose words: sdxl-anime, illustrious, noobai, animagine, animagine-xl-3.1, pony",
    )
    years: bool = opt(True, "add the family's words for the year a picture was posted in")
    never: tuple[str, ...] = opt((), "words that are never added: names, or globs")
    place: str = opt("", "start (behind the fixed head) or end (default: as the family has it)")
    least: int = opt(20, "scores that a comparison needs", ge=2)

    def check(self) -> None:
        """Raise for a family whose words are not known, and for a place that is none."""
        words_of(self.family)
        if self.place not in PLACES:
            raise UsageError(
                f"place: there is no {self.place!r}; {did_you_mean(self.place, PLACES[1:])}"
            )

    def plan(self) -> str:
        """Say whose words will be added."""
        changed = super().plan()
        if "family" in self.changed_options():
            return changed
        return ", ".join(filter(None, (f"family {self.family}", changed)))

    def __call__(self, records: Sequence[Record], folder: Path) -> Iterator[Change | Work]:
        """Compare all scores, then give each picture its words."""
        for name in self._never.missing(self._words.all_of(range(1990, 2100))):
            yield Note(f"{self.family} has no word {name}", warning=True)
        scores: dict[Group, list[int]] = defaultdict(list)
        for record in records:
            if record.origin.score is not None:
                for group in _groups(record.origin):
                    scores[group].append(record.origin.score)
        for company in scores.values():
            company.sort()
        said: Counter[str] = Counter()
        missing: Counter[str] = Counter()
        lengths = []
        for record in records:
            percentile = self._percentile(record.origin, scores)
            if percentile is None:
                lonely = record.origin.score is not None
                missing["too few others to compare with" if lonely else "no score"] += 1
            became = self._with(record, self._words_of(record, percentile))
            said.update(tag.name for tag in became.tags if tag.kind == KIND and tag.by == BY)
            lengths.append(length(became.tags))
            if became.tags != record.tags:
                yield Change(record.key, became)
        yield from self._told(said, missing, lengths)

    def _percentile(self, origin: Origin, scores: Mapping[Group, Sequence[int]]) -> float | None:
        """Where a score stands among its like, 0..100; None where it cannot be told."""
        if origin.score is None:
            return None
        for group in _groups(origin):
            others = scores[group]
            if len(others) >= self.least:
                below = bisect_left(others, origin.score)
                upto = bisect_right(others, origin.score)
                return 50 * (below + upto) / len(others)  # ties share the middle of their places
        return None

    def _words_of(self, record: Record, percentile: float | None) -> Iterator[str]:
        by_hand = {tag.name for tag in record.tags if HAND in tag.by}
        if percentile is not None and not by_hand & self._words.everything():
            yield from self._words.quality(percentile)
        year = record.origin.posted[:4]
        if self.years and year.isdecimal():
            yield from self._words.time(int(year))

    def _with(self, record: Record, words: Iterable[str]) -> Record:
        """The record with these words as its own, where they belong."""
        tags = tuple(tag for tag in record.tags if not (tag.kind == KIND and tag.by == BY))
        names = [tag.name for tag in tags]
        good = [word for word in words if word not in self._never and word not in names]
        if safety.refusal([*names, *good], record.origin.rating):
            good = []  # nothing that is added here may cost a picture
        new = [Tag(word, KIND, BY) for word in good]
        place = self.place or self._words.place
        at = len(tags) if place == END else fixed(tags, record)
        return record.with_tags([*tags[:at], *new, *tags[at:]])

    def _told(
        self, said: Counter[str], missing: Counter[str], lengths: Sequence[int]
    ) -> Iterator[Work]:
        best_first = dict.fromkeys(word for _, words in self._words.cuts for word in words)
        shares = [f"{to_caption(word)} {said[word]:,}" for word in best_first if said[word]]
        if shares:
            yield Note("pictures by word: " + ", ".join(shares))
        for why, count in missing.items():
            what = "1 picture gets" if count == 1 else f"{count:,} pictures get"
            way = " (--least takes fewer)" if why.startswith("too few") else ""
            yield Note(f"{what} no word of quality: {why}{way}", warning=not said)
        if sentence := too_long(lengths):
            yield Note(sentence, warning=True)

    @cached_property
    def _words(self) -> Words:
        return words_of(self.family)

    @cached_property
    def _never(self) -> Patterns:
        return Patterns(self.never)


def _groups(origin: Origin) -> list[Group]:
    """The company in which a score is compared, the most alike first."""
    site, rating, posted = origin.site, origin.rating, origin.posted
    groups: list[Group] = [(site, rating), (site,)]
    if posted[:4].isdecimal():
        groups.insert(0, (site, rating, posted[:4]))
        if posted[5:7].isdecimal():
            groups.insert(0, (site, rating, posted[:4], str((int(posted[5:7]) - 1) // 3)))
    return groups
