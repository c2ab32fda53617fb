"""OneTrainer's concept: pictures with captions, masks beside them, and a ``concepts.json``.

Sources: OneTrainer's ``ConceptConfig`` (version 2: the keys and their values), its loader (a mask
is ``<stem>-masklabel.png``, white where it learns; a stem that ends in ``-masklabel`` or
``-condlabel`` is no picture's) and the wiki's page on masked training: a mask for every picture.
"""

import json
import re
from collections.abc import Iterator

from datasetkit.exporters import mask_folder
from datasetkit.exporters.file import File
from datasetkit.exporters.formats.order import IMAGES, Order, pairs
from datasetkit.recipe import USUAL
from datasetkit.record import Record
from datasetkit.stage import Note

CONCEPTS = "concepts.json"
MASK = "-masklabel"
_NO_PICTURES = re.compile(r"-(mask|cond)label_*$")


def files(order: Order) -> Iterator[File]:
    """The pictures and captions, the masks, and the concept that names their folder."""
    yield from pairs(order, IMAGES, stem_of=_stem)
    if order.masked:
        for record in order.records:
            mask = mask_folder.mask(record, IMAGES)
            yield File(f"{IMAGES}/{_stem(record)}{MASK}.png", mask.content)
    concept = {
        "__version": 2,
        "name": order.name,
        "path": (order.out / IMAGES).as_posix(),
        "seed": USUAL.seed,
        "enabled": True,
        "type": "STANDARD",
        "include_subdirectories": False,
        "image_variations": 1,
        "text_variations": 1,
        "balancing": float(order.repeats),
        "balancing_strategy": "REPEATS",
        "loss_weight": 1.0,
        # A character's parting and eyepatch are on one side; some versions mirror by default.
        "image": {"enable_crop_jitter": False, "enable_random_flip": False},
        "text": {
            "prompt_source": "sample",
            "enable_tag_shuffling": USUAL.shuffle,
            "tag_delimiter": ",",
            "keep_tags_count": order.keep,
        },
    }
    yield File(CONCEPTS, json.dumps([concept], indent=4, ensure_ascii=False).encode() + b"\n")


def about(order: Order) -> Iterator[Note]:
    """Say what is to be set in OneTrainer itself."""
    masked = ", masked training on" if order.masked else ""
    yield Note(
        f"in OneTrainer: {order.out / CONCEPTS} as the concepts; {order.epochs} epochs, batch size "
        f"{order.batch}, resolution {order.buckets.resolution}{masked}"
    )


def _stem(record: Record) -> str:
    """A picture's stem, with one more line behind what OneTrainer would take for a mask."""
    stem = record.picture.path.stem
    return f"{stem}_" if _NO_PICTURES.search(stem) else stem
