"""Is a tagger whole, is it the one that was meant, does it run here, and how fast?"""

import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datasetkit import hub
from datasetkit.errors import ModelError
from datasetkit.taggers.models import MODELS, Model
from datasetkit.taggers.tagger import Tagger

RUNS = 3  # of which the middle one counts
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Part:
    """A model's file: its size in bytes, its SHA-256, and who says that this is the right one."""

    name: str
    size: int
    sha256: str
    known_by: str  # "pinned", "its repository", or "" where nobody says


@dataclass(frozen=True)
class Examined:
    """What was found: ``labels`` by kind, the provider's name, seconds a picture in one thread."""

    folder: Path
    parts: tuple[Part, ...]
    labels: Mapping[str, int]
    side: int
    provider: str
    fell_back: bool
    embeds: bool
    start: float
    seconds: float
    lowest: float
    highest: float


def examine(model: Model) -> Examined:
    """Look at a model that is on this machine; its files are read whole, it sees test pictures.

    Raises ModelError with the first thing that is wrong, and what to do.
    """
    folder = here(model)
    if folder is None:
        raise ModelError(missing(model))
    parts = tuple(_part(model, path) for path in files_of(model, folder))
    began = time.perf_counter()
    tagger = Tagger(model, folder)
    start = time.perf_counter() - began
    try:
        lowest, highest, seconds = _tried(tagger)
    except ModelError:
        raise
    except Exception as error:  # onnxruntime has a class of its own for everything
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"'{tagger.path}' fails on a test picture ({reason})") from error
    return Examined(
        folder,
        parts,
        Counter(label.kind for label in tagger.labels),
        tagger.side,
        tagger.provider.removesuffix("ExecutionProvider"),
        tagger.fell_back,
        tagger.embeds,
        start,
        seconds,
        lowest,
        highest,
    )


def here(model: Model) -> Path | None:
    """The folder of a model on this machine, None where it would have to be fetched."""
    found = hub.local(model.source, model.files, model.revision)
    return found / model.subfolder if found else None


def missing(model: Model) -> str:
    """The sentence for a model that is not here."""
    short = next((name for name, row in MODELS.items() if row is model), model.source)
    return (
        f"{short} is not on this machine; fetch it with 'dsk models get {short}', or "
        f"put {hub.listed(model.files)} into a folder and name that folder"
    )


def files_of(model: Model, folder: Path) -> list[Path]:
    """The files of a model in its folder, with weights that stand beside the graph."""
    names = [model.spec.model, model.spec.labels, *model.spec.more, "tagger.yaml"]
    found = [
        next((folder / one for one in name.split("|") if (folder / one).is_file()), None)
        for name in names
        if name
    ]
    paths = [path for path in found if path]
    beside = [path for path in folder.glob(f"{paths[0].name}[._]data*") if path.is_file()]
    return [*paths, *sorted(beside)]


def _part(model: Model, path: Path) -> Part:
    real = path.resolve()
    try:
        found = hub.sha256(path, afresh=True)
    except OSError as error:
        raise ModelError(f"'{path}' cannot be read ({error.strerror})") from error
    pinned = {name.rpartition("/")[2]: known.lower() for name, known in model.sums.items()}
    # Hugging Face's cache names a large file by what its repository says of it.
    listed = real.name if real != path.absolute() and _SHA256.fullmatch(real.name) else ""
    wanted = pinned.get(path.name) or listed
    if wanted and wanted != found:
        raise ModelError(
            f"'{path}' is not the file that this model has (its sha256 is {found[:16]}…, not "
            f"{wanted[:16]}…); delete '{real}' and fetch it again"
        )
    by = "pinned" if path.name in pinned else "its repository" if listed else ""
    return Part(path.name, real.stat().st_size, found, by)


def _tried(tagger: Tagger) -> tuple[float, float, float]:
    """Show the tagger a few pictures: the least and greatest answer, the seconds for one."""
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8)
    pictures = [Image.new("RGB", (200, 300), "white"), Image.fromarray(noise)]
    scores = np.concatenate([tagger.scores(picture) for picture in pictures])
    took = []
    for _ in range(RUNS):
        began = time.perf_counter()
        tagger.scores(pictures[1])
        took.append(time.perf_counter() - began)
    return float(scores.min()), float(scores.max()), sorted(took)[RUNS // 2]
