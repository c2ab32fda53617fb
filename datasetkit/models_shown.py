"""Taggers as a person sees them, in tables; and as programs read them, as plain values."""

import os
import shlex
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datasetkit import hub
from datasetkit.errors import ModelError
from datasetkit.hub import size_in_words
from datasetkit.settings import cache_folder
from datasetkit.taggers.examine import Examined, files_of, here
from datasetkit.taggers.models import FAST, MODELS, Model, int8_folder, model_named
from datasetkit.taggers.quantize import Compared, size_of
from datasetkit.taggers.spec import FAMILIES

WIDTH = 100  # where the output is no terminal
MOST = 8  # tags named on each side
GOOD, FAIR = 0.95, 0.9  # agreement of tags
FASTER = 1.1  # times; anything less is chance
LARGE = 64_000_000  # bytes, above which a file is not read whole for a list


@dataclass(frozen=True)
class Row:
    """A model in the list: the name by which it is chosen, and where it is, if it is here."""

    name: str
    model: Model
    folder: Path | None
    trouble: str = ""
    size: int = 0


def rows() -> list[Row]:
    """All models that are known, then the int8 copies that were made here."""
    found = [_row(name, model) for name, model in MODELS.items()]
    try:
        made = sorted(path for path in (cache_folder() / "models").iterdir() if path.is_dir())
    except (OSError, RuntimeError):
        made = []
    return found + [_copy(path) for path in made if not path.name.startswith(".")]


def _copy(path: Path) -> Row:
    """The row of an int8 copy; one that cannot be understood stands there with the reason."""
    try:
        return _row(str(path), model_named(str(path)))
    except ModelError as error:
        return Row(str(path), Model(path.name, FAMILIES["wd"], path=path), None, str(error))


def _row(name: str, model: Model) -> Row:
    try:
        folder, trouble = here(model), ""
    except ModelError as error:
        folder, trouble = None, str(error)
    size = model.size
    if folder:
        with suppress(OSError):
            size = files_of(model, folder)[0].stat().st_size
            trouble = _other_file(model, folder)
    return Row(name, model, None if trouble else folder, trouble, size)


def _other_file(model: Model, folder: Path) -> str:
    """Say which file is not the one that is pinned, as far as that is known without much reading.

    A large file is judged by its sum where that was worked out before, and by its size.
    """
    for name, wanted in model.sums.items():
        path = folder / name.rpartition("/")[2]
        if not path.is_file():
            continue
        size = path.stat().st_size
        found = hub.remembered(path) if size > LARGE else hub.sha256(path)
        weights = path.suffix == ".onnx" and model.size
        if (found and found != wanted.lower()) or (weights and size != weights):
            return (
                f"'{path}' is not the file that this model has (it has {size_in_words(size)}, not "
                f"{size_in_words(weights)}); " if weights and size != weights else
                f"'{path}' is not the file that this model has; "
            ) + f"delete '{path.resolve()}' and fetch it again"  # fmt: skip
    return ""


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
        "licence": model.licence,
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
        if row.model.path:
            copies.append(row)
            continue
        state = "damaged" if row.trouble else "yes" if row.folder else ""
        table.add_row(
            Text(row.name, "bold"), Text(state, "yellow" * bool(row.trouble)),
            size_in_words(row.size) if row.size else "", row.model.licence or "see its page",
            _thresholds(row.model), Text(row.model.about),
        )  # fmt: skip
    console = _console()
    console.print(table)
    for row in copies:
        state = row.trouble or f"{size_in_words(row.size)}: {row.folder}"
        console.print(f"int8 copy, {state}", markup=False, soft_wrap=True)
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
        "size": [size_in_words(size) for size in _sizes(model, folder, target)],
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
    sizes = _sizes(model, folder, target)
    became = " became ".join(map(size_in_words, sizes))
    gains = True
    if found is None:
        console.print(
            f"{became}. There are no pictures in {dataset} to compare on: name a dataset with -d, "
            "for only your own pictures tell whether the copy is good enough.",
            markup=False,
        )
    else:
        before, after = found.seconds
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_row("size", became)
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
        console.print(verdict(found, sizes))
        gains = _gains(found, sizes)
    if gains:
        console.print(f"use it: dsk tag --model {shlex.quote(str(target))}", soft_wrap=True,
                      markup=False)  # fmt: skip
    else:
        console.print(f"it lies in {target}", soft_wrap=True, markup=False)
    if target == int8_folder(MODELS[FAST]):
        console.print("dsk tag --fast takes it by itself")


def _sizes(model: Model, folder: Path, target: Path) -> tuple[int, int]:
    return size_of(folder, model), size_of(target, model)


def _gains(found: Compared, sizes: tuple[int, int]) -> bool:
    before, after = found.seconds
    return sizes[1] < sizes[0] or before > after * FASTER


def verdict(found: Compared, sizes: tuple[int, int]) -> str:
    """What a person should make of an int8 copy: is it good, and is it good for anything?

    ``sizes`` are bytes, of the model and of the copy.
    """
    before, after = found.seconds
    if not _gains(found, sizes):
        return "It takes as much room and is no faster: it gains nothing; keep the model as it is."
    slow = "" if before > after * FASTER else " It is no faster here; it only takes less room."
    if found.agreement >= GOOD:
        return "It says the same but for little." + slow
    if found.agreement >= FAIR:
        return "It says nearly the same; look at the tags that differ before you use it." + slow
    return "It says other things too often; better not use it for tags that matter." + slow


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
