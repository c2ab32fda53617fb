"""The ``clean`` stage: captions that say what a model should learn, the character first."""

from dataclasses import dataclass
from functools import lru_cache

from datasetkit import safety
from datasetkit.cleaners.junk import JUNK
from datasetkit.errors import UsageError
from datasetkit.record import HAND, Record, Tag
from datasetkit.stage import Map, opt
from datasetkit.tags import from_caption, matches


@dataclass(frozen=True)
class Clean(Map):
    """Take junk out of the captions and put the character first.

    Dropped are the booru's own housekeeping (its meta tags, and the published junk lists: see
    cleaners/junk.py) and whatever --drop names, with * for any letters, written with spaces or
    underscores. Tags that you typed into a caption yourself are never dropped. Then the word of
    --first leads the caption, added where it is missing; without it, the character's own tags do.
    """

    drop: tuple[str, ...] = opt((), "tags to drop besides the junk: names, or globs (*_request)")
    keep: tuple[str, ...] = opt((), "tags to keep whatever says otherwise: names, or globs")
    first: str = opt("", "the trigger word or character tag that leads every caption")
    junk: bool = opt(True, "drop the booru's meta tags and the published junk lists")

    def check(self) -> None:
        """Raise for a trigger word that is refused, or that would be two."""
        if "," in self.first:
            raise UsageError(f"first {self.first!r} holds a comma; a trigger is one word or tag")
        safety.check_prompt(self.first)

    def __call__(self, record: Record) -> Record:
        """Return the record with its good tags, in their order but for the first."""
        good = [tag for tag in record.tags if not self._drops(tag)]
        if self.first:
            name = from_caption(self.first)
            lead = [tag for tag in good if from_caption(tag.name) == name][:1]
            lead = lead or [Tag(self.first, "trigger", ("clean",))]
        else:
            lead = [tag for tag in good if tag.kind == "trigger"]
            lead += [tag for tag in good if tag.kind == "character"]
        tidy = record.with_tags([*lead, *good])
        return record if tidy.tags == record.tags else tidy

    def _drops(self, tag: Tag) -> bool:
        if tag.by == (HAND,) or tag.kind == "trigger" or _any(tag.name, self.keep):
            return False
        junk = self.junk and (tag.kind == "meta" or _any(tag.name, JUNK))
        return junk or _any(tag.name, self.drop)


@lru_cache(maxsize=100_000)
def _any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(matches(name, pattern) for pattern in patterns)
