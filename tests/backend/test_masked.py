"""Training with masks: what is black is not learned, and without masks nothing is otherwise."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from datasetkit.backend import kohya_folder, latents, lora
from datasetkit.backend.train import Train
from datasetkit.backend.training import Run
from datasetkit.buckets import Buckets
from datasetkit.dataset import Dataset
from datasetkit.errors import PictureError
from datasetkit.families import family
from datasetkit.stage import Note

Pictures = Callable[..., Path]


@pytest.fixture
def task(base_folder: Path) -> Callable[..., Train]:
    def make(**options: Any) -> Train:
        few = {"epochs": 1, "batch": 2, "rank": 4, "alpha": 4.0, "lr": 1e-2, "text_lr": 1e-2}
        return Train(base=str(base_folder), **(few | options))

    return make


def notes(work: list[Any]) -> str:
    return "\n".join(item.text for item in work if isinstance(item, Note))


def mask(folder: Path, stem: str, *black: tuple[int, int, int, int], size=(64, 64)) -> Path:
    """Draw a mask; a black box is (left, top, right, bottom), the last two excluded."""
    image = Image.new("L", size, 255)
    for box in black:
        image.paste(0, box)
    path = folder / "masks" / f"{stem}.png"
    path.parent.mkdir(exist_ok=True)
    image.save(path)
    return path


def lora_bytes(dataset: Dataset, name: str = "kirara") -> bytes:
    return (dataset.path / "lora" / f"{name}.safetensors").read_bytes()


def weights(dataset: Dataset) -> list[torch.Tensor]:
    found = lora.load(dataset.path / "lora" / "kirara.safetensors").pairs
    return [found[name].up for name in sorted(found)]


def test_masks_are_found_by_the_pictures_stems(dataset: Dataset, pictures: Pictures) -> None:
    folder = pictures(dataset.path / "train")
    mask(folder, "picture_1", (0, 0, 8, 8))
    found = kohya_folder.read(folder)
    assert [example.mask and example.mask.name for example in found] == [
        None, "picture_1.png", None,
    ]  # fmt: skip
    assert {example.folder for example in found} == {"2_kirara"}


def test_a_share_is_the_mean_over_each_place_of_the_latent(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    path = mask(tmp_path, "a", (0, 0, 20, 8))
    share = latents.learned_share(path, tmp_path / "a.png", Buckets(64, 64, 64), flip=False)
    assert share.shape == (1, 8, 8)
    assert share[0, 0].tolist() == [0, 0, 0.5, 1, 1, 1, 1, 1]
    assert share[0, 1:].min() == 1
    mirrored = latents.learned_share(path, tmp_path / "a.png", Buckets(64, 64, 64), flip=True)
    assert torch.equal(mirrored, share.flip(-1))


def test_a_mask_goes_through_the_buckets_cut_as_its_picture_does(tmp_path: Path) -> None:
    Image.new("RGB", (96, 64)).save(tmp_path / "a.png")  # 16 columns are cut off at either side
    path = mask(tmp_path, "a", (0, 0, 24, 64), size=(96, 64))
    share = latents.learned_share(path, tmp_path / "a.png", Buckets(64, 64, 64), flip=False)
    assert share[0, 0].tolist() == [0, 1, 1, 1, 1, 1, 1, 1]


def test_of_a_mask_in_colour_the_red_counts(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    Image.new("RGB", (64, 64), (255, 0, 0)).save(tmp_path / "red.png")
    share = latents.learned_share(
        tmp_path / "red.png", tmp_path / "a.png", Buckets(64, 64, 64), flip=False
    )
    assert float(share.min()) == 1


def test_a_mask_of_another_size_leaves_its_picture_out(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    folder = pictures(dataset.path / "train")
    mask(folder, "picture_1", size=(32, 64))
    said = notes(list(task()(dataset)))
    assert (
        "left out: 2_kirara/picture_1.png (the mask picture_1.png is 32x64, its picture 64x64"
        in said
    )
    with pytest.raises(PictureError):
        latents.learned_share(
            folder / "masks" / "picture_1.png", folder / "2_kirara" / "picture_1.png",
            Buckets(64, 64, 64), flip=False,
        )  # fmt: skip


def test_the_loss_is_multiplied_and_not_made_up_for(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    """Half a mask halves what counts: kohya divides by all places, not by those that are left."""
    folder = pictures(dataset.path / "train", 1)
    run = made(task(min_snr=0.0), folder)
    list(run.prepare(dataset.path / "cache"))
    answer = torch.zeros(1, 4, 8, 8)
    run.base.unet = lambda *given, **more: type("Found", (), {"sample": answer})
    plain = float(run.loss(0, 0, [0]))
    run.shares[run.examples[0].path, False] = torch.ones(1, 8, 8)
    assert float(run.loss(0, 0, [0])) == plain
    left, right = torch.ones(1, 8, 8), torch.ones(1, 8, 8)
    left[:, :, 4:], right[:, :, :4] = 0, 0
    halves = []
    for share in (left, right):
        run.shares[run.examples[0].path, False] = share
        halves.append(float(run.loss(0, 0, [0])))
    assert sum(halves) == pytest.approx(plain)
    assert all(0 < half < plain for half in halves)


def test_under_the_mask_there_is_no_gradient(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    folder = pictures(dataset.path / "train", 1)
    mask(folder, "picture_0", (0, 0, 32, 64))
    run = made(task(), folder)
    list(run.prepare(dataset.path / "cache"))
    real, answers = run.base.unet, []

    def watched(*given: Any, **more: Any) -> Any:
        found = real(*given, **more)
        found.sample.retain_grad()
        answers.append(found.sample)
        return found

    run.base.unet = watched
    run.loss(0, 0, [0]).backward()
    gradient = answers[0].grad
    assert gradient[:, :, :, :4].abs().max() == 0
    assert gradient[:, :, :, 4:].abs().min() > 0


def made(task: Train, folder: Path) -> Run:
    from datasetkit.backend import checkpoint

    base = checkpoint.load(task.base, "cpu", "fp32", "", training=True)
    return Run(task, family("sd1"), base, kohya_folder.read(folder), contents(folder))


def contents(folder: Path) -> dict[Path, str]:
    import hashlib

    examples = kohya_folder.read(folder)
    return {e.path: hashlib.sha256(e.path.read_bytes()).hexdigest() for e in examples}


def test_what_a_picture_shows_under_a_whole_mask_makes_no_difference(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    folder = pictures(dataset.path / "train")
    trained = []
    for masked in (True, False):
        for colour in ("navy", "orange"):
            picture = folder / "2_kirara" / "picture_1.png"
            image = Image.new("RGB", (64, 64), colour)
            ImageDraw.Draw(image).ellipse((8, 8, 50, 40), "white")
            image.save(picture)
            mask(folder, "picture_1", *([(0, 0, 64, 64)] if masked else []))
            list(task(text_lr=0.0)(dataset))
            trained.append(weights(dataset))
    hidden, hidden_too, shown, shown_too = trained
    assert all(torch.equal(a, b) for a, b in zip(hidden, hidden_too, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(shown, shown_too, strict=True))


def test_where_all_is_black_nothing_is_learned(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    folder = pictures(dataset.path / "train", 1)
    mask(folder, "picture_0", (0, 0, 64, 64))
    said = notes(list(task()(dataset)))
    assert "1 of 1 pictures have a mask" in said
    assert all(up.abs().max() == 0 for up in weights(dataset))


def test_white_masks_change_no_byte_of_what_is_learned(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    folder = pictures(dataset.path / "train")
    list(task(flip=True)(dataset))
    before = lora_bytes(dataset)
    for number in range(3):
        mask(folder, f"picture_{number}")
    said = notes(list(task(flip=True)(dataset)))
    assert lora_bytes(dataset) == before
    assert "have a mask" not in said


def test_other_masks_are_another_training(
    dataset: Dataset, pictures: Pictures, task: Callable[..., Train]
) -> None:
    folder = pictures(dataset.path / "train")
    list(task()(dataset))
    path = mask(folder, "picture_0", (0, 0, 32, 64))
    said = notes(list(task()(dataset)))
    assert "was trained otherwise before (pictures)" in said
    assert "3 of 3 latents were there from before" in said  # a mask is none of their business
    assert "is trained already" in notes(list(task()(dataset)))
    path.unlink()
    assert "was trained otherwise before (pictures)" in notes(list(task()(dataset)))
