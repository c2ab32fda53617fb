"""Where model files come from without a network: a folder, or Hugging Face's cache."""

import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from datasetkit import hub
from datasetkit.errors import ModelError
from datasetkit.hub import folder
from tests.hub_server import COMMIT

FILES = ("model.onnx", "selected_tags.csv|tags-selected.csv")


def small_model(path: Path, *, labels="selected_tags.csv") -> Path:
    path.mkdir(parents=True)
    (path / "model.onnx").write_bytes(b"weights")
    (path / labels).write_text("tag_id,name,category,count\n")
    return path


def cache(home: Path, repository: str) -> Path:
    """The hub's cache layout, made by hand: refs, blobs, and a snapshot of links to blobs."""
    root = home / "hub" / f"models--{repository.replace('/', '--')}"
    snapshot = small_model(root / "snapshots" / COMMIT)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(COMMIT)
    (root / "blobs").mkdir()
    for number, file in enumerate(sorted(snapshot.iterdir())):
        blob = root / "blobs" / str(number)
        file.rename(blob)
        file.symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


@pytest.mark.parametrize("labels", ["selected_tags.csv", "tags-selected.csv"])
def test_a_folder_is_taken_as_it_is(labels, tmp_path):
    path = small_model(tmp_path / "model", labels=labels)
    assert folder(str(path), FILES) == path


@pytest.mark.parametrize("name", ["model.onnx", "selected_tags.csv"])
def test_a_folder_that_lacks_a_file_names_it(name, tmp_path):
    path = small_model(tmp_path / "model")
    (path / name).unlink()
    with pytest.raises(ModelError, match=name) as caught:
        folder(str(path), FILES)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("mark", [".part", ".aria2", ".incomplete", ".crdownload"])
def test_a_file_still_being_fetched_does_not_count(mark, tmp_path):
    path = small_model(tmp_path / "model")
    (path / f"model.onnx{mark}").touch()
    with pytest.raises(ModelError, match="not finished"):
        folder(str(path), FILES)


def test_an_empty_file_does_not_count(tmp_path):
    path = small_model(tmp_path / "model")
    (path / "model.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match="not finished"):
        folder(str(path), FILES)


def test_a_git_lfs_pointer_is_no_model(tmp_path):
    path = small_model(tmp_path / "model")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 467460978\n"
    (path / "model.onnx").write_text(pointer)
    with pytest.raises(ModelError, match="git lfs pull"):
        folder(str(path), FILES)


@pytest.mark.parametrize(
    "model",
    ["", "wd", "/no/such/folder", "a/b/c", "../x/y", "C:\\models", "a b/c", "a/b--c", "owner/..",
     "a/b.git", "a/.b", "a/b-", "владелец/модель", "~nobody-here/x", "a/" + "b" * 100, "a" * 5000],
)  # fmt: skip
def test_neither_a_folder_nor_a_repository(model):
    with pytest.raises(ModelError, match="neither a folder") as caught:
        folder(model or "./nothing", FILES)
    assert "model.onnx and selected_tags.csv or tags-selected.csv" in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="makes links")
def test_the_cache_serves_offline(ask, tmp_path):
    snapshot = cache(tmp_path / "hf", "some/tagger")
    assert ask("some/tagger", HF_HUB_OFFLINE="1") == str(snapshot)
    assert ask("some/tagger", action="check", revision=COMMIT, HF_HUB_OFFLINE="1") == str(snapshot)


@pytest.mark.skipif(sys.platform == "win32", reason="makes links")
def test_half_a_snapshot_does_not_count(ask, tmp_path):
    snapshot = cache(tmp_path / "hf", "some/tagger")
    (snapshot / "model.onnx").unlink()
    (snapshot.parents[1] / "blobs" / "0.incomplete").write_bytes(b"half")
    for action in ("folder", "check"):
        error = ask("some/tagger", action=action, HF_HUB_OFFLINE="1")["error"]
        assert "'some/tagger'" in error
        assert "model.onnx" in error
        assert "HF_HUB_OFFLINE" in error
        assert "into a folder" in error


def sum_of(content: bytes) -> dict[str, str]:
    return {"model.onnx": hashlib.sha256(content).hexdigest()}


@pytest.mark.skipif(sys.platform == "win32", reason="makes links")
def test_another_file_in_the_cache_is_named_with_the_way_out(ask, tmp_path):
    snapshot = cache(tmp_path / "hf", "some/tagger")
    assert ask("some/tagger", sums=sum_of(b"weights"), HF_HUB_OFFLINE="1") == str(snapshot)
    error = ask("some/tagger", sums=sum_of(b"others"), HF_HUB_OFFLINE="1")["error"]
    real = (snapshot / "model.onnx").resolve()
    assert f"'{snapshot / 'model.onnx'}' is not the file" in error
    assert f"delete '{real}' and fetch it again" in error


def test_a_sum_is_worked_out_once_for_a_file_as_it_is(tmp_path, monkeypatch):
    from datasetkit.hub import sums

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sums, "_KNOWN", {})
    path = tmp_path / "model.onnx"
    path.write_bytes(b"one")
    status = path.stat()
    assert hub.sha256(path) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    sums._KNOWN.clear()  # as a new process has it
    assert hub.sha256(path) == hashlib.sha256(b"one").hexdigest()  # it was not read
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert hub.sha256(path) == hashlib.sha256(b"two").hexdigest()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"/a": 1, "/b": [1, 2, 3]}', "\x00"])
def test_what_is_remembered_may_be_damaged(text, tmp_path, monkeypatch):
    from datasetkit.hub import sums

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sums, "_KNOWN", {})
    (tmp_path / "datasetkit").mkdir()
    (tmp_path / "datasetkit" / "sums.json").write_text(text)
    assert hub.sha256(Path(__file__)) == hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    assert json.loads((tmp_path / "datasetkit" / "sums.json").read_text())
