"""Outfits: garments that are worn together, found by how often they meet."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALIKE = 0.5  # the share of pictures with either tag that have both, on average, in an outfit
MOST = 300  # garments that are compared: the commonest


@dataclass(frozen=True)
class Outfit:
    """Tags that are worn together, the commonest first, and on how many pictures."""

    tags: tuple[str, ...]
    pictures: int

    def share(self, names: Set[str]) -> float:
        """How much of it stands among these names, 0..1; 0 where it is less than two tags."""
        there = sum(tag in names for tag in self.tags)
        return there / len(self.tags) if there > 1 else 0.0


def outfits(wardrobe: Sequence[Set[str]], least: int) -> list[Outfit]:
    """Find the outfits in what is worn on each picture, the most worn first.

    A garment counts that stands on ``least`` pictures. Two are alike by the pictures with both,
    of those with either (Jaccard); groups are joined while they are alike on average.
    """
    import numpy as np

    counts: dict[str, int] = {}
    for names in wardrobe:
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    garments = sorted((n for n, c in counts.items() if c >= least), key=lambda n: (-counts[n], n))
    garments = garments[:MOST]
    if len(garments) < 2:
        return []
    worn = np.array([[name in names for name in garments] for names in wardrobe], np.float64)
    found = []
    for group in _groups(_alike(worn)):
        if len(group) > 1:
            outfit = Outfit(tuple(garments[place] for place in sorted(group)), 0)
            pictures = sum(outfit.share(names) >= 0.5 for names in wardrobe)
            if pictures >= least:
                found.append(Outfit(outfit.tags, pictures))
    return sorted(found, key=lambda outfit: (-outfit.pictures, outfit.tags))


def worn_on(names: Iterable[str], found: Sequence[Outfit]) -> Outfit | None:
    """The outfit of a picture: the one of which it shows most, at least half; None of two alike."""
    there = frozenset(names)
    shares = [outfit.share(there) for outfit in found]
    best = max(shares, default=0.0)
    if best < 0.5 or shares.count(best) > 1:
        return None
    return found[shares.index(best)]


def _alike(worn: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """How alike garments are, 0..1, (garments, garments); ``worn`` is (pictures, garments)."""
    both = worn.T @ worn
    alone = both.diagonal()
    alike: NDArray[np.float64] = both / (alone[:, None] + alone[None, :] - both)
    return alike


def _groups(alike: "NDArray[np.float64]") -> list[list[int]]:
    """Join the two groups that are most alike on average, until none are alike enough."""
    import numpy as np

    groups = [[place] for place in range(len(alike))]
    sizes = np.ones(len(alike))
    mean = alike.copy()
    np.fill_diagonal(mean, -1)
    while True:
        one, other = divmod(int(mean.argmax()), len(mean))
        if mean[one, other] < ALIKE:
            return [group for group in groups if group]
        total = sizes[one] + sizes[other]
        row = (sizes[one] * mean[one] + sizes[other] * mean[other]) / total
        row[mean[one] < 0] = -1
        row[[one, other]] = -1
        mean[one], mean[:, one] = row, row
        mean[other], mean[:, other] = -1, -1
        groups[one] += groups[other]
        groups[other] = []
        sizes[one] = total
