"""The ``plan`` stage: a training's numbers before it, each with its reason."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from datasetkit import safety
from datasetkit.buckets import asked_for
from datasetkit.dataset import Dataset
from datasetkit.dataset.lines import write_file
from datasetkit.errors import UsageError, did_you_mean
from datasetkit.families import FAMILIES, named
from datasetkit.inspectors.planning.numbers import Asked, Training, worked_out
from datasetkit.inspectors.planning.plan_file import content, outside, refuse_strangers
from datasetkit.inspectors.planning.reasons import numbers
from datasetkit.inspectors.planning.survey import CHARACTER, STYLE, Survey
from datasetkit.inspectors.planning.told import advice, fitting, table, times
from datasetkit.stage import Note, Progress, Task, Work, Wrote, opt

KINDS = (CHARACTER, STYLE)
_EVERY = 500  # pictures read between two words of progress


@dataclass(frozen=True)
class Plan(Task):
    """Work out a training's steps, rank, rates, memory and time, with the reason for each.

    From what the dataset is (how many pictures, in which shapes, whose, with which captions and
    masks), the base's family and the card's memory: a table of numbers, each with its reason and
    how that is known, [recipe] for what the community's recipes agree on, [judgement] for our own
    without a trial, [counted], [measured], [published] for what they say. Memory is a range, and
    time by card is said to be unknown where nobody has published it; extrapolated is by memory
    bandwidth and arithmetic, and may be wrong by half. Seconds a step far beyond those said mean
    that memory spilled to the computer's own: 7 to 13 on an RTX 3060 and 200 on an RTX 3090 were
    such (LoRA_Easy #242, kohya_ss #1285, #1730).

    The stages repeats, train and grid are written with these numbers to a YAML file, the reasons
    beside them; `dsk run plan.yaml` does what it says. Of SDXL-shaped families only repeats is
    written, which makes the settings for kohya's trainer with these numbers; where they would not
    surely fit into the card, those for little memory (`dsk repeats --low-memory`). A file
    that is no plan, or that you changed, is never written over.
    """

    vram: float = opt(8.0, "memory of the graphics card in GB", ge=1)
    family: str = opt("sd1", "what the base is: " + ", ".join(FAMILIES))
    base: str = opt("", "the base model that the file names (default: left to DSK_BASE)")
    kind: str = opt("", "character or style (default: what the tags say)")
    steps: int = opt(
        0, "how many pictures the training should see, all epochs together (0: worked out)", ge=0
    )
    epochs: int = opt(0, "in how many rounds (0: worked out)", ge=0)
    batch: int = opt(0, "pictures a step (0: worked out)", ge=0)
    resolution: int = opt(
        0, "side in pixels of the square whose area pictures have (0: the family's)", ge=0
    )
    out: str = opt("", "the file to write (default: plan.yaml in the dataset)")

    @property
    def tells(self) -> bool:
        """The numbers are what it is run for."""
        return True

    def plan(self) -> str:
        """Say for what it is worked out and where it goes."""
        where = self.out or "plan.yaml in the dataset"
        return f"for {self.family} on a card of {self.vram:g} GB, written to {where}"

    def check(self) -> None:
        """Raise UsageError for a family, a kind, a resolution or a file's name that is none."""
        asked_for(self.resolution or named(self.family).resolution)
        if self.kind and self.kind not in KINDS:
            raise UsageError(f"there is no kind {self.kind!r}; {did_you_mean(self.kind, KINDS)}")
        out = Path(self.out)
        if self.out and out.is_dir():
            raise UsageError(f"{out} is a folder; name a file in it: --out {out / 'plan.yaml'}")
        if self.out and out.suffix.lower() not in {".yaml", ".yml"}:
            raise UsageError(f"the plan is a YAML file; call it {out.with_suffix('.yaml')}")

    def __call__(self, dataset: Dataset) -> Iterator[Work]:
        """Look through the set, tell the numbers, and write the file."""
        self.check()
        path = Path(self.out) if self.out else dataset.path / "plan.yaml"
        refuse_strangers(path)
        seen = Survey()
        yield from _walked(dataset, seen)
        if not seen.pictures:
            raise UsageError(f"there are no pictures in {dataset.path} to plan a training of")
        training = worked_out(self._asked, seen)
        rows = list(numbers(training))
        yield from self._head(training)
        yield from table(rows)
        yield from advice(training)
        yield from fitting(training)
        yield from times(training)
        if not training.ours:
            yield Note(outside(training))
        file = content(training, rows, dataset.path, self.base)
        fresh = not (path.exists() and path.read_bytes() == file)
        if fresh:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, file)
        done = "written" if fresh else "up to date"
        yield Note(f"{path}: {done}; dsk run {shlex.quote(str(path))} does it")
        yield Wrote(path, fresh)

    @property
    def _asked(self) -> Asked:
        return Asked(
            family=FAMILIES[self.family],
            memory=self.vram,
            kind=self.kind,
            steps=self.steps,
            epochs=self.epochs,
            batch=self.batch,
            resolution=self.resolution,
        )

    def _head(self, training: Training) -> Iterator[Note]:
        kind, why = training.kind
        count = training.seen.pictures
        yield Note(
            f"{count:,} picture{'s' * (count != 1)} of a {kind} ({why}), family {self.family}, "
            f"a card of {self.vram:g} GB"
        )


def _walked(dataset: Dataset, seen: Survey) -> Iterator[Work]:
    """Take in all pictures that the safety rules let through."""
    total = len(dataset.records)
    for place, record in enumerate(dataset.records):
        if place % _EVERY == 0:
            yield Progress(place, total, "read")
        if safety.refusal(record.names, record.origin.rating):
            seen.refused += 1
        else:
            seen.add(record)
    if seen.refused:
        are = "1 picture is" if seen.refused == 1 else f"{seen.refused} pictures are"
        yield Note(f"{are} left out by the safety rules", warning=True)
