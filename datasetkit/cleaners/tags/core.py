"""The ``core`` stage: which tags are the character's own, and which clothes go together."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from datasetkit import safety
from datasetkit.cleaners.tags.outfits import Outfit, outfits, worn_on
from datasetkit.cleaners.tags.rules.dropped import dropped_in, dropping
from datasetkit.cleaners.tags.rules.implied import BUILT_IN
from datasetkit.cleaners.tags.rules.order import place_for
from datasetkit.cleaners.tags.rules.patterns import Patterns
from datasetkit.cleaners.tags.rules.words import BY_HAND, watched
from datasetkit.cleaners.tags.traits import BODY, clothing, telling, trait
from datasetkit.errors import UsageError, did_you_mean
from datasetkit.record import Record, Tag
from datasetkit.stage import Change, Note, Whole, Work, opt
from datasetkit.tags import from_caption, to_caption

FACT = "core"  # what was dropped is remembered under it, and counted the next time too
OUTFIT = "outfit"  # the kind of the tags that name outfits
HOW = ("report", "tag", "no")
HEADS = frozenset({"trigger", "character"})  # what takes a dropped tag in
ROWS = 40  # lines of the table
FEW = 5  # pictures, below which a share says nothing
_PROPER = frozenset({"general", "species"})


@dataclass(frozen=True)
class _Seen:
    """What there is on the pictures of a set, and what was taken off."""

    counts: Counter[str] = field(default_factory=Counter)  # on how many a tag stands, or stood
    leaders: Counter[str] = field(default_factory=Counter)  # who leads the captions
    wardrobe: list[frozenset[str]] = field(default_factory=list)  # what is worn on each
    going: set[str] = field(default_factory=set)  # tags that stand and may be dropped
    went: set[str] = field(default_factory=set)  # tags that were
    names: set[str] = field(default_factory=set)  # of all kinds


@dataclass(frozen=True)
class Core(Whole):
    """Show which tags are the character's own (hair, eyes, ears), and drop them on demand.

    A trigger word takes in what the captions do not say. So the tags of the character itself are
    dropped from them, and those of pose, expression, clothes and background stay. A tag counts as
    its own if a rule knows it as a trait of the body and it stands on --share of the pictures, or
    as a thing worn (ribbon, hat, glasses) and it stands on --worn of them. What is dropped is
    remembered, so that pictures that come later lose the same tags and `dsk tag` brings none back;
    what you type again, or name by --keep, is forgotten there.

    Without --drop nothing is changed: a table shows each trait, on how many pictures it stands,
    the rule, and what would become of it. What you typed yourself always stays, and so do the tags
    of pictures that have no trigger and no character's tag (dsk clean --first adds one). In a set
    with several people, --where solo looks at the pictures that show one alone.

    Clothes that are worn together are told as outfits. --outfits tag gives each picture its
    outfit's name behind the head, such as "shimakaze school uniform", by which it can be asked
    for; --name-outfits "school uniform=winter clothes" gives another.
    """

    drop: bool = opt(False, "drop the character's own tags, so that the trigger takes them in")
    share: float = opt(
        0.4, "the share of pictures that makes a trait of the body its own", ge=0, le=1
    )
    worn: float = opt(0.7, "the share of pictures that makes a thing worn its own", ge=0, le=1)
    also: tuple[str, ...] = opt((), "tags that are the character's own too: names, or globs")
    keep: tuple[str, ...] = opt((), "tags that stay whatever says otherwise: names, or globs")
    outfits: str = opt("report", "clothes worn together: report them, tag each picture, or no")
    name_outfits: tuple[str, ...] = opt((), "names for outfits, by a tag of each: tag=name")

    def check(self) -> None:
        """Raise for options that are no such, and for a name that is refused."""
        if self.outfits not in HOW:
            raise UsageError(
                f"outfits: there is no {self.outfits!r}; {did_you_mean(self.outfits, HOW)}"
            )
        for name in self._names.values():
            safety.check_prompt(to_caption(name))

    def __call__(self, records: Sequence[Record], folder: Path) -> Iterator[Change | Work]:
        """Count, tell, and yield what changes."""
        total = len(records)
        if not total:
            return
        seen = self._seen(records)
        counts = seen.counts
        core = self._core(counts, total)
        for option, names in (("keep", self._keep), ("also", self._also)):
            for name in names.missing(seen.names):
                yield Note(f"--{option}: no picture has {name}", warning=True)
        yield from self._table(seen, core, total)
        found: list[Outfit] = []
        if self.outfits != "no":
            # What is always worn tells no outfit from another.
            always = {name for name, count in counts.items() if count >= self.worn * total}
            for own in (always.union(core), set(core)):
                found = found or outfits(
                    [w - own for w in seen.wardrobe], max(3, round(total / 20))
                )
        who = seen.leaders.most_common(1)[0][0] if seen.leaders else ""
        named = {outfit: self._name(outfit, who) for outfit in found}
        yield from self._told(named)
        if self.drop or self.outfits == "tag":
            bare = 0
            for record in records:
                bare += not any(tag.kind in HEADS for tag in record.tags)
                became = self._became(record, core, named)
                if became != record:
                    yield Change(record.key, became)
            if bare and self.drop and core:
                yield Note(
                    f"{_pictures(bare)} with no trigger or character's tag to take them in "
                    "left as they are (dsk clean --first adds one)",
                    warning=True,
                )

    def _seen(self, records: Sequence[Record]) -> _Seen:
        """Look through all pictures once."""
        seen = _Seen()
        standing: set[str] = set()
        for record in records:
            names = {tag.name for tag in record.tags if tag.kind in _PROPER}
            went = dropped_in(record.facts.get(FACT))
            names.update(went)
            standing |= names
            seen.went.update(went)
            seen.going.update(tag.name for tag in record.tags if _may_go(tag))
            seen.names.update(from_caption(tag.name) for tag in record.tags)
            # Where black_hairband stands, clean has dropped hairband, which is meant all the same.
            seen.counts.update(names.union(*map(BUILT_IN, names)))
            seen.wardrobe.append(frozenset(filter(clothing, names)))
            lead = next((tag for tag in record.tags if tag.kind in HEADS), None)
            if lead:
                seen.leaders[from_caption(lead.name).split("_(")[0]] += 1
        for name in seen.counts.keys() - standing:
            del seen.counts[name]
        seen.names.update(seen.went)
        return seen

    def _core(self, counts: Counter[str], total: int) -> dict[str, str]:
        """The character's own tags, each with the rule that says so."""
        found = {}
        for name, count in counts.items():
            rule = "--also" if name in self._also else trait(name)
            if rule and self._fate(name, rule, count / total) == "" and not watched(name):
                found[name] = rule
        return found

    def _fate(self, name: str, rule: str, share: float) -> str:
        """Why a trait is not the character's own; "" where it is."""
        if name in self._keep:
            return "--keep"
        if rule == "--also":
            return ""
        least = self.share if rule.startswith(BODY) else self.worn
        return f"below {least:.0%}" if share < least else ""

    def _becomes(self, name: str, seen: _Seen) -> str:
        """What becomes of a tag that is the character's own."""
        if name not in seen.going:
            return "dropped already" if name in seen.went else "keep (typed by hand)"
        return "drop" if self.drop else "drop, with --drop"

    def _table(self, seen: _Seen, core: Mapping[str, str], total: int) -> Iterator[Work]:
        """A line a trait, the commonest first: its pictures, the rule, what becomes of it."""
        rows = []
        for name, count in sorted(seen.counts.items(), key=lambda item: (-item[1], item[0])):
            rule = "--also" if name in self._also else trait(name)
            if rule and (name in core or count / total >= 0.1) and not watched(name):
                why = self._fate(name, rule, count / total)
                fate = f"keep ({why})" if why else self._becomes(name, seen)
                rows.append((to_caption(name), count, rule, fate))
        if not rows:
            yield Note("no tag is known as a trait on a tenth of the pictures")
            return
        if total < FEW:
            yield Note(f"{_pictures(total)} tell little of what is the character's own", True)
        name_width = max(len("tag"), *(len(row[0]) for row in rows[:ROWS]))
        rule_width = max(len("rule"), *(len(row[2]) for row in rows[:ROWS]))
        yield Note(f"{'tag':<{name_width}}  {'pictures':>13}  {'rule':<{rule_width}}  what becomes")
        for name, count, rule, fate in rows[:ROWS]:
            share = f"{count:>6,} {100 * count // total:>5}%"  # 39.6 is below 40
            yield Note(f"{name:<{name_width}}  {share}  {rule:<{rule_width}}  {fate}")
        if len(rows) > ROWS:
            yield Note(f"and {len(rows) - ROWS} more that are rarer")

    def _told(self, named: Mapping[Outfit, str]) -> Iterator[Work]:
        for outfit, name in named.items():
            called = to_caption(name)
            said = called if self.outfits == "tag" else f"outfit (--outfits tag: {called})"
            tags = ", ".join(map(to_caption, outfit.tags[:8]))
            more = f" and {len(outfit.tags) - 8} more" if len(outfit.tags) > 8 else ""
            yield Note(f"{said}: {tags}{more}; on {_pictures(outfit.pictures)}")
        unknown = set(self._names) - {tag for outfit in named for tag in outfit.tags}
        if unknown and self.outfits != "no":
            yield Note(f"no outfit has the tag {sorted(unknown)[0]!r} of --name-outfits", True)

    def _name(self, outfit: Outfit, who: str) -> str:
        """What an outfit is called: as a person said, else after who wears it and its dress."""
        given = next((self._names[tag] for tag in outfit.tags if tag in self._names), "")
        return given or "_".join(filter(None, (who, min(outfit.tags, key=telling))))

    def _became(
        self, record: Record, core: Mapping[str, str], named: Mapping[Outfit, str]
    ) -> Record:
        """The record without the character's own tags, and with its outfit's name."""
        tags = list(record.tags)
        if self.drop and any(tag.kind in HEADS for tag in tags):
            went = [tag.name for tag in tags if tag.name in core and _may_go(tag)]
            tags = [tag for tag in tags if tag.name not in core or not _may_go(tag)]
            standing = {tag.name for tag in tags}
            facts = dropping(record.facts, went, standing, self._keep, FACT)
            record = record if facts is record.facts else replace(record, facts=facts)
        if self.outfits == "tag":
            tags = [tag for tag in tags if tag.kind != OUTFIT or tag.by == BY_HAND]
            names = [*(tag.name for tag in tags), *dropped_in(record.facts.get(FACT))]
            outfit = worn_on(names, tuple(named))
            name = named[outfit] if outfit else ""
            # A name may hold a word that the picture's own tags do not; that costs no picture.
            if name and not safety.refusal([*names, name], record.origin.rating):
                tag = Tag(name, OUTFIT, (FACT,))
                if name not in names and not any(tag.kind == OUTFIT for tag in tags):
                    tags.insert(place_for(tuple(tags), tag, record), tag)
        return record if tuple(tags) == record.tags else record.with_tags(tags)

    @cached_property
    def _also(self) -> Patterns:
        return Patterns(self.also)

    @cached_property
    def _keep(self) -> Patterns:
        return Patterns(self.keep)

    @cached_property
    def _names(self) -> dict[str, str]:
        """The names that a person gave outfits, by a tag of each."""
        found = {}
        for pair in self.name_outfits:
            tag, there, name = pair.partition("=")
            tag, name = from_caption(tag.strip()), from_caption(name.strip())
            if not (tag and there and name):
                raise UsageError(f"name_outfits {pair!r} is not tag=name")
            found[tag] = name
        return found


def _may_go(tag: Tag) -> bool:
    return tag.kind in _PROPER and tag.by != BY_HAND and not watched(tag.name)


def _pictures(count: int) -> str:
    return f"{count:,} picture{'s' * (count != 1)}"
