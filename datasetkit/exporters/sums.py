"""How often pictures are repeated and how many steps that makes, as kohya's trainers count."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil

from datasetkit.buckets import Buckets, Size


def repeats_of(
    counts: Sequence[int], weights: Sequence[Fraction], steps: int, epochs: int
) -> list[int]:
    """The repeats of each subset, so that an epoch shows about steps / epochs pictures.

    repeats = max(1, ceil(weight * steps / epochs / sum(pictures * weight))); of a single subset
    the weight makes no difference.
    """
    whole = sum((n * weight for n, weight in zip(counts, weights, strict=True)), Fraction(0))
    return [max(1, ceil(weight * steps / epochs / whole)) for weight in weights]


def in_buckets(sizes: Iterable[tuple[Size, int]], buckets: Buckets) -> Counter[Size]:
    """How many pictures an epoch has in each bucket, of their sizes and their repeats.

    Raises PictureError for one that fits into none.
    """
    known: dict[Size, Size] = {}
    found: Counter[Size] = Counter()
    for size, repeats in sizes:
        if size not in known:
            known[size] = buckets.assign(*size)[0]
        found[known[size]] += repeats
    return found


def batches_an_epoch(counts: Mapping[Size, int], batch: int) -> int:
    """An epoch's batches: no batch mixes shapes, and the last of each bucket may be partial.

    The subsets of one dataset share its buckets (sd-scripts ``BucketManager``).
    """
    return sum(ceil(count / batch) for count in counts.values())
