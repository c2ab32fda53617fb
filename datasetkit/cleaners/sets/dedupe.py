"""The ``dedupe`` stage: of pictures that are the same, the best stays and gets what all had."""

import filecmp
import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from datasetkit.bars import BARRED
from datasetkit.cleaners.sets.cropped import part_of
from datasetkit.cleaners.sets.groups import TRIED, Comparing, Groups, Known, grouped
from datasetkit.cleaners.sets.inside import SIDE, Inside, inside, is_print, of_fact, to_fact
from datasetkit.cleaners.sets.sheet import PAGES, PICTURE, Cell, Pages, shown, written
from datasetkit.content import content_print
from datasetkit.errors import PictureError, UsageError, did_you_mean
from datasetkit.likeness import Look, Way, fingerprints
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Record, Tag
from datasetkit.stage import Change, Drop, Note, Progress, Whole, Work, Wrote, opt

FACT = "dedupe"
INSIDE = "inside"  # in it: what lies inside the picture's bars, None where it has none
FETCHED = "likeness"  # the fact of grab: the fingerprint of the file as its site served it
FOLDER = "duplicates"
VARIANTS = ("keep", "drop")
ALSO = ("mirrored", "turned", "cropped")
BARS_END = 0.98  # of a picture's area inside its bars is sure: they end about there
Ranked: TypeAlias = tuple[tuple[float, ...], Known]  # the higher, the better
NAMED = 5  # groups of variants that are named; a sheet shows them all
# What boorus say of a file rather than of the picture: not true of another file of it.
OF_THE_FILE = frozenset(
    """absurdres highres incredibly_absurdres lowres jpeg_artifacts scan_artifacts upscaled
    alpha_transparency transparent_background
    letterboxed pillarboxed windowboxed border black_border white_border""".split()
)


@dataclass(frozen=True)
class Dedupe(Whole):
    """Leave out pictures that are there twice, and keep the best of each.

    Found are copies of a file, and the same picture in another size, format or quality, with up
    to 1 % cut off, or with letterbox bars or a plain border around. Every one that is left out was
    compared with the very picture that stays. That is the largest, bars not counted, and of two
    that are equal but for bars the one without; then a PNG, which lost nothing, then the best
    rated, then the one with the most tags. One that you painted over yourself always stays. It
    gets the tags of all (but for those about a file, such as lowres), their posts, and the
    strictest of their ratings; captions that you edited come first, and what you took out of one
    stays out.

    Variants are kept: the same drawing with another expression, outfit or background, or with
    words on it. --variants drop keeps the best of those, too; their tags are not joined.

    --also mirrored finds pictures that were mirrored left to right, turned those turned by 90,
    180 or 270 degrees, cropped those with a little cut off their edges: up to 3 % nearly always,
    of 5 % about half, and most with --radius 16. --sheet draws the groups into the folder
    duplicates of the dataset, the one that stays first, in place of the sheets of the run before;
    with --dry-run too.
    """

    variants: str = opt("keep", "what becomes of variants: keep, or drop all but the best")
    also: tuple[str, ...] = opt((), "what else counts as the same: mirrored, turned, cropped")
    radius: int = opt(
        8, "bits of 64 in which fingerprints differ at most, to be looked at", ge=0, le=16
    )
    sheet: bool = opt(False, "draw the groups on contact sheets, in the folder duplicates")

    def check(self) -> None:
        """Raise UsageError for a word that is none of the choices."""
        if self.variants not in VARIANTS:
            near = did_you_mean(self.variants, VARIANTS)
            raise UsageError(f"variants may be kept or dropped, not '{self.variants}'; {near}")
        for word in self.also:
            if word not in ALSO:
                raise UsageError(f"nothing is known as '{word}'; {did_you_mean(word, ALSO)}")

    @property
    def heavy(self) -> bool:
        """Sheets are drawn, also where nothing else is done."""
        return self.sheet

    def measure(self, record: Record) -> Record:
        """Return the record with its fingerprints, the same one where they are known."""
        content = content_print(record.picture)
        known = _measured(record, self._ways)
        if known and known.file == content:
            return record
        fetched = self._fetched(record)
        if fetched is not None:
            return record.with_facts(FACT, {"file": content, "looks": fetched, INSIDE: None})
        image = record.picture.glance(SIDE)
        prints = fingerprints(image)
        looks = [f"{prints[way]:016x}" for way in (Way if len(self._ways) > 1 else self._ways)]
        within = inside(image, record.picture.size)
        fact = {"file": content, "looks": looks, INSIDE: to_fact(within) if within else None}
        return record.with_facts(FACT, fact)

    def __call__(self, records: Sequence[Record], folder: Path) -> Iterator[Change | Work]:
        """Find the groups, draw them if asked to, and say of each who stays."""
        ranked = filter(None, (self.known(record, n) for n, record in enumerate(records)))
        groups = yield from self.groups(ranked, records.__getitem__)
        yield from _said(groups, records, self.variants == "keep")
        if self.sheet:
            yield from self._drawn(groups, records, folder)
        for kept, twins in groups.same.items():
            standing, others = records[kept], [records[twin.place] for twin in twins]
            yield Change(standing.key, joined(standing, others))
            for other in others:
                yield Change(other.key, Drop(f"same picture as {standing.key}"))
        if self.variants == "drop":
            for place, better in groups.variants.items():
                yield Change(records[place].key, Drop(f"variant of {records[better].key}"))

    def known(self, record: Record, place: int) -> Ranked | None:
        """What the comparison needs of a measured picture, and its rank; None of a broken one."""
        measured = _measured(record, self._ways)
        if not measured:
            return None
        ways = [number for number, way in enumerate(Way) if way in self._ways]
        looks = tuple(int(measured.looks[way], 16) for way in ways)
        within = measured.inside
        if within:
            within = replace(within, looks=tuple(within.looks[way] for way in ways))
        known = Known(place, measured.file, looks, record.picture.size, within)
        return _rank(record, place, within), known

    def groups(
        self, ranked: Iterable[Ranked], record: Callable[[int], Record | None]
    ) -> Generator[Progress, None, Groups]:
        """Compare pictures; what is the same, and what a variant, is what the generator returns.

        ``record`` gives the one at a place, None where it is gone; only those that look alike are
        decoded.
        """
        best_first = [known for _, known in sorted(ranked, key=lambda pair: pair[0], reverse=True)]
        for found in grouped(best_first, self._comparing(record)):
            if isinstance(found, Groups):
                return found
            if found % 100 == 0:
                yield Progress(found, len(best_first), "compared")
        return Groups()

    @property
    def _ways(self) -> tuple[Way, ...]:
        mirrored, turned = "mirrored" in self.also, "turned" in self.also
        if mirrored and turned:
            return tuple(Way)
        turns = (Way.UPSIDE_DOWN, Way.TURNED_LEFT, Way.TURNED_RIGHT) if turned else ()
        return (Way.UPRIGHT, *((Way.MIRRORED,) if mirrored else ()), *turns)

    def _fetched(self, record: Record) -> list[str] | None:
        """The fingerprint that grab took, if it tells all of a file that is as it was fetched."""
        look = record.facts.get(FETCHED)
        picture, md5 = record.picture, record.origin.md5
        if len(self._ways) > 1 or not is_print(look):
            return None
        if record.facts.get(BARRED) is not False:  # of an older grab nobody knows
            return None
        if not md5 or picture.painted is not None:
            return None
        own = hashlib.md5(picture.content, usedforsecurity=False).hexdigest()
        return [look] if own == md5 else None

    def _comparing(self, record: Callable[[int], Record | None]) -> Comparing:
        def look(place: int) -> Look | None:
            found = record(place)
            return _glanced(found.picture, SIDE) if found else None

        def same_file(one: int, other: int) -> bool:
            first, second = record(one), record(other)
            try:
                if first is None or second is None:
                    return False
                return filecmp.cmp(first.picture.path, second.picture.path, shallow=False)
            except OSError:
                return False

        return Comparing(
            look,
            same_file,
            self.radius,
            tuple(way for way in Way if way in self._ways),
            self.variants == "keep",
            part_of if "cropped" in self.also else None,
        )

    def _drawn(self, groups: Groups, records: Sequence[Record], folder: Path) -> Iterator[Work]:
        """The groups on contact sheets."""
        pages = Pages()
        families = groups.families()
        for number, family in enumerate(families):
            if pages.full:
                left = len(families) - number
                yield Note(f"{PAGES} contact sheets are drawn; {left:,} groups are on none")
                break
            size = sum(1 + len(groups.same.get(place, ())) for place in family)
            pages.add(_cells(family, groups, records, self.variants == "drop"), size)
        if drawn := pages.end():
            paths, fresh = written(drawn, folder / FOLDER)
            yield from (Wrote(path, fresh) for path in paths)


def joined(standing: Record, others: Sequence[Record]) -> Record:
    """The picture that stays, with what the others of it say.

    A caption that a person edited comes first, and what a person took out of one stays out,
    unless it was typed into that of the picture that stays.
    """
    mine = {tag.name for tag in standing.tags if tag.by == (HAND,)}
    gone = frozenset[str]().union(*(other.removed for other in others)) - mine
    became = replace(standing, removed=standing.removed | gone) if gone else standing
    became = became.with_tags(became.tags) if gone - standing.removed else became
    for other in others:
        became = became.joined(other.keep(lambda tag: not _of_its_file(tag)))
    edited = next((record for record in (standing, *others) if _edited(record)), standing)
    if edited is standing:
        return became
    tags = {tag.name: tag for tag in became.tags}
    first = [tags[name] for name in edited.names if name in tags]
    return became.with_tags([*first, *became.tags])


def _of_its_file(tag: Tag) -> bool:
    return tag.name in OF_THE_FILE and tag.by != (HAND,)


def _edited(record: Record) -> bool:
    return bool(record.removed) or any(tag.by == (HAND,) for tag in record.tags)


def _rank(record: Record, place: int, within: Inside | None) -> tuple[float, ...]:
    """The higher, the better; of those that are equal in all, the one that came first."""
    width, height = within.size if within else record.picture.size
    area = width * height * (BARS_END if within else 1)
    score = record.origin.score
    rating = float("-inf") if score is None else score
    painted = HAND in record.facts
    lossless = record.picture.path.suffix.lower() == ".png"
    tags, size = len(record.tags), _bytes(record.picture)
    return painted, area, lossless, rating, tags, size, -place


def _glanced(picture: Picture, side: int) -> Look | None:
    """A picture made small, None if it is broken."""
    try:
        return Look(picture.glance(side), side)
    except (PictureError, OSError):
        return None
    finally:
        picture.forget()  # a dry run holds on to all pictures


def _bytes(picture: Picture) -> int:
    try:
        return picture.path.stat().st_size
    except OSError:
        return 0


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a record's facts tell of its picture's file and looks."""

    file: str
    looks: list[str]
    inside: Inside | None


def _measured(record: Record, ways: Sequence[Way]) -> _Measured | None:
    """What is known of a picture's file and its looks, if all that is asked for is known."""
    fact = record.facts.get(FACT)
    if not isinstance(fact, Mapping):
        return None
    file, looks = fact.get("file"), fact.get("looks")
    if not isinstance(file, str) or not isinstance(looks, list):
        return None
    if INSIDE not in fact:  # of an older dedupe, which did not look for bars
        return None
    if len(looks) < (len(Way) if len(ways) > 1 else 1) or not all(map(is_print, looks)):
        return None
    return _Measured(file, looks, of_fact(fact[INSIDE], record.picture.size))


def _said(groups: Groups, records: Sequence[Record], variants_stay: bool) -> Iterator[Note]:
    """What was found, in sentences."""
    if groups.same:
        ways = Counter(twin.kind for twins in groups.same.values() for twin in twins)
        how = ", ".join(f"{number:,} {kind}" for kind, number in ways.most_common())
        total, stay = sum(ways.values()), len(groups.same)
        which = f"one of the {stay:,} that stay" if stay > 1 else "one that stays"
        yield Note(f"{_pictures(total)} the same as {which}: {how}")
    if groups.unsure:
        few = f"was compared with the {TRIED} nearest only"
        yield Note(f"{_pictures(groups.unsure)} like very many others; each {few}")
    if not groups.variants or not variants_stay:
        return
    families = [family for family in groups.families() if len(family) > 1]
    total = sum(map(len, families))
    yield Note(
        f"{total:,} pictures in {_groups(len(families))} are variants of each other and stay "
        f"(--variants drop leaves out {len(groups.would_go()):,}: "
        "those that are variants of a better one that stays)"
    )
    for family in families[:NAMED]:
        keys = [records[place].key for place in family[: NAMED + 1]]
        more = f" and {len(family) - len(keys):,} more" if len(family) > len(keys) else ""
        yield Note(f"variants: {', '.join(keys)}{more}")
    if len(families) > NAMED:
        yield Note(f"and {_groups(len(families) - NAMED)} more; --sheet draws them")


def _pictures(number: int) -> str:
    return "1 picture is" if number == 1 else f"{number:,} pictures are"


def _groups(number: int) -> str:
    return "1 group" if number == 1 else f"{number:,} groups"


def _cells(
    family: Sequence[int], groups: Groups, records: Sequence[Record], variants_go: bool
) -> Iterator[Cell]:
    """A family on a sheet: each picture that stays, and then those that are the same."""
    for number, place in enumerate(family):
        goes = bool(number) and variants_go
        why = "variant, left out" if goes else "variant, stays" if number else "stays"
        yield _cell(records[place], why, stays=not goes)
        for twin in groups.same.get(place, ()):
            yield _cell(records[twin.place], twin.how, stays=False)


def _cell(record: Record, why: str, *, stays: bool) -> Cell:
    look = _glanced(record.picture, PICTURE)
    picture = look.image if look else None
    width, height = record.picture.size
    kilobytes = -(-_bytes(record.picture) // 1000)
    return Cell(picture, (shown(record.key), f"{width}x{height}, {kilobytes:,} KB", why), stays)
