"""What became of one record, how it is committed and counted, and work done in order by threads."""

import errno
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from datasetkit import masks, safety
from datasetkit.catalog import name_of
from datasetkit.dataset import Step
from datasetkit.engines.events import Outcome
from datasetkit.record import Record
from datasetkit.stage import Drop, Stage
from datasetkit.tags import to_caption
from datasetkit.threads import in_order

TOGETHER = 1024  # changes that share one write of their lines and one sync of what was before
QUICK = 0.002  # seconds; to hand an item to a thread and back costs a fortieth of that
LATE = 0.016  # seconds beyond that; on a busy machine a quick item may wait its turn so long
CALM = 16  # quick items in a row, after which a slow one is an accident
KEEP = "keep_tokens"  # in the facts of a stage: how many tags trainers leave in front
MOST = 1024  # of those, before it is asked again whether what only waits must do so in threads
_MACHINE = {errno.EMFILE, errno.ENFILE, errno.ENOSPC}

NAMED = 5  # pictures that are named, of those with which the same was done

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Result:
    """What became of one record: changed or not, or dropped; ``staged`` is its new file.

    ``noted`` says that only facts are new: memory, of which people see nothing. ``meant`` holds
    the places in their leg of the stages whose filter let the record through. ``done`` says that a
    run that was killed was through with it.
    """

    record: Record
    drop: Drop | None = None
    stage: str = ""
    staged: Path | None = None
    noted: bool = False
    done: bool = False
    meant: frozenset[int] = frozenset()


def judged(before: Record, record: Record, stages: Sequence[Stage]) -> Result:
    """What became of a record that stages gave back; its new tags must be such as are taken."""
    if record.tags is not before.tags and (
        rule := safety.refusal(record.names, record.origin.rating)
    ):
        return Result(before, Drop(rule), name_of(stages[-1]))
    return Result(record, noted=_is_memory(before, record, stages))


def _is_memory(before: Record, record: Record, stages: Sequence[Stage]) -> bool:
    """Say whether all that is new in a record are facts that stages keep for themselves."""
    if record.facts == before.facts or replace(record, facts=before.facts) != before:
        return False
    if masks.said(record.facts) != masks.said(before.facts):
        return False  # what is hidden from training is no memory: the export shows it
    names = {name_of(stage) for stage in stages if stage.remembers}
    return all(
        name in names
        for name in {*record.facts, *before.facts}
        if record.facts.get(name) != before.facts.get(name)
    )


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


def commit_all(step: Step, results: Sequence[Result], name: str, outcome: Outcome) -> None:
    """Put results of different records into the dataset together, and count them as changes."""
    step.announce([(r.record, r.staged) for r in results if not r.noted])
    step.put_announced([(r.record, r.staged) for r in results if not (r.drop or r.noted)])
    step.note_all([r.record for r in results if r.noted])
    for result in results:
        if result.drop:
            commit(step, result, name, outcome, new=False)
        else:
            count(result, name, outcome, new=False)


def count(result: Result, name: str, outcome: Outcome, *, new: bool) -> None:
    """Count a result."""
    if result.drop is None:
        outcome.added += new
        outcome.changed += not (new or result.noted)
        outcome.unchanged += result.noted
        outcome.told |= result.noted
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
    if masks.said(before.facts) != masks.said(after.facts):
        count = sum(len(areas) for areas in masks.said(after.facts).values())
        parts.append(f"{count or 'no'} part{'s' * (count != 1)} hidden from training")
    if not parts:
        parts = _written_down(before.facts, after.facts)
    return f"{before.key}: {' '.join(parts) or 'tags in another order'}"


def _written_down(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Say what is new in facts that people asked for: such as trainers go by, or a description."""
    parts = []
    for stage in dict.fromkeys([*after, *before]):
        old, new = before.get(stage), after.get(stage)
        if old == new:
            continue
        (gone, others), (goes, rest) = _dropped(old), _dropped(new)
        for names, when in ((goes - gone, "away"), (gone - goes, "away no more")):
            told = ", ".join(repr(to_caption(name)) for name in sorted(names))
            stay = "stays" if len(names) == 1 else "stay"
            parts += [f"written down: {told} {stay} {when}"] if names else []
        if gone != goes and others == rest:
            continue
        kept, keeps = (f.get(KEEP) if isinstance(f, Mapping) else None for f in (old, new))
        if kept != keeps:
            parts.append(f"written down for trainers: {KEEP} {keeps or 0}")
        elif isinstance(new, Mapping) and isinstance(new.get("text"), str):
            parts.append(f'described: "{new["text"]}"')
        else:
            parts.append(f"what {stage} knows of it is {'new' if new is not None else 'gone'}")
    return parts


def _dropped(fact: Any) -> tuple[set[str], Any]:
    """The names in a stage's facts that it took out on purpose, and the other facts."""
    if not isinstance(fact, Mapping) or not isinstance(names := fact.get("dropped"), list | tuple):
        return set(), fact or {}
    rest = {key: value for key, value in fact.items() if key != "dropped"}
    return {name for name in names if isinstance(name, str)}, rest


class Tally:
    """What a stage did with pictures, counted by its words, and the first few of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, list[str]] = {}

    def add(self, key: str, deeds: Iterable[str]) -> None:
        """Count what was done with one picture."""
        for deed in deeds:
            self.counts[deed] += 1
            if self.counts[deed] <= NAMED:
                self.first.setdefault(deed, []).append(key)


def machine_fault(error: BaseException | None) -> OSError | None:
    """What this machine lacked, at the bottom of an error that looks like a picture's fault."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _MACHINE:
            return error
        error = error.__cause__
    return None


def spread(work: Callable[[T], U], items: Iterable[T], workers: int) -> Iterator[tuple[T, U]]:
    """Do as :func:`in_order` does, but quick work right here, where no thread is waited for.

    Work on tags alone holds the interpreter: threads would only stand in each other's way. Slow
    items, such as pictures that must be decoded, send those that follow to the threads, until some
    in a row took little of the processor.
    """
    left = iter(items)
    patience = CALM
    cheap = 0

    def timed(item: T) -> tuple[U, bool]:
        since = time.thread_time()  # a clock would tell how long each waits for the others
        done = work(item)
        return done, time.thread_time() - since < QUICK

    def dear() -> Iterator[T]:
        while cheap < patience and (found := list(itertools.islice(left, 1))):
            yield found[0]

    while True:
        here, late = 0, 0.0
        for item in left:
            here += 1
            since = time.perf_counter()
            done = work(item)
            late = max(0.0, late + time.perf_counter() - since - QUICK)
            yield item, done
            if late > LATE:
                break
        else:
            return
        patience = CALM if here > CALM else min(2 * patience, MOST)
        cheap = 0
        for item, (done, quick) in in_order(timed, dear(), workers):
            cheap = cheap + 1 if quick else 0
            yield item, done
