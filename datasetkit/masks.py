"""What a training should not look at: drawn where it is needed from what the facts say.

A stage that hides parts of a picture keeps them in its facts: under ``mask`` boxes of whole pixels
``[left, top, right, bottom]``, under ``size`` and ``print`` of which picture they speak. No file
holds a mask, so undoing, editing by hand and kills leave none behind that does not fit.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from datasetkit.content import content_print
from datasetkit.record import Record

if TYPE_CHECKING:
    from PIL.Image import Image

Area: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom; the last two excluded


def hidden(record: Record) -> tuple[Area, ...]:
    """The parts of a picture that a training should not look at, sorted.

    Facts that speak of other pixels than the file's say nothing: see :func:`outdated`.
    """
    found = {
        (int(left), int(top), int(right), int(bottom))
        for fact in _speaking(record)
        if _fits(fact, record)
        for left, top, right, bottom in fact["mask"]
    }
    return tuple(sorted(found))


def said(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What each stage's facts hide, of whichever pixels: it shows if a stage has changed it."""
    return {
        stage: fact["mask"]
        for stage, fact in facts.items()
        if isinstance(fact, Mapping) and fact.get("mask")
    }


def outdated(record: Record) -> bool:
    """Say whether parts of the picture were hidden that has changed since."""
    return any(not _fits(fact, record) for fact in _speaking(record))


def drawn(size: tuple[int, int], areas: tuple[Area, ...]) -> "Image":
    """A mask as trainers read it: of the picture's size, gray; white learns, black does not."""
    from PIL import Image

    mask = Image.new("L", size, 255)
    for area in areas:
        mask.paste(0, area)
    return mask


def _speaking(record: Record) -> list[Mapping[str, Any]]:
    return [record.facts[stage] for stage in said(record.facts)]


def _fits(fact: Mapping[str, Any], record: Record) -> bool:
    if tuple(fact.get("size", ())) != record.picture.size:
        return False
    return bool(fact.get("print") == content_print(record.picture))
