"""What an engine tells while it works; the command line draws it, a program reads it as JSON."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True)
class Began:
    """Work on a stage, or on a leg of stages, began."""

    stage: str
    total: int | None  # pictures, where it is known beforehand


@dataclass(frozen=True)
class Advanced:
    """So much of it is done."""

    stage: str
    done: int
    total: int | None
    text: str = ""


@dataclass(frozen=True)
class Said:
    """A sentence for the person at the keyboard."""

    stage: str
    text: str
    warning: bool = False


@dataclass
class Outcome:
    """What a stage did, counted; ``rejected`` and ``passed_over`` by reason.

    ``unchanged`` are those that a stage looked at, ``not_meant`` those that its filter left out.
    ``told`` says that people were told something, or that something was measured and remembered.
    Of a source that was only surveyed ``bytes`` is the size of the ``sized`` files that tell
    theirs, and ``tags`` holds how many pictures bear each (kind, name).
    """

    stage: str
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    not_meant: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)
    errors: dict[str, str] = field(default_factory=dict)  # file or post -> what went wrong
    outputs: list[Path] = field(default_factory=list)
    written: int = 0  # of the outputs, those that are new
    already_done: bool = False
    told: bool = False
    bytes: int = 0
    sized: int = 0
    tags: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def idle(self) -> bool:
        """Say whether the dataset and the disk are as they were before."""
        return not (self.added or self.changed or self.rejected or self.written)

    @property
    def found_done(self) -> bool:
        """Say whether what there was to do had been done before."""
        at_hand = self.unchanged or self.outputs or self.passed_over["known already"]
        return self.already_done or bool(at_hand and not self.told)


@dataclass(frozen=True)
class Ended:
    """Work on a stage ended well."""

    outcome: Outcome


Event: TypeAlias = Began | Advanced | Said | Ended
Report: TypeAlias = Callable[[Event], None]
