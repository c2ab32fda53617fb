"""A grab run to its end, and what came of it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasetkit.grabbers.grab import Grab
from datasetkit.record import Origin, Record
from datasetkit.stage import Drop, Find, Note
from tests.grabbers.boorus import Picture

SECRET = "SECRET0123456789"
GIRL = {"1girl": "general", "cirno": "character", "touhou": "copyright", "ruu": "artist"}


class Known(dict[str, Origin]):
    """The keys that a dataset has already."""

    path = Path()
    records: Sequence[Record] = ()

    def origin(self, key: str) -> Origin | None:
        return self.get(key)

    def like(self, key: str) -> str | None:
        return key if key in self else None

    def post(self, site: str, post: str) -> str | None:
        return next((k for k, o in self.items() if (o.site, o.post) == (site, post)), None)

    def record(self, key: str) -> Record | None:
        return next((record for record in self.records if record.key == key), None)


def pictures(count: int = 5, **more: Any) -> list[Picture]:
    return [Picture(n, {**GIRL, f"tag_{n}": "general"}, score=n * 7 % 5, **more)
            for n in range(1, count + 1)]  # fmt: skip


class Got:
    """All that a grab offered, sorted by what it is."""

    def __init__(self, grab: Grab, known: Known | None = None) -> None:
        grab.check()
        assert grab.plan()
        self.items = list(grab.find(known or Known()))
        self.finds = [item for item in self.items if isinstance(item, Find)]
        self.keys = [find.record.key for find in self.finds]
        self.drops = Counter(item.reason for item in self.items if isinstance(item, Drop))
        self.notes = [item.text for item in self.items if isinstance(item, Note)]
        self.warnings = [i.text for i in self.items if isinstance(i, Note) and i.warning]

    def fetch(self, folder: Path) -> list[bytes]:
        """Fetch all the files, as the engine does."""
        folder.mkdir(exist_ok=True)
        for find in self.finds:
            find.fetch(folder / find.name)
        return [(folder / find.name).read_bytes() for find in self.finds]
