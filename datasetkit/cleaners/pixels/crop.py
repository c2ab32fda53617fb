"""The ``crop`` stage: pictures longer than a trainer's buckets, cut to the part that matters."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasetkit.cleaners.pixels.boxes import Box
from datasetkit.cleaners.pixels.detector import Detector
from datasetkit.cleaners.pixels.panels import panels
from datasetkit.cleaners.pixels.saliency import detail_along, drawn_along
from datasetkit.errors import UsageError, did_you_mean
from datasetkit.record import HAND, Record
from datasetkit.stage import Map, opt
from datasetkit.tags import matches

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

STEPS = 256  # places along the long side at which the window may begin
# How much detail, at most, is given up: a head is worth all of a figure, the middle less.
LEAN_UP, LEAN_IN = 1.0, 0.3
# Of what a wide window holds that is all drawn on as its ends are: what these cost, as far as that
# is MUCH more than the usual. A calm place, where one would cut by hand, is worth a part (CALM) of
# what it is calmer. In tall pictures this does harm: below a figure is grass, and above it sky.
CUT, MUCH, CALM = 0.2, 1.25, 0.5
BESIDE = 0.02  # of the long side, to both sides of an end: where it cuts
LOST = 0.02  # of all that is drawn: less than this, cut off, was ground
WORTH = {"face": 3.0, "head": 3.0, "halfbody": 2.0}  # beside 1 for anything else that is found

ON_CROP = ("drop", "flag", "keep")
# What the caption may say wrongly after a crop: of the picture's shape; of the whole drawing, once
# a part of it is gone; of a strip, once one panel is left; and, once the lower part of a tall
# picture is gone, of what stands there.
OF_THE_SHAPE = ("tall_image", "wide_image", "long_image")
OF_THE_WHOLE = (
    "full_body", "wide_shot", "very_wide_shot", "multiple_views", "variations", "*koma",
    "character_sheet", "reference_sheet", "model_sheet", "turnaround", "before_and_after",
    "multiple_persona", "symmetry", "rotational_symmetry",
)  # fmt: skip
OF_A_STRIP = ("comic", "silent_comic", "*_comic")
OF_THE_FEET = (
    "feet", "bare_feet", "barefoot", "foot_focus", "foot_up", "soles", "toes", "toenails",
    "toenail_polish", "*_toenails", "shoes", "*_shoes", "boots", "*_boots", "footwear",
    "*_footwear", "shoe_soles", "sandals", "*_sandals", "sneakers", "*_sneakers", "loafers",
    "mary_janes", "slippers", "*_slippers", "high_heels", "*_heels", "geta", "zouri", "uwabaki",
    "anklet", "*_anklet", "ankle_ribbon", "ankle_lace-up", "tiptoes", "standing_on_one_leg",
)  # fmt: skip


@dataclass(frozen=True)
class Crop(Map):
    """Cut pictures longer than 3:1 to that ratio, around what is drawn.

    Trainers sort pictures into buckets and cut off what sticks out; a very long picture loses
    most of itself there, blindly. Here the part kept is the one with the faces and persons, where
    a detector model is given, else the one with the most detail (edges, and what is not
    transparent). Of parts that are nearly as good, a tall picture keeps the upper one, where a
    figure's head is, and a wide one the one around the middle of what is drawn; and rather than
    through a figure, the cut goes through calm ground beside it. Other pictures are left as they
    are, without being decoded.

    With --panel, a strip that plain gutters divide gives its most telling panel, whole; the others
    are not kept. Where something drawn is cut off, tags that may have become wrong go (full_body,
    multiple_views, 4koma; shoes and feet where the lower part is gone), but for those that you
    typed yourself. A sky or a floor without lines counts as nothing drawn; drawn clouds do count.
    --on-crop flag keeps the tags and only writes their names down for programs: in Python,
    record.facts["crop"]["doubtful"]. No filter and no report shows them.
    """

    ratio: float = opt(3.0, "the longest shape that stays, long side to short side", ge=1)
    detector: str = opt("", "an ONNX detector of faces or persons (YOLOv8's form), or its folder")
    panel: bool = opt(False, "of a strip with gutters, keep the most telling panel")
    on_crop: str = opt("drop", "tags that a crop may have made wrong: drop, flag or keep")

    @property
    def heavy(self) -> bool:
        """A detector is a model."""
        return bool(self.detector)

    def check(self) -> None:
        """Raise for an unknown word, and ModelError for a detector that cannot be used."""
        if self.on_crop not in ON_CROP:
            raise UsageError(
                f"on_crop {self.on_crop!r} is unknown; {did_you_mean(self.on_crop, ON_CROP)}"
            )
        if self.detector:
            _detector(self.detector)

    def __call__(self, record: Record) -> Record:
        """Return the record within the ratio, the same record where it was so already."""
        width, height = record.picture.size
        longest = int(min(width, height) * self.ratio + 1e-6)  # 1e-6: 10 * 2.3 is 22.99...
        if max(width, height) <= longest:
            return record
        pixels = record.picture.pixels
        boxes = _detector(self.detector).boxes(pixels) if self.detector else []
        steps = max(3, min(STEPS, max(pixels.size)))
        detail = detail_along(pixels, steps)
        panel = self._panel(pixels, boxes, detail) if self.panel else None
        first, last = panel or (0, max(pixels.size))
        if last - first > longest:
            first = _best_start(pixels, boxes, detail, (first, last), longest)
            last = first + longest
        box = (first, 0, last, height) if width > height else (0, first, width, last)
        facts: dict[str, Any] = {"box": list(box), "of": [width, height]}
        facts["by"] = "panel" if panel else "boxes" if boxes else "detail"
        lost = _lost(drawn_along(pixels, steps), first, last, max(pixels.size))
        return self._retagged(record.with_pixels(pixels.crop(box)), facts, lost)

    def _panel(
        self, image: "Image", boxes: Sequence[Box], detail: "NDArray[Any]"
    ) -> tuple[int, int] | None:
        """Where the most telling panel of a strip begins and ends; None where there are no two."""
        least = min(image.size) / self.ratio
        found = [(first, last) for first, last in panels(image) if last - first >= least]
        if len(found) < 2:
            return None
        long = max(image.size)

        def telling(span: tuple[int, int]) -> tuple[float, float]:
            first, last = span
            return _caught(boxes, image, first, last), _sum(detail, first, last, long)

        return max(found, key=telling)

    def _retagged(self, record: Record, facts: dict[str, Any], lost: tuple[bool, bool]) -> Record:
        """Drop or note the tags that may be wrong now, by what was lost at either end."""
        width, height = facts["of"]
        doubtful: tuple[str, ...] = OF_THE_SHAPE
        if any(lost):
            doubtful += OF_THE_WHOLE
        if facts["by"] == "panel":
            doubtful += OF_A_STRIP
        if height > width and lost[1]:
            doubtful += OF_THE_FEET
        names = [
            tag.name
            for tag in record.tags
            if tag.by != (HAND,) and tag.kind in {"general", "meta"}
            if any(matches(tag.name, pattern) for pattern in doubtful)
        ]
        if self.on_crop == "flag" and names:
            facts["doubtful"] = names
        elif self.on_crop == "drop" and names:
            record = record.keep(lambda tag: tag.name not in names)
        return record.with_facts("crop", facts)


@lru_cache(maxsize=4)
def _detector(path: str) -> Detector:
    return Detector.load(Path(path).expanduser())


def _best_start(
    image: "Image",
    boxes: Sequence[Box],
    detail: "NDArray[Any]",
    span: tuple[int, int],
    length: int,
) -> int:
    """Where in a span of the long side (pixels) a window of this length holds what is drawn."""
    import numpy as np

    wide, long = image.width > image.height, max(image.size)
    first, last = span
    room = last - first - length
    steps = len(detail)
    beside = BESIDE * long
    usual = float(np.median(detail)) * steps / long
    middle = _middle(detail) - length * steps / long / 2

    def worth(start: int) -> tuple[float, float]:
        found = _sum(detail, start, start + length, long) + 1e-9  # an empty picture leans as well
        if wide:
            found *= 1 - LEAN_IN * abs(start * steps / long - middle) / steps
            found -= sum(map(through, (start, start + length))) * length * CUT
        else:
            found *= 1 - LEAN_UP * (start - first) / long
        return _caught(boxes, image, start, start + length), found

    def through(end: int) -> float:
        """How much more than the usual a step holds where the window ends."""
        if boxes or end in span:  # what must not be cut is told by the boxes; or nothing is cut
            return 0.0
        found = _sum(detail, max(0, end - beside), min(long, end + beside), long) / (2 * beside)
        return max(0.0, found - MUCH * usual) - CALM * max(0.0, usual - found)

    tries = max(1, min(round(room * steps / long), steps))
    return max((first + round(room * number / tries) for number in range(tries + 1)), key=worth)


def _middle(detail: "NDArray[Any]") -> float:
    """The step around which what stands out lies; the middle where nothing does."""
    import numpy as np

    out = np.maximum(detail - np.median(detail), 0)
    if out.sum() < LOST * detail.sum() or not out.any():
        return len(detail) / 2
    return float((out * (np.arange(len(detail)) + 0.5)).sum() / out.sum())


def _caught(boxes: Sequence[Box], image: "Image", first: int, last: int) -> float:
    """What of the boxes lies between two places of the long side; cut in half, one loses more."""
    found = 0.0
    for box in boxes:
        low, high = (box.x0, box.x1) if image.width > image.height else (box.y0, box.y1)
        inside = max(0.0, min(high, last) - max(low, first)) / (high - low)
        found += WORTH.get(box.kind, 1.0) * box.score * inside**2
    return round(found, 3)  # so that the detail decides where the boxes do not


def _sum(detail: "NDArray[Any]", first: float, last: float, long: int) -> float:
    """The detail between two places of the long side, in steps' values; parts of steps count."""
    import numpy as np

    whole = np.concatenate([[0.0], np.cumsum(detail)])
    low, high = np.interp(
        [first * len(detail) / long, last * len(detail) / long], np.arange(len(whole)), whole
    )
    return float(high - low)


def _lost(drawn: "NDArray[Any]", first: int, last: int, long: int) -> tuple[bool, bool]:
    """Say whether something drawn lies before, and after, the part that is kept."""
    all_of_it = _sum(drawn, 0, long, long)
    before, after = _sum(drawn, 0, first, long), _sum(drawn, last, long, long)
    return before > LOST * all_of_it, after > LOST * all_of_it
