"""Where a set came from: sites, ratings, scores, dates and artists."""

from collections import Counter

from datasetkit.inspectors.report.charts import Bars, Columns, bars, columns, histogram
from datasetkit.record import Record
from datasetkit.tags import to_caption

RATINGS = {"g": "general", "s": "sensitive", "q": "questionable", "e": "explicit", "": "not told"}
_ARTISTS = 12
_SITES = 12
_FOLDER = "folder"  # as the stage of that name has it
_NOBODY = "nobody named"
_YEARS = range(1990, 2101)  # what a site says beyond these is no date
_MONTHS = 36  # beyond which years are counted


class Origins:
    """Counts what sites tell of pictures."""

    def __init__(self) -> None:
        self._pictures = 0
        self._sites: Counter[str] = Counter()
        self._ratings: Counter[str] = Counter()
        self._scores: Counter[int] = Counter()
        self._months: Counter[tuple[int, int]] = Counter()
        self._artists: Counter[str] = Counter()
        self._unsigned = 0

    def add(self, record: Record) -> None:
        """Take a picture in."""
        origin = record.origin
        self._pictures += 1
        self._sites[origin.site or _FOLDER] += 1
        self._ratings[origin.rating if origin.rating in RATINGS else ""] += 1
        if origin.score is not None:
            self._scores[origin.score] += 1
        year, month = origin.posted[:4], origin.posted[5:7]
        if year.isdecimal() and month.isdecimal():
            when = int(year), int(month)
            if when[0] in _YEARS and 1 <= when[1] <= 12:
                self._months[when] += 1
        artists = [to_caption(tag.name) for tag in record.tags if tag.kind == "artist"]
        self._artists.update(artists)
        self._unsigned += not artists

    @property
    def sites(self) -> int:
        """How many sites the pictures are from."""
        return len(set(self._sites) - {_FOLDER})

    @property
    def artists(self) -> int:
        """How many artists are named."""
        return len(self._artists)

    def lists(self) -> list[Bars]:
        """Sites, ratings and artists, each where more is known than that nothing is."""
        found = []
        if set(self._sites) != {_FOLDER}:
            counts = self._sites.most_common()
            sites = sorted(counts, key=lambda item: (-item[1], item[0]))[:_SITES]
            found.append(bars("site", sites, self._pictures, pale=_FOLDER))
        if set(self._ratings) != {""}:
            ratings = [(name, self._ratings[key]) for key, name in RATINGS.items()]
            there = [(name, number) for name, number in ratings if number]
            found.append(bars("rating", there, self._pictures, pale=RATINGS[""]))
        if self._artists:
            ranked = sorted(self._artists.items(), key=lambda item: (-item[1], item[0]))
            shown, left = ranked[:_ARTISTS], len(ranked) - _ARTISTS
            if self._unsigned:
                shown.append((_NOBODY, self._unsigned))
            more = f"and {left:,} more" if left > 0 else ""
            found.append(
                bars("artist", shown, self._pictures, pale=_NOBODY, linked=True, more=more)
            )
        return found

    def scores(self) -> Columns | None:
        """How the scores spread."""
        told = sorted(self._scores.elements())
        if not told:
            return None
        low, middle, high = (told[(len(told) - 1) * part // 4] for part in (1, 2, 3))
        note = f"median {middle:,}; half of them from {low:,} to {high:,}"
        return histogram("score", self._scores, note=self._told(note, len(told)))

    def dates(self) -> Columns | None:
        """When the pictures were posted, by month, or by year where that would be too many."""
        if len(self._months) < 2:
            return None
        first, last = min(self._months), max(self._months)
        span = 12 * (last[0] - first[0]) + last[1] - first[1] + 1
        if span > _MONTHS:
            years = Counter[int]()
            for (year, _), number in self._months.items():
                years[year] += number
            labels = [str(year) for year in range(first[0], last[0] + 1)]
            numbers = [years[int(label)] for label in labels]
        else:
            places = [divmod(12 * first[0] + first[1] - 1 + n, 12) for n in range(span)]
            labels = [f"{year}-{month + 1:02}" for year, month in places]
            numbers = [self._months[year, month + 1] for year, month in places]
        every = -(-len(labels) // 5)
        ticks = [(place, labels[place]) for place in range(0, len(labels), every)]
        note = self._told("", sum(numbers))
        return columns("posted", labels, numbers, ticks, note=note)

    def _told(self, note: str, told: int) -> str:
        """A note, and of how many pictures it is known."""
        some = f"known of {told:,} of {self._pictures:,}" if told < self._pictures else ""
        return "; ".join(filter(None, (note, some)))
