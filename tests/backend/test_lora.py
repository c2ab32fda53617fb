"""LoRA files have kohya's names, shapes, hashes and strength; what does not fit is refused."""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from datasetkit.backend import checkpoint, lora
from datasetkit.errors import ModelError

WIDTHS = (320, 640, 1280)  # of SD1's three levels with attention
Shapes = dict[str, list[list[int]]]


def sd1_by_rule(rank: int) -> Shapes:
    """kohya's names and (down, up) shapes of an SD1 LoRA, from the rule that makes them."""
    shapes: Shapes = {}

    def add(name: str, inner: int, outer: int, kernel: int = 0) -> None:
        ones = [1, 1] if kernel else []
        shapes[name] = [[rank, inner, *ones], [outer, rank, *ones]]

    for layer in range(12):
        stem = f"lora_te_text_model_encoder_layers_{layer}_"
        for part in "qkv":
            add(f"{stem}self_attn_{part}_proj", 768, 768)
        add(f"{stem}self_attn_out_proj", 768, 768)
        add(f"{stem}mlp_fc1", 768, 3072)
        add(f"{stem}mlp_fc2", 3072, 768)
    blocks = [(f"down_blocks_{n}_attentions_{m}", WIDTHS[n]) for n in range(3) for m in range(2)]
    blocks += [("mid_block_attentions_0", 1280)]
    blocks += [(f"up_blocks_{n}_attentions_{m}", WIDTHS[3 - n]) for n in (1, 2, 3)
               for m in range(3)]  # fmt: skip
    for block, width in blocks:
        stem = f"lora_unet_{block}_"
        add(f"{stem}proj_in", width, width, kernel=1)
        add(f"{stem}proj_out", width, width, kernel=1)
        inside = f"{stem}transformer_blocks_0_"
        for attention, context in (("attn1", width), ("attn2", 768)):
            add(f"{inside}{attention}_to_q", width, width)
            add(f"{inside}{attention}_to_k", context, width)
            add(f"{inside}{attention}_to_v", context, width)
            add(f"{inside}{attention}_to_out_0", width, width)
        add(f"{inside}ff_net_0_proj", width, 8 * width)
        add(f"{inside}ff_net_2", 4 * width, width)
    return shapes


@pytest.fixture(scope="module")
def sd1() -> tuple[Any, Any]:
    """UNet and text encoder of SD1's own shape, without weights, from the package's configs."""
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    unet, text = (
        json.loads((checkpoint.CONFIGS / part / "config.json").read_text())
        for part in ("unet", "text_encoder")
    )
    with torch.device("meta"):
        return (
            UNet2DConditionModel.from_config(unet),
            CLIPTextModel(CLIPTextConfig.from_dict(text)),
        )


def shapes_of(layers: dict[str, Any]) -> Shapes:
    return {name: [list(shape) for shape in reversed(lora.down_shape(layer, 4))]
            for name, layer in layers.items()}  # fmt: skip


def test_sd1_has_kohyas_264_modules(sd1: tuple[Any, Any]) -> None:
    found = shapes_of(lora.unet_layers(sd1[0]) | lora.text_layers(sd1[1]))
    assert len(found) == 264
    assert found == sd1_by_rule(4)


def test_golden_modules(sd1: tuple[Any, Any], shared: Path) -> None:
    golden = json.loads((shared / "golden" / "kohya_keys_sd1.json").read_text())
    text = lora.text_layers(sd1[1])
    assert shapes_of(lora.unet_layers(sd1[0]) | text) == golden["sd1_lierla"]
    assert shapes_of(lora.unet_layers(sd1[0], conv=True) | text) == golden["sd1_c3lier"]


@pytest.fixture
def tiny(base_folder: Path) -> checkpoint.Base:
    return checkpoint.load(str(base_folder))


def made(base: checkpoint.Base, rank: int = 4, alpha: float = 2.0) -> lora.Lora:
    """A LoRA whose up matrices are not zero."""
    layers = lora.unet_layers(base.unet) | lora.text_layers(base.text_encoder)
    found = lora.fresh(layers, rank, alpha, seed=1)
    for number, pair in enumerate(found.pairs.values()):
        pair.up.normal_(std=0.1, generator=torch.Generator().manual_seed(number))
    return found


def test_a_fresh_lora_changes_nothing_and_is_kaiming_uniform(tiny: checkpoint.Base) -> None:
    layers = lora.unet_layers(tiny.unet)
    found = lora.fresh(layers, 4, 2.0, seed=1)
    assert all(pair.up.eq(0).all() for pair in found.pairs.values())
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_ff_net_2"
    bound = layers[name].weight.shape[1] ** -0.5
    assert bound * 0.9 < found.pairs[name].down.abs().max() <= bound
    alone = lora.fresh({name: layers[name]}, 4, 2.0, seed=1)
    assert torch.equal(alone.pairs[name].down, found.pairs[name].down)


def test_strength_is_weight_times_alpha_over_rank(tiny: checkpoint.Base) -> None:
    layer = torch.nn.Linear(6, 5)
    x = torch.randn(2, 6)
    pair = lora.Pair(torch.randn(4, 6), torch.randn(5, 4), alpha=2.0)
    one = lora.Lora({"lora_unet_x": pair})
    plain = layer(x)
    one.apply({"lora_unet_x": layer}, weight=0.8)
    assert torch.allclose(layer(x), plain + x @ (pair.up @ pair.down).T * 0.4, atol=1e-5)
    one.weight = 0
    assert torch.equal(layer(x), plain)
    one.remove()
    assert torch.equal(layer(x), plain)


def test_a_file_comes_back_as_it_was(tiny: checkpoint.Base, tmp_path: Path) -> None:
    first, path = made(tiny), tmp_path / "a.safetensors"
    lora.save(path, first, torch.float32, {"ss_output_name": "a", "modelspec.title": "ä"})
    again = lora.load(path)
    assert again.pairs.keys() == first.pairs.keys()
    assert all(torch.equal(again.pairs[n].up, p.up) and again.pairs[n].alpha == 2.0
               for n, p in first.pairs.items())  # fmt: skip
    assert again.metadata["modelspec.title"] == "ä"
    raw = path.read_bytes()
    begin = 8 + struct.unpack("<Q", raw[:8])[0]
    assert begin % 8 == 0
    assert again.metadata["sshs_model_hash"] == hashlib.sha256(raw[begin:]).hexdigest()
    assert len(again.metadata["sshs_legacy_hash"]) == 8
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_lora_has_the_same_bytes(tiny: checkpoint.Base, tmp_path: Path) -> None:
    words = {f"ss_{n}": str(n) for n in range(20)}
    for name in "ab":
        lora.save(tmp_path / name, made(tiny), torch.float16, words)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_lora_for_another_base_is_refused_with_counts(tiny: checkpoint.Base) -> None:
    found = made(tiny)
    unet = lora.unet_layers(tiny.unet)
    with pytest.raises(ModelError, match="of its 60 modules 12 are unknown here and 0 have"):
        found.apply(unet)
    name = next(iter(unet))
    found.pairs[name].down = found.pairs[name].down[:, :3]
    with pytest.raises(ModelError, match="0 are unknown here and 1 have another shape"):
        found.apply(unet | lora.text_layers(tiny.text_encoder))


def test_a_locon_reaches_the_other_convolutions(tiny: checkpoint.Base) -> None:
    layers = lora.unet_layers(tiny.unet, conv=True)
    found = lora.fresh(layers, 2, 2.0, seed=1)
    x, when = torch.randn(1, 4, 8, 8), torch.tensor(5)
    words = torch.randn(1, 77, 16)
    before = tiny.unet(x, when, words).sample
    found.apply(layers)
    assert torch.equal(tiny.unet(x, when, words).sample, before)
    for pair in found.pairs.values():
        pair.up.fill_(0.05)
    assert not torch.allclose(tiny.unet(x, when, words).sample, before)


def test_other_formats_are_refused_by_name(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "loha.safetensors"
    save_file({"lora_unet_x.hada_w1_a": torch.zeros(2, 2)}, path)
    with pytest.raises(ModelError, match=r"no LoRA or LoCon .*: 1 of 1 .*hada_w1_a"):
        lora.load(path)
    path.write_bytes(b"no such thing")
    with pytest.raises(ModelError, match="damaged or no safetensors"):
        lora.load(path)
    with pytest.raises(ModelError, match="no LoRA at"):
        lora.load(tmp_path / "none.safetensors")
