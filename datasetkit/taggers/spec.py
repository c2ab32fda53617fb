"""What a family of taggers takes and gives, as data: a row a family, or a YAML file of the user's.

A user's own model is a folder with the ONNX file, its label list and a ``tagger.yaml`` such as::

    family: wd            # what it is like; all else is what differs
    side: 512
    channels: RGB
    thresholds: {general: 0.4, character: 0.7}
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datasetkit.errors import ModelError, UsageError, did_you_mean
from datasetkit.plain_yaml import read_yaml

FILE = "tagger.yaml"
STAGES = "preprocess.json"  # as imgutils' models have it
MAX_BYTES = 1024 * 1024

# Who is on the picture comes before what is.
KINDS = (
    *("character", "copyright", "artist", "species", "general", "meta", "lore"),
    *("quality", "model", "year"),
)
RATING = "rating"

CHOICES = {
    "layout": ("NHWC", "NCHW"),
    "channels": ("RGB", "BGR"),
    "fit": ("pad", "squash", "longside"),
    "filter": ("bicubic", "bilinear", "lanczos", "box"),
    "canvas_filter": ("bicubic", "bilinear", "lanczos", "box"),
    "rounding": ("down", "near"),
    "activation": ("auto", "sigmoid", "logits"),
    "format": ("csv", "json", "lines", "onnx"),
    "codes": ("danbooru", "e621"),
}
LARGEST = 4096  # pixels of a model's square: beyond it is no tagger, but all the memory there is
_COLOURS = {"white": (255, 255, 255), "black": (0, 0, 0)}


@dataclass(frozen=True)
class Spec:
    """How to show a picture to a model, and how to read its answer.

    ``fit`` is ``pad`` (to a square, then resized), ``squash`` (resized to a square whatever its
    shape) or ``longside`` (resized first, then padded, its short side rounded ``down`` or
    ``near``). With a ``canvas`` the picture is laid on a square of that side by ``canvas_filter``,
    and that is resized. ``side`` 0 is what the model says. A channel runs from 0 to ``top``; from
    it ``mean`` is taken and ``std`` divides. Transparency is laid on white. ``labels`` may name
    several files with ``|`` between, ``more`` lists others without which the model does not run.
    ``thresholds`` go by kind; a kind without one has that of ``general``.
    """

    layout: str = "NHWC"
    channels: str = "BGR"
    side: int = 0
    fit: str = "pad"
    pad: tuple[int, ...] = (255, 255, 255)
    filter: str = "bicubic"
    rounding: str = "down"
    canvas: int = 0
    canvas_filter: str = "bilinear"
    top: float = 255.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    activation: str = "auto"
    output: str = ""
    embedding: str = ""
    model: str = "model.onnx"
    labels: str = "selected_tags.csv"
    more: tuple[str, ...] = ()
    format: str = "csv"
    codes: str = "danbooru"
    in_order: bool = False
    thresholds: Mapping[str, float] = field(
        default_factory=lambda: {"general": 0.35, "character": 0.85}, hash=False
    )
    limit: int = 0

    def threshold(self, kind: str) -> float:
        """How sure the model must be of a tag of this kind, as its author or practice has it."""
        return self.thresholds.get(kind, self.thresholds.get("general", 0.35))


# What PyTorch's people do: channels first, red first, 0 to 1.
_TORCH = Spec(layout="NCHW", channels="RGB", top=1, activation="logits")
_HALVES = replace(_TORCH, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
_IMAGENET = replace(_TORCH, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
_CLIP = replace(
    _TORCH,
    mean=(0.48145466, 0.4578275, 0.40821073),
    std=(0.26862954, 0.26130258, 0.27577711),
)
# imgutils' exports tell all they have.
_EXPORT = {"activation": "sigmoid", "output": "prediction", "embedding": "embedding"}

_WD = Spec(
    activation="sigmoid", labels="selected_tags.csv|tags-selected.csv", embedding="embedding"
)
_PIXAI = replace(_HALVES, side=448, fit="squash", filter="bilinear")
_DEEP = Spec(
    channels="RGB",
    side=512,
    fit="longside",
    pad=(0, 0, 0),
    top=1,
    activation="sigmoid",
    model="deepdanbooru.onnx",
    thresholds={"general": 0.5},
)

# Sources: the models' cards, and the code of those who run them (imgutils, kohya's script,
# taggui); where two differ, the author's own.
FAMILIES: Mapping[str, Spec] = {
    "wd": _WD,
    "z3d-e621": replace(_WD, labels="tags-selected.csv", codes="e621"),
    "pixai-0.9": replace(
        _PIXAI,
        **_EXPORT,  # type: ignore[arg-type]
        more=(STAGES,),
        thresholds={"general": 0.3, "character": 0.85},
    ),
    # Resized as a float tensor there, with antialiasing: Pillow's bilinear but for the rounding.
    "pixai-1.0": replace(
        _PIXAI,
        side=1008,
        fit="longside",
        pad=(0, 0, 0),
        activation="auto",
        thresholds={
            "general": 0.17,
            "artist": 0.15,
            "copyright": 0.24,
            "character": 0.27,
            "meta": 0.17,
        },
    ),
    # What is not said here stands in the repository's preprocess.json.
    "animetimm": replace(
        _IMAGENET,
        **_EXPORT,  # type: ignore[arg-type]
        more=(STAGES,),
        thresholds={"general": 0.4, "character": 0.4},
    ),
    "cl": replace(
        _HALVES,
        channels="BGR",
        side=448,
        model="model_optimized.onnx|model.onnx",
        labels="tag_mapping.json",
        format="json",
        thresholds={"general": 0.35},
    ),
    "joytag": replace(
        _CLIP, side=448, labels="top_tags.txt", format="lines", thresholds={"general": 0.4}
    ),
    "ml-danbooru": replace(
        _TORCH,
        side=448,
        fit="squash",
        filter="bilinear",
        output="output",
        model="ml_caformer_m36_dec-5-97527.onnx",
        labels="classes.json",
        format="json",
        thresholds={"general": 0.7},
    ),
    "deepdanbooru": replace(_DEEP, labels="deepdanbooru_tags.csv"),
    "deepdanbooru-onnx": replace(_DEEP, labels="", format="onnx"),
    "camie": replace(
        _IMAGENET,
        side=512,
        fit="longside",
        pad=(124, 116, 104),
        filter="lanczos",
        output="refined_predictions",
        model="camie-tagger-v2.onnx",
        labels="camie-tagger-v2-metadata.json",
        format="json",
        thresholds={"general": 0.492},
    ),
}


def read_spec(path: Path) -> Spec:
    """Read a user's ``tagger.yaml``; raises ModelError that names the file and what is wrong."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{path}: larger than {MAX_BYTES:,} bytes; that describes no model")
        return parse_spec(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read ({error})") from error
    except UsageError as error:
        raise ModelError(f"{path}: {error}") from error


def parse_spec(text: str) -> Spec:
    """Read a model's description from YAML text; raises UsageError with the nearest good word."""
    data = read_yaml(text)
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise UsageError("a tagger is described by keys with their values, such as 'family: wd'")
    fields = {item.name for item in dataclasses.fields(Spec)} | {"family"}
    for key in data:
        if key not in fields:
            raise UsageError(f"there is no key '{key}'; {did_you_mean(str(key), fields)}")
    family = data.pop("family", "wd")
    if not isinstance(family, str) or family not in FAMILIES:
        raise UsageError(f"there is no family '{family}'; {did_you_mean(str(family), FAMILIES)}")
    spec = FAMILIES[family]
    given = {key: checked(key, value, getattr(spec, key)) for key, value in data.items()}
    if "thresholds" in given and "general" not in given["thresholds"]:
        given["thresholds"] = {**spec.thresholds, **given["thresholds"]}
    spec = replace(spec, **given)
    if not spec.model:
        raise UsageError("model: the ONNX file needs a name")
    if not spec.labels and spec.format != "onnx":
        raise UsageError("labels: the list needs a name (or 'format: onnx', if the model holds it)")
    return spec


def checked(key: str, value: Any, standing: Any) -> Any:
    """One value of a description, of the type of what it stands for; raises UsageError."""
    if key in CHOICES:
        if value not in CHOICES[key]:
            raise UsageError(f"{key}: {value!r} is none of {', '.join(CHOICES[key])}")
        return value
    if key == "pad" and isinstance(value, str) and value in _COLOURS:
        return _COLOURS[value]
    if key in {"model", "labels", "more"}:
        return _files(key, value)
    if key == "thresholds":
        return _thresholds(value)
    if isinstance(standing, tuple):
        several = value if isinstance(value, list) else [value] * 3
        low, high = (0, 255) if key == "pad" else (-1000, 1000)
        if len(several) != 3 or not all(_is_number(one) and low <= one <= high for one in several):
            raise UsageError(f"{key}: three numbers for red, green and blue, not {value!r}")
        if key == "std" and 0 in several:
            raise UsageError("std: nothing can be divided by 0")
        return tuple(int(one) if key == "pad" else float(one) for one in several)
    if isinstance(standing, bool) or isinstance(value, bool):
        if isinstance(standing, bool) and isinstance(value, bool):
            return value
        raise UsageError(f"{key}: {value!r} does not fit")
    if isinstance(standing, (int, float)):
        whole = isinstance(standing, int)
        if not _is_number(value) or value < 0 or (whole and not isinstance(value, int)):
            raise UsageError(f"{key}: must be a {'whole ' * whole}number, not {value!r}")
        if key == "top" and not value:
            raise UsageError("top: must be more than 0")
        if key in {"side", "canvas"} and value > LARGEST:
            raise UsageError(f"{key}: at most {LARGEST} pixels, not {value}")
        return type(standing)(value)
    if not isinstance(value, str):
        raise UsageError(f"{key}: must be a text, not {value!r}")
    return value


def _files(key: str, value: Any) -> Any:
    names = value if isinstance(value, list) else [value]
    for name in names:
        # A description may come with a model from anyone: it names files of its own folder only.
        if not isinstance(name, str) or set("/\\:\0") & set(name) or name.startswith("."):
            raise UsageError(f"{key}: {name!r} is no file's name in the model's folder")
    return tuple(names) if key == "more" else "|".join(names)


def _thresholds(value: Any) -> Mapping[str, float]:
    if not isinstance(value, dict):
        value = {"general": value, "character": value}
    for kind, limit in value.items():
        check_kind(str(kind))
        if not _is_number(limit) or not 0 <= limit <= 1:
            raise UsageError(f"thresholds: {kind} must be from 0 to 1, not {limit!r}")
    return {str(kind): float(limit) for kind, limit in value.items()}


def check_kind(kind: str) -> None:
    """Raise UsageError for a word that is no kind of tag."""
    if kind not in KINDS:
        raise UsageError(f"there is no kind of tag '{kind}'; {did_you_mean(kind, KINDS)}")


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)
