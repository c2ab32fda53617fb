"""OpenVINO: how near its answers are, run only where asked for, nothing reported to anybody."""

import logging
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import datasetkit.demo
from datasetkit.demo.drawing import draw, random_traits
from datasetkit.errors import ModelError, UsageError
from datasetkit.taggers import openvino, sessions
from datasetkit.taggers.models import model_named
from datasetkit.taggers.quantize import quantized
from datasetkit.taggers.tag import Tagging
from datasetkit.taggers.tagger import Tagger

DEMO = Path(datasetkit.demo.__file__).parent / "models" / "tagger"  # a trained network


@pytest.fixture(autouse=True)
def graphs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.delenv(sessions.CHOICE, raising=False)
    return tmp_path / "caches" / "datasetkit" / "graphs"


@pytest.fixture
def large(monkeypatch):
    """Any model is large enough to be kept, and OpenVINO is asked for."""
    monkeypatch.setattr(sessions, "KEPT_FROM", 0)
    monkeypatch.setenv(sessions.CHOICE, "openvino")


def tagger(folder=DEMO):
    return Tagger(model_named(str(folder)))


def pictures():
    rng = random.Random(99)
    return [draw(random_traits(rng), seed, (256, 320), smooth=2)[0].convert("RGB")
            for seed in range(12)]  # fmt: skip


# With bfloat16 single probabilities are further apart: .05 at most in 260 drawings, so no bound
# on the largest is worth much; that is why nobody gets it unasked.
@pytest.mark.parametrize(
    ("precision", "largest", "mean"), [("f32", 1e-3, 1e-4), ("bf16", 0.1, 0.001)]
)
def test_how_near_its_probabilities_are_to_onnxruntimes(monkeypatch, precision, largest, mean):
    plain = tagger()
    assert plain.provider == "CPUExecutionProvider"
    monkeypatch.setenv(sessions.CHOICE, "openvino")
    options = openvino._options() | {"INFERENCE_PRECISION_HINT": precision}
    monkeypatch.setattr(openvino, "_options", lambda: options)
    other = tagger()
    assert other.provider in {f"OpenVINO ({precision})", "OpenVINO (f32)"}  # not all have bf16
    assert (other.side, other.labels) == (plain.side, plain.labels)
    ours = np.array([other.scores(picture) for picture in pictures()])
    theirs = np.array([plain.scores(picture) for picture in pictures()])
    assert np.abs(ours - theirs).max() <= largest
    assert np.abs(ours - theirs).mean() <= mean
    assert np.count_nonzero((ours >= 0.35) != (theirs >= 0.35)) <= 1
    assert np.count_nonzero(theirs >= 0.35) > 100


def test_threads_share_it(monkeypatch):
    monkeypatch.setenv(sessions.CHOICE, "openvino")
    one = tagger()
    alone = [one.scores(picture).tolist() for picture in pictures()]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda p: one.scores(p).tolist(), pictures() * 8)) == alone * 8


def test_nobody_gets_it_unasked(monkeypatch, caplog):
    monkeypatch.setattr(sessions, "KEPT_FROM", 0)
    assert tagger().provider == "CPUExecutionProvider"
    monkeypatch.setenv(sessions.CHOICE, "openvino")
    with caplog.at_level(logging.INFO, "datasetkit.taggers"):
        first = tagger()
    assert first.provider.startswith("OpenVINO (")
    assert not first.fell_back
    assert caplog.messages == [f"tagger runs on {first.provider}"]


def test_an_int8_copy_runs_on_onnxruntime(large, tmp_path, caplog):
    model = model_named(str(DEMO))
    copy = quantized(model, DEMO, tmp_path / "copy")
    assert tagger(copy).provider == "CPUExecutionProvider"
    assert "it is an int8 copy, at which OpenVINO is slower" in caplog.text


def test_a_model_with_its_labels_inside_runs_on_onnxruntime(large, caplog):
    session, fell_back = sessions.start(DEMO / "model.onnx", "demo", described=True)
    assert (session.get_providers(), fell_back) == (["CPUExecutionProvider"], False)
    assert "its labels are inside of the model" in caplog.text


def test_what_it_compiled_is_kept_and_used(large, graphs, monkeypatch):
    scores = tagger().scores(pictures()[0]).tolist()
    (kept,) = graphs.iterdir()
    assert kept.suffix == ".openvino"
    os.utime(kept, (1, 1))
    with monkeypatch.context() as without:
        without.setattr(sessions, "_on_openvino", None)
        Tagging(str(DEMO)).check()  # it ran here, so it need not start for that
    again = tagger()
    assert again._session._compiled.get_property("LOADED_FROM_CACHE")
    assert again.scores(pictures()[0]).tolist() == scores
    assert kept.stat().st_mtime > 1
    assert list(graphs.iterdir()) == [kept]


@pytest.mark.parametrize("damage", ["empty", "half", "rubbish"])
def test_a_damaged_kept_model_is_made_anew(large, graphs, damage):
    scores = tagger().scores(pictures()[0]).tolist()
    (blob,) = graphs.glob("*.openvino/*.blob")
    whole = blob.read_bytes()
    blob.unlink()
    damaged = {"empty": b"", "half": whole[: len(whole) // 2], "rubbish": b"rubbish" * 99}
    blob.write_bytes(damaged[damage])
    assert tagger().scores(pictures()[0]).tolist() == scores


def test_only_so_many_are_kept(large, graphs, models, tmp_path):
    for n in range(8):
        tagger(models.small_tagger(tmp_path / f"m{n}", 16 + n))
        newest = max(graphs.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (n + 1, n + 1))
    assert len(list(graphs.iterdir())) == 6


def test_what_it_cannot_read_onnxruntime_may(large, models, tmp_path, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("Check failed:\n  no such operation")

    folder = models.small_tagger(tmp_path / "tiny", 32)
    monkeypatch.setattr(openvino, "OpenVino", broken)
    found = tagger(folder)
    assert (found.provider, found.fell_back) == ("CPUExecutionProvider", False)
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert said == ["tiny does not run on OpenVINO, but on onnxruntime "
                    "(Check failed: no such operation)"]  # fmt: skip


@pytest.mark.parametrize("length", [0, 100, -40])
def test_a_truncated_model_is_refused_all_the_same(models, tmp_path, monkeypatch, length, capfd):
    folder = models.small_tagger(tmp_path, 32)
    monkeypatch.setenv(sessions.CHOICE, "openvino")
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:length])
    with pytest.raises(ModelError, match="fetch it again"):
        tagger(folder)
    assert capfd.readouterr() == ("", "")


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr(sessions, "_installed", lambda: False)
    monkeypatch.setenv(sessions.CHOICE, "openvino")
    with pytest.raises(UsageError, match=r"pip install 'datasetkit\[openvino\]'"):
        tagger()


def test_nothing_is_reported_to_its_makers(tmp_path):
    code = (
        "import sys; from datasetkit.taggers.openvino import OpenVino; from pathlib import Path;"
        f"print(OpenVino(Path({str(DEMO / 'model.onnx')!r})).get_providers());"
        "import openvino; print([m for m in sys.modules if 'telemetry' in m or '.ovc' in m])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {"HOME": str(tmp_path), "CI": ""}, cwd=Path.cwd(),
    )  # fmt: skip
    assert done.stdout.splitlines()[1] == "[]"
    assert "OpenVINO (" in done.stdout
    assert list(tmp_path.iterdir()) == []  # where it would keep the user's number
