"""Stages on one machine: downloads and pixels in threads, every change committed in order.

Pillow, onnxruntime and the network let go of the interpreter while they work, so threads serve as
well as processes and share one model. At most a few pictures a worker are in memory at a time.
"""

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace

from datasetkit.catalog import name_of
from datasetkit.dataset import Dataset, Step, note_task
from datasetkit.dataset.dataset import cannot_write
from datasetkit.dataset.hand import as_edited
from datasetkit.engines.events import Advanced, Began, Ended, Outcome, Report, Said
from datasetkit.engines.results import (
    TOGETHER,
    Result,
    Tally,
    commit_all,
    count,
    difference,
    judged,
    machine_fault,
    spread,
)
from datasetkit.engines.sources import run_source
from datasetkit.engines.whole import measured, settle
from datasetkit.errors import DatasetkitError, PictureError
from datasetkit.pipeline import call_of
from datasetkit.pixels import Picture, written_suffix
from datasetkit.record import Record
from datasetkit.stage import Drop, Map, Progress, Selective, Source, Stage, Task, Whole, Wrote
from datasetkit.unmet import unmet

WAIT = 1.0  # seconds of work, at most, that a kill may cost


def legs(stages: Sequence[Stage]) -> list[tuple[Stage, ...]]:
    """Group stages so that neighbours which map records share one decode and one encode.

    A stage that needs the whole set closes a group: what it measures is measured with the rest.
    """
    groups: list[list[Stage]] = []
    going_on = False
    for stage in stages:
        if going_on and isinstance(stage, Selective) and not isinstance(stage, Source):
            groups[-1].append(stage)
        else:
            groups.append([stage])
        going_on = isinstance(stage, Map)
    return [tuple(group) for group in groups]


def run_leg(
    dataset: Dataset,
    leg: Sequence[Stage],
    report: Report,
    *,
    dry_run: bool = False,
    alone: bool = False,
) -> Outcome:
    """Run one source, one task, or a row of maps on a dataset open for writing.

    A stage that needs the whole set may end the row. One that runs ``alone``, by a command of its
    own, also says what is worth no line in a pipeline.

    Raises what stops the whole (no network, no model, a full disk); what ails one picture is in
    the outcome. An interrupted leg goes on where it was when it is run again.
    """
    name = "+".join(name_of(stage) for stage in leg)
    try:
        if isinstance(leg[0], Source):
            outcome = run_source(dataset, leg[0], name, report)
        elif isinstance(leg[0], Task):
            outcome = _run_task(dataset, leg[0], name, report)
        else:
            maps = [stage for stage in leg if isinstance(stage, Selective)]
            outcome = _run_maps(dataset, maps, name, report, dry_run=dry_run, alone=alone)
    except OSError as error:
        raise cannot_write(dataset.path, error) from error
    report(Ended(outcome))
    return outcome


def _run_maps(
    dataset: Dataset,
    leg: Sequence[Selective],
    name: str,
    report: Report,
    *,
    dry_run: bool,
    alone: bool,
) -> Outcome:
    outcome = Outcome(name, told=any(stage.tells for stage in leg))
    whole = leg[-1] if isinstance(leg[-1], Whole) else None
    touched: set[str] = set()  # what the maps before a whole have changed
    seen: dict[str, Record] = {}  # what a dry run has measured, of which nothing is kept
    tally = Tally()
    met: set[int] = set()  # the stages whose filter some picture fulfils
    records = dataset.records
    report(Began(name, len(records)))

    def found() -> Iterable[Record]:
        if not dry_run:
            return records
        return (as_edited(dataset.journal, dataset.path, record) for record in records)

    def remark(stages: Sequence[Selective]) -> None:
        for stage in stages:
            for note in stage.remarks(found()):
                if note.warning or alone:
                    outcome.told = True
                    report(Said(name_of(stage), note.text, note.warning))

    remark(leg[:1])
    if dry_run and (strange := len(dataset.strangers)):
        what = "1 picture was" if strange == 1 else f"{strange} pictures were"
        them = "it" if strange == 1 else "them"
        report(Said(name, f"{what} put into the folder; the run takes {them} in"))

    def work(record: Record) -> Result:
        if step and step.did(record.key):
            return Result(record, done=True)
        meant: set[int] = set()
        result = _mapped(leg, record, meant, None if dry_run else dataset)
        if not (result.drop or dry_run or result.record.picture.painted is None):
            result = _stage_pixels(dataset, result)
        record.picture.forget()  # here, and not by whoever waits for the result
        result.record.picture.forget()
        return replace(result, meant=frozenset(meant))

    step = None if dry_run else Step(dataset, [call_of(stage) for stage in leg])
    waiting: list[Result] = []
    since = time.monotonic()

    def commit_waiting() -> None:
        if step:
            commit_all(step, waiting, name, outcome)
        waiting.clear()

    with step or nullcontext():
        for out in step.left_out() if step else ():
            outcome.rejected[f"{out.stage}: {out.reason}"] += 1
        results = spread(work, found(), os.cpu_count() or 1)
        for done, (record, result) in enumerate(results, 1):
            met |= result.meant
            if result.done:
                outcome.changed += 1
                met.update(range(len(leg)))  # nobody knows which of them meant it
            elif not result.meant:
                outcome.not_meant += 1
            elif result.record == record and not result.drop:
                outcome.unchanged += 1
            elif step:
                waiting.append(result)
                if alone and not (result.drop or result.noted):
                    tally.add(record.key, leg[0].deeds(record, result.record))
            else:
                count(result, name, outcome, new=False)
                if not result.noted:
                    report(Said(name, difference(record, result)))
            if whole and not result.noted and (result.done or result.record != record):
                touched.add(record.key)
            if whole and not step and not result.drop:
                seen[record.key] = replace(result.record, picture=record.picture)
            if len(waiting) >= TOGETHER or time.monotonic() - since > WAIT:
                commit_waiting()
                since = time.monotonic()
            report(Advanced(name, done, len(records), record.key))
        commit_waiting()
        if step:  # only now do the pictures have what the stages before them bring
            remark(leg[1:])
            for note in leg[0].summed_up(tally.counts, tally.first) if tally.counts else ():
                report(Said(name, note.text, note.warning))
        for place, stage in enumerate(leg if records else ()):
            if stage.where and place not in met:
                text = unmet(stage.where, records, "nothing was done")
                report(Said(name_of(stage), text, warning=True))
        if whole:
            settle(dataset, whole, step, name, report, outcome, touched, seen)
    return outcome


def _mapped(
    leg: Sequence[Selective], record: Record, meant: set[int], dataset: Dataset | None
) -> Result:
    """Take one record through a leg; what fails on one picture is a reject, not a crash.

    The places of the stages that mean it are put into ``meant``.
    """
    before = record
    for place, stage in enumerate(leg):
        if not stage.concerns(record):
            continue
        meant.add(place)
        try:
            became = stage(record) if isinstance(stage, Map) else measured(stage, record, dataset)
        except PictureError as error:
            if lack := machine_fault(error):
                raise lack from error
            return Result(before, Drop(str(error), error=True), name_of(stage))
        except DatasetkitError:
            raise
        except (Exception, MemoryError) as error:  # one bad file never stops the rest
            if machine_fault(error):
                raise
            fault = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            return Result(before, Drop(fault, error=True), name_of(stage))
        if isinstance(became, Drop):
            return Result(before, became, name_of(stage))
        record = became
    return judged(before, record, leg)


def _stage_pixels(dataset: Dataset, result: Result) -> Result:
    """Encode changed pixels, once, into a file that waits for its commit."""
    picture = result.record.picture
    suffix = written_suffix(picture.path.suffix)
    path = picture.path.with_suffix(suffix)
    draft = dataset.draft(path.name)
    with draft.open("wb") as file:
        file.write(picture.content)
        file.flush()
        os.fsync(file.fileno())
    record = replace(result.record, picture=Picture(path, picture.size))
    return Result(record, staged=draft)


def _run_task(dataset: Dataset, task: Task, name: str, report: Report) -> Outcome:
    outcome = Outcome(name, told=task.tells)
    report(Began(name, None))
    for work in task(dataset):
        if isinstance(work, Progress):
            report(Advanced(name, work.done, work.total, work.text))
        elif isinstance(work, Wrote):
            outcome.outputs.append(work.path)
            outcome.written += work.fresh
        else:
            report(Said(name, work.text, work.warning))
    if outcome.written:
        made = [os.path.relpath(path, dataset.path) for path in outcome.outputs]
        note_task(dataset, [call_of(task)], {"outputs": made})
    return outcome
