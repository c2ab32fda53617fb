"""The ``pick`` stage: the pictures that show the most that is different, and what the set lacks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from datasetkit.cleaners.sets.variety import (
    COMPOSITION,
    FRONT,
    GROUPS,
    PLAIN,
    UNTOLD,
    Variety,
    told_words,
)
from datasetkit.errors import UsageError, did_you_mean
from datasetkit.record import Record
from datasetkit.stage import Change, Drop, Note, Progress, Whole, Work, opt
from datasetkit.tags import to_caption

OVER = (*GROUPS, COMPOSITION)
TOP = 5  # garments and artists that are named
FEW_TAGS = 8  # in the middle of the set: fewer tell too little to go by
FEW = 10  # pictures, below which a lack says nothing
TOLD = 0.25  # of the pictures must say something of a group, for its lack to be one
MOSTLY, ONE_SIDED = 0.6, 0.8  # the share from which a thing is said to stand out; to be the rule
ARTIST = 0.4
# What the model should have seen, by group: said where none, or hardly any, show it.
WANTED: Mapping[str, Mapping[str, str]] = {
    "view": {"from the side": "from_side", "from behind": "from_behind"},
    "framing": {
        "close-up": "portrait, close-up",
        "upper body": "upper_body",
        "full body": "full_body",
    },
    "pose": {"standing": "standing", "sitting": "sitting"},
}
_WHAT = {
    "from the side": "view from the side",
    "from behind": "view from behind",
    "standing": "standing pose",
    "sitting": "sitting pose",
}


@dataclass(frozen=True)
class Pick(Whole):
    """Say what the set shows and what it lacks; with --count, keep the most varied pictures.

    Without --count nothing is changed: a line for each of view, framing, pose, expression, gaze,
    background, outfit and artist tells how many pictures show what, by their tags, and a last one
    what is missing or too much: no view from behind, 48 of 61 with a plain background, 70 % by one
    artist.

    With --count 60 so many stay: those that together differ the most in these, in their scenes and
    in how they look (by the fingerprints of grab and dedupe, if there are any). A thing that many
    pictures show already counts for little, one that few show for much; of two that would add
    alike one that you edited is taken, else the better rated. The rest is left out, and dsk undo
    brings it back. --over "view, background" goes by these alone.
    """

    count: int = opt(0, "how many pictures stay; 0 leaves all and only tells", ge=0)
    over: tuple[str, ...] = opt(
        (), f"in what they are to differ (default: in all): {', '.join(OVER)}"
    )

    def check(self) -> None:
        """Raise UsageError for a word of --over that is none."""
        for word in self.over:
            if word not in OVER:
                raise UsageError(f"over {word!r} is unknown; {did_you_mean(word, OVER)}")

    def __call__(self, records: Sequence[Record], folder: Path) -> Iterator[Change | Work]:
        """Read all, choose, tell, and leave out the others."""
        variety, total = Variety(), len(records)
        keys = []
        for record in records:
            variety.add(record)
            keys.append(record.key)
            if len(keys) % 1000 == 0:
                yield Progress(len(keys), total, "read")
        if not total:
            return
        chosen = list(range(total))
        if 0 < self.count < total:
            chosen = []
            for place in variety.chosen(self.count, self.over):
                chosen.append(place)
                if len(chosen) % 100 == 0:
                    yield Progress(len(chosen), self.count, "picked")
        elif self.count:
            yield Note(f"all {total:,} stay: there are no more than {self.count:,}")
        picked = variety.counts(chosen)
        yield from _table(picked, variety.counts(), len(chosen), total)
        yield from _verdict(picked, len(chosen), median(variety.tags[place] for place in chosen))
        staying = set(chosen)
        for place, key in enumerate(keys):
            if place not in staying:
                yield Change(key, Drop(f"not among the {self.count:,} picked"))


Counts = Mapping[str, Mapping[str, int]]


def _table(picked: Counts, before: Counts, number: int, total: int) -> Iterator[Note]:
    """A line a group: its words, each with its pictures, and of how many where some go."""
    some = number < total
    yield Note(
        f"{number:,} picked of {total:,}; of each thing how many were picked, of how many there are"
        if some
        else f"what {number:,} picture{'s' * (number != 1)} show"
    )
    width = max(map(len, _SHOWN))
    for group in _SHOWN:
        words = words_told(group, picked[group], before[group])
        if not words:
            continue
        parts = []
        for word in words:
            mine, all_ = picked[group].get(word, 0), before[group].get(word, 0)
            parts.append(f"{to_caption(word)} {mine:,}" + (f"/{all_:,}" if some else ""))
        more = len(set(picked[group]) - {UNTOLD}) - len(words) if group in _NAMED else 0
        tail = f", and {more:,} more" if more > 0 else ""
        yield Note(f"{group:>{width}}  {', '.join(parts)}{tail}")


_NAMED = ("outfit", "artist", "character")  # whose words are names, the commonest of which are told
_SHOWN = (*(group for group in GROUPS if group != "scene" and group not in _NAMED), *_NAMED)


def words_told(group: str, picked: Mapping[str, int], before: Mapping[str, int]) -> list[str]:
    """The words of a group that are told, in their order."""
    if group in _NAMED:
        names = sorted(set(picked) - {UNTOLD}, key=lambda word: (-picked[word], word))
        return names[:TOP]
    listed = [FRONT, *told_words(group)] if group == "view" else list(told_words(group))
    listed += sorted(set(before) - {*listed, UNTOLD})
    words = [word for word in listed if word in before or word in WANTED.get(group, ())]
    if not any(word in before for word in words):
        return []
    return words + [UNTOLD] * (UNTOLD in before)


def _verdict(picked: Counts, number: int, tags: float) -> Iterator[Note]:
    """What is missing, and what is too much."""
    if number < FEW:
        yield Note(f"{number} pictures are too few to say what they lack", warning=True)
        return
    if tags < FEW_TAGS:
        yield Note(
            f"half of the captions have {tags:g} tags or fewer; what they do not say cannot be "
            "weighed (dsk tag adds what taggers see)",
            warning=True,
        )
    if lacking := lacks(picked, number):
        yield Note(f"what a model would miss: {'; '.join(lacking)}", warning=True)
    else:
        yield Note("no view, framing or pose is missing, and nothing stands out too much")


def lacks(picked: Counts, number: int) -> list[str]:
    """What a model would miss in so many pictures, and what there is too much of, in few words."""
    return [*_missing(picked, number), *_too_much(picked, number)]


def _missing(picked: Counts, number: int) -> Iterator[str]:
    untold = []
    for group, wanted in WANTED.items():
        words = picked[group]
        if group != "view" and number - words.get(UNTOLD, 0) < TOLD * number:
            untold.append(group)
            continue
        for word, tags in wanted.items():
            there, what = words.get(word, 0), _WHAT.get(word, word)
            if not there:
                yield f"no {what} ({tags})"
            elif there * 30 <= number:
                yield f"only {there} {what}"
    if untold:
        yield f"most captions do not tell the {' and the '.join(untold)}"


def _too_much(picked: Counts, number: int) -> Iterator[str]:
    plain = picked["background"].get(PLAIN, 0)
    if plain >= MOSTLY * number:
        yield f"{_of(plain, number)} have a plain background"
    smiling = picked["expression"].get("smiling", 0)
    if smiling >= ONE_SIDED * number:
        yield f"{_of(smiling, number)} smile"
    garment, worn = _commonest(picked["outfit"])
    if worn >= ONE_SIDED * number:
        yield f"{_of(worn, number)} wear the same ({to_caption(garment)})"
    artist, by = _commonest(picked["artist"])
    if by >= ARTIST * number:
        share = "all" if by == number else f"{by / number:.0%}".replace("%", " %")
        yield f"{share} by one artist ({to_caption(artist)})"


def _of(some: int, number: int) -> str:
    return f"all {number:,}" if some == number else f"{some:,} of {number:,}"


def _commonest(words: Mapping[str, int]) -> tuple[str, int]:
    told = {word: count for word, count in words.items() if word != UNTOLD}
    return min(told.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
