"""A 64-bit fingerprint of a picture, and an index of fingerprints."""

from array import array
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

from datasetkit.pixels import flattened

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

MAX_RADIUS = 7  # four bands of 16 bits: with 7 bits wrong, one band has at most one


class Way(Enum):
    """How a picture may have been turned or mirrored: (transposed, left-right, top-bottom)."""

    UPRIGHT = (False, False, False)
    MIRRORED = (False, True, False)
    UPSIDE_DOWN = (False, True, True)
    UPSIDE_DOWN_MIRRORED = (False, False, True)
    TURNED_LEFT = (True, False, True)
    TURNED_RIGHT = (True, True, False)
    TURNED_LEFT_MIRRORED = (True, True, True)
    TURNED_RIGHT_MIRRORED = (True, False, False)


def fingerprint(image: "Image") -> int:
    """A perceptual hash, 64 bits: a few of them differ between a picture and its re-encodings.

    Which of the 64 lowest frequencies of 32 x 32 grays (transparent on white) lie above their
    median. All arithmetic is on whole numbers, so that every machine finds the same bits.
    """
    return _bits(_frequencies(image))


def fingerprints(image: "Image") -> dict[Way, int]:
    """The fingerprints of a picture in all eight ways it may be turned and mirrored."""
    found = _frequencies(image)
    prints = {}
    for way in Way:
        transposed, left_right, top_bottom = way.value
        turned = found.T.copy() if transposed else found.copy()
        if left_right:  # to mirror a wave of odd number is to change its sign
            turned[:, 1::2] *= -1
        if top_bottom:
            turned[1::2] *= -1
        prints[way] = _bits(turned)
    return prints


def turned(image: "Image", way: Way) -> "Image":
    """The picture, turned and mirrored that way."""
    from PIL.Image import Transpose

    turns = {
        Way.MIRRORED: Transpose.FLIP_LEFT_RIGHT,
        Way.UPSIDE_DOWN: Transpose.ROTATE_180,
        Way.UPSIDE_DOWN_MIRRORED: Transpose.FLIP_TOP_BOTTOM,
        Way.TURNED_LEFT: Transpose.ROTATE_90,
        Way.TURNED_RIGHT: Transpose.ROTATE_270,
        Way.TURNED_LEFT_MIRRORED: Transpose.TRANSVERSE,
        Way.TURNED_RIGHT_MIRRORED: Transpose.TRANSPOSE,
    }
    return image.transpose(turns[way]) if way in turns else image


def _frequencies(image: "Image") -> "NDArray[Any]":
    import numpy as np
    from PIL import Image

    gray = on_white(image).convert("L").resize((32, 32), Image.Resampling.BOX)
    waves = _waves()
    found: NDArray[Any] = waves @ np.asarray(gray, np.int64) @ waves.T
    found[0, 0] = 0  # how bright it is as a whole tells nothing
    return found


def _bits(frequencies: "NDArray[Any]") -> int:
    import numpy as np

    bits = (frequencies > np.median(frequencies)).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def distance(one: int, other: int) -> int:
    """The number of bits, 0 to 64, in which two fingerprints differ."""
    return (one ^ other).bit_count()


class Likenesses:
    """An index of fingerprints by key: finds all within a few bits, without fail.

    100,000 entries take 11 MB beside their keys; a look-up among them takes 0.05 ms.
    """

    def __init__(self) -> None:
        self._empty()

    def _empty(self) -> None:
        self._keys: list[str | None] = []
        self._places: dict[str, int] = {}
        self._prints = array("Q")
        # A band's value leads to the last entry that has it, and each entry to the one before.
        self._last = [array("i", [-1]) * 65_536 for _ in range(4)]
        self._before = [array("i") for _ in range(4)]

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def add(self, key: str, fingerprint: int) -> None:
        """Take a picture in, as the latest arrival; a key that is there already is replaced."""
        self.discard(key)
        place = len(self._keys)
        self._keys.append(key)
        self._places[key] = place
        self._prints.append(fingerprint)
        for band, value in enumerate(_bands(fingerprint)):
            self._before[band].append(self._last[band][value])
            self._last[band][value] = place

    def discard(self, key: str) -> None:
        """Forget a key, if it is there."""
        place = self._places.pop(key, None)
        if place is None:
            return
        self._keys[place] = None
        if len(self._keys) > 2 * len(self._places) + 1000:  # more gaps than entries
            kept = [(k, self._prints[at]) for k, at in self._places.items()]
            self._empty()
            for known, value in kept:
                self.add(known, value)

    def near(self, fingerprint: int, radius: int = MAX_RADIUS) -> list[str]:
        """The keys within ``radius`` bits (0 to 7), the nearest first, then in order of arrival."""
        if not 0 <= radius <= MAX_RADIUS:
            raise ValueError(f"radius is 0 to {MAX_RADIUS}")
        prints, found = self._prints, set[tuple[int, int]]()
        for band, exact in enumerate(_bands(fingerprint)):
            last, before = self._last[band], self._before[band]
            for flip in (0, *(1 << bit for bit in range(16))) if radius > 3 else (0,):
                place = last[exact ^ flip]
                while place >= 0:
                    apart = (prints[place] ^ fingerprint).bit_count()
                    if apart <= radius:
                        found.add((apart, place))
                    place = before[place]
        keys = (self._keys[place] for _, place in sorted(found))
        return [key for key in keys if key is not None]


def on_white(image: "Image") -> "Image":
    """The picture in RGB, where it is clear on white."""
    if image.has_transparency_data:
        return flattened(image.convert("RGBA"), (255, 255, 255))
    return image if image.mode == "RGB" else image.convert("RGB")


def _bands(fingerprint: int) -> tuple[int, ...]:
    return tuple(fingerprint >> shift & 0xFFFF for shift in (0, 16, 32, 48))


@cache
def _waves() -> "NDArray[Any]":
    """The eight lowest waves of a discrete cosine transform of 32 values, in whole numbers."""
    import numpy as np

    steps = np.outer(np.arange(8), 2 * np.arange(32) + 1)
    waves: NDArray[Any] = np.rint(np.cos(steps * np.pi / 64) * 4096).astype(np.int64)
    return waves
