"""The ``split`` stage: comic strips and pages in, their panels out, each a picture of its own."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasetkit import masks
from datasetkit.cleaners.pixels.crop import (
    OF_A_STRIP,
    OF_THE_FEET,
    OF_THE_SHAPE,
    OF_THE_WHOLE,
)
from datasetkit.cleaners.pixels.pages import Area, of_page, of_strip
from datasetkit.errors import PictureError
from datasetkit.pixels import Picture, encode
from datasetkit.record import HAND, ORDER, Origin, Record, Tag
from datasetkit.stage import Change, Drop, Find, Known, Note, Selective, Source, opt
from datasetkit.tags import matches
from datasetkit.unmet import unmet

if TYPE_CHECKING:
    from PIL.Image import Image

FACT = "split"
SUFFIX = ".png"
NAMED = 5  # pictures with hidden parts; the rest are counted
SMALLEST = 1 / 8  # of a page's short side: what is shorter is a title or a bubble, and no panel
MOST = 0.5  # of all that is found on a page: where the panels are less, it is another thing
# What a panel need not show because its page does, beside what a crop may make wrong.
OF_A_PAGE = (
    "left-to-right_manga", "page_number", "cover_page", "highres", "absurdres",
    "incredibly_absurdres", "huge_filesize",
)  # fmt: skip
DOUBTFUL = (*OF_THE_SHAPE, *OF_THE_WHOLE, *OF_A_STRIP, *OF_THE_FEET, *OF_A_PAGE)
OF_PEOPLE = re.compile(
    r"(\d+\+?|multiple_)(girl|boy|other)s?|solo|solo_focus|duo|trio|group|crowd|everyone|no_humans"
)
# The facts that speak of the caption; all others speak of the page's pixels.
OF_THE_CAPTION = ("clean", "core", "quality", ORDER)


@dataclass(frozen=True)
class Split(Source, Selective):
    """Cut comic strips, and with --pages whole pages, into their panels, each its own picture.

    A strip is a picture longer than 3:1 that plain gutters divide along its long side; its panels
    stay as wide as it is, and `trim` cuts their borders. With --pages a picture of any shape is
    divided by straight gutters of its ground: into rows, each row into its panels, and so on.
    --where comic --pages leaves all other pictures alone. Panels that no gutter divides, as it
    slants or something lies across it, stay together; a picture in which there are not two panels
    stays whole. What is smaller than --min-size is no panel, and goes with its page.

    The panels of x are called x_p1, x_p2 and so on: from the top or the left of a strip; row by
    row of a page, each row from the left or with --right from the right, and column by column
    where three rows or more stand in columns clearly apart. They are PNG files, cut out without
    loss. The page is left out ("split into 4 panels") and never fetched anew; dsk undo brings it
    back and takes the panels away.

    A panel has the tags of its page but for those that it may make wrong: comic, 4koma,
    multiple_views, how many people there are, full_body, shoes, the size. What you typed yourself
    stays, and so do the characters, the series, the artist, the rating, and the tags of speech
    bubbles. Others are true of the page, and not of each panel. So `split` stands before `tag`,
    and `dsk tag --merge prefer-model` sets aside what a panel does not show; it stands before
    `filter`, too, which leaves comics out, and before `text`: pictures with parts that are hidden
    from training are passed over.
    """

    pages: bool = opt(False, "divide pictures of any shape, by rows and columns")
    right: bool = opt(False, "number the panels of a row from the right, as manga is read")
    ratio: float = opt(3.0, "without --pages: how long a strip is, long side to short side", ge=1)
    min_size: int = opt(256, "pixels that the shorter side of a panel has at least", ge=1)

    def find(self, known: Known) -> Iterator[Find | Change | Drop | Note]:
        """Offer the panels of each picture that is meant and has some, then let the picture go."""
        met = False
        hiding: list[str] = []
        for record in known.records:
            if not self.concerns(record):
                yield Drop("not meant")
                continue
            met = True
            width, height = record.picture.size
            if FACT in record.facts:
                yield Drop("panels already")
            elif not self.pages and max(width, height) <= min(width, height) * self.ratio:
                yield Drop("no strips")
            elif masks.said(record.facts):
                hiding.append(record.key)
                yield Drop("parts are hidden from training")
            else:
                yield from self._divided(record, known)
                record.picture.forget()
        if hiding:
            more = f" and {len(hiding) - NAMED} more" if len(hiding) > NAMED else ""
            yield Note(f"not split, as parts are hidden from training: {', '.join(hiding[:NAMED])}"
                       f"{more}; dsk text --how none shows these again")  # fmt: skip
        if self.where and not met:
            yield Note(unmet(self.where, known.records, "nothing was done"), warning=True)

    def _divided(self, page: Record, known: Known) -> Iterator[Find | Change | Drop | Note]:
        try:
            pixels = page.picture.pixels
        except PictureError as error:
            yield Note(f"{page.key} is left as it is: {error}", warning=True)
            yield Drop("pictures that cannot be read", error=True)
            return
        found = of_page(pixels, right=self.right) if self.pages else of_strip(pixels)
        areas = self._panels(found, pixels.size)
        if not areas:
            few = "not divided by gutters"
            yield Drop(few if len(found) < 2 else "divided into what is too small for panels")
            return
        came = []
        for number, area in enumerate(areas, 1):
            origin = _cut_from(page, page.origin, area)
            if known.post(origin.site, origin.post) is not None:  # a run was killed after it
                continue
            panel = pixels.crop(area)
            key = _free_key(f"{page.key}_p{number}", known)
            came.append(key)
            name = f"{key}{SUFFIX}"
            record = _of_page(page, replace(page, key=key, origin=origin), area)
            record = replace(record, picture=Picture(Path(name), panel.size))
            yield Find(record, name, partial(_write, panel))
        yield Change(page.key, Drop(f"split into {len(areas)} panels"), after=tuple(came))

    def _panels(self, found: Sequence[Area], size: tuple[int, int]) -> Sequence[Area]:
        """What of a picture's parts are panels; none where there are not two.

        What is found beside them (titles, bubbles) must not be most of it.
        """
        least = max(self.min_size, SMALLEST * min(size))
        large = [area for area in found if min(_sides(area)) >= least]
        if len(large) < 2 or sum(map(_size, large)) < MOST * sum(map(_size, found)):
            return ()
        return large


def _of_page(page: Record, panel: Record, area: Area) -> Record:
    """A panel's record with what of its page's tags and facts is true of it too.

    Of what models said of the page only the ratings stay, until they look at the panel.
    """
    facts: dict[str, Any] = {
        stage: page.facts[stage] for stage in OF_THE_CAPTION if stage in page.facts
    }
    ratings = {
        model: {"rating": fact["rating"], "seen": {}}
        for model, fact in page.facts.get("tag", {}).items()
        if isinstance(fact, Mapping) and fact.get("rating")
    }
    if ratings:
        facts["tag"] = ratings
    facts[FACT] = {"of": page.key, "box": list(area)}
    also = tuple(_cut_from(page, place, area) for place in page.also)
    return replace(panel, also=also, facts=facts, embeddings={}).keep(_stays)


def _cut_from(page: Record, place: Origin, area: Area) -> Origin:
    """A place of a page as that of one of its panels, by which it is known again.

    The post itself, and its file, stay known by the page alone. The page's key tells pages of one
    post apart, such as the first of two chapters that folders brought.
    """
    post = f"{place.post}#{page.key}:{','.join(map(str, area))}"
    return replace(place, post=post, md5="")


def _stays(tag: Tag) -> bool:
    """Say whether a page's tag may be kept for a panel of it."""
    if tag.by == (HAND,) or tag.kind not in {"general", "meta"}:
        return True
    doubtful = any(matches(tag.name, pattern) for pattern in DOUBTFUL)
    return not (doubtful or OF_PEOPLE.fullmatch(tag.name))


def _free_key(wanted: str, known: Known) -> str:
    """A key that nobody else has, the wanted one if need be with a number."""
    others = (f"{wanted}-{number}" for number in itertools.count(2))
    return next(key for key in itertools.chain([wanted], others) if known.like(key) is None)


def _write(panel: "Image", path: Path) -> None:
    path.write_bytes(encode(panel, SUFFIX))


def _sides(area: Area) -> tuple[int, int]:
    return area[2] - area[0], area[3] - area[1]


def _size(area: Area) -> int:
    width, height = _sides(area)
    return width * height
