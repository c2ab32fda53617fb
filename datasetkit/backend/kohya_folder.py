"""Training folders as kohya's trainer reads them: ``6_shimakaze/`` with pictures and captions."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from datasetkit.errors import DatasetError
from datasetkit.tags import split_caption

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".avif"})  # kohya's that we decode
SEPARATOR = "|||"  # keep_tokens_separator: what stands before it is not shuffled
SETTINGS = "train.toml"
MASKS = "masks"  # beside the sub-folders: what is black in a picture's mask is not learned
_FOLDER = re.compile(r"(\d+)(?:_(.*))?")


@dataclass(frozen=True)
class Example:
    """One picture to learn from. ``folder`` is the sub-folder's name, ``caption`` one line.

    ``mask`` is the file that says what of it is learned (white), None where all of it is.
    """

    path: Path
    folder: str
    caption: str
    repeats: int
    captioned: bool = True
    mask: Path | None = None

    @property
    def name(self) -> str:
        """Folder and file, as it is written into fingerprints and messages."""
        return f"{self.folder}/{self.path.name}"


@dataclass(frozen=True)
class Shuffling:
    """What is done to a caption each time it is seen; ``keep`` first tags are never touched."""

    shuffle: bool = True
    keep: int = 1
    tag_dropout: float = 0.0
    caption_dropout: float = 0.0

    @property
    def changes(self) -> bool:
        """Whether two epochs can see different captions."""
        return self.shuffle or self.tag_dropout > 0 or self.caption_dropout > 0

    def say(self, caption: str, random: Random) -> str:
        """The caption as it is said this time, by the rules of kohya's ``process_caption``.

        The whole is dropped with ``caption_dropout``. What is fixed stands before ``|||`` (and
        behind a second one), or else is the first ``keep`` tags; the others are shuffled, then
        each is dropped with ``tag_dropout``.
        """
        if self.caption_dropout and random.random() < self.caption_dropout:
            return ""
        first, second, rest = caption.partition(SEPARATOR)
        if second:
            middle, _, last = rest.partition(SEPARATOR)
            fixed, free, end = _tags(first), _tags(middle), _tags(last)
        else:
            words = _tags(caption)
            fixed, free, end = words[: self.keep], words[self.keep :], []
        if self.shuffle:
            random.shuffle(free)
        if self.tag_dropout:
            free = [tag for tag in free if random.random() >= self.tag_dropout]
        return ", ".join([*fixed, *free, *end])


def read(folder: Path) -> list[Example]:
    """Find the examples of a training folder, in a stable order.

    Sub-folders are named ``repeats_words`` or ``repeats``; others are passed over, as kohya does.
    A picture's caption is the first line of its ``.txt``; without one it is the folder's words. Its
    mask lies under its stem in ``masks``. Raises DatasetError where nothing can be learned from.
    """
    if not folder.is_dir():
        raise DatasetError(
            f"there is no training folder {folder}; dsk repeats makes one, --data names another"
        )
    masks = _masks(folder / MASKS)
    examples = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        named = _FOLDER.fullmatch(place.name)
        if named:
            examples += [
                _example(path, place.name, named[2] or "", int(named[1]), masks.get(path.stem))
                for path in sorted(place.iterdir())
                if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
            ]
    examples = [example for example in examples if example.repeats > 0]
    if not examples:
        raise DatasetError(
            f"no picture in {folder} lies in a folder named like 10_name (10 repeats); "
            "dsk repeats makes such folders"
        )
    return examples


def frequency(examples: Iterable[Example]) -> dict[str, dict[str, int]]:
    """How often each tag stands in each folder: kohya's ``ss_tag_frequency``."""
    counts: dict[str, Counter[str]] = {}
    for example in examples:
        counter = counts.setdefault(example.folder, Counter())
        counter.update(_tags(example.caption.replace(SEPARATOR, ",")))
    return {folder: dict(counter.most_common()) for folder, counter in counts.items()}


def trigger(examples: Sequence[Example]) -> str:
    """The word a LoRA listens to: the first tag, where all captions begin with the same one."""
    firsts = {(_tags(example.caption.replace(SEPARATOR, ",")) or [""])[0] for example in examples}
    return firsts.pop() if len(firsts) == 1 else ""


def output_name(folder: Path) -> str:
    """What a LoRA of several sub-folders is called by the ``train.toml`` beside them; "" if none.

    ``dsk repeats`` writes that file for kohya's trainers.
    """
    try:
        settings = tomllib.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        return str(settings["files"]["output_name"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def names(caption: str) -> list[str]:
    """The booru names in a caption."""
    return split_caption(caption.replace(SEPARATOR, ","))


def _masks(folder: Path) -> dict[str, Path]:
    """The masks by their pictures' stems."""
    if not folder.is_dir():
        return {}
    files = (path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES)
    return {path.stem: path for path in files if not path.name.startswith(".")}


def _example(path: Path, folder: str, words: str, repeats: int, mask: Path | None) -> Example:
    file = path.with_suffix(".txt")
    if not file.is_file():
        return Example(path, folder, words, repeats, captioned=False, mask=mask)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file} is not UTF-8; save it as UTF-8") from error
    return Example(path, folder, (text.splitlines() or [""])[0].strip(), repeats, mask=mask)


def _tags(text: str) -> list[str]:
    return [tag.strip() for tag in text.split(",") if tag.strip()]
