"""All pairs among a million fingerprints that differ in a few bits, none missed, in little memory.

A fingerprint of 64 bits is cut into ``radius + more`` blocks. Two that differ in at most ``radius``
bits agree in at least ``more`` of the blocks, so each choice of that many brings to the front what
has to be compared: the choice's bits are moved to the top, the numbers sorted, and only those
whose top bits are equal are neighbours. (Multi-index hashing with more than one block a table.)
"""

from collections.abc import Iterator
from itertools import combinations, pairwise
from math import comb
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

Numbers: TypeAlias = "NDArray[Any]"  # uint64
Choice: TypeAlias = tuple[int, ...]

MAX_RADIUS = 16

_BITS = 64
_SORT, _LOOK = 25.0, 2.0  # ns: to arrange and sort a number for one choice; to compare two
_LONG = 48  # neighbours, from which each compares itself with all at once
_SQUARE = 1 << 20  # comparisons at a time, of those
_PART = 1 << 15  # numbers rearranged at a time, so that they stay in the processor's cache


def near_pairs(prints: Numbers, radius: int) -> Iterator[Numbers]:
    """All pairs of places whose fingerprints differ in at most ``radius`` (0 to 16) of 64 bits.

    ``prints`` are distinct (ask ``np.unique``: of thousands of blank pages, each with each makes
    millions of pairs). The pairs come in blocks of (number, 2), the lower place first, in no
    order, each pair once. Memory stays at some 150 bytes a fingerprint, beside the block.
    """
    import numpy as np

    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(f"radius is 0 to {MAX_RADIUS}")
    order = np.argsort(prints)
    known = np.asarray(prints, np.uint64)[order]
    if len(known) and (known[1:] == known[:-1]).any():
        raise ValueError("the fingerprints are not distinct")
    if not radius:
        return
    more = _blocks_that_agree(len(known), radius)
    blocks = _cut(radius + more)
    for choice in combinations(range(len(blocks)), more):
        spans = _spans(blocks, choice)
        arranged = _arranged(known, spans)
        arranged.sort()
        top = sum(blocks[place][1] for place in choice)
        for one, other in _neighbours(arranged, top, radius):
            a, b = _put_back(one, spans), _put_back(other, spans)
            # They agree in other blocks too, as a rule: the first choice that finds them counts.
            ours = _first_choice(a ^ b, blocks, more) == sum(1 << place for place in choice)
            if ours.any():
                places = np.stack(
                    [order[np.searchsorted(known, which[ours])] for which in (a, b)], axis=1
                )
                places.sort(axis=1)
                yield places


def _blocks_that_agree(number: int, radius: int) -> int:
    """How many blocks to sort by at once: fewer make fewer sorts, more make fewer comparisons."""

    def cost(more: int) -> float:
        agreeing = number / 2 ** (_BITS * more / (radius + more))
        return comb(radius + more, more) * (_SORT + _LOOK * agreeing / 2)

    return min((more for more in range(1, 6) if radius + more <= _BITS), key=cost)


def _cut(number: int) -> list[tuple[int, int]]:
    """So many blocks, as the place of the lowest bit and the width, together all 64 bits."""
    ends = [_BITS * place // number for place in range(number + 1)]
    return [(start, end - start) for start, end in pairwise(ends)]


def _spans(blocks: list[tuple[int, int]], choice: Choice) -> list[tuple[int, int, int]]:
    """Runs of bits and where they go, (from, width, to): the chosen blocks to the top."""
    runs: list[tuple[int, int]] = []
    for place, (start, width) in enumerate(blocks):
        if place in choice:
            continue
        if runs and sum(runs[-1]) == start:
            runs[-1] = (runs[-1][0], runs[-1][1] + width)
        else:
            runs.append((start, width))
    spans, to = [], 0
    for start, width in [*runs, *(blocks[place] for place in choice)]:
        spans.append((start, width, to))
        to += width
    return spans


def _arranged(numbers: Numbers, spans: list[tuple[int, int, int]]) -> Numbers:
    """The same numbers, each with its bits in another order."""
    import numpy as np

    found = np.zeros_like(numbers)
    for start in range(0, len(numbers), _PART):
        part, into = numbers[start : start + _PART], found[start : start + _PART]
        for from_, width, to in spans:
            moved = part >> np.uint64(from_)
            moved &= np.uint64((1 << width) - 1)
            moved <<= np.uint64(to)
            into |= moved
    return found


def _put_back(numbers: Numbers, spans: list[tuple[int, int, int]]) -> Numbers:
    return _arranged(numbers, [(to, width, from_) for from_, width, to in spans])


def _neighbours(numbers: Numbers, top: int, radius: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Pairs of sorted numbers with the same ``top`` bits that differ in at most ``radius``.

    A few others with near numbers may be among them.
    """
    import numpy as np

    if len(numbers) < 2:
        return
    heads = numbers >> np.uint64(_BITS - top)
    starts = np.flatnonzero(np.concatenate([[True], heads[1:] != heads[:-1]]))
    lengths = np.diff(starts, append=len(numbers))
    for run in np.flatnonzero(lengths > _LONG):
        members = numbers[starts[run] : starts[run] + lengths[run]]
        rows = max(1, _SQUARE // len(members))
        for first in range(0, len(members), rows):
            some = members[first : first + rows, None]
            near = bits_set(some ^ members[first:]) <= radius
            one, other = np.nonzero(np.triu(near, 1))
            yield members[first + one], members[first + other]
    lengths = np.where(lengths > _LONG, 1, lengths)
    after = np.repeat(starts + lengths, np.diff(starts, append=len(numbers)))
    left = (after - np.arange(len(numbers))).astype(np.int32)  # of its run, itself counted in
    active = np.flatnonzero(left > 1)
    step = 1
    while len(active):
        if len(active) * 3 > len(numbers):  # to take all is cheaper than to pick many out
            near = bits_set(numbers[step:] ^ numbers[:-step]) <= radius
            found = np.flatnonzero(near)
            found = found[left[found] > step]
        else:
            found = active[bits_set(numbers[active + step] ^ numbers[active]) <= radius]
        if len(found):
            yield numbers[found], numbers[found + step]
        step += 1
        active = active[left[active] > step]


def _first_choice(differences: Numbers, blocks: list[tuple[int, int]], more: int) -> Numbers:
    """Of the blocks without a difference the first so many, as bits."""
    import numpy as np

    found = np.zeros(len(differences), np.int64)
    left = np.full(len(differences), more)
    for place, (start, width) in enumerate(blocks):
        agree = (differences >> np.uint64(start)) & np.uint64((1 << width) - 1) == 0
        agree &= left > 0
        found[agree] |= 1 << place
        left -= agree
    return found


def bits_set(numbers: Numbers) -> Numbers:
    """How many bits are set in each number."""
    import numpy as np

    if hasattr(np, "bitwise_count"):
        counted: Numbers = np.bitwise_count(numbers)
        return counted
    return _bits_set(numbers)


def _bits_set(numbers: Numbers) -> Numbers:
    """The same for NumPy before 2.0: sums of neighbours, wider and wider (Hacker's Delight)."""
    import numpy as np

    pairs, fours, eights = (
        np.uint64(mask) for mask in (0x5555 * 0x0001_0001_0001_0001, 0x3333_3333_3333_3333,
                                     0x0F0F_0F0F_0F0F_0F0F)
    )  # fmt: skip
    count = numbers - (numbers >> np.uint64(1) & pairs)
    count = (count & fours) + (count >> np.uint64(2) & fours)
    count = count + (count >> np.uint64(4)) & eights
    count *= np.uint64(0x0101_0101_0101_0101)
    counted: Numbers = (count >> np.uint64(56)).astype(np.uint8)
    return counted
