"""``dsk models`` as people and programs meet it, with a hub on loopback."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasetkit.errors import UsageError
from datasetkit.models_shown import rows as shown_rows
from datasetkit.taggers import quantize
from datasetkit.taggers.models import MODELS
from tests.hub_server import Hub
from tests.taggers import models as makers

CommandLine = Callable[..., subprocess.CompletedProcess[str]]
REPOSITORY = Path(__file__).parent.parent
WD = "SmilingWolf/wd-vit-tagger-v3"  # of which no sum is pinned
PINNED = "SmilingWolf/wd-swinv2-tagger-v3"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Caches of the test's own."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("COLUMNS", raising=False)
    return tmp_path


@pytest.fixture
def hub(places: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    model = makers.small_tagger(places / "served", 32)
    for repository in (WD, PINNED):
        server.files |= {f"{repository}/{p.name}": p.read_bytes() for p in model.iterdir()}
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    yield server
    server.shutdown()
    server.server_close()


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


def through_sigmoid(folder: Path) -> None:
    """Whatever the pictures, the answers are probabilities."""
    import onnx

    loaded = onnx.load(folder / "model.onnx")
    last = loaded.graph.node[-1]
    last.output[0] = "sums"
    loaded.graph.node.append(onnx.helper.make_node("Sigmoid", ["sums"], ["output"]))
    onnx.save(loaded, folder / "model.onnx")


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class TestList:
    def test_the_table_fits_and_names_every_model(self, dsk: CommandLine, places: Path) -> None:
        done = dsk("models", "list")
        assert (done.returncode, done.stderr) == (0, "")
        assert max(map(len, done.stdout.splitlines())) <= 100
        for name in MODELS:
            assert f"\n{name}" in done.stdout
        shown = " ".join(done.stdout.split())
        for words in (
            "467 MB Apache-2.0 .35 / .85",
            "1.26 GB Apache-2.0 .53 / .85",
            "dsk models get NAME",
            "dsk tag --model NAME",
            "wd-swinv2-v3 serves most",
        ):
            assert words in shown
        assert not (places / "cache").exists() and not (places / "hf").exists()

    def test_json_lines(self, dsk: CommandLine, places: Path) -> None:
        found = {line["name"]: line for line in lines(dsk("models", "list", "--json"))}
        assert list(found) == list(MODELS)
        default = found["wd-swinv2-v3"]
        assert default["repository"] == PINNED
        assert len(default["sha256"]["model.onnx"]) == 64
        assert (default["licence"], default["size"], default["here"]) == (
            "Apache-2.0", "467 MB", None
        )  # fmt: skip
        assert found["camie-2"]["licence"] == "GPL-3.0"

    def test_half_a_model_is_not_here(self, dsk: CommandLine, hub: Hub) -> None:
        hub.files = {f"{WD}/model.onnx": b"weights"}
        assert dsk("models", "get", "wd-vit-v3").returncode == 1
        found = {line["name"]: line for line in lines(dsk("models", "list", "--json"))}
        assert found["wd-vit-v3"]["here"] is None

    def test_every_row_can_be_shown(self, places: Path) -> None:
        assert [row.name for row in shown_rows()] == list(MODELS)


class TestGet:
    def test_a_model_is_fetched_once(self, dsk: CommandLine, hub: Hub, places: Path) -> None:
        done = dsk("models", "get", "wd-vit-v3")
        assert done.returncode == 0 and done.stdout == ""
        said = done.stderr.splitlines()
        assert said[0].startswith("fetching wd-vit-tagger-v3 (")
        folder = dsk("models", "path", "wd-vit-v3").stdout.strip()
        assert said[1] == f"wd-vit-tagger-v3 is in {folder}"
        assert {p.name for p in Path(folder).iterdir()} == {"model.onnx", "selected_tags.csv"}
        hub.asked.clear()
        again = dsk("models", "get", "wd-vit-v3", WD)
        assert again.stderr.splitlines() == [said[1]] * 2
        assert hub.asked == []
        shown = dsk("models", "list").stdout
        assert "wd-vit-v3               yes" in shown

    def test_one_that_is_not_the_pinned_one_is_refused_and_the_other_fetched(
        self, dsk: CommandLine, hub: Hub
    ) -> None:
        # The loopback hub knows no such commit: pinned revisions are asked for as such.
        done = dsk("models", "get", "wd-swinv2-v3", "wd-vit-v3")
        assert done.returncode == 1
        assert f"has no revision '{MODELS['wd-swinv2-v3'].revision}'" in done.stderr
        assert "wd-vit-tagger-v3 is in" in done.stderr
        hub.revisions = None
        done = dsk("models", "get", "wd-swinv2-v3")
        assert done.returncode == 1
        assert "is not the file that this model has" in done.stderr
        assert "HF_ENDPOINT" in done.stderr

    def test_ctrl_c_is_a_sentence_and_the_next_run_goes_on(
        self, dsk: CommandLine, hub: Hub, places: Path
    ) -> None:
        hub.files[f"{WD}/model.onnx"] += b"x" * 400_000
        hub.slow = 0.05
        process = start("models", "get", "wd-vit-v3", cwd=places)
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
        done = dsk("models", "get", "wd-vit-v3")
        assert done.returncode == 0, done.stderr
        assert " of it here already)" in done.stderr
        assert len(hub.ranges) == 1

    @pytest.mark.skipif(sys.platform == "win32", reason="opens a terminal")
    def test_a_person_sees_a_bar(self, hub: Hub, places: Path) -> None:
        import pty

        hub.files[f"{WD}/model.onnx"] += b"x" * 300_000
        hub.slow = 0.02
        main, side = pty.openpty()
        process = start("models", "get", "wd-vit-v3", cwd=places, stdout=side, stderr=side)
        os.close(side)
        seen = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(main, 65536):
                seen += piece
        os.close(main)
        assert process.wait(timeout=20) == 0
        text = seen.decode()
        assert "━" in text and "kB" in text and "wd-vit-tagger-v3 is in" in text

    def test_offline_is_a_sentence(self, dsk: CommandLine, places: Path) -> None:
        done = dsk("models", "get", "wd-swinv2-v3", HF_HUB_OFFLINE="1")
        assert done.returncode == 1
        assert f"'{PINNED}' is not on this machine and HF_HUB_OFFLINE forbids" in done.stderr
        assert f"{PINNED}/tree/{MODELS['wd-swinv2-v3'].revision}" in done.stderr
        assert "selected_tags.csv" in done.stderr and "Traceback" not in done.stderr

    def test_an_unknown_name_is_a_sentence(self, dsk: CommandLine, places: Path) -> None:
        done = dsk("models", "get", "wd-swinv3-v2")
        assert done.returncode == 1
        assert "did you mean 'wd-swinv2-v" in done.stderr


class TestPath:
    def test_it_prints_the_folder_alone(self, dsk: CommandLine, model: Path) -> None:
        done = dsk("models", "path", model)
        assert (done.stdout, done.stderr) == (f"{model}\n", "")

    @pytest.mark.parametrize("name", ["wd-vit-v3", "cl-1.02"])
    def test_one_that_is_not_here(self, dsk: CommandLine, places: Path, name: str) -> None:
        done = dsk("models", "path", name)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{name} is not on this machine; fetch it with 'dsk models get {name}'" in (
            done.stderr
        )


class TestCheck:
    def test_all_is_well(self, dsk: CommandLine, model: Path) -> None:
        done = dsk("models", "check", model)
        assert done.returncode == 0, done.stderr
        shown = " ".join(done.stdout.split())
        for words in (
            "labels 32: 2 rating, 30 general; as many as it answers",
            "runs on CPU",
            "a picture of 32 pixels in one thread",
            "nobody says which it should be",
            "all is well",
        ):
            assert words in shown
        (facts,) = lines(dsk("models", "check", model, "--json"))
        assert facts["provider"] == "CPU"
        assert [part["name"] for part in facts["files"]] == ["model.onnx", "selected_tags.csv"]
        assert 0 <= facts["answers"][0] <= facts["answers"][1] <= 1
        assert facts["seconds"] > 0

    def test_a_fetched_one_is_what_its_repository_says_until_it_rots(
        self, dsk: CommandLine, hub: Hub
    ) -> None:
        dsk("models", "get", "wd-vit-v3")
        assert "as its repository says" in dsk("models", "check", "wd-vit-v3").stdout
        folder = Path(dsk("models", "path", "wd-vit-v3").stdout.strip())
        file = (folder / "model.onnx").resolve()
        file.write_bytes(file.read_bytes()[:-1] + b"x")
        done = dsk("models", "check", "wd-vit-v3")
        assert done.returncode == 1
        assert "is not the file that this model has" in done.stderr
        assert f"delete '{file}' and fetch it again" in done.stderr
        file.unlink()
        assert dsk("models", "get", "wd-vit-v3").returncode == 0
        assert dsk("models", "check", "wd-vit-v3").returncode == 0

    @pytest.mark.parametrize(
        ("harm", "said"),
        [
            (lambda m: (m / "model.onnx").write_bytes(b"x" * 99), "no whole ONNX model"),
            (lambda m: (m / "model.onnx").write_bytes(b""), "not finished"),
            (lambda m: (m / "selected_tags.csv").unlink(), "selected_tags.csv"),
            (lambda m: makers.write_labels(m, [("a", 0)]), "lists 1 labels"),
            (lambda m: (m / "selected_tags.csv").write_text("x"), "no columns"),
        ],
    )
    def test_what_is_wrong_is_a_sentence(
        self, dsk: CommandLine, model: Path, harm: Callable[[Path], object], said: str
    ) -> None:
        harm(model)
        done = dsk("models", "check", model)
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr and "Traceback" not in done.stderr

    def test_answers_that_are_no_numbers(self, dsk: CommandLine, places: Path) -> None:
        folder = makers.fixed_tagger(places / "nan", np.array([np.nan]), [("a", 0)])
        done = dsk("models", "check", folder)
        assert done.returncode == 1
        assert "answers with what is not a number" in done.stderr


class TestQuantize:
    def test_the_copy_is_compared_on_ones_own_pictures_and_used(
        self, dsk: CommandLine, model: Path, gallery: Path, places: Path
    ) -> None:
        (gallery / "broken.png").write_bytes((gallery / "p0.png").read_bytes()[:60])
        assert dsk("folder", gallery, "--quiet").returncode in (0, 3)
        done = dsk("models", "quantize", model)
        assert done.returncode == 0, done.stderr
        copy = places / "cache" / "datasetkit" / "models" / "my-tagger-int8"
        shown = " ".join(done.stdout.split())
        for words in (
            "% at the thresholds, on 6 pictures",
            "ratings agree",
            "probabilities differ by",
            "ms a picture became",
            f"use it: dsk tag --model {copy}",
        ):
            assert words in shown
        assert {p.name for p in copy.iterdir()} == {
            "model.onnx", "selected_tags.csv", "tagger.yaml"
        }  # fmt: skip
        assert dsk("models", "check", copy).returncode == 0
        assert f"int8 copy, {(copy / 'model.onnx').stat().st_size / 1000:.3g} KB: {copy}" in (
            dsk("models", "list").stdout
        )
        tagged = dsk("tag", "--model", copy)
        assert tagged.returncode == 0, tagged.stderr
        assert "6 changed" in tagged.stderr

    def test_json_and_a_plain_folder(
        self, dsk: CommandLine, model: Path, gallery: Path, places: Path
    ) -> None:
        out = places / "int8"
        (facts,) = lines(
            dsk("models", "quantize", model, "-d", gallery, "--pictures", 4, "-o", out, "--json")
        )
        assert (facts["folder"], facts["pictures"]) == (str(out), 4)
        assert 0.8 < facts["agreement"] <= 1
        assert 0 < facts["mean_difference"] <= facts["largest_difference"] < 0.1
        assert len(facts["seconds"]) == len(facts["size"]) == 2
        again = dsk("models", "quantize", model, "-d", gallery, "-o", out, "--json")
        assert again.returncode == 0  # its own copy is made anew

    def test_without_pictures_it_says_so(self, dsk: CommandLine, model: Path, places: Path) -> None:
        done = dsk("models", "quantize", model)
        assert done.returncode == 0
        assert "There are no pictures in dataset to compare on" in " ".join(done.stdout.split())

    def test_an_int8_model_has_nothing_to_round(
        self, dsk: CommandLine, model: Path, places: Path
    ) -> None:
        dsk("models", "quantize", model, "-o", "once")
        done = dsk("models", "quantize", places / "once", "-o", "twice")
        assert done.returncode == 1
        assert "has no products of float32 weights" in done.stderr
        assert not (places / "twice").exists()
        assert not [p for p in places.iterdir() if p.name.startswith(".twice")]

    def test_a_folder_with_something_else_is_left_alone(
        self, dsk: CommandLine, model: Path, gallery: Path
    ) -> None:
        before = sorted(gallery.iterdir())
        done = dsk("models", "quantize", model, "-o", gallery)
        assert done.returncode == 2 and "holds something else" in done.stderr
        assert sorted(gallery.iterdir()) == before

    def test_without_onnx_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(quantize.importlib.util, "find_spec", lambda name: None)
        with pytest.raises(UsageError, match=r"datasetkit\[quantize\]"):
            quantize.check_tools()

    def test_tags_that_differ_are_named(self, models_pair: tuple[Any, Any], draw: Any) -> None:
        from datasetkit.pixels import Picture

        first, second = models_pair
        picture = Picture(draw(first.folder.parent / "1.png"), (40, 60))
        found = quantize.compared(first, second, [picture])
        assert (found.lost, found.gained) == ({"tag_0": 1}, {"tag_2": 1})
        assert found.agreement == pytest.approx(1 / 3)
        assert found.largest == pytest.approx(0.7)
        assert found.mean == pytest.approx((0.7 + 0 + 0.7) / 3)


@pytest.fixture
def models_pair(places: Path) -> tuple[Any, Any]:
    """Two taggers that say known things of every picture."""
    from datasetkit.taggers.models import model_named
    from datasetkit.taggers.tagger import Tagger

    labels = [(f"tag_{number}", 0) for number in range(3)]
    made = []
    for name, answer in (("one", [0.9, 0.8, 0.1]), ("two", [0.2, 0.8, 0.8])):
        folder = makers.fixed_tagger(places / name, np.array(answer), labels)
        made.append(Tagger(model_named(str(folder))))
    return made[0], made[1]


def test_tagging_says_what_it_fetches(
    dsk: CommandLine, hub: Hub, gallery: Path, places: Path
) -> None:
    dsk("folder", gallery)
    done = dsk("tag", "--model", "wd-vit-v3")
    assert done.returncode == 0, done.stderr
    assert f"fetching model.onnx and selected_tags.csv of {WD} (" in done.stderr
    shutil.rmtree(places / "hf")
    quiet = dsk("tag", "--model", "wd-vit-v3", "--quiet")
    assert "fetching" not in quiet.stderr


@pytest.mark.parametrize("words", [["models", "--help"], ["models", "quantize", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys, atexit\n"
        "from datasetkit.cli import main\n"
        "atexit.register(lambda: print('LOADED', *sys.modules))\n"
        f"sys.argv = {['dsk', *words]!r}\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert not loaded & {"numpy", "onnx", "onnxruntime", "huggingface_hub", "PIL", "requests"}
