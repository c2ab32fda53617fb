"""OpenVINO at work under onnxruntime's names: half the time where a processor has bfloat16.

The package is an extra, and not the build of onnxruntime that contains it: that one has the same
module name as onnxruntime itself, and must never be installed beside it.
"""

import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TYPES = {"f32": "tensor(float)", "f16": "tensor(float16)", "u8": "tensor(uint8)"}
_REPORTS = "openvino.tools.ovc"
_WEIGHTS = 4096  # a constant of so many bytes is no shape, axis or scale


@dataclass(frozen=True)
class Port:
    """An input or output as onnxruntime describes it; an open length is no int."""

    name: str
    shape: tuple[int | str, ...]
    type: str


class OpenVino:
    """A session that any number of threads may run, each on a stream of one thread.

    ``kept`` is a folder for the compiled model, which starts in a quarter of the time. Raises
    what OpenVINO raises (RuntimeError) for a model that it cannot read or run.
    """

    def __init__(self, path: Path, kept: Path | None = None) -> None:
        self._own = threading.local()
        self._compiled = _compiled(path, kept)
        self._precision = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()

    def get_inputs(self) -> list[Port]:
        """The inputs, in the model's order."""
        return _ports(self._compiled.inputs)

    def get_outputs(self) -> list[Port]:
        """The outputs, in the model's order; one that has two names is there twice."""
        return _ports(self._compiled.outputs)

    def get_providers(self) -> list[str]:
        """What it runs on, with the numbers it multiplies: ``OpenVINO (bf16)``."""
        return [f"OpenVINO ({self._precision})"]

    def run(self, names: Sequence[str], feed: "Mapping[str, NDArray[Any]]") -> "list[NDArray[Any]]":
        """Run the model; the answers are the caller's own arrays."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        request.infer(dict(feed), share_inputs=True)
        return [request.get_tensor(name).data.copy() for name in names]


def holds_bytes(path: Path) -> bool:
    """Say whether a model's weights, or some of them, are bytes: OpenVINO takes twice as long."""
    return any(
        step.get_type_name() == "Constant"
        and step.get_element_type().to_string() in {"i8", "u8"}
        and step.get_byte_size() >= _WEIGHTS
        for step in _core().read_model(path).get_ops()
    )


def _compiled(path: Path, kept: Path | None) -> Any:
    if kept is None:
        return _core().compile_model(path, "CPU", _options())
    if kept.is_dir():
        with suppress(OSError):
            os.utime(kept)  # the last to be thrown away
        return _core().compile_model(path, "CPU", _options() | {"CACHE_DIR": str(kept)})
    draft = kept.with_name(f"{kept.stem}-{uuid4().hex[:8]}.part")  # a kill may leave half of it
    try:
        model = _core().compile_model(path, "CPU", _options() | {"CACHE_DIR": str(draft)})
        with suppress(OSError):
            draft.rename(kept)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return model


def _options() -> dict[str, Any]:
    threads = os.cpu_count() or 1
    return {"NUM_STREAMS": threads, "INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}


@cache
def _core() -> Any:
    """OpenVINO itself, without its converter, which reports every import to Google Analytics."""
    barred = _REPORTS not in sys.modules
    if barred:
        sys.modules[_REPORTS] = None  # type: ignore[assignment]  # an ImportError, which it bears
    try:
        import openvino
    finally:
        if barred:
            del sys.modules[_REPORTS]
    return openvino.Core()


def _ports(found: Sequence[Any]) -> list[Port]:
    return [
        Port(name, _shape(port), _TYPES.get(port.element_type.to_string(), str(port.element_type)))
        for port in found
        for name in sorted(port.names)
    ]


def _shape(port: Any) -> tuple[int | str, ...]:
    lengths = port.partial_shape
    return tuple(n.get_length() if n.is_static else str(n) for n in lengths)
