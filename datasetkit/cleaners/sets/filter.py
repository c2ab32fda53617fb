"""The ``filter`` stage: leaves out the pictures that a set should not teach from, and says why."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from datasetkit.bounds import Bound, bound_of
from datasetkit.cleaners.sets.measured import FOUND, MEASURES, check_detector, facts_of, measured
from datasetkit.cleaners.sets.variety import edited
from datasetkit.cleaners.tags.missing import is_of_known_words
from datasetkit.cleaners.tags.rules.patterns import Patterns
from datasetkit.errors import UsageError, did_you_mean
from datasetkit.record import Record, Tag
from datasetkit.stage import Change, Drop, Note, Whole, Work, opt
from datasetkit.tags import matches, to_caption
from datasetkit.unmet import in_vain
from datasetkit.where import KINDS, from_glob, where

NONE = "none"
# What a set does without, in words of Danbooru. A character: pages and sheets that show them many
# times, pictures without their colours or their looks, and what is no drawing of them. A style:
# what is not the artist's, or not as the artist left it.
SETS: Mapping[str, tuple[str, ...]] = {
    "character": tuple(
        """comic 2koma 3koma 4koma 5koma 6koma multiple_views character_sheet reference_sheet
        model_sheet expression_chart monochrome greyscale chibi no_humans genderswap* aged_up
        aged_down pixel_art photo_(medium) cosplay_photo ai-generated""".split()
    ),
    "style": tuple(
        """comic 2koma 3koma 4koma 5koma 6koma photo_(medium) cosplay_photo screencap
        third-party_edit ai-generated ai-assisted collaboration lowres upscaled jpeg_artifacts
        scan_artifacts""".split()
    ),
    NONE: (),
}
NO_HUMANS = "no_humans"  # on most of a set, it is what the set is of: an animal, a machine
_COUNT = re.compile(r"([1-9])\+?(girl|boy|other)s?")
_MULTIPLE = {"multiple_girls": "girl", "multiple_boys": "boy", "multiple_others": "other"}
_TOGETHER = {"duo": 2, "trio": 3, "group": 3}  # in words of e621


class Fault(NamedTuple):
    """Why a picture is left out: in words that many share, and in full."""

    kind: str
    reason: str
    by_tags: bool = False


@dataclass(frozen=True)
class Filter(Whole):
    """Leave out pictures by tags, size, blur, JPEG damage or faces, each with its reason.

    By its tags, a set for a character does without comics, sheets and multiple views, monochrome,
    chibi, pictures without people (but where most of the set are), other ages and sexes of the
    character, pixel art, photos, and pictures with more than one person (unless they have
    solo_focus). --set style leaves out comics, photos and what is not as the artist left it; --set
    none nothing. --without adds tags, --keep takes tags out of the list (2girls lets pairs stay),
    and --only "solo and score:>=5" says what all must fulfil. A run says what it goes by, with
    --dry-run too.

    Pixels are looked at only where an option asks for it, and what was measured is remembered.
    --sharpness 30 leaves out blurred and enlarged pictures (100 is as drawn; a blur of 1 pixel has
    40, of 2 pixels 16, both at a megapixel; enlarged 4 times 20). --jpeg-quality 50 goes by the
    number at which a JPEG file was saved, --jpeg-damage 50 by how far its blocks show, which finds
    old damage in files that were saved anew (50 is what quality 50 does). --uniform 0.98 leaves out
    blank pages: pictures of which more than that is one plain colour. With a --detector, --faces
    1..1 and --persons 1..2 count what it finds.

    --most "sitting=20, artist:*=15" keeps at most so many pictures with a tag, for a glob with
    each tag that it means: those that you edited, then the best rated, then the largest.
    """

    set: str = opt(
        "character", "what the set is for, by which tags are left out: character, style, none"
    )
    without: tuple[str, ...] = opt((), "more tags whose pictures are left out: names, or globs")
    keep: tuple[str, ...] = opt((), "tags that leave no picture out: names, or globs")
    only: str = opt("", "leave out all for which this does not hold: solo and score:>=5")
    people: str = opt("", "how many the tags may count: 1, 1..2, >=1 (default: 1 for a character)")
    min_side: int = opt(0, "the shortest side that stays, in pixels; 0 for any", ge=0)
    max_ratio: float = opt(0.0, "the longest shape that stays, long to short side; 0 for any", ge=0)
    sharpness: float = opt(
        0.0, "the least sharpness, 0 to 100; 30 leaves out what is blurred", ge=0, le=100
    )
    jpeg_quality: int = opt(
        0, "the least quality at which a JPEG was saved, 1 to 100; 0 for any", ge=0, le=100
    )
    jpeg_damage: float = opt(
        0.0, "the most that JPEG's blocks may show, 1 to 100; 0 for any", ge=0, le=100
    )
    uniform: float = opt(
        0.0, "the most of a picture that may be one colour, 0.98; 0 for any", ge=0, le=1
    )
    most: tuple[str, ...] = opt((), "at most so many pictures with a tag: sitting=20, artist:*=15")
    detector: str = opt("", "an ONNX detector of faces or persons (YOLOv8's form), or its folder")
    faces: str = opt("", "how many faces the detector may find: 1..1, >=1")
    persons: str = opt("", "how many persons the detector may find: 1..1, >=1")

    def check(self) -> None:
        """Raise for words, numbers and filters that are none, and for a detector that is none."""
        if self.set not in SETS:
            raise UsageError(f"set {self.set!r} is unknown; {did_you_mean(self.set, SETS)}")
        where(self.only)
        _ = self._bounds, self._most
        if asked := [name for name in FOUND if getattr(self, name)]:
            if not self.detector:
                raise UsageError(f"{asked[0]} are counted by a model: --detector FILE names one")
            check_detector(self.detector, asked)
        elif self.detector:
            raise UsageError("a detector counts for --faces or --persons; give one of them")

    @property
    def heavy(self) -> bool:
        """A detector is a model."""
        return bool(self.detector)

    def plan(self) -> str:
        """Say by which tags pictures will be left out, and what else was asked for."""
        others = super().plan()
        return "; ".join(filter(None, (self._by_tags(), others)))

    def measure(self, record: Record) -> Record:
        """Return the record with what the options ask for, the same one where all is known.

        Nothing is measured of a picture that its tags or its size leave out.
        """
        if self._plain_fault(record, self._unwanted_anyhow):
            return record
        return measured(record, self._asked, self.detector)

    def __call__(self, records: Sequence[Record], folder: Path) -> Iterator[Change | Work]:
        """Say by what it goes; then leave out what does not pass, and what is too much of a tag.

        Nothing is where --only speaks of what is not there: a name misspelt would empty the set.
        """
        if doubt := in_vain(self.only, records, "nothing is left out", is_of_known_words):
            yield Note(doubt, warning=True)
            return
        without = sum(record.has(NO_HUMANS) for record in records)
        most = without * 2 > len(records)
        unwanted = self._unwanted_anyhow if most else self._unwanted
        if rule := self._by_tags(NO_HUMANS if most else ""):
            yield Note(rule)
        kinds: Counter[str] = Counter()
        by_tags = untagged = total = 0
        ranked: list[tuple[tuple[float, ...], str, list[tuple[int, str]]]] = []
        for place, record in enumerate(records):
            total += 1
            untagged += not record.tags
            if fault := self._fault(record, unwanted):
                kinds[fault.kind] += 1
                by_tags += fault.by_tags
                yield Change(record.key, Drop(fault.reason))
            elif limited := self._limited(record):
                ranked.append((_rank(record, place), record.key, limited))
        for key, fault in self._too_many(ranked):
            kinds[fault.kind] += 1
            yield Change(key, Drop(fault.reason))
        yield from self._told(kinds, total, untagged)
        if by_tags * 2 > total:
            yield _MORE_THAN_HALF

    def _fault(self, record: Record, unwanted: "_Unwanted") -> Fault | None:
        """Why a picture is left out, the reason that is cheapest to see first; None if it stays."""
        if fault := self._plain_fault(record, unwanted):
            return fault
        if self.only and not where(self.only)(record):
            return Fault(f"not {self.only}", f"not {self.only}")
        return self._measured_fault(record)

    def _plain_fault(self, record: Record, unwanted: "_Unwanted") -> Fault | None:
        """Why a picture is left out by its tags or its size, which are known without a look."""
        if name := next((tag.name for tag in record.tags if unwanted(tag)), ""):
            kind = f"tagged {to_caption(name)}"
            return Fault(kind, kind, by_tags=True)
        number = people(record)
        if number is not None and self._too_crowded(record, number):
            if not self.people:
                return Fault("with more than one person", f"{number} people by its tags", True)
            reason = f"{number} people by its tags, not {self.people}"
            return Fault("with another number of people", reason)
        width, height = record.picture.size
        if min(width, height) < self.min_side:
            return Fault("small", f"small: {width}x{height}, {self.min_side} is the least side")
        if self.max_ratio and max(width, height) > self.max_ratio * min(width, height) * 1.0001:
            ratio = max(width, height) / min(width, height)
            return Fault("long", f"long: {ratio:.1f}:1 > {self.max_ratio:g}:1")
        return None

    def _measured_fault(self, record: Record) -> Fault | None:
        """Why a picture is left out by what was measured of it."""
        facts = facts_of(record)
        for name, kind, least, value in (
            ("uniform", "nearly one colour", False, self.uniform),
            ("sharpness", "blurred", True, self.sharpness),
            ("jpeg_quality", "saved as a poor JPEG", True, self.jpeg_quality),
            ("jpeg_damage", "damaged by JPEG", False, self.jpeg_damage),
        ):
            told = facts.get(name)
            if not value or not isinstance(told, int | float):
                continue
            if told < value if least else told > value:
                sign, word = "<" if least else ">", name.replace("_", " ")
                return Fault(kind, f"{kind}: {word} {told:g} {sign} {value:g}")
        for name in FOUND:
            bound, told = self._bounds.get(name), facts.get(name)
            if bound and isinstance(told, int) and not bound.holds(told):
                return Fault(
                    f"with another number of {name}", f"{told} {name} found, not {bound.raw}"
                )
        return None

    def _too_crowded(self, record: Record, number: int) -> bool:
        if bound := self._bounds.get("people"):
            return not bound.holds(number)
        if self.set != "character" or number <= 1 or record.has("solo_focus"):
            return False
        return not any(self._keep.means(t.name, t.kind) for t in record.tags if _counts(t.name))

    def _limited(self, record: Record) -> list[tuple[int, str]]:
        """Which of the limits of --most a picture counts for: the limit's place, and the tag."""
        return [
            (place, tag.name)
            for place, (kind, pattern, _) in enumerate(self._most)
            for tag in record.tags
            if (not kind or tag.kind == kind) and matches(tag.name.lower(), pattern)
        ]

    def _too_many(
        self, ranked: list[tuple[tuple[float, ...], str, list[tuple[int, str]]]]
    ) -> Iterator[tuple[str, Fault]]:
        """Those beyond the limits of --most, when the best are taken first."""
        taken: Counter[tuple[int, str]] = Counter()
        for _, key, limited in sorted(ranked, key=lambda item: item[0], reverse=True):
            full = next((one for one in limited if taken[one] >= self._most[one[0]][2]), None)
            if full:
                kind = f"more than {self._most[full[0]][2]} with {to_caption(full[1])}"
                yield key, Fault(kind, kind)
            else:
                taken.update(limited)

    def _told(self, kinds: Counter[str], total: int, untagged: int) -> Iterator[Work]:
        left_out = kinds.total()
        if left_out:
            reasons = [f"{count:,} {kind}" for kind, count in kinds.most_common()]
            yield Note(f"{left_out:,} of {total:,} do not pass: {', '.join(reasons)}")
        if untagged and (self._unwanted.any or self._counts):
            yield Note(
                f"{untagged:,} of {total:,} have no tags and passed unseen by them "
                "(dsk tag adds tags)",
                warning=True,
            )

    def _by_tags(self, but: str = "") -> str:
        """By which tags pictures are left out, in a sentence; "" if by none."""
        of_the_set = [name for name in SETS.get(self.set, ()) if name != but]
        names = [to_caption(name) for name in (*of_the_set, *self.without)]
        names = [name for name in dict.fromkeys(names) if name.replace(" ", "_") not in self._keep]
        if self.people:
            names.append(f"other than {self.people} people")
        elif self.set == "character":
            names.append("more than one person without solo focus")
        return f"left out, for {_A[self.set]}: {', '.join(names)}" if names else ""

    @property
    def _counts(self) -> bool:
        return bool(self.people) or self.set == "character"

    @property
    def _asked(self) -> list[str]:
        """What has to be known of the pixels."""
        names = [name for name in (*MEASURES, *FOUND) if getattr(self, name)]
        told = [name for name in MEASURES if re.search(rf"\b{name}:", self.only)]
        return list(dict.fromkeys((*names, *told)))

    @cached_property
    def _keep(self) -> Patterns:
        return Patterns(self.keep)

    @cached_property
    def _unwanted(self) -> "_Unwanted":
        return _Unwanted(SETS[self.set], self.without, self._keep)

    @cached_property
    def _unwanted_anyhow(self) -> "_Unwanted":
        """The same where most of the set shows no people, which is only seen with all read."""
        of_the_set = [name for name in SETS[self.set] if name != NO_HUMANS]
        return _Unwanted(of_the_set, self.without, self._keep)

    @cached_property
    def _bounds(self) -> dict[str, Bound]:
        given = {name: getattr(self, name) for name in ("people", *FOUND)}
        return {name: bound_of(name, value) for name, value in given.items() if value}

    @cached_property
    def _most(self) -> list[tuple[str, str, int]]:
        """The limits of --most: a kind or "", a name or glob, how many stay."""
        found = []
        for text in self.most:
            name, there, number = text.rpartition("=")
            kind, colon, rest = name.strip().partition(":")
            kind, name = (kind, rest) if colon and kind in KINDS else ("", name.strip())
            if not (there and name and number.strip().isdecimal()):
                raise UsageError(f"most {text!r} is not TAG=NUMBER, such as sitting=20")
            found.append((kind, from_glob(name).lower(), int(number)))
        return found


class _Unwanted:
    """Says of a tag whether it leaves pictures out; each is looked at once.

    What a set does without is never an artist or a character that is called alike.
    """

    def __init__(self, of_the_set: Sequence[str], without: Sequence[str], keep: Patterns) -> None:
        self.any = bool(of_the_set or without)
        self._of_the_set, self._without = Patterns(of_the_set), Patterns(without)
        self._keep = keep
        self._seen: dict[tuple[str, str], bool] = {}

    def __call__(self, tag: Tag) -> bool:
        name, kind = tag.name, tag.kind
        known = self._seen.get((name, kind))
        if known is None:
            known = kind in {"general", "meta"} and name in self._of_the_set
            known = known or self._without.means(name, kind)
            known = self._seen[name, kind] = known and not self._keep.means(name, kind)
        return known


_MORE_THAN_HALF = Note(
    "the tags leave out more than half; if such pictures are what the set is for, --keep TAGS, "
    "--people or --set none let them stay",
    warning=True,
)
_A = {"character": "a character", "style": "a style", NONE: "this set"}


def people(record: Record) -> int | None:
    """How many people a picture's tags count, at least; None where they do not say."""
    counts: dict[str, int] = {}
    for tag in record.tags:
        if tag.name == "solo":
            return 1
        if tag.name == "no_humans":
            return 0
        if found := _COUNT.fullmatch(tag.name):
            counts[found[2]] = max(counts.get(found[2], 0), int(found[1]))
        elif kind := _MULTIPLE.get(tag.name):
            counts[kind] = max(counts.get(kind, 0), 2)
    together = max((_TOGETHER.get(tag.name, 0) for tag in record.tags), default=0)
    return max(sum(counts.values()), together) or None


def _counts(name: str) -> bool:
    return bool(_COUNT.fullmatch(name)) or name in _MULTIPLE or name in _TOGETHER


def _rank(record: Record, place: int) -> tuple[float, ...]:
    """The higher, the sooner a picture is taken."""
    score = record.origin.score
    width, height = record.picture.size
    return edited(record), float("-inf") if score is None else score, width * height, -place
