"""The words by which model families are asked for quality and for a time, as rows.

Each row's cuts are those that its makers published, where they did. A family may be named with
its version (``noobai-vpred``); what stands before the dash is looked up too.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from datasetkit.errors import UsageError, did_you_mean

START, END = "start", "end"


@dataclass(frozen=True)
class Words:
    """What a family calls a picture.

    ``cuts`` are (percentile, words), the best first: a picture gets the words of the first cut
    that it reaches. ``years`` are (last year, word), the oldest first; beyond them ``newest``.
    ``plain_year`` adds ``year 2024``. ``place`` is where its captions have them: ``start`` is
    right behind the fixed head, ``end`` the caption's end.
    """

    name: str
    cuts: tuple[tuple[float, tuple[str, ...]], ...]
    years: tuple[tuple[int, str], ...] = ()
    newest: str = ""
    plain_year: bool = False
    place: str = END

    def quality(self, percentile: float) -> tuple[str, ...]:
        """The words of a percentile, 0..100."""
        return next((words for least, words in self.cuts if percentile >= least), ())

    def time(self, year: int) -> tuple[str, ...]:
        """The words of a year."""
        word = next((word for last, word in self.years if year <= last), self.newest)
        return tuple(filter(None, (word, f"year_{year}" if self.plain_year else "")))

    def everything(self) -> frozenset[str]:
        """All words of quality that the family knows."""
        return frozenset(word for _, words in self.cuts for word in words)

    def all_of(self, years: Iterable[int]) -> frozenset[str]:
        """All words of quality, and those of some years."""
        return self.everything().union(*map(self.time, years))


def _cuts(**percentiles: float) -> tuple[tuple[float, tuple[str, ...]], ...]:
    return tuple((least, (word,)) for word, least in percentiles.items())


def _pony() -> tuple[tuple[float, tuple[str, ...]], ...]:
    """Pony's scores: each picture bears its own and all below, as its prompts have them."""
    names = ["score_9", *(f"score_{number}_up" for number in range(8, 3, -1))]
    return tuple((90.0 - 10 * place, tuple(names[place:])) for place in range(len(names)))


_PERIODS = ((2010, "old"), (2014, "early"), (2017, "mid"), (2020, "recent"))
_ROWS = (
    Words(  # HakuBooru, with which the Kohaku models were made, from which Illustrious comes
        "sdxl-anime",
        _cuts(
            masterpiece=90, best_quality=75, great_quality=60, good_quality=45,
            normal_quality=30, low_quality=10, worst_quality=0,
        ),
        _PERIODS,
        "newest",
    ),
    Words(  # its paper: 8, 20, 60, 82, 92 in a hundred and the rest
        "illustrious",
        _cuts(
            masterpiece=92, best_quality=82, good_quality=60, average_quality=20,
            bad_quality=8, worst_quality=0,
        ),
        ((2017, "oldest"), (2019, "old"), (2020, "modern"), (2022, "recent")),
        "newest",
    ),
    Words("pony", _pony(), place=START),  # its card: at the very beginning of a prompt
    Words(  # its card
        "animagine-xl-3.1",
        _cuts(
            masterpiece=95, best_quality=85, great_quality=75, good_quality=50,
            normal_quality=25, low_quality=10, worst_quality=0,
        ),
        ((2010, "oldest"), *_PERIODS[1:]),
        "newest",
    ),
    Words(  # 4.0: the words of its card, which tells no cuts; these are 3.1's
        "animagine",
        (
            (95, ("masterpiece", "high_score")),
            (85, ("best_quality", "great_score")),
            (50, ("good_score",)),
            (25, ("average_score",)),
            (10, ("low_quality", "bad_score")),
            (0, ("worst_quality", "low_score")),
        ),
        plain_year=True,
    ),
    Words(  # its card, where they stand before all else in a prompt
        "noobai",
        _cuts(
            masterpiece=95, best_quality=85, good_quality=60, normal_quality=30, worst_quality=0
        ),
        _PERIODS,
        "newest",
        plain_year=True,
        place=START,
    ),
)  # fmt: skip
FAMILIES = {row.name: row for row in _ROWS}


def words_of(family: str) -> Words:
    """The words of a family; UsageError for one whose words are not known."""
    found = FAMILIES.get(family) or FAMILIES.get(family.partition("-")[0])
    if found is None:
        raise UsageError(
            f"no quality tags are known of the family {family!r}; {did_you_mean(family, FAMILIES)}"
        )
    return found
