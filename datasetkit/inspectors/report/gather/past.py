"""What was run on a set, as its history tells: the stages, their options, what they changed."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from datasetkit.inspectors.report.gather.sheet import shortened

MOST = 100  # steps that are shown, the last
_COUNTS = ("added", "changed", "rejected")
_NAMES = {"rejected": "left out"}
_LONG = 300


@dataclass(frozen=True)
class Call:
    """A stage and the options it was given."""

    name: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Past:
    """A step: when it ended (UTC, to the minute), what was run, and what came of it."""

    number: int
    when: str
    calls: tuple[Call, ...]
    counts: tuple[tuple[str, int], ...]
    wrote: tuple[str, ...]
    interrupted: bool


def past(history: Iterable[Mapping[str, Any]], but_for: Collection[str]) -> list[Past]:
    """The steps, oldest first, without those of a few stages alone, which only look."""
    return [
        _step(line)
        for line in history
        if not all(name in but_for for call in line["stages"] for name in call)
    ]


def _step(line: Mapping[str, Any]) -> Past:
    calls = tuple(
        Call(name, tuple((key, shortened(_text(value), _LONG)) for key, value in options.items()))
        for call in line["stages"]
        for name, options in call.items()
    )
    counts = tuple((_NAMES.get(what, what), line[what]) for what in _COUNTS if line.get(what))
    wrote = tuple(_text(path) for path in line.get("outputs", ()))
    when = str(line.get("when", ""))[:16].replace("T", " ")
    return Past(int(line["step"]), when, calls, counts, wrote, bool(line.get("interrupted")))


def _text(value: Any) -> str:
    """An option's value as people read it; of a path on this machine the end alone."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items())
    text = str(value)
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(text).is_absolute() and kind(text).name:
            return f"…/{kind(text).name}"
    return text
