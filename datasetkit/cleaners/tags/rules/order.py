"""The order of a caption, how much of its head is fixed, and names written short."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from datasetkit import safety
from datasetkit.cleaners.tags.rules.dropped import FACT
from datasetkit.cleaners.tags.rules.remembered import Remembered
from datasetkit.cleaners.tags.rules.words import BY_HAND, Tags
from datasetkit.errors import UsageError
from datasetkit.record import Record, Tag
from datasetkit.tags import from_caption, to_caption

KEEP = "keep_tokens"  # where the number of fixed tags is kept for the exporters

_HEAD = frozenset({"trigger", "character"})
# The order in which models are taught: who (how many), which one, from where, by whom, then what
# is seen. NoobAI's and Animagine's cards and HakuBooru agree on it as far as they go.
_KINDS = {
    "trigger": 0,
    "character": 6,
    "outfit": 7,
    "copyright": 8,
    "artist": 9,
    "species": 10,
    "general": 11,
    "lore": 12,
    "meta": 13,
}
_GENERAL = _KINDS["general"]
_COUNT = re.compile(r"(?:(?:\d+\+?|multiple)_?(girl|boy|other)s?|(solo|duo|trio|group|no_humans))")
_COUNTS = {"girl": 1, "boy": 2, "other": 3}
_ALONE, _FOCUS = 4, 5  # solo and its kin, then what the picture dwells on
_FOCUSES = frozenset({"solo_focus", "male_focus"})
# Twice a rank less a score, 0..1, sorts by rank, then by confidence.
_FIRST, _TRIGGER, _LEADS = -6.0, -4.0, -2.0
_QUALITY = 100.0


def fixed(tags: Tags, record: Record, keep: int = 0) -> int:
    """How many of a caption's first tags no trainer moves and no stage goes before.

    What ``--keep-tokens`` said, now or earlier; else the triggers and characters it begins with.
    """
    keep = keep or kept(record)
    if keep:
        return min(keep, len(tags))
    others = (place for place, tag in enumerate(tags) if tag.kind not in _HEAD)
    return next(others, len(tags))


def kept(record: Record) -> int:
    """The number of fixed tags that was written for trainers; 0 where none was."""
    facts: Any = record.facts.get(FACT, {})
    return int(facts.get(KEEP, 0)) if isinstance(facts, Mapping) else 0


def keeping(record: Record, keep: int, first: str = "") -> Record:
    """The record with the number of fixed tags written down for trainers.

    0 leaves what stands; where nothing does and ``first`` leads, that is the one.
    """
    stands = kept(record)
    keep = keep or stands or bool(first)
    if keep == stands:
        return record
    facts: Any = record.facts.get(FACT)
    others = facts if isinstance(facts, Mapping) else {}
    return record.with_facts(FACT, {**others, KEEP: int(keep)})


def rank_of(tag: Tag) -> int:
    """The place of a tag among others, by its kind, and by its name where it counts people."""
    if tag.kind not in _HEAD:
        if found := _COUNT.fullmatch(tag.name):
            return _COUNTS.get(found[1] or "", _ALONE)
        if tag.name in _FOCUSES:
            return _FOCUS
    return _KINDS.get(tag.kind, _GENERAL)


def place_for(tags: Tags, tag: Tag, record: Record) -> int:
    """Where a new tag belongs in a caption: behind its head, and behind its equals there."""
    place, rank = fixed(tags, record), rank_of(tag)
    for here in range(place, len(tags)):
        if not _stays(tags[here]):
            if rank_of(tags[here]) > rank:
                break
            place = here + 1
    return place


class Order:
    """A rule of captions: the head, counts, character, series, then by kind and by confidence.

    The head is ``first`` and the triggers, or without any the characters; equals stay as they
    stand. What was typed by hand alone stays behind the tag that it stands behind, or at the end,
    so that a caption written by hand keeps its order. Words of quality stay at the end where they
    stand there, else they come behind the fixed head.
    """

    def __init__(self, first: str = "", keep: int = 0) -> None:
        self._keep, self.first = keep, from_caption(first)
        self._headed = _keys(self.first, leads=False)
        self._bare = self._headed if first else _keys("", leads=True)

    def __call__(self, tags: Tags, record: Record) -> Tags:
        """Return the tags in order, the same tuple where they are."""
        known = self._bare
        keys = [known[tag.kind][tag.name] - tag.score for tag in tags]
        if known is not self._headed and keys and min(keys) <= _TRIGGER:
            known = self._headed
            keys = [known[tag.kind][tag.name] - tag.score for tag in tags]
        if keys == sorted(keys):
            return tags
        movable = [place for place, tag in enumerate(tags) if not _stays(tag)]
        placed = sorted(movable, key=keys.__getitem__)
        if len(placed) < len(tags):
            became = self._with_the_others(placed, tags, record)
        else:
            became = tuple([tags[place] for place in placed])
        return tags if became == tags else became

    def key(self, name: str, kind: str) -> float | None:
        """What a tag is sorted by, less its score; None where others or hands decide that."""
        if kind == "quality" or (kind == "trigger" and self._bare is not self._headed):
            return None
        return self._bare[kind][name]

    def _with_the_others(self, placed: list[int], tags: Tags, record: Record) -> Tags:
        """Put back what has a place of its own: words of quality, and what was typed by hand."""
        tail = max(placed, default=-1) + 1  # what stands behind all others stays there
        typed: dict[int, list[Tag]] = {}
        front: list[Tag] = []
        before = -1
        for place, tag in enumerate(tags[:tail]):
            if tag.kind == "quality":
                front.append(tag)
            elif _stays(tag):
                typed.setdefault(before, []).append(tag)
            else:
                before = place
        whole = typed.get(-1, [])
        for place in placed:
            whole += [tags[place], *typed.get(place, [])]
        head = fixed(tuple(whole), record, self._keep)
        return (*whole[:head], *front, *whole[head:], *tags[tail:])


def _keys(first: str, *, leads: bool) -> Remembered[float]:
    """What tags are sorted by, less their scores; ``leads``: the characters are the head."""

    def of(name: str, kind: str) -> float:
        if first and from_caption(name) == first:
            return _FIRST
        if kind == "trigger":
            return _TRIGGER
        if kind == "character" and leads:
            return _LEADS
        return _QUALITY if kind == "quality" else 2.0 * rank_of(Tag(name, kind))

    return Remembered(of)


def _stays(tag: Tag) -> bool:
    """Say whether a tag has a place of its own, whatever its rank."""
    return tag.kind == "quality" or (tag.by == BY_HAND and tag.kind not in _HEAD)


def short_names(pairs: Iterable[str]) -> dict[str, str]:
    """Read "long=short" words; a long name alone loses its brackets. Names in booru form.

    Raises UsageError for what is no such pair, SafetyError for a name that is refused.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        sign = "->" if "->" in pair else "="
        old, there, new = pair.partition(sign)
        long, short = from_caption(old.strip()), from_caption(new.strip())
        if not there:
            short = re.sub(r"(?:_\([^()]*\))+$", "", long)
        if pair.count(sign) > 1 or not (long and short):
            raise UsageError(f"shorten {pair!r} is not long=short")
        if short == long:
            raise UsageError(f"shorten {pair!r} has no brackets to leave out; say long=short")
        safety.check_prompt(to_caption(short))
        if found.setdefault(long, short) != short:
            raise UsageError(f"shorten gives {long!r} two names: {found[long]!r} and {short!r}")
    if circle := sorted(set(found) & set(found.values())):
        raise UsageError(f"shorten makes {circle[0]!r} of one name and another of it")
    return found
