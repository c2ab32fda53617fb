"""Bases load whole or not at all: folders, single files, either text layout, and no pickles."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from datasetkit.backend import checkpoint
from datasetkit.backend.paint import Painter, Request
from datasetkit.errors import ModelError, UsageError
from datasetkit.families import family

REQUEST = Request("kirara, solo", "", (64, 64), (1,), 3, 5.0, "DDIM")


@pytest.fixture
def copy(base_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base_folder, tmp_path / "base"))


def compvis(folder: Path, layers: int = 1) -> dict[str, torch.Tensor]:
    """A diffusers folder's weights under the names of CompVis' single files."""
    found = {}
    for key, tensor in load_file(folder / "unet/diffusion_pytorch_model.safetensors").items():
        found["model.diffusion_model." + _unet_name(key, layers + 1)] = tensor
    for key, tensor in load_file(folder / "vae/diffusion_pytorch_model.safetensors").items():
        name = _vae_name(key)
        square = re.search(r"mid\.attn_1\.(q|k|v|proj_out)\.weight", name)
        found["first_stage_model." + name] = tensor[:, :, None, None] if square else tensor
    for key, tensor in load_file(folder / "text_encoder/model.safetensors").items():
        found["cond_stage_model.transformer." + key] = tensor
    return {key: tensor.contiguous() for key, tensor in found.items()}


def _unet_name(key: str, width: int) -> str:
    inner = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
             "norm2": "out_layers.0", "conv2": "out_layers.3",
             "conv_shortcut": "skip_connection"}  # fmt: skip
    outer = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
             "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
             "mid_block.resnets.0": "middle_block.0", "mid_block.resnets.1": "middle_block.2",
             "mid_block.attentions.0": "middle_block.1"}  # fmt: skip
    if ".resnets." in key:
        key = re.sub(rf"\.({'|'.join(inner)})\.", lambda m: f".{inner[m[1]]}.", key)
    for theirs, ours in outer.items():
        if key.startswith(theirs + "."):
            return ours + key.removeprefix(theirs)
    side, block, kind, layer, rest = re.fullmatch(
        r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", key
    ).groups()  # type: ignore[union-attr]
    at = int(block) * width + int(layer) + (side == "down")
    if kind == "downsamplers":
        return f"input_blocks.{at + width - 1}.0.op." + rest.removeprefix("conv.")
    if kind == "upsamplers":  # this block of the miniature has no attention before it
        return f"output_blocks.{at + width - 1}.1." + rest
    blocks = "input" if side == "down" else "output"
    return f"{blocks}_blocks.{at}.{int(kind == 'attentions')}.{rest}"


def _vae_name(key: str) -> str:
    key = re.sub(r"up_blocks\.(\d)", lambda m: f"up.{3 - int(m[1])}", key)
    for theirs, ours in (
        (r"down_blocks\.(\d)", r"down.\1"), (r"(down|up)\.(\d)\.resnets", r"\1.\2.block"),
        (r"(down|up)samplers\.0\.conv", r"\1sample.conv"),
        (r"mid_block\.resnets\.0", "mid.block_1"), (r"mid_block\.resnets\.1", "mid.block_2"),
        (r"mid_block\.attentions\.0", "mid.attn_1"), ("conv_shortcut", "nin_shortcut"),
        (r"attn_1\.group_norm", "attn_1.norm"), (r"attn_1\.to_out\.0", "attn_1.proj_out"),
        (r"attn_1\.to_([qkv])", r"attn_1.\1"), ("conv_norm_out", "norm_out"),
    ):  # fmt: skip
        key = re.sub(theirs, ours, key)
    return key


def painted(model: Path, config: str = "") -> torch.Tensor:
    import numpy

    painter = Painter(checkpoint.load(str(model), config=config), family("sd1"))
    return torch.from_numpy(numpy.array(painter.paint(REQUEST)[0]))


def test_a_single_file_paints_the_same_picture(copy: Path, tmp_path: Path) -> None:
    wanted = painted(copy)
    whole = compvis(copy)
    whole["model_ema.decay"] = torch.tensor(0.9)  # many files carry these
    save_file(whole, tmp_path / "tiny.safetensors")
    assert torch.equal(painted(tmp_path / "tiny.safetensors", str(copy)), wanted)
    bare = {key.replace(".text_model.", "."): tensor for key, tensor in whole.items()}
    save_file(bare, tmp_path / "base.safetensors")  # its configuration is the folder beside it
    assert torch.equal(painted(tmp_path / "base.safetensors"), wanted)
    torch.save({"state_dict": whole}, tmp_path / "base.ckpt")
    assert torch.equal(painted(tmp_path / "base.ckpt"), wanted)


def test_a_text_encoder_of_either_layout_loads(copy: Path) -> None:
    wanted = painted(copy)
    path = copy / "text_encoder" / "model.safetensors"
    save_file({k.removeprefix("text_model."): v for k, v in load_file(path).items()}, path)
    assert torch.equal(painted(copy), wanted)


def test_an_old_vae_loads(copy: Path) -> None:
    wanted = painted(copy)
    path = copy / "vae" / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    pattern = re.compile(r"(?<=attentions\.0\.)(to_[qkv]|to_out\.0)")
    save_file({pattern.sub(lambda m: old[m[1]], k): v for k, v in load_file(path).items()}, path)
    assert torch.equal(painted(copy), wanted)


def test_fp16_weights_become_what_was_asked_for(copy: Path) -> None:
    for path in copy.glob("*/*.safetensors"):
        save_file({key: tensor.half() for key, tensor in load_file(path).items()}, path)
    base = checkpoint.load(str(copy))
    parts = (base.unet, base.vae, base.text_encoder)
    assert {p.dtype for part in parts for p in part.parameters()} == {torch.float32}
    base = checkpoint.load(str(copy), precision="bf16")
    assert base.unet.dtype == torch.bfloat16
    assert base.vae.dtype == torch.float32


@pytest.mark.parametrize("part", checkpoint.PARTS)
def test_missing_weights_are_counted(copy: Path, part: str) -> None:
    path = next((copy / part).glob("*.safetensors"))
    weights = load_file(path)
    for name in sorted(weights)[:3]:
        del weights[name]
    save_file(weights, path)
    with pytest.raises(ModelError, match=rf"weights of the {part}, 3 are missing, 0 have another"):
        checkpoint.load(str(copy))


def test_another_shape_is_refused(copy: Path, tmp_path: Path) -> None:
    save_file(compvis(copy), tmp_path / "tiny.safetensors")
    with pytest.raises(ModelError, match=r"of the unet, \d+ are missing, \d+ have another shape"):
        checkpoint.load(str(tmp_path / "tiny.safetensors"))  # the package's SD1 configuration
    save_file({"conditioner.embedders.0.x": torch.zeros(1)}, tmp_path / "xl.safetensors")
    with pytest.raises(ModelError, match="SDXL-shaped"):
        checkpoint.load(str(tmp_path / "xl.safetensors"))
    save_file({"lora_unet_x.alpha": torch.zeros(1)}, tmp_path / "lora.safetensors")
    with pytest.raises(ModelError, match="holds no base model"):
        checkpoint.load(str(tmp_path / "lora.safetensors"))


class Payload:
    """What a hostile file holds: reading it as a pickle would make the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.canary,)


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".bin"])
def test_a_pickle_with_a_payload_is_refused_and_not_run(tmp_path: Path, suffix: str) -> None:
    canary, path = tmp_path / "PWNED", tmp_path / f"model{suffix}"
    torch.save({"state_dict": Payload(canary)}, path)
    with pytest.raises(ModelError, match=r"is refused: .* more than weights"):
        checkpoint.load(str(path))
    assert not canary.exists()


def test_a_missing_base_tells_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"no base model at '/no/such.safetensors'; --base"):
        checkpoint.load("/no/such.safetensors")
    with pytest.raises(ModelError, match="no unet folder in it"):
        checkpoint.load(str(tmp_path))
    monkeypatch.delenv("DSK_BASE", raising=False)
    with pytest.raises(UsageError, match="set DSK_BASE"):
        checkpoint.base_name("")
    monkeypatch.setenv("DSK_BASE", "here")
    assert checkpoint.base_name("") == "here"
    assert checkpoint.base_name("there") == "there"


def test_a_missing_vocabulary_is_refused(copy: Path) -> None:
    (copy / "tokenizer" / "merges.txt").unlink()
    with pytest.raises(ModelError, match="no vocabulary in"):
        checkpoint.load(str(copy))


def test_a_base_that_says_v_is_no_eps_base(copy: Path, tmp_path: Path) -> None:
    whole = compvis(copy)
    path = tmp_path / "base.safetensors"
    save_file(whole, path)
    assert checkpoint.load(str(path)).prediction == ""
    path.with_suffix(".yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
    assert checkpoint.load(str(path)).prediction == "v"
    path.with_suffix(".yaml").unlink()
    save_file(whole | {"v_pred": torch.zeros(0)}, path)
    base = checkpoint.load(str(path))
    with pytest.raises(ModelError, match="predicts v by its own files, the family says eps"):
        checkpoint.check_prediction(base, "eps")
    checkpoint.check_prediction(base, "v")
    assert checkpoint.load(str(copy)).prediction == "eps"


def test_a_vaes_identity_is_its_weights(copy: Path) -> None:
    base = checkpoint.load(str(copy))
    before = checkpoint.vae_identity(base.vae)
    assert checkpoint.vae_identity(checkpoint.load(str(copy)).vae) == before
    with torch.no_grad():
        next(base.vae.parameters()).add_(1e-3)
    assert checkpoint.vae_identity(base.vae) != before
