"""Makes the demo's base model: a whole Stable Diffusion 1 in miniature, trained on drawings.

    python scripts/make_demo_base.py vae        # colours and lines: pictures <-> 8x8 latents
    python scripts/make_demo_base.py polish     # the decoder alone, once more
    python scripts/make_demo_base.py unet       # tags -> latents, and the text encoder with it
    python scripts/make_demo_base.py export     # a diffusers folder in fp16, ready to be measured

Each training saves its state every few minutes and goes on from there when started again.
The held-out character's hair, streak and shirt colours never reach the unet step; the VAE sees
random colours, for a LoRA can only teach what the VAE can show.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from demo_tokenizer import TOKENS, caption, make_tokenizer  # noqa: E402

from datasetkit.demo.drawing import Traits, draw, random_traits  # noqa: E402

FOLDER = ROOT / "datasetkit" / "demo" / "models" / "base"
SCALE = 0.18215  # hard-coded by several programs that read SD1 files, so it has to be right here
SAVE_SECONDS = 150

VAE_SHAPE: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [16, 32, 32, 32],
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "sample_size": 64,
    "scaling_factor": SCALE,
}
UNET_SHAPE: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [32, 64, 64, 64],
    "layers_per_block": 2,
    "cross_attention_dim": 64,
    "attention_head_dim": 8,  # diffusers reads this as the number of heads, as in SD1
    "norm_num_groups": 32,
}
SCHEDULER: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
}

# ------------------------------------------------------------------------------- pictures


def any_colours(rng: random.Random) -> dict[str, tuple[int, int, int]]:
    """A random colour for every part, so that the VAE can show colours no tag names."""
    parts = ("hair", "streak", "eyes", "shirt", "background")
    return {part: (rng.randrange(256), rng.randrange(256), rng.randrange(256)) for part in parts}


def drawings(count: int, seed: int, wild: float) -> tuple[torch.Tensor, list[list[str]]]:
    """uint8 pictures (count, 3, 64, 64) and their tags; `wild` is the share in random colours."""
    rng = random.Random(seed)
    pictures = torch.empty(count, 3, 64, 64, dtype=torch.uint8)
    tags: list[list[str]] = []
    for number in range(count):
        traits = random_traits(rng)
        if rng.random() < wild:
            traits = Traits(
                style=traits.style,
                mouth=traits.mouth,
                accessories=traits.accessories,
                streaked=rng.random() < 0.4,
                colours=any_colours(rng),
            )
        picture, found = draw(traits, seed * 1_000_003 + number)
        pictures[number] = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)
        tags.append(found)
    return pictures, tags


def to_float(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.float() / 127.5 - 1


def load(path: Path, modules: dict[str, Any]) -> int:
    """Loads a saved state into modules and optimizer; returns the step to go on from."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    for name, module in modules.items():
        module.load_state_dict(state[name])
    print(f"going on from step {state['step']}", flush=True)
    return int(state["step"])


def save(path: Path, modules: dict[str, Any], step: int) -> None:
    state = {name: module.state_dict() for name, module in modules.items()} | {"step": step}
    fresh = path.with_suffix(".part")
    torch.save(state, fresh)
    fresh.replace(path)


def decay(step: int, total: int, warm: int = 100) -> float:
    """The learning rate's share at a step: a short warm-up, then a line down to nothing."""
    return min(1.0, (step + 1) / warm, max(0.0, (total - step) / total * 1.15))


def batches(count: int, size: int, start: int) -> Iterator[torch.Tensor]:
    """Endless shuffled batches of indices, the same after a restart."""
    step = start
    while True:
        epoch, place = divmod(step * size, count - count % size)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(epoch))
        yield order[place : place + size]
        step += 1


def make_vae() -> Any:
    from diffusers import AutoencoderKL

    torch.manual_seed(7)
    return AutoencoderKL(**VAE_SHAPE)


def psnr(vae: Any, pictures: torch.Tensor) -> float:
    """Mean peak signal-to-noise ratio of pictures through the VAE, in dB."""
    real = to_float(pictures)
    with torch.no_grad():
        back = vae.decode(vae.encode(real).latent_dist.mode()).sample.clamp(-1, 1)
    error = ((back - real) / 2).pow(2).mean(dim=(1, 2, 3))
    return float((-10 * error.log10()).mean())


def train_vae(state: Path, steps: int, batch: int, polish: bool) -> None:
    """Trains the whole VAE; polishing trains the decoder only, so that latents stay as they are."""
    pictures, _ = drawings(6000, seed=5 if polish else 1, wild=0.5)
    fresh, _ = drawings(128, seed=2, wild=0.5)
    vae, rate = make_vae(), 1.5e-3 if polish else 2e-3
    if polish:
        load(state / "vae.pt", {"model": vae})
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    learning = [weight for weight in vae.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=rate, weight_decay=0.01, betas=(0.9, 0.99))
    parts = {"model": vae, "optimizer": optimizer}
    path = state / ("polish.pt" if polish else "vae.pt")
    begin = load(path, parts) if path.exists() else 0
    chosen = batches(len(pictures), batch, begin)
    saved = time.monotonic()
    for step in range(begin, steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * decay(step, steps)
        real = to_float(pictures[next(chosen)])
        latent = vae.encode(real).latent_dist
        sample = latent.sample()
        if polish:  # the UNet's latents will not be perfect, and the decoder should not mind
            sample = sample + 0.04 * sample.std() * torch.randn_like(sample)
        wrong = vae.decode(sample).sample - real
        edges = wrong.diff(dim=2).abs().mean() + wrong.diff(dim=3).abs().mean()
        # Areas weigh as much as lines: a face with the wrong hair colour is the worse mistake.
        areas = sum(avg_pool2d(wrong, size).abs().mean() for size in (4, 16))
        loss = wrong.abs().mean() + 0.4 * edges + areas + 2e-4 * latent.kl().mean() / 256
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        if step % 100 == 0 or step == steps - 1:
            seen = f"loss {loss.item():.4f}  PSNR {psnr(vae, fresh):.2f} dB"
            print(
                f"{path.stem} {step}/{steps}  {seen}  {time.process_time():.0f} CPU s", flush=True
            )
        if time.monotonic() - saved > SAVE_SECONDS or step == steps - 1:
            save(path, parts, step + 1)
            saved = time.monotonic()


def fold(vae: Any, latents: torch.Tensor) -> None:
    """Moves each latent channel to mean 0 and deviation 1/SCALE, exactly undone by the decoder.

    Both neighbours of the latent space are 1x1 convolutions, so the pictures stay the same.
    """
    mean, deviation = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    factor = 1 / (SCALE * deviation)
    with torch.no_grad():
        quant, post = vae.quant_conv, vae.post_quant_conv
        post.bias += (post.weight[:, :, 0, 0] * mean).sum(dim=1)
        post.weight /= factor[None, :, None, None]
        quant.weight[:4] *= factor[:, None, None, None]
        quant.bias[:4] = (quant.bias[:4] - mean) * factor
        quant.bias[4:] += 2 * factor.log()


def encode(vae: Any, pictures: torch.Tensor) -> torch.Tensor:
    """Unscaled latents (count, 4, 8, 8): the mode of the VAE's distribution."""
    with torch.no_grad():
        parts = [vae.encode(to_float(part)).latent_dist.mode() for part in pictures.split(100)]
    return torch.cat(parts)


def finished_vae(state: Path) -> Any:
    """The trained VAE, polished if that was done, with its latents' scale folded in."""
    vae, polished = make_vae(), state / "polish.pt"
    load(polished if polished.exists() else state / "vae.pt", {"model": vae})
    vae.eval()
    before = drawings(400, seed=3, wild=0.0)[0]
    fold(vae, encode(vae, before))
    return vae


def make_text_encoder(tokenizer: Any) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(8)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        projection_dim=64,
        hidden_act="quick_gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def spoken(tags: list[str], rng: random.Random) -> str:
    """A training caption: shuffled, a tenth of the tags gone, a tenth of the captions empty."""
    if rng.random() < 0.1:
        return ""
    kept = [tag for tag in tags if rng.random() >= 0.1]
    rng.shuffle(kept)
    return " ".join(caption(kept)).rstrip(",")


def make_unet() -> Any:
    from diffusers import UNet2DConditionModel

    torch.manual_seed(9)
    return UNet2DConditionModel(**UNET_SHAPE)


def cached_latents(state: Path, count: int) -> tuple[torch.Tensor, list[list[str]]]:
    """Scaled latents (count, 4, 8, 8) of the palette's drawings and their tags, made once."""
    path = state / f"latents-{count}.pt"
    if not path.exists():
        pictures, tags = drawings(count, seed=4, wild=0.0)
        latents = encode(finished_vae(state), pictures) * SCALE
        torch.save({"latents": latents, "tags": tags}, path)
    kept = torch.load(path, weights_only=True)
    latents = kept["latents"]
    print(f"latents: mean {latents.mean():.3f}, deviation {latents.std():.3f}", flush=True)
    return latents, kept["tags"]


def train_unet(state: Path, steps: int, batch: int, count: int) -> None:
    latents, tags = cached_latents(state, count)
    tokenizer = make_tokenizer(state / "tokenizer", tags)
    text, unet = make_text_encoder(tokenizer), make_unet()
    unet.to(memory_format=torch.channels_last)  # 6% less time a step
    weights = [*unet.parameters(), *text.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=1.2e-3, weight_decay=0.01, betas=(0.9, 0.99))
    parts = {"unet": unet, "text": text, "optimizer": optimizer}
    begin = load(state / "unet.pt", parts)
    betas = torch.linspace(SCHEDULER["beta_start"] ** 0.5, SCHEDULER["beta_end"] ** 0.5, 1000) ** 2
    kept = (1 - betas).cumprod(0)
    chosen = batches(count, batch, begin)
    saved, mean = time.monotonic(), 0.0
    for step in range(begin, steps):
        rng = random.Random(step)
        torch.manual_seed(step)
        for group in optimizer.param_groups:
            group["lr"] = 1.2e-3 * decay(step, steps)
        rows = next(chosen)
        clean = latents[rows]
        noise = torch.randn_like(clean)
        # Where the picture is mostly noise its colours are decided, so those steps count double.
        when = torch.cat([torch.randint(500, 1000, (batch // 2,)),
                          torch.randint(0, 1000, (batch - batch // 2,))])  # fmt: skip
        alpha = kept[when].view(-1, 1, 1, 1)
        noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
        words = tokenizer([spoken(tags[row], rng) for row in rows.tolist()], truncation=True,
                          padding="max_length", max_length=TOKENS, return_tensors="pt")  # fmt: skip
        meaning = text(words.input_ids)[0]
        guess = unet(noisy, when, meaning).sample
        snr = (alpha / (1 - alpha)).flatten()
        # Min-SNR 5 for a model that predicts the noise; and in heavy noise, where a small error
        # of the noise is a large one of the colours, some of that error's weight given back.
        weight = snr.clamp(max=5) / snr * (1 + 1 / snr).sqrt().clamp(max=10)
        loss = ((guess - noise).pow(2).mean(dim=(1, 2, 3)) * weight).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        mean = loss.item() if step == begin else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0 or step == steps - 1:
            spent = f"{time.process_time():.0f} CPU s"
            print(f"unet {step}/{steps}  loss {mean:.4f}  {spent}", flush=True)
        if time.monotonic() - saved > SAVE_SECONDS or step == steps - 1:
            save(state / "unet.pt", parts, step + 1)
            saved = time.monotonic()


def export(state: Path, folder: Path) -> None:
    """Writes the diffusers folder: fp16 weights, names that old and new transformers both read."""
    import shutil

    from safetensors.torch import load_file, save_file
    from transformers import CLIPTokenizer

    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(state / "tokenizer", folder / "tokenizer")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    text, unet = make_text_encoder(tokenizer), make_unet()
    load(state / "unet.pt", {"unet": unet, "text": text})
    finished_vae(state).half().save_pretrained(folder / "vae")
    unet.half().save_pretrained(folder / "unet")
    text.half().save_pretrained(folder / "text_encoder")
    # transformers 5 leaves the prefix out; without it transformers 4 loads random weights in
    # silence. transformers 5 reads both.
    path = folder / "text_encoder" / "model.safetensors"
    named = load_file(path)
    named = {"text_model." + key.removeprefix("text_model."): named[key] for key in sorted(named)}
    save_file(named, path, metadata={"format": "pt"})
    (folder / "scheduler").mkdir()
    scheduler = {"_class_name": "DDIMScheduler", **SCHEDULER}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler, indent=2))
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
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    for weights in folder.rglob("*.safetensors"):
        weights.chmod(0o644)  # safetensors writes files that only their owner may read
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", choices=["vae", "polish", "unet", "export"])
    parser.add_argument("--state", type=Path, default=ROOT / "build" / "demo-base")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--steps", type=int, help="training steps in all, earlier starts included")
    parser.add_argument("--batch", type=int, help="pictures a step")
    parser.add_argument("--count", type=int, default=8000, help="drawings for the unet step")
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.state.mkdir(parents=True, exist_ok=True)
    if given.what in ("vae", "polish"):
        train_vae(given.state, given.steps or 8000, given.batch or 16, given.what == "polish")
    elif given.what == "unet":
        train_unet(given.state, given.steps or 4300, given.batch or 32, given.count)
    else:
        export(given.state, given.folder)


if __name__ == "__main__":
    main()
