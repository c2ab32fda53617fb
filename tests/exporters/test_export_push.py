"""An export is brought to a hub: a loopback server that takes commits as Hugging Face's does.

huggingface_hub reads its environment when it is imported, so each case is a process of its own.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.exporters.exported import varied
from tests.exporters.push_server import Hub

SECRET = "hf_SECRETsecretSECRET"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return varied(tmp_path)


@pytest.fixture
def push(home: Path, hub: Hub, tmp_path: Path) -> Run:
    def run(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        clean = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": SECRET,
               "HF_HUB_DISABLE_XET": "1"}  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "datasetkit", "export", "imagefolder", "-d", home, *words],
            env={name: value for name, value in (clean | own | environment).items() if value},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert SECRET not in done.stdout + done.stderr
        assert "%|" not in done.stderr and "Traceback" not in done.stderr
        return done

    return run


def test_the_folder_is_brought_there_for_oneself_alone(push: Run, hub: Hub, home: Path) -> None:
    done = push("--push", "me/kirara")
    assert done.returncode == 0, done.stderr
    assert hub.private == {"me/kirara": True}
    folder = home / "export" / "imagefolder"
    wanted = {path.relative_to(folder).as_posix(): path.read_bytes()
              for path in folder.rglob("*") if path.is_file()}  # fmt: skip
    del wanted[".dsk-export.json"]
    assert hub.files["me/kirara"] == wanted
    assert f"pushed to {hub.url}/datasets/me/kirara (private)" in done.stderr
    assert hub.tokens == {""}  # a token for Hugging Face is not for another hub


def test_again_after_a_change_and_what_is_not_ours_stays(push: Run, hub: Hub, home: Path) -> None:
    hub.private["me/kirara"] = True
    hub.files["me/kirara"] = {".gitattributes": b"", "notes.md": b"mine"}
    done = push("--push", "me/kirara")
    assert "holds files that are not of this export, and stay there: notes.md" in done.stderr
    (home / "tall.txt").write_text("1girl, red scarf")
    push("--push", "me/kirara")
    assert b"red scarf" in hub.files["me/kirara"]["train/metadata.jsonl"]
    assert hub.files["me/kirara"]["notes.md"] == b"mine"


def test_a_public_repository_is_not_pushed_to_unasked(push: Run, hub: Hub) -> None:
    hub.private["me/shown"], hub.files["me/shown"] = False, {}
    done = push("--push", "me/shown")
    assert done.returncode == 1 and hub.commits == 0
    assert "me/shown is there and everyone sees it; say --no-private" in done.stderr
    done = push("--push", "me/shown", "--no-private")
    assert done.returncode == 0 and hub.commits == 1 and "everyone sees it" in done.stderr


def test_what_safety_refuses_is_not_pushed(push: Run, hub: Hub, home: Path) -> None:
    (home / "tall.txt").write_text("1girl, loli")
    push("--push", "me/kirara")
    assert not any("tall" in name for name in hub.files["me/kirara"])
    assert b"tall" not in b"".join(hub.files["me/kirara"].values())


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (("--push", "kirara"), {}, "'kirara' is no repository's name; write it in full"),
        (("--push", "me/kirara"), {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE forbids to push"),
        (
            ("--push", "me/kirara"),
            {"HF_ENDPOINT": "", "HF_TOKEN": ""},
            "nobody is logged in to Hugging Face; run 'hf auth login'",
        ),
    ],
)
def test_what_cannot_succeed_is_refused_before_anything_is_written(
    push: Run, hub: Hub, home: Path, words: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    done = push(*words, **environment)
    assert done.returncode == 2 and said in done.stderr
    assert not (home / "export").exists() and not hub.asked


@pytest.mark.parametrize(
    ("status", "said"),
    [(403, "it refuses (HTTP 403); the token needs the right to write to me"),
     (400, "HTTP 400; the export stands, run the same command again")],
)  # fmt: skip
def test_a_refusal_is_a_sentence_and_the_export_stands(
    push: Run, hub: Hub, home: Path, status: int, said: str
) -> None:
    hub.refuses = status
    done = push("--push", "me/kirara")
    assert done.returncode == 1 and said in " ".join(done.stderr.split())
    assert (home / "export" / "imagefolder" / "README.md").is_file()
    hub.refuses = 0
    assert push("--push", "me/kirara").returncode == 0 and hub.commits == 1
