"""A dataset's lines as they were before its last step."""

from collections.abc import Iterator

from datasetkit.dataset import history
from datasetkit.dataset.dataset import Dataset
from datasetkit.dataset.hand import EDITED
from datasetkit.dataset.lines import Line, Log
from datasetkit.record import HAND


def last_step(dataset: Dataset) -> Line | None:
    """The step that a killed run left open, else the one that ended last; None if there is none."""
    return history.open_step(dataset.memory) or next(reversed(dataset.history), None)


def lines_before(dataset: Dataset, step: int) -> Iterator[Line] | None:
    """The kept lines in their order as they were before the last step, read one after the other.

    None where a person did something since to a picture that the step changed, or where what was
    before is not known any more.
    """
    path = history.before_log(dataset.memory, step)
    if not path.exists():
        return None
    log = Log(path, write=False)
    kept, rejected = dataset.journal.kept, dataset.journal.rejected
    touched: dict[str, tuple[int, int]] = {}  # where what was before stands in the log
    order: list[tuple[int, str]] = []
    for start, size, entry in log:
        key = entry["key"]
        if "before" not in entry or key in touched:
            continue
        touched[key] = start, size
        now, out = kept.get(key), rejected.get(key)
        if (now and now.get(EDITED)) or (out and out["rejected"][0] == HAND):
            return None
        if entry["before"] is not None:
            order.append((entry["before"]["place"], key))
    order += [(entry.place, key) for key, entry in kept.entries() if key not in touched]
    order.sort()
    return (log.line(*touched[key])["before"] if key in touched else kept[key] for _, key in order)
