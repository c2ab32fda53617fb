"""What the options of the ``tag`` stage come to: models, each with its rule, and what they see."""

import functools
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasetkit.content import content_print
from datasetkit.dataset.embeddings import path_of
from datasetkit.dataset.places import MEMORY
from datasetkit.errors import DatasetkitError, ModelError, PictureError, UsageError
from datasetkit.pixels import Picture
from datasetkit.record import Record, Tag
from datasetkit.taggers.choose import (
    KEPT,
    Explained,
    Rule,
    chosen,
    explained,
    seen_in,
    voted,
)
from datasetkit.taggers.labels import Vocabulary
from datasetkit.taggers.models import Model
from datasetkit.taggers.prepare import VERSION
from datasetkit.taggers.spec import RATING
from datasetkit.taggers.tagger import Tagger, identity, loaded, vocabulary_of
from datasetkit.tags import from_caption, matches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """One model of a stage, and the rule for what it sees."""

    model: Model
    rule: Rule

    @property
    def name(self) -> str:
        """The model's, as it stands in records."""
        return self.model.name

    @functools.cached_property
    def folder(self) -> Path:
        """Where the model's files are; found once, for it is asked for with every picture."""
        return self.model.folder()

    @property
    def above(self) -> float:
        """Down to which probability its answers must be known."""
        return min(KEPT, self.rule.lowest)

    @property
    def tells_ratings(self) -> bool:
        """Say whether ratings are among what it could say."""
        return any(label.kind == RATING for label in self.vocabulary.labels)

    @property
    def identity(self) -> str:
        """A short hash by which the model is known again, whatever it is called."""
        return identity(self.model, self.folder)

    def print_of(self, content: str, who: str = "") -> str:
        """What the answer depends on, as a short hash: content, model (``who``), preparation."""
        known = hashlib.blake2b(content.encode(), digest_size=8)
        known.update(repr((VERSION, who or self.identity)).encode())
        return known.hexdigest()

    def needs_look(self, record: Record, print_: str, *, embeddings: bool) -> bool:
        """Say whether the record's facts lack what this asks for."""
        fact = record.facts.get("tag", {}).get(self.name, {})
        if fact.get("print") != print_ or fact["above"] > self.above:
            return True
        if not embeddings or "embedding" not in fact:
            return False
        # Kept, but somebody deleted the file since: dsk's own advice where it is damaged.
        memory = record.picture.path.parent / MEMORY
        return not fact["embedding"] or (
            memory.is_dir() and not path_of(memory, self.name).exists()
        )

    def looked(
        self, picture: Picture, images: "dict[int, Image]"
    ) -> "tuple[dict[str, Any], NDArray[np.float32] | None]":
        """What it sees on the picture, as a fact; models that see as much share one decode.

        Raises PictureError where the picture is at fault, ModelError where the model is.
        """
        tagger = loaded(self.model)
        image = tagger.glance(picture, images)
        try:
            scores, features = tagger.look(image, picture.size)
        except DatasetkitError:
            raise
        except Exception as error:  # onnxruntime has a class of its own for everything
            raise _whose(tagger, error) from error
        ratings = {
            tagger.labels[place].name: float(scores[place])
            for place in tagger.places.get(RATING, ())
        }
        fact = {
            "above": self.above,
            "rating": max(ratings, key=ratings.__getitem__, default=""),
            "ratings": ratings,
            "seen": seen_in(scores, tagger.labels, self.above),
        }
        return fact, features

    def chosen(self, fact: Mapping[str, Any]) -> list[Explained]:
        """What becomes a tag of what was seen, by the rule."""
        known = self.vocabulary
        return chosen(fact["seen"], self.rule, known.own, known.series)

    def explained(self, fact: Mapping[str, Any]) -> list[Explained]:
        """All that was seen, with what becomes of it, the ratings last."""
        known = self.vocabulary
        return [*explained(fact["seen"], self.rule, known.own, known.series), *_ratings(fact)]

    @property
    def vocabulary(self) -> Vocabulary:
        """What it could say, without starting it where that can be."""
        if self.model.spec.format == "onnx":  # its list is inside of the model
            return loaded(self.model).vocabulary
        return vocabulary_of(self.folder, self.model.spec)


def _ratings(fact: Mapping[str, Any]) -> list[Explained]:
    return [
        Explained(name, RATING, score, 0.0, "" if name == fact["rating"] else "not the first")
        for name, score in sorted(fact["ratings"].items(), key=lambda item: -item[1])
    ]


def _whose(tagger: Tagger, error: Exception) -> DatasetkitError:
    """Whose fault it is that a model failed: the picture's, if a white one does well."""
    from PIL import Image

    reason = " ".join(str(error).split())[:200]
    try:
        tagger.scores(Image.new("RGB", (tagger.side, tagger.side), "white"))
    except Exception:
        return ModelError(f"'{tagger.path}' fails on every picture ({reason})")
    return PictureError(f"the tagger fails on this picture ({reason})")


@dataclass(frozen=True)
class Plan:
    """What a stage's options mean: its models with their rules, and all of it as a short hash.

    ``rater`` is the model that tells the rating where none of the others does. ``told`` are the
    sentences that a person has read in this run.
    """

    parts: tuple[Part, ...]
    vote: int
    rule: str
    rater: Part | None = None
    told: dict[str, object] = field(default_factory=dict, compare=False)

    def tell(self, sentence: str) -> None:
        """Say something to the person at the keyboard, once in a run."""
        mine = object()
        if self.told.setdefault(sentence, mine) is mine:  # of many threads one is the first
            _log.warning(sentence)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The models' names."""
        return tuple(part.name for part in self.parts)

    @functools.cached_property
    def asked(self) -> tuple[Part, ...]:
        """The models, and the rater where they need one; raises UsageError if it is none."""
        if self.rater is None or any(part.tells_ratings for part in self.parts):
            return self.parts
        self.check_rater()
        return (*self.parts, self.rater)

    def check_rater(self) -> None:
        """Raise UsageError for a rater that tells no ratings; its files are there."""
        if self.rater and not self.rater.tells_ratings:
            raise UsageError(f"rating: {self.rater.name} tells no ratings; those of the WD family "
                             "do, such as wd-vit-v3")  # fmt: skip

    def answers(
        self, record: Record, *, embeddings: bool = False
    ) -> tuple[dict[str, dict[str, Any]], dict[str, tuple[str, bytes]]]:
        """The models' facts, from the record or by a look; and what looks told beside as numbers.

        Where the model tells numbers, its fact says under ``embedding`` whether they are kept.
        """
        content = content_print(record.picture)
        images: dict[int, Image] = {}
        answers: dict[str, dict[str, Any]] = {}
        found: dict[str, tuple[str, bytes]] = {}
        for part in self.asked:
            who = part.identity
            print_ = part.print_of(content, who)
            if not part.needs_look(record, print_, embeddings=embeddings):
                answers[part.name] = record.facts["tag"][part.name]
                continue
            fact, features = part.looked(record.picture, images)
            answers[part.name] = fact | {"print": print_, "model": who}
            numbers = None if features is None else _halved(features)
            if numbers:
                answers[part.name]["embedding"] = embeddings
                if embeddings:
                    found[part.name] = (print_, numbers)
        return answers, found

    def said(self, facts: Mapping[str, Mapping[str, Any]]) -> list[Tag]:
        """The tags of all models together, characters first."""
        answers = {part.name: part.chosen(facts[part.name]) for part in self.parts}
        if len(self.parts) == 1:
            ((name, lines),) = answers.items()
            return [Tag(line.name, line.kind, (name,), line.probability) for line in lines]
        return self._voted(answers)

    def explained(self, facts: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Explained]]:
        """For each model's name what it sees, what becomes of it, and what the vote says to that.

        Of the rater only the ratings are told.
        """
        told = {part.name: part.explained(facts[part.name]) for part in self.parts}
        if len(told) > 1:
            taken = {name: [line for line in lines if line.taken and line.kind != RATING]
                     for name, lines in told.items()}  # fmt: skip
            stand = {tag.name for tag in self._voted(taken)}
            votes = Counter(line.name for lines in taken.values() for line in lines)
            for lines in told.values():
                lines[:] = [
                    line if line.why or line.kind == RATING or line.name in stand
                    else replace(line, why=self._outvoted(votes[line.name])) for line in lines
                ]  # fmt: skip
        for part in self.asked[len(self.parts) :]:
            told[part.name] = _ratings(facts[part.name])
        return told

    def _outvoted(self, votes: int) -> str:
        return f"{votes} vote{'s' * (votes != 1)} of {self.vote}" if self.vote else "outvoted"

    @functools.cached_property
    def strange_drops(self) -> tuple[str, ...]:
        """For each name to drop that no model could say, a sentence with what may be meant."""
        dropped = self.parts[0].rule.drop
        names = {name for part in self.parts if dropped for name in part.vocabulary.names}
        return tuple(
            f"drop: no tag of {' or '.join(self.names)} is '{pattern}'{_near(pattern, names)}"
            for pattern in dropped
            if not any(matches(name, pattern) for name in names)
        )

    def knows(self, name: str) -> bool:
        """Say whether any of the models could have said this tag."""
        return any(name in part.vocabulary.names for part in self.parts)

    def _voted(self, answers: Mapping[str, list[Explained]]) -> list[Tag]:
        knows = {part.name: part.vocabulary.names for part in self.parts}
        return voted(answers, knows, self.vote)


def _near(pattern: str, names: Collection[str]) -> str:
    """What may be meant by a name or pattern: another case of it, else the nearest name."""
    lower = pattern.lower()
    if any(matches(name.lower(), lower) for name in names):
        near = [lower] if any(matches(name, lower) for name in names) else [
            name for name in names if matches(name.lower(), lower)
        ]  # fmt: skip
    else:
        near = get_close_matches(from_caption(lower), sorted(names), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def sureness(facts: Mapping[str, Mapping[str, Any]]) -> Callable[[str, str], float | None]:
    """How surely a model saw a tag, by the facts of a record; None where it did not."""

    def sure(model: str, name: str) -> float | None:
        kinds: Iterable[Mapping[str, float]] = facts.get(model, {}).get("seen", {}).values()
        return next((seen[name] for seen in kinds if name in seen), None)

    return sure


def _halved(features: "NDArray[np.float32]") -> bytes | None:
    """The numbers as float16, half the bytes; None where one is none or does not fit."""
    import numpy as np

    with np.errstate(over="ignore"):
        halved = features.astype("<f2")
    return halved.tobytes() if np.isfinite(halved).all() else None
