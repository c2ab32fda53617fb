"""The figures of a training where nobody says others: our trainer's defaults, and what is written
into other trainers' configurations.

They are what the community's recipes for character LoRAs agree on (rank 8 to 32, alpha half of it,
UNet 1e-4, text encoder 5e-5, cosine, min-SNR 5, one fixed tag).
"""

from dataclasses import dataclass

from datasetkit.families import Family


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a LoRA is trained: kohya's words in brackets.

    ``rank`` (network_dim), ``alpha`` (network_alpha), ``lr`` (unet_lr), ``text_lr``
    (text_encoder_lr), ``min_snr`` (min_snr_gamma), ``precision`` of the files (save_precision).
    """

    rank: int = 16
    alpha: float = 8.0
    lr: float = 1e-4
    text_lr: float = 5e-5
    scheduler: str = "cosine"
    epochs: int = 10
    batch: int = 1
    keep_tokens: int = 1
    shuffle: bool = True
    min_snr: float = 5.0
    seed: int = 42
    precision: str = "fp16"


USUAL = Recipe()
ENOUGH, PLENTY = 30, 300  # different pictures that guides advise for a character or a style


def min_snr(family: Family) -> float:
    """Min-SNR's gamma where nobody says another; 0 is off.

    A family whose schedule ends in pure noise has none: the weight would be 0 just there.
    """
    return 0.0 if family.ztsnr else USUAL.min_snr
