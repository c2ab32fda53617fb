"""Sizes and buckets: pictures that would be enlarged, and those that train alone."""

from collections import Counter
from collections.abc import Iterable, Iterator
from math import ceil, floor

from datasetkit.buckets import Buckets, Size
from datasetkit.exporters.sums import batches_an_epoch, in_buckets
from datasetkit.families import SUPPORTED, Family
from datasetkit.inspectors.findings.finding import LOOK, WRONG, Finding, some
from datasetkit.inspectors.findings.seen import Seen
from datasetkit.record import Record

TINY = 0.25  # of the area that is trained: enlarged twice each way, a picture is only a blur
LOST = 0.05  # of a picture that no bucket is long enough for, which nobody misses
SLIGHT = 1.05  # times larger, which nobody sees
_RATIOS = (3.0, 2.5, 2.0, 1.75, 1.5)  # to which pictures might be cropped, the longest first


class Shapes:
    """Puts each picture into its bucket as kohya does."""

    def __init__(self, buckets: Buckets, batch: int, family: Family) -> None:
        self._buckets, self._batch, self._family = buckets, batch, family
        self._sizes: Counter[Size] = Counter()
        self._fits: dict[Size, tuple[Size, Size]] = {}
        self._tiny: list[str] = []
        self._small: list[str] = []
        self._strips: list[str] = []
        self._longest = max(width / height for width, height in buckets.sizes)
        self._shown: dict[str, str] = {}
        self._first: dict[Size, str] = {}  # a picture of each bucket

    def add(self, record: Record, seen: Seen) -> None:
        """Take a picture's size in; a broken one is left out of a training."""
        if seen.broken:
            return
        size = record.picture.size
        self._sizes[size] += 1
        if size not in self._fits:
            self._fits[size] = self._buckets.assign(*size)
        bucket, resized = self._fits[size]
        self._first.setdefault(bucket, record.key)
        lost = 1 - bucket[0] * bucket[1] / (resized[0] * resized[1])
        if max(size) / min(size) > self._longest and lost >= LOST:
            self._strips.append(record.key)
            self._shown[record.key] = f": {size[0]}x{size[1]} loses {lost:.0%}"
            return
        if max(resized[0] / size[0], resized[1] / size[1]) <= SLIGHT:
            return
        area = size[0] * size[1]
        share = area / (bucket[0] * bucket[1])
        if area < TINY * self._buckets.resolution**2:
            self._tiny.append(record.key)
        else:
            self._small.append(record.key)
        self._shown[record.key] = f": {share:.0%} of {bucket[0]}x{bucket[1]}"

    def findings(self) -> Iterator[Finding]:
        """What was found."""
        side, total = self._buckets.resolution, self._sizes.total()
        for level, what, keys in (
            (WRONG, "tiny", self._tiny),
            (LOOK, "small", self._small),
        ):
            if not keys:
                continue
            much = " to twice its sides or more, and blurs" if what == "tiny" else ""
            more = much.replace("its", "their").replace("blurs", "blur")
            text = some(
                len(keys),
                total,
                f"is smaller than its bucket at {side} px and would be enlarged{much}",
                f"are smaller than their buckets at {side} px and would be enlarged{more}",
            )
            mend: tuple[str, ...] = ()
            if what == "tiny":
                least = ceil(TINY * side * side) / 1e6
                mend = ("filter", "--set", "none", "--only", f"mpixels:>={least:.6f}")
            elif self._family.shape not in SUPPORTED:
                text += "; bucket_no_upscale = true in kohya's dataset.toml leaves them as they are"
            else:
                words = " ".join(self._asked_of("train", "--no-upscale"))
                text += f"; a training with dsk {words} takes them as they are"
            yield Finding(level, what, text, tuple(keys), mend, shown=self._shown)
        if keys := self._strips:
            text = some(len(keys), total, "is", "are") + " longer than any bucket"
            text += (
                f" ({self._longest:.3g}:1 at most): a trainer cuts off what sticks out, "
                "blindly, where dsk crop keeps the part that matters"
            )
            mend = ("crop", "--ratio", f"{floor(100 * self._longest) / 100:g}")
            yield Finding(LOOK, "strips", text, tuple(keys), mend, shown=self._shown)
        yield from self._alone()

    def _alone(self) -> Iterator[Finding]:
        """Pictures whose bucket nobody shares: no batch mixes shapes."""
        if self._batch == 1:
            return
        counts = in_buckets(self._sizes.items(), self._buckets)
        alone = [bucket for bucket, number in counts.items() if number == 1]
        if not alone or counts.total() == 1:
            return
        steps, full = batches_an_epoch(counts, self._batch), ceil(counts.total() / self._batch)
        text = some(len(alone), counts.total(), "has its bucket to itself",
                    "have their buckets to themselves")  # fmt: skip
        text += (
            f" and would train alone at batch {self._batch}: {steps:,} batches an epoch in "
            f"{len(counts)} buckets, where {full:,} full ones would do"
        )
        keys = tuple(self._first[bucket] for bucket in alone)
        shown = {self._first[b]: f": {b[0]}x{b[1]}" for b in alone}
        mend = self._together(len(alone))
        if not mend:
            ours = self._family.shape in SUPPORTED
            words = self._asked_of("train" if ours else "repeats", "--batch", "1")
            text += f"; dsk {' '.join(words)} trains each by itself"
        yield Finding(LOOK, "alone", text, keys, mend, shown=shown)

    def _together(self, alone: int) -> tuple[str, ...]:
        """The mildest crop that leaves the fewest alone; nothing where none does."""
        best, least = 0.0, alone
        for ratio in _RATIOS:
            cropped = ((_cropped(size, ratio), n) for size, n in self._sizes.items())
            left = _lone(in_buckets(cropped, self._buckets).values())
            if left < least:
                best, least = ratio, left
        return ("crop", "--ratio", f"{best:g}") if best else ()

    def _asked_of(self, *words: str) -> tuple[str, ...]:
        """A command with the family and the resolution that this was looked at for."""
        row, side = self._family, self._buckets.resolution
        family = () if row.name == "sd1" else ("--family", row.name)
        resolution = () if side == row.resolution else ("--resolution", str(side))
        return (*words, *family, *resolution)


def _cropped(size: Size, ratio: float) -> Size:
    width, height = size
    return min(width, max(1, round(height * ratio))), min(height, max(1, round(width * ratio)))


def _lone(counts: Iterable[int]) -> int:
    return sum(number == 1 for number in counts)
