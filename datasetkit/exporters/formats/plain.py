"""A folder of pictures and captions, and nothing else: what every program understands."""

from collections.abc import Iterator

from datasetkit.exporters.file import File
from datasetkit.exporters.formats.order import Order, pairs
from datasetkit.pixels import SUFFIXES


def files(order: Order) -> Iterator[File]:
    """The pictures as they are, each with its caption."""
    return pairs(order, folder="", read=SUFFIXES)
