"""Parquet as ``datasets`` reads it: the pictures' bytes in a column, decoded when asked for.

Source: ``datasets``, whose ``Features`` stand as JSON in the schema's metadata under
``huggingface``; an Image is a struct of ``bytes`` and ``path``. Row groups are small, as the hub's
viewer wants them, and are written one by one: memory is that of one group.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasetkit.errors import UsageError
from datasetkit.exporters.file import File, Made
from datasetkit.exporters.formats.card import card
from datasetkit.exporters.formats.order import Order, Row, told
from datasetkit.exporters.formats.shards import bytes_of, mask_of, shards

if TYPE_CHECKING:
    import pyarrow

GROUP_ROWS, GROUP_BYTES = 100, 16 * 1024 * 1024
_LOAD = """from datasets import load_dataset

pictures = load_dataset("this folder", split="train")"""
_VALUES = {
    "text": "string", "tags": "", "rating": "string", "score": "int64", "posted": "string",
    "site": "string", "post": "string", "source": "string", "width": "int32", "height": "int32",
}  # fmt: skip


def check() -> None:
    """Raise where pyarrow is not installed, which is an extra."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "Parquet files need pyarrow, which is not installed: pip install 'datasetkit[parquet]'"
        ) from error


def files(order: Order) -> Iterator[File]:
    """The shards, and the card that speaks of them."""
    found = list(shards(order))
    for number, shard in enumerate(found):
        name = f"data/train-{number:05d}-of-{len(found):05d}.parquet"
        yield File(name, Made(shard.essence, partial(_write, order=order, rows=shard.rows)))
    columns = ("image", *(["mask"] * order.masked), *_VALUES)
    yield card(order, "parquet", "data/*.parquet", _LOAD, columns)


def _schema(masked: bool) -> "pyarrow.Schema":
    import pyarrow as pa

    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pictures = ["image", *(["mask"] * masked)]
    types = {name: pa.type_for_alias(kind) for name, kind in _VALUES.items() if kind}
    types["tags"] = pa.list_(pa.string())
    text = {"dtype": "string", "_type": "Value"}
    features: dict[str, Any] = {name: {"_type": "Image"} for name in pictures}
    for name, kind in _VALUES.items():
        features[name] = {"dtype": kind, "_type": "Value"} if kind else [text]
    fields = [(name, image) for name in pictures] + [(name, types[name]) for name in _VALUES]
    said = json.dumps({"info": {"features": features}})
    return pa.schema(fields, metadata={"huggingface": said})


def _write(path: Path, *, order: Order, rows: list[Row]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    schema = _schema(order.masked)
    group: list[dict[str, Any]] = []
    size = 0
    # Pictures are compressed already; only words repeat.
    with parquet.ParquetWriter(
        path,
        schema,
        compression="snappy",
        use_dictionary=["rating", "site"],
        write_statistics=False,
    ) as writer:
        for row in rows:
            line = _row(order, row)
            group.append(line)
            size += len(line["image"]["bytes"])
            if len(group) == GROUP_ROWS or size > GROUP_BYTES:
                writer.write_table(pa.Table.from_pylist(group, schema))
                group, size = [], 0
        if group:
            writer.write_table(pa.Table.from_pylist(group, schema))


def _row(order: Order, row: Row) -> dict[str, Any]:
    record = order.read(row.key)
    stem = record.picture.path.stem
    suffix, data = bytes_of(record)
    line: dict[str, Any] = {"image": {"bytes": data, "path": stem + suffix}}
    if order.masked:
        line["mask"] = {"bytes": mask_of(record), "path": f"{stem}.png"}
    return line | told(record)
