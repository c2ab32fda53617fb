"""LoRA layers with kohya's names, file format and arithmetic.

Why not PEFT: its files lose alpha or write the rank in its place, diffusers' kohya exporter names
the text encoder as no kohya program reads it, a reload prints alarms about weights that are fine,
and one that half fits is taken with a warning. The layers are two small matrices and a hook; the
names are a rule.
"""

import hashlib
import json
import math
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasetkit.errors import ModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

UNET, TEXT = "lora_unet_", "lora_te_"
_HALVES = ("lora_down.weight", "lora_up.weight")


@dataclass
class Pair:
    """The two matrices beside one layer: ``up(down(x)) * alpha / rank`` is added to its output."""

    down: "Tensor"
    up: "Tensor"
    alpha: float

    @property
    def rank(self) -> int:
        """The inner width."""
        return int(self.down.shape[0])


@dataclass
class Lora:
    """The pairs of a LoRA by kohya name, and what was written beside them.

    While applied (see :meth:`apply`), ``weight`` may be changed at any time; 0 leaves every
    layer's output untouched, to the bit.
    """

    pairs: dict[str, Pair]
    metadata: Mapping[str, str] = field(default_factory=dict)
    weight: float = 1.0
    _hooks: list[Any] = field(default_factory=list, repr=False)

    def apply(self, layers: "Mapping[str, nn.Module]", weight: float = 1.0) -> None:
        """Add the pairs to the layers of these kohya names; raises ModelError if any fits none."""
        check_fit(self.pairs, layers)
        self.weight = weight
        for name, pair in self.pairs.items():
            self._hooks.append(layers[name].register_forward_hook(self._hook(pair)))

    def remove(self) -> None:
        """Take the pairs off their layers again."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def parameters(self, prefix: str = "") -> "Iterator[Tensor]":
        """The matrices, in a fixed order, of the names that begin with ``prefix``."""
        for name in sorted(self.pairs):
            if name.startswith(prefix):
                yield self.pairs[name].down
                yield self.pairs[name].up

    def to(self, device: str, dtype: "torch.dtype | None" = None) -> "Lora":
        """Move the matrices to a device, in a dtype (fp32 as they are made and loaded)."""
        for pair in self.pairs.values():
            pair.down, pair.up = pair.down.to(device, dtype), pair.up.to(device, dtype)
        return self

    def _hook(self, pair: Pair) -> "Callable[[nn.Module, tuple[Tensor], Tensor], Tensor | None]":
        """What a layer does after its own work: one product down, one product up and sum."""
        import torch
        from torch.nn import functional

        strength = pair.alpha / pair.rank
        down, up = pair.down, pair.up
        kernel = tuple(down.shape[2:])

        def hook(layer: Any, inputs: "tuple[Tensor]", output: "Tensor") -> "Tensor | None":
            if self.weight == 0:
                return None
            x = inputs[0]
            if not torch.is_autocast_enabled(x.device.type):
                x = x.to(down.dtype)
            scale = strength * self.weight
            if not kernel:
                rows = x.reshape(-1, x.shape[-1]) @ down.t()
                flat = output.reshape(-1, output.shape[-1])
                return torch.addmm(flat, rows, up.t(), alpha=scale).view_as(output).to(output)
            if kernel == (1, 1) and layer.stride == (1, 1):  # a product, without the convolution
                rows = torch.matmul(down.flatten(1), x.flatten(2))
                wide = up.flatten(1).expand(len(x), -1, -1)
                found = torch.baddbmm(output.flatten(2), wide, rows, alpha=scale)
                return found.view_as(output).to(output)
            middle = functional.conv2d(x, down, None, layer.stride, layer.padding)
            return output + functional.conv2d(middle * scale, up).to(output)

        return hook


def unet_layers(unet: "nn.Module", conv: bool = False) -> "dict[str, nn.Module]":
    """The layers of a UNet by kohya name: those of its attention blocks, 192 in SD1.

    ``conv`` adds the other convolutions and the time projections (LoCon's, 278 in SD1).
    """
    from torch import nn

    layers: dict[str, nn.Module] = {}
    for path, layer in unet.named_modules():
        attention = ".attentions." in path
        resnet = ".resnets." in path or ".downsamplers." in path or ".upsamplers." in path
        if isinstance(layer, nn.Linear | nn.Conv2d) and (attention or (conv and resnet)):
            layers[UNET + path.replace(".", "_")] = layer
    return layers


def text_layers(text_encoder: "nn.Module") -> "dict[str, nn.Module]":
    """The layers of a text encoder by kohya name, under either transformers layout (72 in SD1)."""
    from torch import nn

    layers: dict[str, nn.Module] = {}
    for path, layer in text_encoder.named_modules():
        if isinstance(layer, nn.Linear) and "encoder.layers." in path:
            short = "text_model." + path.removeprefix("text_model.")
            layers[TEXT + short.replace(".", "_")] = layer
    return layers


def fresh(layers: "Mapping[str, nn.Module]", rank: int, alpha: float, seed: int) -> Lora:
    """Make a LoRA that changes nothing yet: down is kaiming uniform with a=sqrt(5), up is zero.

    Every name draws from a generator of its own, so that which others exist makes no difference.
    """
    import torch

    pairs = {}
    for name, layer in layers.items():
        outer, inner = down_shape(layer, rank)
        drawn = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8], "little")
        generator = torch.Generator().manual_seed(drawn >> 1)
        bound = 1 / math.sqrt(math.prod(inner[1:]))
        down = torch.empty(inner).uniform_(-bound, bound, generator=generator)
        pairs[name] = Pair(down, torch.zeros(outer), alpha)
    return Lora(pairs)


def down_shape(layer: Any, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes (up, down) of the pair beside a layer."""
    outer, inner, *kernel = layer.weight.shape
    return (outer, rank, *(1 for _ in kernel)), (rank, inner, *kernel)


def tensors(lora: Lora, dtype: "torch.dtype") -> "dict[str, Tensor]":
    """The tensors of a LoRA file: two matrices and a 0-d alpha a module."""
    import torch

    found = {}
    for name, pair in lora.pairs.items():
        for half, matrix in zip(_HALVES, (pair.down, pair.up), strict=True):
            found[f"{name}.{half}"] = matrix.detach().to("cpu", dtype).contiguous()
        found[f"{name}.alpha"] = torch.tensor(pair.alpha, dtype=dtype)
    return found


def save(path: Path, lora: Lora, dtype: "torch.dtype", words: Mapping[str, str]) -> None:
    """Write a LoRA file whole or not at all, with kohya's hashes added to its metadata.

    ``sshs_model_hash`` is the SHA-256 of what follows the header; ``sshs_legacy_hash`` the first
    8 digits of that of 64 KB at 1 MB of a file that has only the ``ss_`` entries.
    """
    found = tensors(lora, dtype)
    trained = {key: value for key, value in words.items() if key.startswith("ss_")}
    plain = serialise(found, trained)
    begin = 8 + struct.unpack("<Q", plain[:8])[0]
    hashes = {
        "sshs_model_hash": hashlib.sha256(plain[begin:]).hexdigest(),
        "sshs_legacy_hash": hashlib.sha256(plain[0x100000:0x110000]).hexdigest()[:8],
    }
    write(path, serialise(found, {**words, **hashes}))


def serialise(found: "Mapping[str, Tensor]", words: Mapping[str, str]) -> bytes:
    """The bytes of a safetensors file, the same for the same content.

    The safetensors package writes metadata in an order that changes from run to run.
    """
    import safetensors.torch

    raw: bytes = safetensors.torch.save(dict(found), dict(words) or None)
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + length])
    if words:
        header["__metadata__"] = dict(sorted(words.items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return struct.pack("<Q", len(text)) + text + raw[8 + length :]


def write(path: Path, content: bytes) -> None:
    """Write a file under another name, then rename it: it is whole or it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh_path = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with fresh_path.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        fresh_path.replace(path)
    finally:
        fresh_path.unlink(missing_ok=True)


def metadata(path: Path) -> dict[str, str]:
    """What stands beside the weights in a LoRA file; raises ModelError if it cannot be read."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ModelError(f"there is no LoRA at {path}; dsk train makes one, --lora names its file")
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged or no safetensors file ({error})") from error


def load(path: Path) -> Lora:
    """Read a kohya LoRA or LoCon file; raises ModelError for what is none, by name and count."""
    from safetensors.torch import load_file

    said = metadata(path)
    found = load_file(path)
    modules: dict[str, dict[str, Tensor]] = {}
    for key, tensor in found.items():
        name, _, half = key.partition(".")
        modules.setdefault(name, {})[half] = tensor
    strange = [n for n, halves in modules.items() if not set(_HALVES) <= halves.keys()
               or halves.keys() - {*_HALVES, "alpha"}]  # fmt: skip
    if strange or not modules:
        raise ModelError(
            f"{path.name} is no LoRA or LoCon in kohya's format: {len(strange)} of {len(modules)} "
            f"modules have other keys ({', '.join(sorted(modules[strange[0]])) if strange else ''})"
        )
    pairs = {}
    for name, halves in modules.items():
        down, up = (halves[half].float() for half in _HALVES)
        alpha = float(halves["alpha"]) if "alpha" in halves else float(down.shape[0])
        pairs[name] = Pair(down, up, alpha)
    return Lora(pairs, said)


def check_fit(pairs: Mapping[str, Pair], layers: "Mapping[str, nn.Module]") -> None:
    """Raise ModelError, with counts, unless every pair has a layer of its shape."""
    unknown = sorted(pairs.keys() - layers.keys())
    wrong = []
    for name in pairs.keys() & layers.keys():
        up, down = down_shape(layers[name], pairs[name].rank)
        if pairs[name].up.shape != up or pairs[name].down.shape != down:
            wrong.append(name)
    if unknown or wrong:
        first = (unknown + sorted(wrong))[0]
        raise ModelError(
            f"the LoRA does not fit this base: of its {len(pairs)} modules {len(unknown)} are "
            f"unknown here and {len(wrong)} have another shape (first: {first}); "
            "it was made for a base of another kind"
        )
