"""``dsk models check``: is it whole, the right one, and does it run?"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hub_server import Hub
from tests.taggers import models as makers

CommandLine = Callable[..., subprocess.CompletedProcess[str]]


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class TestCheck:
    def test_all_is_well(self, here: CommandLine, model: Path) -> None:
        done = here("models", "check", model)
        assert done.returncode == 0, done.stderr
        shown = " ".join(done.stdout.split())
        for words in (
            "labels 32: 2 rating, 30 general; as many as it answers",
            "runs on CPU",
            "a picture of 32 pixels in one thread",
            "nobody says which it should be",
            "all is well",
        ):
            assert words in shown
        (facts,) = lines(here("models", "check", model, "--json"))
        assert facts["provider"] == "CPU"
        assert [part["name"] for part in facts["files"]] == ["model.onnx", "selected_tags.csv"]
        assert 0 <= facts["answers"][0] <= facts["answers"][1] <= 1
        assert facts["seconds"] > 0

    def test_nothing_is_told_to_anybody(
        self, dsk: CommandLine, model: Path, places: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # onnxruntime's own builds give the machine a number and report to their maker otherwise.
        monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
        assert dsk("models", "check", model).returncode == 0
        assert not list(places.rglob("*deviceid*")) and not (places / "cache/Microsoft").exists()

    def test_a_fetched_one_is_what_its_repository_says_until_it_rots(
        self, here: CommandLine, hub: Hub
    ) -> None:
        here("models", "get", "wd-swinv2-v2")
        assert "as its repository says" in here("models", "check", "wd-swinv2-v2").stdout
        folder = Path(here("models", "path", "wd-swinv2-v2").stdout.strip())
        file = (folder / "model.onnx").resolve()
        file.write_bytes(file.read_bytes()[:-1] + b"x")
        done = here("models", "check", "wd-swinv2-v2")
        assert done.returncode == 1
        assert "is not the file that this model has" in done.stderr
        assert f"delete '{file}' and fetch it again" in done.stderr
        file.unlink()
        assert here("models", "get", "wd-swinv2-v2").returncode == 0
        assert here("models", "check", "wd-swinv2-v2").returncode == 0

    @pytest.mark.parametrize(
        ("harm", "said"),
        [
            (lambda m: (m / "model.onnx").write_bytes(b"x" * 99), "no whole ONNX model"),
            (lambda m: (m / "model.onnx").write_bytes(b""), "not finished"),
            (lambda m: (m / "selected_tags.csv").unlink(), "selected_tags.csv"),
            (lambda m: makers.write_labels(m, [("a", 0)]), "lists 1 labels"),
            (lambda m: (m / "selected_tags.csv").write_text("x"), "no columns"),
        ],
    )
    def test_what_is_wrong_is_a_sentence(
        self, here: CommandLine, model: Path, harm: Callable[[Path], object], said: str
    ) -> None:
        harm(model)
        done = here("models", "check", model)
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr and "Traceback" not in done.stderr

    def test_answers_that_are_no_numbers(self, here: CommandLine, places: Path) -> None:
        folder = makers.fixed_tagger(places / "nan", np.array([np.nan]), [("a", 0)])
        done = here("models", "check", folder)
        assert done.returncode == 1
        assert "answers with what is not a number" in done.stderr
