"""A source that offers records made by a test, each with a small picture of its own."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from datasetkit.record import Record
from datasetkit.stage import Find, Known, Source


class Pictures(Source):
    """Offer these records; their pictures are drawn when they are fetched."""

    def __init__(self, records: Iterable[Record]) -> None:
        object.__setattr__(self, "_records", tuple(records))  # no option: the history has them not

    def find(self, known: Known) -> Iterator[Find]:
        for number, record in enumerate(self._records):
            if record.key not in known:
                yield Find(record, f"{record.key}.png", _Drawn(number))


@dataclass(frozen=True)
class _Drawn:
    number: int

    def __call__(self, path: Path) -> None:
        colour = (self.number % 256, self.number // 256, 99)
        Image.new("RGB", (8, 8), colour).save(path, format="PNG")
