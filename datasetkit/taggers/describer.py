"""Vision-language models of transformers: found, loaded whole, asked one picture at a time.

Weights are read from safetensors alone, and no code that comes with a model is run.
"""

import hashlib
import json
import logging
import re
import threading
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasetkit import hub
from datasetkit.errors import ModelError, PictureError, UsageError
from datasetkit.pixels import flattened
from datasetkit.taggers.models import DESCRIBER, MODELS, known_repository

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST = 1536  # pixels of a picture's long side that a model gets to see, at most
QUESTION = "Describe this picture in one or two sentences."
MAX_TEXT = 4000  # characters

_INDEX = "model.safetensors.index.json"
_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
_WORDS = frozenset({".json", ".jinja", ".model", ".txt"})  # of configurations and tokenizers
_BESIDE = (
    "preprocessor_config.json|processor_config.json",
    "tokenizer.json|tokenizer.model|vocab.json|vocab.txt",
)
_NEEDED = ("config.json", "model.safetensors", "tokenizer.json", _BESIDE[0])
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_HARMLESS = re.compile(r"(position_ids|inv_freq)$")  # worked out, not learnt
_LARGE = 4_000_000_000  # bytes of weights; above it a processor holds them as bf16 too
_LOADING = threading.Lock()


def local(model: str) -> Path | None:
    """Find a model on this machine, whole; None for a repository that would have to be fetched.

    Raises ModelError for a folder that lacks something, for a tagger, and for a name that can be
    neither; UsageError for none.
    """
    if not model.strip():
        raise UsageError("model: a folder or a repository's name is needed")
    if _is_tagger(model):
        raise ModelError(
            f"'{model}' is a tagger, which dsk tag takes; dsk caption needs a model that writes "
            f"sentences, such as {DESCRIBER}"
        )
    folder = hub.local(model, ("config.json",))
    if folder is None:
        return None
    lost = _lost(folder)
    if lost and Path(model).expanduser().is_dir():
        raise ModelError(
            f"the model's folder '{model}' holds no {' and no '.join(lost)}; it takes all files of "
            "a model that transformers knows as image-text-to-text"
        )
    return None if lost else folder


def files(model: str) -> list[str]:
    """Ask which files of a repository make the model; raises ModelError."""
    names = hub.names(model, _NEEDED)
    wanted = [n for n in names if _WEIGHTS.fullmatch(n) or Path(n).suffix in _WORDS]
    if "config.json" not in wanted or not any(map(_WEIGHTS.fullmatch, wanted)):
        raise ModelError(
            f"'{model}' holds no config.json with model.safetensors; it is no model that "
            "transformers can load, or only in a format that may run code"
        )
    return wanted


def _is_tagger(model: str) -> bool:
    folder = hub.folder_named(model)
    if folder:
        return not (folder / "config.json").is_file() and any(folder.glob("*.onnx"))
    return model in MODELS or known_repository(model) is not None


def _lost(folder: Path) -> list[str]:
    """What a folder lacks to be a model, in words."""
    lost = []
    index = folder / _INDEX
    if index.is_file():
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
            raise ModelError(f"'{index}' is damaged; fetch it again") from None
        lost += sorted(str(name) for name in shards if not (folder / str(name)).is_file())
    elif not (folder / "model.safetensors").is_file():
        lost.append("model.safetensors")
    for names in _BESIDE:
        if not any((folder / name).is_file() for name in names.split("|")):
            lost.append(hub.listed([names]))
    return lost


def identity(folder: Path) -> str:
    """A short hash by which a model's files are known again (from 64 places of a large one)."""
    found = sorted(path for path in folder.iterdir() if path.suffix in {".safetensors", *_WORDS})
    return _identity(*((path, path.stat().st_size, path.stat().st_mtime_ns) for path in found))


@lru_cache(maxsize=4)
def _identity(*found: tuple[Path, int, int]) -> str:
    known = hashlib.blake2b(digest_size=8)
    for path, size, _ in found:
        known.update(f"{path.name} {size} ".encode())
        with path.open("rb") as file:
            for place in range(64):
                file.seek(place * size // 64)
                known.update(file.read(min(65_536, size // 64 + 1)))
    return known.hexdigest()


def loaded(folder: Path) -> "Describer":
    """The folder's model, loaded once in a process and shared by its threads."""
    with _LOADING:
        return _loaded(folder, identity(folder))


@lru_cache(maxsize=1)
def _loaded(folder: Path, _: str) -> "Describer":
    return Describer(folder)


class Describer:
    """A vision-language model in memory. Raises ModelError for one that cannot be loaded whole."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForImageTextToText, AutoProcessor

        self.name = folder.name
        weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        self.device, dtype = _device(weights)
        options = {"local_files_only": True, "trust_remote_code": False}
        with _quiet():
            try:
                self._processor = AutoProcessor.from_pretrained(folder, **options)
                model, said = AutoModelForImageTextToText.from_pretrained(
                    folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
                )
            except Exception as error:  # transformers raises whatever the file's layout leads to
                reason = " ".join(str(error).split())[:200]
                raise ModelError(f"'{folder}' cannot be loaded as a model ({reason})") from error
        keys = map(str, {*said["missing_keys"], *said["mismatched_keys"]})
        lost = sorted(key for key in keys if not _HARMLESS.search(key))
        if lost:  # they would be random numbers
            raise ModelError(
                f"'{folder}' lacks {len(lost)} weights of its model ({lost[0]} ...); it is damaged "
                "or of another kind, fetch it again"
            )
        self._model = model.to(self.device).eval()
        self._one_at_a_time = threading.Lock()

    def describe(self, image: "Image", prompt: str, max_tokens: int) -> str:
        """Say in plain sentences what is on a picture; always the same words for the same picture.

        ``prompt`` is the question to a model that talks; one that only continues a caption
        continues it. An empty one asks for a description. Raises ModelError where the model
        describes no picture at all, PictureError where it fails on this one alone.
        """
        from PIL import Image

        seen = flattened(image, (255, 255, 255)) if image.mode == "RGBA" else image.copy()
        seen.thumbnail((LONGEST, LONGEST))
        try:
            return self._described(seen, prompt, max_tokens)
        except Exception as error:  # of transformers, torch, or the model's own template
            reason = " ".join(str(error).split())[:200]
            try:
                self._described(Image.new("RGB", (64, 64), "white"), prompt, 1)
            except Exception:
                raise ModelError(f"'{self.name}' fails on every picture ({reason})") from error
            raise PictureError(f"the model fails on this picture ({reason})") from error

    def _described(self, seen: "Image", prompt: str, max_tokens: int) -> str:
        import torch

        with self._one_at_a_time, torch.inference_mode(), _quiet():
            given = self._given(seen, prompt)
            answer = self._model.generate(
                **given, do_sample=False, num_beams=1, max_new_tokens=max_tokens,
                temperature=None, top_p=None, top_k=None,
            )  # fmt: skip
            asked = given.get("input_ids")
            if asked is not None and torch.equal(answer[:, : asked.shape[1]], asked):
                answer = answer[:, asked.shape[1] :]
            text = self._processor.batch_decode(answer, skip_special_tokens=True)[0]
        return one_line(text)

    def _given(self, image: "Image", prompt: str) -> Any:
        """The model's input of a picture and a question."""
        text: str | None = prompt or None
        if getattr(self._processor, "chat_template", None):
            content = [{"type": "image"}, {"type": "text", "text": prompt or QUESTION}]
            text = self._processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True
            )
        given = self._processor(images=image, text=text, return_tensors="pt")
        return given.to(self.device, dtype=self._model.dtype)


def one_line(text: str) -> str:
    """A model's words as one line, without characters that nobody sees."""
    seen = "".join(c for c in text if c.isspace() or unicodedata.category(c) not in _UNSEEN)
    return " ".join(unicodedata.normalize("NFC", seen).split())[:MAX_TEXT].rstrip()


def _device(weights: int) -> tuple[str, Any]:
    """Where to run, and in which precision: half of it on a graphics card."""
    import torch

    if torch.cuda.is_available():
        bf16 = torch.cuda.is_bf16_supported()
        return "cuda", torch.bfloat16 if bf16 else torch.float16
    if torch.backends.mps.is_available():
        return "mps", torch.float16
    if torch.xpu.is_available():
        return "xpu", torch.bfloat16
    return "cpu", torch.bfloat16 if weights > _LARGE else torch.float32


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what transformers says of configurations and draws while it loads."""
    from transformers.utils import logging as own

    logger = logging.getLogger("transformers")
    before, bars = logger.level, own.is_progress_bar_enabled()
    logger.setLevel(logging.CRITICAL)
    own.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
        if bars:
            own.enable_progress_bar()
