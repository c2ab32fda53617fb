"""What a tagger sees, and how far it agrees with the booru, in tables; and as plain values."""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datasetkit.record import Tag
from datasetkit.taggers.choose import Explained
from datasetkit.taggers.compare import Agreement, Compared, OfKind, OfTag
from datasetkit.taggers.compare_files import WORDS, Words
from datasetkit.taggers.spec import RATING

WIDTH = 100  # where the output is no terminal
MOST = 8  # tags named on each side
FEW = 50  # pictures, below which thresholds are more chance than knowledge
WORTH = 0.005  # of F1, for which a threshold is worth a change
_PLAIN = {"general": "threshold", "character": "character"}  # options of their own


def explained_facts(
    picture: Path, model: str, lines: Sequence[Explained], aside: Sequence[Tag] = (),
    concerned: bool = True,
) -> dict[str, Any]:  # fmt: skip
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
             "threshold": round(line.threshold, 4), "taken": line.taken, "why": line.why,
             "others": list(line.others)}
            for line in lines if line.kind != RATING
        ],
        "aside": [tag.name for tag in aside],
        "meant": concerned,
    }  # fmt: skip


def show_explained(model: str, lines: Sequence[Explained], *, rater: bool = False) -> None:
    """Print what a model sees on a picture, and what becomes of it; of a rater, its ratings."""
    tags = [line for line in lines if line.kind != RATING]
    ratings = [line for line in lines if line.kind == RATING]
    console = _console()
    taken = sum(line.taken for line in tags)
    head = "asked for the rating alone" if rater else f"{taken} tag{'s' * (taken != 1)}"
    console.print(f"{model}: {head}", style="bold", markup=False)
    if tags:
        told = any(line.others for line in tags)
        heads = ("tag", "kind", "probability", "threshold", "a tag?", *["says so too"] * told)
        table = _table(*heads)
        for line in tags:
            name = Text(line.name, "bold" if line.taken else "dim", overflow="fold")
            table.add_row(name, line.kind, f"{line.probability:.4f}", f"{line.threshold:.2f}",
                          line.why or "yes", *[", ".join(line.others)] * told)  # fmt: skip
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
        "side": found.side,
        "said_of_none": found.said_of_none,
        "untold_kinds": list(found.untold),
        "kinds": {kind.kind or "all": _kind_facts(kind) for kind in found.kinds},
        "missed": [_tag_facts(tag, tag.missed) for tag in missed(found)],
        "extra": [_tag_facts(tag, tag.extra) for tag in extra(found)],
        "unknown_tags": found.unknown,
        "advice": advice,
        "files": [str(path) for path in files],
    }


def _kind_facts(kind: OfKind) -> dict[str, Any]:
    return {
        "tags": kind.tags, "often": kind.often, **_counts(kind.at),
        "macro_f1": round(kind.macro, 4), "threshold": kind.threshold, "best_threshold": kind.best,
        "best_f1": None if kind.best is None else round(kind.at_best.f1, 4),
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
    tags = [tag for tag in found.tags
            if tag.at.said > tag.at.right and tag.kind not in found.untold]  # fmt: skip
    return sorted(tags, key=lambda tag: tag.at.right - tag.at.said)[:MOST]


def show_compared(found: Compared, files: Sequence[Path], advice: str) -> None:
    """Print a comparison in short, where the whole is, and what to set."""
    console, words = _console(), WORDS[found.side]
    console.print(
        f"{found.model} beside {words.whose} on {_many(found.pictures, 'picture')}",
        style="bold", markup=False,
    )  # fmt: skip
    it = "the model" if _has_thresholds(found) else "the vote"
    if found.often:
        _show_kinds(console, found)
        for sentence in _explanations(found, words):
            console.print(sentence, markup=False, soft_wrap=True)
        for what, tags, side in (
            (f"{words.who} {words.has} them, {it} misses them", missed(found), 0),
            (f"{it} says them, {words.who} {words.has} them not", extra(found), 1),
        ):
            if tags:
                console.print(f"{what}:", markup=False)
                _show_tags(console, tags, extra=bool(side))
    for path in files:
        console.print(f"wrote {path}", soft_wrap=True, markup=False)
    if advice:
        console.print(advice, soft_wrap=True, markup=False)


def _has_thresholds(found: Compared) -> bool:
    """Say whether it is one model that was measured: a vote has no threshold of its own."""
    return any(kind.curve for kind in found.kinds)


def _show_kinds(console: Console, found: Compared) -> None:
    alone = _has_thresholds(found)
    heads = ("kind", "tags", "stand", "precision", "recall", "F1", "macro F1",
             *(("now", "best", "F1 then") if alone else ()))  # fmt: skip
    table = _table(*heads)
    only = len(found.kinds) == 2
    for kind in found.kinds[1:] if only else [*found.kinds[1:], found.kinds[0]]:
        at, now = kind.at, "" if kind.kind == "" else "varies"
        now = now if kind.threshold is None else f"{kind.threshold:.2f}"
        best = ("", "") if kind.best is None else (f"{kind.best:.2f}", f"{kind.at_best.f1:.3f}")
        table.add_row(
            kind.kind or "all kinds", f"{kind.tags:,}", f"{at.support:,}", f"{at.precision:.3f}",
            f"{at.recall:.3f}", f"{at.f1:.3f}", f"{kind.macro:.3f}" if kind.often else "",
            *((now, *best) if alone else ()),
        )  # fmt: skip
    console.print(table)


def _explanations(found: Compared, words: Words) -> Iterator[str]:
    """What the numbers of the table are, and what they leave out."""
    said = found.kinds[0].at.said
    few = f"{_many(found.often, 'tag')} that {'stands' if found.often == 1 else 'stand'}"
    yield (
        f"macro F1 is the mean over {few} on {_many(found.least, 'picture')} or more; all else "
        f"is over all tags: of {said:,} given, {found.said_of_none:,} are of tags "
        "that stand on no picture"
    )
    if found.untold:
        yield (f"not counted: {', '.join(found.untold)}, of which {words.who} "
               f"{'says' if words.has == 'has' else 'say'} nothing")  # fmt: skip
    if found.unknown:
        yield (f"{words.who} {words.has} {_many(found.unknown, 'other tag')} that the model does "
               "not know")  # fmt: skip


def _show_tags(console: Console, tags: Sequence[OfTag], *, extra: bool) -> None:
    table = _table("  tag", "pictures", "of", "such as")
    for tag in tags:
        at = tag.at
        of, keys = (at.said, tag.extra) if extra else (at.support, tag.missed)
        table.add_row(Text(f"  {tag.name}"), f"{of - at.right}", f"{of}",
                      Text(", ".join(keys), "dim", overflow="ellipsis"))  # fmt: skip
    console.print(table)


def advice_of(found: Compared, options: Mapping[str, Any], dataset: Path) -> str:
    """The sentence that says which thresholds to set; ``options`` are those that name the model."""
    who = WORDS[found.side].who
    if not found.often:
        return (f"no tag that {found.model} knows stands on {_many(found.least, 'picture')} or "
                "more; --least 1 takes all; nothing is written")  # fmt: skip
    better = [kind for kind in found.kinds if kind.kind and kind.at_best.f1 > kind.at.f1 + WORTH]
    few = ""
    if found.pictures < FEW:
        tell = f"{_many(found.pictures, 'picture')} tell{'s' * (found.pictures == 1)} little"
        few = f" ({tell}; a few hundred would tell more)"
    if not better:
        return f"The present thresholds agree with {who} as well as any others{few}."
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
        if kind.best is not None and kind.kind and kind.kind not in _PLAIN
        and (kind in better or "general" in changed)
    ]  # fmt: skip
    if others:
        words += ["--thresholds", ",".join(f"{kind.kind}={kind.best:.2f}" for kind in others)]
    if dataset != Path("dataset"):
        words += ["-d", str(dataset)]
    gains = ", ".join(f"F1 of {k.kind} tags {k.at_best.f1:.3f}, now {k.at.f1:.3f}" for k in better)
    return f"To agree best with {who}: {shlex.join(words)}  ({gains}){few}"


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
