"""Loads a base model: a diffusers folder, or one file in CompVis layout (``.safetensors``).

Weights are filled in by hand so that a missing key is an error with a count, never a silently
random layer, and so that text encoders of any transformers version load in any other.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasetkit.backend import devices
from datasetkit.errors import ModelError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PICKLES = frozenset({".ckpt", ".pt", ".pth", ".bin"})
PARTS = ("unet", "vae", "text_encoder")
CONFIGS = Path(__file__).parent / "configs" / "sd1"
_HARMLESS = re.compile(r"position_ids$|text_projection|logit_scale")  # no part of an SD1 picture
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_WEIGHTS = "diffusion_pytorch_model"
_FILES = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
    "tokenizer/tokenizer_config.json",
    *(f"{part}/config.json" for part in PARTS),
    *(f"{p}/{_WEIGHTS}.safetensors|{p}/{_WEIGHTS}.fp16.safetensors" for p in ("unet", "vae")),
    "text_encoder/model.safetensors|text_encoder/model.fp16.safetensors",
)


@dataclass
class Base:
    """A base model in memory, frozen. ``prediction`` is what its files say (eps, v), or "".

    UNet and text encoder are in ``dtype``; the VAE is in fp32, for less loses detail or overflows.
    """

    name: str
    path: Path
    device: str
    dtype: "torch.dtype"
    tokenizer: Any
    text_encoder: Any
    unet: Any
    vae: Any
    prediction: str = ""


def base_name(option: str) -> str:
    """The base that is meant: the option, else DSK_BASE; raises UsageError for neither."""
    name = option or os.environ.get("DSK_BASE", "")
    if not name:
        raise UsageError(
            "no base model is set; give --base (a .safetensors file, a diffusers folder or a "
            "Hugging Face name) or set DSK_BASE"
        )
    return name


def locate(model: str) -> Path:
    """Find a base by path, or fetch it by Hugging Face name; ModelError tells the way out."""
    found = _here(model)
    if found is None:
        from datasetkit import hub

        found = hub.folder(model, _FILES)
    return found


def check(model: str) -> None:
    """Raise ModelError unless a base is here or can be fetched."""
    if _here(model) is None:
        from datasetkit import hub

        hub.check(model, _FILES)


def _here(model: str) -> Path | None:
    """A base's path on this machine; None for a name that Hugging Face may know."""
    path = Path(model).expanduser()
    if path.is_dir():
        if (path / "unet").is_dir():
            return path
        raise ModelError(
            f"'{path}' is no diffusers folder: there is no unet folder in it; "
            "name the folder above, or a .safetensors file"
        )
    if path.is_file():
        return path
    if _REPOSITORY.fullmatch(model) and path.suffix not in {".safetensors", *PICKLES}:
        return None
    raise ModelError(
        f"there is no base model at '{model}'; --base (or DSK_BASE) takes a .safetensors file, "
        "a diffusers folder or a Hugging Face name such as owner/model"
    )


def name_of(path: Path) -> str:
    """A base's name: that of its file without suffix, its folder, or its repository in a cache."""
    if path.is_dir() and path.parent.name == "snapshots":  # as Hugging Face's cache has them
        return path.parents[1].name.rpartition("--")[2]
    return path.stem if path.is_file() else path.resolve().name


def digest(path: Path, parts: tuple[str, ...] = ("unet",)) -> str:
    """SHA-256 (hex) of a base's weights: of the file, or of these parts of a folder.

    The first 10 digits are the "Model hash" of infotext; of a folder, A1111 would know none.
    """
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else [_weights_file(path / part) for part in parts]:
        with file.open("rb") as stream:
            while block := stream.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def load(
    model: str,
    device: str = "cpu",
    precision: str = "fp32",
    config: str = "",
    training: bool = False,
) -> Base:
    """Load a base of Stable Diffusion 1's shape, frozen, on one device.

    ``precision`` is a word of :data:`devices.PRECISIONS`. ``config`` names a folder with the
    configuration and tokenizer of a single file; without it a folder named like the file beside it
    is taken, else the package's own. Raises ModelError.
    """
    import torch

    path = locate(model)
    folder = path if path.is_dir() else _config_folder(path, config)
    if "text_encoder_2" in json.loads(_read(folder / "model_index.json")):
        raise ModelError(f"{path.name} is SDXL-shaped; this version loads Stable Diffusion 1 bases")
    whole = {} if path.is_dir() else _tensors(path)
    _refuse_other_shapes(path, whole)
    with _quiet():
        models = {
            part: _part(part, folder / part, _slice(whole, part) if whole else None)
            for part in PARTS
        }
        tokenizer = _tokenizer(folder / "tokenizer")
        weights = sum(weight.numel() for weight in models["unet"].parameters())
        dtype = devices.dtype(precision, device, weights, training)
        for part, loaded in models.items():
            kind = torch.float32 if part == "vae" else dtype
            # not diffusers' own to(): it warns of layers to be kept in fp32, of which it finds none
            torch.nn.Module.to(loaded.requires_grad_(False).eval(), device, kind)
    if len(tokenizer) > models["text_encoder"].config.vocab_size:
        raise ModelError(
            f"{folder / 'tokenizer'} has {len(tokenizer):,} tokens, the text encoder of "
            f"{path.name} only {models['text_encoder'].config.vocab_size:,}; give its --config"
        )
    return Base(name_of(path), path, device, dtype, tokenizer,
                prediction=_prediction(path, folder, whole), **models)  # fmt: skip


def check_prediction(base: Base, wanted: str) -> None:
    """Raise ModelError where a base's files contradict the family: the pictures would be noise."""
    if base.prediction not in {"", wanted}:
        raise ModelError(
            f"{base.name} predicts {base.prediction} by its own files, the family says {wanted}; "
            f"choose a --family with {base.prediction}"
        )


def sample_size(model: str, config: str = "") -> int:
    """The side in pixels of the squares that a base was made for, 0 if its files do not say."""
    path = locate(model)
    folder = path if path.is_dir() else _config_folder(path, config)
    latent = json.loads(_read(folder / "unet" / "config.json")).get("sample_size") or 0
    levels = len(json.loads(_read(folder / "vae" / "config.json"))["block_out_channels"])
    return int(latent) << (levels - 1)


def vae_identity(vae: Any) -> str:
    """A hash of a VAE's weights and dtype: two latents are alike only if this is."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(vae.state_dict().items()):
        digest.update(f"{name} {tensor.dtype}".encode())
        digest.update(tensor.cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _part(part: str, folder: Path, state: "Mapping[str, Tensor] | None") -> Any:
    """Build one model from its config and fill it; ``state`` is from a single file, or None."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from diffusers.loaders import single_file_utils as compvis
    from transformers import CLIPTextConfig, CLIPTextModel

    config = json.loads(_read(folder / "config.json"))
    if part == "text_encoder":
        model = CLIPTextModel(CLIPTextConfig.from_dict(config))  # holds a buffer: not on meta
        state = state if state is not None else _tensors(_weights_file(folder))
        return _fill(model, _like(model, state), folder)
    with torch.device("meta"):
        made = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}[part].from_config(config)
    if state is None:
        return _fill(made, _new_attention(_tensors(_weights_file(folder))), folder)
    convert = {
        "unet": compvis.convert_ldm_unet_checkpoint,
        "vae": compvis.convert_ldm_vae_checkpoint,
    }
    return _fill(made, convert[part](dict(state), config), folder)


def _fill(model: Any, state: "Mapping[str, Tensor]", folder: Path) -> Any:
    """Put every weight in its place, or raise ModelError with the count of those that fail."""
    wanted = model.state_dict()
    missing = sorted(wanted.keys() - state.keys())
    wrong = sorted(k for k in wanted.keys() & state.keys() if wanted[k].shape != state[k].shape)
    extra = sorted(key for key in state.keys() - wanted.keys() if not _HARMLESS.search(key))
    if missing or wrong or extra:
        raise ModelError(
            f"of the {len(wanted)} weights of the {folder.name}, {len(missing)} are missing, "
            f"{len(wrong)} have another shape and {len(extra)} are too many (first: "
            f"{(missing + wrong + extra)[0]}); the file is damaged, or it is not of the kind that "
            f"{folder / 'config.json'} describes"
        )
    model.load_state_dict({key: state[key] for key in wanted}, strict=True, assign=True)
    return model


def _like(model: Any, state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Rename a text encoder's weights to this transformers' layout, with ``text_model.`` or not."""
    prefix = "text_model." if any(k.startswith("text_model.") for k in model.state_dict()) else ""
    return {prefix + key.removeprefix("text_model."): state[key] for key in state}


def _new_attention(state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Rename a VAE's attention weights as diffusers before 0.18 wrote them."""
    new = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
    pattern = re.compile(rf"(attentions\.\d+)\.({'|'.join(new)})\.(?=weight|bias)")
    return {pattern.sub(lambda m: f"{m[1]}.{new[m[2]]}.", key): state[key] for key in state}


def _slice(whole: "Mapping[str, Tensor]", part: str) -> "dict[str, Tensor]":
    """The weights of one part in a CompVis file."""
    if part == "text_encoder":
        prefix = "cond_stage_model.transformer."
        return {k.removeprefix(prefix): whole[k] for k in whole if k.startswith(prefix)}
    prefix = {"unet": "model.diffusion_model.", "vae": "first_stage_model."}[part]
    return {k: whole[k] for k in whole if k.startswith(prefix)}


def _refuse_other_shapes(path: Path, whole: "Mapping[str, Tensor]") -> None:
    if any(key.startswith("conditioner.embedders.") for key in whole):
        raise ModelError(f"{path.name} is SDXL-shaped; this version loads Stable Diffusion 1 bases")
    if any(key.startswith("cond_stage_model.model.") for key in whole):
        raise ModelError(f"{path.name} is of Stable Diffusion 2; this version loads SD 1 bases")
    if whole and not any(key.startswith("model.diffusion_model.") for key in whole):
        raise ModelError(
            f"{path.name} holds no base model (none of its {len(whole)} keys begins with "
            "model.diffusion_model.); a LoRA goes with --lora, a VAE cannot stand alone"
        )


def _tensors(path: Path) -> "dict[str, Tensor]":
    """Read a weights file; a pickle only if it holds nothing but weights."""
    if path.suffix in PICKLES:
        return _unpickled(path)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged or no safetensors file ({error})") from error


def _unpickled(path: Path) -> "dict[str, Tensor]":
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile file can make the reader raise anything
        raise ModelError(
            f"{path} is refused: it is a pickle that holds more than weights, and reading it could "
            "run a program; ask its maker for a .safetensors file"
        ) from error
    found = found.get("state_dict", found) if isinstance(found, dict) else {}
    return {str(k): v for k, v in found.items() if isinstance(v, torch.Tensor)}


def _weights_file(folder: Path) -> Path:
    """The one weights file of a part of a diffusers folder; full precision before fp16."""
    stem = "model" if folder.name == "text_encoder" else _WEIGHTS
    old = "pytorch_model" if folder.name == "text_encoder" else stem
    names = [f"{stem}.safetensors", f"{stem}.fp16.safetensors", f"{old}.bin", f"{old}.fp16.bin"]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise ModelError(f"there is no {names[0]} in {folder}; download the folder anew")


def _config_folder(path: Path, config: str) -> Path:
    if config:
        if not (Path(config) / "unet" / "config.json").is_file():
            raise ModelError(f"{config!r} is no configuration folder: no unet/config.json in it")
        return Path(config)
    beside = path.with_suffix("")
    return beside if (beside / "unet" / "config.json").is_file() else CONFIGS


def _tokenizer(folder: Path) -> Any:
    """CLIP's tokenizer; without its vocabulary transformers would make one up in silence."""
    from transformers import CLIPTokenizer

    pair = (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file()
    if not pair and not (folder / "tokenizer.json").is_file():
        raise ModelError(f"there is no vocabulary in {folder} (vocab.json and merges.txt)")
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def _prediction(path: Path, folder: Path, whole: "Mapping[str, Tensor]") -> str:
    """What the files say of the prediction type: v, eps, or "" for nothing.

    A folder has its scheduler's configuration; a file may have a key ``v_pred`` or, beside it,
    a ``.yaml`` with ``parameterization: v``.
    """
    if path.is_file():
        sidecar = path.with_suffix(".yaml")
        said = sidecar.read_text(errors="replace") if sidecar.is_file() else ""
        v = "v_pred" in whole or re.search(r"parameterization:\s*[\"']?v\b", said)
        return "v" if v else ""
    scheduler = folder / "scheduler" / "scheduler_config.json"
    kind = json.loads(_read(scheduler)).get("prediction_type") if scheduler.is_file() else ""
    return {"epsilon": "eps", "v_prediction": "v"}.get(kind, "")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ModelError(
            f"cannot read {path} ({error.strerror}); the model is incomplete"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what the two libraries say of configurations; all they guard is checked here."""
    import logging

    import diffusers  # noqa: F401 - sets its logger's level when it is first imported
    import transformers  # noqa: F401

    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
