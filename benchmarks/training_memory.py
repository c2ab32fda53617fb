"""What a LoRA's training keeps between its forward and backward pass, beside what dsk plan says.

    python benchmarks/training_memory.py [--real]

One forward pass of the real UNets (SD1, SDXL) in bf16, with this project's LoRA layers, of meta
tensors, which have shapes and compute nothing; the bytes that autograd saves are counted. CUDA's
autocast is imitated: norms in fp32, products in bf16, flash attention. With --real three steps of
an SD1 UNet with random weights run on the CPU (a minute, 4 GB), and the resident memory is told
beside the same sum. The figures of datasetkit/inspectors/planning/memory.py are from here.
"""

import argparse
import multiprocessing
import resource
import time
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch.nn import functional

from datasetkit.backend import lora
from datasetkit.backend.checkpoint import CONFIGS
from datasetkit.inspectors.planning.memory import GB, SHAPES, Use, needed

HALF = torch.bfloat16
SDXL = {
    "sample_size": 128,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [320, 640, 1280],
    "layers_per_block": 2,
    "cross_attention_dim": 2048,
    "attention_head_dim": [5, 10, 20],
    "transformer_layers_per_block": [1, 2, 10],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
CASES = (("sd1", 256, 1, False), ("sd1", 512, 1, False), ("sd1", 768, 1, False),
         ("sd1", 512, 4, False), ("sd1", 512, 1, True), ("sdxl", 1024, 1, False),
         ("sdxl", 1024, 1, True))  # fmt: skip
REAL = ((256, 1, False), (512, 1, False), (512, 1, True))


def main() -> None:
    """Print a row a case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", action="store_true")
    if parser.parse_args().real:
        for case in REAL:
            # A process each: what one has given back would hide what the next takes.
            alone = multiprocessing.get_context("spawn").Process(target=real, args=case)
            alone.start()
            alone.join()
        return
    imitate_autocast()
    for shape, side, batch, lean in CASES:
        kept = saved(shape, side, batch, lean) / 1e6
        said = needed(Use(shape, 16, side, batch, text=False, lean=lean)).kept * GB / 1e6
        print(f"{shape:<4} {side:>4} px  batch {batch}  {'lean' if lean else '    '}  "
              f"{kept:>6,.0f} MB saved, dsk plan {said:>6,.0f} MB"
              f"{' with the block that is computed again' * lean}")  # fmt: skip


def unet_of(shape: str, device: str) -> Any:
    """A UNet of this shape in bf16, frozen."""
    config = UNet2DConditionModel.load_config(CONFIGS / "unet") if shape == "sd1" else SDXL
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config).to(HALF)
    assert sum(weight.numel() for weight in unet.parameters()) == SHAPES[shape].unet
    return unet.to_empty(device=device).requires_grad_(False).train()


def saved(shape: str, side: int, batch: int, lean: bool, rank: int = 16) -> int:
    """Bytes that autograd saves in a forward pass, each storage once, weights apart."""
    unet = unet_of(shape, "meta")
    layers = lora.unet_layers(unet)
    made = lora.Lora({
        name: lora.Pair(*(torch.empty(half, device="meta", dtype=HALF, requires_grad=True)
                          for half in reversed(lora.down_shape(layer, rank))), rank / 2)
        for name, layer in layers.items()
    })  # fmt: skip
    made.apply(layers)
    if lean:
        unet.enable_gradient_checkpointing()
    weights = {w.untyped_storage()._cdata for w in (*unet.parameters(), *made.parameters())}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage()._cdata not in weights:
            kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    width = unet.config.cross_attention_dim
    given: dict[str, Any] = {"encoder_hidden_states": torch.empty(batch, 77, width, device="meta",
                                                                  dtype=HALF)}  # fmt: skip
    if shape == "sdxl":
        given["added_cond_kwargs"] = {
            "text_embeds": torch.empty(batch, 1280, device="meta", dtype=HALF),
            "time_ids": torch.empty(batch, 6, device="meta"),
        }
    latents = torch.empty(batch, 4, side // 8, side // 8, device="meta", dtype=HALF)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        _ = unet(latents, torch.ones(batch, device="meta"), **given).sample
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def imitate_autocast() -> None:
    """Make torch's functions take and give what CUDA's autocast has them take and give."""

    def cast(function: Any, kind: torch.dtype) -> Any:
        def one(value: Any) -> Any:
            real = isinstance(value, torch.Tensor) and value.is_floating_point()
            return value.to(kind) if real else value

        def wrapped(*values: Any, **named: Any) -> Any:
            return function(*map(one, values), **{k: one(value) for k, value in named.items()})

        return wrapped

    def flash(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> Any:
        kind = torch.ops.aten._scaled_dot_product_flash_attention
        return kind(query.to(HALF), key.to(HALF), value.to(HALF))[0]

    for name in ("group_norm", "layer_norm"):
        setattr(functional, name, cast(getattr(functional, name), torch.float32))
    for name in ("linear", "conv2d"):
        setattr(functional, name, cast(getattr(functional, name), HALF))
    for name in ("matmul", "addmm", "baddbmm"):
        setattr(torch, name, cast(getattr(torch, name), HALF))
    torch.Tensor.__matmul__ = cast(torch.Tensor.__matmul__, HALF)  # type: ignore[method-assign]
    functional.scaled_dot_product_attention = flash
    torch.is_autocast_enabled = lambda *_: True  # type: ignore[assignment]


def real(side: int, batch: int, lean: bool, rank: int = 16) -> None:
    """Three steps on the CPU; prints what they took beside the weights."""
    unet = unet_of("sd1", "cpu")
    for weight in unet.parameters():
        torch.nn.init.normal_(weight, 0, 0.02)
    layers = lora.unet_layers(unet)
    made = lora.fresh(layers, rank, rank / 2, 0)
    made.apply(layers)
    learned = [matrix.requires_grad_() for matrix in made.parameters()]
    optimizer = torch.optim.AdamW(learned)
    if lean:
        unet.enable_gradient_checkpointing()
    before, peaks = resident(), []
    begin = time.process_time()
    for _ in range(3):
        with torch.autocast("cpu", HALF):
            latents = torch.randn(batch, 4, side // 8, side // 8, dtype=HALF)
            words = torch.randn(batch, 77, 768, dtype=HALF)
            found = unet(latents, torch.ones(batch), encoder_hidden_states=words).sample
        peaks.append(resident())
        found.float().pow(2).mean().backward()
        peaks.append(resident())
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
    seconds = (time.process_time() - begin) / 3
    need = needed(Use("sd1", rank, side, batch, text=False, lean=lean))
    said = (need.kept + need.learned) * GB / 1e6
    print(
        f"sd1  {side:>4} px  batch {batch}  {'lean' if lean else '    '}  "
        f"{max(peaks) - before:>6,.0f} MB more resident, dsk plan {said:,.0f}"
        f" MB; {seconds:.1f} CPU s a step"
    )


def resident() -> float:
    """Resident memory now, in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main()
