"""Sessions of onnxruntime: on which hardware they run, their graphs kept, their refusals told."""

import hashlib
import logging
import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from datasetkit.errors import ModelError, UsageError, did_you_mean
from datasetkit.settings import cache_folder

log = logging.getLogger("datasetkit.taggers")

# The best first. TensorRT is left out: it takes minutes to prepare a model that it has not seen.
PROVIDERS = (
    "CUDAExecutionProvider",
    "DmlExecutionProvider",
    "OpenVINOExecutionProvider",
    "CPUExecutionProvider",
)
CPU = PROVIDERS[-1]
CHOICE = "DSK_PROVIDER"  # the environment's say in it: cuda, dml, openvino, cpu
# Below this a session starts faster than a kept graph pays for the room it takes.
KEPT_FROM = 16 * 1024 * 1024
_KEPT = 6  # graphs; the oldest are thrown away


def start(path: Path, identity: str) -> tuple[Any, bool]:
    """Open a session on the best hardware that works; also say if that is not the best offered.

    One thread a run and no spinning: pictures come from several threads, each with its own run,
    which serves more of them than one run on all cores, and wastes nothing while it waits. On a
    processor the optimised graph is kept, for the next start takes a quarter of the time.
    Raises ModelError for a file that is no whole model.
    """
    if not path.is_file():
        raise ModelError(f"there is no '{path}'")
    wanted = _wanted()
    session = None
    if wanted[0] != CPU:
        session, reason = _opened(path, wanted)
        if session is None or session.get_providers()[0] != wanted[0]:
            log.warning(
                "%s cannot run on %s, so it runs on the processor, which takes far longer (%s)",
                path.parent.name, wanted[0].removesuffix("ExecutionProvider"),
                reason or "onnxruntime gives no reason",
            )  # fmt: skip
    if session is None:
        session = _on_cpu(path, identity)
    provider = str(session.get_providers()[0])
    log.info("%s runs on %s", path.parent.name, provider.removesuffix("ExecutionProvider"))
    return session, provider != wanted[0]


def proven(path: Path, identity: str) -> bool:
    """Say whether these very files have run here on the processor, by the graph that was kept."""
    kept = _kept_graph(path, identity) if _wanted()[0] == CPU else None
    return kept is not None and kept.is_file()


def _wanted() -> list[str]:
    """The providers to try, the best first; the processor is always the last."""
    import onnxruntime as ort

    offered = [name for name in PROVIDERS if name in ort.get_available_providers()]
    chosen = os.environ.get(CHOICE, "").strip().lower()
    if not chosen:
        return offered
    names = {name.removesuffix("ExecutionProvider").lower(): name for name in offered}
    if chosen not in names:
        raise UsageError(f"{CHOICE}={chosen}: onnxruntime offers no such thing here; "
                         f"{did_you_mean(chosen, names)}")  # fmt: skip
    return list(dict.fromkeys([names[chosen], CPU]))


def _options() -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what goes wrong is raised; stderr is not ours
    return options


def _opened(path: Path, providers: Sequence[str], options: Any = None) -> tuple[Any, str]:
    """A session, or None and why there is none."""
    import onnxruntime as ort

    if providers[0] == "CUDAExecutionProvider":
        ort.preload_dlls()  # so that the libraries that came with PyTorch are found
    try:
        session = ort.InferenceSession(
            path, options or _options(), providers=list(providers), enable_fallback=0
        )
    except Exception as error:  # onnxruntime's own classes share no other base
        return None, (str(error).splitlines() or [type(error).__name__])[0][:200]
    return session, ""


def _on_cpu(path: Path, identity: str) -> Any:
    import onnxruntime as ort

    options = _options()
    kept = _kept_graph(path, identity) if path.stat().st_size >= KEPT_FROM else None
    if kept and kept.is_file():
        ready = _options()
        ready.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session, reason = _opened(kept, [CPU], ready)
        if session is not None:
            with suppress(OSError):
                os.utime(kept)  # the last to be thrown away
            return session
        log.info("the kept graph of %s is made anew (%s)", path.parent.name, reason)
    draft = kept.with_name(f"{kept.stem}-{uuid4().hex[:8]}.part") if kept else None
    with suppress(OSError):
        if draft:
            draft.parent.mkdir(parents=True, exist_ok=True)
            options.optimized_model_filepath = str(draft)
    try:
        session, reason = _opened(path, [CPU], options)
        if session is None and draft:  # a graph beyond 2 GB cannot be written
            session, reason = _opened(path, [CPU])
        if session is None:
            raise _refusal(path, reason)
        if kept and draft and draft.is_file():
            with suppress(OSError):
                os.replace(draft, kept)
                _throw_away_all_but(_KEPT, kept.parent)
    finally:
        if draft:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
    return session


def _kept_graph(path: Path, identity: str) -> Path | None:
    """Where a model's optimised graph is kept: it fits one version and one kind of processor."""
    import onnxruntime as ort

    known = hashlib.blake2b(digest_size=8)
    known.update(repr((identity, ort.__version__, platform.machine(), _processor())).encode())
    with suppress(RuntimeError):  # there may be no home folder
        return cache_folder() / "graphs" / f"{path.parent.name[:60]}-{known.hexdigest()}.onnx"
    return None


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return platform.processor()


def _throw_away_all_but(most: int, folder: Path) -> None:
    graphs = sorted(folder.glob("*.onnx"), key=lambda path: -path.stat().st_mtime)
    for path in graphs[most:]:
        path.unlink(missing_ok=True)


def _refusal(path: Path, reason: str) -> ModelError:
    lowered = reason.lower()
    if "external" in lowered or "filesystem error" in lowered or "cannot get file size" in lowered:
        return ModelError(
            f"'{path}' keeps its weights in a second file, which is not beside it (such as "
            f"{path.name}_data); fetch that too ({reason})"
        )
    return ModelError(f"'{path}' is no whole ONNX model; delete it and fetch it again ({reason})")
