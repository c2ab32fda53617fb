"""How long a training takes, by card: what was published, what follows from it, or "unknown".

Published are: SD1 on an RTX 4090, 0.30 s a step of 8 pictures (LyCORIS' guidelines: rank 32,
49,622 steps in 4 h 05); SDXL on an RTX 4090, 1.4 s a step in good settings, 2 to 3 s in others
(kohya_ss #1288), and on an RTX 3090 1.2 s (kohya_ss #1730). Other cards are extrapolated: by
memory bandwidth at the best, by fp32 arithmetic at the worst, both as their makers state them.
Nobody keeps a table of cards, and settings make more difference than cards do.
"""

from dataclasses import dataclass

_SD1 = 0.30 / (8 * 512 * 512)  # seconds a pixel of a batch on the RTX 4090
_SMALL = 3.0  # a batch of few pictures uses a card less well: so many times longer at the worst
_SDXL = (1.4, 3.0)  # seconds a step at 1024 px on the RTX 4090, whatever the batch (1 to 8)
_LEAN = 1.3  # gradient checkpointing's second forward pass, measured on a CPU
_CPU = 12.0  # CPU seconds, SD1, one picture at 512 px, bf16, rank 16, without the text encoder


@dataclass(frozen=True, slots=True)
class Card:
    """A card: its memory in GB, GB/s of it, fp32 TFLOPS; why nothing is known of its time."""

    name: str
    memory: int
    bandwidth: float = 0.0
    tflops: float = 0.0
    sdxl: float = 0.0  # seconds a step that were published of it
    unknown: str = ""


_BASE = Card("RTX 4090", 24, 1008.0, 82.6)
CARDS = (
    _BASE,
    Card("RTX 3090", 24, 936.0, 35.6, sdxl=1.2),
    Card("RTX 4070", 12, 504.0, 29.1),
    Card("RTX 3060", 12, 360.0, 12.7),
    Card("RTX 4060", 8, 272.0, 15.1),
    Card("RTX 5090", 32, unknown="the one published figure, 39 s a step, is of wrong settings"),
    Card("Tesla T4", 16, unknown="no figure is published; it has no bf16"),
)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds a step, at the best and at the worst, and how that is known."""

    best: float
    worst: float
    known: str


def pace(card: Card, shape: str, pixels: int, lean: bool) -> Pace | None:
    """Seconds a step of so many pixels (of all pictures of a batch); None where nobody knows."""
    if card.unknown:
        return None
    if shape == "sd1":
        best = _SD1 * pixels
        worst = best * _SMALL
        if lean:
            best, worst = best * _LEAN, worst * _LEAN
    else:  # whose figures are of checkpointed trainings, more or less
        best, worst = (seconds * min(1.0, pixels / 1024**2) for seconds in _SDXL)
    if card is _BASE:
        return Pace(best, worst, "published, of 8 pictures" if shape == "sd1" else "published")
    if shape == "sdxl" and card.sdxl:
        best, worst = card.sdxl * best / _SDXL[0], worst * _BASE.tflops / card.tflops
        return Pace(best, worst, "published at the best")
    ratios = (_BASE.bandwidth / card.bandwidth, _BASE.tflops / card.tflops)
    return Pace(best * min(ratios), worst * max(ratios), "extrapolated")


def cpu_pace(pixels: int, lean: bool) -> Pace:
    """CPU seconds a step of SD1 in bf16, the text encoder not counted at the best."""
    seconds = _CPU * pixels / 512**2 * (_LEAN if lean else 1.0)
    return Pace(seconds, seconds * 1.5, "measured")


def span(best: float, worst: float) -> str:
    """A span of seconds as people say it: 4 to 12 min."""
    for size, unit in ((3600, "h"), (60, "min"), (1, "s")):
        if worst >= 2 * size:
            low, high = best / size, worst / size
            digits = 1 if high < 10 else 0
            return f"{low:.{digits}f} to {high:.{digits}f} {unit}"
    return f"{best:.2f} to {worst:.2f} s"
