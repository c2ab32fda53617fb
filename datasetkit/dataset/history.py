"""What was run on a dataset, the step that is open, and where a step keeps what was before it."""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from datasetkit.dataset.lines import Line, Log, read, refuse_paths
from datasetkit.errors import DatasetError


class Joined(NamedTuple):
    """Names of tags by hand, and of tags taken out, that came from another's caption."""

    hand: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()


def entries(memory: Path) -> list[Line]:
    """All lines of the history, undone steps and undos included.

    Raises DatasetError for one that holds something else: a dataset may come from anyone.
    """
    path = memory / "history.jsonl"
    found = read(path)
    for number, line in enumerate(found, 1):
        if not _is_step(line):
            raise DatasetError(
                f"{path}, line {number} is damaged (it tells of no step); mend or remove it"
            )
    return found


def _is_step(line: object) -> bool:
    if not isinstance(line, dict) or not isinstance(line.get("step"), int):
        return False
    if "undo" in line:
        return True
    stages, outputs = line.get("stages"), line.get("outputs", [])
    return (
        isinstance(stages, list)
        and all(isinstance(call, dict) for call in stages)
        and all(isinstance(options, dict) for call in stages for options in call.values())
        and all(isinstance(line.get(what, 0), int) for what in ("added", "changed", "rejected"))
        and isinstance(outputs, list)
    )


def append(memory: Path, line: Line) -> None:
    """Add a line, with the time, unless a killed run added it already."""
    log = Log(memory / "history.jsonl")
    if not any(entry["step"] == line["step"] for _, _, entry in log):
        log.append(line | {"when": now()})
    log.close()


def next_number(memory: Path) -> int:
    """The number of the step that comes next."""
    taken = [*entries(memory), open_step(memory) or {"step": 0}]
    return 1 + max(int(entry["step"]) for entry in taken)


def open_step(memory: Path) -> Line | None:
    """The step that a killed or interrupted run left open, if there is one."""
    marker = open_marker(memory)
    if not marker.exists():
        return None
    line: Line = json.loads(marker.read_text())
    return line


def open_marker(memory: Path) -> Path:
    """The file that names the open step."""
    return memory / "step.json"


def undo_folder(memory: Path, step: int) -> Path:
    """Where a step keeps what was before it: lines, and files that it changed."""
    return memory / "undo" / f"{step:04d}"


def before_log(memory: Path, step: int) -> Path:
    """The lines of a step's keys as they were before it."""
    return undo_folder(memory, step) / "before.jsonl"


def before(memory: Path, step: int) -> Iterator[Line]:
    """What a step's keys were before it: ``key``, ``file``, and ``before``, a line or None."""
    for _, _, entry in Log(before_log(memory, step), write=False):
        if "before" in entry:
            refuse_paths(entry["key"], entry["file"], (entry["before"] or entry)["file"])
            yield entry


def joined(memory: Path, step: int) -> dict[str, Joined]:
    """What a step's keys got from others that were left out for them."""
    found: dict[str, Joined] = {}
    for _, _, entry in Log(before_log(memory, step), write=False):
        if "joined" in entry:
            known = found.get(entry["key"], Joined())
            hand = known.hand.union(entry["joined"]["hand"])
            found[entry["key"]] = Joined(hand, known.removed.union(entry["joined"]["removed"]))
    return found


def now() -> str:
    """The time in UTC to the second, ISO 8601; SOURCE_DATE_EPOCH wins, for repeatable builds."""
    seconds = float(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
