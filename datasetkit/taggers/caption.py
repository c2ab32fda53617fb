"""The ``caption`` stage: a vision-language model describes each picture in plain sentences."""

import hashlib
import importlib.util
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from datasetkit import hub, safety
from datasetkit.errors import UsageError
from datasetkit.record import Record, strictest
from datasetkit.stage import Map, opt
from datasetkit.taggers import describer
from datasetkit.taggers.models import DESCRIBER

_FINDING = threading.Lock()  # one thread fetches, the others find

# Goes up when the same picture, model and prompt would give other words than before.
VERSION = 1
_PHRASES = re.compile(r"[,;|.!?:\n()\[\]{}<>\"]+")


@dataclass(frozen=True)
class Caption(Map):
    """Describe each picture in plain sentences, by a vision-language model.

    The model is one that transformers knows as "image-text-to-text" (SmolVLM, LLaVA, JoyCaption,
    Qwen-VL, BLIP ...): a folder, or a repository's name on Hugging Face, fetched once. It needs
    torch: pip install "datasetkit[train]". The same picture gets the same words, and one that
    this model has described with this prompt is passed over. The sentences are kept with the
    record (facts, caption), for bases that want prose; the tags and the .txt stay as they are,
    since commas there part tags. Words that a safety rule refuses are not kept: dsk info counts
    them.
    """

    model: str = opt(DESCRIBER, "a folder, or a repository's name")
    prompt: str = opt("", "what to ask; nothing: for a description of one or two sentences")
    max_tokens: int = opt(120, "how long an answer may be, in tokens", ge=1, le=1024)

    @property
    def heavy(self) -> bool:
        """It asks a model."""
        return True

    def check(self) -> None:
        """Raise for a prompt that is refused, missing libraries, and a model that is not to be had.

        SafetyError, UsageError and ModelError in turn.
        """
        safety.check_prompt(self.prompt)
        missing = [name for name in ("torch", "transformers") if not importlib.util.find_spec(name)]
        if missing:
            raise UsageError(
                f"caption needs {' and '.join(missing)}: pip install 'datasetkit[train]'"
            )
        if describer.local(self.model) is None:
            hub.check(self.model, describer.files(self.model))

    def __call__(self, record: Record) -> Record:
        """Return the record with the model's words, the same record where it has them already."""
        safety.check_prompt(self.prompt)
        with _FINDING:
            folder = describer.local(self.model) or hub.folder(
                self.model, describer.files(self.model)
            )
        seen = self._print(folder, record)
        if record.facts.get("caption", {}).get("print") == seen:
            return record
        picture = record.picture
        text = describer.loaded(folder).describe(
            picture.glance(describer.LONGEST), self.prompt, self.max_tokens
        )
        fact = {"model": self.name, "prompt": self.prompt, "print": seen}
        rule = refusal(text, record)
        return record.with_facts("caption", fact | ({"refused": rule} if rule else {"text": text}))

    @property
    def name(self) -> str:
        """The model's name, as it stands in the facts."""
        return Path(self.model).expanduser().resolve().name

    def _print(self, folder: Path, record: Record) -> str:
        """What the answer depends on, as a short hash."""
        known = hashlib.blake2b(record.picture.content, digest_size=8)
        asked = (VERSION, describer.identity(folder), self.prompt, self.max_tokens)
        known.update(repr(asked).encode())
        return known.hexdigest()


def refusal(text: str, record: Record) -> str | None:
    """Say which safety rule refuses these words on this picture, beside its tags, or None."""
    rating = strictest(origin.rating for origin in (record.origin, *record.also))
    names = [phrase for phrase in map(str.strip, _PHRASES.split(text)) if phrase]
    return safety.refusal([*names, *record.names], rating)
