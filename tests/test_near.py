"""All pairs of fingerprints that are near: none missed, none twice, whatever their numbers."""

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from datasetkit import near
from datasetkit.near import MAX_RADIUS, bits_set, near_pairs


def numbers(values: Iterable[int]) -> np.ndarray:
    return np.array(list(values), np.uint64)


def found(prints: np.ndarray, radius: int) -> list[tuple[int, int]]:
    return sorted((one, other) for block in near_pairs(prints, radius) for one, other in block)


def expected(prints: np.ndarray, radius: int) -> list[tuple[int, int]]:
    pairs = itertools.combinations(enumerate(prints.tolist()), 2)
    return [(i, j) for (i, a), (j, b) in pairs if (a ^ b).bit_count() <= radius]


def clustered(number: int, seed: int, centres: int = 30) -> np.ndarray:
    """Distinct numbers around a few centres, in no order."""
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, 2**64, centres, dtype=np.uint64)
    values = set()
    while len(values) < number:
        value = int(rng.choice(starts))
        for bit in rng.choice(64, rng.integers(0, 12), replace=False):
            value ^= 1 << int(bit)
        values.add(value)
    return rng.permutation(numbers(values))


@pytest.mark.parametrize("radius", range(MAX_RADIUS + 1))
def test_each_pair_is_found_once(radius: int) -> None:
    prints = clustered(500, radius)
    assert found(prints, radius) == expected(prints, radius)


@pytest.mark.parametrize("more", range(1, 6))
def test_so_it_is_by_however_many_blocks_they_are_sorted(
    more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near, "_blocks_that_agree", lambda number, radius: more)
    prints = clustered(400, more)
    assert found(prints, 4) == expected(prints, 4)


def test_many_that_are_all_near_to_each_other() -> None:
    prints = numbers(n << 20 | n * 0x9E37 % 64 for n in range(600))
    assert found(prints, 8) == expected(prints, 8)
    assert len(found(prints, 8)) > 80_000


@settings(max_examples=60, deadline=None)
@given(
    some.sets(some.integers(0, 255) | some.integers(0, 2**64 - 1), max_size=40),
    some.integers(0, 9),
)
def test_of_any_numbers(values: set[int], radius: int) -> None:
    prints = numbers(values)
    assert found(prints, radius) == expected(prints, radius)


@pytest.mark.parametrize("values", [[], [5], [0, 2**64 - 1]])
def test_of_none_and_of_one(values: list[int]) -> None:
    assert found(numbers(values), 8) == []


def test_equal_ones_and_too_wide_a_radius_are_refused() -> None:
    with pytest.raises(ValueError, match="not distinct"):
        list(near_pairs(numbers([4, 7, 4]), 8))
    with pytest.raises(ValueError, match="radius is 0 to 16"):
        list(near_pairs(numbers([4, 7]), 17))


def test_bits_are_counted_with_any_numpy() -> None:
    prints = np.concatenate([clustered(100, 1), numbers([0, 2**64 - 1])])
    counts = [value.bit_count() for value in prints.tolist()]
    assert bits_set(prints).tolist() == counts
    assert near._bits_set(prints).tolist() == counts
