"""What became of one record, how it is committed and counted, and work done in order by threads."""

import errno
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from datasetkit import safety
from datasetkit.dataset import Step
from datasetkit.engines.events import Outcome
from datasetkit.record import Record
from datasetkit.stage import Drop

TOGETHER = 64  # changes that share one sync of what was before them
_MACHINE = {errno.EMFILE, errno.ENFILE, errno.ENOSPC}

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Result:
    """What became of one record: changed or not, or dropped; ``staged`` is its new file.

    ``noted`` says that only facts are new: memory, of which people see nothing.
    """

    record: Record
    drop: Drop | None = None
    stage: str = ""
    staged: Path | None = None
    noted: bool = False


def judged(before: Record, record: Record, stage: str) -> Result:
    """What became of a record that a stage gave back; its new tags must be such as are taken."""
    if record.names != before.names and (
        rule := safety.refusal(record.names, record.origin.rating)
    ):
        return Result(before, Drop(rule), stage)
    noted = record.facts != before.facts and replace(record, facts=before.facts) == before
    return Result(record, noted=noted)


def commit(step: Step, result: Result, name: str, outcome: Outcome, *, new: bool) -> None:
    """Put a result into the dataset, and count it."""
    if result.drop:
        stage = result.stage or name
        step.reject(result.record, stage, result.drop.reason, result.staged)
    elif result.noted:
        step.note(result.record)
    else:
        step.put(result.record, result.staged)
    count(result, name, outcome, new=new)


def count(result: Result, name: str, outcome: Outcome, *, new: bool) -> None:
    """Count a result."""
    if result.drop is None:
        outcome.added += new
        outcome.changed += not (new or result.noted)
        outcome.unchanged += result.noted
        return
    outcome.rejected[f"{result.stage or name}: {result.drop.reason}"] += 1
    if result.drop.error:
        outcome.errors[result.record.picture.path.name] = result.drop.reason


def difference(before: Record, result: Result) -> str:
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
    if not parts and before.facts != after.facts:
        parts = [f"facts of {k}" for k, v in after.facts.items() if before.facts.get(k) != v]
    return f"{before.key}: {' '.join(parts) or 'tags in another order'}"


def machine_fault(error: BaseException | None) -> OSError | None:
    """What this machine lacked, at the bottom of an error that looks like a picture's fault."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _MACHINE:
            return error
        error = error.__cause__
    return None


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
