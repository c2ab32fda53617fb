"""A whole Stable Diffusion 1 in miniature, made in the test run: 64x64 pictures, 8x8 latents."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on a busy machine take 5x the time

UNET = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "block_out_channels": [16, 32],
    "layers_per_block": 1,
    "cross_attention_dim": 16,
    "attention_head_dim": 2,
    "norm_num_groups": 8,
}
VAE = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [8, 8, 8, 8],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "sample_size": 64,
    "scaling_factor": 0.18215,
}
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 77,
    "projection_dim": 16,
    "hidden_act": "quick_gelu",
}
SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
}


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder of the miniature, with random weights that are always the same."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from safetensors.torch import load_file, save_file
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.set_num_threads(1)  # where another test imported it before the variable was set
    folder = tmp_path_factory.mktemp("models") / "tiny"
    vocabulary = _write_tokenizer(folder / "tokenizer")
    marks = {"bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1}
    torch.manual_seed(0)
    config = CLIPTextConfig(vocab_size=vocabulary, pad_token_id=vocabulary - 1, **marks, **TEXT)
    CLIPTextModel(config).save_pretrained(folder / "text_encoder")
    weights = folder / "text_encoder" / "model.safetensors"
    save_file({f"text_model.{k.removeprefix('text_model.')}": v
               for k, v in load_file(weights).items()}, weights)  # fmt: skip
    UNet2DConditionModel(**UNET).save_pretrained(folder / "unet")
    AutoencoderKL(**VAE).save_pretrained(folder / "vae")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER))
    index = {
        "_class_name": "StableDiffusionPipeline",
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture
def dataset(tmp_path: Path) -> Iterator[Any]:
    """An empty dataset, open to be read."""
    from datasetkit.dataset import Dataset

    with Dataset(tmp_path / "dataset", write=True):
        pass
    with Dataset(tmp_path / "dataset") as opened:
        yield opened


@pytest.fixture
def pictures() -> Callable[..., Path]:
    """Write a training folder: ``pictures(dataset.path / "train", 3)`` -> ``train/2_kirara``."""

    def write(folder: Path, count: int = 3, size: tuple[int, int] = (64, 64)) -> Path:
        from PIL import Image

        place = folder / "2_kirara"
        place.mkdir(parents=True)
        for number in range(count):
            colour = (40 + 50 * number, 200 - 40 * number, 120)
            image = Image.new("RGB", size, colour)
            image.paste((250, 240, 230), (8, 8, 30 + 4 * number, 40))
            image.save(place / f"picture_{number}.png")
            (place / f"picture_{number}.txt").write_text(f"kirara, solo, smile, hat {number}\n")
        return folder

    return write


def _write_tokenizer(folder: Path) -> int:
    """CLIP's tokenizer without merges but for a few; returns the size of its vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = 256 - len(plain)
    letters = [chr(byte) for byte in plain] + [chr(256 + place) for place in range(others)]
    merges = ["s o", "so l", "sol o</w>", "k i", "ki r", "kir a"]
    names = letters + [letter + "</w>" for letter in letters]
    names += [merge.replace(" ", "") for merge in merges] + ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({n: i for i, n in enumerate(names)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    marks = {"bos_token": names[-2], "eos_token": names[-1], "unk_token": names[-1]}
    words = {"model_max_length": 77, "pad_token": names[-1], **marks}
    (folder / "tokenizer_config.json").write_text(json.dumps(words))
    return len(names)
