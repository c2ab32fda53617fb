"""``dsk models quantize``: an int8 copy, compared on one's own pictures."""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from datasetkit import models_shown
from datasetkit.errors import UsageError
from datasetkit.taggers import quantize
from tests.taggers import models as makers

CommandLine = Callable[..., subprocess.CompletedProcess[str]]


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class TestQuantize:
    def test_the_copy_is_compared_on_ones_own_pictures_and_used(
        self, here: CommandLine, model: Path, gallery: Path, places: Path
    ) -> None:
        (gallery / "broken.png").write_bytes((gallery / "p0.png").read_bytes()[:60])
        assert here("folder", gallery, "--quiet").returncode in (0, 3)
        done = here("models", "quantize", model)
        assert done.returncode == 0, done.stderr
        (copy,) = (places / "cache" / "datasetkit" / "models").iterdir()
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
        assert here("models", "check", copy).returncode == 0
        assert f"int8 copy, {(copy / 'model.onnx').stat().st_size / 1000:.3g} KB: {copy}" in (
            here("models", "list").stdout
        )
        tagged = here("tag", "--model", copy)
        assert tagged.returncode == 0, tagged.stderr
        assert "6 changed" in tagged.stderr

    def test_two_models_of_the_same_name_have_a_copy_each(
        self, here: CommandLine, model: Path, places: Path
    ) -> None:
        other = makers.small_tagger(places / "c" / model.name, 32)
        made = []
        for folder in (model, other, model):
            (facts,) = lines(here("models", "quantize", folder, "--json"))
            made.append(Path(facts["folder"]))
        assert made[0] == made[2] != made[1]
        for copy, folder in zip(made, (model, other), strict=False):
            assert copy.name.startswith("my-tagger-") and copy.name.endswith("-int8")
            labels = [(one / "selected_tags.csv").read_bytes() for one in (copy, folder)]
            assert labels[0] == labels[1]

    def test_a_copy_that_gains_nothing_is_not_praised(
        self, here: CommandLine, gallery: Path, places: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        small = makers.small_tagger(places / "small", 32)  # int8's own steps are larger than it
        monkeypatch.setattr(quantize, "compared", lambda *_: measured((0.1, 0.2)))
        shown = here("models", "quantize", small, "-d", gallery).stdout
        assert "It takes as much room and is no faster: it gains nothing" in " ".join(shown.split())
        assert "It says the same" not in shown and "use it:" not in shown

    def test_what_a_killed_one_left_is_swept_and_what_another_makes_is_not(
        self, here: CommandLine, model: Path, places: Path
    ) -> None:
        left, busy = places / ".copy-dead", places / ".copy-busy"
        for draft in (left, busy):
            (draft / "whole").mkdir(parents=True)
            (draft / "lock").touch()
        shutil.copytree(left, other := places / ".copy-other")
        (other / "mine.txt").touch()
        with FileLock(busy / "lock"):
            assert here("models", "quantize", model, "-o", "copy").returncode == 0
            assert busy.exists() and not left.exists()
        assert sorted(p.name for p in places.glob(".copy-*")) == [".copy-busy", ".copy-other"]

    def test_json_and_a_plain_folder(
        self, here: CommandLine, model: Path, gallery: Path, places: Path
    ) -> None:
        out = places / "int8"
        (facts,) = lines(
            here("models", "quantize", model, "-d", gallery, "--pictures", 4, "-o", out, "--json")
        )
        assert (facts["folder"], facts["pictures"]) == (str(out), 4)
        assert 0.8 < facts["agreement"] <= 1
        assert 0 < facts["mean_difference"] <= facts["largest_difference"] < 0.1
        assert len(facts["seconds"]) == len(facts["size"]) == 2
        again = here("models", "quantize", model, "-d", gallery, "-o", out, "--json")
        assert again.returncode == 0  # its own copy is made anew

    def test_without_pictures_it_says_so(
        self, here: CommandLine, model: Path, places: Path
    ) -> None:
        done = here("models", "quantize", model)
        assert done.returncode == 0
        assert "There are no pictures in dataset to compare on" in " ".join(done.stdout.split())

    def test_an_int8_model_has_nothing_to_round(
        self, here: CommandLine, model: Path, places: Path
    ) -> None:
        here("models", "quantize", model, "-o", "once")
        done = here("models", "quantize", places / "once", "-o", "twice")
        assert done.returncode == 1
        assert "has no products of float32 weights" in done.stderr
        assert not (places / "twice").exists()
        assert not [p for p in places.iterdir() if p.name.startswith(".twice")]

    def test_a_folder_with_something_else_is_left_alone(
        self, here: CommandLine, model: Path, gallery: Path
    ) -> None:
        before = sorted(gallery.iterdir())
        done = here("models", "quantize", model, "-o", gallery)
        assert done.returncode == 2 and "holds something else" in done.stderr
        assert sorted(gallery.iterdir()) == before

    def test_ones_own_model_is_never_written_over(self, here: CommandLine, model: Path) -> None:
        (model / "tagger.yaml").write_text("family: wd\n")
        before = {p.name: p.read_bytes() for p in model.iterdir()}
        done = here("models", "quantize", model, "-o", model)
        assert done.returncode == 2 and "holds something else" in done.stderr
        assert {p.name: p.read_bytes() for p in model.iterdir()} == before

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


def measured(seconds: tuple[float, float], agreement: float = 1.0) -> quantize.Compared:
    return quantize.Compared(3, agreement, 1, 0, 0, seconds, Counter(), Counter())


@pytest.mark.parametrize(
    ("seconds", "agreement", "sizes", "said"),
    [
        ((0.2, 0.1), 0.99, (400, 100), "It says the same but for little."),
        ((0.2, 0.1), 0.92, (400, 100), "nearly the same"),
        ((0.2, 0.1), 0.5, (400, 100), "says other things"),
        ((0.1, 0.1), 0.99, (400, 100), "says the same but for little. It is no faster here"),
        ((0.1, 0.2), 0.99, (100, 100), "it gains nothing"),
        ((0.1, 0.2), 0.5, (100, 110), "it gains nothing"),
    ],
)
def test_the_verdict(seconds: Any, agreement: float, sizes: Any, said: str) -> None:
    assert said in models_shown.verdict(measured(seconds, agreement), sizes)


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
