"""What a hub on loopback sends: whole, in pieces, again, or refused."""

import hashlib
import time
from pathlib import Path

import pytest

from datasetkit.errors import ModelError
from tests.hub_server import COMMIT


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
    assert "from http://127.0.0.1:9 failed (no connection to it)" in error
    assert "put model.onnx and selected_tags.csv or tags-selected.csv (of" in error
    assert "into a folder and give the folder's path" in error


def blobs(tmp_path: Path) -> Path:
    return tmp_path / "hf" / "hub" / "models--some--tagger" / "blobs"


def part_of(tmp_path: Path, content: bytes) -> Path:
    blobs(tmp_path).mkdir(parents=True, exist_ok=True)
    return blobs(tmp_path) / f"{hashlib.sha256(content).hexdigest()}.incomplete"


def downloads(server) -> list[str]:
    return [path.rpartition("/")[2] for method, path, _ in server.asked
            if method == "GET" and "/resolve/" in path]  # fmt: skip


def until(happened, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


WEIGHTS = bytes(range(256)) * 2000


def test_a_download_that_was_killed_goes_on_where_it_was(ask, server, tmp_path):
    server.files = {"some/tagger/model.onnx": WEIGHTS}
    server.slow = 0.05
    part = part_of(tmp_path, WEIGHTS)
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
    part_of(tmp_path, WEIGHTS).write_bytes(b"x" * 1000)
    path = Path(ask("some/tagger", files=("model.onnx",), HF_ENDPOINT=server.url))
    assert (path / "model.onnx").read_bytes() == WEIGHTS


def test_what_was_begun_wrongly_is_begun_anew(ask, server, tmp_path):
    server.files = {"some/tagger/model.onnx": WEIGHTS}
    part_of(tmp_path, WEIGHTS).write_bytes(b"x" * 1000)
    path = Path(ask("some/tagger", files=("model.onnx",), HF_ENDPOINT=server.url))
    assert (path / "model.onnx").read_bytes() == WEIGHTS
    assert server.ranges == ["bytes=1000-"]


def test_more_than_a_file_of_unknown_size_is_begun_anew(ask, server, tmp_path):
    server.files = {"some/tagger/model.onnx": WEIGHTS}
    server.tells_size = False
    part_of(tmp_path, WEIGHTS).write_bytes(WEIGHTS)
    path = Path(ask("some/tagger", files=("model.onnx",), HF_ENDPOINT=server.url))
    assert (path / "model.onnx").read_bytes() == WEIGHTS


def test_a_busy_hub_is_asked_again_and_a_lasting_refusal_is_told(ask, server):
    server.files = {"some/tagger/model.onnx": WEIGHTS}
    server.busy = [503, 429]
    path = Path(ask("some/tagger", files=("model.onnx",), HF_ENDPOINT=server.url))
    assert (path / "model.onnx").read_bytes() == WEIGHTS
    server.files = {"other/tagger/model.onnx": WEIGHTS}
    server.busy = [403]
    error = ask("other/tagger", files=("model.onnx",), HF_ENDPOINT=server.url)["error"]
    assert "failed (HTTP 403)" in error and server.busy == []


def test_a_blob_that_rotted_before_it_had_a_place_is_fetched_anew(ask, server, tmp_path):
    server.files = {"some/tagger/model.onnx": WEIGHTS}
    blob = part_of(tmp_path, WEIGHTS).with_suffix("")
    blob.write_bytes(WEIGHTS[:-1] + b"x")
    path = Path(ask("some/tagger", files=("model.onnx",), HF_ENDPOINT=server.url))
    assert (path / "model.onnx").read_bytes() == WEIGHTS


def test_two_at_once_fetch_once(ask, server, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    server.files = {"some/tagger/model.onnx": WEIGHTS}
    server.slow = 0.08
    part = part_of(tmp_path, WEIGHTS)

    def run(**options):
        return ask("some/tagger", files=("model.onnx",), HF_ENDPOINT=server.url, **options)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(run)
        until(part.exists)
        found, log = run(action="said")
    assert found == first.result()
    assert (Path(found) / "model.onnx").read_bytes() == WEIGHTS
    assert downloads(server) == ["model.onnx"]
    assert "another program is fetching some/tagger already; waiting for it" in log


def test_without_links_a_file_gets_its_place_by_rename(ask, server, tmp_path):
    server.files = {"some/tagger/model.onnx": WEIGHTS}
    environment = {"HF_ENDPOINT": server.url, "HF_HUB_DISABLE_SYMLINKS": "1"}
    path = Path(ask("some/tagger", files=("model.onnx",), **environment))
    assert (path / "model.onnx").read_bytes() == WEIGHTS
    assert not (path / "model.onnx").is_symlink()
    assert list(blobs(tmp_path).iterdir()) == []
    assert ask("some/tagger", files=("model.onnx",), HF_HUB_OFFLINE="1") == str(path)


def test_a_repository_that_changes_meanwhile_is_not_mixed(ask, server):
    server.files = {"some/tagger/model.onnx": WEIGHTS, "some/tagger/selected_tags.csv": b"name\n"}
    server.commits = {"selected_tags.csv": "f" * 40}
    error = ask("some/tagger", HF_ENDPOINT=server.url)["error"]
    assert "it was changed at this very moment" in error and "run it again" in error


def test_a_cache_that_cannot_be_written_is_named(ask, server, tmp_path):
    (tmp_path / "hf").write_text("a file")
    server.files = {"some/tagger/model.onnx": WEIGHTS}
    error = ask("some/tagger", files=("model.onnx",), HF_ENDPOINT=server.url)["error"]
    assert f"'{tmp_path / 'hf'}" in error
    assert "cannot be written" in error and "HF_HOME names another place" in error


def test_all_files_are_counted_together(ask, server):
    server.files = {"some/tagger/model.onnx": WEIGHTS, "some/tagger/selected_tags.csv": b"name\n"}
    total = len(WEIGHTS) + 5
    said = ask("some/tagger", action="told", HF_ENDPOINT=server.url)["told"]
    assert {of for _, of in said} == {total}
    done = [here for here, _ in said]
    assert done == sorted(done) and done[0] == 0 and done[-1] == total


def test_who_watches_hears_of_every_download(ask, server):
    server.files = {"some/tagger/model.onnx": WEIGHTS}
    files = ("model.onnx",)
    told = ask("some/tagger", action="watched", files=files, HF_ENDPOINT=server.url)["told"]
    assert {(what, total) for what, _, total in told} == {("some/tagger", len(WEIGHTS))}
    assert told[-1][1] == len(WEIGHTS)


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


def sum_of(content: bytes) -> dict[str, str]:
    return {"model.onnx": hashlib.sha256(content).hexdigest()}


def test_a_mirror_with_another_file_is_caught(ask, server, tmp_path):
    server.files = {"some/tagger/model.onnx": b"other weights"}
    files = ("model.onnx",)
    error = ask("some/tagger", files=files, sums=sum_of(WEIGHTS), HF_ENDPOINT=server.url)["error"]
    assert f"what {server.url} has as model.onnx of 'some/tagger' is not the file" in error
    assert "HF_ENDPOINT" in error
    assert not list(blobs(tmp_path).iterdir())
    assert downloads(server) == []  # its own sum gave it away
    server.etag = "0" * 40  # one that tells no sum
    error = ask("some/tagger", files=files, sums=sum_of(WEIGHTS), HF_ENDPOINT=server.url)["error"]
    assert "is not the file" in error and not list(blobs(tmp_path).iterdir())
    server.etag = ""
    server.files = {"some/tagger/model.onnx": WEIGHTS}
    path = ask("some/tagger", files=files, sums=sum_of(WEIGHTS), HF_ENDPOINT=server.url)
    assert (Path(path) / "model.onnx").read_bytes() == WEIGHTS


def test_a_model_that_does_not_fit_the_disk_is_not_begun(tmp_path):
    from datasetkit.hub import fetching

    with pytest.raises(ModelError, match=r"needs .* more, but .* has room for"):
        fetching._check_room(tmp_path, [fetching.Remote("model.onnx", 10**18, "a", "b")])


def test_the_files_in_the_root_of_a_repository(server, monkeypatch):
    from huggingface_hub import constants

    from datasetkit import hub

    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    server.files = {"some/tagger/config.json": b"{}", "some/tagger/model.onnx": b"weights"}
    assert hub.names("some/tagger", ("config.json",)) == ["config.json", "model.onnx"]
    assert {method for method, _, _ in server.asked} == {"GET"} and len(server.asked) == 1
    with pytest.raises(ModelError, match="there is no 'other/tagger'"):
        hub.names("other/tagger", ("config.json",))
