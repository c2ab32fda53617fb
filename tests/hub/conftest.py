"""A hub on loopback, and a process of its own for each question to it.

huggingface_hub reads its environment when it is imported, so each case runs in a process of its
own.
"""

import json
import os
import subprocess
import sys
import threading

import pytest

from datasetkit import hub
from tests.hub_server import Hub

FILES = ("model.onnx", "selected_tags.csv|tags-selected.csv")
SECRET = "hf_SECRETsecretSECRET"

RUN = """
import json, logging, sys
from datasetkit import hub
from datasetkit.errors import ModelError
from datasetkit.hub import fetching
fetching.PAUSE = 0.1
action, model, revision, sums, *files = sys.argv[1:]
if action == "told":
    logging.basicConfig(level=logging.WARNING)
    action, told = "folder", []
    options = {"told": lambda done, total: told.append((done, total))}
elif action == "watched":
    action, told, options = "folder", [], {}
    watch = hub.watched(lambda *words: told.append(words))
    watch.__enter__()
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
