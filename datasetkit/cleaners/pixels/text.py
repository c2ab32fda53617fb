"""The ``text`` stage: signatures, watermarks and other lettering found, and kept from training."""

import functools
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datasetkit.cleaners.pixels import lettering, painting_out, text_finder, whole_lines
from datasetkit.cleaners.pixels.lettering import BUBBLE, KINDS, SIGNATURE, TEXT, WATERMARK
from datasetkit.cleaners.pixels.text_finder import Line
from datasetkit.content import content_print
from datasetkit.errors import UsageError, did_you_mean
from datasetkit.masks import Area
from datasetkit.record import HAND, Record, Tag
from datasetkit.stage import Map, Note, opt

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger("datasetkit.cleaners")

HOW = (REPORT, MASK, CROP, FILL, NONE) = ("report", "mask", "crop", "fill", "none")
SAID = 0.6  # how surely a line must be read where the tags tell of such lettering


@dataclass(frozen=True)
class Text(Map):
    """Find signatures, watermarks and other text, and keep training from learning them.

    By default dsk says what it finds, and nothing changes. With --how mask the pictures stay as
    they are and training looks away: `dsk repeats` draws masks (white learns), which `dsk train`
    and kohya's trainers with --masked_loss take. With crop the strip at the edge that holds the
    text is cut off where that takes at most 15 % of the picture and hardly anything else is drawn
    in the strip; the rest is masked, and bubbles always are. With fill it is painted over: with the
    background's colour where there is one, else from what is beside it. dsk then looks again, and
    masks a line of which letters are left.

    What is meant is told by --kinds: signature (small, near an edge; an @name there as well),
    watermark (an address, a site's name, or what the tags call so), bubble (speech bubbles; a mask
    hides all of them) and text (anything else; left alone unless you name it, for it may be written
    on a shirt). Text that cannot be read does not count, since hatching and frills look like it.
    Where the tags tell of a signature or a watermark, dsk looks closer and doubts less.

    The tags follow: when all that was found of a kind is hidden or gone, so are signature,
    artist_name, watermark, web_address and their like, but for those that you typed yourself. With
    --how none the masks go, and the tags that they took come back. Needs the package rapidocr:
    pip install 'datasetkit[ocr]'.
    """

    how: str = opt(
        REPORT, "what becomes of it: report, mask, crop, fill, or none (takes masks away)"
    )
    kinds: str = opt("signature,watermark,bubble", f"which are meant, of {', '.join(KINDS)}")
    sure: float = opt(0.85, "how surely text must be read to count", ge=0.5, le=1)
    most: float = opt(0.15, "the share of a picture that crop may take", ge=0, le=0.9)

    @property
    def remembers(self) -> bool:
        """What it found is its memory; parts that it hides are none, by the engine's own look."""
        return True

    @property
    def tells(self) -> bool:
        """A report is what it is run for."""
        return self.how == REPORT

    @property
    def heavy(self) -> bool:
        """It reads with a model."""
        return True

    def check(self) -> None:
        """Raise UsageError for an unknown word, ModelError where rapidocr is missing."""
        if self.how not in HOW:
            raise UsageError(f"how {self.how!r} is unknown; {did_you_mean(self.how, HOW)}")
        self._kinds()
        text_finder.check()

    def __call__(self, record: Record) -> Record:
        """Return the record without the text, the same record where that was done before."""
        before: Mapping[str, Any] = record.facts.get("text", {})
        whole = _with_aside(record, before)
        fact = _looked(whole, before)
        if self.how == REPORT:
            return self._reported(record, whole, before, fact)
        became = whole
        if not self._did(fact):
            fact = self._judged(fact, whole)
            became, fact = self._done(whole, fact)
        became, fact = _followed(became, fact)
        became = became.with_facts("text", fact)
        return record if became == record else became

    def deeds(self, before: Record, after: Record) -> Iterator[str]:
        """Say whether a picture was cropped or painted over, or is masked instead."""
        old, fact = before.facts.get("text", {}), after.facts.get("text", {})
        masked = fact.get("mask") and fact.get("mask") != old.get("mask")
        what = {CROP: "cropped", FILL: "painted over"}.get(self.how, "")
        if what and after.picture is not before.picture:
            yield f"{what} and masked" if masked else what
        elif what and masked:
            yield "only masked"

    def summed_up(self, counts: Counter[str], first: Mapping[str, Sequence[str]]) -> Iterator[Note]:
        """Name the pictures that a person should look at."""
        parts = []
        for deed, number in counts.items():
            more = number - len(first[deed])
            keys = ", ".join(first[deed]) + (f" and {more:,} more" if more else "")
            parts.append(f"{number:,} {deed} ({keys})")
        yield Note(f"look at these: {'; '.join(parts)}")

    def _reported(
        self, record: Record, whole: Record, before: Mapping[str, Any], fact: Mapping[str, Any]
    ) -> Record:
        """Tell what was found, and remember it; what was done with it before stays as it is."""
        fact = self._judged(fact, whole)
        for sentence in _told(whole, fact, self._kinds()):
            log.info("%s", sentence)
        if "rule" in before or fact == before:
            return record
        return record.with_facts("text", fact)

    def _kinds(self) -> frozenset[str]:
        wanted = frozenset(part.strip() for part in self.kinds.split(",") if part.strip())
        for word in sorted(wanted - set(KINDS)):
            raise UsageError(f"kinds: {word!r} is unknown; {did_you_mean(word, KINDS)}")
        return wanted

    @property
    def _rule(self) -> list[Any]:
        most = self.most if self.how == CROP else 0
        return [self.how, sorted(self._kinds()), self.sure, most]

    def _did(self, fact: Mapping[str, Any]) -> bool:
        """Say whether just this was done with the picture as it is now."""
        return bool(fact.get("rule") == self._rule)

    def _judged(self, fact: Mapping[str, Any], record: Record) -> dict[str, Any]:
        """Say of every line that was found what it is; of those that do not count, nothing."""
        names = record.names
        said = lettering.told(names)
        found = []
        for item in fact["found"]:
            line = Line(tuple(item["box"]), item["score"], item["words"])
            ground = tuple(item["ground"]) if item.get("ground") else None
            kind = lettering.kind_of(line, ground, record.picture.size, names)
            doubtful = kind not in said or len(line.letters) < 3  # two buttons are read as Oo
            enough = self.sure if doubtful else min(self.sure, SAID)
            found.append({**item, "kind": kind if line.score >= enough else ""})
        return {**fact, "found": found}

    def _done(self, record: Record, fact: dict[str, Any]) -> tuple[Record, dict[str, Any]]:
        """Do what is asked with what is meant; the facts say what is hidden, and what is left."""
        wanted = self._kinds()
        meant = [item for item in fact["found"] if item["kind"] in wanted]
        left = [item for item in fact["found"] if item not in meant]
        hidden = {item["kind"] for item in meant} - {item["kind"] for item in left}
        if hidden & {BUBBLE, TEXT}:  # english_text and its like speak of both
            rest = {item["kind"] for item in left} & {BUBBLE, TEXT}
            hidden = hidden - {TEXT} if rest else hidden | {TEXT}
        fact = {key: value for key, value in fact.items() if key not in {"mask", "hidden"}}
        masked = meant if self.how == MASK else []
        if meant and self.how == FILL:
            pixels, masked = _filled(record, meant, left)
            if len(masked) < len(meant):
                record = record.with_pixels(pixels)
            hidden -= {BUBBLE}  # which stands there still, empty
            fact = _of_new_pixels(fact, record, [*left, *masked], (0, 0))
        elif meant and self.how == CROP:
            record, fact, masked = self._cropped(record, fact, meant)
        if masked:
            areas = {_area_of(item, record.picture.size) for item in masked}
            fact["mask"] = sorted(list(area) for area in areas)
        if meant and self.how != NONE:
            fact["hidden"] = sorted(hidden)
        return record, {**fact, "rule": self._rule}

    def _cropped(
        self, record: Record, fact: dict[str, Any], meant: Sequence[dict[str, Any]]
    ) -> tuple[Record, dict[str, Any], list[dict[str, Any]]]:
        """Cut off the strips that hold what is meant; what cannot be cut off is to be masked."""
        size = record.picture.size
        boxes = [tuple(item["box"]) for item in meant if item["kind"] != BUBBLE]
        kept = painting_out.cut_off(record.picture.pixels, boxes, self.most)
        if kept == (0, 0, *size):
            return record, fact, list(meant)
        record = record.with_pixels(record.picture.pixels.crop(kept))
        inside = [item for item in fact["found"] if _inside(item["box"], kept)]
        fact = _of_new_pixels(fact, record, inside, (kept[0], kept[1]))
        places = [place for place, item in enumerate(inside) if item in meant]
        return record, fact, [fact["found"][place] for place in places]


def _with_aside(record: Record, fact: Mapping[str, Any]) -> Record:
    """The record with the tags that a mask took, so that all is judged as it was."""
    aside = [Tag(name, kind, tuple(by), score) for name, kind, by, score in fact.get("aside", ())]
    return record.with_tags([*record.tags, *aside]) if aside else record


def _looked(record: Record, before: Mapping[str, Any]) -> dict[str, Any]:
    """What was found on the picture as it is now: remembered, or by a look."""
    said = lettering.told(record.names) & {SIGNATURE, WATERMARK}
    print_ = content_print(record.picture)
    known = (before.get("print"), before.get("version")) == (print_, text_finder.VERSION)
    closely = bool(said) and not _explained(before if known else {}, said)
    if known and (before["closely"] or not closely):
        return {key: value for key, value in before.items() if key != "aside"}
    pixels = record.picture.pixels
    lines = _lines_of(before) if known else text_finder.lines_in(pixels)
    near = {lettering.kind_of(line, None, pixels.size, record.names) for line in lines}
    if closely and not near & said:
        lines = text_finder.more_lines(pixels, lines)
    lines = whole_lines.whole(pixels, lines)
    found = []
    for line, ground in zip(lines, lettering.grounds(pixels, lines), strict=True):
        item: dict[str, Any] = {"box": list(line.box), "score": line.score, "words": line.words}
        found.append(item | ({"ground": list(ground)} if ground else {}))
    fact = {"print": print_, "size": list(pixels.size), "version": text_finder.VERSION}
    return {**fact, "closely": closely, "found": found}


def _lines_of(fact: Mapping[str, Any]) -> list[Line]:
    return [Line(tuple(item["box"]), item["score"], item["words"]) for item in fact["found"]]


def _explained(fact: Mapping[str, Any], said: frozenset[str]) -> bool:
    """Say whether lettering of a kind that the tags tell of was found, or is gone already."""
    kinds = {item.get("kind") for item in fact.get("found", ())} | set(fact.get("hidden", ()))
    return bool(kinds & said)


def _filled(
    record: Record, meant: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]
) -> tuple["Image", list[dict[str, Any]]]:
    """The picture with what is meant painted over, and what could not be: it stands as it did."""
    image = record.picture.pixels
    stuck = []
    for item in meant:
        box: Area = tuple(item["box"])
        bubbles = [box] if item["kind"] == BUBBLE else []
        beside = [tuple(one["box"]) for one in (*meant, *others) if one is not item]
        left = [box]
        for stroke_wise in (False, True):
            became = painting_out.painted_over(image, [box], bubbles, stroke_wise=stroke_wise)
            left = _left(image, became, box, beside)
            if not left:
                image = became
                break
        else:
            whole = functools.reduce(whole_lines.joined, left, box)
            stuck.append({**item, "box": list(whole)})
            log.info("%s: %r cannot be painted over well; it is masked", record.key, item["words"])
    return image, stuck


def _left(before: "Image", after: "Image", box: Area, beside: Sequence[Area]) -> list[Area]:
    """What of a line can still be seen where it was painted over; lines beside it are none."""
    near = painting_out.padded(box, after.size, 0.5)
    found = [
        line.box
        for line in text_finder.close_look(after, box)
        if line.score >= SAID
        and _inside(line.box, near)
        and not any(_inside(line.box, other) for other in beside)
    ]
    return found or [box] * whole_lines.stands(before, after, box)


def _of_new_pixels(
    fact: Mapping[str, Any], record: Record, found: Sequence[Mapping[str, Any]], by: tuple[int, int]
) -> dict[str, Any]:
    """The facts of the picture as it became; what is left on it has moved."""
    moved = []
    for item in found:
        item = dict(item)
        for name in ("box", "ground"):
            if item.get(name):
                item[name] = list(_moved(item[name], by, record.picture.size))
        moved.append(item)
    became = {"print": content_print(record.picture), "size": list(record.picture.size)}
    return {**fact, **became, "found": moved}


def _moved(box: Sequence[int], by: tuple[int, int], size: tuple[int, int]) -> Area:
    left, top, right, bottom = box
    return (
        max(0, left - by[0]), max(0, top - by[1]),
        min(size[0], right - by[0]), min(size[1], bottom - by[1]),
    )  # fmt: skip


def _inside(box: Sequence[int], area: Area) -> bool:
    return box[0] < area[2] and area[0] < box[2] and box[1] < area[3] and area[1] < box[3]


def _area_of(item: Mapping[str, Any], size: tuple[int, int]) -> Area:
    """What a mask hides of a line: the line with a rim, or the whole of its bubble."""
    if item["kind"] == BUBBLE and item.get("ground"):
        left, top, right, bottom = item["ground"]
        rim = 0.02
        return painting_out.padded((left, top, right, bottom), size, rim)
    return painting_out.padded(tuple(item["box"]), size, 0.35)


def _followed(record: Record, fact: dict[str, Any]) -> tuple[Record, dict[str, Any]]:
    """Take the tags away that speak of what is hidden; what a mask hides may come back."""
    hidden = fact.get("hidden", ())
    fact = dict(fact)
    gone = [
        tag
        for tag in record.tags
        if tag.by != (HAND,) and any(lettering.goes_with(tag.name, kind) for kind in hidden)
    ]
    if gone:
        record = record.keep(lambda tag: tag not in gone)
    back = gone if fact["rule"][0] == MASK else _of_masked(gone, fact)
    if back:
        fact = {**fact, "aside": [[t.name, t.kind, list(t.by), t.score] for t in back]}
    dropped = {*fact.pop("dropped", ()), *(tag.name for tag in gone)} - set(record.names)
    return record, fact | ({"dropped": sorted(dropped)} if dropped else {})


def _of_masked(gone: Sequence[Tag], fact: Mapping[str, Any]) -> list[Tag]:
    """Those tags that speak of lettering that stands there yet, under a mask."""
    if not fact.get("mask"):
        return []
    kinds = {item["kind"] for item in fact["found"]} & set(fact.get("hidden", ()))
    kinds |= {TEXT} if BUBBLE in kinds else set()  # english_text speaks of both
    return [tag for tag in gone if any(lettering.goes_with(tag.name, kind) for kind in kinds)]


def _told(record: Record, fact: Mapping[str, Any], meant: Collection[str]) -> Iterator[str]:
    """What stands on a picture, in sentences."""
    kinds = set()
    for item in fact["found"]:
        if item["kind"]:
            kinds.add(item["kind"])
            place, score = _place(item["box"], fact["size"]), item["score"]
            alone = "" if item["kind"] in meant else ", left alone as --kinds does not name it"
            yield f"{record.key}: {item['kind']} {item['words']!r} {place} ({score:.2f}){alone}"
    for kind in sorted((lettering.told(record.names) & {SIGNATURE, WATERMARK}) - kinds):
        yield f"{record.key}: its tags tell of a {kind}, but none that can be read was found"


def _place(box: Sequence[int], size: Sequence[int]) -> str:
    """Where a box lies, in words."""
    x, y = (box[0] + box[2]) / 2 / size[0], (box[1] + box[3]) / 2 / size[1]
    rows = "at the top" if y < 1 / 3 else "at the bottom" if y > 2 / 3 else "in the middle"
    return rows + (" left" if x < 1 / 3 else " right" if x > 2 / 3 else "")
