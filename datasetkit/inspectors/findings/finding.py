"""A finding: what is wrong or worth a look, on which pictures, and the command that mends it."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from datasetkit.inspectors.findings.seen import Seen
from datasetkit.record import Record

WRONG, LOOK = "wrong", "worth a look"
NAMED = 3  # pictures that a sentence names
AT_ONCE = 100  # pictures that one command names


@dataclass(frozen=True)
class Finding:
    """One thing that was found, ``what`` in a word or two and ``text`` in a sentence.

    ``keys`` are all pictures that it is on, none where it is of the whole set; ``shown`` are words
    beside some of the keys. ``mend`` are the words behind ``dsk`` that mend it. Where no stage
    does, ``shell`` does, with {folder} for the dataset's; neither where only a person can.
    """

    level: str
    what: str
    text: str
    keys: tuple[str, ...] = ()
    mend: tuple[str, ...] = ()
    shell: str = ""
    shown: Mapping[str, str] | None = None

    @property
    def sentence(self) -> str:
        """The sentence with the names of a few pictures."""
        if not self.keys:
            return self.text
        shown = self.shown or {}
        few = [f"{key}{shown.get(key, '')}" for key in self.keys[:NAMED]]
        more = len(self.keys) - len(few)
        return f"{self.text} ({', '.join(few)}{f' and {more:,} more' if more else ''})"

    def command(self, folder: Path) -> str:
        """The command that mends it, as it is typed; "" where there is none."""
        if self.shell:
            return self.shell.format(folder=shlex.quote(str(folder)))
        if not self.mend:
            return ""
        return typed(self.mend, folder)

    def plain(self, folder: Path) -> dict[str, Any]:
        """The finding as plain values, with its command, for programs."""
        return {
            "level": self.level,
            "what": self.what,
            "text": self.text,
            "pictures": list(self.keys),
            "command": self.command(folder),
        }


class Theme(Protocol):
    """Looks at each picture in turn, and tells what it found when all were shown to it."""

    def add(self, record: Record, seen: Seen) -> None:
        """Take a picture in, with what was seen of its file."""

    def findings(self) -> Iterator[Finding]:
        """What was found."""


def some(number: int, total: int, one: str, more: str) -> str:
    """Say of how many pictures something holds: ``2 of 60 pictures are`` and its kin."""
    verb = one if number == 1 else more
    if number == total:
        return f"all {total:,} pictures {more}" if total > 1 else f"the one picture {one}"
    return f"{number:,} of {total:,} pictures {verb}"


def typed(words: Sequence[str], folder: Path) -> str:
    """The words behind ``dsk`` as they are typed for the dataset in a folder."""
    where_ = [] if folder == Path("dataset") else ["-d", str(folder)]
    return shlex.join(["dsk", *words, *where_])


def without(keys: Sequence[str]) -> tuple[str, ...]:
    """The words behind ``dsk`` that leave these pictures out, a hundred at a time."""
    named = names_of(keys)
    meant = f"({named})" if len(keys) > 1 else named
    return ("filter", "--set", "none", "--only", f"not {meant}")


def names_of(keys: Sequence[str]) -> str:
    """The filter that means these pictures, a hundred at most."""
    return " or ".join(f"name:{_quoted(key)}" for key in keys[:AT_ONCE])


def listed(words: Iterable[str], most: int = 5) -> str:
    """The first few words and how many more there are: ``a, b and 3 more``."""
    found = list(words)
    more = len(found) - most
    return f"{', '.join(found[:most])}{f' and {more:,} more' if more > 0 else ''}"


def _quoted(name: str) -> str:
    return f'"{name}"' if any(sign in name for sign in " ()") else name
