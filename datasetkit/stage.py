"""The four shapes of work, named after how they may be spread, and the options they take.

A stage is a frozen dataclass whose fields are made by :func:`opt`. From that one definition come
the Python call, the ``dsk`` sub-command, the YAML entry and the page in the documentation. Its
docstring is its help: one line, then what the user should know. A stage never prints, counts,
retries or swallows; the engine does, once, for all.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from datasetkit.dataset import Dataset
from datasetkit.record import Origin, Record
from datasetkit.where import where


def opt(
    default: Any,
    description: str,
    *,
    ge: float | None = None,
    le: float | None = None,
    argument: bool = False,
    kw_only: bool = False,
) -> Any:
    """Declare one option of a stage: its default, its help, its limits.

    ``argument`` makes it positional on the command line; ``...`` as the default makes it required.
    ``kw_only`` is of Python calls. The metadata keys are those that pydantic reads from standard
    dataclasses.
    """
    metadata = {"description": description, "ge": ge, "le": le, "argument": argument}
    metadata = {k: value for k, value in metadata.items() if value is not None}
    if default is ...:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata, kw_only=kw_only)


def options_of(stage: "Stage | type[Stage]") -> list["dataclasses.Field[Any]"]:
    """The options of a stage, its own first, then those that all of its shape have."""
    return sorted(dataclasses.fields(stage), key=lambda field: bool(field.kw_only))


@dataclass(frozen=True)
class Drop:
    """A stage's word that a picture is left out, and why; ``error`` marks a fault, not a choice."""

    reason: str
    error: bool = False


@dataclass(frozen=True)
class Find:
    """A picture that a source offers: its record without pixels, and how to fetch the file.

    ``fetch(path)`` writes the whole, verified file to ``path`` or raises; it may run in any
    thread, and may go on with what a killed run left there. ``size`` is the file's in bytes, 0
    where nobody tells. Of what moves, ``frames`` stills are taken; 0 leaves it out. ``compare``
    asks whether the same picture is there already, from another site.
    """

    record: Record
    name: str
    fetch: Callable[[Path], None]
    size: int = 0
    frames: int = 0
    compare: bool = False


@dataclass(frozen=True)
class Update:
    """A picture that is there already, of which more is known now: what makes its record so."""

    key: str
    change: Callable[[Record], Record]


@dataclass(frozen=True)
class Change:
    """What becomes of one picture, by the word of a stage that saw them all; its pixels stay.

    A source may say it of a picture from which it makes others: the picture is left as it is
    unless those of the keys ``after`` have come.
    """

    key: str
    became: Record | Drop
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Note:
    """A sentence for the person at the keyboard, said by a stage that sees the whole set."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a task is: ``done`` of ``total`` units, and what it is at."""

    done: int
    total: int
    text: str = ""


@dataclass(frozen=True)
class Wrote:
    """A file or folder that a task made, or (``fresh=False``) found as it should be.

    A pipeline's task is not run again while all that it wrote stands.
    """

    path: Path
    fresh: bool = True


Work: TypeAlias = Note | Progress | Wrote
Choose: TypeAlias = Callable[[str, Sequence[str]], int]  # a question, the answers, which it is


class Known(Protocol):
    """What a source may ask of the dataset it fills."""

    @property
    def path(self) -> Path:
        """Its folder."""

    def __contains__(self, key: object, /) -> bool:
        """Say whether a key is there, or was left out before."""

    def like(self, key: str) -> str | None:
        """The known key whose files a case-insensitive disk would not tell from this one's."""

    def origin(self, key: str) -> Origin | None:
        """Where a known key came from."""

    def post(self, site: str, post: str) -> str | None:
        """The known key of a site's post."""

    def record(self, key: str) -> Record | None:
        """The picture that is there under a key."""

    @property
    def records(self) -> Sequence[Record]:
        """The pictures that are there."""


@dataclass(frozen=True)
class Stage(ABC):
    """What all stages share: they can look before they leap and say what they would do."""

    @property
    def remembers(self) -> bool:
        """Say whether its facts are its memory (a fingerprint, probabilities), asked for by nobody.

        Where nothing else is new, nothing is said to have changed.
        """
        return False

    @property
    def tells(self) -> bool:
        """Say whether it is run for what it tells, which it does each time anew."""
        return False

    @property
    def heavy(self) -> bool:
        """Say whether it asks a model, or draws, so that nobody tries it out by the way."""
        return False

    def check(self) -> None:  # noqa: B027 - most stages have nothing to check
        """Raise now what would otherwise fail an hour into a run (a missing model, a bad query)."""

    def plan(self) -> str:
        """Say in a line what the stage will do, for ``--dry-run`` and the history."""
        return ", ".join(
            f"{key} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"
            for key, value in self.changed_options().items()
        )

    def changed_options(self) -> dict[str, Any]:
        """The options that differ from their defaults, as plain values."""
        fields = options_of(self)
        options = {item.name: (getattr(self, item.name), item.default) for item in fields}
        return {name: value for name, (value, default) in options.items() if value != default}


class Source(Stage):
    """Brings pictures in: one polite process a site."""

    @abstractmethod
    def find(self, known: Known) -> Iterator[Find | Update | Change | Drop | Note]:
        """Offer pictures in a stable order, passing over keys that are known already.

        A ``Drop`` stands for a post that was looked at and left out; only its reason is counted.
        """

    def settled(self, choose: Choose) -> "Source":
        """Ask a person what is in doubt before anything is fetched; the answers are options."""
        return self

    def at_once(self) -> int:
        """How many files may be fetched side by side."""
        return 4

    def several(self) -> bool:
        """Say whether it asks several sites, so that the others go on where one does not serve."""
        return False

    def expected(self) -> int | None:
        """How many pictures may come, for the progress bar; None where nobody knows."""
        return None


@dataclass(frozen=True)
class Selective(Stage):
    """A stage that may be told which pictures it is for; the engine leaves it the others as is."""

    where: str = opt(
        "",
        "only the pictures for which this holds: solo and not comic (see docs/filters.md)",
        kw_only=True,
    )

    def __post_init__(self) -> None:
        where(self.where)  # refuses one that is not understood, before anything is done

    def concerns(self, record: Record) -> bool:
        """Say whether this picture is meant."""
        return not self.where or where(self.where)(record)

    def remarks(self, records: Iterable[Record]) -> Iterator[Note]:
        """Say what a person should know before all pictures are looked at, such as a misspelt name.

        ``records`` are those of the whole set, whatever the filter, and read only if they are
        walked. A note that is no warning is for whoever runs the stage alone.
        """
        return iter(())

    def deeds(self, before: Record, after: Record) -> Iterable[str]:
        """Say in words that are counted what it did with a picture that it changed: ``cropped``."""
        return ()

    def summed_up(self, counts: Counter[str], first: Mapping[str, Sequence[str]]) -> Iterator[Note]:
        """Say what it did with all pictures, to whoever ran the stage alone.

        ``counts`` holds its deeds with the number of pictures, ``first`` the keys of the first few.
        """
        return iter(())


class Map(Selective):
    """Turns one record into another: any worker, any order, safe to repeat."""

    @abstractmethod
    def __call__(self, record: Record) -> Record | Drop:
        """Return the record as it should be (the same one when nothing changes), or a Drop."""


class Whole(Selective):
    """Needs the set at once, to compare or to count: dedupe, balance, quality by percentile."""

    @property
    def remembers(self) -> bool:
        """What it measures is its memory."""
        return True

    def measure(self, record: Record) -> Record:
        """Return the record with the facts of its own that the comparison needs, if any.

        Like a map: any worker, any order. What is kept in the facts is measured once; these
        facts must tell whether the picture is still the one that was measured.
        """
        return record

    @abstractmethod
    def __call__(self, records: Sequence[Record], folder: Path) -> Iterator[Change | Work]:
        """Look at all records, measured, and yield what changes; the others stay as they are.

        ``records`` may be walked through more than once, and is read from the disk each time, so
        that nobody need hold a large set in memory. Files for people go into ``folder``, which
        is the dataset's.
        """


class Task(Stage):
    """Files in, files out, once: export, train, paint."""

    @abstractmethod
    def __call__(self, dataset: Dataset) -> Iterator[Work]:
        """Do the work, yielding progress, notes and the files written."""
