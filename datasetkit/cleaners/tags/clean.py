"""The ``clean`` stage: captions that say what a model should learn, the character first."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from datasetkit import safety
from datasetkit.cleaners.tags.missing import remarks
from datasetkit.cleaners.tags.rules import costumes, implied
from datasetkit.cleaners.tags.rules.added import Added
from datasetkit.cleaners.tags.rules.all_rules import AllRules
from datasetkit.cleaners.tags.rules.cases import Cases
from datasetkit.cleaners.tags.rules.dropped import FACT, dropping
from datasetkit.cleaners.tags.rules.implications import IMPLIED
from datasetkit.cleaners.tags.rules.junk import Junk
from datasetkit.cleaners.tags.rules.lead import Lead
from datasetkit.cleaners.tags.rules.order import Order, keeping, short_names
from datasetkit.cleaners.tags.rules.patterns import NOTHING, Patterns, misspelt_kind
from datasetkit.cleaners.tags.rules.renames import Renames, certain, replacements
from datasetkit.cleaners.tags.rules.tokens import Limit
from datasetkit.cleaners.tags.rules.words import Tags, Words
from datasetkit.errors import UsageError, did_you_mean
from datasetkit.record import HAND, ORDER, Record
from datasetkit.relations import Relations, relations_of
from datasetkit.stage import Map, Note, opt
from datasetkit.tags import from_caption, to_caption

SHOWN = 8  # of the names that went, those that are told
USUAL = "danbooru"  # the site whose names most models know
OWN = frozenset({"outfit", "quality"})  # kinds of this house, of which no site knows


@dataclass(frozen=True)
class Clean(Map):
    """Take junk out of the captions and put the character first.

    Dropped are the booru's own housekeeping (its meta tags, and the published junk lists: see
    cleaners/tags/rules/junk.py), whatever --drop names, with * for any letters, written with
    spaces or underscores, and what another tag says already: long_hair where very_long_hair
    stands. The latter goes by a small table, and by the site's own implications once `dsk tags
    refresh` has fetched them; then a site's aliases get their true names too. --replace gives a
    tag another name; where that one stands already, the two become one.

    Then the caption is put in order: the trigger, or the character's own tags; how many people
    there are, the series, and the rest by kind, the surest first. The word of --first becomes the
    trigger of every caption, also of those you wrote, but where you took it out of one; it takes
    the place of the trigger that an earlier --first made.
    --keep-tokens N is written down for the trainer, which shuffles what comes behind.

    Tags that you typed into a caption yourself, triggers, those of --keep, and the words of age by
    which the safety rules know what to refuse (child, aged_down) are never dropped or renamed;
    aged_up is no such word, and goes. A name that --drop gives in full goes though you typed it,
    or made it the trigger; what a * means does not. With its kind, as in a filter, a name means
    only tags of that kind: --drop "artist:*, character:*_(cosplay)" --keep meta:commentary.

    Large and small letters are the same to all of these. Of Smile and smile the small one stays;
    a trigger keeps its spelling, and so does what stands in one alone.

    With --where, --add and --drop edit the pictures that a filter means, and these are cleaned as
    well; with --only nothing is done but what you ask for: --where grin --drop grin --only.

    What was dropped or renamed is written down, and `dsk tag` does not bring it back; what
    --tokens trims may come back. To have one again, type it, or name it by --keep (then the tagger
    may), or take the step back with dsk undo.
    """

    drop: tuple[str, ...] = opt(
        (), "tags to drop besides the junk: names, globs (*_request), or kinds (artist:*)"
    )
    keep: tuple[str, ...] = opt(
        (), "tags to keep whatever says otherwise: names, globs, or kinds (meta:*)"
    )
    add: tuple[str, ...] = opt((), "tags to add where they are missing")
    replace: tuple[str, ...] = opt((), "tags to give another name: old=new")
    first: str = opt("", "the trigger word or character tag that leads every caption")
    shorten: tuple[str, ...] = opt(
        (), "characters' names to write short: long=short, or long alone for it without brackets"
    )
    order: bool = opt(True, "put the tags in order: head, counts, series, kinds, the surest first")
    keep_tokens: int = opt(
        0, "how many tags at the head are fixed for trainers; 0: one if --first is given", ge=0
    )
    tokens: int = opt(
        0,
        "drop the least sure tags beyond so many of CLIP's tokens, as 75, 150, 225; 0: none",
        ge=0,
    )
    junk: bool = opt(True, "drop the booru's meta tags and the published junk lists")
    implied: str = opt("drop", "what another tag says already: drop it, add it, or keep as it is")
    costumes: str = opt(
        "keep", "names of a character in a costume: keep, fold into the character's own, or drop"
    )
    only: bool = opt(
        False, "only what is asked for here, as --add or --drop: no junk lists, implied tags, order"
    )
    site: str = opt(
        USUAL, "whose aliases and implications are followed, if fetched; empty for nobody's"
    )

    def check(self) -> None:
        """Raise for a trigger word or tag that is refused, and for options that are no such."""
        if "," in self.first:
            raise UsageError(f"first {self.first!r} holds a comma; a trigger is one word or tag")
        safety.check_prompt(self.first)
        said = dict.fromkeys(self._added, "to be added")
        for target, what in (said | dict.fromkeys(self._written, "the new name of a tag")).items():
            safety.check_prompt(target.replace("_", " "))
            if self._away.means(target, "general"):
                raise UsageError(f"{target!r} is {what} and dropped at once")
        for option in ("drop", "keep"):
            for pattern in getattr(self, option):
                if kind := misspelt_kind(pattern):
                    raise UsageError(f"{option} {pattern!r}: did you mean '{kind}:'?")
        if both := Patterns(self.drop).all_names & Patterns(self.keep).all_names:
            raise UsageError(f"{min(both)!r} is to be kept and dropped at once")
        if self._head and self._away.named(from_caption(self._head), "trigger"):
            raise UsageError(f"{self.first!r} is to lead and dropped at once")
        for option, there in (("implied", implied.HOW), ("costumes", costumes.HOW)):
            if (given := getattr(self, option)) not in there:
                raise UsageError(f"{option}: there is no {given!r}; {did_you_mean(given, there)}")
        if self.site not in ("", USUAL) and relations_of(self.site) is None:
            raise UsageError(
                f"nothing is kept of the tags of {self.site!r}; dsk tags refresh {self.site} "
                "fetches them where the site tells any, dsk tags show says what is there"
            )
        _ = self._in_order

    def __call__(self, record: Record) -> Record:
        """Return the record with its good tags, the same record where all are."""
        if self.first and (gone := self._lead.removed(record)):
            if any(HAND in tag.by and self._lead.is_it(tag) for tag in record.tags):
                record, gone = replace(record, removed=record.removed - gone), frozenset()
        else:
            gone = frozenset()
        if self.keep_tokens or self.first:
            record = keeping(record, self.keep_tokens, "" if gone else self.first)
        tags = record.tags
        if self.first and not gone:
            tags = self._lead.instead(tags, self._wanted)
        before = {tag.name for tag in tags}
        if len(before) < len(tags) or not before.isdisjoint(record.removed):
            tags = record.with_tags(tags).tags
        rules = self._in_order if record.facts.get(ORDER) != HAND else self._as_they_stand
        tags = rules(tags, record, before)
        facts = self._noted(before, tags, record)
        if self.tokens:
            tags = self._limit(tags, record)
        if facts is record.facts and (tags is record.tags or tags == record.tags):
            return record
        return record.with_words(tags, facts)

    def remarks(self, records: Iterable[Record]) -> Iterator[Note]:
        """Warn of names of --drop, --keep, --replace and --shorten that are probably misspelt."""
        site = (relations_of(self.site) if self.site else None) or Relations()
        renamed = {**self._replaced, **self._short}
        return remarks(
            records,
            Patterns(self.drop, renamed),
            Patterns(self.keep).all_names,
            made={*self._added, *renamed.values(), from_caption(self.first)},
            aliases=site.aliases,
            known=lambda name: (
                name in site.implications
                or any(name in said for said in site.implications.values())
            ),
        )

    def deeds(self, before: Record, after: Record) -> Iterable[str]:
        """The names that went, but for those that are only written in small letters now."""
        names = set(after.names)
        return [n for n in set(before.names) - names if n == n.lower() or n.lower() not in names]

    def summed_up(self, counts: Counter[str], first: Mapping[str, Sequence[str]]) -> Iterator[Note]:
        """Say which names went from most pictures."""
        most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{to_caption(name)} {number:,}" for name, number in most[:SHOWN])
        more = f", and {len(most) - SHOWN:,} other names" if len(most) > SHOWN else ""
        yield Note(f"what went, by pictures: {shown}{more}")

    def _noted(self, before: set[str], tags: Tags, record: Record) -> Mapping[str, Any]:
        """The record's facts, with the names that went from it on purpose."""
        facts = record.facts
        if tags is record.tags and FACT not in facts:
            return facts
        names = [tag.name for tag in tags]
        gone = before.difference(names, record.removed)
        gone = {name for name in gone if name.lower() == name or name.lower() not in names}
        return dropping(facts, gone, names, self._wanted) if gone or FACT in facts else facts

    @cached_property
    def _added(self) -> tuple[str, ...]:
        return tuple(name for text in self.add if (name := from_caption(text)))

    @cached_property
    def _replaced(self) -> dict[str, str]:
        return replacements(self.replace)

    @cached_property
    def _short(self) -> dict[str, str]:
        return short_names(self.shorten)

    @cached_property
    def _written(self) -> frozenset[str]:
        """The names at which --replace and --shorten end."""
        ends = {*self._replaced.values(), *self._short.values()}
        return frozenset(ends - {*self._replaced, *self._short})

    @cached_property
    def _head(self) -> str:
        short = self._short.get(from_caption(self.first))
        return to_caption(short) if short else self.first

    @cached_property
    def _lead(self) -> Lead:
        return Lead(self._head, self.first)

    @cached_property
    def _away(self) -> Patterns:
        """What a person asks to drop: what has its full name goes though a person typed it."""
        return Patterns(self.drop) if self.drop else NOTHING

    @cached_property
    def _kept(self) -> Patterns:
        """What a person asks for by name: no rule that they did not ask for takes it away."""
        return Patterns(self.keep, (*self._added, *self._written, self._head))

    @cached_property
    def _wanted(self) -> Patterns:
        return Patterns(self.keep) if self.keep else NOTHING

    @cached_property
    def _limit(self) -> Limit:
        return Limit(self.tokens, self.keep_tokens, self._kept)

    @cached_property
    def _in_order(self) -> AllRules:
        return self._rules(self.order and not self.only)

    @cached_property
    def _as_they_stand(self) -> AllRules:
        """The rules for a caption whose words a person moved about."""
        return self._rules(order=False)

    def _rules(self, order: bool) -> AllRules:
        """The rules in the order in which they are asked, made once for the stage."""
        there = relations_of(self.site) if self.site and not self.only else None
        site = there or Relations()
        says = implied.Implications(IMPLIED, site.implications)
        words = Words(
            [
                Junk(self._away, self.junk and not self.only),
                Renames(self._replaced),
                Renames(self._short),
                Renames(certain(site.aliases), self._written, OWN),
                costumes.Costumes(self.costumes, says, self._written),
            ],
            self._kept,
            self._away,
        )
        lead = self._lead if self.first or not (order or self.only) else None
        how = "keep" if self.only and self.implied == "drop" else self.implied
        said = implied.Implied(how, says, self._kept, words.called)
        sorting = Order(self._head, self.keep_tokens) if order else None
        cases = None if self.only else Cases()
        return AllRules(words, Added(self._added), lead, said, sorting, cases)
