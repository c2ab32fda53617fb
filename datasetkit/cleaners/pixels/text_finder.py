"""Finding text in pictures, by the PP-OCR models that the package rapidocr carries inside.

Nothing is downloaded: the models are files of the package, and are named to it. Boxes alone mean
little, for a drawing's hatching and frills look like text as well: what counts is that it can be
read. Source of the models: PaddleOCR, Apache-2.0; see rapidocr's MODEL_LICENSES.md.
"""

import functools
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from datasetkit.errors import ModelError
from datasetkit.masks import Area
from datasetkit.pixels import flattened

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = 3  # of the way of looking; another finds other lines
SIDE = 960  # to which a picture is made smaller; larger costs more, and finds less of large letters
LARGEST = 2000  # to which the package makes a picture smaller before letters are read
AT_ONCE = 4  # looks; each takes some 250 MB, however many processors there are
LONG = 2.5  # a longer picture is looked at in pieces: made smaller, it shows nothing
BAND = 0.16  # of the height: the bands at the top and bottom in which signatures stand
MOST_WORDS = 60  # letters of a line that are kept
LEAST = 0.5  # how surely a line must be read to be told at all

_ROOM = threading.BoundedSemaphore(max(1, min(AT_ONCE, os.cpu_count() or 1)))


class Line(NamedTuple):
    """A line of text: its box in pixels, how surely it was read (0..1), and what it says."""

    box: Area
    score: float
    words: str

    @property
    def height(self) -> int:
        """The letters' height, about: a line is longer than high, also one that stands upright."""
        left, top, right, bottom = self.box
        return min(right - left, bottom - top)

    @property
    def letters(self) -> str:
        """Its letters and digits, small."""
        return "".join(letter for letter in self.words.lower() if letter.isalnum())


def check() -> None:
    """Raise ModelError where the package is missing, or has no models inside."""
    if find_spec("rapidocr") is None:
        raise ModelError("text needs rapidocr: pip install 'datasetkit[ocr]'")
    _models()


def lines_in(image: "Image") -> list[Line]:
    """The lines of text that can be read in an RGB or RGBA image, from the top down.

    Any thread may call. Raises ModelError.
    """
    return _lines(image, _pieces(image.size), [])


def more_lines(image: "Image", seen: Sequence[Line]) -> list[Line]:
    """These lines, and those at the upper and lower edge that show at full size only.

    Small and faint lettering does. Any thread may call. Raises ModelError.
    """
    return _lines(image, _edges(image.size), seen)


def close_look(image: "Image", box: Area) -> list[Line]:
    """What can be read in a box of an image and right beside it. Raises ModelError."""
    rim = 2 * min(box[2] - box[0], box[3] - box[1])
    piece = (
        max(0, box[0] - rim), max(0, box[1] - rim),
        min(image.width, box[2] + rim), min(image.height, box[3] + rim),
    )  # fmt: skip
    return list(_read(image, piece))


def _lines(image: "Image", pieces: Iterable[Area], seen: Sequence[Line]) -> list[Line]:
    found = list(seen)
    for piece in pieces:
        for line in _read(image, piece):
            if not _cut_off(line, piece, image) and not any(_same(line, seen) for seen in found):
                found.append(line)
    return sorted(found, key=lambda line: (line.box[1], line.box[0]))


def _pieces(size: tuple[int, int]) -> Iterator[Area]:
    """The parts that are looked at: the whole, or squares along a long picture."""
    width, height = size
    long, short = max(size), min(size)
    count = 1 if long <= LONG * short else -(-2 * long // short)  # each half on the next
    for number in range(count):
        start = number * (long - short) // max(1, count - 1)
        end = start + short if count > 1 else long
        yield (0, start, width, end) if height >= width else (start, 0, end, height)


def _edges(size: tuple[int, int]) -> Iterator[Area]:
    """The upper and lower edge, in parts that need not be made smaller."""
    width, height = size
    if SIDE < max(size) <= LONG * min(size):
        band = max(64, round(height * BAND))
        columns = -(-width // (SIDE * 3 // 4))
        reach = min(width, -(-width // columns) + width // 8)
        for top in (height - band, 0):
            for number in range(columns):
                left = number * (width - reach) // max(1, columns - 1)
                yield left, top, left + reach, top + band


def _read(image: "Image", piece: Area) -> Iterator[Line]:
    """What stands in a part of an image and can be read."""
    import numpy as np

    left, top, right, bottom = piece
    part = _part(image, piece)
    wide, high = (right - left) / part.width, (bottom - top) / part.height
    pixels = np.ascontiguousarray(np.asarray(part)[:, :, ::-1])  # the models take blue first
    try:
        with _ROOM:
            answer = _reader()(pixels)
    except Exception as error:  # onnxruntime's and OpenCV's own classes share no other base
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"rapidocr cannot look at a picture ({reason})") from error
    if answer.boxes is None or answer.txts is None:
        return
    for corners, words, score in zip(answer.boxes, answer.txts, answer.scores, strict=True):
        xs, ys = np.asarray(corners)[:, 0] * wide + left, np.asarray(corners)[:, 1] * high + top
        box = (
            max(left, int(xs.min())), max(top, int(ys.min())),
            min(right, int(xs.max()) + 1), min(bottom, int(ys.max()) + 1),
        )  # fmt: skip
        line = Line(box, round(float(score), 3), " ".join(words.split())[:MOST_WORDS])
        if line.score >= LEAST and _makes_sense(line):
            yield line


def _part(image: "Image", piece: Area) -> "Image":
    """A part of an image in RGB, no larger than is looked at."""
    from PIL import Image

    part = image.crop(piece)
    if part.mode != "RGB":
        part = flattened(part.convert("RGBA"), (255, 255, 255))
    scale = LARGEST / max(part.size)
    if scale >= 1:
        return part
    size = max(1, round(part.width * scale)), max(1, round(part.height * scale))
    return part.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _makes_sense(line: Line) -> bool:
    """Say whether this many letters fill such a box: buttons, frills and grass are read as one."""
    letters = line.letters
    left, top, right, bottom = line.box
    long = max(right - left, bottom - top)
    return len(letters) >= 2 and len(set(letters)) >= 2 and long <= 3 * line.height * len(letters)


def _cut_off(line: Line, piece: Area, image: "Image") -> bool:
    """Say whether a line goes on beyond the part in which it was seen; there it is seen whole."""
    rim = 2
    inner = (piece[0] > 0, piece[1] > 0, piece[2] < image.width, piece[3] < image.height)
    near = (abs(side - edge) <= rim for side, edge in zip(line.box, piece, strict=True))
    return any(cut and close for cut, close in zip(inner, near, strict=True))


def _same(line: Line, other: Line) -> bool:
    """Say whether two looks have seen the same line: most of the smaller lies in the larger."""
    width = min(line.box[2], other.box[2]) - max(line.box[0], other.box[0])
    height = min(line.box[3], other.box[3]) - max(line.box[1], other.box[1])
    smaller = min(_area(line.box), _area(other.box))
    return width > 0 and height > 0 and width * height > 0.5 * smaller


def _area(box: Area) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


@functools.lru_cache(maxsize=1)
def _reader() -> Any:
    """The models, loaded at the first picture and shared by all threads."""
    check()
    from rapidocr import RapidOCR

    detector, recogniser = _models()
    threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
    return RapidOCR(
        params={
            # A model that is named is never fetched; what goes wrong is raised, not printed.
            "Det.model_path": str(detector),
            "Rec.model_path": str(recogniser),
            "Global.log_level": "critical",
            "Global.use_cls": False,  # text that stands on its head is none of a signature
            "Global.text_score": LEAST,
            "Det.limit_type": "max",
            "Det.limit_side_len": SIDE,
            "Rec.rec_batch_num": 1,  # lines that are read together are all as long as the longest
            **threads,  # pictures come from several threads, each with a run of its own
        }
    )


def _models() -> tuple[Path, Path]:
    """The files of the package that find lines and read them."""
    spec = find_spec("rapidocr")
    folder = Path(spec.origin).parent / "models" if spec and spec.origin else Path("-")
    found = [sorted(folder.glob(f"*_{task}_*.onnx")) for task in ("det", "rec")]
    if not all(found):
        raise ModelError(
            f"there are no models in {folder}, and none is fetched while dsk runs; "
            "pip install --force-reinstall rapidocr brings them"
        )
    return found[0][-1], found[1][-1]
