"""All pairs of fingerprints within 8 bits of 64: ours beside what other programs do.

    python benchmarks/near_duplicates.py [--numbers 10000,100000,1000000] [--radius 8]

The numbers are drawn by lot, and a tenth of them planted 1 to 12 bits beside another, so that
there is something to find. Each row is a process of its own: its CPU seconds, the peak of its
memory, and how many pairs it found. Up to 10,000 each row must find the very same pairs as the
comparison of all with all; beyond, the pairs that were planted must be among those found.

The rows of ImageHash and imagededup run where these are installed (neither is a dependency). They
are left out beyond 10,000, and what they would need is the square: they compare each with each.
The plain comparison beside them is a loop in Python over each pair.
"""

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Prints = NDArray[Any]  # uint64
SEED = 1
CHECKED = 10_000  # up to which all pairs are compared with those that were found
AT_MOST = {"numpy": 100_000, "loop": 10_000, "imagehash": 10_000, "imagededup": 10_000}


def main() -> None:
    """Run each row in a process of its own and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--numbers", default="10000,100000,1000000")
    parser.add_argument("--radius", type=int, default=8)
    parser.add_argument("--only", help="these rows alone, with commas between")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        print(json.dumps(measured(arguments.row, int(arguments.numbers), arguments.radius)))
        return
    rows = arguments.only.split(",") if arguments.only else list(ROWS)
    print(f"{'':34}{'numbers':>9}{'CPU s':>9}{'peak MB':>9}{'pairs':>9}")
    for number in map(int, arguments.numbers.split(",")):
        truth = None
        for row in rows:
            name, _, needs = ROWS[row]
            if needs and importlib.util.find_spec(needs) is None:
                continue
            if number > AT_MOST.get(row, number):
                continue
            found = in_a_process(row, number, arguments.radius)
            truth = truth or found["sum"]
            assert found["sum"] == truth, f"{name} found other pairs"
            print(
                f"{name:34}{number:9,}{found['cpu']:9.2f}{found['peak']:9.0f}{found['pairs']:9,}",
                flush=True,
            )


def in_a_process(row: str, number: int, radius: int) -> dict[str, Any]:
    """Run one row in a new process, and return what it measured of itself."""
    command = [sys.executable, __file__, "--row", row, "--numbers", str(number)]
    done = subprocess.run(
        [*command, "--radius", str(radius)], check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measured(row: str, number: int, radius: int) -> dict[str, Any]:
    """Do one row's work; CPU seconds, the peak of memory, and what was found."""
    prints, planted = drawn(number, radius)
    find = ROWS[row][1]
    find(prints[:100], radius)  # imports are not what is timed
    cpu = time.process_time()
    pairs = find(prints, radius)
    cpu = time.process_time() - cpu
    most = peak()
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    apart = np.bitwise_count(prints[pairs[:, 0]] ^ prints[pairs[:, 1]])
    assert (apart <= radius).all() and (pairs[:, 0] < pairs[:, 1]).all()
    known = {(one, other) for one, other in pairs.tolist()}
    assert planted <= known, f"{len(planted - known)} planted pairs were missed"
    if number <= CHECKED and row != "numpy":
        assert np.array_equal(pairs, np.unique(by_numpy(prints, radius), axis=0))
    weights = np.array([1, 1_000_003])
    return {
        "cpu": cpu, "peak": most, "pairs": len(pairs), "sum": int((pairs * weights).sum()),
    }  # fmt: skip


def peak() -> float:
    """The most memory that this process ever had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss counts the parent's memory in before exec
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024 * 1024 if sys.platform == "darwin" else 1024)


def drawn(number: int, radius: int) -> tuple[Prints, set[tuple[int, int]]]:
    """Distinct fingerprints in no order, and the pairs that were planted within the radius."""
    rng = np.random.default_rng(SEED)
    prints = rng.integers(0, 2**64, number, dtype=np.uint64)
    copies = number // 10
    sources = rng.integers(0, number - copies, copies)
    flips = rng.integers(1, 13, copies)
    order = np.argsort(rng.random((copies, 64)), axis=1)
    bits = np.uint64(1) << order.astype(np.uint64)
    bits[np.arange(64) >= flips[:, None]] = 0
    places = np.arange(number - copies, number)
    prints[places] = prints[sources] ^ np.bitwise_or.reduce(bits, axis=1)
    assert len(np.unique(prints)) == number
    mixed = rng.permutation(number)
    at = np.argsort(mixed)
    near = flips <= radius
    pairs = np.sort(np.stack([at[places[near]], at[sources[near]]], axis=1), axis=1)
    return prints[mixed], {(one, other) for one, other in pairs.tolist()}


def by_near_pairs(prints: Prints, radius: int) -> Prints:
    """Ours: by sorting, block by block."""
    from datasetkit.near import near_pairs

    return np.concatenate([np.empty((0, 2), np.int64), *near_pairs(prints, radius)])


def by_numpy(prints: Prints, radius: int) -> Prints:
    """Each with all that come after it, at once."""
    pairs = [np.empty((0, 2), np.int64)]
    for place in range(len(prints) - 1):
        others = np.flatnonzero(np.bitwise_count(prints[place + 1 :] ^ prints[place]) <= radius)
        if len(others):
            ones = np.full(len(others), place)
            pairs.append(np.stack([ones, others + place + 1], axis=1))
    return np.concatenate(pairs)


def by_loop(prints: Prints, radius: int) -> Prints:
    """Each with each, in Python."""
    numbers = prints.tolist()
    pairs = [
        (place, other)
        for place, one in enumerate(numbers)
        for other in range(place + 1, len(numbers))
        if (one ^ numbers[other]).bit_count() <= radius
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def by_imagehash(prints: Prints, radius: int) -> Prints:
    """Each with each, as ImageHash subtracts its hashes."""
    from imagehash import hex_to_hash

    hashes = [hex_to_hash(f"{print_:016x}") for print_ in prints.tolist()]
    pairs = [
        (place, other)
        for place, one in enumerate(hashes)
        for other in range(place + 1, len(hashes))
        if one - hashes[other] <= radius
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def by_imagededup(prints: Prints, radius: int) -> Prints:
    """imagededup's tree of hashes, asked for each; in one process, where it would start several."""
    from imagededup.handlers.search.bktree import BKTree

    hashes = {str(place): f"{print_:016x}" for place, print_ in enumerate(prints.tolist())}

    def apart(one: str, other: str) -> int:
        return (int(one, 16) ^ int(other, 16)).bit_count()

    tree = BKTree(hashes, apart)
    pairs = [
        (int(one), int(other))
        for one, print_ in hashes.items()
        for other, _ in tree.search(print_, radius)
        if int(one) < int(other)
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


Row = tuple[str, Callable[[Prints, int], Prints], str]
ROWS: dict[str, Row] = {
    "ours": ("datasetkit, near_pairs", by_near_pairs, ""),
    "numpy": ("each with all, NumPy", by_numpy, ""),
    "loop": ("each with each, Python", by_loop, ""),
    "imagehash": ("each with each, ImageHash", by_imagehash, "imagehash"),
    "imagededup": ("tree of imagededup", by_imagededup, "imagededup"),
}


if __name__ == "__main__":
    main()
