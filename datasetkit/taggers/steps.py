"""A model's own ``preprocess.json``, as imgutils' exports have it, turned into a spec."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from datasetkit.errors import ModelError, UsageError
from datasetkit.taggers.spec import CHOICES, LARGEST, Spec, checked


def staged(spec: Spec, path: Path) -> Spec:
    """Return the spec with what a ``preprocess.json`` says: the steps of ``test``, ``val``, or all.

    Raises ModelError for a step that is not known here: to pass over it would change the tags.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        steps = data if isinstance(data, list) else None
        for name in ("test", "val", "stages"):
            steps = data.get(name, steps) if steps is None else steps
        if not isinstance(steps, list) or not steps:
            raise ModelError("it tells no steps under test, val or stages")
        for step in steps:
            spec = _with_step(spec, step)
    except (ModelError, UsageError) as error:
        raise ModelError(f"'{path}': {error}") from error
    except (OSError, ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
        raise ModelError(f"'{path}' cannot be read as steps of preparation ({error})") from error
    return spec


def _with_step(spec: Spec, step: Mapping[str, Any]) -> Spec:
    kind = step["type"]
    if kind == "pad_to_size":
        colour = checked("pad", step.get("background_color", "white"), spec.pad)
        how, side = _filter(step), _side(step)
        return replace(
            spec, fit="longside", rounding="near", canvas=side, canvas_filter=how, side=side,
            filter=how, pad=colour,
        )  # fmt: skip
    if kind == "resize":
        after_pad = bool(spec.canvas)
        if not after_pad and isinstance(step["size"], int):
            raise ModelError("it resizes the short side and crops, which is not known here")
        spec = replace(spec, side=_side(step), filter=_filter(step))
        return spec if after_pad else replace(spec, fit="squash")
    if kind == "center_crop":
        if _side(step) != spec.side:
            raise ModelError("it crops the middle out, which is not known here")
        return spec
    if kind == "normalize":
        mean, std = (checked(key, step[key], getattr(spec, key)) for key in ("mean", "std"))
        return replace(spec, mean=mean, std=std, top=1)
    if kind in {"to_tensor", "maybe_to_tensor", "convert_rgb"}:
        return spec
    raise ModelError(f"the step '{kind}' is not known here")


def _side(step: Mapping[str, Any]) -> int:
    size = step["size"]
    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) != 1:
        raise ModelError(f"{size} is no square")
    (side,) = sides
    if not isinstance(side, int) or not 0 < side <= LARGEST:
        raise ModelError(f"{size!r} is no size")
    return side


def _filter(step: Mapping[str, Any]) -> str:
    name = str(step.get("interpolation", "bilinear")).lower()
    if name not in CHOICES["filter"]:
        raise ModelError(f"the filter '{name}' is not known here")
    return name
