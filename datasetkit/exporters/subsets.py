"""Parts of a dataset that are repeated more often than others: ``good: score:>=100 x3``."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from datasetkit.content import content_print
from datasetkit.dataset import Dataset
from datasetkit.errors import PictureError, UsageError, did_you_mean
from datasetkit.names import safe_stem, same_file
from datasetkit.pixels import SUFFIXES, Picture
from datasetkit.record import Record
from datasetkit.where import Test, where

MOST = 1000  # as a weight; a picture that is seen more often than this is a slip
_NAMED = re.compile(r"([^:]*):(?:\s+(.*))?")
_WEIGHT = re.compile(r"(?:^|\s)[x×](\S*)$")
_NUMBER = re.compile(r"\d{1,6}(?:\.\d{1,6})?|\.\d{1,6}")
_HOW = 'a subset is written "NAME: FILTER xN", such as "good: score:>=100 x3" or "rest: x1"'


@dataclass(frozen=True)
class Subset:
    """Some of the pictures: by a filter, or by a folder (its text ends in /), or the rest ("")."""

    name: str
    meant: str = ""
    weight: Fraction = Fraction(1)

    def __str__(self) -> str:
        words = (f"{self.name}:", self.meant, f"x{float(self.weight):g}")
        return " ".join(filter(None, words))

    @property
    def is_folder(self) -> bool:
        """Say whether a person chose the pictures by putting them into a folder."""
        return self.meant.endswith(("/", "\\"))


def subsets_of(texts: Sequence[str]) -> tuple[Subset, ...]:
    """Read subsets; raises UsageError, with the way out, for what is none or there twice."""
    found = tuple(map(_subset, texts))
    names: dict[str, Subset] = {}
    for subset in found:
        same = names.setdefault(same_file(safe_stem(subset.name)), subset)
        if same is not subset:
            raise UsageError(
                f"the subsets {same.name!r} and {subset.name!r} would be one folder; "
                "give one of them another name"
            )
    rest = [subset.name for subset in found if not subset.meant]
    if len(rest) > 1:
        raise UsageError(
            f"{rest[0]!r} and {rest[1]!r} both take what no other subset takes; "
            "give one of them a filter"
        )
    return found


def _subset(text: str) -> Subset:
    named = _NAMED.fullmatch(text.strip())
    if not named or not named[1].strip():
        raise UsageError(f"{text!r} names no subset; {_HOW}")
    meant = (named[2] or "").strip()
    weight = Fraction(1)
    if found := _WEIGHT.search(meant):
        if _NUMBER.fullmatch(found[1]):
            weight = Fraction(found[1])
            meant = meant[: found.start()].strip()
        elif not found[1] or found[1][0] in "-.0123456789":
            raise UsageError(f"{text!r}: {found[0].strip()} is no weight; write x3 or x0.5")
    if not 0 < weight <= MOST:
        raise UsageError(f"{text!r}: a weight is more than 0 and at most {MOST:,}")
    subset = Subset(named[1].strip(), meant, weight)
    if not subset.is_folder:
        where(meant)  # refuses one that is not understood
    return subset


class Sharing:
    """Says of each picture in which subset it is, and remembers what it could not place."""

    def __init__(self, subsets: Sequence[Subset], dataset: Dataset) -> None:
        self.subsets = subsets
        self._tests = [
            (number, _InFolder.of(dataset, subset.meant) if subset.is_folder else _test(subset))
            for number, subset in enumerate(subsets)
            if subset.meant
        ]
        self._rest = next((n for n, subset in enumerate(subsets) if not subset.meant), None)

    def __call__(self, record: Record) -> int | None:
        """The number of a picture's subset, None for one in none.

        Raises UsageError where two claim it.
        """
        found = [number for number, test in self._tests if test(record)]
        if len(found) > 1:
            raise UsageError(self._both(record, self.subsets[found[0]], self.subsets[found[1]]))
        return found[0] if found else self._rest

    def unfound(self) -> list[tuple[str, list[str]]]:
        """The folders with pictures that are none of the dataset's, and which."""
        tests = [test for _, test in self._tests if isinstance(test, _InFolder)]
        return [(test.name, left) for test in tests if (left := test.left())]

    def _both(self, record: Record, one: Subset, other: Subset) -> str:
        if other.is_folder and not one.is_folder:
            one, other = other, one
        if not other.is_folder and not one.is_folder:
            narrow = Subset(other.name, f"({other.meant}) and not ({one.meant})", other.weight)
            way = f"say --subset {shlex.quote(str(narrow))}"
        elif not other.is_folder:
            way = f"add -name:{record.key} to {other.name}, or take it out of {one.meant}"
        else:
            way = f"take it out of {one.meant} or {other.meant}"
        return (
            f"{record.picture.path.name} is in both {one.name!r} and {other.name!r}, and would "
            f"be learned twice; {way}"
        )


def _test(subset: Subset) -> Test:
    return where(subset.meant)


@dataclass
class _InFolder:
    """Says whether a person put a picture into a folder: under its name, or the same file."""

    name: str
    keys: set[str] = field(default_factory=set)
    prints: dict[str, list[str]] = field(default_factory=dict)  # of files with other names
    seen: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, dataset: Dataset, name: str) -> "_InFolder":
        folder = dataset.path / name
        inside = folder.absolute().is_relative_to(dataset.path.absolute())
        if not inside or ".." in Path(name).parts:
            raise UsageError(
                f"{name} is not in the dataset; a subset's folder is one inside {dataset.path}"
            )
        if not folder.is_dir():
            there = [f"{path.name}/" for path in dataset.path.iterdir() if path.is_dir()]
            known = [other for other in there if not other.startswith(".")]
            hint = did_you_mean(name, known) if known else "make it and put pictures into it"
            raise UsageError(f"there is no folder {folder}; {hint}")
        found = cls(name)
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
                continue
            if dataset.record(path.stem) is not None:
                found.keys.add(path.stem)
            else:
                found._remember(path)
        return found

    def __call__(self, record: Record) -> bool:
        if record.key in self.keys:
            return True
        if not self.prints:
            return False
        print_ = content_print(record.picture)
        if print_ in self.prints:
            self.seen.add(print_)
        return print_ in self.prints

    def left(self) -> list[str]:
        """The names of its pictures that are none of the dataset's."""
        return [n for known, names in self.prints.items() if known not in self.seen for n in names]

    def _remember(self, path: Path) -> None:
        try:
            known = content_print(Picture(path, (0, 0)))
        except PictureError:
            known = ""
        self.prints.setdefault(known, []).append(path.name)
