"""All rules of captions in their order; what most captions need, in one look at each tag."""

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import TypeAlias

from datasetkit.cleaners.tags.rules.implied import KINDS, Implied
from datasetkit.cleaners.tags.rules.order import Order
from datasetkit.cleaners.tags.rules.remembered import Remembered
from datasetkit.cleaners.tags.rules.words import BY_HAND, Tags, Words
from datasetkit.record import Record, Tag

Rule: TypeAlias = Callable[[Tags, Record], Tags]

# A tag's key in the order, less its score; what may go for it; its new name, if it gets one.
Look: TypeAlias = tuple[float, frozenset[str] | None, str]

_GONE, _OTHER = inf, -inf
_NONE: frozenset[str] = frozenset()


class AllRules:
    """A rule of captions: names, what is ``more`` (added tags, the lead), implied tags, the order.

    What is added comes before the implied tags: the second run must find nothing that it says.
    """

    def __init__(
        self, words: Words, more: Sequence[Rule], implied: Implied, order: Order | None
    ) -> None:
        self._more = more
        self._rules: tuple[Rule, ...] = (words, *more, implied, *([order] if order else []))
        self._at_once = AtOnce(words, implied, order) if order else None

    def __call__(self, tags: Tags, record: Record) -> Tags:
        """Return the tags as all rules want them, the very same where all are good."""
        if self._at_once:
            early = tags
            for rule in self._more:
                early = rule(early, record)
            if (became := self._at_once(early, record)) is not None:
                return became
        return self.one_by_one(tags, record)

    def one_by_one(self, tags: Tags, record: Record) -> Tags:
        """The same without haste."""
        for rule in self._rules:
            tags = rule(tags, record)
        return tags


class AtOnce:
    """Words, Implied and Order as one, a third faster, for captions that ask no more of them.

    For the others it returns None: a tag becomes one with another, was typed by hand, or has a
    place of its own. These need the rules one by one; both ways come to the same.
    """

    def __init__(self, words: Words, implied: Implied, order: Order) -> None:
        self._words, self._implied, self._order = words, implied, order
        self._looks = Remembered(self._look)

    def __call__(self, tags: Tags, record: Record) -> Tags | None:
        """Return the tags that stay in their order, the same tuple where all is well."""
        known = self._looks
        looks = [known[tag.kind][tag.name] for tag in tags]
        keys = [look[0] - tag.score for look, tag in zip(looks, tags)]  # noqa: B905 - slower
        if not tags or min(keys) == _OTHER or BY_HAND in [tag.by for tag in tags]:
            return None
        marked = [(place, look) for place, look in enumerate(looks) if look[1] is not None]
        said = _NONE.union(*[look[1] for _, look in marked if look[1]])
        if new := [(place, look[2]) for place, look in marked if look[2]]:
            tags = _renamed(tags, new)
            names = {tag.name for tag in tags}
            if len(names) < len(tags) or not names.isdisjoint(record.removed):
                return None
        if said:
            for place, tag in enumerate(tags):
                if tag.name in said and tag.kind in KINDS:
                    keys[place] = _GONE
        gone = keys.count(_GONE)
        if not gone and keys == sorted(keys):
            return tags
        places = sorted(range(len(keys)), key=keys.__getitem__)
        return tuple([tags[place] for place in (places[:-gone] if gone else places)])

    def _look(self, name: str, kind: str) -> Look:
        """What is known of a tag, as most say nothing and keep their names."""
        called = self._words.called(name, kind)
        if not called:
            return _GONE, None, ""
        key = self._order.key(called, kind)
        says = self._implied.goes_for(called, kind)
        # What is renamed to the word that leads is to become it.
        leads = called != name and called == self._order.first
        if key is None or says is None or leads:
            return _OTHER, None, ""
        if called == name:
            return key, says or None, ""
        return key, says, called


def _renamed(tags: Tags, new: Iterable[tuple[int, str]]) -> Tags:
    """The tags with other names at these places."""
    became = list(tags)
    for place, name in new:
        tag = tags[place]
        became[place] = Tag(name, tag.kind, tag.by, tag.score)
    return tuple(became)
