"""What ``repeats`` says of its sum: how the repeats and the steps come about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from datasetkit.buckets import Buckets, Size
from datasetkit.exporters.subsets import Subset
from datasetkit.exporters.sums import batches_an_epoch, in_buckets, repeats_of
from datasetkit.stage import Note

TOO_MANY = 1.5  # so many times the asked steps is told


@dataclass(frozen=True)
class Asked:
    """What a person said; ``parts`` where there are subsets."""

    steps: int  # pictures shown
    epochs: int
    batch: int
    parts: bool


@dataclass(frozen=True)
class Share:
    """A subset that has pictures: its repeats, and the pictures' sizes."""

    subset: Subset
    repeats: int
    sizes: Sequence[Size]


def about_the_sum(shares: Sequence[Share], buckets: Buckets, asked: Asked) -> Iterator[Note]:
    """Say how the repeats and the steps come about, and where they are not what was asked."""
    seen = sum(len(share.sizes) * share.repeats for share in shares)
    epochs, batch, shown = asked.epochs, asked.batch, seen * asked.epochs
    each = f"{asked.steps} / {epochs}"
    meant = "steps" if batch == 1 else "pictures shown"
    end = f"{shown:,} {meant} (asked: {asked.steps:,}"
    alone = ["batch size 1"] * (batch == 1)
    if not asked.parts:
        (share,) = shares
        count = len(share.sizes)
        how = ", ".join([f"repeats = ceil({each} / {count})", *alone])
        yield Note(
            f"{of(count, 'picture')} x {of(share.repeats, 'repeat')} x {of(epochs, 'epoch')} = "
            f"{end}; {how})"
        )
    else:
        whole = " + ".join(f"{len(s.sizes)} x {float(s.subset.weight):g}" for s in shares)
        for share in shares:
            yield Note(
                f"{share.subset.name}: {of(len(share.sizes), 'picture')} x "
                f"{of(share.repeats, 'repeat')} "
                f"(= ceil({float(share.subset.weight):g} x {each} / ({whole})))"
            )
        yield Note(
            f"{seen:,} pictures an epoch x {of(epochs, 'epoch')} = {'; '.join([end, *alone])})"
        )
    if shown > TOO_MANY * asked.steps:
        yield _beyond(shown, shares, asked)
    counts = in_buckets(((size, s.repeats) for s in shares for size in s.sizes), buckets)
    steps, full = batches_an_epoch(counts, batch), ceil(seen / batch)
    if batch > 1:
        side = buckets.resolution
        yield Note(
            f"batch {batch}, {of(len(counts), 'bucket')} of about {side}x{side}: "
            f"{of(steps, 'batch')} an epoch (the sum of ceil(pictures in the bucket / "
            f"{batch})) x {of(epochs, 'epoch')} = {steps * epochs:,} steps"
        )
    if steps > full * 1.2:
        yield Note(
            f"sparse buckets leave batches short: {full} full ones would do instead of {steps}",
            warning=True,
        )


def of(number: int, what: str) -> str:
    """A count and its noun: 1 picture, 2 batches."""
    return f"{number:,} {what}{'' if number == 1 else 'es' if what.endswith('tch') else 's'}"


def _beyond(shown: int, shares: Sequence[Share], asked: Asked) -> Note:
    """Say that each picture once an epoch is more than was asked for, and the way out."""
    counts, weights = [len(s.sizes) for s in shares], [s.subset.weight for s in shares]

    def off(epochs: int) -> int:
        times = repeats_of(counts, weights, asked.steps, epochs)
        each = sum(count * n for count, n in zip(counts, times, strict=True))
        return abs(epochs * each - asked.steps)

    best = min(range(asked.epochs, 0, -1), key=off)  # of as good ones the most
    ways = [f"use --epochs {best}"] * (best < asked.epochs)
    if off(best) > (TOO_MANY - 1) * asked.steps:
        ways.append("leave pictures out (dsk pick keeps the most varied)")
    return Note(
        f"that is {shown / asked.steps:.1f} times what was asked, for an epoch shows each picture "
        f"once or more; {' and '.join(ways) or 'ask for more with --steps'}",
        warning=True,
    )
