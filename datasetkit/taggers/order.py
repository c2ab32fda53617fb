"""Where tags stand that come back: a caption's order, with the places of what went from it."""

from collections.abc import Collection, Mapping, Sequence

from datasetkit.record import Tag
from datasetkit.taggers.spec import KINDS

_RANKS = {kind: rank for rank, kind in enumerate(KINDS)}


def remembered(names: Sequence[str], places: Mapping[str, int]) -> list[str]:
    """A caption's names, and those that went from it at the places where they stood."""
    order = list(names)
    standing = set(names)
    for name, place in sorted(places.items(), key=lambda item: item[1]):
        if name not in standing:
            order.insert(place, name)
    return order


def placed(
    tags: Sequence[Tag], order: Sequence[str], machines: Collection[str]
) -> tuple[list[Tag], dict[str, int]]:
    """Put tags into an order, and say where in it those names are that do not stand now.

    What is new comes last; but a character goes before what models (``machines``) say in general,
    as every kind goes before those that follow it in KINDS.
    """
    named = {tag.name: tag for tag in tags}
    known = set(order)
    order = list(order)
    for tag in tags:
        if tag.name not in known:
            order.insert(_place(tag, order, named, machines), tag.name)
    gone = {name: place for place, name in enumerate(order) if name not in named}
    return [named[name] for name in order if name in named], gone


def _place(
    new: Tag, order: Sequence[str], named: Mapping[str, Tag], machines: Collection[str]
) -> int:
    rank = _RANKS.get(new.kind, len(_RANKS))
    if rank < _RANKS["general"]:
        for place, name in enumerate(order):
            tag = named.get(name)
            if tag and _RANKS.get(tag.kind, -1) > rank and set(tag.by) <= set(machines):
                return place
    return len(order)
