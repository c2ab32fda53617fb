"""A pipeline: stages with their options, read from YAML and checked before anything runs.

::

    dataset: shimakaze
    stages:
      - grab: {query: "shimakaze_(kancolle) order:score", limit: 60}
      - tag
      - clean: {drop: [absurdres]}
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from datasetkit.catalog import STAGES, name_of, stage_class
from datasetkit.errors import ModelError, UsageError, did_you_mean
from datasetkit.plain_yaml import read_yaml
from datasetkit.stage import Stage, options_of

MAX_BYTES = 1024 * 1024

# pydantic's kinds of fault in words for people.
_WORDS = {
    "int": "must be a whole number",
    "float": "must be a number",
    "bool": "must be true or false",
    "string": "must be text",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than_equal": "must be {le:g} or less",
}

# A whole command, or an option by itself, with a blank where its value follows.
_ON_THE_LINE = re.compile(
    r"dsk [a-z]+(?: --[a-z-]+(?: [A-Z0-9]+\b)?)+|--(?P<option>[a-z]+(?:-[a-z]+)*)"
    r"(?P<value> (?=[A-Z0-9]))?"
)


@dataclass(frozen=True)
class Pipeline:
    """Stages in their order, and the dataset folder they work on ("" leaves it to the caller).

    ``alone`` marks the one stage of a sub-command, which always looks again. ``file`` is where
    the stages were read.
    """

    stages: tuple[Stage, ...]
    dataset: str = ""
    alone: bool = False
    file: str = field(default="", compare=False)

    def check(self) -> None:
        """Raise now what would otherwise fail an hour into a run."""
        for stage in self.stages:
            with self.naming(stage):
                stage.check()

    @contextmanager
    def naming(self, *stages: Stage) -> Iterator[None]:
        """Say of what these stages refuse where they were read, in the words of that file."""
        try:
            yield
        except (UsageError, ModelError) as error:
            if not self.file:
                raise
            names = "+".join(map(name_of, stages))
            text = in_yaml(str(error), stages)
            raise type(error)(f"{self.file}: stage '{names}': {text}") from error


def in_yaml(text: str, stages: Iterable[Stage]) -> str:
    """A sentence that names options as the command line does, for readers of a pipeline.

    ``--fast`` becomes ``'fast'`` and ``--base FILE`` becomes ``base: FILE``; options that these
    stages have not, and whole commands (``dsk clean --drop NAME``), stay.
    """
    options = {option.name for stage in stages for option in options_of(stage)}

    def said(found: re.Match[str]) -> str:
        name = (found["option"] or "").replace("-", "_")
        if name not in options:
            return found[0]
        return f"{name}: " if found["value"] else f"'{name}'"

    return _ON_THE_LINE.sub(said, text)


def build(name: str, options: Mapping[str, Any]) -> Stage:
    """Make a stage from plain values, or refuse by the stage's and the option's name.

    A text for an option that takes several is split at its commas, as on the command line; for
    one that takes text a number will do, a list stands for its items side by side, and numbers by
    name for ``name=number``.
    """
    from pydantic import TypeAdapter, ValidationError

    kind = stage_class(name)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in options:
        if key not in fields:
            near = did_you_mean(str(key), fields)
            if isinstance(key, int):  # {threshold: 0,5} is a threshold of 0, and 5
                near = "a number has a point where it is broken (0.5)"
            raise UsageError(f"stage '{name}' has no option '{key}'; {near}")
    values = {key: _given(value, fields[key]) for key, value in options.items()}
    try:
        stage: Stage = TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise UsageError(f"stage '{name}': {_first_fault(error.errors()[0])}") from error
    return stage


def call_of(stage: Stage) -> dict[str, dict[str, Any]]:
    """A stage as YAML writes it: its name, and the options that differ from their defaults."""
    return {name_of(stage): stage.changed_options()}


def load(path: Path, overrides: Sequence[str] = ()) -> Pipeline:
    """Read a pipeline file; ``overrides`` are ``stage.option=value`` words of the command line.

    Raises UsageError naming the file and the stage, key or value that is wrong.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path}: larger than {MAX_BYTES:,} bytes; that is no pipeline")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the pipeline {path}: {_unreadable(path, error)}") from error
    try:
        return dataclasses.replace(parse(text, overrides), file=str(path))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _unreadable(path: Path, error: OSError | UnicodeDecodeError) -> str:
    """Why a file cannot be read, in a sentence."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    if isinstance(error, IsADirectoryError) or path.is_dir():
        return "it is a folder, and a pipeline is a YAML file"
    if isinstance(error, FileNotFoundError):
        there = {file.stem: file.name for file in path.parent.glob("*.y*ml")}
        near = get_close_matches(path.stem, there, n=1)
        return "there is no such file" + (f"; did you mean {there[near[0]]}?" if near else "")
    return error.strerror or type(error).__name__


def parse(text: str, overrides: Sequence[str] = ()) -> Pipeline:
    """Read a pipeline from YAML text; see :func:`load`."""
    data = read_yaml(text)
    if not isinstance(data, dict):
        raise UsageError("a pipeline is a mapping with the keys 'dataset' and 'stages'")
    for key in data:
        if key not in {"dataset", "stages"}:
            near = did_you_mean(str(key), ("dataset", "stages"))
            raise UsageError(f"a pipeline has no key '{key}'; {near}")
    dataset, calls = data.get("dataset", ""), data.get("stages")
    if not isinstance(dataset, str):
        raise UsageError(f"dataset must be the name of a folder, not {dataset!r}")
    if not isinstance(calls, list) or not calls:
        raise UsageError("'stages' must be a list with at least one stage")
    plain = [_call(item) for item in calls]
    for override in overrides:
        _override(plain, override)
    return Pipeline(tuple(build(name, options) for name, options in plain), dataset)


def _call(item: object) -> tuple[str, dict[str, Any]]:
    """Read one entry of ``stages``: ``tag``, or ``crop: {ratio: 2}``."""
    if isinstance(item, str):
        return item, {}
    if isinstance(item, dict) and len(item) == 1:
        name, options = next(iter(item.items()))
        if options is None:
            return str(name), {}
        if isinstance(options, dict):
            return str(name), dict(options)
        raise UsageError(f"stage '{name}': its options must be a mapping, not {options!r}")
    raise UsageError(f"a stage is a name, or a name with its options, not {item!r}")


def _override(calls: list[tuple[str, dict[str, Any]]], override: str) -> None:
    target, equals, value = override.partition("=")
    name, dot, key = target.partition(".")
    if not (equals and dot and key):
        raise UsageError(f"--set takes STAGE.OPTION=VALUE, not {override!r}")
    if name not in STAGES:
        raise UsageError(f"--set: there is no stage '{name}'; {did_you_mean(name, STAGES)}")
    named = [options for stage, options in calls if stage == name]
    if not named:
        raise UsageError(f"--set {override}: the pipeline has no stage '{name}'")
    for options in named:
        options[key] = value


def _given(value: Any, option: "dataclasses.Field[Any]") -> Any:
    """A value as its option takes it, where YAML has other words for the same."""
    kind = str(option.type)
    if "tuple" in kind:
        value = [value] if _is_number(value) else value
        if isinstance(value, list) and "str" in kind:
            return [str(item) if _is_number(item) else item for item in value]
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if "str" not in kind:
        return value
    if _is_number(value):
        return str(value)
    query = option.metadata.get("argument")
    if isinstance(value, list) and all(isinstance(i, str) or _is_number(i) for i in value):
        return (" " if query else ",").join(map(str, value))
    if isinstance(value, dict) and not query and all(map(_is_number, value.values())):
        return ",".join(f"{key}={number}" for key, number in value.items())
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _first_fault(fault: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] in {"missing", "missing_argument"}:
        return f"the option '{where}' is required"
    said = next((text for kind, text in _WORDS.items() if fault["type"].startswith(kind)), "")
    limits = fault.get("ctx", {})
    said = said.format(**limits) if said else f"{fault['msg'][0].lower()}{fault['msg'][1:]}"
    given = fault["input"]
    broken = fault["type"].startswith("float") and isinstance(given, str)
    comma = broken and re.fullmatch(r"-?\d*,\d+", given.strip())
    hint = f"; write {given.strip().replace(',', '.')}" if comma else ""
    return f"{where}: {said}, not {given!r}{hint}"
