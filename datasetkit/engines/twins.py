"""The same picture from two sites: found by its md5, or by its looks, and made one record."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from datasetkit.bars import BARRED
from datasetkit.dataset import Dataset
from datasetkit.engines.results import Result
from datasetkit.errors import PictureError
from datasetkit.likeness import Likenesses, same_picture
from datasetkit.pixels import Picture
from datasetkit.record import Record

FACT = "likeness"  # the fingerprint of the file as it was fetched, in hexadecimal digits
LOOK = 512  # pixels of the longer side at least, for the second look
TRIED = 32  # of a site's look-alikes: of blank pages there may be thousands
LARGER = 1.02  # times as many pixels: another size, and not a rounding


class Twins:
    """Knows which record is the same picture as a new one from another site.

    Two posts of one site stay two, however alike: its people keep variants apart.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._looks: dict[str, Likenesses] | None = None  # by the site of the records in it

    def by_md5(self, record: Record) -> Record | None:
        """The record whose file, as some site served it, has this record's md5."""
        key = self._dataset.of_md5(record.origin.md5)
        return self._dataset.record(key) if key is not None and key != record.key else None

    def by_looks(self, result: Result) -> Record | None:
        """The record of another site that shows the same picture as a file that was fetched."""
        print_ = _fingerprint(result.record)
        if print_ is None or result.staged is None:
            return None
        fresh = Picture(result.staged, result.record.picture.size)
        for key in self._near(print_, result.record.origin.site):
            standing = self._dataset.record(key)
            if standing is None or result.record.origin.site in _sites(standing):
                continue
            try:
                first, second = fresh.glance(LOOK), Picture(self._as_fetched(standing), (0, 0))
                if same_picture(first, second.glance(LOOK)):
                    return standing
            except (PictureError, OSError):
                continue
        return None

    def add(self, record: Record) -> None:
        """Take note of a picture that is in the dataset now."""
        print_ = _fingerprint(record)
        if self._looks is not None and print_ is not None:
            site = record.origin.site
            if site not in self._looks:
                self._looks[site] = Likenesses()
            self._looks[site].add(record.key, print_)

    def joined(self, standing: Record, result: Result) -> Result:
        """Make one of two: the tags of both, and the larger file if the other is as it came."""
        fresh = result.record
        record = standing.joined(fresh)
        if result.staged is None:
            return Result(record)
        larger = _area(fresh) > LARGER * _area(standing)
        changed = self._original(standing) is not None or self._dataset.by_hand(standing)
        if changed or not larger:
            result.staged.unlink(missing_ok=True)
            return Result(record)
        others = tuple(o for o in record.also if (o.site, o.post) != _post(fresh))
        path = standing.picture.path.with_suffix(fresh.picture.path.suffix)
        return Result(
            replace(
                record,
                picture=Picture(path, fresh.picture.size),
                origin=replace(fresh.origin, rating=record.origin.rating),
                also=(standing.origin, *others),
                facts={**record.facts, **{fact: fresh.facts.get(fact) for fact in (FACT, BARRED)}},
            ),
            staged=result.staged,
        )

    def _near(self, print_: int, site: str) -> Iterator[str]:
        """Keys of pictures of other sites that look so, the nearest of each site first."""
        if self._looks is None:
            self._looks = {}
            for record in self._dataset.records:
                self.add(record)
        for other, looks in self._looks.items():
            if other != site:
                yield from looks.near(print_)[:TRIED]

    def _as_fetched(self, record: Record) -> Path:
        return self._original(record) or record.picture.path

    def _original(self, record: Record) -> Path | None:
        """The file as it was before a stage changed its pixels, where one did."""
        stem, folder = record.picture.path.stem, self._dataset.places.originals
        kept = (folder / f"{stem}{suffix}" for suffix in (".png", ".jpg", ".jpeg", ".webp", ".gif"))
        return next((path for path in (*kept, folder / f"{stem}.avif") if path.exists()), None)


def _fingerprint(record: Record) -> int | None:
    text = record.facts.get(FACT)
    return int(text, 16) if isinstance(text, str) else None


def _sites(record: Record) -> Sequence[str]:
    return [origin.site for origin in (record.origin, *record.also)]


def _post(record: Record) -> tuple[str, str]:
    return record.origin.site, record.origin.post


def _area(record: Record) -> int:
    return record.picture.size[0] * record.picture.size[1]
