"""What a training step costs: ours beside a plain loop with PEFT, on the same work, in one run.

    python benchmarks/training_step.py            # a miniature, under a minute
    python benchmarks/training_step.py --real     # Stable Diffusion 1.5's size, random weights

The plain loop is what one would write first: diffusers' UNet, a LoRA by PEFT on the same layers,
torch's AdamW, captions encoded at every step. Both train UNet and text encoder, or (--unet-only)
the UNet alone. Rounds of both take turns, so that what else the machine does meets both alike;
the table has the median of CPU seconds a step, and what our step is of the plain one's.
"""

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch.nn import functional  # noqa: E402

from datasetkit.backend import checkpoint, noise, training  # noqa: E402
from datasetkit.backend.kohya_folder import Example  # noqa: E402
from datasetkit.backend.train import Train  # noqa: E402
from datasetkit.families import family  # noqa: E402

TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"]
TEXT_TARGETS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
CAPTION = "kirara, 1girl, solo, long hair, teal hair, smile, white shirt, simple background"


def models(real: bool) -> dict[str, Any]:
    """UNet and text encoder with random weights, of SD1's own configuration or a narrow one."""
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    read = lambda part: json.loads((checkpoint.CONFIGS / part / "config.json").read_text())  # noqa: E731
    unet, text = read("unet"), read("text_encoder")
    if not real:
        unet |= {"block_out_channels": [32, 64, 64, 64], "cross_attention_dim": 64}
        text |= {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2,
                 "num_attention_heads": 4, "projection_dim": 64}  # fmt: skip
    torch.manual_seed(0)
    return {
        "unet": UNet2DConditionModel.from_config(unet).requires_grad_(False),
        "text_encoder": CLIPTextModel(CLIPTextConfig.from_dict(text)).requires_grad_(False).eval(),
        "tokenizer": checkpoint._tokenizer(checkpoint.CONFIGS / "tokenizer"),
    }


def ours(given: argparse.Namespace, dtype: torch.dtype, latents: torch.Tensor) -> Callable[[], Any]:
    """An epoch of our trainer, as `dsk train` runs it."""
    parts = models(given.real)
    for part in ("unet", "text_encoder"):
        parts[part] = torch.nn.Module.to(parts[part], dtype)
    base = checkpoint.Base("random", Path(__file__), "cpu", dtype, vae=None, **parts)
    options = Train(batch=given.batch, rank=16, alpha=16.0, scheduler="constant", epochs=10_000,
                    text_lr=0.0 if given.unet_only else 5e-5, resolution=512,
                    gradient_checkpointing=given.checkpointing)  # fmt: skip
    count = given.batch * given.steps
    examples = [Example(Path(f"{n}.png"), "1_x", CAPTION, 1) for n in range(count)]
    run = training.Run(options, family("sd1"), base, examples, {})
    run.latents = {(e.path, False): latents[0] for e in examples}
    epochs = iter(range(10_000))
    return lambda: list(run.epoch(next(epochs)))


def plain(
    given: argparse.Namespace, dtype: torch.dtype, latents: torch.Tensor
) -> Callable[[], Any]:
    """As many steps of a plain loop with PEFT."""
    from peft import LoraConfig, get_peft_model

    parts = models(given.real)
    tokenizer, kept = parts["tokenizer"], noise.alphas()
    unet = torch.nn.Module.to(parts["unet"], dtype)
    text = torch.nn.Module.to(parts["text_encoder"], dtype)
    unet = get_peft_model(unet, LoraConfig(r=16, lora_alpha=16, target_modules=TARGETS))
    unet.train()
    if given.checkpointing:
        unet.base_model.model.enable_gradient_checkpointing()
    if not given.unet_only:
        text = get_peft_model(text, LoraConfig(r=16, lora_alpha=16, target_modules=TEXT_TARGETS))
    weights = [p for part in (unet, text) for p in part.parameters() if p.requires_grad]
    for weight in weights:
        weight.data = weight.data.float()
    optimizer = torch.optim.AdamW(weights, lr=1e-4)

    def step() -> None:
        clean = latents.expand(given.batch, -1, -1, -1)
        random_noise = torch.randn_like(clean)
        when = torch.randint(0, 1000, (given.batch,))
        alpha = kept[when].view(-1, 1, 1, 1)
        noisy = (alpha.sqrt() * clean + (1 - alpha).sqrt() * random_noise).to(dtype)
        ids = tokenizer([CAPTION] * given.batch, padding="max_length", truncation=True,
                        max_length=77, return_tensors="pt").input_ids  # fmt: skip
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            words = text(ids).last_hidden_state
            guess = unet(noisy, when, encoder_hidden_states=words).sample
        functional.mse_loss(guess.float(), random_noise).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return lambda: [step() for _ in range(given.steps)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--real", action="store_true", help="SD1.5's size at 512x512")
    parser.add_argument("--unet-only", action="store_true", help="the text encoder learns nothing")
    parser.add_argument("--bf16", action="store_true", help="bf16 instead of fp32")
    parser.add_argument("--checkpointing", action="store_true", help="gradient checkpointing")
    parser.add_argument("--batch", type=int, default=0, help="default: 4, with --real 1")
    parser.add_argument("--steps", type=int, default=0, help="a round; default: 10, with --real 1")
    parser.add_argument("--rounds", type=int, default=0, help="default: 5, with --real 2")
    given = parser.parse_args()
    warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)  # PEFT's
    given.batch = given.batch or (1 if given.real else 4)
    given.steps = given.steps or (1 if given.real else 10)
    given.rounds = given.rounds or (2 if given.real else 5)
    torch.set_num_threads(1)
    dtype = torch.bfloat16 if given.bf16 else torch.float32
    latents = torch.randn(1, 4, 64, 64) if given.real else torch.randn(1, 4, 8, 8)
    loops = {"datasetkit": ours(given, dtype, latents), "plain": plain(given, dtype, latents)}
    spent: dict[str, list[float]] = {name: [] for name in loops}
    for loop in loops.values():
        loop()  # the first round warms up
    for _ in range(given.rounds):
        for name, loop in loops.items():
            begin = time.process_time()
            loop()
            spent[name].append((time.process_time() - begin) / given.steps)
    size = "SD1.5-size" if given.real else "miniature"
    print(f"{size}, batch {given.batch}, rank 16, {str(dtype)[6:]}, one thread, "
          f"{'UNet only' if given.unet_only else 'UNet and text encoder'}, "
          f"{given.rounds} rounds of {given.steps} steps\n")  # fmt: skip
    print("| loop | CPU s a step | of the plain loop's |\n|---|---|---|")
    reference = statistics.median(spent["plain"])
    for name, times in spent.items():
        middle = statistics.median(times)
        print(f"| {name} | {middle:.4f} | {middle / reference:.2f} |")


if __name__ == "__main__":
    main()
