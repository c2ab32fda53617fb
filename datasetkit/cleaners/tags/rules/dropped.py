"""What ``clean`` took out of a picture on purpose, written down: no model brings it back."""

from collections.abc import Collection, Mapping
from typing import Any

from datasetkit.cleaners.tags.rules.patterns import NOTHING, Patterns

FACT, DROPPED = "clean", "dropped"


def dropped_in(facts: Any) -> list[str]:
    """The names that a stage's facts hold as dropped; none where they hold no such list."""
    names = facts.get(DROPPED) if isinstance(facts, Mapping) else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def dropping(
    facts: Mapping[str, Any],
    gone: Collection[str],
    standing: Collection[str],
    keep: Patterns = NOTHING,
    stage: str = FACT,
) -> Mapping[str, Any]:
    """A record's facts with what is gone on the stage's list; the very same where nothing is new.

    What is ``standing``, or again wanted by ``keep``, leaves the list; other facts stay.
    """
    mine = facts.get(stage)
    names = before = dropped_in(mine) if mine else []
    if gone or not set(before).isdisjoint(standing):
        names = sorted({*before, *gone}.difference(standing) if before else gone)
    if keep is not NOTHING:
        names = [name for name in names if name not in keep]
    if names == before:
        return facts
    others = mine if mine and isinstance(mine, Mapping) else {}
    became = {**others, DROPPED: names}
    if not names:
        del became[DROPPED]
    if became:
        return {**facts, stage: became}
    return {name: value for name, value in facts.items() if name != stage}
