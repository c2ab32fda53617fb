"""What a tagger sees, and how far it agrees with the booru, in tables; and as plain values."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datasetkit.taggers.choose import Explained
from datasetkit.taggers.compare import Agreement, Compared, OfKind, OfTag
from datasetkit.taggers.spec import RATING

WIDTH = 100  # where the output is no terminal
MOST = 8  # tags named on each side
FEW = 50  # pictures, below which thresholds are more chance than knowledge
WORTH = 0.005  # of F1, for which a threshold is worth a change
_PLAIN = {"general": "threshold", "character": "character"}  # options of their own


def explained_facts(picture: Path, model: str, lines: Sequence[Explained]) -> dict[str, Any]:
    """What a model sees on a picture, as plain values."""
    ratings = [line for line in lines if line.kind == RATING]
    return {
        "event": "explained",
        "picture": str(picture),
        "model": model,
        "rating": next((line.name for line in ratings if line.taken), ""),
        "ratings": {line.name: line.probability for line in ratings},
        "tags": [
            {"name": line.name, "kind": line.kind, "probability": line.probability,
             "threshold": round(line.threshold, 4), "taken": line.taken, "why": line.why}
            for line in lines if line.kind != RATING
        ],
    }  # fmt: skip


def show_explained(model: str, lines: Sequence[Explained]) -> None:
    """Print what a model sees on a picture, and what becomes of it."""
    tags = [line for line in lines if line.kind != RATING]
    ratings = [line for line in lines if line.kind == RATING]
    console = _console()
    taken = sum(line.taken for line in tags)
    console.print(f"{model}: {taken} tag{'s' * (taken != 1)}", style="bold", markup=False)
    if tags:
        table = _table("tag", "kind", "probability", "threshold", "a tag?")
        for line in tags:
            name = Text(line.name, "bold" if line.taken else "dim", overflow="fold")
            table.add_row(name, line.kind, f"{line.probability:.4f}", f"{line.threshold:.2f}",
                          line.why or "yes")  # fmt: skip
        console.print(table)
    if ratings:
        said = ", ".join(f"{line.name} {line.probability:.4f}" for line in ratings)
        console.print(f"rating: {said}", markup=False)
    elif not tags:
        console.print("nothing that it would be in the least sure of")


def compared_facts(found: Compared, files: Sequence[Path], advice: str) -> dict[str, Any]:
    """A comparison as plain values; tag by tag it is in the CSV."""
    return {
        "event": "compared",
        "model": found.model,
        "pictures": found.pictures,
        "least": found.least,
        "kinds": {kind.kind or "all": _kind_facts(kind) for kind in found.kinds},
        "missed": [_tag_facts(tag, tag.missed) for tag in missed(found)],
        "extra": [_tag_facts(tag, tag.extra) for tag in extra(found)],
        "unknown_tags": found.unknown,
        "advice": advice,
        "files": [str(path) for path in files],
    }


def _kind_facts(kind: OfKind) -> dict[str, Any]:
    return {
        "tags": kind.tags, **_counts(kind.at), "macro_f1": round(kind.macro, 4),
        "threshold": kind.threshold, "best_threshold": kind.best,
        "best_f1": round(kind.at_best.f1, 4),
    }  # fmt: skip


def _tag_facts(tag: OfTag, keys: Sequence[str]) -> dict[str, Any]:
    return {"name": tag.name, "kind": tag.kind, **_counts(tag.at), "on": list(keys)}


def _counts(at: Agreement) -> dict[str, Any]:
    numbers = {"precision": at.precision, "recall": at.recall, "f1": at.f1}
    counts = {"support": at.support, "said": at.said, "right": at.right}
    return counts | {name: round(number, 4) for name, number in numbers.items()}


def missed(found: Compared) -> list[OfTag]:
    """The tags that the booru has and the model misses most often."""
    tags = [tag for tag in found.tags if tag.at.support > tag.at.right]
    return sorted(tags, key=lambda tag: tag.at.right - tag.at.support)[:MOST]


def extra(found: Compared) -> list[OfTag]:
    """The tags that the model says most often where the booru does not have them."""
    tags = [tag for tag in found.tags if tag.at.said > tag.at.right]
    return sorted(tags, key=lambda tag: tag.at.right - tag.at.said)[:MOST]


def show_compared(found: Compared, files: Sequence[Path], advice: str) -> None:
    """Print a comparison in short, where the whole is, and what to set."""
    console = _console()
    console.print(
        f"{found.model} beside the booru's tags on {_many(found.pictures, 'picture')}",
        style="bold", markup=False,
    )  # fmt: skip
    if found.kinds:
        heads = ("kind", "tags", "stand", "precision", "recall", "F1", "macro F1", "now", "best",
                 "F1 then")  # fmt: skip
        table = _table(*heads)
        only = len(found.kinds) == 2
        for kind in found.kinds[1:] if only else [*found.kinds[1:], found.kinds[0]]:
            at, now = kind.at, "" if kind.kind == "" else "varies"
            table.add_row(
                kind.kind or "all kinds", f"{kind.tags:,}", f"{at.support:,}",
                f"{at.precision:.3f}", f"{at.recall:.3f}", f"{at.f1:.3f}", f"{kind.macro:.3f}",
                now if kind.threshold is None else f"{kind.threshold:.2f}", f"{kind.best:.2f}",
                f"{kind.at_best.f1:.3f}",
            )  # fmt: skip
        console.print(table)
        console.print(
            f"counted are tags that stand on {_many(found.least, 'picture')} or more; the booru "
            f"has {_many(found.unknown, 'other tag')} that the model does not know",
            markup=False, soft_wrap=True,
        )  # fmt: skip
    for what, tags, side in (
        ("the booru has them, the model misses them", missed(found), 0),
        ("the model says them, the booru has them not", extra(found), 1),
    ):
        if tags:
            console.print(f"{what}:", markup=False)
            table = _table("  tag", "pictures", "of", "such as")
            for tag in tags:
                at = tag.at
                of, keys = (at.said, tag.extra) if side else (at.support, tag.missed)
                table.add_row(Text(f"  {tag.name}"), f"{of - at.right}", f"{of}",
                              Text(", ".join(keys), "dim", overflow="ellipsis"))  # fmt: skip
            console.print(table)
    for path in files:
        console.print(f"wrote {path}", soft_wrap=True, markup=False)
    console.print(advice, soft_wrap=True, markup=False)


def advice_of(found: Compared, options: Mapping[str, Any], dataset: Path) -> str:
    """The sentence that says which thresholds to set; ``options`` are those that name the model."""
    if not found.kinds:
        return (f"no tag that the model knows stands on {_many(found.least, 'picture')} or more; "
                "--least 1 takes all")  # fmt: skip
    better = [kind for kind in found.kinds if kind.kind and kind.at_best.f1 > kind.at.f1 + WORTH]
    few = ""
    if found.pictures < FEW:
        few = f" ({_many(found.pictures, 'picture')} tell little; a few hundred would tell more)"
    if not better:
        return f"The present thresholds agree with the booru as well as any others{few}."
    words = ["dsk", "tag"]
    for name, value in options.items():
        words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    changed = {kind.kind: f"{kind.best:.2f}" for kind in better}
    for kind, option in _PLAIN.items():
        if kind in changed:
            words += [f"--{option}", changed[kind]]
    others = [  # to which --threshold would apply as well
        kind
        for kind in found.kinds
        if kind.kind and kind.kind not in _PLAIN and (kind in better or "general" in changed)
    ]
    if others:
        words += ["--thresholds", ",".join(f"{kind.kind}={kind.best:.2f}" for kind in others)]
    if dataset != Path("dataset"):
        words += ["-d", str(dataset)]
    gains = ", ".join(f"F1 of {k.kind} tags {k.at_best.f1:.3f}, now {k.at.f1:.3f}" for k in better)
    return f"To agree best with the booru: {shlex.join(words)}  ({gains}){few}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _table(*heads: str) -> Table:
    table = Table(*heads, box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    numbers = {"probability", "threshold", "tags", "stand", "precision", "recall", "F1", "macro F1",
               "now", "best", "F1 then", "pictures", "of"}  # fmt: skip
    for column in table.columns:
        if column.header in numbers:
            column.justify = "right"
    return table


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH
    return console
