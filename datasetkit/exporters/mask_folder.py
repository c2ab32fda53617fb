"""The folder of masks beside a training folder, as kohya's trainers and ours read it.

A mask has its picture's stem and size; black is not learned. Kohya's trainers (``masked_loss`` with
this folder as ``conditioning_data_dir``) want one for every picture, and none that has no picture.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasetkit.masks import Area, drawn, hidden
from datasetkit.pixels import encode
from datasetkit.record import Record

FOLDER = "masks"  # no number stands before it: kohya's trainers take no pictures from it
_DRAFT = ".part-masks"

Areas = tuple[tuple[int, int], tuple[Area, ...]]  # a picture's size, and what is hidden of it


def wanted(records: Sequence[Record]) -> dict[str, Areas]:
    """What each mask shows, by its file's name; nothing where no picture has one."""
    found = {
        f"{record.picture.path.stem}.png": (record.picture.size, hidden(record))
        for record in records
    }
    return found if any(areas for _, areas in found.values()) else {}


def names(written: Mapping[str, Any]) -> set[str]:
    """What of an export's folder is, or may be, the masks' by its mark."""
    return {FOLDER, _DRAFT} if written.get("masks") or written.get("old masks") else {_DRAFT}


def strangers(out: Path, written: Mapping[str, Any]) -> list[str]:
    """The files among the masks that were not written here, or were painted on since."""
    folder = out / FOLDER
    known = [written.get("masks", {}), written.get("old masks", {})]
    if not folder.is_dir() or not any(known):
        return []
    return [
        f"{FOLDER}/{path.name}"
        for path in _files(folder)
        if not path.is_file() or _digest(path) not in {of.get(path.name) for of in known}
    ]


def up_to_date(out: Path, masks: Mapping[str, Areas], written: Mapping[str, Any]) -> bool:
    """Say whether the masks that stand are the wanted ones."""
    if not masks:
        return not written.get("masks") and not written.get("old masks")
    folder = out / FOLDER
    there = {path.name for path in _files(folder)} if folder.is_dir() else set()
    return there == set(masks) and written.get("drawn") == _essence(masks)


def draft(out: Path, masks: Mapping[str, Areas]) -> dict[str, Any]:
    """Draw the masks aside; what the mark is to say of them."""
    place = out / _DRAFT
    shutil.rmtree(place, ignore_errors=True)
    if not masks:
        return {}
    place.mkdir(parents=True)
    for name, (size, areas) in masks.items():
        (place / name).write_bytes(encode(drawn(size, areas), ".png"))
    digests = {path.name: _digest(path) for path in sorted(place.iterdir())}
    return {"masks": digests, "drawn": _essence(masks)}


def put(out: Path, written: Mapping[str, Any]) -> None:
    """Bring the draft to its place, and take away what stood there; it was ours by the mark."""
    if written.get("masks") or written.get("old masks"):
        shutil.rmtree(out / FOLDER, ignore_errors=True)
    if (out / _DRAFT).is_dir():
        os.replace(out / _DRAFT, out / FOLDER)


def _files(folder: Path) -> list[Path]:
    """What stands in the folder, but for the caches that a trainer leaves there."""
    return sorted(path for path in folder.iterdir() if path.suffix != ".npz")


def _essence(masks: Mapping[str, Areas]) -> str:
    return hashlib.blake2b(repr(sorted(masks.items())).encode(), digest_size=8).hexdigest()


def _digest(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
