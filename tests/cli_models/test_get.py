"""``dsk models get``, and what a stage fetches by itself: told, gone on with, never half."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from datasetkit.taggers.models import MODELS
from tests.hub_server import Hub

CommandLine = Callable[..., subprocess.CompletedProcess[str]]
REPOSITORY = Path(__file__).parents[2]
WD = "SmilingWolf/wd-v1-4-swinv2-tagger-v2"  # wd-swinv2-v2, of which nothing is pinned
PINNED = "SmilingWolf/wd-swinv2-tagger-v3"


def start(*words: str, cwd: Path, **streams: Any) -> "subprocess.Popen[str]":
    """The command line as a process that goes on beside the test."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.Popen(
        [sys.executable, "-m", "datasetkit", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm"},
        text=True,
        **streams,
    )


def on_a_terminal(*words: str, cwd: Path) -> str:
    """All that a person sees of a command that ends well."""
    import pty

    main, side = pty.openpty()
    process = start(*words, cwd=cwd, stdout=side, stderr=side)
    os.close(side)
    seen = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while piece := os.read(main, 65536):
            seen += piece
    os.close(main)
    assert process.wait(timeout=20) == 0, seen
    return seen.decode()


class TestGet:
    def test_a_model_is_fetched_once(self, here: CommandLine, hub: Hub, places: Path) -> None:
        done = here("models", "get", "wd-swinv2-v2")
        assert done.returncode == 0 and done.stdout == ""
        said = done.stderr.splitlines()
        assert said[0].startswith(f"fetching model.onnx and selected_tags.csv of {WD} (1.")
        folder = here("models", "path", "wd-swinv2-v2").stdout.strip()
        assert said[1] == f"wd-v1-4-swinv2-tagger-v2 is in {folder}"
        assert {p.name for p in Path(folder).iterdir()} == {"model.onnx", "selected_tags.csv"}
        hub.asked.clear()
        again = here("models", "get", "wd-swinv2-v2", WD)
        assert again.stderr.splitlines() == [said[1]] * 2
        assert hub.asked == []
        shown = here("models", "list").stdout
        assert "wd-swinv2-v2            yes" in shown

    def test_one_that_is_not_the_pinned_one_is_refused_and_the_other_fetched(
        self, here: CommandLine, hub: Hub
    ) -> None:
        # The loopback hub knows no such commit: pinned revisions are asked for as such.
        done = here("models", "get", "wd-swinv2-v3", "wd-swinv2-v2")
        assert done.returncode == 1
        assert f"has no revision '{MODELS['wd-swinv2-v3'].revision}'" in done.stderr
        assert "wd-v1-4-swinv2-tagger-v2 is in" in done.stderr
        hub.revisions = None
        done = here("models", "get", "wd-swinv2-v3")
        assert done.returncode == 1
        assert "is not the file that this model has" in done.stderr
        assert "HF_ENDPOINT" in done.stderr

    def test_ctrl_c_is_a_sentence_and_the_next_run_goes_on(
        self, here: CommandLine, hub: Hub, places: Path
    ) -> None:
        hub.files[f"{WD}/model.onnx"] += b"x" * 400_000
        hub.slow = 0.05
        process = start("models", "get", "wd-swinv2-v2", cwd=places)
        blobs = places / "hf" / "hub" / f"models--{WD.replace('/', '--')}" / "blobs"
        end = time.monotonic() + 20
        while not any(part.stat().st_size > 50_000 for part in blobs.glob("*.incomplete")):
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 130
        assert "interrupted; run the same command again to go on" in errors
        assert "Traceback" not in errors
        hub.slow = 0
        done = here("models", "get", "wd-swinv2-v2")
        assert done.returncode == 0, done.stderr
        assert " of it here already)" in done.stderr
        assert len(hub.ranges) == 1

    @pytest.mark.skipif(sys.platform == "win32", reason="opens a terminal")
    def test_a_person_sees_a_bar(self, hub: Hub, places: Path) -> None:
        hub.files[f"{WD}/model.onnx"] += b"x" * 300_000
        hub.slow = 0.02
        text = on_a_terminal("models", "get", "wd-swinv2-v2", cwd=places)
        assert "━" in text and " of 301 KB, " in text and "KB/s" in text
        assert "wd-v1-4-swinv2-tagger-v2 is in" in text

    def test_offline_is_a_sentence(
        self, here: CommandLine, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        done = here("models", "get", "wd-swinv2-v3")
        assert done.returncode == 1
        assert f"'{PINNED}' is not on this machine and HF_HUB_OFFLINE forbids" in done.stderr
        assert f"{PINNED}/tree/{MODELS['wd-swinv2-v3'].revision}" in done.stderr
        assert "selected_tags.csv" in done.stderr and "Traceback" not in done.stderr

    def test_an_unknown_name_does_not_stop_the_others(
        self, here: CommandLine, hub: Hub, places: Path
    ) -> None:
        (places / "emptydir").mkdir()
        done = here("models", "get", "emptydir", "nosuch", "wd-swinv2-v2")
        assert done.returncode == 1
        first, second, *_, last = done.stderr.splitlines()
        assert "holds no model.onnx" in first and "model 'nosuch' is neither" in second
        assert last.startswith("wd-v1-4-swinv2-tagger-v2 is in ")

    @pytest.mark.parametrize(
        ("endpoint", "said"),
        [
            ("foo", "HF_ENDPOINT=foo is no address of a hub: one begins with https://"),
            ("http://127.0.0.1:9", "from http://127.0.0.1:9 failed (no connection to it)"),
        ],
    )
    def test_a_hub_that_cannot_be_asked_is_a_sentence(
        self, here: CommandLine, at: Callable[[str], None], endpoint: str, said: str
    ) -> None:
        at(endpoint)
        done = here("models", "get", "wd-swinv2-v2")
        assert done.returncode == 1
        assert said in done.stderr and "put model.onnx and selected_tags.csv" in done.stderr

    def test_an_unknown_name_is_a_sentence(self, here: CommandLine, places: Path) -> None:
        done = here("models", "get", "wd-swinv3-v2")
        assert done.returncode == 1
        assert "did you mean 'wd-swinv2-v" in done.stderr


class TestTag:
    """A stage fetches what it needs, and shows it as ``dsk models get`` does."""

    def test_it_says_what_it_fetches(
        self, here: CommandLine, hub: Hub, gallery: Path, places: Path
    ) -> None:
        here("folder", gallery)
        done = here("tag", "--model", "wd-swinv2-v2")
        assert done.returncode == 0, done.stderr
        assert f"fetching model.onnx and selected_tags.csv of {WD} (" in done.stderr
        shutil.rmtree(places / "hf")
        quiet = here("tag", "--model", "wd-swinv2-v2", "--quiet")
        assert "fetching" not in quiet.stderr

    def test_programs_read_how_far_it_is(self, here: CommandLine, hub: Hub, gallery: Path) -> None:
        here("folder", gallery)
        done = here("tag", "--model", "wd-swinv2-v2", "--json")
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        total = sum(len(hub.files[f"{WD}/{name}"]) for name in ("model.onnx", "selected_tags.csv"))
        fetched = [event for event in events if event["event"] == "fetching"]
        assert fetched[-1] == {"event": "fetching", "what": WD, "done": total, "total": total}

    @pytest.mark.skipif(sys.platform == "win32", reason="opens a terminal")
    def test_a_person_sees_the_same_bar(
        self, here: CommandLine, hub: Hub, gallery: Path, places: Path
    ) -> None:
        here("folder", gallery)
        hub.files[f"{WD}/selected_tags.csv"] += b"\n" * 300_000
        hub.slow = 0.02
        text = on_a_terminal("tag", "--model", "wd-swinv2-v2", cwd=places)
        assert "━" in text and " of 301 KB, " in text and "KB/s" in text
        assert "6 changed" in text
