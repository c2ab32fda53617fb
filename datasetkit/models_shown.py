"""Taggers as a person sees them, in tables; and as programs read them, as plain values."""

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datasetkit.errors import ModelError
from datasetkit.hub import size_in_words
from datasetkit.settings import cache_folder
from datasetkit.taggers.examine import Examined, here
from datasetkit.taggers.models import FAST, MODELS, Model, int8_folder, model_named
from datasetkit.taggers.quantize import Compared, size_of

WIDTH = 100  # where the output is no terminal
MOST = 8  # tags named on each side
GOOD, FAIR = 0.95, 0.9  # agreement of tags

_UNKNOWN = ("see its page", "")
# By the beginning of a name: the licence as its card states it, and the size of its weights.
_CARDS: Mapping[str, tuple[str, str]] = {
    "wd-swinv2-v3": ("Apache-2.0", "467 MB"),
    "wd-vit-v3": ("Apache-2.0", "379 MB"),
    "wd-convnext-v3": ("Apache-2.0", "395 MB"),
    "wd-vit-large-v3": ("Apache-2.0", "1.26 GB"),
    "wd-eva02-large-v3": ("Apache-2.0", "1.26 GB"),
    "wd-": ("Apache-2.0", "0.3-0.5 GB"),
    "pixai-0.9": ("Apache-2.0", "1.27 GB"),
    "pixai-1.0-fp16": ("Apache-2.0", "993 MB"),
    "pixai-1.0": ("Apache-2.0", "1.98 GB"),
    "animetimm-": ("GPL-3.0", ""),
    "cl-": ("Apache-2.0", ""),
    "joytag": ("Apache-2.0", ""),
    "camie-": ("GPL-3.0", ""),
}


@dataclass(frozen=True)
class Row:
    """A model in the list: the name by which it is chosen, and where it is, if it is here."""

    name: str
    model: Model
    folder: Path | None
    trouble: str = ""
    licence: str = ""
    size: str = ""


def rows() -> list[Row]:
    """All models that are known, then the int8 copies that were made here."""
    found = [_row(name, model) for name, model in MODELS.items()]
    try:
        made = sorted(path for path in (cache_folder() / "models").iterdir() if path.is_dir())
    except (OSError, RuntimeError):
        made = []
    for path in made:
        if not path.name.startswith("."):
            found.append(_row(str(path), model_named(str(path))))
    return found


def _row(name: str, model: Model) -> Row:
    licence, size = _card(name)
    try:
        folder, trouble = here(model), ""
    except ModelError as error:
        folder, trouble = None, str(error)
    if folder and model.path:
        size = size_of(folder, model)
    return Row(name, model, folder, trouble, licence, size)


def _card(name: str) -> tuple[str, str]:
    key = max((key for key in _CARDS if name.startswith(key)), key=len, default="")
    return _CARDS.get(key, _UNKNOWN)


def facts_of(row: Row) -> dict[str, Any]:
    """All of a row as plain values."""
    model = row.model
    return {
        "name": row.name,
        "in_records": model.name,
        "repository": model.repo,
        "revision": model.revision,
        "subfolder": model.subfolder,
        "files": list(model.files),
        "sha256": dict(model.sums),
        "about": model.about,
        "licence": row.licence,
        "size": row.size,
        "thresholds": dict(model.spec.thresholds),
        "here": str(row.folder) if row.folder else None,
        "trouble": row.trouble,
    }


def show_all(found: Iterable[Row]) -> None:
    """Print a table of models, and how one is chosen."""
    heads = ("model", "here", "size", "licence", "thresholds", "what for")
    table = Table(*heads, box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column, width in zip(table.columns, (22, 7, 10, 12, 14, 25), strict=True):
        column.max_width, column.overflow = width, "fold"
    copies = []
    for row in found:
        if row.model.path and row.folder:
            copies.append(row)
            continue
        state = "damaged" if row.trouble else "yes" if row.folder else ""
        table.add_row(
            Text(row.name, "bold"), Text(state, "yellow" * bool(row.trouble)), row.size,
            row.licence, _thresholds(row.model), Text(row.model.about),
        )  # fmt: skip
    console = _console()
    console.print(table)
    for row in copies:
        console.print(f"int8 copy, {row.size}: {row.folder}", markup=False, soft_wrap=True)
    for line in (
        "",
        "wd-swinv2-v3 serves most. On a processor wd-convnext-v3 as int8 (dsk models quantize) is "
        "quickest; wd-eva02-large-v3 is the best of its family and wants a graphics card; newer "
        "characters are known to pixai-0.9, pixai-1.0 and cl-1.02; z3d-e621 speaks e621's words.",
        "dsk models get NAME fetches one, dsk tag --model NAME uses it; NAME may also be a "
        "repository or a folder of your own. Two numbers: general tags / characters.",
    ):
        console.print(line, markup=False)


def _thresholds(model: Model) -> str:
    limits = model.spec.thresholds
    general = limits.get("general", model.spec.threshold("general"))
    character = model.spec.threshold("character")
    text = f"{general:.2g}" if character == general else f"{general:.2g} / {character:.2g}"
    return text.replace("0.", ".") + (", by tag" if "a threshold a tag" in model.about else "")


def examined_facts(model: Model, found: Examined) -> dict[str, Any]:
    """What was found of a model, as plain values."""
    return {
        "model": model.name,
        "folder": str(found.folder),
        "files": [vars_of(part) for part in found.parts],
        "labels": dict(found.labels),
        "side": found.side,
        "provider": found.provider,
        "fell_back": found.fell_back,
        "embeddings": found.embeds,
        "start": round(found.start, 3),
        "seconds": round(found.seconds, 4),
        "answers": [found.lowest, found.highest],
    }


def vars_of(part: Any) -> dict[str, Any]:
    """The fields of a small frozen dataclass as plain values."""
    return {name: getattr(part, name) for name in part.__dataclass_fields__}


def show_examined(model: Model, found: Examined) -> None:
    """Print what was found of a model."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_row("model", Text(model.name))
    table.add_row("folder", Text(str(found.folder), overflow="fold"))
    for part in found.parts:
        by = {"pinned": "the pinned one", "": "nobody says which it should be"}
        said = by.get(part.known_by, f"as {part.known_by} says")
        table.add_row(part.name, f"{size_in_words(part.size)}, sha256 {part.sha256[:16]}… ({said})")
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in found.labels.items())
    table.add_row("labels", f"{sum(found.labels.values()):,}: {kinds}; as many as it answers")
    table.add_row("answers", f"to test pictures from {found.lowest:.4f} to {found.highest:.4f}")
    back = "; a graphics card is offered, but cannot be used" * found.fell_back
    table.add_row("runs on", Text(found.provider + back, "yellow" * found.fell_back))
    table.add_row(
        "speed",
        f"{_seconds(found.seconds)} a picture of {found.side} pixels in one thread; it starts in "
        f"{_seconds(found.start)}",
    )
    table.add_row("embeddings", "told" if found.embeds else "not told")
    _console().print(table)
    _console().print("all is well")


def compared_facts(
    model: Model, folder: Path, target: Path, found: Compared | None
) -> dict[str, Any]:
    """What quantizing made, and how far it agrees, as plain values."""
    facts: dict[str, Any] = {
        "model": model.name,
        "folder": str(target),
        "size": [size_of(folder, model), size_of(target, model)],
    }
    if found:
        facts |= {
            "pictures": found.pictures,
            "agreement": round(found.agreement, 4),
            "ratings": round(found.ratings, 4),
            "mean_difference": round(found.mean, 5),
            "largest_difference": round(found.largest, 4),
            "seconds": [round(seconds, 4) for seconds in found.seconds],
            "lost": dict(found.lost),
            "gained": dict(found.gained),
        }
    return facts


def show_compared(
    model: Model, folder: Path, target: Path, found: Compared | None, dataset: Path
) -> None:
    """Print what quantizing made, how far it agrees, and how to use it."""
    console = _console()
    sizes = f"{size_of(folder, model)} became {size_of(target, model)}"
    if found is None:
        console.print(
            f"{sizes}. There are no pictures in {dataset} to compare on: name a dataset with -d, "
            "for only your own pictures tell whether the copy is good enough.",
            markup=False,
        )
    else:
        before, after = found.seconds
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_row("size", sizes)
        table.add_row(
            "speed",
            f"{_seconds(before)} a picture became {_seconds(after)} "
            f"({before / max(after, 1e-9):.2g} times as fast, one thread)",
        )
        table.add_row(
            "tags agree",
            f"{found.agreement:.1%} at the thresholds, on {found.pictures} "
            f"picture{'s' * (found.pictures != 1)}",
        )
        table.add_row("ratings agree", f"{found.ratings:.1%}")
        table.add_row(
            "probabilities", f"differ by {found.mean:.4f} as a mean, {found.largest:.3f} at most"
        )
        for what, tags in (("only before", found.lost), ("only int8", found.gained)):
            if tags:
                table.add_row(what, Text(_named(tags)))
        console.print(table)
        console.print(_verdict(found.agreement))
    console.print(f"use it: dsk tag --model {shlex.quote(str(target))}", soft_wrap=True,
                  markup=False)  # fmt: skip
    if target == int8_folder(MODELS[FAST]):
        console.print("dsk tag --fast takes it by itself")


def _verdict(agreement: float) -> str:
    if agreement >= GOOD:
        return "It says the same but for little."
    if agreement >= FAIR:
        return "It says nearly the same; look at the tags that differ before you use it."
    return "It says other things too often; better not use it for tags that matter."


def _named(tags: Counter[str]) -> str:
    shown = ", ".join(f"{name} {count}" for name, count in tags.most_common(MOST))
    more = len(tags) - MOST
    return shown + (f", and {more} more" if more > 0 else "")


def _seconds(count: float) -> str:
    return f"{count * 1000:.3g} ms" if count < 1 else f"{count:.3g} s"


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH
    return console
