"""Tags that differ only in the case of their letters: ``Smile``, ``smile``."""

from datasetkit.cleaners.tags.rules.words import BY_HAND, Tags, joined
from datasetkit.record import Record, Tag
from datasetkit.tags import from_caption, is_face


class Cases:
    """A rule of captions: makes them one, in small letters; a trigger keeps its own spelling.

    A face in capitals is another face. What stands once stays as it is written, and what a person
    took out in small letters is not brought back by another spelling.
    """

    def __call__(self, tags: Tags, record: Record) -> Tags:
        """Return the tags with each name in one spelling, the same tuple where all have."""
        small = [in_small_letters(tag) for tag in tags]
        if len(set(small)) == len(tags):
            return tags
        groups: dict[str, list[Tag]] = {}
        for name, tag in zip(small, tags, strict=True):
            groups.setdefault(name, []).append(tag)
        became: dict[Tag, None] = {}
        for name, tag in zip(small, tags, strict=True):
            became[_one(name, groups[name], record) or tag] = None
        return tags if tuple(became) == tags else tuple(became)


def in_small_letters(tag: Tag) -> str:
    """A tag's name without regard to case."""
    name = from_caption(tag.name) if tag.kind == "trigger" else tag.name
    small = name.lower()
    return name if small != name and is_face(name) else small


def _one(name: str, group: list[Tag], record: Record) -> Tag | None:
    """The one tag of those that differ in case; None where they stay."""
    spellings = {from_caption(tag.name) for tag in group}
    if len(spellings) == 1 or name in record.removed:
        return None
    lead = next((tag for tag in group if tag.kind == "trigger"), None)
    one = group[0]
    for other in group[1:]:
        one = joined(one, other)
    if lead:
        return Tag(lead.name, lead.kind, BY_HAND if one.by == BY_HAND else _all(group), one.score)
    return Tag(name, one.kind, one.by, one.score)


def _all(group: list[Tag]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(who for tag in group for who in tag.by))
