"""The ``repeats`` stage: the folders that kohya's trainers read, with the sum done."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from datasetkit import tokens
from datasetkit.buckets import Buckets, Size, asked_for
from datasetkit.dataset import Dataset
from datasetkit.errors import UsageError
from datasetkit.exporters import kohya_config, mask_folder, sentences
from datasetkit.exporters.chosen import (
    base_of,
    caption_line,
    chosen,
    fixed_tags,
    leads_of,
    name_of,
    reader,
)
from datasetkit.exporters.file import File, picture
from datasetkit.exporters.kohya_config import Training
from datasetkit.exporters.sentences import Asked, Share, of
from datasetkit.exporters.subsets import Sharing, Subset, subsets_of
from datasetkit.exporters.sums import repeats_of
from datasetkit.exporters.written import place_of, put
from datasetkit.families import FAMILIES, Family, named
from datasetkit.masks import hidden, outdated
from datasetkit.names import safe_stem
from datasetkit.pixels import read_more
from datasetkit.recipe import USUAL
from datasetkit.record import Record
from datasetkit.safety import check_prompt
from datasetkit.stage import Note, Task, Work, opt
from datasetkit.unmet import unmet

READ = frozenset({".png", ".jpg", ".jpeg", ".webp"})  # what every kohya trainer reads


class Row(NamedTuple):
    """What is kept of a picture until its files are written."""

    key: str
    subset: int | None
    size: Size
    keep: int  # fixed tags; 0 where none were written down
    tokens: int
    leads: tuple[tuple[str, str], ...]  # kind and name of the tags after which a LoRA is named
    bare: bool  # without a tag
    masked: bool
    stale: bool  # changed since something was hidden on it
    turned: bool  # masked, and turned by EXIF


@dataclass(frozen=True)
class Repeats(Task):
    """Write the folder a kohya trainer reads, with the repeats worked out.

    repeats = ceil(steps / epochs / pictures), and the folder is called N_name. Pictures are hard
    links where the disk can: they take no space, but a picture that you edit in the folder is the
    dataset's own picture too. With `--copy` they are copies, safe to edit there. Captions are
    copies. Run again after a change, the folder is brought up to date; a folder that holds other
    files, or files that were edited there, is refused, never emptied.

    Several subsets are repeated by their weights, so that good pictures are seen more often:
    `--subset "good: score:>=100 x3" --subset "rest: x1"`. A subset is a filter, or a folder inside
    the dataset that you put copies of the pictures into (`--subset "best: keep/ x3"`), or with
    neither what no other takes. Its repeats = ceil(weight * steps / epochs / sum of pictures *
    weight), at least 1, and its folder is called N_subset.

    Beside the pictures there are `dataset.toml` and `train.toml` for sd-scripts, with the same
    figures as `dsk train`'s and the family's row; the command that starts it is said. With `--mark`
    the tags that stay in front (`dsk clean --keep-tokens`) are set off by ||| in each caption.

    `--low-memory` is for cards of 8 to 10 GB: gradient checkpointing, latents cached on the disk,
    an 8-bit optimiser (bitsandbytes) and the base in fp8, which rounds it. Of SDXL's shape the text
    encoders' outputs are cached too, which forbids the shuffling of tags.

    Where `dsk text --how mask` hid something, masks are drawn beside it, in masks/: white learns.
    `dsk train` takes them by itself, and train.toml turns kohya's masked_loss on.
    """

    steps: int = opt(4000, "how many pictures the training should see, all epochs together", ge=1)
    epochs: int = opt(USUAL.epochs, "in how many rounds", ge=1)
    name: str = opt("", "what the folder is called after its number (default: the character)")
    out: str = opt("", "where the folder is written (default: train/ in the dataset)")
    subset: tuple[str, ...] = opt(
        (),
        'parts that are repeated by weight: "good: score:>=100 x3", "best: keep/ x2", "rest: x1"',
    )
    mark: bool = opt(False, "set the fixed tags of each caption off by ||| (keep_tokens_separator)")
    batch: int = opt(USUAL.batch, "pictures a step, for the sum and the settings", ge=1)
    family: str = opt("sd1", "what the base is: " + ", ".join(FAMILIES))
    base: str = opt("", "the base model that train.toml names (default: DSK_BASE)")
    rank: int = opt(USUAL.rank, "train.toml: the inner width of the LoRA (network_dim)", ge=1)
    alpha: float = opt(0.0, "train.toml: network_alpha (0: half of the rank)", ge=0)
    flip: bool = opt(False, "dataset.toml: mirror half of the pictures (flip_aug)")
    low_memory: bool = opt(False, "train.toml: settings for cards of 8 to 10 GB")
    copy: bool = opt(False, "pictures are copies, safe to edit there")
    resolution: int = opt(
        0, "side in pixels of the square whose area pictures have (0: the family's)", ge=0
    )

    def check(self) -> None:
        """Raise for a subset or a family that is none, and a resolution without buckets."""
        _ = self._subsets, self._row, self._buckets
        if self.low_memory and self.mark and self._row.shape == "sdxl":
            raise UsageError(
                "with --low-memory no tags of an SDXL model's captions are shuffled, and ||| would "
                "be learned; leave --mark away"
            )
        for name in (self.name, *(subset.name for subset in self._subsets)):
            check_prompt(name)

    def plan(self) -> str:
        """Say what will be worked out and where it goes."""
        where = self.out or "train/ in the dataset"
        parts = f"; {', '.join(map(str, self._subsets))}" if self.subset else ""
        return f"{self.steps} steps in {self.epochs} epochs, written to {where}{parts}"

    def __call__(self, dataset: Dataset) -> Iterator[Work]:
        """Write the folder, or say that it is up to date; yield it and the sum."""
        self.check()
        sharing = Sharing(self._subsets, dataset)
        rows, notes = chosen(dataset.records, lambda record: _row(record, sharing))
        if not rows:
            raise UsageError(f"there are no pictures in {dataset.path} to write a folder of")
        shares = [
            (subset, found)
            for number, subset in enumerate(self._subsets)
            if (found := [row for row in rows if row.subset == number])
        ]
        notes += self._about_subsets(dataset, rows, sharing)
        rows = [row for _, found in shares for row in found]
        notes += _about_captions(rows)
        known = self.name or name_of(lead for row in rows for lead in row.leads)
        name = safe_stem(known or dataset.path.resolve().name)
        if not known:
            notes.append(
                Note("no tag is known as the character's: named after the dataset (see --name)")
            )
        repeats = repeats_of(
            [len(found) for _, found in shares],
            [subset.weight for subset, _ in shares],
            self.steps,
            self.epochs,
        )
        notes += sentences.about_the_sum(
            [
                Share(subset, times, [row.size for row in found])
                for (subset, found), times in zip(shares, repeats, strict=True)
            ],
            self._buckets,
            Asked(self.steps, self.epochs, self.batch, parts=bool(self.subset)),
        )
        out = Path(self.out) if self.out else dataset.path / "train"
        masked = any(row.masked for row in rows)
        notes += _about_masks(rows, out)
        folders = [
            f"{times}_{safe_stem(subset.name) if self.subset else name}"
            for (subset, _), times in zip(shares, repeats, strict=True)
        ]
        keep, said = self._fixed(rows)
        notes += said
        training = Training(
            name=name,
            out=place_of(out),
            loras=(dataset.path / "lora").resolve(),
            folders=list(zip(folders, repeats, strict=True)),
            family=self._row,
            buckets=self._buckets,
            batch=self.batch,
            epochs=self.epochs,
            keep=keep,
            marked=self.mark,
            masks=mask_folder.FOLDER * masked,
            chunk=next(
                (c for c in tokens.CHUNKS if max(r.tokens for r in rows) <= c), tokens.CHUNKS[-1]
            ),
            base=base_of(self.base),
            rank=self.rank,
            alpha=self.alpha or self.rank / 2,
            flip=self.flip,
            low=self.low_memory,
        )
        if self.low_memory and not kohya_config.shuffled(training):
            notes.append(Note("tags are not shuffled: the text encoders' outputs are cached"))
        files = self._files(dataset, training, [found for _, found in shares])
        total = len(rows) * (3 if masked else 2) + 2
        last = [Note(f"for kohya's trainer: {kohya_config.command(training)}")]
        yield from put(
            out,
            files,
            what="repeats",
            total=total,
            wrote=folders,
            copy=self.copy,
            first=notes,
            last=last,
        )

    @cached_property
    def _subsets(self) -> tuple[Subset, ...]:
        return subsets_of(self.subset) or (Subset("all"),)

    @cached_property
    def _row(self) -> Family:
        return named(self.family)

    @cached_property
    def _buckets(self) -> Buckets:
        return asked_for(self.resolution or self._row.resolution)

    def _fixed(self, rows: Sequence[Row]) -> tuple[int, list[Note]]:
        """The keep_tokens of all, and what is to be said where pictures differ in it."""
        found = Counter(row.keep or USUAL.keep_tokens for row in rows)
        if len(found) == 1 or self.mark:
            return min(found), []
        return min(found), [
            Note(
                f"{min(found)} to {max(found)} first tags are fixed, by picture; kohya's "
                f"keep_tokens is {min(found)} for all (--mark sets each picture's own off by |||)"
            )
        ]

    def _about_subsets(
        self, dataset: Dataset, rows: Sequence[Row], sharing: Sharing
    ) -> Iterator[Note]:
        """Say of pictures in no subset and of subsets without pictures; refuse if all are empty."""
        for folder, names in sharing.unfound():
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            is_ = "is not a picture" if len(names) == 1 else "are not pictures"
            yield Note(
                f"{', '.join(names[:3])}{more} in {folder} {is_} of the dataset", warning=True
            )
        counts = Counter(row.subset for row in rows)
        for number, subset in enumerate(self._subsets):
            if counts[number]:
                continue
            so = f"the subset {subset.name!r} is empty"
            if subset.is_folder:
                text = f"no picture of the dataset is in {subset.meant}; {so}"
            elif subset.meant:
                text = unmet(subset.meant, dataset.records, so)
            else:
                text = f"every picture is in another subset; {so}"
            if len(counts) == 1 and counts[None]:
                raise UsageError(f"{text}; there is nothing to write")
            yield Note(text, warning=bool(subset.meant))
        if counts[None]:
            are = "1 picture is" if counts[None] == 1 else f"{counts[None]:,} pictures are"
            yield Note(
                f'{are} in no subset and left out (--subset "rest: x1" takes them in)', warning=True
            )

    def _files(
        self, dataset: Dataset, training: Training, shares: Sequence[Sequence[Row]]
    ) -> Iterator[File]:
        """Each file of the export in turn; a record is read when its turn comes."""
        read = reader(dataset)
        for (folder, _), rows in zip(training.folders, shares, strict=True):
            for row in rows:
                record = read(row.key)
                yield picture(record, f"{folder}/{record.picture.path.stem}", READ)
                keep = (row.keep or USUAL.keep_tokens) if self.mark else 0
                text = caption_line(record, keep) or training.name
                yield File(f"{folder}/{record.picture.path.stem}.txt", f"{text}\n".encode())
        if training.masks:
            for rows in shares:
                yield from (mask_folder.mask(read(row.key), training.masks) for row in rows)
        yield File(kohya_config.DATASET, kohya_config.dataset_toml(training))
        yield File(kohya_config.TRAIN, kohya_config.train_toml(training))


def _row(record: Record, sharing: Sharing) -> Row:
    masked = bool(hidden(record))
    return Row(
        key=record.key,
        subset=sharing(record),
        size=record.picture.size,
        keep=fixed_tags(record),
        tokens=tokens.count(caption_line(record)),
        leads=tuple(leads_of(record)),
        bare=not record.tags,
        masked=masked,
        stale=outdated(record),
        turned=masked and read_more(record.picture.path).turn > 1,
    )


def _about_captions(rows: Sequence[Row]) -> Iterator[Note]:
    bare = sum(row.bare for row in rows)
    if bare:
        have = "1 picture has" if bare == 1 else f"{bare} pictures have"
        yield Note(f"{have} no caption; the folder's name stands in", warning=True)
    long = tokens.too_long((row.tokens for row in rows), tokens.CHUNKS[-1])
    if long:
        yield Note(long, warning=True)


def _about_masks(rows: Sequence[Row], out: Path) -> Iterator[Note]:
    """Say which pictures are learned in part, and what stands in the way of it."""
    stale = sum(row.stale for row in rows)
    if stale:
        which = "1 picture has" if stale == 1 else f"{stale} pictures have"
        yield Note(
            f"{which} changed since text was found there, and would be learned whole; "
            "run dsk text again",
            warning=True,
        )
    masked = sum(row.masked for row in rows)
    if masked:
        yield Note(
            f"{masked} of {of(len(rows), 'picture')} {'is' if masked == 1 else 'are'} "
            f"learned in part: masks in {out / mask_folder.FOLDER}"
        )
    turned = sum(row.turned for row in rows)
    if turned:
        yield Note(
            f"{turned} of the masks {'is of a picture' if turned == 1 else 'are of pictures'} that "
            f"{'its' if turned == 1 else 'their'} EXIF turns, which kohya's trainers do not do; "
            "dsk upright rewrites such files",
            warning=True,
        )
