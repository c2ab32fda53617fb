"""``dsk models``: which taggers there are, which are here, whole and the right ones."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datasetkit.errors import Interrupted, ModelError

if TYPE_CHECKING:
    from datasetkit.hub import Told
    from datasetkit.pixels import Picture
    from datasetkit.taggers.models import Model

Json = Annotated[bool, typer.Option("--json", help="one object a line on stdout, for programs")]
OneName = Annotated[
    str, typer.Argument(metavar="NAME", help="a name of dsk models list, a repository or a folder")
]
Names = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="names of dsk models list, or repositories")
]

models = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="List, fetch, check and shrink the models that tag pictures.",
)


@models.command("list")
def list_models(as_json: Json = False) -> None:
    """List the taggers that are known: what for, how large, which licence, here or not."""
    from datasetkit.models_shown import facts_of, rows, show_all
    from datasetkit.sites_shown import write_lines

    found = rows()
    if as_json:
        write_lines(facts_of(row) for row in found)
    else:
        show_all(found)


@models.command()
def get(names: Names) -> None:
    """Fetch models; a download that broke off goes on, and every file is checked.

    They lie in the cache of Hugging Face (HF_HOME); HF_ENDPOINT names a mirror. Exit code 1 where
    one could not be fetched; the others are.
    """
    from datasetkit import hub
    from datasetkit.screen import log_on, open_screen
    from datasetkit.taggers.models import model_named

    failed = False
    screen = open_screen(as_json=False, quiet=False)
    try:
        with _interruptible(), log_on(screen):
            for name in names:
                try:
                    model = model_named(name)
                    found = hub.folder(model.source, model.files, model.revision, sums=model.sums)
                except ModelError as error:
                    failed = True
                    screen.say(f"{name}: {error}")
                else:
                    screen.say(f"{model.name} is in {found / model.subfolder}")
    finally:
        screen.close()
    if failed:
        raise typer.Exit(1)


@models.command()
def path(name: OneName) -> None:
    """Print the folder of a model; exit code 1 with a sentence where it is not here."""
    sys.stdout.write(f"{_here(name)[1]}\n")


@models.command()
def check(name: OneName, as_json: Json = False) -> None:
    """Check a model: its files, their sums, its labels, and its answers to test pictures.

    Says on which hardware it runs, and how long a picture takes in one thread. Exit code 1 with
    the first thing that is wrong.
    """
    from datasetkit.models_shown import examined_facts, show_examined
    from datasetkit.sites_shown import write_lines
    from datasetkit.taggers.examine import examine
    from datasetkit.taggers.models import model_named

    model = model_named(name)
    with _interruptible():
        found = examine(model)
    if as_json:
        write_lines([examined_facts(model, found)])
    else:
        show_examined(model, found)


@models.command()
def quantize(
    name: OneName,
    dataset: Annotated[
        Path,
        typer.Option(
            "--dataset", "-d", envvar="DSK_DATASET", metavar="DIR",
            help="a dataset, or a folder of pictures, to compare on",
        ),
    ] = Path("dataset"),
    pictures: Annotated[
        int, typer.Option(min=1, max=1000, help="how many of them, at most")
    ] = 32,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="where to put the copy")
    ] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Make an int8 copy of a model, and tell how far it agrees on your own pictures.

    It takes a quarter of the room, and on a processor half the time or less. Both models look at
    pictures of yours, for only those tell whether the copy is good enough for you. It needs the
    package onnx: pip install 'datasetkit[quantize]'.
    """
    from datasetkit.models_shown import compared_facts, show_compared
    from datasetkit.sites_shown import write_lines
    from datasetkit.taggers.models import int8_folder, model_named
    from datasetkit.taggers.quantize import check_tools, compared, mark_of, quantized
    from datasetkit.taggers.tagger import Tagger

    check_tools()
    model, folder = _here(name)
    with _interruptible():
        first = Tagger(model, folder)  # what is wrong with it is said before anything is made
        place = output or int8_folder(model, mark_of(model, folder))
        target = quantized(model, folder, place)
        copy = model_named(str(target))
        second = Tagger(copy, target)
        chosen = _pictures(dataset, pictures)
        found = None
        if chosen:
            with _bar("comparing") as told:
                found = compared(first, second, chosen, told)
    if as_json:
        write_lines([compared_facts(model, folder, target, found)])
    else:
        show_compared(model, folder, target, found, dataset)


def _here(name: str) -> "tuple[Model, Path]":
    from datasetkit import hub
    from datasetkit.taggers.examine import missing
    from datasetkit.taggers.models import model_named

    model = model_named(name)
    found = hub.local(model.source, model.files, model.revision, sums=model.sums)
    if found is None:
        raise ModelError(missing(model))
    return model, found / model.subfolder


def _pictures(folder: Path, most: int) -> "list[Picture]":
    """Pictures of a dataset, or of any folder, spread over the whole."""
    from datasetkit.dataset import Dataset
    from datasetkit.dataset.places import MEMORY
    from datasetkit.errors import PictureError
    from datasetkit.pixels import SUFFIXES, Picture, read_header

    if (folder / MEMORY).is_dir():
        with Dataset(folder) as dataset:
            records = dataset.records
            few = [records[place] for place in _spread(len(records), most)]
            return [record.picture for record in few]
    if not folder.is_dir():
        return []
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    found = []
    for place in _spread(len(files), most):
        try:
            found.append(Picture(files[place], read_header(files[place])[1]))
        except PictureError as error:
            _say(f"{files[place].name} is left out: {error}")
    return found


def _spread(count: int, most: int) -> list[int]:
    return [number * count // min(most, count) for number in range(min(most, count))]


@contextmanager
def _bar(what: str) -> Iterator["Told"]:
    """A progress bar on stderr, where that is a terminal; Ctrl-C becomes a sentence."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True, highlight=False)
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(),
        TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    task = progress.add_task(what, total=None)
    with _interruptible(), progress:
        yield lambda done, total: progress.update(task, completed=done, total=total or None)


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted("interrupted; run the same command again to go on") from error


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
