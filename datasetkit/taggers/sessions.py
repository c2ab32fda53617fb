"""Sessions of models: on which hardware they run, their graphs kept, their refusals told.

onnxruntime runs them, or OpenVINO where a person chose that extra (``DSK_PROVIDER=openvino``).
"""

import hashlib
import importlib.util
import logging
import os
import platform
import shutil
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from importlib.metadata import version
from io import StringIO
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
CUDA = PROVIDERS[0]
CPU = PROVIDERS[-1]
OPENVINO = PROVIDERS[-2]
CHOICE = "DSK_PROVIDER"  # the environment's say in it: cuda, dml, openvino, cpu
# Below this a session starts faster than a kept graph pays for the room it takes.
KEPT_FROM = 16 * 1024 * 1024
# Its own way is to try all there is for each size of batch that it meets, and ours vary.
_HOW = {CUDA: {"cudnn_conv_algo_search": "HEURISTIC"}}
_KEPT = 6  # graphs; the oldest are thrown away


def start(
    path: Path, identity: str, *, name: str = "", described: bool = False
) -> tuple[Any, bool]:
    """Open a session on the best hardware that works; also say if a card was offered in vain.

    One thread a run and no spinning: pictures come from several threads, each with its own run,
    which serves more of them than one run on all cores, and wastes nothing while it waits. On a
    processor the optimised graph is kept, for the next start takes a quarter of the time.
    ``name`` is what the model is called in the log, as its folder where nobody says; ``described``
    asks for the text that a model's file holds about itself, which OpenVINO has not.
    Raises ModelError for a file that is no whole model.
    """
    if not path.is_file():
        raise ModelError(f"there is no '{path}'")
    name = name or path.parent.name
    wanted = _wanted()
    session = None
    fell_back = False
    if wanted[0] in _offered() and wanted[0] != CPU:
        session, reason = _opened(path, wanted)
        if session is None or session.get_providers()[0] != wanted[0]:
            fell_back = True
            log.warning(
                "%s cannot run on %s, so it runs on the processor, which takes far longer (%s)",
                name, wanted[0].removesuffix("ExecutionProvider"),
                reason or "onnxruntime gives no reason",
            )  # fmt: skip
    elif wanted[0] == OPENVINO:
        session = _on_openvino(path, identity, name, described=described)
    if session is None:
        session = _on_cpu(path, identity, name)
    provider = str(session.get_providers()[0])
    log.info("%s runs on %s", name, provider.removesuffix("ExecutionProvider"))
    return session, fell_back


def proven(path: Path, identity: str) -> bool:
    """Say whether these very files have run here on the processor, by the graph that was kept."""
    if _wanted()[0] not in {CPU, OPENVINO}:
        return False
    kept = [_kept_graph(path, identity)]
    if _wanted()[0] == OPENVINO:
        kept.append(_kept_by_openvino(path, identity))
    return any(place is not None and place.exists() for place in kept)


def _offered() -> list[str]:
    import onnxruntime as ort

    return [name for name in PROVIDERS if name in ort.get_available_providers()]


def _wanted() -> list[str]:
    """The providers to try, the best first; the processor is always the last."""
    offered = _offered()
    chosen = os.environ.get(CHOICE, "").strip().lower()
    if not chosen:
        return offered
    can = [*offered, *([OPENVINO] if _installed() else [])]
    names = {name.removesuffix("ExecutionProvider").lower(): name for name in can}
    if chosen == "openvino" and chosen not in names:
        raise UsageError(f"{CHOICE}=openvino needs a package: pip install 'datasetkit[openvino]'")
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

    if providers[0] == CUDA:
        with redirect_stdout(StringIO()):  # it prints what it misses; stdout is for programs
            ort.preload_dlls()  # so that the libraries that came with PyTorch are found
    known = [(name, _HOW[name]) if name in _HOW else name for name in providers]
    try:
        session = ort.InferenceSession(
            path, options or _options(), providers=known, enable_fallback=0
        )
    except Exception as error:  # onnxruntime's own classes share no other base
        return None, (str(error).splitlines() or [type(error).__name__])[0][:200]
    return session, ""


def _on_cpu(path: Path, identity: str, name: str) -> Any:
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
        log.info("the kept graph of %s is made anew (%s)", name, reason)
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


def _on_openvino(path: Path, identity: str, name: str, *, described: bool) -> Any:
    """A session of OpenVINO, None where it cannot run the model or is slower at it.

    It is never chosen unasked: with bfloat16 it takes half the time, but a trained network's
    probabilities were up to .05 from onnxruntime's, as much as those of an int8 copy may be.
    """
    from datasetkit.taggers.openvino import OpenVino, holds_bytes

    kept = _kept_by_openvino(path, identity) if path.stat().st_size >= KEPT_FROM else None
    try:
        if described:
            reason = "its labels are inside of the model, where OpenVINO does not look"
        elif not (kept and kept.is_dir()) and holds_bytes(path):
            reason = "it is an int8 copy, at which OpenVINO is slower"
        else:
            session = OpenVino(path, kept)
            if kept:
                _throw_away_all_but(_KEPT, kept.parent)
            return session
    except Exception as error:  # OpenVINO raises RuntimeError for whatever ails it
        reason = " ".join(str(error).split())[:200] or type(error).__name__
    log.warning("%s does not run on OpenVINO, but on onnxruntime (%s)", name, reason)
    return None


def _installed() -> bool:
    return importlib.util.find_spec("openvino") is not None


def _kept_graph(path: Path, identity: str) -> Path | None:
    """Where a model's optimised graph is kept: it fits one version and one kind of processor."""
    import onnxruntime as ort

    return _kept(path, (identity, ort.__version__), ".onnx")


def _kept_by_openvino(path: Path, identity: str) -> Path | None:
    """The folder in which OpenVINO keeps a model as it compiled it."""
    if not _installed():  # it is onnxruntime's own build that was asked for
        return None
    return _kept(path, (identity, version("openvino")), ".openvino")


def _kept(path: Path, essence: tuple[str, str], suffix: str) -> Path | None:
    known = hashlib.blake2b(digest_size=8)
    known.update(repr((*essence, platform.machine(), _processor())).encode())
    with suppress(RuntimeError):  # there may be no home folder
        return cache_folder() / "graphs" / f"{path.parent.name[:60]}-{known.hexdigest()}{suffix}"
    return None


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return platform.processor()


def _throw_away_all_but(most: int, folder: Path) -> None:
    graphs = [*folder.glob("*.onnx"), *folder.glob("*.openvino")]
    for path in sorted(graphs, key=lambda path: -path.stat().st_mtime)[most:]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _refusal(path: Path, reason: str) -> ModelError:
    lowered = reason.lower()
    if "out of bou" in lowered or "file_length" in lowered:
        beside = [one for one in path.parent.iterdir() if one.name.startswith(path.name)]
        beside = [one for one in beside if one != path]
        which = f"delete '{beside[0]}' and fetch it again" if beside else "fetch that again"
        return ModelError(
            f"'{path}' keeps its weights in a second file, which is not whole; {which} ({reason})"
        )
    if "external" in lowered or "filesystem error" in lowered or "cannot get file size" in lowered:
        return ModelError(
            f"'{path}' keeps its weights in a second file, which is not beside it (such as "
            f"{path.name}_data); fetch that too ({reason})"
        )
    return ModelError(f"'{path}' is no whole ONNX model; delete it and fetch it again ({reason})")
