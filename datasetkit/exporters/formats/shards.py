"""Large files that hold many pictures each, so that a copy or a stream does not crawl."""

from collections.abc import Iterator
from hashlib import blake2b
from io import BytesIO
from typing import NamedTuple

from datasetkit.content import content_print
from datasetkit.exporters.file import check_link, named
from datasetkit.exporters.formats.order import READ, Order, Row, told
from datasetkit.masks import drawn, hidden
from datasetkit.pixels import encode
from datasetkit.record import Record

MOST = 10_000  # pictures a shard


class Shard(NamedTuple):
    """The pictures of one shard, and a digest of all that its bytes depend on."""

    rows: list[Row]
    essence: str


def shards(order: Order) -> Iterator[Shard]:
    """Share the pictures out by their bytes, in order; none is opened but for its print."""
    rows: list[Row] = []
    known, size = blake2b(digest_size=16), 0
    for row in order.rows:
        record = order.read(row.key)
        path = record.picture.path
        check_link(path)
        with named(path):
            print_ = content_print(record.picture)
        length = path.stat().st_size
        if rows and (size + length > order.shard or len(rows) == MOST):
            yield Shard(rows, known.hexdigest())
            rows, known, size = [], blake2b(digest_size=16), 0
        rows.append(row)
        size += length
        said = (path.name, print_, told(record), order.masked)
        known.update(repr((said, hidden(record))).encode())
    yield Shard(rows, known.hexdigest())


def bytes_of(record: Record) -> tuple[str, bytes]:
    """A picture's suffix and bytes: as they stand in its file, or a PNG where few would read it."""
    suffix = record.picture.path.suffix.lower()
    with named(record.picture.path):
        if suffix in READ:
            return suffix, record.picture.content
        data = encode(record.picture.pixels, ".png")
    record.picture.forget()
    return ".png", data


def mask_of(record: Record) -> bytes:
    """A picture's mask as a PNG; a white one where nothing is hidden."""
    buffer = BytesIO()
    # A mask is one colour but for its boxes: at this level a tenth of the bytes.
    drawn(record.picture.size, hidden(record)).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()
