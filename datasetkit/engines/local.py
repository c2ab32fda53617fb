"""Stages on one machine: downloads and pixels in threads, every change committed in order.

Pillow, onnxruntime and the network let go of the interpreter while they work, so threads serve as
well as processes and share one model. At most a few pictures a worker are in memory at a time.
"""

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from datasetkit import safety
from datasetkit.catalog import name_of
from datasetkit.dataset import Dataset, Step, note_task
from datasetkit.dataset.dataset import cannot_write
from datasetkit.engines.events import Advanced, Began, Ended, Outcome, Report, Said
from datasetkit.errors import DatasetkitError, PictureError, SiteError
from datasetkit.pipeline import call_of
from datasetkit.pixels import FORMATS, Picture, decode, read_header, written_suffix
from datasetkit.record import Origin, Record
from datasetkit.stage import Drop, Find, Known, Map, Note, Progress, Source, Stage, Task, Wrote

DOWNLOADS = 4  # at once; the session's own rate a host is what keeps it polite
GIVE_UP_AFTER = 5  # fetches that fail one after another: the site is down, not the file

TOGETHER = 64  # changes that share one sync of what was before them
WAIT = 1.0  # seconds of work, at most, that a kill may cost

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Result:
    """What became of one record: changed or not, or dropped; ``staged`` is its new file."""

    record: Record
    drop: Drop | None = None
    stage: str = ""
    staged: Path | None = None


def legs(stages: Sequence[Stage]) -> list[tuple[Stage, ...]]:
    """Group stages so that neighbours which map records share one decode and one encode."""
    grouped = itertools.groupby(enumerate(stages), lambda item: isinstance(item[1], Map) or item[0])
    return [tuple(stage for _, stage in group) for _, group in grouped]


def run_leg(
    dataset: Dataset, leg: Sequence[Stage], report: Report, *, dry_run: bool = False
) -> Outcome:
    """Run one source, one task, or a row of maps on a dataset open for writing.

    Raises what stops the whole (no network, no model, a full disk); what ails one picture is in
    the outcome. An interrupted leg goes on where it was when it is run again.
    """
    name = "+".join(name_of(stage) for stage in leg)
    try:
        if isinstance(leg[0], Source):
            outcome = _run_source(dataset, leg[0], name, report)
        elif isinstance(leg[0], Task):
            outcome = _run_task(dataset, leg[0], name, report)
        else:
            maps = [stage for stage in leg if isinstance(stage, Map)]
            outcome = _run_maps(dataset, maps, name, report, dry_run=dry_run)
    except OSError as error:
        raise cannot_write(dataset.path, error) from error
    report(Ended(outcome))
    return outcome


@dataclass(frozen=True)
class NothingKnown:
    """What a source is told of a dataset that is not there yet."""

    path: Path

    def __contains__(self, key: object, /) -> bool:
        """No key is there."""
        return False

    def like(self, key: str) -> str | None:
        """No key is."""
        return None

    def origin(self, key: str) -> Origin | None:
        """No key has one."""
        return None


def survey(source: Source, known: Known, report: Report) -> Outcome:
    """Look at what a source offers, and count it, without fetching a picture."""
    name = name_of(source)
    outcome = Outcome(name)
    expected = source.expected()
    report(Began(name, expected))
    for find in _offered(source, known, outcome, report):
        outcome.added += 1
        report(Advanced(name, outcome.added, expected, find.name))
    return outcome


def _offered(source: Source, known: Known, outcome: Outcome, report: Report) -> Iterator[Find]:
    """What a source offers and the safety rules let through; the rest is counted or said."""
    for item in source.find(known):
        if isinstance(item, Note):
            report(Said(outcome.stage, item.text, item.warning))
        elif isinstance(item, Drop):
            outcome.passed_over[item.reason] += 1
            if item.error:
                outcome.errors[item.reason] = "named above"
        elif rule := safety.refusal(item.record.names, item.record.origin.rating):
            outcome.passed_over[rule] += 1
        else:
            yield item


def _run_source(dataset: Dataset, source: Source, name: str, report: Report) -> Outcome:
    outcome = Outcome(name)
    failures = 0
    expected = source.expected()
    report(Began(name, expected))

    def fetch(find: Find) -> Result | SiteError | PictureError:
        try:
            return _fetch(dataset, find)
        except (SiteError, PictureError) as error:
            return error

    offered = _offered(source, dataset, outcome, report)
    with Step(dataset, [call_of(source)]) as step:
        for done, (find, result) in enumerate(in_order(fetch, offered, DOWNLOADS), 1):
            if isinstance(result, DatasetkitError):
                failures += isinstance(result, SiteError)
                outcome.errors[find.name] = str(result)
                if failures == GIVE_UP_AFTER:
                    raise SiteError(f"{failures} downloads in a row failed; the last: {result}")
            else:
                failures = 0
                _commit(step, result, name, outcome, new=True)
            report(Advanced(name, done, expected, find.name))
    return outcome


def _fetch(dataset: Dataset, find: Find) -> Result:
    """Bring one file into the workshop and look at all of it before it counts as a picture."""
    draft = dataset.draft(find.name)
    try:
        find.fetch(draft)
        with draft.open("rb+") as file:  # a record must never outlive its picture's bytes
            os.fsync(file.fileno())
        return _received(dataset, find, draft)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _received(dataset: Dataset, find: Find, draft: Path) -> Result:
    name = Path(find.name)
    try:
        format_name, _, frames = read_header(draft)
        # The suffix says what the bytes are, whatever the site's name said.
        suffixes = {FORMATS[format_name], ".jpeg" if format_name == "JPEG" else ""}
        suffix = name.suffix if name.suffix in suffixes else FORMATS[format_name]
        size = decode(draft).size
    except PictureError as error:
        record = replace(find.record, picture=Picture(dataset.path / name, (0, 0)))
        return Result(record, Drop(str(error), error=True), staged=draft)
    record = replace(find.record, picture=Picture(dataset.path / name.with_suffix(suffix), size))
    if frames > 1:
        return Result(record, Drop("animated"), staged=draft)
    return Result(record, staged=draft)


def _run_maps(
    dataset: Dataset, leg: Sequence[Map], name: str, report: Report, *, dry_run: bool
) -> Outcome:
    outcome = Outcome(name)
    records = dataset.records
    report(Began(name, len(records)))

    def work(record: Record) -> Result:
        result = _mapped(leg, record)
        if result.drop or dry_run or result.record.picture.painted is None:
            return result
        return _stage_pixels(dataset, result)

    step = None if dry_run else Step(dataset, [call_of(stage) for stage in leg])
    waiting: list[Result] = []
    since = time.monotonic()

    def commit() -> None:
        if step:
            step.announce([(result.record, result.staged) for result in waiting])
            for result in waiting:
                _commit(step, result, name, outcome, new=False)
        waiting.clear()

    with step or nullcontext():
        results = in_order(work, records, os.cpu_count() or 1)
        for done, (record, result) in enumerate(results, 1):
            if result.record == record and not result.drop:
                outcome.unchanged += 1
            elif step:
                waiting.append(result)
            else:
                _count(result, name, outcome, new=False)
                report(Said(name, _difference(record, result)))
            record.picture.forget()
            result.record.picture.forget()
            if len(waiting) >= TOGETHER or time.monotonic() - since > WAIT:
                commit()
                since = time.monotonic()
            report(Advanced(name, done, len(records), record.key))
        commit()
    return outcome


def _difference(before: Record, result: Result) -> str:
    """Say in a line what would become of one picture."""
    after = result.record
    if result.drop:
        return f"{before.key}: would be left out ({result.drop.reason})"
    parts = [f"-{name}" for name in before.names if name not in after.names]
    parts += [f"+{name}" for name in after.names if name not in before.names]
    if before.picture.size != after.picture.size:
        parts.append("{}x{} -> {}x{}".format(*before.picture.size, *after.picture.size))
    elif after.picture.painted is not None:
        parts.append("new pixels")
    return f"{before.key}: {' '.join(parts) or 'tags in another order'}"


def _mapped(leg: Sequence[Map], record: Record) -> Result:
    """Take one record through a leg; what fails on one picture is a reject, not a crash."""
    before = record
    for stage in leg:
        try:
            became = stage(record)
        except PictureError as error:
            return Result(before, Drop(str(error), error=True), name_of(stage))
        except DatasetkitError:
            raise
        except (Exception, MemoryError) as error:  # one bad file never stops the rest
            fault = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            return Result(before, Drop(fault, error=True), name_of(stage))
        if isinstance(became, Drop):
            return Result(before, became, name_of(stage))
        record = became
    if record.names != before.names and (
        rule := safety.refusal(record.names, record.origin.rating)
    ):
        return Result(before, Drop(rule), name_of(leg[-1]))
    return Result(record)


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


def _commit(step: Step, result: Result, name: str, outcome: Outcome, *, new: bool) -> None:
    if result.drop:
        stage = result.stage or name
        step.reject(result.record, stage, result.drop.reason, result.staged)
    else:
        step.put(result.record, result.staged)
    _count(result, name, outcome, new=new)


def _count(result: Result, name: str, outcome: Outcome, *, new: bool) -> None:
    if result.drop is None:
        outcome.added += new
        outcome.changed += not new
        return
    outcome.rejected[f"{result.stage or name}: {result.drop.reason}"] += 1
    if result.drop.error:
        outcome.errors[result.record.picture.path.name] = result.drop.reason


def _run_task(dataset: Dataset, task: Task, name: str, report: Report) -> Outcome:
    outcome = Outcome(name)
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


def in_order(work: Callable[[T], U], items: Iterable[T], workers: int) -> Iterator[tuple[T, U]]:
    """Do work on items in threads, and give the results in the items' order.

    Only as many items as there are workers are under way at once, so memory stays flat and a
    killed run has little to do again. When the caller stops, what has not begun is dropped.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="dsk")
    waiting: deque[tuple[T, Future[U]]] = deque()
    ended = False
    try:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > workers:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
        ended = True
    finally:
        pool.shutdown(wait=ended, cancel_futures=True)  # after Ctrl-C nobody waits for a download
