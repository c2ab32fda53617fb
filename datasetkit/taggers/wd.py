"""Taggers of the WD family: an ONNX model that turns a padded square into label probabilities.

A model is a folder with ``model.onnx`` and ``selected_tags.csv`` (``tag_id,name,category,count``).
The model takes one picture as NHWC, blue-green-red, 0..255, and answers with probabilities in the
CSV's order.
"""

import csv
import hashlib
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasetkit.errors import ModelError, PictureError
from datasetkit.pixels import flattened
from datasetkit.tags import clean_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

MODEL = "model.onnx"
LABELS = ("selected_tags.csv", "tags-selected.csv")
FILES = (MODEL, "|".join(LABELS))  # as hub.folder takes them

RATING = "rating"
KINDS = {0: "general", 1: "artist", 3: "copyright", 4: "character", 5: "meta", 9: RATING}

E621 = {5: "species", 7: "meta", 8: "lore"}  # where e621's numbers differ from Danbooru's
_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}

# The best first. TensorRT is left out: it takes minutes to prepare a model that it has not seen.
PROVIDERS = ("CUDAExecutionProvider", "DmlExecutionProvider", "CPUExecutionProvider")


@dataclass(frozen=True, slots=True)
class Label:
    """One of a model's outputs: a tag in booru form, and its kind (``rating`` for a rating)."""

    name: str
    kind: str


class Tagger:
    """A WD model, ready to look at pictures from any number of threads at once.

    Raises ModelError for a folder whose files are missing, damaged, or do not fit each other.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.labels: tuple[Label, ...] = read_labels(_labels_file(folder))
        self._session, self.fell_back = _start(folder / MODEL)
        self._input, self.side = self._read_input()
        self._output = self._read_output()
        self._one_at_a_time = threading.Lock() if self.provider.startswith("Dml") else None

    @property
    def provider(self) -> str:
        """What the model really runs on, as onnxruntime names it (``CPUExecutionProvider``).

        ``fell_back`` is true where a graphics card was offered but could not be used.
        """
        return str(self._session.get_providers()[0])

    def probabilities(self, image: "Image") -> Mapping[str, float]:
        """Say of each label how surely it is on the picture (0..1), ratings included."""
        scores = self.scores(image)
        return {label.name: float(score) for label, score in zip(self.labels, scores, strict=True)}

    def scores(self, image: "Image", size: tuple[int, int] | None = None) -> "NDArray[np.float64]":
        """Return the probabilities in the order of ``labels``, rounded to 4 decimals.

        The image is RGB or RGBA; ``size`` as for :func:`prepared`. Raises PictureError where the
        model has no number for this picture, ModelError where it has none for any.
        """
        import numpy as np

        scores = self._run(prepared(image, self.side, size))
        if not np.isfinite(scores).all():
            blank = np.full((self.side, self.side, 3), 255, np.float32)
            if np.isfinite(self._run(blank)).all():
                raise PictureError("the tagger's answer is not a number")
            raise ModelError(f"'{self.folder / MODEL}' answers with what is not a number")
        if scores.min() < -0.01 or scores.max() > 1.01:
            raise ModelError(
                f"'{self.folder / MODEL}' answers from {scores.min():.2f} to {scores.max():.2f}, "
                "which are no probabilities: it is not of the WD family"
            )
        return scores

    @cached_property
    def places(self) -> Mapping[str, "NDArray[np.intp]"]:
        """For each kind of label that the model knows, where its scores stand."""
        import numpy as np

        kinds = np.array([label.kind for label in self.labels])
        return {str(kind): np.flatnonzero(kinds == kind) for kind in np.unique(kinds)}

    def _run(self, pixels: "NDArray[np.float32]") -> "NDArray[np.float64]":
        import numpy as np

        feed = {self._input.name: pixels[None].astype(_TYPES[self._input.type], copy=False)}
        if self._one_at_a_time:  # DirectML allows no two runs at once
            with self._one_at_a_time:
                answer = self._session.run([self._output], feed)[0]
        else:
            answer = self._session.run([self._output], feed)[0]
        if answer.size != len(self.labels):
            raise _other_count(self.folder, len(self.labels), [answer.size])
        # Sums come out in another order on other hardware; 4 decimals agree on all.
        scores: NDArray[np.float64] = np.round(answer.reshape(-1).astype(np.float64), 4)
        return scores

    def _read_input(self) -> tuple[Any, int]:
        """The model's input, and the side of the square that it takes."""
        found = self._session.get_inputs()
        shape = found[0].shape
        square = len(shape) == 4 and shape[1] == shape[2] and isinstance(shape[1], int)
        if not square or shape[3] != 3 or (isinstance(shape[0], int) and shape[0] != 1):
            raise ModelError(
                f"'{self.folder / MODEL}' takes {shape}, but a tagger of the WD family takes "
                "[pictures, side, side, 3]"
            )
        if found[0].type not in _TYPES:
            raise ModelError(f"'{self.folder / MODEL}' takes {found[0].type}, not pixels")
        return found[0], shape[1]

    def _read_output(self) -> str:
        """The output that has as many numbers as there are labels (others may hold features)."""
        found = self._session.get_outputs()
        counts = [item.shape[-1] if item.shape else None for item in found]
        open_ended = [item for item, n in zip(found, counts, strict=True) if not isinstance(n, int)]
        fitting = [item for item, n in zip(found, counts, strict=True) if n == len(self.labels)]
        if not fitting and not open_ended:
            raise _other_count(self.folder, len(self.labels), counts)
        return str((fitting or open_ended)[0].name)


def _other_count(folder: Path, labels: int, outputs: Sequence[int | None]) -> ModelError:
    counts = " and ".join(map(str, outputs))
    return ModelError(
        f"'{folder}': {_labels_file(folder).name} lists {labels} labels, but {MODEL} answers with "
        f"{counts} numbers; the two are not of one model"
    )


def prepared(
    image: "Image", side: int, size: tuple[int, int] | None = None
) -> "NDArray[np.float32]":
    """Make the model's input of a picture: (side, side, 3), blue-green-red, 0..255.

    The same pixels as laying the picture on white, centring it in a white square (odd pixels go
    right and below) and resizing that bicubically, but the square is never built: the picture is
    resized alone, by a box whose fractional edges put its samples where the square's would lie,
    with just the white rim that the filter sees. ``size`` is the picture's own (width, height)
    where the image is a JPEG that was decoded at a half, a quarter or an eighth of it.
    """
    import numpy as np
    from PIL import Image

    if image.mode == "RGBA":
        image = flattened(image, (255, 255, 255))
    width, height = size or image.size
    longest = max(width, height)
    shrunk = round(longest / max(image.size))
    across = _span(width, image.width, longest, side, shrunk)
    down = _span(height, image.height, longest, side, shrunk)
    if any((*across.rim, *down.rim)):
        room = (image.width + sum(across.rim), image.height + sum(down.rim))
        canvas = Image.new("RGB", room, "white")
        canvas.paste(image, (across.rim[0], down.rim[0]))
        image = canvas
    # Across first, then down, as Pillow goes about a square; a narrow picture alone it would take
    # the other way round, and the rounding between the two passes shows.
    bicubic, columns = Image.Resampling.BICUBIC, across.last - across.first
    edges = (across.start, 0, across.end, image.height)
    small = image.resize((columns, image.height), bicubic, edges)
    lines = (0, down.start, columns, down.end)
    small = small.resize((columns, down.last - down.first), bicubic, lines)
    square = np.full((side, side, 3), 255, np.float32)
    square[down.first : down.last, across.first : across.last] = np.asarray(small)[:, :, ::-1]
    return square


@dataclass(frozen=True, slots=True)
class _Span:
    """Along one axis: which of the square's samples the picture touches, and where they lie.

    Samples first..last are made of the pixels start..end, counted from the outer edge of a white
    rim of so many pixels before and after the image.
    """

    first: int
    last: int
    start: float
    end: float
    rim: tuple[int, int]


def _span(own: int, pixels: int, longest: int, side: int, shrunk: int) -> _Span:
    """Lay one axis: the picture's own length, the image's pixels, the square's two sides."""
    square, length = longest / shrunk, own / shrunk
    before = (longest - own) // 2 / shrunk
    after = square - before - length
    step = square / side  # pixels from one sample to the next
    reach = 2 * max(step, 1) + 1  # a bicubic filter sees 2 steps either way; 1 for rounding
    first = max(0, math.floor((before - reach) / step))
    last = min(side, math.ceil((before + length + reach) / step))
    start, end = first * step - before, last * step - before
    # The filter stops at the square's edge, so the rim must not go beyond it.
    low = min(math.ceil(max(0.0, reach - start)), math.ceil(before))
    high = min(math.ceil(max(0.0, end + reach - pixels)), math.ceil(after))
    return _Span(first, last, start + low, min(end + low, pixels + low + high), (low, high))


def identity(folder: Path) -> str:
    """A short hash by which a model's files are known again (from 64 places of a large one)."""
    files = [path for path in (folder / MODEL, _labels_file(folder)) if path.is_file()]
    return _identity(*((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files))


@lru_cache(maxsize=8)
def _identity(*files: tuple[Path, int, int]) -> str:
    # Training changes all weights, so slices tell one model from another; 4 MB are read of 470.
    known = hashlib.blake2b(digest_size=8)
    for path, size, _ in files:
        known.update(size.to_bytes(8, "little"))
        with path.open("rb") as file:
            for place in range(64):
                file.seek(place * size // 64)
                known.update(file.read(min(65_536, size // 64 + 1)))
    return known.hexdigest()


def loaded(folder: Path) -> Tagger:
    """The folder's tagger, started once in a process and shared by its threads."""
    with _STARTING:
        return _loaded(folder, identity(folder))


@lru_cache(maxsize=4)
def _loaded(folder: Path, _: str) -> Tagger:
    return Tagger(folder)


_STARTING = threading.Lock()


def read_labels(path: Path) -> tuple[Label, ...]:
    """Read a label list; raises ModelError for a file that is not one, naming the line."""
    kinds = KINDS if path.name == LABELS[0] else KINDS | E621
    labels = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"name", "category"} <= set(rows.fieldnames or ()):
                raise ModelError(f"'{path}' has no columns 'name' and 'category' in its first line")
            for row in rows:
                category = row["category"] or ""
                if not category.isdecimal() or int(category) not in kinds:
                    raise ModelError(
                        f"'{path}', line {rows.line_num}: category '{category}' is none of "
                        f"{', '.join(map(str, sorted(kinds)))}"
                    )
                labels.append(Label(clean_name(row["name"]), kinds[int(category)]))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelError(f"'{path}' cannot be read as a list of labels ({error})") from error
    return tuple(labels)


def _labels_file(folder: Path) -> Path:
    """The folder's label list; the first name, though it is missing, where there is none."""
    found = [folder / name for name in LABELS if (folder / name).is_file()]
    return (found or [folder / LABELS[0]])[0]


def _start(path: Path) -> tuple[Any, bool]:
    """Open a session on the best hardware that works; also say if that is not the best offered.

    One thread a run and no spinning: pictures come from several threads, each with its own run,
    which serves more of them than one run on all cores, and wastes nothing while it waits.
    """
    import onnxruntime as ort

    if not path.is_file():
        raise ModelError(f"there is no '{path}'")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what goes wrong is raised; stderr is not ours
    wanted = [name for name in PROVIDERS if name in ort.get_available_providers()]
    if wanted[0] == "CUDAExecutionProvider":
        ort.preload_dlls()  # so that the libraries that came with PyTorch are found
    for providers in (wanted, wanted[-1:]):
        try:
            session = ort.InferenceSession(path, options, providers, enable_fallback=0)
        except Exception as error:  # onnxruntime's own classes share no other base
            reason = error
        else:
            return session, session.get_providers()[0] != wanted[0]
    text = str(reason).splitlines()[0][:200]
    raise ModelError(
        f"'{path}' is no whole ONNX model; delete it and fetch it again ({text})"
    ) from reason
