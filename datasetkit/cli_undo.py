"""``dsk undo``: the last step taken back, what is asked before, and the way back."""

import shlex
import sys
from pathlib import Path

from datasetkit.dataset import Dataset, next_undone, undo
from datasetkit.dataset.places import MEMORY
from datasetkit.errors import DatasetError
from datasetkit.names import few_of


def take_back(folder: Path, *, even_pictures: bool) -> None:
    """Take the last step of a dataset back and say on stderr what was done.

    Raises DatasetError where a task ran since a step that brought pictures in, as whoever undoes
    may mean the task; ``even_pictures`` takes them out all the same.
    """
    here = "" if folder == Path("dataset") else f" -d {shlex.quote(str(folder))}"
    with Dataset(folder, write=True, make=False) as dataset:
        step = next_undone(dataset)
        names = "+".join(next(iter(call)) for call in step["stages"])
        counted = [
            f"{step[what]} {what}" for what in ("added", "changed", "rejected") if step[what]
        ]
        counts = ", ".join(counted) or "nothing changed"
        later = [*dict.fromkeys(next(iter(call)) for t in step["later"] for call in t["stages"])]
        if later:
            left = (
                f"{few_of(later)} made files beside the dataset, which undo leaves; "
                f"the step before is {names} ({counts})"
            )
            if step["added"] and not even_pictures:
                its = "its picture" if step["added"] == 1 else f"its {step['added']} pictures"
                out = f"undo would take {its} out: dsk undo{here} --yes"
                raise DatasetError(f"{left}, and {out}")
            sys.stderr.write(f"{left}\n")
        done = undo(dataset)
    sys.stderr.write(f"took back {names} (step {done['step']}: {counts})\n")
    if done["aside"]:
        aside = shlex.quote(str(folder / MEMORY / "undone" / f"{done['step']:04d}"))
        are, them = f"{done['aside']} pictures are", "them"
        if done["aside"] == 1:
            are, them = "picture is", "it"
        sys.stderr.write(f"its {are} in {aside}; dsk folder {aside}{here} brings {them} back\n")
    if later:
        them = "it" if len(later) == 1 else "them"
        sys.stderr.write(f"what {', '.join(later)} made since stands; run {them} again\n")
