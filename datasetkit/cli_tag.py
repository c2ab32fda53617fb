"""What ``dsk tag`` does besides tagging: it explains one picture, and compares with the booru."""

import os
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datasetkit.errors import DatasetkitError, PictureError, UsageError

if TYPE_CHECKING:
    from datasetkit.dataset import Dataset
    from datasetkit.record import Record
    from datasetkit.screen import Screen
    from datasetkit.taggers.compare import Compared
    from datasetkit.taggers.tag import Tagging
    from datasetkit.taggers.truth import Truth

LEAST = 5
_SHORT = {"fast", "best"}  # options that name a model


def instead(
    stage: "Tagging", dataset: Path, screen: "Screen", dry_run: bool, as_json: bool,
    *,
    explain: Annotated[
        Path | None,
        typer.Option(metavar="PICTURE", help="only show what the model sees on one picture, a "
                     "file or one of the dataset by its name, and why that is a tag or not"),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="only measure the model by the booru's own tags in the "
                     "dataset, or by captions; several models also by their vote"),
    ] = False,
    least: Annotated[
        int | None,
        typer.Option(help="with --compare: the mean of F1 is over tags that stand on so many "
                     f"pictures [default: {LEAST}]"),
    ] = None,
) -> bool:  # fmt: skip
    """Do what one of the options asks for; say whether it went well for all pictures."""
    if least is not None and least < 1:
        raise UsageError(f"least: must be 1 or more, not '{least}'")
    if least and not compare:
        raise UsageError("least: it belongs to --compare")
    if explain and compare:
        raise UsageError("one at a time: --explain or --compare")
    if explain:
        _explain(stage, explain, dataset, screen, as_json=as_json)
        return True
    return _compare(stage, dataset, screen, least or LEAST, as_json=as_json, write=not dry_run)


def _explain(
    stage: "Tagging", path: Path, folder: Path, screen: "Screen", *, as_json: bool
) -> None:
    from datasetkit.compare_shown import explained_facts, show_explained

    try:
        record = _meant(path, folder)
        stage.check()
        told = stage.explain(record)
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from error
    concerned = stage.concerns(record)
    screen.close()
    for model, lines in told.lines.items():
        if as_json:
            _write_line(explained_facts(record.picture.path, model, lines, told.aside, concerned))
        else:
            show_explained(model, lines, rater=model not in stage.names)
    if as_json:
        return
    if told.aside:
        names = ", ".join(tag.name for tag in told.aside)
        sys.stdout.write(f"set aside by --merge {stage.merge}: {names}\n")
    if not concerned:
        sys.stdout.write("--where does not mean this picture: dsk tag would leave it as it is\n")


def _meant(path: Path, folder: Path) -> "Record":
    """The picture of a path, or of a key or file name in the dataset; with its tags if it is there.

    Raises UsageError where there is none.
    """
    from datasetkit.dataset import Dataset
    from datasetkit.dataset.hand import as_edited
    from datasetkit.dataset.places import MEMORY
    from datasetkit.pixels import Picture, read_header
    from datasetkit.record import Record

    there, where, keys = path.exists(), "", list[str]()
    if path.is_dir():
        raise UsageError(f"explain: {path} is a folder; name one picture")
    inside = path.resolve().parent == folder.resolve() if there else path.name == str(path)
    if inside and (folder / MEMORY).is_dir():
        with Dataset(folder) as dataset:
            for record in filter(None, map(dataset.record, (path.name, path.stem))):
                if path.name in {record.key, record.picture.path.name}:
                    return as_edited(dataset.journal, dataset.path, record)
            where, keys = f", here or in {folder}", dataset.journal.kept.in_order()
    if not there:
        near = get_close_matches(path.name, keys, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise UsageError(f"explain: there is no picture {path}{where}{hint}")
    return Record(path.stem, Picture(path, read_header(path)[1]))


def _compare(
    stage: "Tagging", folder: Path, screen: "Screen", least: int, *, as_json: bool, write: bool
) -> bool:
    from datasetkit.compare_shown import advice_of, compared_facts, show_compared
    from datasetkit.dataset import Dataset
    from datasetkit.dataset.dataset import cannot_write
    from datasetkit.taggers.compare_files import written

    stage.check()
    with Dataset(folder) as dataset:
        found, failed = _measured(stage, dataset, screen, least)
    screen.close()
    for name, why in failed.items():
        screen.say(f"  {name}: {why}")
    said = stage.changed_options()
    for text, one in found.items():
        model = {"model": text} if "model" in said else {n: said[n] for n in said.keys() & _SHORT}
        advice = advice_of(one, model, folder) if text else ""  # a vote has no threshold
        try:
            files = written(one, folder) if write and text and one.often else ()
        except OSError as error:
            raise cannot_write(folder, error) from error
        if as_json:
            _write_line(compared_facts(one, files, advice))
        else:
            show_compared(one, files, advice)
    return not failed


def _measured(
    stage: "Tagging", dataset: "Dataset", screen: "Screen", least: int
) -> "tuple[dict[str, Compared], dict[str, str]]":
    """What was found of each model, as the command line names it; and the pictures that failed."""
    from datasetkit.dataset.hand import as_edited
    from datasetkit.engines.events import Advanced, Began
    from datasetkit.taggers.compare import Comparison
    from datasetkit.taggers.truth import truth_of
    from datasetkit.threads import in_order

    records, names, looked, prose = dataset.records, stage.names, 0, 0
    failed = dict[str, str]()
    texts = dict.fromkeys(text.strip() for text in stage.model.split(",") if text.strip())
    comparisons = {t: Comparison([part]) for t, part in zip(texts, stage.parts, strict=True)}
    if len(comparisons) > 1:
        comparisons[""] = Comparison(stage.parts, stage.vote)

    def work(record: "Record") -> "tuple[Truth, Mapping[str, Mapping[str, Any]] | str]":
        truth = truth_of(record, names)
        try:
            return truth, stage.answers(record) if truth.names else {}
        except PictureError as error:
            return truth, str(error)
        except DatasetkitError:
            raise
        except (Exception, MemoryError) as error:  # one bad file never stops the rest
            return truth, f"{type(error).__name__}: {error}".splitlines()[0][:200]
        finally:
            record.picture.forget()

    screen.show(Began("compare", len(records)))
    counted = 0
    edited = (as_edited(dataset.journal, dataset.path, record) for record in records)
    for done, (record, (truth, answers)) in enumerate(
        in_order(work, edited, os.cpu_count() or 1), 1
    ):
        if isinstance(answers, str):
            failed[record.picture.path.name] = answers
        elif truth.names:
            counted += 1
            known = record.facts.get("tag", {})
            looked += any(fact is not known.get(name) for name, fact in answers.items())
            for one in comparisons.values():
                one.add(record.key, truth, answers)
        else:
            prose += truth.prose
        screen.show(Advanced("compare", done, len(records), record.key))
    if prose:
        screen.say(f"left out, captions in prose: {prose} of {len(records)}")
    if not counted:
        screen.say(_nothing(len(records), len(failed), dataset.path))
        return {}, failed
    bare = len(records) - counted - prose - len(failed)
    if bare:
        screen.say(f"left out, without tags of a site or a person: {bare} of {len(records)}")
    if looked:
        screen.say(f"looked at for this: {looked} of {len(records)}; dsk tag keeps what it sees")
    return {text: one.compared(least) for text, one in comparisons.items()}, failed


def _nothing(pictures: int, failed: int, folder: Path) -> str:
    if not pictures:
        return f"{folder} has no pictures to compare on; dsk grab QUERY brings some with their tags"
    if failed:
        return f"none of the pictures of {folder} that have tags can be read"
    return (
        f"no picture in {folder} has tags of a booru or a person to compare with; dsk grab QUERY "
        "brings pictures with their tags, dsk refresh fetches those of pictures that are there"
    )


def _write_line(facts: dict[str, Any]) -> None:
    import json

    sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
