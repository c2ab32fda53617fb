"""Boxes around what was found in a picture."""

from collections.abc import Iterable
from typing import NamedTuple


class Box(NamedTuple):
    """Something found: where (pixels, right and lower side excluded), how surely (0..1), what."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float = 1.0
    kind: str = ""

    @property
    def area(self) -> float:
        """How many pixels it covers."""
        return max(0.0, self.x1 - self.x0) * max(0.0, self.y1 - self.y0)

    def overlap(self, other: "Box") -> float:
        """The share of both that is common to them: intersection over union, 0..1."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        common = max(0.0, width) * max(0.0, height)
        return common / (self.area + other.area - common) if common else 0.0


def best_of_each(boxes: Iterable[Box], overlap: float = 0.5) -> list[Box]:
    """Keep one box, the surest, of those of a kind that lie on each other; the surest first."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda box: (-box.score, box)):
        if all(box.kind != other.kind or box.overlap(other) <= overlap for other in kept):
            kept.append(box)
    return kept
