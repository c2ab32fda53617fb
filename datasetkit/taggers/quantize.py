"""Int8 copies of taggers: half the time or less on a processor, a quarter of the room.

Weights of matrix products are rounded to 8 bits, each column by its own scale; what flows between
them is rounded as it comes. That changes the answers a little, so both are compared on the
user's own pictures.
"""

import dataclasses
import glob
import importlib.util
import json
import logging
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from datasetkit import hub
from datasetkit.errors import ModelError, PictureError, UsageError
from datasetkit.pixels import Picture
from datasetkit.taggers.examine import files_of
from datasetkit.taggers.models import MODELS, Model
from datasetkit.taggers.spec import FAMILIES, FILE, RATING
from datasetkit.taggers.tagger import Tagger, identity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PRODUCTS = ("MatMul", "Gemm")
_LOCK = "lock"  # in a draft, held while somebody is at work there
_MARK = "# the int8 copy of "  # with which the description of one begins


@dataclass(frozen=True)
class Compared:
    """How far two models agree on some pictures.

    ``agreement`` is the mean Jaccard index of their tags at the thresholds; ``mean`` and
    ``largest`` are differences of probabilities; seconds are for a picture in one thread.
    ``lost`` and ``gained`` count the tags that only the first, or only the second says.
    """

    pictures: int
    agreement: float
    ratings: float
    mean: float
    largest: float
    seconds: tuple[float, float]
    lost: Counter[str]
    gained: Counter[str]


def check_tools() -> None:
    """Raise UsageError where the package that reads and writes ONNX files is not installed."""
    if not importlib.util.find_spec("onnx"):
        raise UsageError("quantize needs the package onnx: pip install 'datasetkit[quantize]'")


def quantized(model: Model, folder: Path, target: Path) -> Path:
    """Write the int8 copy of a model into a folder, whole or not at all, and return the folder.

    Its label list and a ``tagger.yaml`` come with it; what a killed call left is swept. Raises
    ModelError for a model without anything to round, UsageError for a folder that holds something
    else.
    """
    check_tools()
    if target.exists() and any(target.iterdir()) and not _made_here(target):
        raise UsageError(f"'{target}' holds something else; name another folder with --output")
    source, *others = files_of(model, folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    with (
        tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as draft,
        FileLock(Path(draft) / _LOCK),
    ):
        made = Path(draft) / "whole"
        made.mkdir()
        _round(source, made / source.name)
        for path in others:
            if not path.name.startswith(source.name):  # weights beside it are inside now
                shutil.copyfile(path, made / path.name)
        (made / FILE).write_text(described(model), encoding="utf-8")
        old = Path(draft) / "old"
        if target.exists():
            target.rename(old)
        made.rename(target)
    return target


def mark_of(model: Model, folder: Path) -> str:
    """A short hash that parts a model's copy from others' of its name; "" for dsk's own models."""
    for row in MODELS.values():
        sums = {folder / name.rpartition("/")[2]: sum_ for name, sum_ in row.sums.items()}
        if row == model or (row.name == model.name and sums and all(
            path.is_file() and hub.sha256(path) == sum_ for path, sum_ in sums.items()
        )):  # fmt: skip
            return ""
    return identity(model, folder)[:8]


def _sweep(target: Path) -> None:
    """Take away what a killed call left; one that is still at work holds its lock."""
    for lock in target.parent.glob(f".{glob.escape(target.name)}-*/{_LOCK}"):
        with suppress(Timeout, OSError):
            if {path.name for path in lock.parent.iterdir()} - {_LOCK, "whole", "old"}:
                continue  # somebody else's
            FileLock(lock).acquire(blocking=False).lock.release()
            shutil.rmtree(lock.parent)


def _made_here(folder: Path) -> bool:
    """Say whether a folder holds a copy that may be made anew, and not somebody's own model."""
    try:
        return (folder / FILE).read_text(encoding="utf-8").startswith(_MARK)
    except (OSError, UnicodeDecodeError):
        return False


def described(model: Model) -> str:
    """A model's spec as a ``tagger.yaml``."""
    plain = FAMILIES["wd"]
    lines = [f"{_MARK}{model.name}, by dsk models quantize", "family: wd"]
    for item in dataclasses.fields(plain):
        value = getattr(model.spec, item.name)
        if value != getattr(plain, item.name):
            value = dict(value) if item.name == "thresholds" else value
            lines.append(f"{item.name}: {json.dumps(value)}")  # JSON is YAML
    return "\n".join(lines) + "\n"


def _round(source: Path, target: Path) -> None:
    with _hushed():
        from onnxruntime.quantization import QuantType, quantize_dynamic

        try:
            quantize_dynamic(
                source, target, op_types_to_quantize=list(PRODUCTS), per_channel=True,
                weight_type=QuantType.QInt8, extra_options={"MatMulConstBOnly": True},
            )  # fmt: skip
        except Exception as error:  # onnx and onnxruntime raise whatever the file leads to
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise ModelError(f"'{source}' cannot be made int8 ({reason})") from error
    if _rounded(target) == _rounded(source):
        raise ModelError(
            f"'{source}' has no products of float32 weights ({' or '.join(PRODUCTS)}) to make "
            "int8 of; it is int8 or float16 already"
        )


def _rounded(path: Path) -> int:
    """How many products of whole numbers a model has."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    return sum("Integer" in node.op_type for node in graph.node)


@contextmanager
def _hushed() -> Iterator[None]:
    """Hold back the advice that onnxruntime's tools log for those who build on them."""
    root = logging.getLogger()
    before = root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def compared(
    first: Tagger,
    second: Tagger,
    pictures: Sequence[Picture],
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Compared:
    """Show both models the same pictures; one that cannot be read is left out.

    Raises ModelError where none can be read.
    """
    import numpy as np

    limits = _limits(first)
    ratings = first.places.get(RATING, np.array([], np.intp))
    agreements, same, differences, largest = [], 0, [], 0.0
    took: tuple[list[float], list[float]] = ([], [])
    lost: Counter[str] = Counter()
    gained: Counter[str] = Counter()
    for number, picture in enumerate(pictures, 1):
        try:
            image = first.glance(picture)
            both = []
            for tagger, times in zip((first, second), took, strict=True):
                began = time.perf_counter()
                both.append(tagger.scores(image, picture.size))
                times.append(time.perf_counter() - began)
        except PictureError:
            continue
        finally:
            picture.forget()
            told(number, len(pictures))
        one, other = both
        here, there = one >= limits, other >= limits
        either = np.count_nonzero(here | there)
        agreements.append(np.count_nonzero(here & there) / either if either else 1.0)
        same += not ratings.size or int(one[ratings].argmax()) == int(other[ratings].argmax())
        gaps = np.abs(one - other)
        differences.append(float(gaps.mean()))
        largest = max(largest, float(gaps.max()))
        lost.update(first.labels[place].name for place in np.flatnonzero(here & ~there))
        gained.update(first.labels[place].name for place in np.flatnonzero(there & ~here))
    if not agreements:
        raise ModelError("none of the pictures could be read; there is nothing to compare on")
    count = len(agreements)
    return Compared(
        count,
        sum(agreements) / count,
        same / count,
        sum(differences) / count,
        largest,
        (_middle(took[0]), _middle(took[1])),
        lost,
        gained,
    )


def _limits(tagger: Tagger) -> "NDArray[np.float64]":
    """How sure the model must be of each label; of a rating it never is."""
    import numpy as np

    return np.array(
        [
            np.inf
            if label.kind == RATING
            else label.threshold
            if label.threshold is not None
            else tagger.spec.threshold(label.kind)
            for label in tagger.labels
        ]
    )


def _middle(numbers: list[float]) -> float:
    return sorted(numbers)[len(numbers) // 2]


def size_of(folder: Path, model: Model) -> int:
    """The size of a model's weights in bytes, in however many files."""
    first, *others = files_of(model, folder)
    beside = [path for path in others if path.name.startswith(first.name)]
    return sum(path.stat().st_size for path in (first, *beside))
