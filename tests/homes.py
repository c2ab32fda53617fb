"""A dataset of a test's own, and stages run on it."""

from pathlib import Path

from datasetkit.dataset import Dataset, undo
from datasetkit.engines.events import Event, Outcome, Said
from datasetkit.engines.local import run_leg
from datasetkit.record import Record
from datasetkit.stage import Stage


class Home:
    """A dataset, and stages run on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[str] = []

    def run(self, stage: Stage) -> Outcome:
        stage.check()
        with Dataset(self.path, write=True) as dataset:
            return run_leg(dataset, [stage], self._report)

    def undo(self) -> None:
        with Dataset(self.path, write=True) as dataset:
            undo(dataset)

    @property
    def records(self) -> dict[str, Record]:
        with Dataset(self.path) as dataset:
            return {record.key: record for record in dataset.records}

    def _report(self, event: Event) -> None:
        if isinstance(event, Said):
            self.said.append(event.text)
