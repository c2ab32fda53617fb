"""Why a picture gets a tag or not: what models see, and what becomes of it beside other words."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from datasetkit.record import Record, Tag
from datasetkit.taggers.choose import Explained
from datasetkit.taggers.spec import RATING


@dataclass(frozen=True)
class Explanation:
    """For each model's name its lines, sorted as tags are: by kind, by falling probability.

    Ratings come last. ``aside`` are the tags of others that the way of merging sets aside.
    """

    lines: Mapping[str, list[Explained]]
    aside: tuple[Tag, ...] = ()


def judged(
    lines: list[Explained], model: str, record: Record, became: Record, merge: str, *, done: bool
) -> list[Explained]:
    """A model's lines with what the picture's other tags make of them.

    ``became`` is the record as tagging makes it; ``done`` says that it was tagged like this before.
    """
    stands = {tag.name: tag for tag in became.tags}
    found = []
    for line in lines:
        if line.kind == RATING:
            found.append(line)
            continue
        tag, why = stands.get(line.name), line.why
        others = tuple(who for who in tag.by if who != model) if tag else ()
        if not why and not tag:
            why = _missing(line.name, record, merge)
        elif not why and done and not record.has(line.name):
            why = "taken out since"
        found.append(replace(line, why=why, others=others))
    return found


def _missing(name: str, record: Record, merge: str) -> str:
    """Why a tag does not stand that a model says."""
    if name in record.removed:
        return "deleted by hand"
    for stage, fact in record.facts.items():
        if isinstance(fact, dict) and name in fact.get("dropped", ()):
            return f"dropped by {stage}"
    return f"left out by {merge}"
