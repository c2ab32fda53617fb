"""A whole pipeline, and what of it was done before: a second run does nothing."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasetkit import masks
from datasetkit.catalog import name_of
from datasetkit.dataset import Dataset
from datasetkit.dataset.journal import in_place_order
from datasetkit.dataset.lines import write_file
from datasetkit.dataset.places import MEMORY
from datasetkit.engines.events import Ended, Outcome, Report
from datasetkit.engines.local import legs, run_leg
from datasetkit.errors import DatasetkitError
from datasetkit.pipeline import Pipeline, call_of
from datasetkit.stage import Source, Stage


def plan(folder: Path, pipeline: Pipeline) -> list[str]:
    """Say, a line a stage, what a run would do, and what is missing for it.

    Nothing is fetched, and nothing read but the dataset's memory.
    """
    parts = legs(pipeline.stages)
    first = 0
    if (folder / MEMORY).is_dir():
        with Dataset(folder) as dataset:
            first = _Done(dataset).how_many(parts)
    lines = []
    for index, leg in enumerate(parts):
        for stage in leg:
            what = "done before"
            if index >= first or pipeline.alone:
                what = (stage.plan() or (stage.__doc__ or "").splitlines()[0]) + _lack(stage)
            lines.append(f"{name_of(stage):>10}: {what}")
    return lines


def _lack(stage: Stage) -> str:
    try:
        stage.check()
    except DatasetkitError as error:
        return f" (not ready: {error})"
    return ""


def run_pipeline(dataset: Dataset, pipeline: Pipeline, report: Report) -> list[Outcome]:
    """Run a checked pipeline on a dataset open for writing, passing over what was done before.

    A leg is done when the same legs up to it have run and the dataset is as they left it, with
    every file they made in place. After an edit by hand only the sources are passed over; the
    other stages look again at every picture, and change what the edit asks for. A source that
    could not bring all (a broken file) is asked again; if it brings nothing new, the rest is done.
    """
    outcomes = []
    done = _Done(dataset)
    parts = legs(pipeline.stages)
    first = done.how_many(parts)
    for index, leg in enumerate(parts):
        if index < first or (isinstance(leg[0], Source) and done.brought_all(parts, index)):
            outcome = Outcome("+".join(name_of(stage) for stage in leg), already_done=True)
            outcome.unchanged = len(dataset)
            report(Ended(outcome))
        else:
            outcome = run_leg(dataset, leg, report)
            whole = not (isinstance(leg[0], Source) and outcome.errors)
            done.note(parts, index, outcome.outputs, whole)
            if isinstance(leg[0], Source):
                first = done.how_many(parts, index + 1)
        outcomes.append(outcome)
    return outcomes


class _Done:
    """The legs that ran to their end, in ``.dsk/marks.json``, and how they left the dataset."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._path = dataset.memory / "marks.json"
        self._marks: dict[str, Any] = {"legs": [], "state": ""}
        if self._path.exists():
            self._marks = json.loads(self._path.read_text())

    def how_many(self, parts: Sequence[tuple[Stage, ...]], start: int = 0) -> int:
        """How many legs need not run again, if those before ``start`` are as they should be."""
        if self._marks["state"] != fingerprint(self._dataset):
            return 0
        for index in range(start, len(parts)):
            if not self.brought_all(parts, index) or not self._outputs_stand(index):
                return index
        return len(parts)

    def brought_all(self, parts: Sequence[tuple[Stage, ...]], index: int) -> bool:
        """Say whether the legs up to this one ran, and it lacked nothing."""
        return self.ran(parts, index) and bool(self._marks["legs"][index].get("whole", True))

    def ran(self, parts: Sequence[tuple[Stage, ...]], index: int) -> bool:
        """Say whether the legs up to this one ran, with these options, in this order."""
        marks = self._marks["legs"][: index + 1]
        return [mark["call"] for mark in marks] == [_calls(leg) for leg in parts[: index + 1]]

    def note(
        self, parts: Sequence[tuple[Stage, ...]], index: int, outputs: list[Path], whole: bool
    ) -> None:
        """Remember that a leg ran to its end; one that is not ``whole`` will run again.

        What ran after a source that brings nothing new need not.
        """
        state, files = fingerprint(self._dataset), [str(path.resolve()) for path in outputs]
        idle = isinstance(parts[index][0], Source) and state == self._marks["state"]
        later = self._marks["legs"][index + 1 :] if idle else []
        mark = {"call": _calls(parts[index]), "outputs": files, "whole": whole}
        self._marks = {"legs": [*self._marks["legs"][:index], mark, *later], "state": state}
        write_file(self._path, json.dumps(self._marks, indent=1).encode())

    def _outputs_stand(self, index: int) -> bool:
        return all(Path(name).exists() for name in self._marks["legs"][index]["outputs"])


def fingerprint(dataset: Dataset) -> str:
    """A digest of what trainers read of a dataset: pictures' names and sizes, tags, masks."""
    digest = hashlib.blake2b(digest_size=16)
    for line in in_place_order(dataset.journal.kept):
        essence = [line["place"], line["file"], line["bytes"], [tag[:2] for tag in line["tags"]]]
        if hidden := masks.said(line.get("facts", {})):
            essence.append(hidden)
        digest.update(json.dumps(essence).encode())
    return digest.hexdigest()


def _calls(leg: Sequence[Stage]) -> list[Any]:
    calls: list[Any] = json.loads(json.dumps([call_of(stage) for stage in leg]))
    if isinstance(leg[0], Source):  # a folder's name means another one elsewhere
        calls.append(str(Path.cwd()))
    return calls
