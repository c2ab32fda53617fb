"""The character, or the trigger, at the head of a caption; each tag once."""

from datasetkit.cleaners.tags.rules.patterns import NOTHING, Patterns
from datasetkit.cleaners.tags.rules.words import Tags, watched
from datasetkit.record import HAND, Record, Tag
from datasetkit.tags import from_caption, to_caption

_CLEAN = "clean"  # says the triggers that a caption had not
_HEADS = frozenset({"trigger", "character"})


class Lead:
    """A rule of captions: ``first`` leads, added where it is missing; else the character does.

    A tag of that word becomes the trigger, or any later stage would take it for one like others;
    a character's stays one. Of two tags of a name the first stays, and none that a person removed,
    the word of ``first`` in whatever spelling, or under the name that it had (``once``).
    """

    def __init__(self, first: str = "", once: str = "") -> None:
        self._first, self.name = first, from_caption(first)
        self._made = Tag(first, "trigger", (_CLEAN,))
        self._called = frozenset({self.name, from_caption(once) or self.name})
        # The trigger is written as it stands, and might not be the character's word.
        best = ("character", "trigger") if to_caption(self.name) == first else ("trigger",)
        self._best = {kind: place for place, kind in enumerate(best)}

    def __call__(self, tags: Tags, record: Record) -> Tags:
        """Return the tags with their head in front, in their order otherwise."""
        names = {tag.name for tag in tags}
        if len(names) < len(tags) or not names.isdisjoint(record.removed):
            standing: dict[str, Tag] = {}
            for tag in tags:
                if tag.name not in record.removed:
                    standing.setdefault(tag.name, tag)
            tags = tuple(standing.values())
        return self._led(tags, record) if self._first else _headed(tags)

    def removed(self, record: Record) -> frozenset[str]:
        """The names of the word, in whatever spelling, that a person took out of a caption."""
        if not (self._first and record.removed):
            return frozenset()
        return frozenset(name for name in record.removed if from_caption(name) in self._called)

    def instead(self, tags: Tags, keep: Patterns = NOTHING) -> Tags:
        """The tags without the triggers that were made before, since this word takes their place.

        What others said too is a tag like theirs again. What a person typed, or wants kept, and a
        word of age stay as they are.
        """
        old = [tag for tag in tags if tag.kind == "trigger" and not self.is_it(tag)]
        if not old:
            return tags
        new: dict[Tag, Tag | None] = {}
        for tag in old:
            name = from_caption(tag.name)
            if HAND not in tag.by and not keep.means(name, tag.kind) and not watched(name):
                others = tuple(who for who in tag.by if who != _CLEAN)
                new[tag] = Tag(name, "general", others, tag.score) if others else None
        if not new:
            return tags
        return tuple(became for tag in tags if (became := new.get(tag, tag)))

    def is_it(self, tag: Tag) -> bool:
        """Say whether a tag is the word that leads."""
        return tag.name == self.name or (
            tag.kind == "trigger" and from_caption(tag.name) == self.name
        )

    def _led(self, tags: Tags, record: Record) -> Tags:
        name = self.name  # a glance at each tag, as most are far from it
        mine = [tag for tag in tags if tag.name == name or tag.kind == "trigger"]
        mine = [tag for tag in mine if self.is_it(tag)]
        if self.removed(record):
            mine = [tag for tag in mine if HAND in tag.by]  # which was typed again
            if not mine:
                good = tuple(tag for tag in tags if not self.is_it(tag))
                return good if len(good) < len(tags) else tags
        lead = self._trigger(mine)
        if len(mine) == 1 and tags[0] is lead:
            return tags
        return (lead, *((tag for tag in tags if not self.is_it(tag)) if mine else tags))

    def _trigger(self, mine: list[Tag]) -> Tag:
        """The tag that leads, of those that there are of its word."""
        if not mine:
            return self._made
        best = min(mine, key=lambda tag: self._best.get(tag.kind, 2))
        if best.kind in _HEADS:
            return best
        return Tag(self._first, "trigger", best.by, best.score)


def _headed(tags: Tags) -> Tags:
    lead = [tag for tag in tags if tag.kind in _HEADS]
    lead.sort(key=_not_a_trigger)
    became = (*lead, *(tag for tag in tags if tag.kind not in _HEADS))
    return tags if became == tags else became


def _not_a_trigger(tag: Tag) -> bool:
    return tag.kind != "trigger"
