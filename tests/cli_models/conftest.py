"""Caches of the test's own, a hub on loopback, a model in which rounding can show."""

import io
import os
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from datasetkit.cli import app
from datasetkit.errors import DatasetkitError
from datasetkit.taggers import models, tag
from tests.hub_server import Hub
from tests.taggers import models as makers

WD = "SmilingWolf/wd-v1-4-swinv2-tagger-v2"  # wd-swinv2-v2, of which nothing is pinned
PINNED = "SmilingWolf/wd-swinv2-tagger-v3"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Caches of the test's own."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("COLUMNS", raising=False)
    # huggingface_hub has read its environment when this process began.
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", os.environ.get("HF_HUB_OFFLINE") == "1")
    models._fetched.cache_clear()  # of another test's places
    tag._planned.cache_clear()
    return tmp_path


@pytest.fixture
def here(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in ``tmp_path`` and in this very process, ten times as quickly.

    ``dsk`` runs it as people do; this is for what it says.
    """
    monkeypatch.chdir(places)

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        out, errors, code = io.StringIO(), io.StringIO(), 0
        with redirect_stdout(out), redirect_stderr(errors), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                app([str(word) for word in words], prog_name="dsk")
            except SystemExit as done:
                code = int(done.code or 0)
            except DatasetkitError as error:
                errors.write(f"dsk: {error}\n")
                code = error.exit_code
        return subprocess.CompletedProcess(words, code, out.getvalue(), errors.getvalue())

    return run


@pytest.fixture
def hub(places: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    model = makers.small_tagger(places / "served", 32)
    for repository in (WD, PINNED):
        server.files |= {f"{repository}/{p.name}": p.read_bytes() for p in model.iterdir()}
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    at(server.url, monkeypatch)
    yield server
    server.shutdown()
    server.server_close()


def at(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process ask there, as HF_ENDPOINT does for a new one."""
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture(name="at")
def at_fixture(places: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """The function :func:`at`, for tests that cannot import this file."""
    return lambda endpoint: at(endpoint, monkeypatch)


@pytest.fixture
def model(places: Path) -> Path:
    """A tagger with many random weights, in which rounding can show."""
    random = np.random.default_rng(1)
    labels = [("general", 9), ("sensitive", 9), *((f"tag_{n}", 0) for n in range(30))]
    folder = places / "my-tagger"
    weights = random.uniform(-0.004, 0.004, (len(makers.MEASURES), len(labels)))
    makers.write_model(folder, weights.astype(np.float32), np.full(len(labels), 0.4, "f4"), 32)
    makers.write_labels(folder, labels)
    through_sigmoid(folder)
    return folder


def through_sigmoid(folder: Path) -> None:
    """Whatever the pictures, the answers are probabilities."""
    import onnx

    loaded = onnx.load(folder / "model.onnx")
    last = loaded.graph.node[-1]
    last.output[0] = "sums"
    loaded.graph.node.append(onnx.helper.make_node("Sigmoid", ["sums"], ["output"]))
    onnx.save(loaded, folder / "model.onnx")
