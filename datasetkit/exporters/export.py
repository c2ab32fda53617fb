"""The ``export`` stage: the dataset in the form that another program reads."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from datasetkit.buckets import Buckets, asked_for
from datasetkit.dataset import Dataset
from datasetkit.errors import UsageError, did_you_mean
from datasetkit.exporters import push
from datasetkit.exporters.chosen import base_of, chosen, fixed_tags, leads_of, name_of, reader
from datasetkit.exporters.file import File
from datasetkit.exporters.formats import (
    ai_toolkit,
    diffusion_pipe,
    imagefolder,
    onetrainer,
    parquet,
    plain,
    webdataset,
)
from datasetkit.exporters.formats.order import Order, Row, site_of
from datasetkit.exporters.standing import CACHES
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
from datasetkit.where import where

_HUB = frozenset({"push", "private"})
_LINKS = frozenset({"copy"})
_SHARDS = _HUB | {"shard"}
_TRAINER = _LINKS | {"steps", "epochs", "batch", "family", "base", "resolution"}
_KOHYA = ("kohya", "kohya_ss", "kohya-ss", "sd-scripts", "sd_scripts", "repeats")


class Format(NamedTuple):
    """A form of export: what it is, how its files come about, and which options are for it."""

    says: str
    files: Callable[[Order], Iterator[File]]
    about: Callable[[Order], Iterable[Note]] = lambda order: ()
    takes: frozenset[str] = frozenset()
    check: Callable[[Family], None] = lambda family: None
    masks: bool = True  # it has a place for them
    upright: bool = False  # its readers turn pictures by their EXIF, as masks are
    caches: tuple[str, ...] = CACHES


FORMATS = {
    "imagefolder": Format(
        "pictures and metadata.jsonl, for load_dataset('imagefolder')",
        imagefolder.files,
        takes=_HUB | _LINKS,
        upright=True,
    ),
    "parquet": Format(
        "Parquet files that hold the pictures, for datasets",
        parquet.files,
        takes=_SHARDS,
        check=lambda family: parquet.check(),
        upright=True,
    ),
    "webdataset": Format(
        "tar shards of pictures, captions and JSON", webdataset.files, takes=_SHARDS
    ),
    "onetrainer": Format(
        "pictures, captions and concepts.json", onetrainer.files, onetrainer.about, _TRAINER
    ),
    "ai-toolkit": Format(
        "pictures, captions and config.yaml",
        ai_toolkit.files,
        ai_toolkit.about,
        _TRAINER,
        upright=True,
    ),
    "diffusion-pipe": Format(
        "pictures, captions, dataset.toml and config.toml",
        diffusion_pipe.files,
        diffusion_pipe.about,
        _TRAINER,
        diffusion_pipe.check,
        caches=(*CACHES, *diffusion_pipe.CACHES),
    ),
    "plain": Format("pictures and captions, nothing else", plain.files, takes=_LINKS, masks=False),
}
_FOR_ALL = frozenset({"form", "where", "out", "name"})


@dataclass(frozen=True)
class Export(Task):
    """Write the dataset in another program's form: datasets, OneTrainer, ai-toolkit and others.

    The forms are `imagefolder` (a folder for Hugging Face datasets, with metadata.jsonl),
    `parquet` (files that datasets loads, the pictures inside; needs datasetkit[parquet]),
    `webdataset` (tar shards), `onetrainer` (with concepts.json), `ai-toolkit` (with config.yaml),
    `diffusion-pipe` (with dataset.toml and config.toml) and `plain` (pictures and captions). For
    kohya's trainers there is `dsk repeats`.

    Pictures are hard links where the disk can: they take no space, but a picture that you edit in
    the folder is the dataset's own picture too. With `--copy` they are copies, safe to edit there.
    Run again after a change, the folder is brought up to date. A folder that holds other files, or
    files that were edited there, is refused, never emptied. What `dsk text --how mask`
    hid goes along as masks, white where training looks, wherever a form has a place for them.

    With `--push owner/name` an imagefolder, Parquet or WebDataset export is brought to the Hugging
    Face hub, with a card that lists the sites and states no licence; it is private unless you say
    `--no-private`. The token is the one of `hf auth login`, or HF_TOKEN.
    """

    form: str = opt(..., "which form: " + ", ".join(FORMATS), argument=True)
    where: str = opt("", "only the pictures for which this holds (see docs/filters.md)")
    out: str = opt("", "where the folder is written (default: export/FORM in the dataset)")
    name: str = opt("", "what the set or the LoRA is called (default: the character)")
    steps: int = opt(4000, "trainers: how many pictures the training should see", ge=1)
    epochs: int = opt(USUAL.epochs, "trainers: in how many rounds", ge=1)
    batch: int = opt(USUAL.batch, "trainers: pictures a step", ge=1)
    family: str = opt("sd1", "trainers: what the base is: " + ", ".join(FAMILIES))
    base: str = opt("", "trainers: the base model (default: DSK_BASE)")
    resolution: int = opt(0, "trainers: side of the square in pixels (0: the family's)", ge=0)
    copy: bool = opt(False, "pictures are copies, safe to edit there")
    shard: int = opt(500, "parquet, webdataset: MB of pictures in a file at most", ge=1)
    push: str = opt("", "bring it to this dataset repository of the hub, owner/name, when written")
    private: bool = opt(True, "the repository is made private")

    def check(self) -> None:
        """Raise for a form or an option that is none, and for a push that cannot succeed."""
        form = self._form
        strange = sorted(self.changed_options().keys() - _FOR_ALL - form.takes)
        if strange:
            forms = [name for name, other in FORMATS.items() if strange[0] in other.takes]
            raise UsageError(
                f"the form {self.form} takes no --{strange[0]}, which is for {', '.join(forms)}"
            )
        where(self.where)
        check_prompt(self.name)
        _ = self._buckets
        form.check(self._row)
        if self.push:
            push.check(self.push)

    def plan(self) -> str:
        """Say what is written, where, and where it is brought."""
        which = f", {self.where}" if self.where else ""
        then = f", then pushed to {self.push}" if self.push else ""
        return f"{self._form.says}{which}, written to {self._folder}{then}"

    def __call__(self, dataset: Dataset) -> Iterator[Work]:
        """Write the folder, or say that it is up to date, and push it where that is asked."""
        self.check()
        order, notes = self._order(dataset)
        form = self._form
        about = list(form.about(order))
        notes += [note for note in about if note.warning]
        last = [note for note in about if not note.warning]  # how it is started
        out = Path(self.out) if self.out else dataset.path / self._folder
        total = len(order.rows) * (3 if order.masked and form.masks else 2)
        yield from put(
            out,
            form.files(order),
            what=self.form,
            total=total,
            caches=form.caches,
            copy=self.copy,
            first=notes,
            last=last,
        )
        if self.push:
            yield from push.push(out, self.push, private=self.private)

    @cached_property
    def _form(self) -> Format:
        if self.form.lower() in _KOHYA:
            raise UsageError("what kohya's trainers read is written by dsk repeats")
        if self.form not in FORMATS:
            raise UsageError(f"there is no form {self.form!r}; {did_you_mean(self.form, FORMATS)}")
        return FORMATS[self.form]

    @property
    def _folder(self) -> str:
        return self.out or f"export/{self.form}"

    @cached_property
    def _row(self) -> Family:
        return named(self.family)

    @cached_property
    def _buckets(self) -> Buckets:
        return asked_for(self.resolution or self._row.resolution)

    def _order(self, dataset: Dataset) -> tuple[Order, list[Note]]:
        """Choose the pictures, and count what is to be said of them."""
        seen = _Seen()
        test = where(self.where)
        asked = (record for record in dataset.records if test(record))
        rows, notes = chosen(asked, seen.take)
        if not rows and not notes:
            if self.where and any(True for _ in islice(dataset.records, 1)):
                raise UsageError(unmet(self.where, dataset.records, "there is nothing to write"))
            raise UsageError(f"there are no pictures in {dataset.path} to export")
        if not rows:
            raise UsageError(f"{notes[0].text}: none is left to export")
        notes += seen.notes(self.form, self._form, masked=any(row.masked for row in rows))
        out = Path(self.out) if self.out else dataset.path / self._folder
        fixed = {row.keep or USUAL.keep_tokens for row in rows}
        known = self.name or name_of(seen.leads.elements())
        order = Order(
            name=safe_stem(known or dataset.path.resolve().name),
            out=place_of(out),
            loras=(dataset.path / "lora").resolve(),
            rows=rows,
            read=reader(dataset),
            sites=seen.sites,
            adult=seen.adult,
            family=self._row,
            buckets=self._buckets,
            base=base_of(self.base),
            steps=self.steps,
            epochs=self.epochs,
            batch=self.batch,
            keep=min(fixed),
            shard=self.shard * 1_000_000,
        )
        return order, notes


class _Seen:
    """What is counted while the pictures are chosen, so that they are read once."""

    def __init__(self) -> None:
        self.sites: Counter[str] = Counter()
        self.adult = False
        self.leads: Counter[tuple[str, str]] = Counter()
        self._bare = self._stale = self._turned = 0

    def take(self, record: Record) -> Row:
        masked = bool(hidden(record))
        self.sites[site_of(record)] += 1
        self.adult |= record.origin.rating in {"q", "e"}
        self.leads.update(leads_of(record))
        self._bare += not record.tags
        self._stale += outdated(record)
        self._turned += masked and read_more(record.picture.path).turn > 1
        return Row(
            key=record.key,
            size=record.picture.size,
            keep=fixed_tags(record),
            masked=masked,
            told=2 * (record.origin.score is not None) + bool(record.tags),
        )

    def notes(self, name: str, form: Format, *, masked: bool) -> list[Note]:
        """What is to be said of captions and masks before anything is written."""
        said = []
        if self._bare:
            have = "1 picture has" if self._bare == 1 else f"{self._bare} pictures have"
            said.append(f"{have} no caption")
        if self._stale:
            have = "1 picture has" if self._stale == 1 else f"{self._stale} pictures have"
            said.append(
                f"{have} changed since text was found there, and would be learned whole; "
                "run dsk text again"
            )
        if masked and not form.masks:
            said.append(f"masks have no place in the form {name}, and stay behind")
        elif self._turned and not form.upright:
            of = (
                "1 mask is of a picture"
                if self._turned == 1
                else f"{self._turned} masks are of pictures"
            )
            said.append(
                f"{of} turned by EXIF, which not every reader does; dsk upright rewrites them"
            )
        return [Note(text, warning=True) for text in said]
