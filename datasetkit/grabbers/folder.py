"""The ``folder`` source: pictures that are on this machine already, with their captions."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from datasetkit.dataset.captions import caption_path, read_caption
from datasetkit.dataset.places import MEMORY
from datasetkit.errors import DatasetError, PictureError, UsageError
from datasetkit.names import safe_stem, same_file
from datasetkit.pixels import SUFFIXES, Picture
from datasetkit.record import Origin, Record, Tag
from datasetkit.stage import Drop, Find, Known, Note, Source, opt
from datasetkit.tags import split_caption

SITE = "folder"  # who said the tags of a caption that came with its picture
BESIDE = {".txt", ".json", ".npz", ""}  # what lies beside pictures and is no picture itself


@dataclass(frozen=True)
class Folder(Source):
    """Take in the pictures of a local folder, with the captions beside them.

    Pictures are copied; the folder itself is never changed. Folders below it are searched too,
    but for hidden ones and other datasets; links are not followed. A picture that was taken in
    before, or that was removed from the dataset since, is passed over.
    """

    path: str = opt(..., "the folder that holds the pictures", argument=True)

    def check(self) -> None:
        """Raise UsageError where there is no such folder."""
        if not Path(self.path).is_dir():
            raise UsageError(f"there is no folder {self.path}")

    def find(self, known: Known) -> Iterator[Find | Drop | Note]:
        """Offer the pictures in the order of their paths, whatever order the disk lists them in."""
        self.check()
        root = Path(self.path)
        if root.resolve() == known.path.resolve():
            raise UsageError(f"{root} is the dataset itself; what is put into it is taken in")
        taken: set[str] = set()
        pictures = 0
        for path in _files(root):
            suffix = path.suffix.lower()
            if path.is_symlink() or not path.is_file():  # a FIFO would wait for ever
                yield Drop("not a plain file")
            elif suffix in SUFFIXES:
                pictures += 1
                try:
                    text = read_caption(caption_path(path)) or ""
                    record = _record(path, root, text, taken, known)
                except (DatasetError, OSError) as error:
                    yield Note(f"{path.name} is left out: {error}", warning=True)
                    yield Drop("what cannot be read", error=True)
                    continue
                if record.key in known:
                    yield Drop("known already")
                else:
                    yield Find(record, record.picture.path.name, partial(_copy, path))
            elif suffix not in BESIDE:
                yield Drop(f"a {suffix} file")
        if not pictures:
            readable = ", ".join(sorted(SUFFIXES))
            yield Note(f"no pictures in {self.path} (files ending in {readable})", warning=True)


def _copy(source: Path, target: Path) -> None:
    try:
        file = source.open("rb")
    except OSError as error:
        raise PictureError(f"cannot be read: {error.strerror}") from error
    with file, target.open("wb") as copy:
        shutil.copyfileobj(file, copy, 1 << 20)


def _files(folder: Path) -> list[Path]:
    """All files below a folder, in an order that does not depend on the disk.

    Of a dataset only its pictures, not what was made of them.
    """
    found = []
    for here, folders, files in os.walk(folder):
        if (Path(here) / MEMORY).exists():
            folders.clear()
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and not (Path(here) / name / MEMORY).exists()
        ]
        found += [Path(here) / name for name in files if not name.startswith(".")]
    return sorted(found, key=lambda path: [same_file(part) for part in path.parts] + [str(path)])


def _record(path: Path, folder: Path, text: str, taken: set[str], known: Known) -> Record:
    """Describe one file; two files of one name get keys that differ, the same ones each time."""
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
    key = safe_stem(path.stem)
    standing = known.origin(known.like(key) or key)
    if same_file(key) in taken or (standing and standing.md5 != md5):
        key = f"{key}-{md5[:8]}"
    elif standing:
        key = known.like(key) or key
    taken.add(same_file(key))
    post = os.fsencode(path.relative_to(folder)).decode(errors="replace")
    return Record(
        key=key,
        picture=Picture(Path(key + path.suffix.lower()), (0, 0)),
        tags=tuple(Tag(name, by=(SITE,)) for name in split_caption(text.replace("\n", ","))),
        origin=Origin(site=SITE, post=post, md5=md5),
    )
