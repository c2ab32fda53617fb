"""What a plan says beside its numbers: what is odd, what does not fit, how long it takes."""

from collections.abc import Iterator
from dataclasses import replace
from math import ceil

from datasetkit import tokens
from datasetkit.inspectors.planning.cards import CARDS, Card, Pace, cpu_pace, pace, span
from datasetkit.inspectors.planning.memory import Need, needed
from datasetkit.inspectors.planning.numbers import FEW, MANY, Number, Training
from datasetkit.stage import Note

_ABOUT = 0.25  # of the asked memory: a card that has so much more or less is shown
_CORE = Card("a CPU core", 0)
_LARGEST = 24  # GB, up to which cards are spoken of as something to have


def table(numbers: list[Number]) -> Iterator[Note]:
    """A line a number: name, value, reason, and how it is known."""
    name = max(len(number.name) for number in numbers)
    value = max(len(number.value) for number in numbers)
    yield Note(f"{'what':<{name}}  {'value':>{value}}  why [how it is known]")
    for number in numbers:
        yield Note(f"{number.name:<{name}}  {number.value:>{value}}  {number.why} [{number.known}]")


def advice(it: Training) -> Iterator[Note]:
    """What is odd about the set, and what mends it."""
    count = it.seen.pictures
    if count < FEW:
        yield Note(
            f"{_pictures(count)} {'is' if count == 1 else 'are'} few: {FEW} to {MANY} varied ones "
            "are usual, and more pictures help more than more steps (dsk grab, dsk folder)",
            warning=True,
        )
    elif count > MANY:
        yield Note(
            f"{_pictures(count)} are many for one LoRA: {FEW} to {MANY} varied ones are usual "
            f"(dsk pick --count {MANY} keeps the most varied)"
        )
    if untagged := it.seen.untagged:
        yield Note(f"{_have(untagged)} no caption (dsk tag adds what taggers see)", warning=True)
    if it.sparse:
        full = ceil(count * it.repeats / it.batch)
        yield Note(
            f"sparse buckets leave batches short: {full:,} full ones would do instead of "
            f"{it.batches:,} an epoch (dsk crop --ratio 2 leaves fewer shapes)",
            warning=True,
        )
    if long := tokens.too_long(it.seen.lengths.elements(), it.chunk):
        yield Note(long, warning=True)


def fitting(it: Training) -> Iterator[Note]:
    """Whether it fits into the card's memory; if it does not, what and what to change."""
    need, memory = it.need, it.asked.memory
    if it.fits:
        if it.ours:
            whole = needed(it.use(half=False))
            may = "" if whole.most <= memory else f", more than {memory:g} GB may hold"
            yield Note(f"cards before RTX 30 have no bf16; in fp32 it takes {whole}{may}")
        return
    how = f"batch {it.batch}{' with checkpointing' * it.lean}{' and low memory' * it.low}"
    if need.least > memory:
        yield Note(
            f"it does not fit into {memory:g} GB at {how}: {need} is needed ({need.sum})",
            warning=True,
        )
    else:
        yield Note(
            f"it may just fit into {memory:g} GB at {how}: {need} is needed ({need.sum})",
            warning=True,
        )
    for what, after in _ways(it):
        yield Note(f"{what}: {after}, {_judged(after, memory)}", warning=True)
    card = next((size for size in (6, 8, 10, 12, 16, _LARGEST) if need.most <= size), 0)
    larger = f"a card of {card} GB" if card else f"a card of more than {_LARGEST} GB"
    yield Note(f"or {larger} (--vram {card or ceil(need.most)})", warning=True)


def _ways(it: Training) -> Iterator[tuple[str, Need]]:
    """What may be changed, and the memory that is needed then."""
    use = it.use()
    if use.batch > 1:
        yield "--batch 1", needed(replace(use, batch=1, lean=True))
    leaner = replace(use, batch=1, lean=True)
    side = it.resolution * 3 // 4 // 64 * 64
    if side >= 256:
        yield f"--batch 1 --resolution {side}", needed(replace(leaner, resolution=side))
    if use.text:
        yield "at batch 1, train: {text_lr: 0}", needed(replace(leaner, text=False))


def times(it: Training) -> Iterator[Note]:
    """How long it takes, by card."""
    pixels = it.resolution**2 * it.batch
    need, steps = it.need, it.steps
    yield Note(
        f"time for {steps:,} steps, by card (nobody keeps a table; what is extrapolated may be "
        "wrong by half)"
    )
    shape, memory = it.asked.family.shape, it.asked.memory
    nearest = min(abs(card.memory - memory) for card in CARDS)
    far = max(nearest, memory * _ABOUT)
    cards = [card for card in CARDS if abs(card.memory - memory) <= far]
    width = max(len(card.name) for card in (*cards, _CORE))
    for card in cards:
        head = f"{card.name:<{width}}  {card.memory:>2} GB"
        found = pace(card, shape, pixels, it.lean)
        if need.least > card.memory:
            yield Note(f"{head}  does not fit")
        elif found is None:
            yield Note(f"{head}  unknown: {card.unknown}")
        else:
            tight = "" if need.most <= card.memory else "; may not fit"
            yield Note(f"{head}  {_paced(found, steps)}{tight}")
    if it.ours:
        yield Note(f"{_CORE.name:<{width}}         {_paced(cpu_pace(pixels, it.lean), steps)}")
    others = [f"{card.name} (--vram {card.memory})" for card in CARDS if card not in cards]
    if others:
        yield Note(f"other cards: {', '.join(others)}")


def _paced(found: Pace, steps: int) -> str:
    each = f"{_seconds(found.best)} to {_seconds(found.worst)} s a step"
    return f"{span(found.best * steps, found.worst * steps):<16}  {each} [{found.known}]"


def _judged(need: Need, memory: float) -> str:
    if need.most <= memory:
        return "fits"
    return "may fit" if need.least <= memory else "is still too much"


def _seconds(found: float) -> str:
    return f"{found:.0f}" if found >= 10 else f"{found:.2g}"


def _pictures(count: int) -> str:
    return f"{count:,} picture{'s' * (count != 1)}"


def _have(count: int) -> str:
    return f"{_pictures(count)} {'has' if count == 1 else 'have'}"
