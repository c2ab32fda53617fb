"""Tags that a person asks for by ``--add``."""

from collections.abc import Iterable

from datasetkit.cleaners.tags.rules.words import Tags
from datasetkit.record import Record, Tag


class Added:
    """A rule of captions: puts these tags at the end where they are missing, said by ``clean``."""

    def __init__(self, names: Iterable[str]) -> None:
        self._tags = [Tag(name, by=("clean",)) for name in names]

    def __call__(self, tags: Tags, record: Record) -> Tags:
        """Return the tags with those that were missing and that nobody removed."""
        standing = {tag.name for tag in tags}
        more = [tag for tag in self._tags if tag.name not in standing]
        more = [tag for tag in more if tag.name not in record.removed]
        return (*tags, *more) if more else tags
