"""Tags that a person asks for by ``--add``."""

from collections.abc import Iterable, Set

from datasetkit.cleaners.tags.rules.words import Tags
from datasetkit.record import Record, Tag


class Added:
    """A rule of captions: puts these tags at the end where they are missing, said by ``clean``."""

    def __init__(self, names: Iterable[str]) -> None:
        self._tags = [Tag(name, by=("clean",)) for name in names]

    def __call__(self, tags: Tags, record: Record) -> Tags:
        """Return the tags with those that were missing and that nobody removed."""
        more = self._tags and self.missing({tag.name for tag in tags}, record)
        return (*tags, *more) if more else tags

    def missing(self, names: Set[str], record: Record) -> list[Tag]:
        """The tags that are none of these names and that nobody removed."""
        more = [tag for tag in self._tags if not _is_in(tag.name, names)]
        return [tag for tag in more if not _is_in(tag.name, record.removed)] if more else more


def _is_in(name: str, names: Set[str]) -> bool:
    return name in names or name.lower() in names
