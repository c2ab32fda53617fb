"""Tags that tell nothing because all pictures have them, and those that look like a slip."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from datasetkit.cleaners.sets.variety import words_of
from datasetkit.cleaners.tags.core import HEADS
from datasetkit.cleaners.tags.rules.words import BY_HAND, watched
from datasetkit.cleaners.tags.traits import clothing, trait
from datasetkit.inspectors.findings.finding import LOOK, Finding, listed
from datasetkit.inspectors.findings.seen import Seen
from datasetkit.inspectors.findings.trigger import HOW, Word
from datasetkit.record import HAND, Record
from datasetkit.tags import from_caption, to_caption

FEW = 10  # pictures, below which a tag on all of them says nothing
NEARLY = 0.95  # of the pictures, which is as good as all
OFTEN = 3  # pictures that a tag stands on, to be what another one was meant to be
SELDOM = 3  # pictures that a slip stands on at most
MANY = 10  # times as many the other one stands on, where a slip is on several, or it is short
_LEAST = 6  # letters of a name, to be a slip of another
_SHORT = 5  # letters of a name that a letter typed twice, or two exchanged, make another
_TYPED = frozenset({HAND, "folder"})  # by people; sites and models have no slips of the pen
# The head of a caption, what a set is of, and how many people there are: they may stand on all.
_EXPECTED = frozenset({"trigger", "character", "copyright", "species", "quality", "outfit"})
_COUNT = re.compile(r"(?:\d+\+?|multiple_)(?:girl|boy|other)s?|solo|duo|trio|group|no_humans")


class Tags:
    """Counts tags; ``word`` is the trigger that captions are to have."""

    def __init__(self, word: Word) -> None:
        self._word = word
        self._headed = False  # whether there is what takes a dropped tag in
        self._loose: set[str] = set()  # names that `dsk core` may drop, on some picture
        self._total = 0
        self._counts: Counter[str] = Counter()
        self._kinds: dict[str, str] = {}
        self._typed: dict[str, list[str]] = {}  # names that people alone said, and their pictures
        self._removed: dict[str, frozenset[str]] = {}

    def add(self, record: Record, seen: Seen) -> None:
        """Take a picture's tags in."""
        self._total += 1
        for tag in record.tags:
            name = tag.name
            self._counts[name] += 1
            self._kinds.setdefault(name, tag.kind)
            self._headed |= tag.kind in HEADS
            if tag.by != BY_HAND and not watched(name):
                self._loose.add(name)
            seldom = len(self._typed.get(name, ())) + 1 == self._counts[name] <= SELDOM
            if seldom and tag.kind == "general" and _TYPED.issuperset(tag.by):
                self._typed.setdefault(name, []).append(record.key)
                if record.removed:
                    self._removed[name] = self._removed.get(name, frozenset()) | record.removed
            else:
                self._typed.pop(name, None)

    @property
    def different(self) -> int:
        """How many different tags there are."""
        return len(self._counts)

    @property
    def single(self) -> int:
        """How many of them stand on one picture only."""
        return sum(number == 1 for number in self._counts.values())

    def findings(self) -> Iterator[Finding]:
        """What was found."""
        if self._total >= FEW:
            yield from self._everywhere()
        yield from self._slips()

    def _everywhere(self) -> Iterator[Finding]:
        own, empty = [], []
        for name, number in self._counts.items():
            if number < NEARLY * self._total or from_caption(name) in self._word.names:
                continue
            kind = self._kinds[name]
            if kind in _EXPECTED or _COUNT.fullmatch(name):
                continue
            if trait(name) or clothing(name):
                own.append(name)
            elif kind in {"meta", "artist"} or _says_nothing(name, kind):
                empty.append(name)
        if own:
            yield self._always_so(own)
        if empty:
            tell = "tells" if len(empty) == 1 else "tell"
            text = f"{self._standing(empty)} and {tell} none from another"
            mend = ("clean", "--only", "--drop", ",".join(empty))
            yield Finding(LOOK, "on every picture", text, mend=mend)

    def _always_so(self, own: list[str]) -> Finding:
        """What the trigger is to take in, as far as `dsk core` would do so."""
        text = (
            f"{self._standing(own)}: what is always so is the trigger's to learn, and while a tag "
            "names it the trigger does not"
        )
        loose = [name for name in own if name in self._loose]
        also = [name for name in loose if not trait(name)]
        mend: tuple[str, ...] = ("core", "--drop", *(("--also", ",".join(also)) if also else ()))
        if not loose:
            text += "; typed by hand, so a stage leaves it as it is"
            mend = ()
        elif not self._headed:
            word = self._word.text
            mend = ("clean", "--only", "--first", word) if word else ()
            if word:
                text += f"; no caption has a trigger yet: {word!r} is to become it first"
            else:
                text += f"; no caption has a trigger yet: {HOW} puts one there"
            text += ", then dsk core --drop takes these tags out"
        return Finding(LOOK, "always so", text, mend=mend)

    def _standing(self, names: list[str]) -> str:
        """Say on how many pictures these stand, which are all or nearly all."""
        told, total = [], self._total
        for name in names:
            less = self._counts[name] < total
            told.append(repr(to_caption(name)) + f" ({self._counts[name]:,} of {total:,})" * less)
        nearly = any(self._counts[name] < total for name in names)
        verb = "stands" if len(names) == 1 else "stand"
        return f"{listed(told)} {verb} on {'nearly ' * nearly}every picture"

    def _slips(self) -> Iterator[Finding]:
        """Names that people typed seldom and that are another's but for a slip."""
        common = {name: bare for name, n in self._counts.items() if n >= OFTEN
                  and (bare := _bare(name))}  # fmt: skip
        whole = {bare: name for name, bare in common.items()}
        lacking = {less: name for name, bare in common.items() for less in _shorter(bare)}
        short = {bare: name for name, n in self._counts.items() if n >= MANY
                 and len(bare := _bare(name, _SHORT)) == _SHORT}  # fmt: skip
        for name, keys in self._typed.items():
            bare, number = _bare(name), self._counts[name]
            if '"' in name:
                continue
            near = (whole.get(form) for form in (bare, *_exchanged(bare), *_shorter(bare)))
            meant = next(filter(None, near), None) or lacking.get(bare, "") if bare else ""
            if not meant:
                bare = _bare(name, _SHORT)
                near = (short.get(form) for form in (*_exchanged(bare), *_undoubled(bare)))
                meant = next(filter(None, near), "")
            least = OFTEN if number == 1 else MANY * number
            if not meant or meant in self._removed.get(name, ()) or self._counts[meant] < least:
                continue
            only = "one picture" if number == 1 else f"{number} pictures"
            text = (
                f"{to_caption(name)!r} stands on {only} only, beside {to_caption(meant)!r} on "
                f"{self._counts[meant]:,}"
            )
            mend = ("clean", "--only", "--where", f'"{name}"', "--drop", name, "--add", meant)
            yield Finding(LOOK, "misspelt", text, tuple(keys), mend)


def _says_nothing(name: str, kind: str) -> bool:
    """Say whether a tag is of no view, framing, pose, face or ground, which a model has to know."""
    return all(group in {"scene", "artist"} for group, _ in words_of(name, kind))


def _bare(name: str, least: int = _LEAST) -> str:
    """A name's letters alone; "" where a slip of one would make another word."""
    letters = "".join(sign for sign in name.lower() if sign.isalnum())
    return letters if len(letters) >= least and not re.search(r"\d", letters) else ""


def _shorter(letters: str) -> Iterator[str]:
    """The letters less one of them, at each place."""
    return (letters[:place] + letters[place + 1 :] for place in range(len(letters)))


def _undoubled(letters: str) -> Iterator[str]:
    """The letters less one of two that stand side by side and are the same."""
    for place, (one, other) in enumerate(pairwise(letters)):
        if one == other:
            yield letters[:place] + letters[place + 1 :]


def _exchanged(letters: str) -> Iterator[str]:
    """The letters with two neighbours exchanged, at each place."""
    for place, (one, other) in enumerate(pairwise(letters)):
        if one != other:
            yield letters[:place] + other + one + letters[place + 2 :]
