"""Tags that another tag says already: ``very_long_hair`` says ``long_hair``."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

from datasetkit.cleaners.tags.rules.dropped import FACT, dropped_in
from datasetkit.cleaners.tags.rules.implications import IMPLIED
from datasetkit.cleaners.tags.rules.patterns import NOTHING, Patterns
from datasetkit.cleaners.tags.rules.words import BY_HAND, Tags, watched
from datasetkit.record import Record, Tag

HOW = ("drop", "add", "keep")

# Counts, kinds of picture and what flatten writes: filters and trainers look for these very words.
_ALWAYS = frozenset(
    """
    multiple_girls multiple_boys multiple_others solo comic monochrome chibi multiple_views
    simple_background
    """.split()
)
KINDS = frozenset({"general", "species"})  # a costume's character and a sequel's series stay
# A thing that is away, moved, in hand or only pictured is no thing worn: hat_removed is no hat.
# Such a tag may say another of its own class (holding_sword: holding_weapon) and nothing else.
_CLASS = re.compile(
    r"(?P<before>holding|unworn|no|removing|adjusting|putting_on|fake|toy|stuffed|covering|missing"
    r"|untied|untying|tying|object|hand_on|hands_on|hand_in|hands_in|bite|biting|eating|drinking"
    r")_.+"
    r"|.+_(?P<after>removed|lift|pull|tug|aside|slip|down|grab|print|theme|themed|pose|costume"
    r"|in_mouth|in_hand|over_mouth|on_ground|on_floor|request|cosplay)"
)


class Implications:
    """Which names a name says besides, by the table of this house and by a site's own.

    Whole names only, all the way up: ``absurdly_long_hair`` says ``very_long_hair`` and so
    ``long_hair``. What a site has of things that are away or in hand is left out.
    """

    def __init__(self, *tables: Mapping[str, Iterable[str]]) -> None:
        self._tables = tables
        self._known: dict[str, frozenset[str]] = {}
        self.sayers = frozenset(name for table in tables for name in table)

    def __call__(self, name: str) -> frozenset[str]:
        """Return all names that this one says besides itself."""
        if (known := self._known.get(name)) is None:
            up = self._up(name)
            # Two that say each other, which a careless table may hold, would both go.
            known = frozenset(said for said in up if name not in self._up(said))
            self._known[name] = known
        return known

    def _up(self, name: str) -> set[str]:
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            child = waiting.pop()
            for parent in (parent for table in self._tables for parent in table.get(child, ())):
                if parent not in seen and sound(child, parent):
                    seen.add(parent)
                    waiting.append(parent)
        return seen


def sound(child: str, parent: str) -> bool:
    """Say whether a pair is of the same class: neither away, in hand, nor only pictured."""
    if parent == child or not (found := _CLASS.fullmatch(child)):
        return parent != child
    before, after = found["before"], found["after"]
    return parent.startswith(f"{before}_") if before else parent.endswith(f"_{after}")


BUILT_IN = Implications(IMPLIED)


class Implied:
    """A rule of captions: implied tags dropped, or added by ``clean``.

    Only general tags (and species) are, and only these say others: a character called peach is no
    fruit. What was typed by hand alone is never dropped, nor what ``keep`` names, nor what the
    safety rules watch for; and none such is added, nor what another stage dropped on purpose. What
    is added bears the name that other rules give it (``called``; "" is none).
    """

    def __init__(
        self,
        how: str = "drop",
        implied: Implications = BUILT_IN,
        keep: Patterns = NOTHING,
        called: Callable[[str, str], str] = lambda name, kind: name,
    ) -> None:
        self._how, self._implied, self._sayers = how, implied, implied.sayers
        self._keep, self._called = keep, called
        self._goes = _Goes(self._said)

    def __call__(self, tags: Tags, record: Record) -> Tags:
        """Return the tags without, or with, what others of them say."""
        if self._how == "keep":
            return tags
        names = {tag.name for tag in tags if tag.kind in KINDS}
        saying = names & self._sayers
        if not saying:
            return tags
        if self._how == "add":
            more = self._added(tags, record)
            return (*tags, *more.values()) if more else tags
        said = names.intersection(chain.from_iterable(map(self._goes.__getitem__, saying)))
        if not said:
            return tags
        good = [tag for tag in tags
                if tag.name not in said or tag.kind not in KINDS or tag.by == BY_HAND]  # fmt: skip
        return tuple(good) if len(good) < len(tags) else tags

    def goes_for(self, name: str, kind: str) -> frozenset[str] | None:
        """What may go for a tag; None where something may be added for it."""
        if kind not in KINDS or self._how == "keep" or name not in self._sayers:
            return frozenset()
        return None if self._how == "add" else self._goes[name]

    def _said(self, name: str) -> frozenset[str]:
        """What a name says that may go for it."""
        said = self._implied(name) - _ALWAYS
        return frozenset(n for n in said if not (self._stays(n) or watched(n)))

    def _stays(self, name: str) -> bool:
        return any(self._keep.means(name, kind) for kind in KINDS)

    def _added(self, tags: Tags, record: Record) -> dict[str, Tag]:
        more: dict[str, Tag] = {}
        never = {tag.name for tag in tags}.union(record.removed, _dropped_elsewhere(record))
        waiting = [tag for tag in tags if tag.kind in KINDS and tag.name in self._sayers]
        for tag in waiting:  # which grows: what is added under another name may say more
            for said in sorted(self._implied(tag.name) - never):
                name = self._called(said, tag.kind)
                if name and name not in never and name not in more and not watched(name):
                    more[name] = Tag(name, tag.kind, ("clean",), tag.score)
                    waiting.append(more[name])
        return more


def _dropped_elsewhere(record: Record) -> Iterator[str]:
    """What stages other than this one took out of a picture on purpose."""
    for stage, facts in record.facts.items():
        if stage != FACT:
            yield from dropped_in(facts)


class _Goes(dict[str, frozenset[str]]):
    """What goes for each name, found out when it is first asked for."""

    def __init__(self, said: Callable[[str], frozenset[str]]) -> None:
        super().__init__()
        self._said = said

    def __missing__(self, name: str) -> frozenset[str]:
        self[name] = said = self._said(name)
        return said
