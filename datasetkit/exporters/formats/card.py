"""The README.md of an export that people put on the Hugging Face hub: its dataset card.

Source: the hub's documentation of dataset cards (front matter in YAML: ``tags``,
``size_categories``, ``configs`` with ``data_files``). No licence is stated: nobody here knows it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from datasetkit.exporters.file import File
from datasetkit.exporters.formats.order import Order

NAME = "README.md"
_SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)  # fmt: skip
_COLUMNS = {
    "image": "the picture",
    "text": "its caption",
    "tags": "the caption's tags, in booru form",
    "rating": "g, s, q or e; empty where nobody rated it",
    "score": "the site's score; none where there is none",
    "posted": "when it was posted",
    "site": "where it was found; empty for a file of one's own",
    "post": "its number there",
    "source": "what the site names as the source",
    "width": "in pixels, upright",
    "height": "in pixels, upright",
    "mask": "white where a training looks, black where not",
}


def card(order: Order, form: str, files: str, load: str, columns: Sequence[str]) -> File:
    """The card: what there is (``files``: a glob), how it is loaded, and where it came from."""
    import yaml

    count = len(order.rows)
    front: dict[str, Any] = {
        "pretty_name": order.name,
        "tags": ["image", form, *(["not-for-all-audiences"] if order.adult else [])],
        "size_categories": [next((name for most, name in _SIZES if count < most), "n>10M")],
        "configs": [
            {"config_name": "default", "data_files": [{"split": "train", "path": files}]},
        ],
    }
    text = "\n".join(
        [
            "---",
            yaml.safe_dump(front, sort_keys=False, allow_unicode=True).rstrip(),
            "---",
            "",
            f"# {_plain(order.name)}",
            "",
            f"{count:,} picture{'s' * (count != 1)} with captions, written by datasetkit.",
            "",
            "```python",
            load,
            "```",
            "",
            *_table(("column", "what it holds"), {name: _COLUMNS[name] for name in columns}),
            "",
            "## Sources",
            "",
            *_table(("site", "pictures"), _named(order.sites)),
            "",
            "The pictures belong to those who made them. This card states no licence;",
            "whoever shares the set looks at each source first.",
            "",
        ]
    )
    return File(NAME, text.encode())


def _named(sites: Mapping[str, int]) -> dict[str, str]:
    ordered = sorted(sites.items(), key=lambda item: (-item[1], item[0]))
    return {_plain(site) or "files of one's own": f"{count:,}" for site, count in ordered}


def _table(head: tuple[str, str], rows: Mapping[str, str]) -> list[str]:
    return [
        f"| {head[0]} | {head[1]} |",
        "| --- | --- |",
        *(f"| {a} | {b} |" for a, b in rows.items()),
    ]


def _plain(text: str) -> str:
    """A name as Markdown shows it as it stands."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in text)
