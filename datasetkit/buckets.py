"""Pictures of many shapes in batches of one shape each: kohya's buckets, exactly.

Source of the rules: sd-scripts, ``make_bucket_resolutions`` and ``BucketManager``. A bucket is
chosen by the linear difference of width / height, as there, not by its logarithm.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from datasetkit.errors import PictureError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

Size: TypeAlias = tuple[int, int]  # width, height in pixels
LARGEST = 8192  # px a side that anybody trains at; beyond, there are too many buckets to list
STEP = 64  # SD1's UNet halves the latent three times: 8 * 8


@dataclass(frozen=True)
class Buckets:
    """The sizes that pictures are brought to, all of about ``resolution``\\ ² pixels."""

    resolution: int
    smallest: int = 256
    largest: int = 1024
    step: int = STEP
    upscale: bool = True

    @property
    def sizes(self) -> list[Size]:
        """Every bucket, sorted."""
        area = self.resolution * self.resolution
        square = self.resolution // self.step * self.step
        found = {(square, square)}
        for width in range(self.smallest, self.largest + 1, self.step):
            height = min(self.largest, area // width // self.step * self.step)
            if height >= self.smallest:
                found |= {(width, height), (height, width)}
        return sorted(found)

    def assign(self, width: int, height: int) -> tuple[Size, Size]:
        """Return a picture's bucket, and the size it is resized to before the crop to the bucket.

        Raises PictureError for one that is smaller than a step and may not be made larger.
        """
        if not self.upscale:
            return self._assign_smaller(width, height)
        sizes = self.sizes
        bucket = (width, height)
        if bucket not in sizes:
            bucket = min(sizes, key=lambda size: abs(size[0] / size[1] - width / height))
        wider = width / height > bucket[0] / bucket[1]
        scale = bucket[1] / height if wider else bucket[0] / width
        return bucket, (_round(width * scale), _round(height * scale))

    def _assign_smaller(self, width: int, height: int) -> tuple[Size, Size]:
        resized = (width, height)
        if width * height > self.resolution * self.resolution:
            resized = self._shrunk(width / height)
        bucket = (self._floor(resized[0]), self._floor(resized[1]))
        if 0 in bucket:
            raise PictureError(f"{width}x{height} is smaller than a bucket step of {self.step} px")
        return bucket, resized

    def _shrunk(self, ratio: float) -> Size:
        """The size of the resolution's area, one side on a step: the one that bends less."""
        width = math.sqrt(self.resolution * self.resolution * ratio)
        height = self.resolution * self.resolution / width
        by_width = self._floor(_round(width))
        by_height = self._floor(_round(height))
        bent_width = abs(by_width / self._floor(_round(by_width / ratio)) - ratio)
        bent_height = abs(self._floor(_round(by_height * ratio)) / by_height - ratio)
        if bent_width < bent_height:
            return by_width, _round(by_width / ratio)
        return _round(by_height * ratio), by_height

    def _floor(self, pixels: int) -> int:
        return pixels - pixels % self.step


def buckets_for(resolution: int, upscale: bool = True) -> Buckets:
    """The buckets of a resolution: kohya's sides (256 to 1024 px), or others if need be."""
    step = min(STEP, resolution // 8 * 8)
    smallest = max(step, min(256, resolution // 2 // step * step))
    return Buckets(resolution, smallest, max(1024, 2 * resolution), step, upscale)


def asked_for(resolution: int) -> Buckets:
    """The buckets of a resolution that a person chose; UsageError for one that has none."""
    if resolution < STEP:
        raise UsageError(f"a resolution of {resolution} px has no bucket; {STEP} is the least")
    if resolution > LARGEST:
        raise UsageError(f"a resolution of {resolution} px is none; {LARGEST} is the most")
    return buckets_for(resolution)


def fit(image: "Image", bucket: Size, resized: Size) -> "Image":
    """Resize a picture to cover its bucket and crop the middle.

    Made smaller on both sides by Pillow's BOX filter, the mean of the pixels under each new one
    (OpenCV's area interpolation but for the fractions of pixels at the edges); else by Lanczos.
    """
    from PIL.Image import Resampling

    if image.size != resized:
        smaller = image.width > resized[0] and image.height > resized[1]
        image = image.resize(resized, Resampling.BOX if smaller else Resampling.LANCZOS)
    left, top = (resized[0] - bucket[0]) // 2, (resized[1] - bucket[1]) // 2
    return image.crop((left, top, left + bucket[0], top + bucket[1]))


def batches(shapes: Sequence[Size], batch: int, seed: int, epoch: int) -> list[list[int]]:
    """An epoch's batches of places in ``shapes``, each of one bucket; the last may be partial.

    ``shapes`` has an entry for every repeat of every picture. The order is shuffled inside the
    buckets and among the batches, from seed + epoch.
    """
    random_order = random.Random(seed + epoch)
    rows: dict[Size, list[int]] = {}
    for place, shape in enumerate(shapes):
        rows.setdefault(shape, []).append(place)
    plan = []
    for shape in sorted(rows):
        random_order.shuffle(rows[shape])
        plan += [rows[shape][n : n + batch] for n in range(0, len(rows[shape]), batch)]
    random_order.shuffle(plan)
    return plan


def _round(value: float) -> int:
    return int(value + 0.5)
