"""Where model files come from: a folder, a cache, a loopback server that speaks as the hub does.

huggingface_hub reads its environment when it is imported, so each case runs in a process of its
own.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from datasetkit import hub
from datasetkit.errors import ModelError
from datasetkit.hub import folder
from tests.hub_server import COMMIT, Hub

FILES = ("model.onnx", "selected_tags.csv|tags-selected.csv")
SECRET = "hf_SECRETsecretSECRET"

RUN = """
import json, logging, sys
from datasetkit import hub
from datasetkit.errors import ModelError
action, model, revision, sums, *files = sys.argv[1:]
if action == "told":
    logging.basicConfig(level=logging.WARNING)
    action, told = "folder", []
    options = {"told": lambda done, total: told.append((done, total))}
elif action == "said":
    logging.basicConfig(level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    action, told, options = "folder", [], {}
else:
    told, options = [], {}
try:
    found = getattr(hub, action)(model, files, revision, sums=json.loads(sums), **options)
    print(json.dumps({"found": str(found), "told": told} if told else str(found)))
except ModelError as error:
    print(json.dumps({"error": str(error)}))
"""


@pytest.fixture
def server():
    hub = Hub()
    threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True).start()
    yield hub
    hub.shutdown()
    hub.server_close()


@pytest.fixture
def ask(tmp_path):
    def run(
        model: str,
        *,
        action="folder",
        revision="",
        files=FILES,
        sums=hub.NO_SUMS,
        stop_after=None,
        **environment: str,
    ):
        clean = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        home = {"HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": SECRET, "HF_HUB_DISABLE_XET": "1",
                "XDG_CACHE_HOME": str(tmp_path / "cache")}  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, action, model, revision, json.dumps(dict(sums)), *files],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=clean | home | environment,
        )  # fmt: skip
        if stop_after is not None:
            stop_after()
            process.kill()
            process.communicate()
            return None
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert "%|" not in errors  # no progress bar
        assert SECRET not in out + errors
        return [json.loads(out), errors] if action == "said" else json.loads(out)

    return run


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


# --- folders --------------------------------------------------------------------------------


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
    "model", ["", "wd", "/no/such/folder", "a/b/c", "../x/y", "C:\\models", "a b/c"]
)
def test_neither_a_folder_nor_a_repository(model):
    with pytest.raises(ModelError, match="neither a folder") as caught:
        folder(model or "./nothing", FILES)
    assert "model.onnx and selected_tags.csv or tags-selected.csv" in str(caught.value)


# --- the cache ------------------------------------------------------------------------------


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


# --- the network ----------------------------------------------------------------------------


def test_a_mirror_is_used_without_a_token_and_only_once(ask, server):
    server.files = {
        "some/tagger/model.onnx": b"weights" * 1000,
        "some/tagger/tags-selected.csv": b"tag_id,name,category,count\n",
    }
    assert ask("some/tagger", action="check", HF_ENDPOINT=server.url) == "None"
    assert {method for method, path, _ in server.asked if "resolve" in path} == {"HEAD"}
    path = Path(ask("some/tagger", HF_ENDPOINT=server.url))
    assert (path / "model.onnx").read_bytes() == b"weights" * 1000
    assert (path / "tags-selected.csv").is_file()
    assert path.name == COMMIT
    assert {token for _, _, token in server.asked} == {""}
    server.asked.clear()
    assert ask("some/tagger", HF_ENDPOINT=server.url) == str(path)
    assert server.asked == []


def test_files_in_folders_of_a_repository_and_a_commit(ask, server):
    server.files = {"some/tagger/v1/model.onnx": b"weights"}
    path = ask("some/tagger", files=("v1/model.onnx",), revision=COMMIT, HF_ENDPOINT=server.url)
    assert (Path(path) / "v1" / "model.onnx").read_bytes() == b"weights"


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        ((404, "RepoNotFound"), "there is no 'some/tagger'"),
        ((401, "RepoNotFound"), "there is no 'some/tagger'"),
        ((403, "GatedRepo"), "accept its conditions"),
        ((403, ""), "HTTP 403"),
    ],
)
def test_a_refusal_is_explained(ask, server, refusal, message):
    import re

    server.refusals = {"some/tagger": refusal}
    error = ask("some/tagger", HF_ENDPOINT=server.url)["error"]
    assert re.search(message, error), error
    assert "into a folder" in error


def test_a_missing_file_or_revision_is_named(ask, server):
    server.files = {"some/tagger/model.onnx": b"weights"}
    error = ask("some/tagger", HF_ENDPOINT=server.url)["error"]
    assert error.endswith("has no selected_tags.csv or tags-selected.csv")
    error = ask("some/tagger", revision="v9", HF_ENDPOINT=server.url)["error"]
    assert "no revision 'v9'" in error


def test_a_download_that_breaks_off_leaves_nothing_that_counts(ask, server):
    server.files = {"some/tagger/model.onnx": b"weights" * 10_000}
    server.cut_after, server.takes_ranges = 5_000, False
    error = ask("some/tagger", files=("model.onnx",), HF_ENDPOINT=server.url)["error"]
    assert "run it again to go on" in error
    assert "error" in ask("some/tagger", files=("model.onnx",), HF_HUB_OFFLINE="1")
    server.cut_after = None
    path = ask("some/tagger", files=("model.onnx",), HF_ENDPOINT=server.url)
    assert (Path(path) / "model.onnx").read_bytes() == b"weights" * 10_000


def test_no_network_says_what_to_do(ask):
    error = ask("some/tagger", HF_ENDPOINT="http://127.0.0.1:9")["error"]
    assert "from http://127.0.0.1:9 failed (ConnectError)" in error
    assert "put model.onnx and selected_tags.csv or tags-selected.csv (of" in error
    assert "into a folder and give the folder's path" in error


def blobs(tmp_path: Path) -> Path:
    return tmp_path / "hf" / "hub" / "models--some--tagger" / "blobs"


def until(happened, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


WEIGHTS = bytes(range(256)) * 2000


def test_a_download_that_was_killed_goes_on_where_it_was(ask, server, tmp_path):
    server.files = {"some/tagger/model.onnx": WEIGHTS}
    server.slow = 0.05
    part = blobs(tmp_path) / f"{hashlib.sha256(WEIGHTS).hexdigest()}.incomplete"
    files = ("model.onnx",)

    def some_came() -> None:
        until(lambda: part.exists() and part.stat().st_size > 60_000)

    ask("some/tagger", files=files, HF_ENDPOINT=server.url, stop_after=some_came)
    here = part.stat().st_size
    assert 60_000 < here < len(WEIGHTS)
    assert "HF_HUB_OFFLINE" in ask("some/tagger", files=files, HF_HUB_OFFLINE="1")["error"]
    server.slow = 0
    said = ask("some/tagger", action="told", files=files, HF_ENDPOINT=server.url)
    assert (Path(said["found"]) / "model.onnx").read_bytes() == WEIGHTS
    assert server.ranges == [f"bytes={here}-"]
    assert said["told"][0] == [here, len(WEIGHTS)]
    assert said["told"][-1] == [len(WEIGHTS)] * 2
    assert not part.exists()


def test_a_connection_that_breaks_is_taken_up_again(ask, server):
    server.files = {"some/tagger/model.onnx": WEIGHTS}
    server.cut_after = 300_000
    path = Path(ask("some/tagger", files=("model.onnx",), HF_ENDPOINT=server.url))
    assert (path / "model.onnx").read_bytes() == WEIGHTS
    assert server.ranges == ["bytes=300000-"]


def test_a_hub_that_sends_all_again_is_taken_at_its_word(ask, server, tmp_path):
    server.files = {"some/tagger/model.onnx": WEIGHTS}
    server.takes_ranges = False
    blobs(tmp_path).mkdir(parents=True)
    part = blobs(tmp_path) / f"{hashlib.sha256(WEIGHTS).hexdigest()}.incomplete"
    part.write_bytes(b"x" * 1000)
    path = Path(ask("some/tagger", files=("model.onnx",), HF_ENDPOINT=server.url))
    assert (path / "model.onnx").read_bytes() == WEIGHTS


def test_all_files_are_counted_together(ask, server):
    server.files = {"some/tagger/model.onnx": WEIGHTS, "some/tagger/selected_tags.csv": b"name\n"}
    total = len(WEIGHTS) + 5
    assert ask("some/tagger", action="to_fetch", HF_ENDPOINT=server.url) == str(total)
    said = ask("some/tagger", action="told", HF_ENDPOINT=server.url)["told"]
    assert {of for _, of in said} == {total}
    done = [here for here, _ in said]
    assert done == sorted(done) and done[0] == 0 and done[-1] == total
    assert ask("some/tagger", action="to_fetch", HF_HUB_OFFLINE="1") == "0"


def test_the_log_says_what_is_fetched_and_how_much(ask, server):
    server.files = {"some/tagger/model.onnx": WEIGHTS}
    _, log = ask("some/tagger", action="said", files=("model.onnx",), HF_ENDPOINT=server.url)
    assert f"fetching model.onnx of some/tagger (512 KB) from {server.url}" in log


def test_the_offline_error_names_all(ask):
    error = ask("some/tagger", revision=COMMIT, HF_HUB_OFFLINE="1")["error"]
    for words in (
        "'some/tagger' is not on this machine",
        "model.onnx and selected_tags.csv or tags-selected.csv",
        f"https://huggingface.co/some/tagger/tree/{COMMIT}",
        "into a folder and give the folder's path as the model",
    ):
        assert words in error


def test_a_hub_with_a_hostile_answer_writes_nowhere_else(ask, server, tmp_path):
    server.files = {"some/tagger/model.onnx": WEIGHTS}
    server.etag = "../../../../evil"
    error = ask("some/tagger", files=("model.onnx",), HF_ENDPOINT=server.url)["error"]
    assert "answers as no hub does" in error
    assert not list(tmp_path.rglob("*evil*"))


# --- which file it is -----------------------------------------------------------------------


def sum_of(content: bytes) -> dict[str, str]:
    return {"model.onnx": hashlib.sha256(content).hexdigest()}


def test_a_mirror_with_another_file_is_caught(ask, server, tmp_path):
    server.files = {"some/tagger/model.onnx": b"other weights"}
    files = ("model.onnx",)
    error = ask("some/tagger", files=files, sums=sum_of(WEIGHTS), HF_ENDPOINT=server.url)["error"]
    assert f"what {server.url} sent as model.onnx of 'some/tagger' is not the file" in error
    assert "HF_ENDPOINT" in error
    assert not list(blobs(tmp_path).iterdir())
    server.files = {"some/tagger/model.onnx": WEIGHTS}
    path = ask("some/tagger", files=files, sums=sum_of(WEIGHTS), HF_ENDPOINT=server.url)
    assert (Path(path) / "model.onnx").read_bytes() == WEIGHTS


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


def test_a_model_that_does_not_fit_the_disk_is_not_begun(tmp_path):
    from datasetkit.hub import fetching

    with pytest.raises(ModelError, match=r"needs .* more, but .* has room for"):
        fetching._check_room(tmp_path, [fetching.Remote("model.onnx", 10**18, "a", "b")])
