"""The plan as the stages of a pipeline, the reasons beside them, in a file that is known again.

The file's first line holds a digest of all that follows it. So a file that somebody changed, or
that was never a plan, is told from one that may be written over.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from os.path import lexists
from pathlib import Path
from textwrap import wrap
from typing import Any

from datasetkit.errors import DatasetError, UsageError
from datasetkit.inspectors.planning.numbers import Number, Training
from datasetkit.plain_yaml import read_yaml
from datasetkit.recipe import USUAL

_MARK = "# Written by dsk plan; what follows has the SHA-256 "
_MOST = 1024 * 1024  # bytes of a file that may be a plan
_WIDTH = 96
WEIGHTS = (0.0, 0.4, 0.6, 0.8, 1.0)


def content(training: Training, numbers: Sequence[Number], folder: Path, base: str) -> bytes:
    """The whole file; the same for the same plan."""
    why = {number.name: number for number in numbers}
    lines = [
        "# A training, worked out: change what you like, in a copy, and run it with dsk run.",
        *_comment(f"memory {why['memory'].value}: {why['memory'].why}", ""),
        *_comment(f"a file of {why['file'].value}: {why['file'].why}", ""),
        *_dataset(folder),
        "stages:",
    ]
    for stage, rows in _stages(training, base):
        lines.append(f"  - {stage}:")
        for option, value, name in rows:
            number = why.get(name)
            said = f"{number.why} ({number.known})" if number else name
            lines += [*_comment(said, "      "), f"      {option}: {_scalar(value)}"]
    if not training.ours:
        lines += _comment(outside(training), "")
    body = "\n".join(lines) + "\n"
    return (_MARK + hashlib.sha256(body.encode()).hexdigest() + "\n" + body).encode()


def refuse_strangers(path: Path) -> None:
    """Raise DatasetError where something stands that is no plan, or one that somebody changed."""
    if not lexists(path):
        return
    if path.is_file() and not path.is_symlink() and path.stat().st_size <= _MOST:
        head, _, body = path.read_bytes().partition(b"\n")
        if head == (_MARK + hashlib.sha256(body).hexdigest()).encode():
            return
        if head.startswith(_MARK.encode()):
            raise DatasetError(
                f"{path} was changed since dsk plan wrote it and is left as it is; move it away, "
                "or choose another name with --out"
            )
    raise DatasetError(
        f"{path} is no plan of dsk and is left as it is; choose another name with --out"
    )


def outside(training: Training) -> str:
    """What to do with a base that ``dsk train`` cannot train."""
    shape = training.asked.family.shape.upper()
    return (
        f"dsk train cannot train {shape} yet. dsk repeats writes these numbers into train.toml for "
        "kohya's sd-scripts, and says the command that starts it"
    )


Rows = list[tuple[str, Any, str]]  # an option, its value, the number (or the words) that tell why


def _stages(it: Training, base: str) -> Iterator[tuple[str, Rows]]:
    """The stages with their options and where the reason of each is found."""
    family = it.asked.family
    kind = f"what the base is: {family.shape.upper()}"
    if family.clip_skip > 1:
        kind += f", clip skip {family.clip_skip}"
    if family.prediction == "v":
        kind += ", v-prediction"
    common: Rows = [("family", family.name, kind)]
    if base:
        common.append(("base", base, "the model's file, folder or name"))
    sized: Rows = [("resolution", it.resolution, "resolution")] if it.asked.resolution else []
    low: Rows = [("low_memory", True, "low memory")] if it.low else []
    yield (
        "repeats",
        [
            *common,
            ("steps", it.views, "pictures shown"),
            ("epochs", it.epochs, "epochs"),
            ("batch", it.batch, "batch"),
            *sized,
            ("rank", it.rank, "rank"),
            ("alpha", it.rank / 2, "alpha"),
            ("flip", it.flip, "flip"),
            *low,
        ],
    )
    if not it.ours:
        return
    yield (
        "train",
        [
            *common,
            ("rank", it.rank, "rank"),
            ("alpha", it.rank / 2, "alpha"),
            ("lr", USUAL.lr, "lr (UNet)"),
            ("text_lr", it.text_rate, "lr (text)"),
            ("scheduler", USUAL.scheduler, "scheduler"),
            ("warmup", 0.0, "warm-up"),
            ("epochs", it.epochs, "epochs"),
            ("batch", it.batch, "steps"),
            *sized,
            ("keep_tokens", it.keep, "keep_tokens"),
            ("min_snr", it.min_snr, "min-SNR"),
            ("flip", it.flip, "flip"),
            ("gradient_checkpointing", it.lean, "checkpointing"),
            ("precision", "auto", "precision"),
        ],
    )
    scored = "each epoch at these weights; score: TAGGER lets a tagger name the best"
    yield "grid", [*common, ("weights", list(WEIGHTS), scored)]


def _dataset(folder: Path) -> list[str]:
    """The line that names the dataset; a comment where YAML cannot say its name."""
    line = f"dataset: {json.dumps(folder.as_posix(), ensure_ascii=False)}"
    try:
        line.encode()
        if read_yaml(line) == {"dataset": folder.as_posix()}:
            return [line]
    except (UsageError, UnicodeEncodeError):
        pass
    return ["# dataset: its name cannot be written here; give it with dsk run -d"]


def _scalar(value: Any) -> str:
    """A value as YAML has it."""
    if isinstance(value, float):
        return f"{value:g}" if "e" not in f"{value:g}" else f"{value:.8f}".rstrip("0")
    if isinstance(value, str):
        return value if value.replace("-", "").isalnum() else json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(map(_scalar, value))}]"
    return json.dumps(value)


def _comment(text: str, indent: str) -> list[str]:
    """A sentence as comment lines; what cannot be seen is left out, so that none ends it early."""
    plain = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return [f"{indent}# {line}" for line in wrap(plain, _WIDTH - len(indent))]
