"""One definition, four faces: each stage of the catalog is walked from Python to its page."""

import dataclasses
import importlib.util
import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datasetkit.catalog import STAGES, name_of, stage_class
from datasetkit.errors import UsageError
from datasetkit.pipeline import build, call_of, parse
from datasetkit.stage import Map, Source, Task, Whole

REPOSITORY = Path(__file__).parent.parent
HEAVY = {"numpy", "pandas", "PIL", "onnxruntime", "torch", "diffusers", "transformers"}
CommandLine = Callable[..., subprocess.CompletedProcess[str]]

spec = importlib.util.spec_from_file_location("make_docs", REPOSITORY / "scripts/make_docs.py")
assert spec and spec.loader
make_docs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_docs)


def required(name: str) -> dict[str, str]:
    fields = dataclasses.fields(stage_class(name))
    return {field.name: "x" for field in fields if field.default is dataclasses.MISSING}


@pytest.mark.parametrize("name", STAGES)
class TestEachStage:
    def test_is_a_frozen_dataclass_of_one_shape(self, name: str) -> None:
        kind = stage_class(name)
        assert sum(issubclass(kind, shape) for shape in (Source, Map, Task, Whole)) == 1
        stage = kind(**required(name))
        assert name_of(stage) == name
        for field in dataclasses.fields(kind):
            assert field.metadata["description"]
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(stage, field.name, None)

    def test_its_help_is_its_docstring(self, name: str) -> None:
        text = inspect.getdoc(stage_class(name)) or ""
        assert text.splitlines()[0] == STAGES[name].help
        assert text.splitlines()[0].endswith(".")

    def test_is_a_yaml_entry_with_the_same_options(self, name: str) -> None:
        stage = stage_class(name)(**required(name))
        text = json.dumps({"stages": [call_of(stage)]})
        assert parse(text).stages == (stage,)
        with pytest.raises(UsageError, match="has no option 'nonsense'"):
            build(name, {**required(name), "nonsense": 1})

    def test_is_a_command_with_the_same_options(
        self, name: str, dsk: CommandLine, tmp_path: Path
    ) -> None:
        done = dsk(name, "--help", COLUMNS="200")
        assert done.returncode == 0
        shown = " ".join(done.stdout.split())
        assert STAGES[name].help in shown
        for field in dataclasses.fields(stage_class(name)):
            word = field.name.upper() if field.metadata.get("argument") else f"--{field.name}"
            assert word.replace("_", "-") in shown.replace("_", "-")
        for common in ("--dataset", "--dry-run", "--json", "--quiet"):
            assert common in shown

    def test_has_its_page(self, name: str) -> None:
        path = REPOSITORY / "docs" / "stages" / f"{name}.md"
        assert path.read_text(encoding="utf-8") == make_docs.page(name)

    def test_has_one_file_and_one_test_file(self, name: str) -> None:
        module = STAGES[name].target.partition(":")[0].split(".")
        assert (REPOSITORY / Path(*module)).with_suffix(".py").exists()
        tests = REPOSITORY / "tests" / Path(*module[1:-1])
        assert any(
            f"import {stage_class(name).__name__}" in p.read_text()
            or f"{stage_class(name).__name__}," in p.read_text()
            for p in tests.glob("test_*.py")
        )


def loaded_by(*words: str) -> set[str]:
    """The heavy libraries that a command line has loaded when it ends."""
    code = (
        "import sys, atexit\n"
        "from datasetkit.cli import main\n"
        "atexit.register(lambda: print('LOADED', *sys.modules))\n"
        f"sys.argv = {['dsk', *words]!r}\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules: Any = done.stdout.rpartition("LOADED")[2].split()
    return {name.partition(".")[0] for name in modules} & (HEAVY | {"requests"})


def test_help_loads_nothing_heavy() -> None:
    assert loaded_by("--help") == set()


@pytest.mark.parametrize("name", STAGES)
def test_a_stages_help_loads_nothing_heavy(name: str) -> None:
    assert loaded_by(name, "--help") == set()


def test_the_overview_of_the_pages_is_current() -> None:
    text = (REPOSITORY / "docs/stages/README.md").read_text(encoding="utf-8")
    assert text == make_docs.overview()


def test_an_unknown_stage_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="there is no stage 'flaten'; did you mean 'flatten'"):
        stage_class("flaten")
