"""Which record stands for a site's post, or for a file that a site has under its md5."""

from collections.abc import Iterable

from datasetkit.dataset.index import Entry
from datasetkit.dataset.lines import Line
from datasetkit.record import Record


def origins(line: Line) -> list[Line]:
    """Where the picture of a line stands: where it came from, and everywhere else."""
    return [line.get("origin", {}), *line.get("also", ())]


def marks(line: Line) -> tuple[int, ...]:
    """The numbers that stand for a line's posts and files in this process."""
    found = []
    for origin in origins(line):
        if origin.get("post"):
            found.append(post_mark(origin.get("site", ""), origin["post"]))
        if origin.get("md5"):
            found.append(md5_mark(origin["md5"]))
    return tuple(found)


def marks_of(record: Record) -> tuple[int, ...]:
    """The numbers that stand for a record's posts and files: those of its line."""
    found = []
    for origin in (record.origin, *record.also):
        if origin.post:
            found.append(post_mark(origin.site, origin.post))
        if origin.md5:
            found.append(md5_mark(origin.md5))
    return tuple(found)


def post_mark(site: str, post: str) -> int:
    """The number that stands for a post."""
    return hash((site, post))


def md5_mark(md5: str) -> int:
    """The number that stands for a file."""
    return hash(md5)


class Posts:
    """The keys that may be meant by a mark; whoever asks looks at their lines to be sure.

    So nothing has to be taken out when a line changes, and two that share a number do no harm.
    """

    def __init__(self, entries: Iterable[tuple[str, Entry]]) -> None:
        self._keys: dict[int, str | tuple[str, ...]] = {}
        for key, entry in entries:
            self.add(key, entry.marks)

    def add(self, key: str, marks: Iterable[int]) -> None:
        """Note what a key's line is marked by."""
        for mark in marks:
            known = self.keys(mark)
            if key not in known:
                self._keys[mark] = (*known, key) if known else key

    def keys(self, mark: int) -> tuple[str, ...]:
        """The keys that ever were marked so."""
        found = self._keys.get(mark, ())
        return (found,) if isinstance(found, str) else found
