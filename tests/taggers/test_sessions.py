"""Sessions: which hardware, what is said when it falls back, graphs kept, damage named."""

import logging
import os

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from datasetkit.errors import ModelError, UsageError
from datasetkit.taggers import sessions
from datasetkit.taggers.models import model_named
from datasetkit.taggers.tag import Tagging
from datasetkit.taggers.tagger import Tagger


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches" / "datasetkit" / "graphs"


@pytest.fixture
def folder(models, tmp_path):
    return models.small_tagger(tmp_path / "tiny", 32)


def scores(folder):
    return Tagger(model_named(str(folder))).scores(Image.new("RGB", (9, 9), "red")).tolist()


def test_a_large_models_graph_is_kept_and_used(folder, caches, monkeypatch):
    plain = scores(folder)
    assert not caches.exists()  # small ones start at once
    monkeypatch.setattr(sessions, "KEPT_FROM", 0)
    assert scores(folder) == plain
    (kept,) = caches.iterdir()
    opened = []
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda path, *a, **o: opened.append(path) or real(path, *a, **o),
    )
    assert scores(folder) == plain
    assert opened == [kept]


@pytest.mark.parametrize("damage", [b"", b"rubbish", "half"])
def test_a_damaged_kept_graph_is_made_anew(folder, caches, monkeypatch, damage):
    monkeypatch.setattr(sessions, "KEPT_FROM", 0)
    plain = scores(folder)
    (kept,) = caches.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2] if damage == "half" else damage)
    assert scores(folder) == plain
    assert kept.read_bytes() == whole
    assert list(caches.iterdir()) == [kept]


def test_other_weights_have_another_graph(models, tmp_path, caches, monkeypatch):
    monkeypatch.setattr(sessions, "KEPT_FROM", 0)
    place = tmp_path / "one"
    for value in (0.25, 0.75):
        models.fixed_tagger(place, np.array([value]), [("a", 0)])
        assert scores(place) == [value]
    assert len(list(caches.iterdir())) == 2


def test_only_so_many_graphs_are_kept(models, tmp_path, caches, monkeypatch):
    monkeypatch.setattr(sessions, "KEPT_FROM", 0)
    for n in range(9):
        scores(models.fixed_tagger(tmp_path / f"m{n}", np.array([0.5]), [("a", 0)]))
        newest = max(caches.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (n + 1, n + 1))
    assert len(list(caches.iterdir())) == 6


def test_a_cache_that_cannot_be_written_stops_nothing(folder, caches, monkeypatch):
    monkeypatch.setattr(sessions, "KEPT_FROM", 0)
    caches.parent.parent.mkdir(parents=True)
    caches.parent.write_text("a file where a folder should be")
    assert len(scores(folder)) == 10


def test_a_truncated_model_is_no_model_even_where_graphs_are_kept(folder, caches, monkeypatch):
    monkeypatch.setattr(sessions, "KEPT_FROM", 0)
    whole = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(whole[:-40])
    with pytest.raises(ModelError, match="fetch it again"):
        scores(folder)
    assert not list(caches.glob("*"))


def test_weights_in_a_second_file_that_is_missing(folder):
    model = onnx.load(folder / "model.onnx")
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, size_threshold=300,
              location="model.onnx_data")  # fmt: skip
    assert len(scores(folder)) == 10
    (folder / "model.onnx_data").unlink()
    with pytest.raises(ModelError, match=r"second file.*model\.onnx_data.*fetch that too"):
        scores(folder)


def test_a_card_that_cannot_be_used_is_said_aloud(folder, monkeypatch, caplog):
    offered = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: offered)
    with caplog.at_level(logging.INFO, "datasetkit.taggers"):
        tagger = Tagger(model_named(str(folder)))
    assert tagger.provider == "CPUExecutionProvider"
    assert tagger.fell_back
    warning = next(r for r in caplog.records if r.levelno == logging.WARNING).getMessage()
    assert "tiny cannot run on CUDA" in warning and "processor" in warning
    assert "tiny runs on CPU" in caplog.text


def test_hardware_can_be_chosen(folder, monkeypatch):
    monkeypatch.setenv(sessions.CHOICE, "CPU")
    tagger = Tagger(model_named(str(folder)))
    assert not tagger.fell_back
    monkeypatch.setenv(sessions.CHOICE, "cda")
    with pytest.raises(UsageError, match=r"DSK_PROVIDER=cda: .*cpu"):
        Tagger(model_named(str(folder)))


def test_a_card_whose_libraries_are_missing_leaves_stdout_alone(folder, monkeypatch, capfd):
    offered = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: offered)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libcudart"))
    assert Tagger(model_named(str(folder))).fell_back
    assert capfd.readouterr().out == ""


def test_a_card_that_is_not_there_cannot_be_chosen(folder, monkeypatch):
    monkeypatch.setenv(sessions.CHOICE, "cuda")
    with pytest.raises(UsageError, match="DSK_PROVIDER=cuda: onnxruntime offers no such thing"):
        Tagger(model_named(str(folder)))


def test_a_model_that_ran_here_is_checked_without_starting_it(folder, monkeypatch):
    monkeypatch.setattr(sessions, "KEPT_FROM", 0)
    scores(folder)
    with monkeypatch.context() as without:
        without.setattr(onnxruntime, "InferenceSession", None)
        Tagging(str(folder)).check()
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:-40])
    with pytest.raises(ModelError, match="fetch it again"):
        Tagging(str(folder)).check()


def test_weights_in_a_second_file_that_is_cut_off(folder):
    model = onnx.load(folder / "model.onnx")
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, size_threshold=300,
              location="model.onnx_data")  # fmt: skip
    weights = folder / "model.onnx_data"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"second file, which is not whole") as caught:
        scores(folder)
    assert f"delete '{weights}' and fetch it again" in str(caught.value)


def test_a_model_of_the_cache_is_announced_by_its_name(models, tmp_path, caplog):
    commit = "models--some--new-model/snapshots/" + "0123456789" * 4
    folder = models.small_tagger(tmp_path / commit, 32)
    with caplog.at_level(logging.INFO, "datasetkit.taggers"):
        Tagger(model_named(str(folder)))
    assert "new-model runs on CPU" in caplog.text and "0123456789" not in caplog.text
