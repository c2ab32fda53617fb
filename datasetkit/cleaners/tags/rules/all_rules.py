"""All rules of captions in their order; what most captions need, in one look at each tag."""

from collections.abc import Callable, Set
from math import inf
from operator import itemgetter
from typing import TypeAlias

from datasetkit.cleaners.tags.rules.added import Added
from datasetkit.cleaners.tags.rules.cases import Cases
from datasetkit.cleaners.tags.rules.implied import KINDS, Implied
from datasetkit.cleaners.tags.rules.lead import Lead
from datasetkit.cleaners.tags.rules.order import Order
from datasetkit.cleaners.tags.rules.remembered import Remembered
from datasetkit.cleaners.tags.rules.words import BY_HAND, Tags, Words
from datasetkit.record import Record, Tag

Rule: TypeAlias = Callable[[Tags, Record], Tags]

# A tag's key in the order; how it leaves the rules; its name, if it may go for another tag's sake;
# the names that may go for its own, and RENAMED; its name in small letters; the tag as it came,
# which keeps it alive.
Look: TypeAlias = tuple[float, Tag, str | None, frozenset[str], str, Tag]

_KEY = itemgetter(0)
_GONE, _OTHER = inf, -inf
_NONE: frozenset[str] = frozenset()
RENAMED = ""  # no tag is called so
MOST = 32_768  # tags that are remembered, as many as a dataset reads as one object


class AllRules:
    """A rule of captions: names, added tags, the lead, implied tags, the order.

    What is added comes before the implied tags: the second run must find nothing that it says.
    """

    def __init__(
        self,
        words: Words,
        added: Added,
        lead: Lead | None,
        implied: Implied,
        order: Order | None,
        cases: Cases | None = None,
    ) -> None:
        self._added, self._lead = added, lead
        rules: tuple[Rule | None, ...] = (words, added, lead, cases, implied, order)
        self._rules = [rule for rule in rules if rule]
        self._at_once = AtOnce(words, implied, order) if order else None

    def __call__(self, tags: Tags, record: Record, names: Set[str]) -> Tags:
        """Return the tags, whose ``names`` these are, as all rules want them.

        The very same tuple where all are good.
        """
        if self._at_once:
            early = (*tags, *more) if (more := self._added.missing(names, record)) else tags
            if self._lead:
                early = self._lead(early, record)
            if (became := self._at_once(early, record)) is not None:
                return became
        return self.one_by_one(tags, record)

    def one_by_one(self, tags: Tags, record: Record) -> Tags:
        """The same without haste."""
        for rule in self._rules:
            tags = rule(tags, record)
        return tags


class AtOnce:
    """Words, Implied and Order as one, twice as fast, for captions that ask no more of them.

    For the others it returns None: a tag becomes one with another, was typed by hand, or has a
    place of its own. These need the rules one by one; both ways come to the same.
    """

    def __init__(self, words: Words, implied: Implied, order: Order) -> None:
        self._words, self._implied, self._order = words, implied, order
        self._found = Remembered(self._find)
        # By a tag's id: to look it up by what it says takes as long as all the rest, and a dataset
        # reads tags that say the same as one object. A look holds its tag, so that no other gets
        # that id.
        self._looks: dict[int, Look] = {}

    def __call__(self, tags: Tags, record: Record) -> Tags | None:
        """Return the tags that stay in their order, the same tuple where all is well."""
        known = self._looks
        try:
            looks = [known[id(tag)] for tag in tags]
        except KeyError:
            looks = [known.get(id(tag)) or self._look(tag) for tag in tags]
        looks.sort(key=_KEY)
        while looks and looks[-1][0] == _GONE:
            looks.pop()
        if not looks or looks[0][0] == _OTHER:
            return None
        said = _NONE.union(*[look[3] for look in looks if look[3]])
        if RENAMED in said:
            if len({look[4] for look in looks}) < len(looks):
                return None
            if record.removed and not record.removed.isdisjoint({look[1].name for look in looks}):
                return None
        became = tuple([look[1] for look in looks if look[2] not in said])
        return tags if len(became) == len(tags) and became == tags else became

    def _look(self, tag: Tag) -> Look:
        """What is known of a tag, remembered."""
        key, called, word, says = self._found[tag.kind][tag.name]
        if tag.by == BY_HAND:
            key = _OTHER
        new = tag if called == tag.name else Tag(called, tag.kind, tag.by, tag.score)
        small = called.lower().replace(" ", "_")  # a trigger may have blanks
        look = key - tag.score, new, word, says, small, tag
        if tag.score == 1.0:  # a model is hardly twice as sure to four digits
            if len(self._looks) >= MOST:
                self._looks.clear()
            self._looks[id(tag)] = look
        return look

    def _find(self, name: str, kind: str) -> tuple[float, str, str | None, frozenset[str]]:
        """What is known of a name: a look's key less the score, its new name, and the rest."""
        called = self._words.called(name, kind)
        if not called:
            return _GONE, name, None, _NONE
        key = self._order.key(called, kind)
        says = self._implied.goes_for(called, kind)
        # What is renamed to the word that leads is to become it.
        leads = called != name and called == self._order.first
        if key is None or says is None or leads:
            return _OTHER, name, None, _NONE
        word = called if kind in KINDS else None
        as_it_was = called == name == name.lower()  # else it may be another one's name as well
        return key, called, word, says if as_it_was else says | {RENAMED}
