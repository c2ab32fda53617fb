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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from datasetkit.errors import ModelError
from datasetkit.hub import folder

FILES = ("model.onnx", "selected_tags.csv|tags-selected.csv")
SECRET = "hf_SECRETsecretSECRET"
COMMIT = "0123456789abcdef0123456789abcdef01234567"

RUN = """
import json, logging, sys
from datasetkit import hub
from datasetkit.errors import ModelError
action, model, revision, *files = sys.argv[1:]
try:
    print(json.dumps(str(getattr(hub, action)(model, files, revision))))
except ModelError as error:
    print(json.dumps({"error": str(error)}))
"""


class Hub(ThreadingHTTPServer):
    """Repositories as the hub serves them: HEAD and GET of /<owner>/<name>/resolve/<rev>/<file>."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files: dict[str, bytes] = {}
        self.refusals: dict[str, tuple[int, str]] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.cut_after: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        repository, _, rest = self.path.lstrip("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        token = self.headers.get("Authorization", "")
        self.server.asked.append((self.command, self.path, token))
        content = self.server.files.get(f"{repository}/{name}")
        if repository in self.server.refusals:
            return self._refuse(*self.server.refusals[repository])
        if not any(known.startswith(repository + "/") for known in self.server.files):
            return self._refuse(404, "RepoNotFound")
        if revision not in ("main", COMMIT):
            return self._refuse(404, "RevisionNotFound")
        if content is None:
            return self._refuse(404, "EntryNotFound")
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[: self.server.cut_after])
        return None

    do_GET = do_HEAD

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""


@pytest.fixture
def server():
    hub = Hub()
    threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True).start()
    yield hub
    hub.shutdown()
    hub.server_close()


@pytest.fixture
def ask(tmp_path):
    def run(model: str, *, action="folder", revision="", files=FILES, **environment: str):
        clean = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        home = {"HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": SECRET, "HF_HUB_DISABLE_XET": "1"}
        done = subprocess.run(
            [sys.executable, "-c", RUN, action, model, revision, *files],
            capture_output=True, text=True, timeout=60, check=False,
            env=clean | home | environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "%|" not in done.stderr  # no progress bar
        assert SECRET not in done.stdout + done.stderr
        return json.loads(done.stdout)

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
    server.cut_after = 5_000
    error = ask("some/tagger", files=("model.onnx",), HF_ENDPOINT=server.url)["error"]
    assert "run it again to go on" in error
    assert "error" in ask("some/tagger", files=("model.onnx",), HF_HUB_OFFLINE="1")
    server.cut_after = None
    path = ask("some/tagger", files=("model.onnx",), HF_ENDPOINT=server.url)
    assert (Path(path) / "model.onnx").read_bytes() == b"weights" * 10_000


def test_no_network_says_what_to_do(ask):
    error = ask("some/tagger", HF_ENDPOINT="http://127.0.0.1:9")["error"]
    assert "from http://127.0.0.1:9 failed (ConnectError)" in error
    assert "put model.onnx into a folder" in error
