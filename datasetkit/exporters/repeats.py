"""The ``repeats`` stage: the folder that kohya's trainers read, with the sum done."""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from datasetkit import safety
from datasetkit.dataset import Dataset, caption
from datasetkit.dataset.captions import caption_path
from datasetkit.dataset.lines import drafts, write_file
from datasetkit.dataset.places import save
from datasetkit.errors import DatasetError, UsageError
from datasetkit.exporters import mask_folder
from datasetkit.exporters.mask_folder import Areas
from datasetkit.masks import outdated
from datasetkit.names import safe_stem
from datasetkit.pixels import decode, encode, read_more
from datasetkit.record import Record
from datasetkit.stage import Note, Progress, Task, Work, Wrote, opt

LEADS = ("trigger", "character")  # kinds of tags after which a LoRA is named
READ = frozenset({".png", ".jpg", ".jpeg", ".webp"})  # what every kohya trainer reads
MARK = ".dsk-export.json"  # names what was written here, so that nothing else is ever removed


@dataclass(frozen=True)
class Repeats(Task):
    """Write the folder a kohya trainer reads, with the repeats worked out.

    repeats = ceil(steps / epochs / pictures), and the folder is called N_name. Pictures are hard
    links where the disk can (they take no space), captions are copies. Run again after a change,
    the folder is brought up to date; a folder that holds other files is refused, never emptied.

    Where `dsk text --how mask` hid something, masks are drawn beside it, in masks/: white learns.
    `dsk train` takes them by itself; for kohya's trainers turn masked_loss on and name the folder
    as the conditioning_data_dir.
    """

    steps: int = opt(4000, "how many pictures the training should see, all epochs together", ge=1)
    epochs: int = opt(10, "in how many rounds", ge=1)
    name: str = opt("", "what the folder is called after its number (default: the character)")
    out: str = opt("", "where the folder is written (default: train/ in the dataset)")

    def plan(self) -> str:
        """Say what will be worked out and where it goes."""
        where = self.out or "train/ in the dataset"
        return f"{self.steps} steps in {self.epochs} epochs, written to {where}"

    def __call__(self, dataset: Dataset) -> Iterator[Work]:
        """Write the folder, or say that it is up to date; yield it and the sum."""
        records = dataset.records
        allowed = [r for r in records if not safety.refusal(r.names, r.origin.rating)]
        if len(allowed) < len(records):
            refused = len(records) - len(allowed)
            are = "1 picture is" if refused == 1 else f"{refused} pictures are"
            yield Note(f"{are} left out by the safety rules", warning=True)
        if not allowed:
            raise UsageError(f"there are no pictures in {dataset.path} to write a folder of")
        bare = sum(not record.tags for record in allowed)
        if bare:
            have = "1 picture has" if bare == 1 else f"{bare} pictures have"
            yield Note(f"{have} no caption; the folder's name stands in", warning=True)
        if not self.name and not any(tag.kind in LEADS for r in allowed for tag in r.tags):
            yield Note("no tag is known as the character's: named after the dataset (see --name)")
        repeats = ceil(self.steps / self.epochs / len(allowed))
        out = Path(self.out) if self.out else dataset.path / "train"
        folder = out / f"{repeats}_{safe_stem(self.name or name_of(dataset.path, allowed))}"
        yield Note(
            f"{_of(len(allowed), 'picture')} x {_of(repeats, 'repeat')} x "
            f"{_of(self.epochs, 'epoch')} = "
            f"{len(allowed) * repeats * self.epochs:,} steps (asked: {self.steps:,}; "
            f"repeats = ceil({self.steps} / {self.epochs} / {len(allowed)}), batch size 1)"
        )
        masks = mask_folder.wanted(allowed)
        yield from _about_masks(allowed, masks, out)
        yield from _export(allowed, masks, out, folder)


def _of(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def name_of(path: Path, records: list[Record]) -> str:
    """Name a dataset after its trigger word, else its commonest character, else its folder."""
    for kind in LEADS:
        names = Counter(tag.name for record in records for tag in record.tags if tag.kind == kind)
        if names:
            name = names.most_common(1)[0][0]
            return name.split("_(")[0] or name
    return path.resolve().name


def _about_masks(records: list[Record], masks: dict[str, Areas], out: Path) -> Iterator[Note]:
    """Say which pictures are learned in part, and what stands in the way of it."""
    stale = sum(outdated(record) for record in records)
    if stale:
        which = "1 picture has" if stale == 1 else f"{stale} pictures have"
        yield Note(
            f"{which} changed since text was found there, and would be learned whole; "
            "run dsk text again",
            warning=True,
        )
    if not masks:
        return
    masked = [r for r in records if masks[f"{r.picture.path.stem}.png"][1]]
    yield Note(
        f"{len(masked)} of {_of(len(records), 'picture')} {'is' if len(masked) == 1 else 'are'} "
        "learned in part: masks in "
        f"{out / mask_folder.FOLDER} (for kohya's trainers: masked_loss and conditioning_data_dir)"
    )
    turned = sum(read_more(record.picture.path).turn > 1 for record in masked)
    if turned:
        yield Note(
            f"{turned} of the masks {'is of a picture' if turned == 1 else 'are of pictures'} that "
            f"{'its' if turned == 1 else 'their'} EXIF turns, which kohya's trainers do not do; "
            "dsk upright rewrites such files",
            warning=True,
        )


def _export(
    records: list[Record], masks: dict[str, Areas], out: Path, folder: Path
) -> Iterator[Work]:
    """Bring ``out`` to hold this one folder: written aside whole, then renamed."""
    wanted = {_exported_name(record): record for record in records}
    mark = out / MARK
    written = _written(mark)
    _refuse_strangers(out, written)
    there = written.get("folder") == folder.name and _up_to_date(folder, wanted)
    if there and mask_folder.up_to_date(out, masks, written):
        yield Note(f"{folder} is up to date")
        yield Wrote(folder, fresh=False)
        return
    draft = out / ".part"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for done, record in enumerate(records, 1):
        target = draft / _exported_name(record)
        if target.name != record.picture.path.name:
            target.write_bytes(_as_png(record))
        else:
            save(record.picture.path, target)
        if record.tags:
            caption_path(target).write_text(caption(record) + "\n", encoding="utf-8", newline="\n")
        yield Progress(done, len(records), record.key)
    files = {path.name: _digest(path) for path in sorted(draft.iterdir())}
    # The mark names the old folder until the new one stands, so a run killed here can go on.
    new = {"folder": folder.name, "files": files, **mask_folder.draft(out, masks)}
    old_masks = written.get("masks", {}) | written.get("old masks", {})
    both = {**new, "old": written.get("folder", ""), "old masks": old_masks, "drawn": ""}
    write_file(mark, json.dumps(both).encode())
    for old in {folder.name, written.get("folder", ""), written.get("old", "")} - {""}:
        shutil.rmtree(out / old, ignore_errors=True)
    os.replace(draft, folder)
    mask_folder.put(out, both)
    write_file(mark, json.dumps(new).encode())
    yield Wrote(folder)


def _written(mark: Path) -> dict[str, Any]:
    """What an earlier export wrote; its names are looked at, for a folder may come from anyone."""
    if not mark.exists():
        return {}
    written: dict[str, Any] = json.loads(mark.read_text())
    for name in (written.get("folder", ""), written.get("old", "")):
        if name and name != safe_stem(name):
            raise DatasetError(f"{mark} names a folder elsewhere: {name!r}; delete that file")
    return written


def _exported_name(record: Record) -> str:
    path = record.picture.path
    return path.name if path.suffix.lower() in READ else path.stem + ".png"


def _as_png(record: Record) -> bytes:
    """A picture in a format that trainers pass over (GIF, AVIF), as one that they read."""
    return encode(decode(record.picture.path), ".png")


def _digest(path: Path) -> str:
    """What tells a caption that a person edited here; pictures are told by their names."""
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest() * (path.suffix == ".txt")


def _refuse_strangers(out: Path, written: dict[str, Any]) -> None:
    """Raise DatasetError where the export would stand among, or replace, somebody's files."""
    if not out.exists():
        return
    ours = {MARK, ".part", written.get("folder"), written.get("old"), *mask_folder.names(written)}
    for draft in drafts(out):
        draft.unlink()
    strangers = sorted(path.name for path in out.iterdir() if path.name not in ours)
    strangers += mask_folder.strangers(out, written)
    folder = out / written.get("folder", "-")
    if folder.is_dir():
        known = written["files"]
        # A trainer leaves its caches (.npz) beside the pictures; they go with the pictures.
        inside = sorted(path for path in folder.iterdir() if path.suffix != ".npz")
        strange = [p for p in inside if known.get(p.name) != _digest(p)]
        strangers += [f"{folder.name}/{path.name}" for path in strange]
    if strangers:
        raise DatasetError(
            f"{out} holds files that are not of this export, or were edited there "
            f"({', '.join(strangers[:3])}); edit the dataset's own captions instead, "
            "move these away, or choose another folder with --out"
        )


def _up_to_date(folder: Path, wanted: dict[str, Record]) -> bool:
    """Say whether a folder holds just these pictures with these captions."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir() if path.suffix not in {".npz", ".txt"}}
    return names == set(wanted) and all(_same(folder / name, r) for name, r in wanted.items())


def _same(path: Path, record: Record) -> bool:
    if path.name != record.picture.path.name:
        return path.read_bytes() == _as_png(record) and _same_caption(path, record)
    source, target = record.picture.path.stat(), path.stat()
    linked = (source.st_dev, source.st_ino) == (target.st_dev, target.st_ino)
    if not linked and path.read_bytes() != record.picture.path.read_bytes():
        return False
    return _same_caption(path, record)


def _same_caption(path: Path, record: Record) -> bool:
    text = caption_path(path)
    wanted = caption(record) + "\n" if record.tags else None
    return (text.read_text(encoding="utf-8") if text.exists() else None) == wanted
