"""Which device does the work, and in which precision: what is there, where it helps."""

from typing import TYPE_CHECKING, Any

from datasetkit.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
LARGE = 100_000_000  # weights; on the CPU bf16 halves a step of SD1.5 and doubles a small UNet's


def device() -> str:
    """The fastest device that torch finds: cuda, mps, xpu, else cpu."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    if torch.xpu.is_available():
        return "xpu"
    return "cpu"


def dtype(precision: str, where: str, weights: int, training: bool = False) -> "torch.dtype":
    """The precision of a base of so many weights on a device.

    ``auto`` is, to train, bf16 where the device has it, and to paint fp16 on a graphics card, as
    A1111 has it; on a CPU bf16 if it has instructions for it and the model is large; else fp32.
    """
    import torch

    if precision != "auto":
        named = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
        return named[precision]
    if where in {"cuda", "xpu"}:
        bf16 = where == "xpu" or torch.cuda.is_bf16_supported()
        return (torch.bfloat16 if bf16 else torch.float32) if training else torch.float16
    if where == "cpu" and weights >= LARGE and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.bfloat16
    return torch.float32


def check_precision(precision: str, training: bool = False) -> None:
    """Raise UsageError unless it is a word we know; fp16 cannot train without loss scaling."""
    known = PRECISIONS[:-1] if training else PRECISIONS
    if precision not in known:
        raise UsageError(f"there is no precision {precision!r} here; {did_you_mean('', known)}")


def describe(where: str, kind: Any) -> str:
    """A device and precision in words: "cuda (its name), bf16"."""
    import torch

    card = f" ({torch.cuda.get_device_name()})" if where == "cuda" else ""
    short = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
    return f"{where}{card}, {short[kind]}"
