"""How much of a graphics card's memory a LoRA's training takes, and how large its file is.

    weights      what is frozen: the UNet and the text encoders, 2 bytes a number in bf16 or fp16,
                 4 in fp32; the VAE leaves the card once the pictures are encoded
    learned      the LoRA: 16 bytes a number (itself, its gradient and Adam's two means, in fp32),
                 and 2 more for the copy that half precision computes with
    kept         what the forward pass keeps for the backward one: so many bytes a pixel, times the
                 pixels of a batch

The bytes a pixel were measured: the bytes that autograd saves in one step of the real UNets, with
this project's LoRA layers and CUDA's autocast (norms in fp32), of meta tensors, which compute
nothing. They grow with pixels and batch to within 2 % (SD1 at 256, 512, 768 px: 313, 1,266,
2,784 MB; 4 pictures at 512 px: 5,051; SDXL at 1024 px: 8,398) and the rank makes no difference.
Real steps on a CPU with random weights of SD1's size, rank 16, one picture at 512 px, took 1,432 to
1,564 MB more resident memory than the weights (the sum here: 1,388), checkpointed 620 to 677 (691).
Checkpointed, autograd saves 198 MB between the passes (SDXL: 618); the rest is the one block that
is computed again, and is added to SDXL's figure a pixel too. See benchmarks/training_memory.py.

The sum is the least. What it leaves out (the CUDA context, buffers, an allocator's gaps) makes the
most: a quarter more and 1 GB. The one published figure with all its settings lies between: LyCORIS'
guidelines, RTX 4090, SD1, rank 32, batch 8: 15.4 GB; sd-scripts' docs/train_SDXL-en.md calls 8 GB
possible for SDXL with all text cached at rank 4 to 8, and 10 GB advisable. With ``low`` the base is
in fp8 too, a byte a number, and Adam's means have a byte each: arithmetic, nothing published.
"""

from dataclasses import dataclass

GB = 1 << 30  # as the makers of cards count
_ADAM = 16  # bytes a learned number: fp32 itself, gradient, two means
_ADAM8 = 10  # the two means in a byte each
_SLACK, _ALWAYS = 1.25, 1.0  # the most: so many times the sum, and so many GB
_CONTEXT = 0.4  # GB that CUDA takes for itself at the least


@dataclass(frozen=True, slots=True)
class Shape:
    """An architecture in numbers: counted from the models, and bytes measured as said above.

    ``unet`` and ``text`` are counts of frozen numbers; ``lora`` and ``lora_text`` of learned ones
    for each rank (SD1: 192 and 72 modules; SDXL: 722 and 72 + 192). ``kept`` is bytes a pixel of
    the picture and batch, ``kept_lean`` with gradient checkpointing; ``kept_text`` bytes a chunk
    of 75 tokens and picture where the text encoder learns.
    """

    unet: int
    text: int
    lora: int
    lora_text: int
    kept: int
    kept_lean: int
    kept_text: int = 34_000_000


SHAPES = {
    "sd1": Shape(859_520_964, 123_060_480, 423_936, 165_888, 4_830, 2_170),
    "sdxl": Shape(2_567_463_684, 817_720_320, 2_659_840, 903_168, 8_010, 1_980),
}


@dataclass(frozen=True, slots=True)
class Use:
    """What a training's memory depends on; ``half`` is bf16 or fp16, else fp32."""

    shape: str
    rank: int
    resolution: int
    batch: int
    text: bool = True  # whether the text encoder learns
    chunks: int = 1  # of 75 tokens
    lean: bool = False  # gradient checkpointing
    half: bool = True
    low: bool = False  # sd-scripts' settings for little memory: base in fp8, 8-bit Adam, texts kept


@dataclass(frozen=True, slots=True)
class Need:
    """Memory in GB, by what takes it."""

    weights: float
    learned: float
    kept: float

    @property
    def least(self) -> float:
        """The sum, and CUDA itself."""
        return self.weights + self.learned + self.kept + _CONTEXT

    @property
    def most(self) -> float:
        """With what no sum tells."""
        return (self.weights + self.learned + self.kept) * _SLACK + _ALWAYS

    def __str__(self) -> str:
        return f"{self.least:.1f} to {self.most:.1f} GB"

    @property
    def sum(self) -> str:
        """The terms in words."""
        return (
            f"base {self.weights:.2f} + LoRA with gradients and Adam {self.learned:.2f} + kept for "
            f"the backward pass {self.kept:.2f} GB"
        )


def learned(shape: str, rank: int, text: bool) -> int:
    """How many numbers a LoRA of this rank has."""
    row = SHAPES[shape]
    return rank * (row.lora + row.lora_text * text)


def file_bytes(shape: str, rank: int, text: bool, precision: str = "fp16") -> int:
    """The size of a LoRA's file but for its header: 1.18 MB a rank of SD1 in fp16."""
    return learned(shape, rank, text) * (4 if precision == "fp32" else 2)


def needed(use: Use) -> Need:
    """The memory that a training takes."""
    row = SHAPES[use.shape]
    number = 1 if use.low else 2 if use.half else 4
    # Saved in fp32 at 512 px: 1,802 MB instead of 1,266; checkpointed 302 instead of 198.
    more = 1 if use.half else 1.5
    pixels = use.resolution * use.resolution * use.batch
    kept = (row.kept_lean if use.lean else row.kept) * pixels
    kept += row.kept_text * use.chunks * use.batch * use.text
    copy = 2 if use.half else 0
    return Need(
        weights=(row.unet + row.text * (not use.low)) * number / GB,
        learned=learned(use.shape, use.rank, use.text)
        * (copy + (_ADAM8 if use.low else _ADAM))
        / GB,
        kept=kept * more / GB,
    )
