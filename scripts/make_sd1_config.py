"""Makes datasetkit/backend/configs/sd1: what a single-file Stable Diffusion 1 base does not hold.

    pip download --no-deps open_clip_torch
    python scripts/make_sd1_config.py open_clip_torch-*.whl

The tokenizer derives from the list of merges in the PyPI package open_clip_torch (MIT), the file
bpe_simple_vocab_16e6.txt.gz: CLIP's vocabulary is 256 bytes, 256 bytes that end a word, the first
48,894 merges and two marks: 49,408 entries. The shapes are Stable Diffusion 1's, written from what
its weights are.
"""

import argparse
import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "datasetkit" / "backend" / "configs" / "sd1"
MERGES = 49408 - 512 - 2
BEGIN, END = "<|startoftext|>", "<|endoftext|>"

CONFIGS: dict[str, dict[str, Any]] = {
    "model_index.json": {
        "_class_name": "StableDiffusionPipeline",
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    },
    "scheduler/scheduler_config.json": {
        "_class_name": "DDIMScheduler",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "clip_sample": False,
        "num_train_timesteps": 1000,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    },
    "text_encoder/config.json": {
        "architectures": ["CLIPTextModel"],
        "model_type": "clip_text_model",
        "vocab_size": 49408,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "max_position_embeddings": 77,
        "projection_dim": 768,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "bos_token_id": 49406,
        "eos_token_id": 49407,
        "pad_token_id": 49407,
    },
    "unet/config.json": {
        "_class_name": "UNet2DConditionModel",
        "sample_size": 64,
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
        "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
        "block_out_channels": [320, 640, 1280, 1280],
        "layers_per_block": 2,
        "cross_attention_dim": 768,
        "attention_head_dim": 8,
        "norm_num_groups": 32,
    },
    "vae/config.json": {
        "_class_name": "AutoencoderKL",
        "sample_size": 512,
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": 4,
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "block_out_channels": [128, 256, 512, 512],
        "layers_per_block": 2,
        "norm_num_groups": 32,
        "scaling_factor": 0.18215,
    },
    "tokenizer/tokenizer_config.json": {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "bos_token": BEGIN,
        "eos_token": END,
        "pad_token": END,
        "unk_token": END,
        "do_lower_case": True,
    },
}


def letters() -> list[str]:
    """The 256 letters that stand for bytes, in CLIP's order: printable ones as they are."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + place) for place in range(len(others))]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("wheel", type=Path, help="the open_clip_torch wheel from PyPI")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args()
    with zipfile.ZipFile(given.wheel) as wheel:
        text = gzip.decompress(wheel.read("open_clip/bpe_simple_vocab_16e6.txt.gz")).decode()
        licence = next(name for name in wheel.namelist() if name.endswith("licenses/LICENSE"))
        notice = wheel.read(licence).decode()
    merges = text.split("\n")[1 : 1 + MERGES]  # the first line is a version mark
    names = letters()
    names += [letter + "</w>" for letter in names]
    names += [merge.replace(" ", "") for merge in merges] + [BEGIN, END]
    for place, content in CONFIGS.items():
        path = given.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    tokenizer = given.folder / "tokenizer"
    vocabulary = {name: number for number, name in enumerate(names)}
    (tokenizer / "vocab.json").write_text(
        json.dumps(vocabulary, ensure_ascii=False, separators=(",", ":")), encoding="utf-8"
    )
    lines = ["#version: 0.2", *merges]
    (tokenizer / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tokenizer / "LICENSE").write_text(
        "vocab.json and merges.txt derive from bpe_simple_vocab_16e6.txt.gz of open_clip_torch\n"
        f"(https://github.com/mlfoundations/open_clip), under this licence:\n\n{notice}",
        encoding="utf-8",
    )
    print(f"{len(vocabulary):,} tokens in {tokenizer}")


if __name__ == "__main__":
    main()
