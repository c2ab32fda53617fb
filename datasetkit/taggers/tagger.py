"""A tagger at work: an ONNX model that turns a picture into the probabilities of its labels."""

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasetkit.errors import ModelError, PictureError
from datasetkit.taggers import sessions
from datasetkit.taggers.batches import MOST, Feeder, Gathered
from datasetkit.taggers.labels import Label, Vocabulary, labels_inside, read_labels
from datasetkit.taggers.models import Model
from datasetkit.taggers.prepare import at_least, fed, square
from datasetkit.taggers.spec import FAMILIES, FILE, STAGES, Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from datasetkit.pixels import Picture

_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}
_SURE = ("logit", "refined", "initial")  # in an output's name: not yet probabilities
_DONE = ("sigmoid", "prob", "prediction")  # and these are
# What a whole family calls its outputs, though one or the other of its models has none such.
_USUAL = {name for spec in FAMILIES.values() for name in (spec.output, spec.embedding)}


class Tagger:
    """A model, ready to look at pictures from any number of threads at once.

    Raises ModelError for a folder whose files are missing, damaged, or do not fit each other.
    ``batches`` gathers what threads ask for even where that saves nothing (on a processor).
    """

    def __init__(self, model: Model, folder: Path | None = None, *, batches: bool = False) -> None:
        self.folder = folder or model.folder()
        self.name = model.name
        self.spec: Spec = model.spec_in(self.folder)
        self.path = _present(self.folder, self.spec.model)
        inside = self.spec.format == "onnx"
        listed = None if inside else vocabulary_of(self.folder, self.spec)
        self._session, self.fell_back = sessions.start(
            self.path, identity(model, self.folder), name=model.name, described=inside
        )
        self.vocabulary = listed or Vocabulary(self._inside())
        self.labels = self.vocabulary.labels
        self._input, self.side, self._most = self._read_input()
        self._output = self._read_output()
        self.embeds = self._has(self.spec.embedding) and self.spec.embedding != self._output
        self._dtype = _TYPES[self._input.type]
        self._turn = threading.Lock() if self.provider.startswith("Dml") else None
        self._gathered: Gathered | None = None
        if self._dtype != "uint8" and (batches or self.provider.startswith("CUDA")):
            device = "cuda" if self.provider.startswith("CUDA") else "cpu"
            feeder = Feeder(self._session, self.spec, self._dtype, device)
            wanted = self._wanted()
            self._gathered = Gathered(lambda many: feeder(many, wanted), self._most)

    @property
    def provider(self) -> str:
        """What the model really runs on, as onnxruntime names it (``CPUExecutionProvider``).

        ``fell_back`` is true where a graphics card was offered but could not be used.
        """
        return str(self._session.get_providers()[0])

    @cached_property
    def places(self) -> "Mapping[str, NDArray[np.intp]]":
        """For each kind of label that the model knows, where its scores stand."""
        import numpy as np

        kinds = np.array([label.kind for label in self.labels])
        return {str(kind): np.flatnonzero(kinds == kind) for kind in np.unique(kinds)}

    def probabilities(self, image: "Image") -> Mapping[str, float]:
        """Say of each label how surely it is on the picture (0..1), ratings included."""
        scores = self.scores(image)
        return {label.name: float(score) for label, score in zip(self.labels, scores, strict=True)}

    def glance(self, picture: "Picture", seen: "dict[int, Image] | None" = None) -> "Image":
        """Decode as much of a picture as the model sees of it; ``seen`` shares what was decoded."""
        seen = {} if seen is None else seen
        wanted = at_least(self.spec, self.side, picture.size)
        if wanted not in seen:
            seen[wanted] = picture.glance(wanted)
        return seen[wanted]

    def scores(self, image: "Image", size: tuple[int, int] | None = None) -> "NDArray[np.float64]":
        """Return the probabilities in the order of ``labels``, rounded to 4 decimals.

        The image is RGB or RGBA; ``size`` as for :func:`prepare.square`. Raises PictureError
        where the model has no number for this picture, ModelError where it has none for any.
        """
        return self.checked(self._run(square(image, self.spec, self.side, size))[0])

    def look(
        self, image: "Image", size: tuple[int, int] | None = None
    ) -> "tuple[NDArray[np.float64], NDArray[np.float32] | None]":
        """Return the scores, and what the picture is like as numbers where the model tells that."""
        import numpy as np

        answers = self._run(square(image, self.spec, self.side, size))
        features = answers[1].reshape(-1).astype(np.float32) if self.embeds else None
        return self.checked(answers[0]), features

    def checked(self, answer: "NDArray[Any]") -> "NDArray[np.float64]":
        """Make probabilities of what a model answered, rounded to 4 decimals.

        Raises as :meth:`scores` does.
        """
        import numpy as np

        if answer.size != len(self.labels):
            raise self._other_count([answer.size])
        numbers: NDArray[np.float64] = answer.reshape(-1).astype(np.float64)
        if not np.isfinite(numbers).all():
            blank = np.full((self.side, self.side, 3), 255, np.uint8)
            if np.isfinite(self._run(blank)[0]).all():
                raise PictureError("the tagger's answer is not a number")
            raise ModelError(f"'{self.path}' answers with what is not a number")
        low, high = float(numbers.min()), float(numbers.max())
        probable = low >= -0.01 and high <= 1.01
        activation = self._activation(probable)
        if activation == "logits":
            if probable and len(self.labels) > 1 and low >= 0:
                raise self._other_activation(low, high, "are probabilities already", "sigmoid")
            with np.errstate(over="ignore"):  # e^-x of a great -x is infinite, and 1 / that is 0
                numbers = 1 / (1 + np.exp(-numbers))
        elif not probable:
            raise self._other_activation(low, high, "are no probabilities", "logits")
        # Sums come out in another order on other hardware; 4 decimals agree on all.
        return np.round(numbers, 4)

    def _activation(self, probable: bool) -> str:
        """What the numbers are; by the output's name, then by themselves, where nobody says."""
        if self.spec.activation != "auto":
            return self.spec.activation
        name = self._output.lower()
        if any(word in name for word in _SURE):
            return "logits"
        if any(word in name for word in _DONE):
            return "sigmoid"
        return "sigmoid" if probable else "logits"

    def _other_activation(self, low: float, high: float, what: str, word: str) -> ModelError:
        return ModelError(
            f"'{self.path}' answers from {low:.2f} to {high:.2f}, which {what}: it is of another "
            f"family (activation: {word} in a {FILE} beside it would say so)"
        )

    def _wanted(self) -> list[str]:
        return [self._output, self.spec.embedding] if self.embeds else [self._output]

    def _run(self, pixels: "NDArray[np.uint8]") -> "list[NDArray[Any]]":
        if self._gathered:
            return self._gathered(pixels)
        feed = {self._input.name: fed(pixels[None], self.spec, self._dtype)}
        if self._turn:  # DirectML allows no two runs at once
            with self._turn:
                answers: list[NDArray[Any]] = self._session.run(self._wanted(), feed)
        else:
            answers = self._session.run(self._wanted(), feed)
        return answers

    def _inside(self) -> tuple[Label, ...]:
        found = self._session.get_modelmeta().custom_metadata_map.get("tags", "")
        return labels_inside(found, self.path)

    def _read_input(self) -> tuple[Any, int, int]:
        """The model's input, the side of the square that it takes, how many at once."""
        item = self._session.get_inputs()[0]
        shape, layout = item.shape, self.spec.layout
        batch, *sides = shape if len(shape) == 4 else (0, 0, 0, 0)
        channels = sides.pop(0) if layout == "NCHW" else sides.pop()
        fixed = [side for side in sides if isinstance(side, int)]
        wanted = self.spec.side or (fixed[0] if fixed else 0)
        if (channels != 3 and isinstance(channels, int)) or any(side != wanted for side in fixed):
            turned = len(shape) == 4 and 3 in (shape[1], shape[3]) and channels != 3
            hint = ""
            if turned:
                hint = f"layout: {'NHWC' if layout == 'NCHW' else 'NCHW'}"
            elif channels == 3 and len(fixed) == 2 and len(set(fixed)) == 1:
                hint = f"side: {fixed[0]}"
            way_out = f"; '{hint}' in a {FILE} beside it would say so" if hint else ""
            side = self.spec.side or "side"
            order = ["pictures", 3, side, side] if layout == "NCHW" else ["pictures", side, side, 3]
            family = "the WD family" if layout == "NHWC" and not self.spec.side else "its family"
            raise ModelError(
                f"'{self.path}' takes {shape}, but a tagger of {family} takes "
                f"[{', '.join(map(str, order))}]{way_out}"
            )
        if isinstance(batch, int) and batch != 1:
            raise ModelError(f"'{self.path}' takes {batch} pictures at once, not any number")
        if not wanted:
            raise ModelError(f"'{self.path}' does not say how large its pictures are; 'side: 448' "
                             f"in a {FILE} beside it would")  # fmt: skip
        if item.type not in _TYPES:
            raise ModelError(f"'{self.path}' takes {item.type}, not pixels")
        return item, wanted, 1 if batch == 1 else MOST

    def _read_output(self) -> str:
        """The output that has as many numbers as there are labels (others may hold features)."""
        found = self._session.get_outputs()
        if self._has(self.spec.output):
            found = [item for item in found if item.name == self.spec.output]
        counts = [item.shape[-1] if item.shape else None for item in found]
        open_ended = [item for item, n in zip(found, counts, strict=True) if not isinstance(n, int)]
        fitting = [item for item, n in zip(found, counts, strict=True) if n == len(self.labels)]
        if not fitting and not open_ended:
            raise self._other_count(counts)
        return str((fitting or open_ended)[0].name)

    def _has(self, output: str) -> bool:
        """Say whether the model has an output; raises ModelError for one that a person named."""
        names = [item.name for item in self._session.get_outputs()]
        if output and output not in names and output not in _USUAL:
            raise ModelError(
                f"'{self.folder}': {self.path.name} has no output '{output}'; "
                f"it has: {', '.join(names)}"
            )
        return output in names

    def _other_count(self, outputs: Sequence[int | None]) -> ModelError:
        counts = " and ".join(map(str, outputs))
        listed = _present(self.folder, self.spec.labels).name if self.spec.labels else "it"
        return ModelError(
            f"'{self.folder}': {listed} lists {len(self.labels)} labels, but {self.path.name} "
            f"answers with {counts} numbers; the two are not of one model"
        )


def _present(folder: Path, names: str) -> Path:
    """The first of the files that stands in the folder; the first name where none does."""
    paths = [folder / name for name in names.split("|")]
    return next((path for path in paths if path.is_file()), paths[0])


def vocabulary_of(folder: Path, spec: Spec) -> Vocabulary:
    """What the model of a folder can say, read once; not where its list is inside the model."""
    path = _present(folder, spec.labels)
    if not path.is_file():
        raise ModelError(f"there is no '{path}'")
    status = path.stat()
    return _vocabulary(path, spec, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _vocabulary(path: Path, spec: Spec, _size: int, _time: int) -> Vocabulary:
    return Vocabulary(read_labels(path, spec))


def identity(model: Model, folder: Path) -> str:
    """A short hash by which a model is known again: its files (64 places of a large one), its spec.

    Thresholds are no part of it: with others the same model says the same.
    """
    essence, paths = _essence(model, folder)
    found = []
    for path in paths:
        try:
            status = os.stat(path)  # for every picture, so without pathlib
        except OSError:
            continue
        found.append((path, status.st_size, status.st_mtime_ns))
    return _identity(essence, *found)


_BESIDE = ("_data", ".data")  # how the files are called that hold what ONNX's 2 GB do not
_ESSENCE = sorted(set(Spec.__dataclass_fields__) - {"thresholds", "limit", "in_order"})


@lru_cache(maxsize=16)
def _essence(model: Model, folder: Path) -> tuple[str, tuple[str, ...]]:
    """What tells how the model is asked, and the files that may be a part of it."""
    spec = model.spec
    names = [*spec.model.split("|"), *spec.labels.split("|"), *spec.more, STAGES]
    names += [name + end for name in spec.model.split("|") for end in _BESIDE]
    paths = tuple(str(folder / name) for name in dict.fromkeys(names) if name)
    return repr([getattr(spec, name) for name in _ESSENCE]), paths


@lru_cache(maxsize=8)
def _identity(essence: str, *files: tuple[str, int, int]) -> str:
    # Training changes all weights, so slices tell one model from another; 4 MB are read of 470.
    known = hashlib.blake2b(essence.encode(), digest_size=8)
    for path, size, _ in files:
        known.update(size.to_bytes(8, "little"))
        with Path(path).open("rb") as file:
            for place in range(64):
                file.seek(place * size // 64)
                known.update(file.read(min(65_536, size // 64 + 1)))
    return known.hexdigest()


def loaded(model: Model) -> Tagger:
    """The tagger of a model, started once in a process and shared by its threads."""
    folder = model.folder()
    with _STARTING:
        return _loaded(model, folder, identity(model, folder))


def check(model: Model) -> None:
    """Raise ModelError for a model that is neither here, whole, nor to be had.

    One that ran here before is not started for that: other thresholds may be all that is asked.
    """
    folder = model.check()
    if folder is None:
        return
    if model.spec.format != "onnx":
        vocabulary_of(folder, model.spec)
    if not sessions.proven(_present(folder, model.spec.model), identity(model, folder)):
        loaded(model)


@lru_cache(maxsize=4)
def _loaded(model: Model, folder: Path, _: str) -> Tagger:
    return Tagger(model, folder)


_STARTING = threading.Lock()
