"""What a dataset knows of each key, kept or left out, in two logs of which the later step wins."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from datasetkit.dataset.captions import caption_of
from datasetkit.dataset.index import Entry, Index, digest
from datasetkit.dataset.lines import Line, Log, refuse_paths
from datasetkit.dataset.posts import Posts, marks, marks_of
from datasetkit.dataset.rows import as_text
from datasetkit.errors import DatasetError
from datasetkit.names import same_file
from datasetkit.record import Record


class Journal:
    """The lines of a dataset, by key, and the two logs to which a change is appended.

    ``place`` in a line never changes, so that an undone reject comes back where it stood.
    """

    def __init__(self, memory: Path, *, write: bool) -> None:
        self.kept = Index(Log(memory / "records.jsonl", write=write))
        self.rejected = Index(Log(memory / "rejects.jsonl", write=write))
        self.older: dict[str, tuple[bytes, ...]] = {}  # of kept keys, since the last compaction
        self.mended = write and (self.kept.log.torn or self.rejected.log.torn)
        self._staged: list[str] = []  # kept keys that came with a file, likewise
        self._cut: list[tuple[str, bytes]] = []  # rejects whose files may not have been moved
        self._forms: dict[str, str] = {}  # keys by the form that tells files apart, if another
        self._posts: Posts | None = None
        self._next_place = 0
        self._loose = False  # whether the logs hold more than a line a key
        self._write = write
        try:
            self._load()
        except (LookupError, TypeError, ValueError, AttributeError, struct.error) as error:
            message = f"{memory}: a line lacks {error}; is it of another program?"
            raise DatasetError(message) from error

    def __contains__(self, key: object) -> bool:
        return key in self.kept or key in self.rejected

    @property
    def posts(self) -> Posts:
        """Which keys may be of a post or a file, kept or left out; made when first asked for."""
        if self._posts is None:
            self._posts = Posts(chain(self.kept.entries(), self.rejected.entries()))
        return self._posts

    def like(self, key: str) -> str | None:
        """The known key whose files a case-insensitive disk would not tell from this one's."""
        form = same_file(key)
        return form if form in self else self._forms.get(form)

    def line(self, key: str) -> Line | None:
        """The line of a key, kept or left out."""
        return self.kept.get(key) or self.rejected.get(key)

    def before(self, key: str) -> list[Line]:
        """The lines that a kept key had since the last compaction, the oldest first."""
        return [self.kept.read(key, packed) for packed in self.older.get(key, ())]

    def unsettled(self) -> list[str]:
        """The kept keys whose files a killed run may not have brought to where they belong."""
        found = dict.fromkeys([*self.older, *self._staged])
        return [key for key in found if key in self.kept]

    def cut_short(self) -> Iterator[Line]:
        """The rejects whose files a killed run may not have moved."""
        return (self.rejected.read(key, packed) for key, packed in self._cut)

    def keep(self, line: Line) -> None:
        """Commit a record: new, changed, or taken back from the rejects."""
        line = self._placed(line)
        entry = _entry(line, *self.kept.log.append(line))
        self._remember(line["key"], entry)
        self.rejected.drop(line["key"])
        self._note(line["key"], entry)

    def keep_all(self, changes: Sequence[tuple[Record, Line, int]]) -> None:
        """Commit records of different keys by one write: each with more of its line than it says.

        With them come the digests of their captions. Cut off, the write commits those whose lines
        are whole.
        """
        places = [self._place(record.key) for record, _, _ in changes]
        texts = [
            as_text(record, more | {"place": place})
            for place, (record, more, _) in zip(places, changes, strict=True)
        ]
        start = self.kept.log.append_all(texts)
        for place, text, (record, more, caption) in zip(places, texts, changes, strict=True):
            entry = Entry(
                place=place,
                start=start,
                size=len(text),
                step=more["step"],
                file_bytes=more.get("bytes", -1),
                caption=caption,
                staged="staged" in more,
                marks=marks_of(record),
                file=record.picture.path.name,
            )
            start += len(text)
            self._remember(record.key, entry)
            self.rejected.drop(record.key)
            self._note(record.key, entry)

    def reject(self, line: Line) -> None:
        """Commit that a record is left out."""
        line = self._placed(line)
        entry = _entry(line, *self.rejected.log.append(line))
        self.rejected.put(line["key"], entry)
        self.kept.drop(line["key"])
        self._note(line["key"], entry)

    def forget(self, keys: Iterable[str]) -> None:
        """Let keys go without a trace once the journal is compacted."""
        for key in keys:
            self.kept.drop(key)
            self.rejected.drop(key)
            self._forms.pop(same_file(key), None)
            self._loose = True

    def compact(self) -> None:
        """Rewrite both logs with one line a key, in the order of their places."""
        if self._loose:
            for index in (self.kept, self.rejected):  # what one lacks the other must hold
                index.log.sync()
            for index in (self.kept, self.rejected):
                index.rewrite()
        self._loose = False
        self.older.clear()
        self._staged.clear()
        self._cut.clear()

    def close(self) -> None:
        """Bring both logs to the disk."""
        for index in (self.kept, self.rejected):
            index.log.close()

    def _placed(self, line: Line) -> Line:
        return line | {"place": self._place(line["key"])}

    def _place(self, key: str) -> int:
        """Where a key stands among all; a new one behind the others."""
        for index in (self.kept, self.rejected):
            if (place := index.number(key)) is not None:
                return place
        self._name(key)
        self._next_place += 1
        return self._next_place - 1

    def _name(self, key: str) -> None:
        form = same_file(key)
        if form != key:
            self._forms[form] = key

    def _note(self, key: str, entry: Entry) -> None:
        self._loose = True
        if self._posts is not None:
            self._posts.add(key, entry.marks)

    def _remember(self, key: str, entry: Entry) -> None:
        before = self.kept.packed(key)
        if before:
            self.older[key] = (*self.older.get(key, ()), before)
        self.kept.put(key, entry)

    def _load(self) -> None:
        for start, size, line in self.kept.log:
            refuse_paths(line["key"], line["file"], line.get("staged", "-"))
            entry = _entry(line, start, size)
            if self._write:  # a reader does not look for edits
                tags = line["tags"]
                written = caption_of([tag[0] for tag in tags], [tag[1] for tag in tags])
                entry = entry._replace(caption=digest(written))
            self._loose |= entry.staged or line["key"] in self.kept
            if entry.staged:
                self._staged.append(line["key"])
            self._remember(line["key"], entry)
            self._learn(line["key"], entry)
        for start, size, line in self.rejected.log:
            refuse_paths(line["key"], line["file"], line.get("staged", "-"))
            key, entry = line["key"], _entry(line, start, size)
            standing = self.kept.entry(key)
            self._loose |= entry.staged or key in self
            if standing is None or standing.step <= entry.step:
                self.rejected.put(key, entry)
                if standing is not None or entry.staged:
                    self._cut.append((key, entry.pack(key)))
                self.kept.drop(key)
            self._learn(key, entry)

    def _learn(self, key: str, entry: Entry) -> None:
        self._name(key)
        self._next_place = max(self._next_place, entry.place + 1)


def in_place_order(lines: Index) -> Iterator[Line]:
    """The lines in the order in which their pictures came, each read when its turn comes."""
    return (lines[key] for key in lines.in_order() if key in lines)


def _entry(line: Line, start: int, size: int) -> Entry:
    return Entry(
        place=int(line["place"]),
        start=start,
        size=size,
        step=line["step"],
        file_bytes=line.get("bytes", -1),
        caption=0,
        staged="staged" in line,
        marks=marks(line),
        file=line["file"],
    )
