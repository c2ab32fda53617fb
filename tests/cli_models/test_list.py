"""``dsk models list`` and ``path``: which taggers there are, and where."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datasetkit.models_shown import rows as shown_rows
from datasetkit.taggers.models import MODELS
from tests.hub_server import Hub

CommandLine = Callable[..., subprocess.CompletedProcess[str]]
WD = "SmilingWolf/wd-v1-4-swinv2-tagger-v2"  # wd-swinv2-v2, of which nothing is pinned
PINNED = "SmilingWolf/wd-swinv2-tagger-v3"


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class TestList:
    def test_the_table_fits_and_names_every_model(self, here: CommandLine, places: Path) -> None:
        done = here("models", "list")
        assert (done.returncode, done.stderr) == (0, "")
        assert max(map(len, done.stdout.splitlines())) <= 100
        for name in MODELS:
            assert f"\n{name}" in done.stdout
        shown = " ".join(done.stdout.split())
        for words in (
            "467 MB Apache-2.0 .35 / .85",
            "1.26 GB Apache-2.0 .53 / .85",
            "dsk models get NAME",
            "dsk tag --model NAME",
            "wd-swinv2-v3 serves most",
        ):
            assert words in shown
        assert not (places / "cache").exists() and not (places / "hf").exists()

    def test_json_lines(self, here: CommandLine, places: Path) -> None:
        found = {line["name"]: line for line in lines(here("models", "list", "--json"))}
        assert list(found) == list(MODELS)
        default = found["wd-swinv2-v3"]
        assert default["repository"] == PINNED
        assert len(default["sha256"]["model.onnx"]) == 64
        assert (default["licence"], default["size"], default["here"]) == (
            "Apache-2.0", 467_460_978, None
        )  # fmt: skip
        assert found["camie-2"]["licence"] == "GPL-3.0"

    def test_half_a_model_is_not_here(self, here: CommandLine, hub: Hub) -> None:
        hub.files = {f"{WD}/model.onnx": b"weights"}
        assert here("models", "get", "wd-swinv2-v2").returncode == 1
        found = {line["name"]: line for line in lines(here("models", "list", "--json"))}
        assert found["wd-swinv2-v2"]["here"] is None

    def test_a_broken_copy_does_not_hide_the_rest(self, here: CommandLine, places: Path) -> None:
        for name in ("one-int8", "two-int8"):
            copy = places / "cache" / "datasetkit" / "models" / name
            copy.mkdir(parents=True)
        (copy / "tagger.yaml").write_text("famly: wd")
        done = here("models", "list")
        assert done.returncode == 0, done.stderr
        shown = " ".join(done.stdout.split())
        assert f"int8 copy, {copy / 'tagger.yaml'}: there is no key 'famly'" in shown
        assert "one-int8' holds no model.onnx" in shown and "wd-swinv2-v3" in shown
        found = lines(here("models", "list", "--json"))
        assert [bool(line["trouble"]) for line in found[-2:]] == [True, True]

    def test_what_is_here_has_its_own_size(self, here: CommandLine, hub: Hub) -> None:
        assert here("models", "get", "wd-swinv2-v2").returncode == 0
        found = {line["name"]: line for line in lines(here("models", "list", "--json"))}
        assert found["wd-swinv2-v2"]["size"] == len(hub.files[f"{WD}/model.onnx"])

    def test_every_row_can_be_shown(self, places: Path) -> None:
        assert [row.name for row in shown_rows()] == list(MODELS)

    def test_one_that_is_another_is_not_here(self, here: CommandLine, places: Path) -> None:
        put_another(places)
        found = {line["name"]: line for line in lines(here("models", "list", "--json"))}
        assert found["wd-swinv2-v3"]["here"] is None
        assert "model.onnx' is not the file that" in found["wd-swinv2-v3"]["trouble"]
        assert "wd-swinv2-v3            damaged" in here("models", "list").stdout

    def test_large_files_are_not_read_for_it(
        self, places: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from datasetkit import models_shown

        folder = put_another(places)
        monkeypatch.setattr(models_shown, "LARGE", 5)
        trouble = {row.name: row.trouble for row in shown_rows()}["wd-swinv2-v3"]
        assert "it has 7 bytes, not 467 MB" in trouble and "fetch it again" in trouble
        for name in ("model.onnx", "selected_tags.csv"):
            (folder / name).write_text("")
        assert not {row.name: row.folder for row in shown_rows()}["wd-swinv2-v3"]


def put_another(places: Path) -> Path:
    """Where the default model should be, files that are not its own."""
    row = MODELS["wd-swinv2-v3"]
    folder = places / "hf" / "hub" / f"models--{PINNED.replace('/', '--')}"
    folder = folder / "snapshots" / row.revision
    folder.mkdir(parents=True)
    for name in ("model.onnx", "selected_tags.csv"):
        (folder / name).write_text("another")
    return folder


class TestPath:
    def test_it_prints_the_folder_alone(self, here: CommandLine, model: Path) -> None:
        done = here("models", "path", model)
        assert (done.stdout, done.stderr) == (f"{model}\n", "")

    def test_one_that_is_another_is_no_path(self, here: CommandLine, places: Path) -> None:
        put_another(places)
        done = here("models", "path", "wd-swinv2-v3")
        assert (done.returncode, done.stdout) == (1, "")
        assert "model.onnx' is not the file that this model has" in done.stderr

    @pytest.mark.parametrize("name", ["wd-swinv2-v2", "cl-1.02"])
    def test_one_that_is_not_here(self, here: CommandLine, places: Path, name: str) -> None:
        done = here("models", "path", name)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{name} is not on this machine; fetch it with 'dsk models get {name}'" in (
            done.stderr
        )


def test_help_loads_nothing_heavy() -> None:
    words = ["models", "quantize", "--help"]
    code = (
        "import sys, atexit\n"
        "from datasetkit.cli import main\n"
        "atexit.register(lambda: print('LOADED', *sys.modules))\n"
        f"sys.argv = {['dsk', *words]!r}\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert not loaded & {"numpy", "onnx", "onnxruntime", "huggingface_hub", "PIL", "requests"}
