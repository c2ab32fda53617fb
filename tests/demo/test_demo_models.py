"""The demo's models are what they say: a Stable Diffusion 1 and a WD tagger, in miniature."""

import csv
import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import datasetkit.demo
from datasetkit.demo.colours import hair_colour, teal_share
from datasetkit.demo.drawing import draw, random_traits

MODELS = Path(datasetkit.demo.__file__).parent / "models"
BASE, TAGGER = MODELS / "base", MODELS / "tagger"


@cache
def pipeline() -> Any:
    torch, diffusers = pytest.importorskip("torch"), pytest.importorskip("diffusers")
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(
        BASE, torch_dtype=torch.float32, safety_checker=None, local_files_only=True
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def paint(prompt: str, count: int) -> list[Image.Image]:
    torch = pytest.importorskip("torch")
    seeds = [torch.Generator().manual_seed(seed) for seed in range(count)]
    shown: list[Image.Image] = pipeline()(
        [prompt] * count, height=64, width=64, num_inference_steps=12, guidance_scale=2.5,
        generator=seeds,
    ).images  # fmt: skip
    return shown


def test_base_is_small_and_whole() -> None:
    assert sum(path.stat().st_size for path in BASE.rglob("*") if path.is_file()) < 12e6
    for name in ("model_index.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json",
                 "tokenizer/merges.txt", "tokenizer/tokenizer.json", "unet/config.json",
                 "tokenizer/tokenizer_config.json", "vae/config.json"):  # fmt: skip
        assert (BASE / name).is_file()


def test_text_encoder_names_load_in_old_and_new_transformers() -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    transformers = pytest.importorskip("transformers")
    weights = safetensors.load_file(BASE / "text_encoder" / "model.safetensors")
    assert all(name.startswith("text_model.") for name in weights)
    _, told = transformers.CLIPTextModel.from_pretrained(
        BASE / "text_encoder", output_loading_info=True
    )
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_base_paints_the_hair_it_is_asked_for() -> None:
    for hair in ("blue", "red"):
        shown = paint(f"1girl, solo, {hair} hair, long hair, smile, white background", 4)
        assert sum(hair_colour(picture) == hair for picture in shown) >= 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_base_does_not_know_the_held_out_character() -> None:
    shown = paint("kirara, 1girl, solo, aqua hair, long hair, white background", 4)
    assert sum(map(teal_share, shown)) / len(shown) < 0.02


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_latents_have_the_deviation_that_sd1_programs_count_on() -> None:
    torch = pytest.importorskip("torch")
    rng = random.Random(4)
    drawn = [np.asarray(draw(random_traits(rng), seed)[0]) for seed in range(24)]
    pixels = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        latents = pipeline().vae.encode(pixels).latent_dist.mode() * 0.18215
        back = pipeline().vae.decode(latents / 0.18215).sample.clamp(-1, 1)
    assert latents.shape == (24, 4, 8, 8)
    assert latents.std().item() == pytest.approx(1, abs=0.1)
    error = ((back - pixels) / 2).pow(2).mean(dim=(1, 2, 3))
    assert (-10 * error.log10()).mean().item() > 24


@cache
def tagger() -> tuple[Any, list[dict[str, str]]]:
    onnxruntime = pytest.importorskip("onnxruntime")
    with (TAGGER / "selected_tags.csv").open(encoding="utf-8", newline="") as file:
        return onnxruntime.InferenceSession(TAGGER / "model.onnx"), list(csv.DictReader(file))


def seen(picture: Image.Image) -> Any:
    """A picture as the WD taggers take it: white square, bicubic, BGR, 0 to 255."""
    side = max(picture.size)
    square = Image.new("RGB", (side, side), "white")
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    pixels = np.asarray(square.resize((448, 448), Image.Resampling.BICUBIC), dtype=np.float32)
    return np.ascontiguousarray(pixels[:, :, ::-1])


def test_tagger_has_the_interface_of_wd_v3() -> None:
    session, rows = tagger()
    (given,), (told,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type) == ("input", "tensor(float)")
    assert given.shape[1:] == [448, 448, 3]
    assert not isinstance(given.shape[0], int)
    assert told.shape[1] == len(rows)
    assert list(rows[0]) == ["tag_id", "name", "category", "count"]
    assert [row["category"] for row in rows] == sorted(
        (row["category"] for row in rows), key=["9", "0", "4"].index
    )
    assert [row["name"] for row in rows[:4]] == ["general", "sensitive", "questionable", "explicit"]
    assert "kirara" in [row["name"] for row in rows if row["category"] == "4"]
    counts = [int(row["count"]) for row in rows if row["category"] == "0"]
    assert counts == sorted(counts, reverse=True)


def test_tagger_answers_alike_in_any_batch_and_minds_the_channels() -> None:
    session, rows = tagger()
    place = [row["name"] for row in rows].index("kirara")
    batch = np.stack([seen(draw(name, 1, (300, 200))[0]) for name in ("kirara", "akane", "kohaku")])
    (together,) = session.run(None, {"input": batch})
    (alone,) = session.run(None, {"input": batch[:1]})
    (swapped,) = session.run(None, {"input": np.ascontiguousarray(batch[:1, :, :, ::-1])})
    assert np.allclose(together[:1], alone, atol=1e-4)
    assert 0 <= together.min() <= together.max() <= 1
    assert together[0, place] > 0.85 > 0.35 > together[1, place]
    assert swapped[0, place] < 0.35


def test_tagger_reads_fresh_drawings() -> None:
    session, rows = tagger()
    rng = random.Random(31)
    hits: dict[str, int] = {}
    claims: dict[str, int] = {}
    for number in range(60):
        name = rng.choice(["", "kirara", "kohaku", "sumire", "akane"])
        size = (rng.randrange(120, 300), rng.randrange(120, 300))
        picture, tags = draw(name or random_traits(rng), 900_000 + number, size, smooth=2)
        (answer,) = session.run(None, {"input": seen(picture)[None]})
        for row, chance in zip(rows[4:], answer[0, 4:], strict=True):
            tag = row["name"]
            said, there = chance > (0.85 if row["category"] == "4" else 0.35), tag in tags
            hits[tag] = hits.get(tag, 0) + 2 * (said and there)
            claims[tag] = claims.get(tag, 0) + said + there
    scores = [hits[tag] / claims[tag] for tag in hits if claims[tag]]
    assert sum(scores) / len(scores) > 0.85
