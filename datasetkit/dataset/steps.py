"""A step: one stage, or one leg of stages, as a change that can be undone as a whole."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from datasetkit.dataset import captions, history
from datasetkit.dataset.dataset import Dataset, Reject
from datasetkit.dataset.hand import EDITED
from datasetkit.dataset.lines import Line, Log, dump, write_file
from datasetkit.dataset.places import digest, save
from datasetkit.dataset.recovery import promise
from datasetkit.dataset.rows import from_line
from datasetkit.errors import DatasetError
from datasetkit.record import HAND, Record

Call = Mapping[str, Mapping[str, Any]]  # {"clean": {"drop": ["absurdres"]}}, as in YAML


class Step:
    """A change in the making: what each key was before is written down before it changes.

    Use as a context manager. Left by an exception, the step stays open: the same calls go on with
    it, other calls close it first. Its history line is written when it ends. The originals of
    pictures that it ``paints`` are kept; without, its files are as they came.
    """

    def __init__(self, dataset: Dataset, calls: Sequence[Call], *, paints: bool = True) -> None:
        self.dataset = dataset
        self._paints = paints
        self.calls = [{name: dict(options) for name, options in call.items()} for call in calls]
        self.memory = dataset.memory

    def __enter__(self) -> "Step":
        unfinished = history.open_step(self.memory)
        if unfinished and unfinished["stages"] != json.loads(json.dumps(self.calls)):
            close_unfinished(self.dataset, unfinished)
            unfinished = None
        self.number = unfinished["step"] if unfinished else history.next_number(self.memory)
        self._folder = history.undo_folder(self.memory, self.number)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._before = Log(history.before_log(self.memory, self.number))
        self._seen: dict[str, str] = {}  # the file of each key that is new, "" for the others
        self._did: set[str] = set()
        for _, _, line in self._before:
            if "before" in line:
                self._seen[line["key"]] = line["file"] if line["before"] is None else ""
                if self._has_changed(line):
                    self._did.add(line["key"])
        self._announced = frozenset(self._seen)  # by a run that was killed
        self._originals = {path.stem for path in self.dataset.places.originals.iterdir()}
        marker = {"step": self.number, "stages": self.calls}
        write_file(history.open_marker(self.memory), json.dumps(marker).encode())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._before.close()
        if error is None:
            self.dataset.journal.compact()
            new = {key: bool(file) for key, file in self._seen.items()}
            _finish(self.dataset, self.number, self.calls, new, {})

    def did(self, key: str) -> bool:
        """Say whether a killed run had done this step for a picture, which is as it left it."""
        return key in self._did

    def _has_changed(self, announced: Line) -> bool:
        # The number alone does not tell: it is used again after a step that only measured.
        now = self.dataset.journal.kept.get(announced["key"])
        mine = now is not None and now["step"] == self.number and EDITED not in now
        return mine and now != announced["before"]

    def left_out(self) -> Iterator[Reject]:
        """What a killed run had left out in this step; each is read when its turn comes."""
        rejected = self.dataset.journal.rejected
        for key in self._announced:
            entry = rejected.entry(key)
            if entry is not None and entry.step == self.number:
                yield self.dataset.reject_of(key)

    def put(self, record: Record, staged: Path | None = None) -> None:
        """Add or change a record, so that it can be taken back."""
        self.put_all([(record, staged)])

    def put_all(self, changes: Sequence[tuple[Record, Path | None]]) -> None:
        """Add or change records of different keys; a hundred at once cost little more than one."""
        self.announce(changes)
        self.put_announced(changes)

    def put_announced(self, changes: Sequence[tuple[Record, Path | None]]) -> None:
        """Do that for records of which :meth:`announce` was told just before."""
        there = []
        for record, staged in changes:
            entry = self.dataset.journal.kept.entry(record.key)
            if entry and self.dataset.places.size(entry.file) is None:  # deleted while we worked
                self.dataset.reject(record, self.number, HAND, "removed by hand")
            else:
                there.append((record, staged))
        self.dataset.put_all(there, self.number)

    def note(self, record: Record) -> None:
        """Keep a record of which only the facts are new: there is nothing to take back."""
        self.note_all([record])

    def note_all(self, records: Sequence[Record]) -> None:
        """Do that for records of different keys."""
        self.dataset.put_all([(record, None) for record in records], self.number)

    def reject(self, record: Record, stage: str, reason: str, staged: Path | None = None) -> None:
        """Leave a record out, so that it can be taken back."""
        self.announce([(record, staged)])
        self.dataset.reject(record, self.number, stage, reason, staged)

    def announce(self, changes: Sequence[tuple[Record, Path | None]]) -> None:
        """Bring to the disk what records are before they change; many at once cost one sync."""
        new = [
            (record, staged)
            for record, staged in changes
            if self._seen.get(record.key) not in {"", record.picture.path.name}
        ]
        lines = [self._before_text(record, staged) for record, staged in new]
        lines += [text for record, _ in changes if (text := self._joined_text(record))]
        if lines:
            self._before.append_all(lines)
            self._before.sync()
        for record, _ in new:
            old = record.key not in self._seen and record.key in self.dataset.journal.kept
            self._seen[record.key] = "" if old else record.picture.path.name

    def _before_text(self, record: Record, staged: Path | None) -> bytes:
        """What a record was, as a line; the file that it has now is saved if it will change."""
        key, kept = record.key, self.dataset.journal.kept
        # One that is new in this step may be noted again, where its file has another suffix now.
        entry = None if key in self._seen else kept.entry(key)
        if entry and staged and (picture := self.dataset.path / entry.file).exists():
            save(picture, self._folder / entry.file)
            if self._paints and Path(entry.file).stem not in self._originals:
                save(picture, self.dataset.places.originals / entry.file)
        before = kept.text(key) if entry else b"null"  # the line as it stands: nothing is parsed
        more = {"key": key, "file": record.picture.path.name}
        promised = dump(more | promise(staged, captions.caption(record)))
        return b'%b,"before":%b}\n' % (promised[:-2], before)

    def _joined_text(self, record: Record) -> bytes:
        """What a record gets of another's edits by hand, as a line; empty where that is nothing.

        A picture that stays in another's place has them from it, and no person made them here.
        """
        hand = {tag.name for tag in record.tags if tag.by == (HAND,)}
        line = self.dataset.journal.kept.get(record.key) if hand or record.removed else None
        if line is None:
            return b""
        before = from_line(line, self.dataset.path)
        hand -= {tag.name for tag in before.tags if tag.by == (HAND,)}
        removed = record.removed - before.removed
        joined = {"hand": sorted(hand), "removed": sorted(removed)}
        return dump({"key": record.key, "joined": joined}) if hand or removed else b""


def undo(dataset: Dataset) -> Line:
    """Take back the last step that changed the dataset, and return its line of the history.

    The line is as :func:`next_undone` tells it. Edits that a person made since are kept. Pictures
    that the step brought in go to ``.dsk/undone``; ``aside`` counts them. Raises DatasetError when
    there is nothing to undo.
    """
    unfinished = history.open_step(dataset.memory)
    if unfinished:
        close_unfinished(dataset, unfinished)
    last = next_undone(dataset)
    folder = history.undo_folder(dataset.memory, last["step"])
    number = history.next_number(dataset.memory)
    kept = dataset.journal.kept
    changes = partial(history.before, dataset.memory, last["step"])
    joined = history.joined(dataset.memory, last["step"])
    brought = [(entry["key"], entry["file"]) for entry in changes() if entry["before"] is None]
    brought += [(key, now.file) for key, _ in brought if (now := kept.entry(key))]
    for entry in changes():
        if entry["before"] is not None:
            _take_back(dataset, entry, folder, number, joined.get(entry["key"], history.Joined()))
    # Forget first, move then: killed in between, the files are strangers that a second undo moves.
    dataset.journal.forget(key for key, _ in brought)
    dataset.journal.compact()
    files = dict.fromkeys(file for _, file in brought)
    aside = [_set_aside(dataset, file, dataset.memory / "undone" / folder.name) for file in files]
    (dataset.memory / "marks.json").unlink(missing_ok=True)
    history.append(dataset.memory, {"step": number, "undo": last["step"]})
    shutil.rmtree(folder)
    return last | {"aside": sum(aside)}


def next_undone(dataset: Dataset) -> Line:
    """The line of the history of the step that :func:`undo` would take back; changes nothing.

    Under ``later`` it holds those of tasks that ran since: what they made stands. Raises
    DatasetError when there is nothing to undo.
    """
    memory = dataset.memory
    lines = dataset.history
    steps = [line for line in lines if history.undo_folder(memory, line["step"]).is_dir()]
    if unfinished := history.open_step(memory):
        keys = _announced(memory, unfinished["step"])
        steps += [unfinished | _counts(dataset, keys)] if keys else []
    if not steps:
        raise DatasetError(f"there is nothing to undo in {dataset.path}")
    last = steps[-1]
    return last | {"later": [line for line in lines if line["step"] > last["step"]]}


def note_task(dataset: Dataset, calls: Sequence[Call], extra: Line) -> None:
    """Note in the history that a task ran, with what it made."""
    number = history.next_number(dataset.memory)
    history.append(dataset.memory, {"step": number, "stages": list(calls), **extra})


def close_unfinished(dataset: Dataset, unfinished: Line) -> None:
    """End an open step as it stands, so that it can be undone like any other."""
    dataset.journal.compact()
    number = unfinished["step"]
    new = _announced(dataset.memory, number)
    _finish(dataset, number, unfinished["stages"], new, {"interrupted": True})


def _announced(memory: Path, step: int) -> dict[str, bool]:
    """The keys of which a step said that it would change them; True for those that are new."""
    return {entry["key"]: entry["before"] is None for entry in history.before(memory, step)}


def _finish(
    dataset: Dataset, number: int, calls: Sequence[Call], keys: Mapping[str, bool], extra: Line
) -> None:
    """End a step that touched these keys: those that it brought in, and (False) the others."""
    folder = history.undo_folder(dataset.memory, number)
    if keys:
        line = {"step": number, "stages": list(calls), **_counts(dataset, keys), **extra}
        history.append(dataset.memory, line)
    else:
        shutil.rmtree(folder, ignore_errors=True)  # nothing changed: there is nothing to undo
    history.open_marker(dataset.memory).unlink(missing_ok=True)


def _counts(dataset: Dataset, keys: Mapping[str, bool]) -> dict[str, int]:
    kept = dataset.journal.kept
    return {
        "added": sum(new and key in kept for key, new in keys.items()),
        "changed": sum(not new and key in kept for key, new in keys.items()),
        "rejected": sum(key in dataset.journal.rejected for key in keys),
    }


def _take_back(
    dataset: Dataset, entry: Line, folder: Path, number: int, joined: history.Joined
) -> None:
    """Bring one record back to what it was, with what a person did to it since."""
    before = entry["before"]
    record = from_line(before, dataset.path)
    name = before["file"]
    current = dataset.journal.kept.get(record.key)
    reject = dataset.journal.rejected.get(record.key)
    if reject and reject["rejected"][0] == HAND:
        return  # deleted by hand since: it stays out
    shelved = dataset.places.rejected / name
    saved = folder / name if (folder / name).exists() else shelved
    staged = None
    if saved.exists() and (reject or saved != shelved):
        staged = dataset.places.workshop / name
        shutil.copyfile(saved, staged)
    if current and staged:  # painted over by hand since: kept, out of the way
        painted = dataset.path / current["file"]
        if digest(painted) not in (entry["picture"], digest(staged)):
            aside = dataset.memory / "undone" / folder.name
            aside.mkdir(parents=True, exist_ok=True)
            os.replace(painted, aside / painted.name)
    if current is None and reject:  # edited by hand while it was left out
        record = _with_later_edits(record, from_line(reject, dataset.places.rejected), joined)
    if current is not None:
        standing = from_line(current, dataset.path)
        record = _with_later_edits(record, standing, joined)
        if staged is None:  # only a person can have changed the file since
            record = replace(record, picture=standing.picture)
            if HAND in standing.facts:
                record = record.with_facts(HAND, standing.facts[HAND])
    own = [captions.caption_path(folder / name)]
    own += [captions.caption_path(shelved)] if reject else []
    written = captions.as_written(own, record)
    dataset.put(record, number, staged)
    if written is not None:
        write_file(captions.caption_path(record.picture.path), written)
    if reject:
        shelved.unlink(missing_ok=True)
        captions.caption_path(shelved).unlink(missing_ok=True)


def _with_later_edits(record: Record, current: Record, joined: history.Joined) -> Record:
    """Give a record of the past what a person did to its caption since.

    A caption that was worked on keeps its order; what comes back stands at its end.
    """
    by_hand = [tag for tag in current.tags if tag.by == (HAND,) and tag.name not in joined.hand]
    removed = current.removed - joined.removed
    touched = removed != record.removed or any(tag not in record.tags for tag in by_hand)
    standing = [tag for tag in current.tags if tag in by_hand or record.has(tag.name)]
    tags = [*standing, *record.tags] if touched else record.tags
    return replace(record, removed=removed).with_tags(tags)


def _set_aside(dataset: Dataset, name: str, folder: Path) -> bool:
    """Move a picture that an undone step had brought in out of the dataset, without deleting it.

    Says whether it is there now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for home in (dataset.path, dataset.places.rejected):
        for path in (home / name, captions.caption_path(home / name)):
            if path.exists():
                os.replace(path, folder / path.name)
    return (folder / name).exists()
