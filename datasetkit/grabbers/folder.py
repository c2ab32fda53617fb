"""The ``folder`` source: pictures that are on this machine already, with their captions."""

import hashlib
import html
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from datasetkit.dataset.captions import caption_path, read_caption
from datasetkit.dataset.places import MEMORY
from datasetkit.errors import DatasetError, PictureError, UsageError
from datasetkit.frames import VIDEOS
from datasetkit.grabbers.sidecars import (
    FOLDER,
    KINDS,
    Told,
    check_number,
    is_there,
    read_beside,
    read_rating,
    strictest,
    typed,
)
from datasetkit.grabbers.stills import FRAMES, frames_meant, still_keys
from datasetkit.names import safe_stem, same_file
from datasetkit.pixels import SUFFIXES, Picture, read_header
from datasetkit.record import Record, Tag
from datasetkit.stage import Drop, Find, Known, Note, Source, opt
from datasetkit.tags import clean_name, from_caption, is_face

MOVES = "animated; --frames first takes a still"
NAMED = 5  # files that were passed over; the rest are counted
BESIDE = {".txt", ".json", ".npz", ""}  # what lies beside pictures and is no picture itself

_KINDS = KINDS | {"series": "copyright"}  # as Hydrus has it
_BOORU = re.compile(
    r"[^\W_]\W{0,2}_(?:[^\W_]|\()|^(?:\d\+?(?:girl|boy|other)s?|solo)$", re.IGNORECASE
)
_PROSE = frozenset(
    "a an the of in on at with and or is are was were by to from for her his their its she he it"
    " this that who while".split()
)
_SENTENCE_END = re.compile(r"[^\W\d_]{2,}[.;]")  # "toradora!" is a tag
_ENTITY = re.compile(r"&(?:\w+|#\d+|#x[0-9a-f]+);", re.IGNORECASE)  # "rock&copy" holds none
_COMMA = re.compile(r",(?!_)")  # "yes,_sir" is a tag
_PLAIN = re.compile(r"[!-@\[-~]+")  # ASCII without capitals
_RATING_ALONE = re.compile(r"rating:\s+(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class Folder(Source):
    """Take in the pictures of a local folder, with what other programs left beside them.

    Pictures are copied; the folder itself is never changed. Folders below it are searched too,
    but for hidden ones and other datasets; links are not followed. A picture that was taken in
    before, or that was removed from the dataset since, is passed over. So is an animation, unless
    --frames asks for stills of it (then also of videos).

    Tags come from name.txt or name.png.txt: with commas, one a line, or with spaces between as
    imgbrd-grabber writes them (blue_eyes long_hair artist:someone). A line is such a list where
    its words can only be a booru's and none is a word of prose; a sentence stays whole. A word
    such as rating:safe is the picture's rating, and no tag.
    Metadata of gallery-dl (name.png.json, name.json) and of waifuc (.name_meta.json) tells the
    kinds of the tags, the site, the post and the rating; a caption beside it says which of the
    tags there are.
    """

    path: str = opt(..., "the folder that holds the pictures", argument=True)
    frames: str = opt("", FRAMES)

    def check(self) -> None:
        """Raise UsageError where there is no such folder, and for frames that are no number."""
        frames_meant(self.frames)
        if not Path(self.path).is_dir():
            name = shlex.quote(self.path)
            if several := _folders(self.path.split()):
                there = ", ".join(map(shlex.quote, several))
                raise UsageError(f"one folder at a time: there is no {name}, but there are {there}")
            raise UsageError(f"there is no folder {name}")

    def find(self, known: Known) -> Iterator[Find | Drop | Note]:
        """Offer the pictures in the order of their paths, whatever order the disk lists them in."""
        self.check()
        root = Path(self.path)
        if root.resolve() == known.path.resolve():
            raise UsageError(f"{root} is the dataset itself; what is put into it is taken in")
        frames = frames_meant(self.frames)
        taken: set[str] = set()
        left: dict[str, list[str]] = {}  # files that people are told of, by the reason
        pictures = 0
        for path in _files(root):
            suffix = path.suffix.lower()
            if path.is_symlink() or not path.is_file():  # a FIFO would wait for ever
                yield Drop("not a plain file")
            elif suffix in SUFFIXES or (frames and suffix in VIDEOS):
                pictures += 1
                try:
                    told = read_all_beside(path)
                    record = _record(path, root, told, taken, known, frames)
                except (DatasetError, OSError) as error:
                    text = f"{_below(path, root)} is left out: {error}"
                    yield Note(text, warning=True)
                    yield Drop("what cannot be read", error=True)
                    continue
                if record.key in known:
                    yield Drop("known already")
                elif why := told.refused() or (MOVES if not frames and _moves(path) else ""):
                    left.setdefault(why, []).append(_below(path, root))
                    yield Drop(why)
                else:
                    if told.ignored:
                        text = f"{_below(path, root)} comes in, but {told.ignored}"
                        yield Note(text, warning=True)
                    name = record.picture.path.name
                    yield Find(record, name, partial(_copy, path), frames=frames)
            elif suffix not in BESIDE:
                yield Drop(f"a {suffix} file")
        for why, files in left.items():
            more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
            yield Note(f"passed over: {', '.join(files[:NAMED])}{more} ({why})")
        if not pictures:
            readable = ", ".join(sorted(SUFFIXES))
            yield Note(f"no pictures in {self.path} (files ending in {readable})", warning=True)


def _folders(words: list[str]) -> list[str]:
    """Folders whose names, side by side, are these words; none where some are no folder's."""
    for many in range(len(words), 0, -1):
        name = " ".join(words[:many])
        if Path(name).is_dir():
            rest = _folders(words[many:])
            if rest or many == len(words):
                return [name, *rest]
    return []


def read_all_beside(picture: Path) -> Told:
    """Read the caption and the metadata of a picture, of which either may be missing.

    Where both stand the caption says which tags there are, the metadata says the rest. Raises
    DatasetError, naming the file, for one that cannot be read.
    """
    told = read_beside(picture)
    captions = (caption_path(picture), picture.with_name(f"{picture.name}.txt"))
    path = next(filter(is_there, captions), None)
    text = (read_caption(path) if path else None) or ""
    if path is None or not text.strip():
        return told
    words, rating = read_words(text)
    check_number(len(words), path)
    origin = replace(told.origin, rating=strictest(rating, told.origin.rating))
    if not words:  # a rating alone
        return replace(told, origin=origin)
    known = {tag.name: tag for tag in told.tags}
    tags: dict[str, Tag] = {}
    for word, kind in words.items():
        name = word if word in known else clean_name(word)
        tag = known.get(name) or Tag(word, by=(FOLDER,))
        tags.setdefault(tag.name, replace(tag, kind=kind or tag.kind))
    return replace(told, tags=tuple(tags.values()), origin=origin, names=(*tags, *told.names))


def read_words(text: str) -> tuple[dict[str, str], str]:
    """Read a caption as names with their kinds ("" where it tells none), and its rating.

    Words such as ``rating:safe`` are taken out first; the strictest of them counts. A text with
    commas (kohya's trainers) is split there and at line ends; HTML in it (``ren&#39;py``) is read
    once, and makes no second tag. One without is read by the line (gallery-dl's ``--write-tags``):
    a line is one tag unless it is a list with spaces between (imgbrd-grabber's log files), see
    :func:`_is_list`.
    """
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    names: dict[str, str] = {}
    rating = ""
    has_commas = bool(_COMMA.search(text))
    for part in (part for line in lines for part in _COMMA.split(line)):
        words, letter = _rated(part)
        rating = strictest(rating, letter)
        if has_commas:
            plain = _ENTITY.sub(lambda found: html.unescape(found[0]), " ".join(words))
            names.setdefault(from_caption(_unescaped(plain)), "")
            continue
        for one in words if _is_list(words, rated=bool(letter)) else [" ".join(words)]:
            word, kind = typed(one, _KINDS)
            names.setdefault(clean_name(_unescaped(word)), kind)
    return {name: kind for name, kind in names.items() if name}, rating


def _rated(part: str) -> tuple[list[str], str]:
    """The words of a part without those for a rating, and the strictest of these ("" for none).

    A word that names no rating stays, and so does one that may begin a sentence: only alone on
    its line may a rating stand behind a blank (``rating: safe``).
    """
    alone = _RATING_ALONE.fullmatch(part.strip())
    if alone and (letter := read_rating(alone[1])):
        return [], letter
    words = part.split()
    letters = {word: read_rating(word[7:]) for word in words if word[:7].lower() == "rating:"}
    rest = [word for word in words if not letters.get(word)]
    return rest, strictest("", *letters.values())


def _is_list(words: list[str], *, rated: bool) -> bool:
    """Say whether the words of a line can only be tags with spaces between.

    None may be a word of prose (``the``, ``with``) or end a sentence. Then it is a list where a
    rating stood among them, where two can only be a booru's (``long_hair``, ``1girl``, ``solo``)
    or have a kind (``artist:name``), where one behind the first has a kind, or where all of three
    or more are in small letters and one has an underscore.
    """
    if any(word.lower() in _PROSE or _SENTENCE_END.fullmatch(word) for word in words):
        return False
    of_kind = [typed(word, _KINDS)[1] != "" for word in words]
    booru = [bool(_BOORU.search(word)) or is_face(word) for word in words]
    sure = sum(map(max, of_kind, booru))
    small = len(words) > 2 and all(_PLAIN.fullmatch(word) for word in words)
    inner = any(found and "_" in word for word, found in zip(words, booru, strict=True))
    return rated or sure > 1 or any(of_kind[1:]) or (small and inner)


def _unescaped(word: str) -> str:
    """Take the marks from brackets as prompts have them, ``name_\\(series\\)``, not from a face."""
    if "\\)" not in word or word.count("\\(") != word.count("\\)"):
        return word
    return word.replace("\\(", "(").replace("\\)", ")")


def _below(path: Path, folder: Path) -> str:
    """A file's path as seen from the folder, which tells two of one name apart."""
    return path.relative_to(folder).as_posix()


def _moves(path: Path) -> bool:
    """Say whether a file is an animation; one that cannot be read is looked at when it is here."""
    try:
        return read_header(path)[2] > 1
    except PictureError:
        return False


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


def _record(
    path: Path, folder: Path, told: Told, taken: set[str], known: Known, frames: int
) -> Record:
    """Describe one file; two files of one name get keys that differ, the same ones each time.

    So do two of which one is called as the other's second frame.
    """
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
    key = safe_stem(path.stem)
    standing = known.origin(known.like(key) or key)
    moves = frames > 1 and (path.suffix.lower() in VIDEOS or _moves(path))
    stills = still_keys(key, frames) if moves else []
    if standing:
        another = standing.md5 != md5
    else:
        origins = [known.origin(known.like(still) or still) for still in stills]
        another = any(origin and origin.md5 for origin in origins)  # no still has a file's own
        another |= any(same_file(still) in taken for still in stills)
    if same_file(key) in taken or another:
        key = f"{key}-{md5[:8]}"
    elif standing:
        key = known.like(key) or key
    taken.update(map(same_file, (key, *(still_keys(key, frames) if moves else ()))))
    if told.origin.post:
        origin = replace(told.origin, md5=md5)  # the file's own: a copy may have been made smaller
    else:
        post = os.fsencode(path.relative_to(folder)).decode(errors="replace")
        origin = replace(told.origin, site=FOLDER, post=post, md5=md5)
    picture = Picture(Path(key + path.suffix.lower()), (0, 0))
    return Record(key=key, picture=picture, tags=told.tags, origin=origin)
