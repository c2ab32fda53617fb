"""WebDataset's tar shards: ``000000.tar`` with ``key.png``, ``key.txt`` and ``key.json``.

Source: the WebDataset format (a sample is the files of one key, which ends at the first dot, side
by side in a tar file). The same pictures make the same bytes: no times, owners or rights of files.
"""

import json
import tarfile
from collections.abc import Iterator, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path

from datasetkit.exporters.file import File, Made
from datasetkit.exporters.formats.card import card
from datasetkit.exporters.formats.order import Order, Row, told
from datasetkit.exporters.formats.shards import bytes_of, mask_of, shards

_LOAD = """import webdataset

shards = "this folder/{000000..%06d}.tar"
pictures = webdataset.WebDataset(shards, shardshuffle=False).decode("pil")"""
COLUMNS = ("image", "text", "tags", "rating", "score", "posted", "site", "post", "source", "width",
           "height")  # fmt: skip


def files(order: Order) -> Iterator[File]:
    """The shards, and the card that speaks of them."""
    keys = _keys(order)
    number = 0
    for number, shard in enumerate(shards(order)):
        essence = f"{shard.essence} {[keys[row.key] for row in shard.rows]}"
        write = partial(_write, order=order, rows=shard.rows, keys=keys)
        yield File(f"{number:06d}.tar", Made(essence, write))
    columns = (*COLUMNS, *(["mask"] * order.masked))
    yield card(order, "webdataset", "*.tar", _LOAD % number, columns)


def _keys(order: Order) -> dict[str, str]:
    """A key for each picture: its own without dots, with a number where two would be one."""
    taken = {row.key for row in order.rows if "." not in row.key}
    keys: dict[str, str] = {}
    for row in order.rows:
        key = plain = row.key.replace(".", "_")
        number = 1
        while key != row.key and key in taken:
            number += 1
            key = f"{plain}_{number}"
        taken.add(key)
        keys[row.key] = key
    return keys


def _write(path: Path, *, order: Order, rows: list[Row], keys: Mapping[str, str]) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for row in rows:
            record = order.read(row.key)
            suffix, data = bytes_of(record)
            said = told(record)
            parts = {
                suffix: data,
                ".json": json.dumps(said, ensure_ascii=False, sort_keys=True).encode(),
                ".txt": said["text"].encode(),
            }
            if order.masked:
                parts[".mask.png"] = mask_of(record)
            for end in sorted(parts):
                info = tarfile.TarInfo(keys[row.key] + end)  # a time of 0, nobody's, 0644
                info.size = len(parts[end])
                tar.addfile(info, BytesIO(parts[end]))
