"""All rules that look at one name at a time, asked once for each name and remembered."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from datasetkit import safety
from datasetkit.cleaners.tags.rules.patterns import NOTHING, Patterns
from datasetkit.cleaners.tags.rules.remembered import Remembered
from datasetkit.record import HAND, Record, Tag
from datasetkit.tags import from_caption

WordRule: TypeAlias = Callable[[str, str], str]  # a name and its kind -> a name, "" for none
Tags: TypeAlias = tuple[Tag, ...]

BY_HAND = (HAND,)
_ROUNDS = 10  # renamings of renamings; more go in a circle


class Words:
    """A rule of captions: what the rules of words make of each tag.

    The first rule that changes a name changes it, until none does. What was typed by hand alone,
    triggers, what ``keep`` names and what the safety rules watch for stays as it is; what a person
    names ``away`` in full goes though it were typed or a trigger. A tag that
    gets the name of one that stands already joins it: everyone who said either said it.
    """

    def __init__(
        self,
        rules: Sequence[WordRule],
        keep: Patterns = NOTHING,
        away: Patterns = NOTHING,
    ) -> None:
        self._rules = tuple(rules)
        self._keep = keep
        self._away = away
        self._fates = Remembered(self._fate)

    def __call__(self, tags: Tags, record: Record) -> Tags:
        """Return the tags that stay, under the names that they should have."""
        known = self._fates
        fates = [known[tag.kind][tag.name] for tag in tags]
        changes = set(fates)
        changes.discard(None)
        if not changes:
            return tags
        if changes == {""}:
            good = [tag for tag, fate in zip(tags, fates, strict=True)
                    if fate is None or self._is_theirs(tag)]  # fmt: skip
            return tuple(good) if len(good) < len(tags) else tags
        return self._renamed(tags, fates, record.removed)

    def called(self, name: str, kind: str) -> str:
        """The name that a tag should have, "" for none."""
        fate = self._fates[kind][name]
        return name if fate is None else fate

    def _is_theirs(self, tag: Tag) -> bool:
        return tag.by == BY_HAND and not self._away.named(from_caption(tag.name), tag.kind)

    def _renamed(self, tags: Tags, fates: Sequence[str | None], removed: Collection[str]) -> Tags:
        standing: dict[str, Tag] = {}
        renamed: set[str] = set()
        for tag, fate in zip(tags, fates, strict=True):
            if fate is None or self._is_theirs(tag):
                name = tag.name
            elif fate and fate not in removed:
                name, tag = fate, Tag(fate, tag.kind, tag.by, tag.score)
                renamed.add(name)
            else:
                continue
            if (there := standing.get(name)) is None:
                standing[name] = tag
            elif name in renamed:
                standing[name] = joined(there, tag)
        became = tuple(standing.values())
        return tags if became == tags else became

    def _fate(self, name: str, kind: str) -> str | None:
        """The name a tag should have, "" for none, None to stay as it is."""
        if self._away.named(plain := from_caption(name), kind):
            return None if self._keep.means(plain, kind) or watched(plain) else ""
        became = name
        for _ in range(_ROUNDS):
            if kind == "trigger" or self._keep.means(became, kind):
                break
            changed = self._once(became, kind)
            # A word of age that went would take the safety rules' warning with it.
            if changed == became or watched(became):
                break
            if not changed:
                return ""
            became = changed
        else:
            return None
        return None if became == name else became

    def _once(self, name: str, kind: str) -> str:
        return next((new for rule in self._rules if (new := rule(name, kind)) != name), name)


def watched(name: str) -> bool:
    """Say whether the safety rules watch for a name, whatever stands beside it."""
    return safety.refusal((name,), "e") is not None


def joined(one: Tag, other: Tag) -> Tag:
    """One tag of two: what a person typed as it is, else what both say."""
    for tag in (one, other):
        if tag.by == BY_HAND:
            return tag
    kind = other.kind if one.kind == "general" else one.kind
    by = tuple(dict.fromkeys((*one.by, *other.by)))
    return Tag(one.name, kind, by, max(one.score, other.score))
