"""What stands on a picture by the word of those who tagged it before a model did."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from datasetkit.record import HAND, Record

_LONG = 5  # words in a row without a comma, which few tags have and most sentences
_WRITTEN = frozenset({HAND, "folder"})


@dataclass(frozen=True)
class Truth:
    """What stands on a picture: by the word of the booru, of captions, or of both (``sides``).

    Of ``unasked`` names it says nothing; ``prose`` tells of sentences that were passed over.
    """

    names: frozenset[str]
    sides: frozenset[str]
    unasked: frozenset[str] = frozenset()
    prose: bool = False


def truth_of(record: Record, machines: Iterable[str] = ()) -> Truth:
    """The names that sites and people gave a picture; none where nobody but machines tagged it.

    What a site listed counts though a stage took it from the caption since: it is what the picture
    shows that is asked here. What a person deleted may show, and not be wanted: that is not asked.
    A person's additions to machines' tags are no full list, so they count only beside a site's or
    a folder's, or alone. A caption in prose is no list of tags.
    """
    facts: Mapping[str, Any] = record.facts.get("tag", {})
    machines = {*facts, *machines}
    listed = {name for origin in (record.origin, *record.also) for name in origin.tags.split()}
    written, full, machine_made = set[str](), bool(listed), False
    aside = [(name, kind, by) for fact in facts.values() for name, kind, by, _ in
             fact.get("aside", ())]  # fmt: skip
    for name, kind, by in [*((tag.name, tag.kind, tag.by) for tag in record.tags), *aside]:
        told = set(by) - machines
        machine_made = machine_made or not told
        if told and kind != "trigger":
            (written if told <= _WRITTEN else listed).add(name)
            full = full or told != {HAND}
    prose = is_prose(written)
    if prose or (machine_made and not full):
        written.clear()
    sides = {side for side, names in (("booru", listed), ("captions", written)) if names}
    names = frozenset(listed | written) - record.removed
    return Truth(names, frozenset(sides), record.removed, prose)


def is_prose(names: Iterable[str]) -> bool:
    """Say whether what a caption holds between its commas is sentences rather than tags."""
    parts = [name.split("_") for name in names]
    sentences = [words for words in parts if len(words) >= _LONG or (
        len(words) > 2 and words[-1].endswith(".") and not words[-1].endswith("..")
    )]  # fmt: skip
    return 2 * sum(map(len, sentences)) > sum(map(len, parts))
