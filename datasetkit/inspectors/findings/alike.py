"""Sets that show too little: the same picture twice, variants of a few drawings, too few at all."""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from datasetkit.cleaners.sets.dedupe import Dedupe, Ranked
from datasetkit.cleaners.sets.groups import Groups
from datasetkit.dataset import Dataset
from datasetkit.inspectors.findings.finding import LOOK, Finding, some
from datasetkit.inspectors.findings.seen import Seen
from datasetkit.recipe import ENOUGH, PLENTY
from datasetkit.record import Record
from datasetkit.stage import Progress

_LOOPBACK = re.compile(r"^\w+://(?:localhost|127\.[\d.]+|\[::1\]|0\.0\.0\.0)(?:[:/]|$)", re.I)
VARIANTS = 1 / 3  # of the pictures, from which they say the same over and over


def few(number: int) -> str:
    """Say that there are few pictures."""
    are = "1 picture is" if number == 1 else f"{number} pictures are"
    return f"{are} few: guides advise {ENOUGH} to {PLENTY} different ones"


class Alike:
    """Compares pictures as `dsk dedupe` does."""

    def __init__(self, dataset: Dataset, history: Sequence[Mapping[str, Any]]) -> None:
        self._dataset, self._history = dataset, history
        self._keys: list[str] = []
        self._dedupe = Dedupe()
        self._ranked: list[Ranked] = []
        self._groups = Groups()

    def add(self, record: Record, seen: Seen) -> None:
        """Take a picture in."""
        place = len(self._keys)
        self._keys.append(record.key)
        if seen.measured and (ranked := self._dedupe.known(seen.measured, place)):
            self._ranked.append(ranked)

    def compare(self) -> Generator[Progress, None, None]:
        """Compare those that look alike; only these are decoded, a second time."""
        self._groups = yield from self._dedupe.groups(self._ranked, self._record)

    def findings(self) -> Iterator[Finding]:
        """What was found."""
        keys, total = self._keys, len(self._keys)
        pairs = [
            (keys[twin.place], keys[kept])
            for kept, twins in self._groups.same.items()
            for twin in twins
        ]
        if pairs:
            text = some(len(pairs), total, "is there twice, and counts double",
                        "are there twice, and count double")  # fmt: skip
            shown = {twin: f" = {kept}" for twin, kept in pairs}
            names = tuple(twin for twin, _ in pairs)
            yield Finding(LOOK, "the same", text, names, ("dedupe",), shown=shown)
        variants = {keys[place]: keys[of] for place, of in self._groups.variants.items()}
        if len(variants) >= VARIANTS * total and total > 2:
            text = some(len(variants), total, "is a variant", "are variants")
            text += " of another (the same drawing with another face or ground): little variety"
            shown = {key: f" of {of}" for key, of in variants.items()}
            mend = ("dedupe", "--variants", "drop")
            yield Finding(LOOK, "too alike", text, tuple(variants), mend, shown=shown)
        different = total - len(pairs)
        if different < ENOUGH:
            yield Finding(LOOK, "few", few(different), mend=_more(self._history, different))

    def _record(self, place: int) -> Record | None:
        return self._dataset.record(self._keys[place])


def _more(history: Sequence[Mapping[str, Any]], there: int) -> tuple[str, ...]:
    """The words behind ``dsk`` that bring more: a grab whose limit was low, none otherwise."""
    most = max(2 * ENOUGH, 2 * there)
    for line in reversed(history):
        for call in line.get("stages", ()):
            given = call.get("grab") or {}
            query, limit = given.get("query"), given.get("limit")
            if not query or not isinstance(limit, int) or not 0 < limit < most:
                continue  # a site has no more than all, and the usual limit was none to so few
            if _LOOPBACK.search(str(given.get("url") or "")):
                continue
            said = str(query)  # as one word: "mia -comic" holds no option of ours
            options = _options(dict(given) | {"limit": most})
            return ("grab", " " * said.startswith("-") + said, *options)
    return ()


def _options(given: Mapping[str, Any]) -> Iterator[str]:
    """A stage's options as the command line takes them, but for its query."""
    for name, value in given.items():
        word = name.replace("_", "-")
        if name == "query":
            continue
        if isinstance(value, bool):
            yield f"--{'' if value else 'no-'}{word}"
        else:
            yield f"--{word}"
            yield ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
