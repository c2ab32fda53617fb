"""The command line: every stage of the catalog as a sub-command, and what belongs to no stage.

Exit codes: 0 done (also when there was nothing to do), 1 failed, 2 wrong use, 3 done but some
pictures failed, 130 interrupted (run the same command again to go on).
"""

import dataclasses
import inspect
import os
import shlex
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from datasetkit import __version__, cli_models, cli_sites, cli_tags
from datasetkit.catalog import STAGES, stage_class
from datasetkit.errors import DatasetkitError, Interrupted, UsageError, did_you_mean
from datasetkit.stage import options_of

if TYPE_CHECKING:
    from datasetkit.pipeline import Pipeline
    from datasetkit.screen import Screen

FAILED_PICTURES = 3
# What a stage's sub-command can also do, in the stage's stead: the keyword options of a function.
INSTEAD = {"tag": "datasetkit.cli_tag:instead"}
GO_ON = "interrupted; run the same command again to go on"

DatasetOption = Annotated[
    Path,
    typer.Option(
        "--dataset", "-d", envvar="DSK_DATASET", help="the dataset's folder", metavar="DIR"
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would change, change nothing")]
Json = Annotated[bool, typer.Option("--json", help="one event a line on stdout, for programs")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="warnings and the last line only")]


class Commands(TyperGroup):
    """The sub-commands: those of the catalog are imported when they are called, not before."""

    _listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """All names: the stages in the order of the work, then the rest."""
        return [*STAGES, *self.commands]

    def get_command(self, ctx: Any, name: str) -> Any:
        """Find a command; while the overview is drawn, a stage's help is read from the catalog."""
        if name not in STAGES:
            found = super().get_command(ctx, name)
            if found is None:
                near = did_you_mean(name, self.list_commands(ctx))
                raise UsageError(f"there is no command '{name}'; {near}")
            return found
        if self._listing:
            return TyperCommand(name, help=STAGES[name].help)
        return stage_command(name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Draw the overview without importing a stage."""
        self._listing = True
        super().format_help(ctx, formatter)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="From a booru query to a clean, tagged dataset, a trained LoRA and its grid.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong use, 3 some pictures failed, 130 interrupted.",
)
app.command("sites")(cli_sites.sites)
app.add_typer(cli_sites.auth, name="auth")
app.add_typer(cli_models.models, name="models")
app.add_typer(cli_tags.tags, name="tags")


def main() -> None:
    """Run the command line; every refusal becomes a sentence on stderr and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # Windows consoles would choke on tags in kanji
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        app()
    except DatasetkitError as error:
        _refuse(error)
    except (SystemExit, KeyboardInterrupt, ImportError) as error:
        if not _by_ctrl_c(error):
            raise
        _refuse(Interrupted(GO_ON))
    except OSError as error:
        from datasetkit.dataset.dataset import cannot_write

        _refuse(cannot_write(Path(error.filename or ".").parent, error))


def _by_ctrl_c(error: BaseException | None) -> bool:
    """Say whether Ctrl-C is at the bottom of it: a library may wrap what fell into its import."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _refuse(error: DatasetkitError) -> None:
    sys.stderr.write(f"dsk: {error}\n")
    sys.stderr.flush()
    if isinstance(error, Interrupted) or any(t.name[:3] == "dsk" for t in threading.enumerate()):
        sys.stdout.flush()
        os._exit(error.exit_code)  # without waiting for downloads that nobody wants any more
    sys.exit(error.exit_code)


def stage_command(name: str) -> Any:
    """Make the sub-command of a stage from the fields of its class."""
    kind = stage_class(name)
    fields = options_of(kind)
    instead = _instead(name)
    others = _keywords(instead) if instead else []

    def command(
        dataset: DatasetOption = Path("dataset"),
        dry_run: DryRun = False,
        as_json: Json = False,
        quiet: QuietOption = False,
        **given: Any,
    ) -> None:
        from datasetkit.pipeline import Pipeline, build

        asked = {p.name: given.pop(p.name) for p in others}
        options = {key: value(key, said) for key, said in given.items() if said is not None}
        pipeline = Pipeline((build(name, options),), alone=True)
        if instead and any(x is not None and x is not False for x in asked.values()):
            with _screen(as_json=as_json, quiet=quiet) as screen:
                well = instead(pipeline.stages[0], dataset, screen, dry_run, as_json, **asked)
            raise typer.Exit(0 if well else FAILED_PICTURES)
        _execute(dataset, pipeline, dry_run=dry_run, as_json=as_json, quiet=quiet)

    arguments = {field.name for field in fields if field.metadata.get("argument")}

    def value(key: str, given: Any) -> Any:
        if not isinstance(given, list):
            return given
        return (" " if key in arguments else ",").join(given)  # a query needs no quotes

    own = [_parameter(field) for field in fields]
    signature = inspect.signature(command)
    common = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    parameters = [*own, *others, *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in common)]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    lone = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    lone.command(name, help=inspect.getdoc(kind))(command)
    return typer.main.get_command(lone)


@app.command()
def run(
    pipeline: Annotated[Path, typer.Argument(help="the pipeline's YAML file")],
    dataset: Annotated[
        Path | None,
        typer.Option("--dataset", "-d", envvar="DSK_DATASET", help="instead of the file's own"),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="STAGE.OPTION=VALUE", help="change an option of the file"),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: QuietOption = False,
) -> None:
    """Run the stages of a pipeline file; run again, it goes on or does nothing."""
    from datasetkit.pipeline import load

    loaded = load(pipeline, set_ or ())
    folder = dataset or Path(loaded.dataset or "dataset")
    _execute(folder, loaded, dry_run=dry_run, as_json=as_json, quiet=quiet)


@app.command()
def info(
    dataset: DatasetOption = Path("dataset"),
    where: Annotated[
        str,
        typer.Option(
            help="only the pictures for which this holds: solo and not comic (see docs/filters.md)"
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Show what is in a dataset: pictures, sizes, tags by kind, rejects, what was run."""
    from datasetkit.dataset import Dataset
    from datasetkit.info import facts_of, show

    with Dataset(dataset) as opened:
        facts = facts_of(opened, where)
    show(facts, as_json=as_json)


@app.command()
def undo(
    dataset: DatasetOption = Path("dataset"),
    yes: Annotated[
        bool, typer.Option("--yes", help="take pictures out also where export or such ran since")
    ] = False,
) -> None:
    """Take the last step back: captions, pixels, rejects and what was brought in.

    What export, repeats, report and such made is left; the step before them is taken back. Where
    that one brought pictures in, say so with --yes.
    """
    from datasetkit.cli_undo import take_back

    take_back(dataset, even_pictures=yes)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="where to put the demo's files")] = Path("demo"),
    quiet: QuietOption = False,
) -> None:
    """Run the whole length without network or graphics card, on drawn characters."""
    from datasetkit.demo.run import run_demo

    with _screen(as_json=False, quiet=quiet) as screen:
        verdict = run_demo(folder, screen.show)
    screen.say(verdict)


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def _execute(
    folder: Path, pipeline: "Pipeline", *, dry_run: bool, as_json: bool, quiet: bool
) -> None:
    """Run a pipeline, be it one stage of a sub-command, and end with a line and an exit code."""
    from datasetkit.dataset import Dataset
    from datasetkit.dataset.hand import pictures_in
    from datasetkit.dataset.places import MEMORY
    from datasetkit.engines.chain import plan, run_pipeline
    from datasetkit.engines.events import Ended
    from datasetkit.engines.local import run_leg
    from datasetkit.engines.sources import NothingKnown, survey
    from datasetkit.screen import last_line, surveyed
    from datasetkit.stage import Selective, Source, Task

    lone = pipeline.stages[0] if pipeline.alone else None
    with _screen(as_json=as_json, quiet=quiet) as screen:
        if isinstance(lone, Source) and not (as_json or quiet) and _someone_there():
            pipeline.check()
            meant = lone.settled(screen.choose)
            for name, value in meant.changed_options().items():
                if value != getattr(lone, name):
                    screen.say(f"to be asked no more, write {shlex.quote(str(value))}")
            lone = meant
        if dry_run and isinstance(lone, Source):
            pipeline.check()
            there = (folder / MEMORY).is_dir()
            with Dataset(folder) if there else nullcontext(NothingKnown(folder)) as known:
                outcomes = [survey(lone, known, screen.show)]
            screen.show(Ended(outcomes[0]))
            for line in surveyed(outcomes[0]):
                screen.say(line)
        elif dry_run and not isinstance(lone, Selective):
            for line in plan(folder, pipeline, screen.show):
                screen.say(line)
            outcomes = []
        else:
            pipeline.check()
            # A folder mistyped is not a new dataset: that takes something to put into it.
            brings = (s for s in pipeline.stages if not isinstance(s, Selective))
            make = any(isinstance(stage, (Source, Task)) for stage in brings)
            make = make or bool(pictures_in(folder))
            with Dataset(folder, write=not dry_run, make=make) as dataset:
                for note in dataset.notes:
                    screen.say(note)
                dataset.notes.clear()
                if lone:
                    outcomes = [run_leg(dataset, [lone], screen.show, dry_run=dry_run, alone=True)]
                else:
                    outcomes = run_pipeline(dataset, pipeline, screen.show)
                for note in dataset.notes:  # of what the run met on its way
                    screen.say(note)
    screen.say(last_line(outcomes, folder, dry_run=dry_run))
    if any(outcome.errors for outcome in outcomes):
        raise typer.Exit(FAILED_PICTURES)


def _someone_there() -> bool:
    """Say whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


@contextmanager
def _screen(*, as_json: bool, quiet: bool) -> Iterator["Screen"]:
    """Something to draw on while work is done; Ctrl-C becomes a sentence."""
    from datasetkit.screen import log_on, open_screen

    screen = open_screen(as_json=as_json, quiet=quiet)
    try:
        with log_on(screen, quiet=quiet):
            yield screen
    except KeyboardInterrupt as error:
        interrupted = Interrupted(GO_ON)
        screen.fail(interrupted)
        raise interrupted from error
    except DatasetkitError as error:
        screen.fail(error)
        raise
    finally:
        screen.close()


def _parameter(field: "dataclasses.Field[Any]") -> inspect.Parameter:
    """One option of a stage as a parameter of its sub-command.

    Values come as text and are judged where YAML's are, so that both faces refuse alike; only
    what is given on the command line is passed on.
    """
    several = "tuple" in str(field.type)
    required = field.default is dataclasses.MISSING
    help_ = field.metadata["description"]
    kind: Any = list[str] | None if several else str if required else str | None
    if field.metadata.get("argument"):
        kind = list[str]
        made: Any = typer.Argument(help=help_, metavar=field.name.upper())
    elif field.type in (bool, "bool"):
        kind = bool | None
        made = typer.Option(help=f"{help_} [default: {'yes' if field.default else 'no'}]")
    else:
        shown: Any = field.default
        shown = ",".join(map(str, shown)) if several else shown
        name = f"--{field.name.replace('_', '-')}"
        help_ = help_ if shown in ("", None) else f"{help_} [default: {shown}]"
        made = typer.Option(name, help=help_, metavar="A,B" if several else _metavar(field.type))
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else None,
        annotation=Annotated[kind, made],
    )


def _instead(name: str) -> Any:
    """The function of INSTEAD for a stage; None where it has none."""
    module, _, attribute = INSTEAD.get(name, "").partition(":")
    return getattr(import_module(module), attribute) if module else None


def _keywords(function: Any) -> list[inspect.Parameter]:
    return [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]


def _metavar(kind: Any) -> str:
    name = str(getattr(kind, "__name__", kind)).removesuffix(" | None")
    return {"int": "INTEGER", "float": "NUMBER"}.get(name, "TEXT")
