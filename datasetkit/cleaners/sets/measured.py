"""What was measured of a picture, remembered in its facts as long as its file stays the same."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from datasetkit.cleaners.pixels.detector import Detector
from datasetkit.cleaners.sets import measures
from datasetkit.content import content_print
from datasetkit.errors import UsageError
from datasetkit.record import Record

FACT = "filter"
MEASURES = ("sharpness", "jpeg_quality", "jpeg_damage", "uniform")
FOUND = {  # what the names of a detector's classes may have in them
    "faces": ("face", "head"),
    "persons": ("person", "people", "human", "body", "girl", "boy"),
}

_FILE, _MODELS = "file", "models"
_GLANCE = 1600  # px of the long side: a picture of 5:2 has a megapixel then


def measured(record: Record, asked: Sequence[str], detector: str) -> Record:
    """Return the record with these measures in its facts; the same one where all are known.

    ``asked`` are names of MEASURES and FOUND; the latter are counted by the detector's model.
    """
    if not asked:
        return record
    content = content_print(record.picture)
    facts = facts_of(record)
    known = facts if facts.get(_FILE) == content else {}
    models = dict(_mapping(known.get(_MODELS)))
    mine = _model(detector) if detector else ""
    lacking = [n for n in asked if n not in known or (n in FOUND and models.get(n) != mine)]
    if not lacking:
        return record
    became = {**known, _FILE: content, **_taken(record, lacking, detector)}
    if counted := {name: mine for name in lacking if name in FOUND}:
        became[_MODELS] = {**models, **counted}
    return record.with_facts(FACT, became)


def facts_of(record: Record) -> Mapping[str, Any]:
    """What was measured of a picture, by name."""
    return _mapping(record.facts.get(FACT))


def check_detector(detector: str, names: Sequence[str]) -> None:
    """Raise ModelError for what is no detector, UsageError for one that finds none of these."""
    for name in names:
        _kinds(_detector(detector), name)


def _taken(record: Record, lacking: Sequence[str], detector: str) -> dict[str, Any]:
    """Measure; pixels are decoded once, and only where something needs them."""
    facts: dict[str, Any] = {}
    picture = record.picture
    if "jpeg_quality" in lacking:
        facts["jpeg_quality"] = measures.jpeg_quality(picture.content)
    if not set(lacking) - {"jpeg_quality"}:
        return facts
    image = picture.pixels if "jpeg_damage" in lacking else picture.glance(_GLANCE)
    for name, of in (
        ("sharpness", measures.sharpness),
        ("jpeg_damage", measures.jpeg_damage),
        ("uniform", measures.uniform),
    ):
        if name in lacking:
            facts[name] = of(image)
    if counted := [name for name in lacking if name in FOUND]:
        model = _detector(detector)
        boxes = model.boxes(image)
        for name in counted:
            kinds = _kinds(model, name)
            facts[name] = sum(not kinds or box.kind in kinds for box in boxes)
    return facts


def _kinds(detector: Detector, name: str) -> frozenset[str]:
    """Which of a detector's classes are meant; none where they have no names, for all of them."""
    words = FOUND[name]
    kinds = {kind for kind in detector.kinds if any(word in kind.lower() for word in words)}
    if detector.kinds and not kinds:
        told = ", ".join(detector.kinds[:8])
        raise UsageError(f"the detector {detector.path.name} finds no {name}, but: {told}")
    return frozenset(kinds)


@lru_cache(maxsize=4)
def _detector(path: str) -> Detector:
    return Detector.load(Path(path).expanduser())


@lru_cache(maxsize=4)
def _model(path: str) -> str:
    """A detector by its name and what is in it, so that another one counts anew."""
    file = _detector(path).path
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256")
    return f"{file.name} {digest.hexdigest()[:16]}"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
