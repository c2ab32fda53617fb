"""``dsk info``: what is in a dataset, as tables for people and as JSON for programs."""

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from datasetkit.dataset import Dataset
from datasetkit.names import few_of
from datasetkit.record import Record
from datasetkit.unmet import unmet
from datasetkit.where import where

if TYPE_CHECKING:
    from pandas import DataFrame

TOP_TAGS = 8  # shown of each kind


def picture_table(records: Iterable[Record]) -> "DataFrame":
    """One row a picture: key, width, height, tags, site, rating, score; for notebooks as well."""
    import pandas as pd

    rows = [
        {
            "key": record.key,
            "width": record.picture.size[0],
            "height": record.picture.size[1],
            "tags": len(record.tags),
            "site": record.origin.site,
            "rating": record.origin.rating,
            "score": record.origin.score,
        }
        for record in records
    ]
    columns = ["key", "width", "height", "tags", "site", "rating", "score"]
    return pd.DataFrame(rows, columns=columns)


def tag_table(records: Iterable[Record]) -> "DataFrame":
    """One row a tag and picture: tag, kind, and who said it."""
    import pandas as pd

    rows = [
        {"tag": tag.name, "kind": tag.kind, "by": "+".join(tag.by)}
        for record in records
        for tag in record.tags
    ]
    return pd.DataFrame(rows, columns=["tag", "kind", "by"])


def facts_of(dataset: Dataset, filter_: str = "") -> dict[str, Any]:
    """What is in a dataset, as plain values; with a filter, in the pictures for which it holds."""
    meant = where(filter_)
    records = [record for record in dataset.records if meant(record)]
    pictures, tags = picture_table(records), tag_table(records)
    sides = pictures[["width", "height"]]
    ratio = sides.max(axis=1) / sides.min(axis=1)
    kinds = {
        str(kind): [(str(tag), int(count)) for tag, count in group["tag"].value_counts().items()]
        for kind, group in tags.groupby("kind")
    }
    rejects: dict[str, int] = {}
    for reject in dataset.rejects:
        reason = f"{reject.stage}: {reject.reason}"
        rejects[reason] = rejects.get(reason, 0) + 1
    described: dict[str, int] = {}
    for record in records:
        if fact := record.facts.get("caption"):
            who = f"not kept ({fact['refused']})" if "refused" in fact else f"by {fact['model']}"
            described[who] = described.get(who, 0) + 1
    rated: dict[str, dict[str, int]] = {}
    for record in records:
        for model, fact in record.facts.get("tag", {}).items():
            if rating := fact.get("rating"):
                counts = rated.setdefault(model, {})
                counts[rating] = counts.get(rating, 0) + 1
    size: dict[str, Any] = {}
    if len(pictures):
        size = {
            "smallest": [int(sides["width"].min()), int(sides["height"].min())],
            "median": [int(sides["width"].median()), int(sides["height"].median())],
            "largest": [int(sides["width"].max()), int(sides["height"].max())],
            "longest_ratio": round(float(ratio.max()), 2),
        }
    return {
        "dataset": str(dataset.path),
        "pictures": len(pictures),
        "captions": int((pictures["tags"] > 0).sum()),
        "sizes": size,
        "sites": {str(k) or "folder": int(v) for k, v in pictures["site"].value_counts().items()},
        "ratings": {str(k) or "?": int(v) for k, v in pictures["rating"].value_counts().items()},
        "model_ratings": {
            model: dict(sorted(counts.items(), key=lambda item: -item[1]))
            for model, counts in rated.items()
        },
        "described": described,
        "tags_by_who": {str(k): int(v) for k, v in tags["by"].value_counts().items()},
        "tags": kinds,
        "rejects": rejects,
        "without_record": [path.name for path in dataset.strangers],
        "history": dataset.history,
        "unmet": unmet(filter_, dataset.records) if len(dataset) and not records else "",
    }


def show(facts: dict[str, Any], *, as_json: bool) -> None:
    """Print the facts: JSON in one line, or tables."""
    if as_json:
        sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    sizes = facts["sizes"]
    if facts["unmet"]:
        console.print(facts["unmet"], style="yellow", markup=False)
    console.print(
        f"[bold]{escape(facts['dataset'])}[/]: {facts['pictures']} pictures, "
        f"{facts['captions']} with a caption"
    )
    if sizes:
        smallest, median, largest = (
            "{}x{}".format(*sizes[name]) for name in ("smallest", "median", "largest")
        )
        console.print(
            f"sizes: {smallest} to {largest}, median {median}; longest {sizes['longest_ratio']}:1"
        )
    for title, counts in (
        ("from", facts["sites"]),
        ("ratings", facts["ratings"]),
        *((f"ratings by {model}", counts) for model, counts in facts["model_ratings"].items()),
        ("described", facts["described"]),
    ):
        if counts:
            console.print(f"{title}: {_counted(counts)}", markup=False)
    if facts["tags"]:
        table = Table("kind", "tags", "most common", box=None, header_style="bold")
        for kind, found in facts["tags"].items():
            common = ", ".join(f"{tag} {count}" for tag, count in found[:TOP_TAGS])
            table.add_row(kind, str(len(found)), escape(common))
        console.print(table)
        console.print(f"said by: {_counted(facts['tags_by_who'])}", markup=False)
    if facts["rejects"]:
        console.print("[bold]left out[/]")
        for reason, count in facts["rejects"].items():
            console.print(f"  {count:>5}  {reason}", markup=False)
    if facts["without_record"]:
        names = facts["without_record"]
        console.print(
            f"{'1 picture was' if len(names) == 1 else f'{len(names)} pictures were'} put into "
            f"the folder ({', '.join(names[:3])}); the next stage that is run takes them in",
            markup=False,
        )
    if facts["history"]:
        console.print("[bold]what was run[/]")
        for line in facts["history"]:
            console.print(f"  {_history_line(line)}", markup=False)


def _history_line(line: dict[str, Any]) -> str:
    calls = []
    for call in line["stages"]:
        for name, options in call.items():
            given = " ".join(f"{key}={value}" for key, value in options.items())
            calls.append(f"{name} {given}".strip())
    counts = [f"{line[what]} {what}" for what in ("added", "changed", "rejected") if line.get(what)]
    if line.get("outputs"):
        counts.append(f"wrote {few_of(line['outputs'])}")
    if line.get("interrupted"):
        counts.append("interrupted")
    return f"{line['step']:>3}  {line['when']}  {' + '.join(calls)}: {', '.join(counts)}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
