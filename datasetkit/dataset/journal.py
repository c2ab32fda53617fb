"""What a dataset knows of each key, kept or left out, in two logs of which the later step wins."""

from collections.abc import Iterable
from pathlib import Path

from datasetkit.dataset.lines import Line, Log, read, refuse_paths, rewrite
from datasetkit.errors import DatasetError
from datasetkit.names import same_file


class Journal:
    """The lines of a dataset, by key, and the two logs to which a change is appended.

    ``place`` in a line never changes, so that an undone reject comes back where it stood.
    """

    def __init__(self, memory: Path, *, write: bool) -> None:
        self._paths = {"kept": memory / "records.jsonl", "rejected": memory / "rejects.jsonl"}
        self.kept: dict[str, Line] = {}
        self.rejected: dict[str, Line] = {}
        self.older: dict[str, list[Line]] = {}  # of kept keys, since the last compaction
        self.cut: list[Line] = []  # rejects whose files a killed run may not have moved
        self.forms: dict[str, str] = {}  # every known key by the form that tells files apart
        self.mended = False
        self._logs: dict[str, Log] = {}
        if write:
            self._logs = {name: Log(path) for name, path in self._paths.items()}
            self.mended = any(log.torn for log in self._logs.values())
        lines = {
            name: self._logs[name].lines if write else read(path)[0]
            for name, path in self._paths.items()
        }
        self._load(lines["kept"], lines["rejected"])
        everything = [*self.kept.values(), *self.rejected.values()]
        self.forms = {same_file(line["key"]): line["key"] for line in everything}
        self._next_place = 1 + max((line["place"] for line in everything), default=-1)

    def __contains__(self, key: object) -> bool:
        return key in self.kept or key in self.rejected

    def keep(self, line: Line) -> None:
        """Commit a record: new, changed, or taken back from the rejects."""
        line = self._placed(line)
        self._logs["kept"].append(line)
        self._remember(line)
        self.rejected.pop(line["key"], None)

    def reject(self, line: Line) -> None:
        """Commit that a record is left out."""
        line = self._placed(line)
        self._logs["rejected"].append(line)
        self.rejected[line["key"]] = line
        self.kept.pop(line["key"], None)

    def forget(self, keys: Iterable[str]) -> None:
        """Let keys go without a trace once the journal is compacted."""
        for key in keys:
            self.kept.pop(key, None)
            self.rejected.pop(key, None)
            self.forms.pop(same_file(key), None)

    def compact(self) -> None:
        """Rewrite both logs with one line a key, in the order of their places."""
        self.close()
        for name, lines in (("kept", self.kept), ("rejected", self.rejected)):
            for line in lines.values():
                line.pop("staged", None)
            rewrite(self._paths[name], in_place_order(lines))
        self.older.clear()
        self.cut.clear()
        self._logs = {name: Log(path) for name, path in self._paths.items()}

    def close(self) -> None:
        """Bring both logs to the disk."""
        for log in self._logs.values():
            log.close()

    def _placed(self, line: Line) -> Line:
        known = self.kept.get(line["key"]) or self.rejected.get(line["key"])
        if known:
            return line | {"place": known["place"]}
        self.forms[same_file(line["key"])] = line["key"]
        self._next_place += 1
        return line | {"place": self._next_place - 1}

    def _remember(self, line: Line) -> None:
        before = self.kept.get(line["key"])
        if before:
            self.older.setdefault(line["key"], []).append(before)
        self.kept[line["key"]] = line

    def _load(self, kept: list[Line], rejected: list[Line]) -> None:
        try:
            for line in [*kept, *rejected]:
                refuse_paths(line["key"], line["file"], line.get("staged", "-"))
            for line in kept:
                self._remember(line)
            for line in rejected:
                standing = self.kept.get(line["key"])
                if standing is None or standing["step"] <= line["step"]:
                    if standing is not None or "staged" in line:
                        self.cut.append(line)
                    self.rejected[line["key"]] = line
                    self.kept.pop(line["key"], None)
        except (KeyError, TypeError) as error:
            folder = self._paths["kept"].parent
            message = f"{folder}: a line lacks {error}; is it of another program?"
            raise DatasetError(message) from error


def in_place_order(lines: dict[str, Line]) -> list[Line]:
    """The lines in the order in which their pictures came."""
    return sorted(lines.values(), key=lambda line: int(line["place"]))
