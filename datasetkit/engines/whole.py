"""Stages that need the whole set: their second look, after every picture was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import overload

from datasetkit.catalog import name_of
from datasetkit.dataset import Dataset, Step
from datasetkit.engines.events import Advanced, Outcome, Report, Said
from datasetkit.engines.results import TOGETHER, Result, commit_all, count, difference, judged
from datasetkit.errors import DatasetkitError
from datasetkit.pixels import Picture, written_suffix
from datasetkit.record import Record
from datasetkit.stage import Change, Drop, Progress, Selective, Whole, Wrote


def measured(stage: Selective, record: Record, dataset: Dataset | None) -> Record:
    """A record with what a stage that needs the whole set measures of it.

    Measured is what its file is going to hold, so that it makes no difference whether the file was
    written before: of painted pixels that JPEG will change, a draft in a ``dataset`` open for
    writing, if there is one.
    """
    if not isinstance(stage, Whole) or type(stage).measure is Whole.measure:
        return record
    picture = record.picture
    if dataset is None or picture.painted is None or written_suffix(picture.path.suffix) != ".jpg":
        return stage.measure(record)
    draft = dataset.draft(f"{record.key}.jpg")
    try:
        draft.write_bytes(picture.content)
        became = stage.measure(replace(record, picture=Picture(draft, picture.size)))
    finally:
        draft.unlink(missing_ok=True)
    return replace(became, picture=picture)


def settle(
    dataset: Dataset,
    stage: Whole,
    step: Step | None,
    name: str,
    report: Report,
    outcome: Outcome,
    touched: set[str],
    seen: Mapping[str, Record],
) -> None:
    """Let a stage look at all records and commit what it says; without a step, only tell it.

    ``touched`` are keys that count as changed already; ``seen`` holds the records of a dry run.
    """
    own = name_of(stage)
    keys = [key for key in dataset.records.keys if step or key in seen]
    # A killed run left them out by the word of this stage, which shall see what it saw then.
    gone = {out.record.key for out in step.left_out() if out.stage == own} if step else set[str]()
    if gone:
        keys = dataset.in_order([*keys, *gone])
    records = _Records(dataset, keys, seen)
    if stage.where:
        keys = [record.key for record in records if stage.concerns(record)]
        records = _Records(dataset, keys, seen)
        if not keys:
            return
    waiting: list[Result] = []

    def commit_waiting() -> None:
        if step:
            commit_all(step, waiting, name, outcome)
        waiting.clear()

    for word in stage(records, dataset.path):
        if isinstance(word, Progress):
            report(Advanced(name, word.done, word.total, word.text))
        elif isinstance(word, Wrote):
            outcome.outputs.append(word.path)
            outcome.written += word.fresh
        elif isinstance(word, Change) and word.key in gone:
            continue
        elif isinstance(word, Change):
            result, before = _result(records, stage, word)
            if result.record == before and not result.drop:
                continue
            outcome.unchanged -= word.key not in touched
            outcome.changed -= word.key in touched
            if step:
                waiting.append(result)
                if len(waiting) >= TOGETHER:
                    commit_waiting()
            else:
                count(result, name, outcome, new=False)
                report(Said(own, difference(before, result)))
        else:
            outcome.told = True
            report(Said(own, word.text, word.warning))
    commit_waiting()


def _result(records: "_Records", stage: Whole, change: Change) -> tuple[Result, Record]:
    before = records.of(change.key)
    if isinstance(change.became, Drop):
        return Result(before, change.became, name_of(stage)), before
    record = replace(change.became, picture=before.picture)  # the same file, read a second time
    return judged(before, record, [stage]), before


class _Records(Sequence[Record]):
    """Some of a dataset's records in their order, each read when it is asked for."""

    def __init__(self, dataset: Dataset, keys: list[str], seen: Mapping[str, Record]) -> None:
        self._dataset, self._keys, self._seen = dataset, keys, seen

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | Sequence[Record]:
        if isinstance(place, slice):
            return _Records(self._dataset, self._keys[place], self._seen)
        return self.of(self._keys[place])

    def of(self, key: str) -> Record:
        record = self._seen.get(key) or self._dataset.record(key)
        if record is None and key in self._dataset:
            record = self._dataset.reject_of(key).record
        if record is None:
            raise DatasetkitError(f"{key} is not in the dataset any more")
        return record
