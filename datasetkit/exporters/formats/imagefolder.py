"""The folder that ``load_dataset("imagefolder")`` reads: pictures and a ``metadata.jsonl``.

Sources: the documentation of ``datasets`` ("Create an image dataset") and its
``folder_based_builder``. All lies in ``train/``, or a picture called ``test_1.png`` would be taken
for a split of its own, and all others passed over. ``file_name`` is the first key: what the next
``*_file_name`` means is told from what is left of it.
"""

import json
from collections.abc import Iterator
from typing import Any

from datasetkit.exporters import mask_folder
from datasetkit.exporters.file import File, picture
from datasetkit.exporters.formats.card import card
from datasetkit.exporters.formats.order import READ, Order, told
from datasetkit.record import Record

FOLDER = "train"
METADATA = f"{FOLDER}/metadata.jsonl"
_LOAD = """from datasets import load_dataset

pictures = load_dataset("imagefolder", data_dir="this folder", split="train")"""


def files(order: Order) -> Iterator[File]:
    """The pictures, their masks, and the table and the card that speak of them."""
    # The types of the columns are told from the first lines, so the first is one that has them all.
    first = max(order.rows, key=lambda row: row.told)
    rows = [first, *(row for row in order.rows if row is not first)]
    scored, masked = first.told > 1, order.masked
    lines: list[bytes] = []
    columns: list[str] = []
    for row in rows:
        record = order.read(row.key)
        file = picture(record, f"{FOLDER}/{record.picture.path.stem}", READ)
        yield file
        line: dict[str, Any] = {"file_name": file.name.removeprefix(f"{FOLDER}/")}
        if masked:
            mask = mask_folder.mask(record, f"{FOLDER}/{mask_folder.FOLDER}")
            yield mask
            line["mask_file_name"] = mask.name.removeprefix(f"{FOLDER}/")
        line |= _told(record, scored)
        columns = columns or ["image", *(["mask"] * masked), *_told(record, scored)]
        lines.append(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    yield File(METADATA, b"".join(lines))
    yield card(order, "imagefolder", f"{FOLDER}/**", _LOAD, columns)


def _told(record: Record, scored: bool) -> dict[str, Any]:
    found = told(record)
    if not scored:  # a column of nothing has no type
        del found["score"]
    return found
