"""What is exported, and the parts that several forms have in common."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from datasetkit.buckets import Buckets, Size
from datasetkit.exporters.chosen import caption_line
from datasetkit.exporters.file import File, picture
from datasetkit.exporters.sums import repeats_of
from datasetkit.families import Family
from datasetkit.record import Record

READ = frozenset({".png", ".jpg", ".jpeg", ".webp"})  # what everybody reads
IMAGES = "images"
_NO_SITE = "folder"  # what dsk folder writes where a site has its name


class Row(NamedTuple):
    """What is kept of a picture until its files are written."""

    key: str
    size: Size
    keep: int  # fixed tags; 0 where none were written down
    masked: bool
    told: int  # how much of a table's row is known


@dataclass(frozen=True)
class Order:
    """The pictures of an export, and the figures for those forms that take them."""

    name: str
    out: Path  # absolute, as ``loras`` is: trainers are started elsewhere
    loras: Path
    rows: Sequence[Row]
    read: Callable[[str], Record]
    sites: Mapping[str, int]  # pictures of each site; "" for those of none
    adult: bool  # a picture is not rated as safe for everyone
    family: Family
    buckets: Buckets
    base: str
    steps: int
    epochs: int
    batch: int
    keep: int
    shard: int  # bytes

    @property
    def masked(self) -> bool:
        """Say whether parts of any picture are hidden: then each has a mask, white as a rule."""
        return any(row.masked for row in self.rows)

    @property
    def repeats(self) -> int:
        """How often an epoch shows each picture."""
        return repeats_of([len(self.rows)], [Fraction(1)], self.steps, self.epochs)[0]

    @property
    def records(self) -> Iterator[Record]:
        """The records, each read when its turn comes."""
        return (self.read(row.key) for row in self.rows)


def pairs(
    order: Order,
    folder: str = IMAGES,
    read: frozenset[str] = READ,
    stem_of: Callable[[Record], str] = lambda record: record.picture.path.stem,
) -> Iterator[File]:
    """Each picture and its caption, in a folder of the export ("" for the export itself)."""
    before = f"{folder}/" if folder else ""
    for record in order.records:
        name = before + stem_of(record)
        yield picture(record, name, read)
        yield File(f"{name}.txt", f"{caption_line(record)}\n".encode())


def site_of(record: Record) -> str:
    """The site of a picture; "" for a file of one's own."""
    return "" if record.origin.site == _NO_SITE else record.origin.site


def told(record: Record) -> dict[str, Any]:
    """What a table says of a picture, as plain values; "" and None where nobody knows.

    Nothing tells of somebody's disk: of a file of one's own the path stays out, and a source is an
    address on the web, whatever a sidecar said.
    """
    origin, (width, height) = record.origin, record.picture.size
    on_the_web = origin.source.lower().startswith(("http://", "https://"))
    return {
        "text": caption_line(record),
        "tags": list(record.names),
        "rating": origin.rating,
        "score": origin.score,
        "posted": origin.posted,
        "site": site_of(record),
        "post": origin.post if site_of(record) else "",
        "source": origin.source if on_the_web else "",
        "width": width,
        "height": height,
    }
