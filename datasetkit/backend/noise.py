"""The noise schedule of Stable Diffusion, what is drawn from it, and how losses are weighed.

DDPM with 1000 steps, beta from 0.00085 to 0.012 in scaled-linear order. Noise is drawn in fp32 on
the CPU from one generator a picture, so that it depends on neither device nor batch size.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

STEPS = 1000
BETA_START, BETA_END = 0.00085, 0.012


def alphas(ztsnr: bool = False) -> "Tensor":
    """The share of signal variance left at each step: alpha-bar, (1000,) fp32.

    ``ztsnr`` rescales so that the last step is pure noise (Lin et al. 2023, algorithm 1).
    """
    import torch

    betas = torch.linspace(BETA_START**0.5, BETA_END**0.5, STEPS) ** 2
    kept = torch.cumprod(1 - betas, dim=0)
    if ztsnr:
        root = kept.sqrt()
        kept = ((root - root[-1]) * (root[0] / (root[0] - root[-1]))) ** 2
    return kept


def snr(kept: "Tensor") -> "Tensor":
    """Signal-to-noise ratio of an alpha-bar."""
    return kept / (1 - kept)


def min_snr(ratio: "Tensor", gamma: float, prediction: str) -> "Tensor":
    """The weight of a loss at a signal-to-noise ratio (Hang et al. 2023, as kohya applies it).

    eps: min(SNR, gamma) / SNR; v: min(SNR, gamma) / (SNR + 1).
    """
    capped = ratio.clamp(max=gamma)
    return capped / (ratio + 1) if prediction == "v" else capped / ratio


def generator(*seeds: object) -> "torch.Generator":
    """A CPU generator that depends on nothing but these values."""
    import torch

    name = " ".join(map(str, seeds)).encode()
    number = int.from_bytes(hashlib.sha256(name).digest()[:8], "little") >> 1
    return torch.Generator().manual_seed(number)


def start(
    seeds: Sequence[int], shape: tuple[int, int, int]
) -> "tuple[Tensor, list[torch.Generator]]":
    """Pure noise (seeds, channels, height, width), and each picture's generator to go on with."""
    import torch

    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.randn(shape, generator=g) for g in generators]), generators
