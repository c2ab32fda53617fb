"""The ``tag`` stage: models add what a picture's tags miss, and what they saw is kept."""

import functools
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasetkit.dataset.embeddings import path_of
from datasetkit.dataset.places import MEMORY
from datasetkit.errors import UsageError
from datasetkit.pixels import Picture
from datasetkit.record import Record, Tag
from datasetkit.stage import Map, opt
from datasetkit.taggers.choose import (
    KEPT,
    Explained,
    Rule,
    chosen,
    explained,
    rule_for,
    seen_in,
    voted,
)
from datasetkit.taggers.content import content_print
from datasetkit.taggers.labels import Vocabulary
from datasetkit.taggers.merge import back_from_aside, check_mode, merged
from datasetkit.taggers.models import BEST, DEFAULT, MODELS, Model, fast_model, model_named
from datasetkit.taggers.prepare import VERSION
from datasetkit.taggers.spec import FILE, RATING
from datasetkit.taggers.tagger import check, identity, loaded, vocabulary_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image


@dataclass(frozen=True)
class Tagging(Map):
    """Add the tags that tagger models see and the booru missed.

    A model is a short name that `dsk models list` shows, a repository on Hugging Face, or a folder
    with model.onnx and its label list (a tagger.yaml beside them describes what dsk does not
    know). What it says is added to the tags that stand: a booru's tag gains the model's name and
    score, a tag set by hand or by the caption of a folder is not touched, one that a person
    deleted does not come back. What the model saw is kept, so that other thresholds or another
    merging cost no second look: the models' own tags follow, and what was set aside comes back.
    The rating and its probabilities are facts, no tags.

    `dsk tag --explain picture.png` shows what a model sees on one picture and why that becomes a
    tag or not. `dsk tag --compare` measures a model by the booru's own tags: precision, recall and
    F1 by tag and kind, the thresholds that agree best, and what each side misses; it writes a CSV
    and a plot to compare/ in the dataset, whose records stay as they are.

    Merging: union; prefer-booru adds only kinds of tags in which the booru said nothing;
    prefer-model sets aside what the model knows and does not see; only-missing tags pictures
    without any tags; replace sets aside all but the model's. Several models vote: more than half
    of those that know a tag must be sure of it, each by its own thresholds, or as many as --vote
    says; a tag's score is their mean.
    """

    model: str = opt(DEFAULT, "a short name, a repository or a folder; several with commas")
    fast: bool = opt(False, "the quickest model instead: wd-convnext-v3, by its int8 copy if made")
    best: bool = opt(False, "the best model instead: wd-eva02-large-v3")
    threshold: float | None = opt(
        None, "how sure of a tag the model must be (default: the model's own, mostly 0.35)",
        ge=0, le=1,
    )  # fmt: skip
    character: float | None = opt(
        None, "how sure of a character's name (default: the model's own, mostly 0.85)", ge=0, le=1
    )
    thresholds: str = opt("", "by kind, such as copyright=.4,artist=.6; goes before the others")
    mcut: bool = opt(False, "cut each kind at the widest gap between its probabilities instead")
    merge: str = opt("union", "union, prefer-booru, prefer-model, only-missing or replace")
    vote: int = opt(0, "how many of several models must agree (0: more than half)", ge=0)
    limit: str = opt("", "the most tags of a kind, such as general=30,character=2, or one for all")
    drop: tuple[str, ...] = opt((), "never these tags of a model: names or patterns such as *_hair")
    embeddings: bool = opt(
        True, "keep what a picture is like as numbers, where the model tells them"
    )

    def check(self) -> None:
        """Raise UsageError for options that make no sense, ModelError for a model not to be had."""
        for part in _plan(self).parts:
            check(part.model)

    def __call__(self, record: Record) -> Record:
        """Return the record with the models' tags, the same record where it has them already."""
        plan = _plan(self)
        facts: Mapping[str, Any] = record.facts.get("tag", {})
        answers, embeddings = plan.answers(record, embeddings=self.embeddings)
        if all(answers[name].get("rule") == plan.rule for name in plan.names):
            return record
        aside = [
            Tag(name, kind, tuple(by), score)
            for fact in (facts.get(name, {}) for name in plan.names)
            for name, kind, by, score in fact.get("aside", ())
        ]
        became = merged(
            back_from_aside(record.tags, aside), plan.said(answers), plan.names, self.merge,
            knows=plan.knows, taggers=facts,
        )  # fmt: skip
        kept = {name: {k: v for k, v in fact.items() if k != "aside"} | {"rule": plan.rule}
                for name, fact in answers.items()}  # fmt: skip
        if became.aside:
            kept[plan.names[0]]["aside"] = [
                [tag.name, tag.kind, list(tag.by), tag.score] for tag in became.aside
            ]
        became_so = record.with_tags(became.tags).with_facts("tag", {**facts, **kept})
        return replace(became_so, embeddings={**record.embeddings, **embeddings})

    @property
    def names(self) -> tuple[str, ...]:
        """The models' names, as they stand in ``by`` of tags and in ``facts["tag"]``."""
        return _plan(self).names

    def answers(self, record: Record) -> Mapping[str, Mapping[str, Any]]:
        """For each model's name what it sees: from the record's facts, or by a look where need be.

        The record is not changed. Raises PictureError for a picture that must be looked at and
        cannot be decoded.
        """
        return _plan(self).answers(record)[0]

    @property
    def parts(self) -> "tuple[Part, ...]":
        """The models, each with its rule."""
        return _plan(self).parts

    def explain(self, picture: Picture) -> Mapping[str, list[Explained]]:
        """For each model's name what it sees on a picture, and why that is a tag or not.

        The lines are sorted as tags are: by kind, then by falling probability; ratings come last.
        """
        return {part.name: part.explained(picture) for part in _plan(self).parts}


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

    def print_of(self, content: str) -> str:
        """What the answer depends on, as a short hash: content, model, preparation."""
        known = hashlib.blake2b(content.encode(), digest_size=8)
        known.update(repr((VERSION, identity(self.model, self.folder))).encode())
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
        """What it sees on the picture, as a fact; models that see as much share one decode."""
        tagger = loaded(self.model)
        image = tagger.glance(picture, images)
        scores, features = tagger.look(image, picture.size)
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

    def explained(self, picture: Picture) -> list[Explained]:
        """All that is seen, with what becomes of it, the ratings last."""
        fact, known = self.looked(picture, {})[0], self.vocabulary
        lines = explained(fact["seen"], self.rule, known.own, known.series)
        ratings = sorted(fact["ratings"].items(), key=lambda item: -item[1])
        return [
            *lines,
            *(Explained(name, RATING, score, 0.0, "" if name == fact["rating"] else "not the first")
              for name, score in ratings),
        ]  # fmt: skip

    @property
    def vocabulary(self) -> Vocabulary:
        """What it could say, without starting it where that can be."""
        if self.model.spec.format == "onnx":  # its list is inside of the model
            return loaded(self.model).vocabulary
        return vocabulary_of(self.folder, self.model.spec)


@dataclass(frozen=True)
class _Plan:
    """What a stage's options mean: its models with their rules, and all of it as a short hash."""

    parts: tuple[Part, ...]
    vote: int
    rule: str

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.parts)

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
        for part in self.parts:
            print_ = part.print_of(content)
            if not part.needs_look(record, print_, embeddings=embeddings):
                answers[part.name] = record.facts["tag"][part.name]
                continue
            fact, features = part.looked(record.picture, images)
            answers[part.name] = fact | {"print": print_}
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
        knows = {part.name: part.vocabulary.names for part in self.parts}
        return voted(answers, knows, self.vote)

    def knows(self, name: str) -> bool:
        """Say whether any of the models could have said this tag."""
        return any(name in part.vocabulary.names for part in self.parts)


def _halved(features: "NDArray[np.float32]") -> bytes | None:
    """The numbers as float16, half the bytes; None where one is none or does not fit."""
    import numpy as np

    with np.errstate(over="ignore"):
        halved = features.astype("<f2")
    return halved.tobytes() if np.isfinite(halved).all() else None


def _plan(stage: Tagging) -> _Plan:
    """The plan of a stage; made anew where a model's description has changed since."""
    stamps = []
    for text in stage.model.split(","):
        try:
            stamps.append(os.stat(Path(text.strip()) / FILE).st_mtime_ns)
        except (OSError, ValueError):
            stamps.append(0)
    return _planned(stage, Path.cwd(), *stamps)


@functools.lru_cache(maxsize=16)
def _planned(stage: Tagging, _folder: Path, *_stamps: int) -> _Plan:
    check_mode(stage.merge)
    chosen_by = [name for name in ("fast", "best") if getattr(stage, name)]
    if len(chosen_by) > 1 or (chosen_by and stage.model != DEFAULT):
        raise UsageError("one model at a time: a model's name, --fast or --best")
    texts = list(dict.fromkeys(part.strip() for part in stage.model.split(",") if part.strip()))
    if not texts:
        raise UsageError("model: the name of at least one model is needed")
    models = [model_named(text) for text in texts]
    if chosen_by:
        models = [fast_model() if stage.fast else MODELS[BEST]]
    if stage.vote > len(models):
        raise UsageError(f"vote: {stage.vote} models cannot agree where there are {len(models)}")
    parts = tuple(
        Part(
            model,
            rule_for(
                model.spec, threshold=stage.threshold, character=stage.character,
                thresholds=stage.thresholds, mcut=stage.mcut, limits=stage.limit, drop=stage.drop,
            ),
        )
        for model in models
    )  # fmt: skip
    names = [part.name for part in parts]
    if len(set(names)) < len(names):
        raise UsageError(f"two of the models are called {names[0]}; rename one's folder")
    essence = [
        (part.name, sorted(part.rule.thresholds.items()), sorted(part.rule.own),
         sorted(part.rule.gaps), sorted(part.rule.limits.items()), part.rule.drop)
        for part in parts
    ]  # fmt: skip
    known = hashlib.blake2b(repr((essence, stage.merge, stage.vote)).encode(), digest_size=8)
    return _Plan(parts, stage.vote, known.hexdigest())
