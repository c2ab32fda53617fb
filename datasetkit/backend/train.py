"""The stage ``train``: a LoRA from a training folder, by kohya's rules."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from datasetkit.backend import checkpoint, devices, kohya_folder
from datasetkit.backend.kohya_folder import Example
from datasetkit.backend.training import SCHEDULES, Run
from datasetkit.dataset import Dataset
from datasetkit.errors import SafetyError, UsageError, did_you_mean
from datasetkit.families import Family, family
from datasetkit.names import safe_stem
from datasetkit.recipe import USUAL, min_snr
from datasetkit.safety import check_prompt, refusal
from datasetkit.stage import Note, Task, Work, Wrote, opt

SAVE = ("fp16", "bf16", "fp32")


@dataclass(frozen=True)
class Train(Task):
    """Train a LoRA on the exported folder, one file an epoch.

    Reads folders such as `train/6_shimakaze/`, which `dsk repeats` makes, and writes
    `lora/shimakaze-000001.safetensors` and so on, the last one as `lora/shimakaze.safetensors`.
    Names, numbers and file format are kohya's, so every WebUI and ComfyUI reads the result.
    A run that was stopped goes on after its last whole epoch. A run that is finished does nothing.
    With other settings or pictures it trains anew; what was there moves to `lora/earlier/`.

    What is black in a picture's mask (`train/masks/`, from `dsk text --how mask`) is not learned.
    """

    base: str = opt("", "the base model: .safetensors, diffusers folder or Hugging Face name "
                        "(default: DSK_BASE)")  # fmt: skip
    data: str = opt("", "the training folder (default: train in the dataset)")
    out: str = opt("", "where the LoRA goes (default: lora in the dataset)")
    name: str = opt("", "its name (default: that of the training sub-folder, or of train.toml)")
    config: str = opt("", "folder with the configuration and tokenizer of a single-file base "
                          "(default: one named like it, else SD1's)")  # fmt: skip
    family: str = opt("sd1", "what the base is: sd1, nai-v1, wd-1.3, easyfluff")
    rank: int = opt(USUAL.rank, "the inner width of the LoRA (network_dim)", ge=1)
    alpha: float = opt(USUAL.alpha, "its strength is alpha / rank (network_alpha)", ge=0)
    lr: float = opt(USUAL.lr, "learning rate of the UNet", ge=0)
    text_lr: float = opt(USUAL.text_lr, "learning rate of the text encoder; 0 trains the UNet "
                                        "only", ge=0)  # fmt: skip
    scheduler: str = opt(USUAL.scheduler, "how the learning rates fall: " + ", ".join(SCHEDULES))
    warmup: float = opt(0.0, "steps in which they rise first, or a share of all below 1", ge=0)
    epochs: int = opt(USUAL.epochs, "how often everything is seen", ge=1)
    batch: int = opt(USUAL.batch, "pictures a step", ge=1)
    resolution: int = opt(0, "side in pixels of the square whose area pictures have "
                             "(0: the family's, or the base's if smaller)", ge=0)  # fmt: skip
    upscale: bool = opt(True, "make pictures larger that are below the resolution")
    shuffle: bool = opt(USUAL.shuffle, "shuffle the tags each time a caption is seen")
    keep_tokens: int = opt(USUAL.keep_tokens, "first tags that stay in place", ge=0)
    tag_dropout: float = opt(0.0, "share of the other tags left out each time", ge=0, le=1)
    caption_dropout: float = opt(0.0, "share of captions left out each time", ge=0, le=1)
    flip: bool = opt(False, "mirror half of the pictures; harms asymmetric characters")
    clip_skip: int = opt(0, "layer of the text encoder from the end (0: the family's)", ge=0)
    min_snr: float | None = opt(None, "min-SNR gamma, which evens out the timesteps, 0 for none "
                                      "(default: 5; 0 for a family with zero terminal SNR)",
                                ge=0)  # fmt: skip
    noise_offset: float = opt(0.0, "lets the overall brightness be learned; 0.05 is usual", ge=0)
    seed: int = opt(USUAL.seed, "where all randomness comes from", ge=0)
    precision: str = opt("auto", "auto, fp32 or bf16")
    gradient_checkpointing: bool = opt(False, "less memory, more time")
    save_precision: str = opt(USUAL.precision, "numbers in the files: fp16, bf16 or fp32")
    tag_frequency: bool = opt(True, "write the captions' tag counts into the files")

    def check(self) -> None:
        """Raise for words that are none, and for a base or folder that is not there."""
        family(self.family)
        devices.check_precision(self.precision, training=True)
        for value, known in ((self.scheduler, SCHEDULES), (self.save_precision, SAVE)):
            if value not in known:
                raise UsageError(f"there is no {value!r} here; {did_you_mean(value, known)}")
        check_prompt(self.name)
        checkpoint.check(checkpoint.base_name(self.base))

    def __call__(self, dataset: Dataset) -> Iterator[Work]:
        """Train, yielding the arithmetic, the loss and each file."""
        from datasetkit.backend import state  # needs safetensors

        self.check()
        row, base = family(self.family), checkpoint.base_name(self.base)
        data = Path(self.data) if self.data else dataset.path / "train"
        out = Path(self.out) if self.out else dataset.path / "lora"
        examples, notes = _allowed(kohya_folder.read(data), dataset)
        yield from notes
        name = safe_stem(self.name) if self.name else _name(examples, data, dataset)
        contents = {e.path: hashlib.sha256(e.path.read_bytes()).hexdigest() for e in examples}
        chosen = self._settings(row, checkpoint.locate(base), examples, contents)
        paths = {n: out / f"{name}-{n:06d}.safetensors" for n in range(1, self.epochs)}
        paths[self.epochs] = out / f"{name}.safetensors"
        memory = out / ".state" / f"{name}.safetensors"
        otherwise = _trained_otherwise(memory, chosen)
        done = 0 if otherwise else _resumable(memory, chosen, paths)
        if done == self.epochs:
            yield Note(f"{name} is trained already, with these settings and pictures")
            yield from (Wrote(path, fresh=False) for path in paths.values())
            return
        for leftover in out.rglob(".*.part"):
            leftover.unlink(missing_ok=True)  # of a run that was killed while it wrote
        loaded = checkpoint.load(base, devices.device(), self.precision, self.config, training=True)
        checkpoint.check_prediction(loaded, row.prediction)
        run = Run(self, row, loaded, examples, contents)
        yield Note(f"training {name} on {devices.describe(run.base.device, run.base.dtype)}")
        yield from run.prepare(out / ".cache")
        yield from run.arithmetic()
        if otherwise:  # not before all that can fail has not
            yield _set_aside(memory, name, otherwise)
        if not done:  # from here on, files of this name are known to be ours
            state.save(memory, run.weights, run.optimizer, 0, chosen)
        else:
            state.load(memory, run.weights, run.optimizer)
            yield Note(f"going on after epoch {done}")
            yield from (Wrote(paths[number], fresh=False) for number in range(1, done + 1))
        for epoch in range(done, self.epochs):
            yield from run.epoch(epoch)
            run.save(paths[epoch + 1], epoch + 1)
            state.save(memory, run.weights, run.optimizer, epoch + 1, chosen)
            yield Wrote(paths[epoch + 1])

    def _settings(
        self, row: Family, base: Path, examples: Sequence[Example], contents: Mapping[Path, str]
    ) -> dict[str, Any]:
        """All that the result depends on; a training is resumed only where this is the same."""
        rows = [(e.name, contents[e.path], e.caption, e.repeats, *_mask(e)) for e in examples]
        places = {"base", "config", "data", "out", "name", "gradient_checkpointing"}
        options = {key: getattr(self, key) for key in vars(self) if key not in places}
        return options | {
            "clip_skip": self.clip_skip or row.clip_skip,
            "min_snr": min_snr(row) if self.min_snr is None else self.min_snr,
            "pictures": hashlib.sha256(repr(rows).encode()).hexdigest(),
            "base": checkpoint.digest(base, checkpoint.PARTS),
        }


def _mask(example: Example) -> list[str]:
    """What tells an example's mask; nothing without one, as it was before there were masks."""
    return [hashlib.sha256(example.mask.read_bytes()).hexdigest()] if example.mask else []


def _allowed(examples: Sequence[Example], dataset: Dataset) -> tuple[list[Example], list[Note]]:
    """The examples that the safety rules let through, and what is to be said of the others."""
    ratings = {record.key: record.origin.rating for record in dataset.records}
    kept, refused = [], 0
    for example in examples:
        if _may_be_learned(example.caption, ratings.get(example.path.stem, "")):
            kept.append(example)
        else:
            refused += 1
    if not kept:
        raise SafetyError("the safety rules let none of these pictures be trained on")
    notes = []
    if refused:
        notes.append(Note(f"{refused} pictures are left out by the safety rules", warning=True))
    bare = sum(not example.captioned for example in kept)
    if bare:
        notes.append(Note(f"{bare} pictures have no .txt; the folder's words stand in", True))
    empty = sum(not example.caption for example in kept)
    if empty:
        notes.append(Note(f"{empty} captions are empty", warning=True))
    return kept, notes


def _may_be_learned(caption: str, rating: str) -> bool:
    """Ask the safety rules twice: by tags, and by the caption as prose."""
    if refusal(kohya_folder.names(caption), rating):
        return False
    try:
        check_prompt(f"{caption}, general" if rating == "g" else caption)
    except SafetyError:
        return False
    return True


def _name(examples: Sequence[Example], data: Path, dataset: Dataset) -> str:
    """The LoRA's name: the words of the only sub-folder, what is said of several, the dataset's."""
    folders = {example.folder for example in examples}
    several = len(folders) > 1
    words = kohya_folder.output_name(data) if several else folders.pop().partition("_")[2]
    check_prompt(words)
    return safe_stem(words or dataset.path.resolve().name)


def _trained_otherwise(memory: Path, chosen: Mapping[str, Any]) -> str:
    """In what a training of this name differs from the one that is wanted; "" if in nothing."""
    from datasetkit.backend import state

    before, _ = state.settings(memory) or (chosen, 0)
    return ", ".join(
        key if key in {"base", "pictures"} else f"{key} {before.get(key)} -> {chosen[key]}"
        for key in chosen
        if before.get(key) != chosen[key]
    )


def _set_aside(memory: Path, name: str, changes: str) -> Note:
    """Move what was trained under this name otherwise out of the way, and say why and where."""
    out = memory.parent.parent
    earlier = out / "earlier"
    folder = next(f for n in count(1) if not (f := earlier / f"{name}-{n}").exists())
    (folder / memory.parent.name).mkdir(parents=True)
    pattern = re.compile(rf"{re.escape(name)}(-\d{{6}})?\.(safetensors|json)")
    ours = sorted(path for path in out.iterdir() if pattern.fullmatch(path.name))
    for path in [*ours, memory]:  # the memory last: killed before, the rest follows next time
        os.replace(path, folder / path.relative_to(out))
    return Note(f"{name} was trained otherwise before ({changes}); that is in {folder}")


def _resumable(memory: Path, chosen: Mapping[str, Any], paths: Mapping[int, Path]) -> int:
    """The epochs that are done and whole; UsageError where a stranger's file is in the way."""
    from datasetkit.backend import state

    found = state.settings(memory)
    if found is None:
        there = [path for path in paths.values() if path.exists()]
        if there:
            raise UsageError(
                f"{there[0]} is there and was not made by this training; "
                "give another --name (or --out), or move it away"
            )
        return 0
    _, epochs = found
    whole = all(paths[number].exists() for number in range(1, epochs + 1))
    return epochs if whole else 0  # from the start, the same files come again
