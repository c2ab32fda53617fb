"""Training: what it learns, that it goes on after a kill, and that nothing stale is used."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from datasetkit.backend import lora, state, training
from datasetkit.backend.train import Train
from datasetkit.dataset import Dataset
from datasetkit.errors import ModelError, SafetyError, UsageError
from datasetkit.stage import Note, Progress, Wrote

Pictures = Callable[..., Path]


@pytest.fixture
def task(base_folder: Path) -> Callable[..., Train]:
    def make(**options: Any) -> Train:
        few = {"epochs": 2, "batch": 2, "rank": 4, "alpha": 4.0, "lr": 1e-2, "text_lr": 1e-2}
        return Train(base=str(base_folder), **(few | options))

    return make


def notes(work: list[Any]) -> str:
    return "\n".join(item.text for item in work if isinstance(item, Note))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


def test_one_file_an_epoch_and_the_arithmetic(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    pictures(dataset.path / "train", 3)
    work = list(task()(dataset))
    wrote = [item.path.name for item in work if isinstance(item, Wrote)]
    assert wrote == ["kirara-000001.safetensors", "kirara.safetensors"]
    assert "3 pictures x repeats = 6 in 1 bucket of about 64x64; batch 2: 3 steps an epoch x 2 " \
        "epochs = 6 steps" in notes(work)  # fmt: skip
    assert "training kirara on cpu, fp32" in notes(work)
    steps = [item for item in work if isinstance(item, Progress) and "loss" in item.text]
    assert [item.done for item in steps] == [1, 2, 3, 4, 5, 6]
    assert steps[-1].total == 6
    said = lora.metadata(dataset.path / "lora" / "kirara.safetensors")
    assert all(isinstance(value, str) for value in said.values())
    assert said["ss_output_name"] == "kirara"
    assert lora.metadata(dataset.path / "lora" / wrote[0])["ss_output_name"] == "kirara-000001"
    assert (said["ss_network_dim"], said["ss_network_alpha"]) == ("4", "4.0")
    assert (said["ss_epoch"], said["ss_steps"], said["ss_seed"]) == ("2", "6", "42")
    assert said["modelspec.trigger_phrase"] == "kirara"
    assert json.loads(said["ss_tag_frequency"])["2_kirara"]["solo"] == 3
    assert str(dataset.path.parent) not in json.dumps(said)
    assert not list(dataset.path.rglob("*.part"))


def test_steps_are_the_sum_over_the_buckets(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    place = pictures(dataset.path / "train", 1) / "2_kirara"
    from PIL import Image

    Image.new("RGB", (64, 256)).save(place / "tall.png")
    work = list(task(resolution=128, batch=4, epochs=1)(dataset))
    assert "in 2 buckets of about 128x128; batch 4: 2 steps an epoch" in notes(work)
    assert "sparse buckets leave batches short: 1 full ones would do instead of 2" in notes(work)
    assert "1 pictures have no .txt; the folder's words stand in" in notes(work)


def test_a_finished_training_does_nothing(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    pictures(dataset.path / "train")
    list(task()(dataset))
    before = {path: path.stat().st_mtime_ns for path in (dataset.path / "lora").rglob("*")}
    work = list(task()(dataset))
    assert notes(work) == "kirara is trained already, with these settings and pictures"
    assert [item.fresh for item in work if isinstance(item, Wrote)] == [False, False]
    assert {path: path.stat().st_mtime_ns for path in (dataset.path / "lora").rglob("*")} == before


def test_other_settings_overwrite_nothing(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    pictures(dataset.path / "train")
    list(task()(dataset))
    first = files(dataset.path / "lora")
    (dataset.path / "lora" / "kirara.json").write_text("a person's notes")
    said = notes(list(task(rank=8, alpha=4.0)(dataset)))
    assert "was trained otherwise before (rank 4 -> 8)" in said
    earlier = dataset.path / "lora" / "earlier" / "kirara-1"
    assert files(earlier) == first
    assert (earlier / "kirara.json").read_text() == "a person's notes"
    (dataset.path / "train" / "2_kirara" / "picture_0.txt").write_text("kirara, other")
    assert "otherwise before (pictures)" in notes(list(task(rank=8, alpha=4.0)(dataset)))
    assert len(files(dataset.path / "lora")) == len(first) == 2
    (dataset.path / "lora" / "mine.safetensors").write_bytes(b"somebody's")
    with pytest.raises(UsageError, match="was not made by this training"):
        list(task(name="mine")(dataset))


def test_a_lost_file_is_made_again(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    pictures(dataset.path / "train")
    list(task()(dataset))
    before = files(dataset.path / "lora")
    (dataset.path / "lora" / "kirara-000001.safetensors").unlink()
    list(task()(dataset))
    assert files(dataset.path / "lora") == before


KILLED = """
import json, os, signal, sys
from datasetkit.backend.train import Train
from datasetkit.dataset import Dataset
from datasetkit.stage import Progress
options = json.loads(sys.argv[2])
with Dataset(sys.argv[1]) as dataset:
    for work in Train(**options)(dataset):
        if isinstance(work, Progress) and "loss" in work.text and work.done == 5:
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_training_ends_in_the_same_bytes(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train], tmp_path: Path
) -> None:
    pictures(dataset.path / "train")
    one = task(epochs=3, tag_dropout=0.2, flip=True, warmup=2)
    list(one(dataset))
    whole = files(dataset.path / "lora")
    assert len(whole) == 3
    options = {key: getattr(one, key) for key in one.changed_options()} | {"out": str(tmp_path)}
    command = [sys.executable, "-c", KILLED, str(dataset.path), json.dumps(options)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], check=False,
                          env={**os.environ, "PYTHONPATH": "."})  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert list(files(tmp_path)) == ["kirara-000001.safetensors"]
    work = list(Train(**options)(dataset))
    assert "going on after epoch 1" in notes(work)
    assert "6 of 6 latents were there from before" in notes(work)
    assert files(tmp_path) == whole


def test_a_kill_between_file_and_state_is_mended(
    dataset: Dataset,
    pictures: Pictures,
    task: Callable[..., Train],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pictures(dataset.path / "train")
    list(task(out=str(tmp_path / "whole"))(dataset))
    real = state.save

    def torn(path: Path, weights: Any, optimizer: Any, epoch: int, chosen: Any) -> None:
        if epoch == 1:
            raise KeyboardInterrupt
        real(path, weights, optimizer, epoch, chosen)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(state, "save", torn)
        list(task(out=str(tmp_path / "torn"))(dataset))
    assert len(files(tmp_path / "torn")) == 1
    list(task(out=str(tmp_path / "torn"))(dataset))
    assert files(tmp_path / "torn") == files(tmp_path / "whole")


def test_an_edited_picture_is_encoded_anew(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    from PIL import Image

    place = pictures(dataset.path / "train") / "2_kirara"
    list(task(epochs=1)(dataset))
    kept = set((dataset.path / "lora" / ".cache").iterdir())
    assert len(kept) == 3
    times = (place / "picture_0.png").stat()
    Image.new("RGB", (64, 64), "navy").save(place / "picture_0.png")
    os.utime(place / "picture_0.png", ns=(times.st_atime_ns, times.st_mtime_ns))
    work = list(task(epochs=1, name="edited")(dataset))
    assert "2 of 3 latents were there from before" in notes(work)
    assert len(set((dataset.path / "lora" / ".cache").iterdir()) - kept) == 1
    torn = next(iter(kept))
    torn.write_bytes(torn.read_bytes()[:50])
    assert "latents were there" in notes(list(task(epochs=1, name="again")(dataset)))


@pytest.mark.parametrize("text_lr", [0.0, 1e-2])
def test_the_loss_falls_and_text_learns_only_if_asked(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train], text_lr: float
) -> None:
    pictures(dataset.path / "train", 1)
    one = task(epochs=60, batch=2, scheduler="constant", text_lr=text_lr, rank=8, alpha=8.0)
    losses = [float(item.text.split("loss ")[1].split(",")[0]) for item in one(dataset)
              if isinstance(item, Progress) and "loss" in item.text]  # fmt: skip
    first, last = sum(losses[:15]) / 15, sum(losses[-15:]) / 15
    assert last < 0.85 * first, (first, last)
    found = lora.load(dataset.path / "lora" / "kirara.safetensors").pairs
    text = [pair for name, pair in found.items() if name.startswith(lora.TEXT)]
    assert len(text) == (12 if text_lr else 0)
    assert all(pair.up.abs().max() > 0 for pair in text)


def test_gradient_checkpointing_changes_no_number(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train], tmp_path: Path
) -> None:
    pictures(dataset.path / "train")
    for kept in (True, False):
        out = str(tmp_path / str(kept))
        list(task(out=out, gradient_checkpointing=kept, tag_frequency=False)(dataset))
    first, second = (lora.load(tmp_path / str(kept) / "kirara.safetensors").pairs
                     for kept in (True, False))  # fmt: skip
    assert all(torch.equal(first[name].up, second[name].up) for name in first)


@pytest.mark.parametrize("options", [
    {"family": "easyfluff"}, {"family": "easyfluff", "min_snr": 5.0},
    {"noise_offset": 0.05, "min_snr": 0.0}, {"precision": "bf16"},
    {"clip_skip": 2, "text_lr": 0.0, "shuffle": False}, {"caption_dropout": 0.5},
    {"save_precision": "bf16", "scheduler": "constant_with_warmup", "warmup": 0.5},
])  # fmt: skip
def test_the_other_options_train_too(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train], options: dict[str, Any],
    tmp_path: Path, base_folder: Path,
) -> None:  # fmt: skip
    pictures(dataset.path / "train", 1)
    one = task(epochs=1, **options)
    if options.get("family"):  # the miniature's own files say eps
        copy = Path(shutil.copytree(base_folder, tmp_path / "v"))
        shutil.rmtree(copy / "scheduler")
        with pytest.raises(ModelError, match="predicts eps by its own files"):
            list(one(dataset))
        one = dataclasses.replace(one, base=str(copy))
    list(one(dataset))
    found = lora.load(dataset.path / "lora" / "kirara.safetensors")
    usual = 0.0 if options.get("family") else 5.0
    words = lora.metadata(dataset.path / "lora" / "kirara.safetensors")
    assert words["ss_min_snr_gamma"] == str(options.get("min_snr", usual) or None)
    assert all(pair.up.isfinite().all() for pair in found.pairs.values())
    assert any(pair.up.abs().max() > 0 for pair in found.pairs.values())


def test_schedules_are_those_of_diffusers() -> None:
    from diffusers.optimization import get_scheduler

    for name, share in training.SCHEDULES.items():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        warm = 0 if name == "constant" else 5
        theirs = get_scheduler(name, optimizer, num_warmup_steps=warm, num_training_steps=25)
        for step in range(25):
            ours = step / warm if step < warm else share((step - warm) / (25 - warm))
            assert ours == pytest.approx(theirs.lr_lambdas[0](step), abs=1e-6), (name, step)


def test_one_long_parameter_is_updated_like_many_short_ones() -> None:
    torch.manual_seed(0)
    short = [torch.nn.Parameter(torch.randn(3, 2)), torch.nn.Parameter(torch.randn(4))]
    views = [part.detach().clone() for part in short]
    whole = state.flat(views)
    first, second = torch.optim.AdamW(short, lr=0.1), torch.optim.AdamW([whole], lr=0.1)
    for _ in range(5):
        for optimizer, parts in ((first, short), (second, views)):
            sum((part**3).sum() for part in parts).backward()  # type: ignore[union-attr]
            optimizer.step()
            optimizer.zero_grad(set_to_none=optimizer is first)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(short, views, strict=True))


def test_unsafe_captions_and_names_are_refused(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    place = pictures(dataset.path / "train", 2) / "2_kirara"
    (place / "picture_0.txt").write_text("kirara, solo, child, hat")  # of unknown rating
    work = list(task(epochs=1)(dataset))
    assert "1 pictures are left out by the safety rules" in notes(work)
    (place / "picture_1.txt").write_text("kirara, solo, child, hat")
    with pytest.raises(SafetyError, match="let none of these pictures"):
        list(task(epochs=1)(dataset))
    with pytest.raises(SafetyError):
        task(name="shotacon").check()


@pytest.mark.parametrize(("options", "words"), [
    ({"family": "pony-v6"}, "SDXL-shaped"),
    ({"scheduler": "cosin"}, "did you mean 'cosine'"),
    ({"save_precision": "fp8"}, "did you mean 'fp16'|there are: bf16"),
    ({"precision": "fp16"}, "no precision 'fp16'"),
])  # fmt: skip
def test_wrong_words_are_refused(
    task: Callable[..., Train], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        task(**options).check()


def test_a_broken_picture_is_left_out(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    place = pictures(dataset.path / "train", 2) / "2_kirara"
    (place / "picture_0.png").write_bytes(b"not a picture")
    work = list(task(epochs=1)(dataset))
    assert "left out: 2_kirara/picture_0.png (" in notes(work)
    assert "1 pictures x repeats = 2" in notes(work)


def test_a_name_cannot_leave_the_folder(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    pictures(dataset.path / "train", 1)
    work = list(task(epochs=1, name="../../up")(dataset))
    wrote = [item.path for item in work if isinstance(item, Wrote)]
    assert [path.parent for path in wrote] == [dataset.path / "lora"]
