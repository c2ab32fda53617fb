"""The stage ``grid``: every epoch of a LoRA at several weights, side by side, and the best one."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasetkit.backend import devices
from datasetkit.backend.paint import (
    check_all,
    default_prompt,
    learned,
    painter_for,
    parameters,
    parameters_of,
    request_for,
    save,
    signature,
)
from datasetkit.dataset import Dataset
from datasetkit.errors import UsageError
from datasetkit.families import family
from datasetkit.stage import Note, Progress, Task, Work, Wrote, opt
from datasetkit.taggers.models import model_named
from datasetkit.taggers.tagger import Tagger, identity, loaded
from datasetkit.tags import from_caption

_FILE = re.compile(r"(.+?)(?:-(\d{6}))?\.safetensors")
CLEAR = 0.05  # a best cell nearer to the base than this says nothing


@dataclass(frozen=True)
class Painting:
    """One picture of the grid: which epoch at which weight (0: the base alone), from which seed."""

    epoch: int
    weight: float
    seed: int
    file: Path
    lora: Path | None
    text: str


@dataclass(frozen=True)
class Grid(Task):
    """Paint epochs by weights in one picture, and name the best.

    Every epoch of a LoRA at every weight, with the same prompt and seed; weight 0 is the base
    alone, painted once. With `score`, a tagger, each cell is told how surely
    the tagger sees `tags` in it, and the best epoch and weight are named and written beside the
    LoRA, where WebUIs read the preferred weight. Cells are kept: a grid that was stopped, or that
    gets another weight, paints only what is missing.
    """

    prompt: str = opt("", "what to paint (default: what the LoRA learned)", argument=True)
    negative: str = opt("", "what not to paint (default: the family's)")
    base: str = opt("", "the base model: .safetensors, diffusers folder or Hugging Face name "
                        "(default: DSK_BASE)")  # fmt: skip
    config: str = opt("", "folder with the configuration and tokenizer of a single-file base "
                          "(default: one named like it, else SD1's)")  # fmt: skip
    family: str = opt("sd1", "what the base is: sd1, nai-v1, wd-1.3, easyfluff")
    lora: str = opt("", "a LoRA's file, or the folder of its epochs (default: lora in the dataset)")
    name: str = opt("", "which LoRA, if the folder holds several")
    weights: tuple[float, ...] = opt((0.0, 0.4, 0.6, 0.8, 1.0), "the columns")
    seed: int = opt(42, "the seed of every cell", ge=0)
    count: int = opt(1, "pictures a cell, seeds counting up; all are scored, one is shown", ge=1)
    size: str = opt("", "WIDTHxHEIGHT in pixels (default: the family's)")
    steps: int = opt(0, "sampling steps (0: the family's)", ge=0)
    cfg: float = opt(0.0, "how closely to follow the prompt (0: the family's)", ge=0)
    sampler: str = opt("", "A1111's name, such as Euler a or DPM++ 2M Karras (default: family's)")
    clip_skip: int = opt(0, "layer of the text encoder from the end (0: the family's)", ge=0)
    precision: str = opt("auto", "auto, fp32, bf16 or fp16")
    score: str = opt("", "a tagger that judges the cells: a short name, a folder or repository")
    tags: tuple[str, ...] = opt((), "what it should see (default: the commonest tags learned)")
    out: str = opt("", "where the grid goes (default: grid in the dataset)")

    def check(self) -> None:
        """Raise for a prompt that is never painted, words that are none, a missing model."""
        check_all(self)
        if not self.weights:
            raise UsageError("a grid needs at least one weight, such as --weights 0.8")
        if self.score:
            model_named(self.score).check()

    def __call__(self, dataset: Dataset) -> Iterator[Work]:
        """Paint what is missing, then draw, score and judge."""
        self.check()
        out = Path(self.out) if self.out else dataset.path / "grid"
        name, epochs = self._epochs(Path(self.lora) if self.lora else dataset.path / "lora")
        data, last = dataset.path / "train", epochs[max(epochs)]
        words = self.prompt or default_prompt(data, last, family(self.family).quality)
        paintings = self._paintings(words, epochs, out / "cells")
        missing = [p for p in paintings if parameters_of(p.file) != p.text]
        seen = self._wanted(data, last) if self.score else ()
        answer = hashlib.sha256(repr((paintings, seen, self._judge())).encode()).hexdigest()
        picture, table = out / f"{name}.png", out / f"{name}.json"
        if not missing and _answers(table, answer) and picture.is_file():
            yield Note(f"the grid of {name} is there already")
            yield from (Wrote(path, fresh=False) for path in (picture, table))
            return
        yield Note(f"prompt: {words}")
        yield from self._paint(words, missing)
        scores = self._scores(paintings, seen) if self.score else {}
        best = _best(scores)
        clear = best if best and scores[best] >= scores[0, 0.0] + CLEAR else None
        self._draw(name, words, epochs, paintings, scores, clear, picture)
        yield Wrote(picture)
        rows = [_row(painting, scores) for painting in paintings if painting.seed == self.seed]
        base = scores.get((0, 0.0))
        found = {"epoch": clear[0], "weight": clear[1], "score": scores[clear]} if clear else None
        content = {"prompt": words, "seed": self.seed, "count": self.count, "tags": list(seen),
                   "base_score": base, "best": found, "cells": rows, "answers": answer}  # fmt: skip
        _write_json(table, content)
        yield Wrote(table)
        if best:
            yield from _verdict(best, scores, epochs, learned(data, last)[0])

    def _epochs(self, place: Path) -> tuple[str, dict[int, Path]]:
        """The LoRA's name and its files by epoch."""
        if place.is_file():
            return place.stem, {_epoch_of(place, 1): place}
        named: dict[str, dict[int, Path]] = {}
        for path in sorted(place.glob("*.safetensors")):
            match = _FILE.fullmatch(path.name)
            if match:
                named.setdefault(match[1], {})[int(match[2] or 0)] = path
        if not named:
            raise UsageError(f"there is no LoRA in {place}; dsk train makes one, --lora names it")
        name = self.name or (next(iter(named)) if len(named) == 1 else "")
        if name not in named:
            raise UsageError(
                f"there is no LoRA {name!r} in {place}; --name can be: {', '.join(named)}"
                if name
                else f"{place} holds several LoRAs; --name can be: {', '.join(named)}"
            )
        found = named[name]
        if 0 in found:  # the last epoch's file has no number
            path = found.pop(0)
            found[_epoch_of(path, max(found, default=0) + 1)] = path
        return name, dict(sorted(found.items()))

    def _paintings(self, words: str, epochs: Mapping[int, Path], folder: Path) -> list[Painting]:
        """Every picture that is needed, in the order in which they are painted."""
        base = signature(self.base)
        weights = dict.fromkeys([*self.weights, *([0.0] if self.score else [])])
        seeds = range(self.seed, self.seed + self.count)
        plan: list[tuple[int, float, Path | None]] = [(0, 0.0, None)] if 0 in weights else []
        plan += [(n, w, path) for n, path in epochs.items() for w in weights if w]
        found = []
        for epoch, weight, path in plan:
            for seed in seeds:
                request = request_for(self, words, (seed,))
                text = parameters(request, seed, base, path, weight)
                stem = path.stem if path else "base"
                mark = hashlib.sha256(text.encode()).hexdigest()[:8]
                file = folder / f"{stem}-w{weight:g}-{seed}-{mark}.png"
                found.append(Painting(epoch, weight, seed, file, path, text))
        return found

    def _paint(self, words: str, missing: Sequence[Painting]) -> Iterator[Work]:
        if not missing:
            return
        painter = painter_for(self)
        yield Note(f"painting {len(missing)} pictures on "
                   f"{devices.describe(painter.base.device, painter.base.dtype)}")  # fmt: skip
        worn: Path | None = None
        for number, painting in enumerate(missing, 1):
            if painting.lora != worn:
                painter.wear(painting.lora)
                worn = painting.lora
            if painter.lora:
                painter.lora.weight = painting.weight
            image = painter.paint(request_for(self, words, (painting.seed,)))[0]
            save(image, painting.file, painting.text)
            what = f"epoch {painting.epoch} at {painting.weight:g}" if worn else "the base alone"
            yield Progress(number, len(missing), what)

    def _judge(self) -> str:
        """The identity of the tagger, for a grid is judged anew by another one."""
        if not self.score:
            return ""
        model = model_named(self.score)
        return identity(model, model.folder())

    def _tagger(self) -> Tagger:
        return loaded(model_named(self.score))

    def _wanted(self, data: Path, lora: Path) -> tuple[str, ...]:
        """The booru names of what a tagger should see."""
        known = self._tagger().vocabulary.names
        if self.tags:
            wanted = tuple(from_caption(tag) for tag in self.tags)
            strange = [tag for tag in wanted if tag not in known]
            if strange:
                raise UsageError(f"the tagger in {self.score} knows no {', '.join(strange)}")
            return wanted
        _, counts = learned(data, lora)
        common = sorted(counts, key=lambda tag: -counts[tag])
        most = max(counts.values(), default=0)
        names = [from_caption(tag) for tag in common if counts[tag] * 2 >= most]
        found = tuple(name for name in names if name in known)
        if not found:
            raise UsageError("the tagger knows none of the learned tags; name some with --tags")
        return found

    def _scores(
        self, paintings: Sequence[Painting], wanted: Sequence[str]
    ) -> dict[tuple[int, float], float]:
        """The mean probability of the wanted tags, over a cell's pictures."""
        from datasetkit.pixels import decode

        tagger = self._tagger()
        found: dict[tuple[int, float], list[float]] = {}
        for painting in paintings:
            seen = tagger.probabilities(decode(painting.file))
            values = found.setdefault((painting.epoch, painting.weight), [])
            values.append(sum(seen[name] for name in wanted) / len(wanted))
        return {cell: sum(values) / len(values) for cell, values in found.items()}

    def _draw(
        self,
        name: str,
        words: str,
        epochs: Mapping[int, Path],
        paintings: Sequence[Painting],
        scores: Mapping[tuple[int, float], float],
        best: tuple[int, float] | None,
        path: Path,
    ) -> None:
        from datasetkit.backend.sheet import Sheet
        from datasetkit.pixels import decode

        weights = list(dict.fromkeys(self.weights))
        shown = {(p.epoch, p.weight): p.file for p in paintings if p.seed == self.seed}
        cells = {
            (row, column): (epoch if weight else 0, float(weight))
            for row, epoch in enumerate(epochs)
            for column, weight in enumerate(weights)
        }
        request = request_for(self, words, (self.seed,))
        sheet = Sheet(
            title=f"{name}: {words}",
            subtitle=f"seed {self.seed}, {request.sampler}, {request.steps} steps, "
            f"CFG {request.cfg:g}",
            rows=[f"epoch {epoch}" for epoch in epochs],
            columns=[f"weight {weight:g}" for weight in weights],
            pictures={cell: decode(shown[key]) for cell, key in cells.items()},
            notes={cell: f"{scores[key]:.2f}" for cell, key in cells.items() if key in scores},
            best=next((cell for cell, key in cells.items() if best and key == best), None),
        )
        script = {
            "Script": "X/Y/Z plot",
            "X Type": "LoRA weight",
            "X Values": ", ".join(f"{weight:g}" for weight in weights),
            "Y Type": "LoRA epoch",
            "Y Values": ", ".join(map(str, epochs)),
        }
        base = signature(self.base)
        save(sheet.draw(), path, parameters(request, self.seed, base, extra=script))


def _epoch_of(path: Path, otherwise: int) -> int:
    from datasetkit.backend.lora import metadata

    said = metadata(path).get("ss_epoch", "")
    return int(said) if said.isdecimal() else otherwise


def _best(scores: Mapping[tuple[int, float], float]) -> tuple[int, float] | None:
    """The cell of the highest score; of equals the weaker and earlier, which bends least."""
    cells = [cell for cell in scores if cell[1]]
    return min(cells, key=lambda cell: (-scores[cell], abs(cell[1]), cell[0]), default=None)


def _verdict(
    best: tuple[int, float],
    scores: Mapping[tuple[int, float], float],
    epochs: Mapping[int, Path],
    trigger: str,
) -> Iterator[Work]:
    """Name the best cell, and write it beside its LoRA for WebUIs, unless a person did."""
    (epoch, weight), base = best, scores[0, 0.0]
    told = f"epoch {epoch} at weight {weight:g}, where the tagger is {scores[best]:.0%} sure"
    if scores[best] < base + CLEAR:
        yield Note(f"no cell is clearly better than the base ({base:.0%}; at most {told}): train "
                   "longer, or ask for what the LoRA should show with --tags", True)  # fmt: skip
        return
    yield Note(f"best: {told} of what it learned (base {base:.0%})")
    sidecar = epochs[epoch].with_suffix(".json")
    if not sidecar.exists():
        words = {"activation text": trigger, "preferred weight": weight, "sd version": "SD1"}
        _write_json(sidecar, words)
        yield Wrote(sidecar)


def _row(painting: Painting, scores: Mapping[tuple[int, float], float]) -> dict[str, Any]:
    return {
        "epoch": painting.epoch,
        "weight": painting.weight,
        "file": f"cells/{painting.file.name}",
        "lora": painting.lora.name if painting.lora else None,
        "score": scores.get((painting.epoch, painting.weight)),
    }


def _answers(table: Path, answer: str) -> bool:
    """Say whether a table is the answer to this very question."""
    try:
        return bool(json.loads(table.read_text(encoding="utf-8")).get("answers") == answer)
    except (OSError, ValueError):
        return False


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    from datasetkit.backend.lora import write

    write(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
