"""Conditions on numbers and days, as queries and filters write them: ``score:>=50``."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from datasetkit.errors import UsageError

_NUMBER = r"-?\d+(?:\.\d+)?"
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": lambda value, limit: value >= limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    "<": lambda value, limit: value < limit,
    "=": lambda value, limit: value == limit,
}


@dataclass(frozen=True)
class Bound:
    """A condition on a number: all of ``tests``, such as (">=", "50"), hold for it."""

    key: str
    raw: str
    tests: tuple[tuple[str, str], ...]

    def holds(self, value: float | None) -> bool:
        """Say whether a number fulfils it; one that the site does not tell passes."""
        if value is None:
            return True
        return all(_SIGNS[sign](value, float(limit)) for sign, limit in self.tests)

    def separate(self) -> list[str]:
        """The condition as terms without ranges, for sites that know none."""
        return [f"{self.key}:{sign.removeprefix('=')}{limit}" for sign, limit in self.tests]


@dataclass(frozen=True)
class Dates:
    """A span of days, either end of which may be open: ``first`` and ``last`` are ISO dates."""

    first: str = ""
    last: str = ""

    def holds(self, posted: str) -> bool:
        """Say whether a moment (ISO 8601) lies in it; one that the site does not tell passes."""
        day = posted[:10]
        return not day or (
            (not self.first or day >= self.first) and (not self.last or day <= self.last)
        )

    def __str__(self) -> str:
        return f"date:{self.first}..{self.last}"


def bound_of(key: str, value: str) -> Bound:
    """Read >=50, <50, 50, or 10..50 with an end that may be open; UsageError for anything else."""
    if found := re.fullmatch(rf"({_NUMBER})?\.\.({_NUMBER})?", value):
        pairs = ((">=", found[1]), ("<=", found[2]))
        tests = tuple((sign, limit) for sign, limit in pairs if limit)
    elif found := re.fullmatch(rf"(>=|<=|>|<)?({_NUMBER})", value):
        tests = ((found[1] or "=", found[2]),)
    else:
        tests = ()
    if not tests:
        raise UsageError(f"{key}:{value} is no number; write {key}:>=50, {key}:10..50 or {key}:50")
    return Bound(key, value, tests)


def dates_of(value: str) -> Dates:
    """Read 2024-01-01..2024-06-30, an end of which may be open, >=2024-01-01, or one day."""
    first, dots, last = value.partition("..")
    if not dots:
        sign, day = re.fullmatch(r"(>=|<=)?(.*)", value).groups()  # type: ignore[union-attr]
        first, last = ("" if sign == "<=" else day), ("" if sign == ">=" else day)
    try:
        first, last = (day and date.fromisoformat(day).isoformat() for day in (first, last))
        days = [day for day in (first, last) if day]
    except ValueError:
        days = []
    if not days or days != sorted(days):
        raise UsageError(f"date:{value} is no span of days; write date:2024-01-01..2024-06-30")
    return Dates(first, last)
