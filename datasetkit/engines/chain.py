"""A whole pipeline, and what of it was done before: a second run does nothing."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import takewhile
from pathlib import Path
from typing import Any

from datasetkit import masks
from datasetkit.catalog import name_of
from datasetkit.dataset import Dataset
from datasetkit.dataset.earlier import last_step, lines_before
from datasetkit.dataset.hand import as_edited
from datasetkit.dataset.journal import in_place_order
from datasetkit.dataset.lines import Line, write_file
from datasetkit.dataset.places import MEMORY
from datasetkit.engines.events import Ended, Event, Outcome, Report, Said
from datasetkit.engines.local import legs, run_leg
from datasetkit.errors import DatasetkitError
from datasetkit.pipeline import Pipeline, call_of, in_yaml
from datasetkit.stage import Selective, Source, Stage


def plan(folder: Path, pipeline: Pipeline, report: Report = lambda event: None) -> Iterator[str]:
    """Say, a line a stage, what a run would do, and what is missing for it; then try a part of it.

    Tried is the first leg that would run on the dataset as it is, up to a stage that asks a model;
    what it would change is counted. Nothing is fetched, and nothing is written.
    """
    parts = legs(pipeline.stages)
    with Dataset(folder) if (folder / MEMORY).is_dir() else nullcontext() as dataset:
        left = _left(dataset, parts) if dataset and not pipeline.alone else [*range(len(parts))]
        lacking = set()
        for index, leg in enumerate(parts):
            for stage in leg:
                what = "done before"
                if index in left:
                    lack = _lack(stage, pipeline)
                    lacking.update([stage] if lack else [])
                    what = (stage.plan() or (stage.__doc__ or "").splitlines()[0]) + lack
                yield f"{name_of(stage):>10}: {what}"
        if dataset is None or pipeline.alone or not left:
            return
        leg = parts[left[0]]
        trial = list(takewhile(lambda s: _is_tried(s) and s not in lacking, leg))
        if trial:
            run_leg(dataset, trial, _only_counts(report), dry_run=True)
            if left[1:] or len(trial) < len(leg):
                yield "what the stages after that would do depends on it"


def _left(dataset: Dataset, parts: Sequence[tuple[Stage, ...]]) -> list[int]:
    """The places of the legs that a run would not pass over."""
    done = _Done(dataset)
    first = 0 if _edited(dataset) else done.how_many(parts)
    return [
        index
        for index in range(first, len(parts))
        if not (_fetches(parts[index][0]) and done.brought_all(parts, index))
    ]


def _edited(dataset: Dataset) -> bool:
    """Say whether a person did something to the folder that no run has taken in yet."""
    records = dataset.records  # those whose pictures are there
    if dataset.strangers or len(records) < len(dataset):
        return True
    return any(as_edited(dataset.journal, dataset.path, r) is not r for r in records)


def _is_tried(stage: Stage) -> bool:
    return isinstance(stage, Selective) and not isinstance(stage, Source) and not stage.heavy


def _only_counts(report: Report) -> Report:
    """A report without the line for each picture."""

    def told(event: Event) -> None:
        if not isinstance(event, Said) or event.warning:
            report(event)

    return told


def _lack(stage: Stage, pipeline: Pipeline) -> str:
    try:
        stage.check()
    except DatasetkitError as error:
        text = in_yaml(str(error), [stage]) if pipeline.file else str(error)
        return f" (not ready: {text})"
    return ""


def run_pipeline(dataset: Dataset, pipeline: Pipeline, report: Report) -> list[Outcome]:
    """Run a checked pipeline on a dataset open for writing, passing over what was done before.

    A leg is done when the same legs up to it have run and the dataset is as they left it, with
    every file they made in place; one that was killed on the way goes on. After an edit by hand
    only the sources are passed over; the other stages look again at every picture, and change what
    the edit asks for. A source that could not bring all (a broken file) is asked again; if it
    brings nothing new, the rest is done.
    """
    outcomes = []
    done = _Done(dataset)
    parts = legs(pipeline.stages)
    first = done.how_many(parts)
    done.save()
    for index, leg in enumerate(parts):
        if index < first or (_fetches(leg[0]) and done.brought_all(parts, index)):
            outcome = Outcome("+".join(name_of(stage) for stage in leg), already_done=True)
            outcome.unchanged = len(dataset)
            report(Ended(outcome))
        else:
            with pipeline.naming(*leg):
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
            return self._gone_on_with(parts)
        for index in range(start, len(parts)):
            if not self.brought_all(parts, index) or not self._outputs_stand(index):
                return index
        return len(parts)

    def _gone_on_with(self, parts: Sequence[tuple[Stage, ...]]) -> int:
        """How many legs stand before one that was killed; no source before it is asked again."""
        index = 0
        while index < len(parts) and self.ran(parts, index) and self._outputs_stand(index):
            index += 1
        step = self._unnoted(parts[index]) if index < len(parts) else None
        if step is None:
            return 0
        if "when" not in step or "interrupted" in step or isinstance(parts[index][0], Source):
            return index  # it did not end, or nobody knows whether it brought all
        self._add(parts, index, [], True)
        return index + 1

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
        self._add(parts, index, outputs, whole)
        self.save()

    def save(self) -> None:
        """Write down what is known by now."""
        text = json.dumps(self._marks, indent=1).encode()
        if self._marks["legs"] and not (self._path.exists() and self._path.read_bytes() == text):
            write_file(self._path, text)

    def _add(
        self, parts: Sequence[tuple[Stage, ...]], index: int, outputs: list[Path], whole: bool
    ) -> None:
        state, files = fingerprint(self._dataset), [str(path.resolve()) for path in outputs]
        idle = isinstance(parts[index][0], Source) and state == self._marks["state"]
        later = self._marks["legs"][index + 1 :] if idle else []
        mark = {"call": _calls(parts[index]), "outputs": files, "whole": whole}
        self._marks = {"legs": [*self._marks["legs"][:index], mark, *later], "state": state}

    def _unnoted(self, leg: Sequence[Stage]) -> Line | None:
        """The step of this leg, if it was killed before it was noted, and all else stands."""
        step = last_step(self._dataset)
        if step is None or step["stages"] != json.loads(json.dumps([call_of(s) for s in leg])):
            return None
        before = lines_before(self._dataset, step["step"])
        return step if before is not None and _digest(before) == self._marks["state"] else None

    def _outputs_stand(self, index: int) -> bool:
        return all(Path(name).exists() for name in self._marks["legs"][index]["outputs"])


def fingerprint(dataset: Dataset) -> str:
    """A digest of what trainers read of a dataset: pictures' names and sizes, tags, masks."""
    return _digest(in_place_order(dataset.journal.kept))


def _digest(lines: Iterable[Line]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for line in lines:
        essence = [line["place"], line["file"], line["bytes"], [tag[:2] for tag in line["tags"]]]
        if hidden := masks.said(line.get("facts", {})):
            essence.append(hidden)
        digest.update(json.dumps(essence).encode())
    return digest.hexdigest()


def _fetches(stage: Stage) -> bool:
    """Say whether a stage brings pictures from elsewhere, and not from those that are here."""
    return isinstance(stage, Source) and not isinstance(stage, Selective)


def _calls(leg: Sequence[Stage]) -> list[Any]:
    calls: list[Any] = json.loads(json.dumps([call_of(stage) for stage in leg]))
    if isinstance(leg[0], Source):  # a folder's name means another one elsewhere
        calls.append(str(Path.cwd()))
    return calls
