"""The ``tag`` stage: models add what a picture's tags miss, and what they saw is kept."""

import functools
import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datasetkit.errors import UsageError
from datasetkit.record import HAND, Record, Tag
from datasetkit.stage import Map, opt
from datasetkit.taggers.choose import rule_for
from datasetkit.taggers.explain import Explanation, judged
from datasetkit.taggers.merge import WRITTEN, back_from_aside, check_mode, merged, without
from datasetkit.taggers.models import BEST, DEFAULT, MODELS, fast_model, model_named
from datasetkit.taggers.order import placed, remembered
from datasetkit.taggers.parts import Part, Plan, sureness
from datasetkit.taggers.spec import FILE
from datasetkit.taggers.tagger import check


@dataclass(frozen=True)
class Tagging(Map):
    """Add the tags that tagger models see and the booru missed.

    A model is a short name that `dsk models list` shows, a repository on Hugging Face, or a folder
    with model.onnx and its label list (a tagger.yaml beside them describes what dsk does not
    know). What it says is added to the tags that stand: a booru's tag gains the model's name and
    score. What a person wrote always stays, by hand or in the caption that came with a folder's
    picture. What a person deleted does not come back, nor what `dsk clean` dropped.

    What the model saw is kept, so that other thresholds or another merging cost no second look:
    the models' own tags follow, and what was set aside comes back, each to its place. Two models
    whose folders have one name are one to dsk, and the later takes the other's place. To take a
    model back: `dsk undo` right after it, and later `dsk tag --model NAME --drop "*"`, which
    takes out all its tags and brings back what it set aside. The rating and its probabilities are
    facts, no tags (`dsk info` counts them, --where model_rating:g asks for them); where the model
    tells no rating, --rating names one that does, of which nothing else is taken.

    Merging: union; prefer-booru adds only kinds of tags in which nobody said anything before;
    prefer-model sets aside a booru's tags that the model knows and does not see; only-missing
    tags pictures without any tags; replace sets aside all tags of a booru that the model does not
    see. None of them sets aside a person's words. For prefer-booru and only-missing a caption that
    came with a folder, or that you wrote yourself, is a list as a booru's is; words that you add
    to a booru's or a model's tags are none.

    Several models vote: more than half of those that know a tag must be sure of it, each by its
    own thresholds. With --vote 3 three must say it, so that a tag which only two of the models
    know is never given. A tag's score is the mean of those who say it.

    `dsk tag --explain picture.png` shows what a model sees on one picture and why that becomes a
    tag or not; a picture of the dataset (its file's name will do) is judged beside its own tags.
    `dsk tag --compare` measures a model by the booru's own tags, or where there are none by the
    captions, edits by hand included: precision, recall and F1 by tag and kind, the thresholds that
    agree best, and what each side misses; of several models also the vote. All that the model says
    counts, though no picture has the tag; kinds that a booru need not tell (meta, species, quality
    ...) count where it tells any. A tag that you deleted is not asked for on that picture, and
    captions in prose are passed over. It writes a CSV and a plot to compare/ in the dataset, whose
    records stay as they are.
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
    vote: int = opt(
        0, "how many of several models must say a tag (0: more than half of those that know it)",
        ge=0,
    )  # fmt: skip
    limit: str = opt("", "the most tags of a kind, such as general=30,character=2, or one for all")
    drop: tuple[str, ...] = opt((), "never these tags of a model: names or patterns such as *_hair")
    rating: str = opt(
        "", "another model that tells the rating, where the chosen one tells none (wd-vit-v3)"
    )
    embeddings: bool = opt(
        True, "keep what a picture is like as numbers, where the model tells them"
    )

    @property
    def remembers(self) -> bool:
        """What the models saw is its memory."""
        return True

    @property
    def heavy(self) -> bool:
        """It asks a model."""
        return True

    def check(self) -> None:
        """Raise UsageError for options that make no sense, ModelError for a model not to be had."""
        plan = _plan(self)
        plan.told.clear()
        for part in plan.parts:
            check(part.model)
        if plan.rater:
            check(plan.rater.model)
            if plan.rater.model.check():  # it is here, so what it can say is known now
                plan.check_rater()
        if self.drop and all(part.model.check() for part in plan.parts):
            self._say_strange_drops(plan)

    def __call__(self, record: Record) -> Record:
        """Return the record with the models' tags, the same record where it has them already."""
        plan = _plan(self)
        facts: Mapping[str, Any] = record.facts.get("tag", {})
        _check_names(plan.names, record)
        if self.drop:
            self._say_strange_drops(plan)
        answers, embeddings = plan.answers(record, embeddings=self.embeddings)
        for name in answers.keys() - set(plan.names):  # a new look takes nothing from the rater
            answers[name] = {k: facts[name][k] for k in ("aside", "bare", "places")
                             if k in facts.get(name, {})} | answers[name]  # fmt: skip
        if all(answers[name].get("rule") == plan.rule for name in plan.names):
            if all(fact == facts.get(name) for name, fact in answers.items()):
                return record
            became = record.with_facts("tag", {**facts, **answers})  # a rating was all that lacked
        else:
            became = self._merged(plan, record, answers)
            self._say_what_is_odd(plan, facts, became)
        return replace(became, embeddings={**record.embeddings, **embeddings})

    def _merged(self, plan: Plan, record: Record, answers: Mapping[str, dict[str, Any]]) -> Record:
        """The record with what the models say now in place of what they said before."""
        facts: Mapping[str, Any] = record.facts.get("tag", {})
        machines = {*facts, *plan.names}
        bare = any(fact.get("bare") for fact in facts.values()) or (
            not facts and not any(tag.kind != "trigger" for tag in record.tags)
        )
        aside = [tag for name in plan.names for tag in _aside(facts.get(name, {}))]
        held = [tag for tag in aside if tag.name in record.dropped and not record.has(tag.name)]
        sure = sureness({**facts, **answers})
        became = merged(
            back_from_aside(record.tags, [tag for tag in aside if tag not in held]),
            plan.said(answers), plan.names, self.merge, knows=plan.knows, taggers=machines,
            sure=sure, bare=bare, dropped=record.dropped,
        )  # fmt: skip
        kept = {name: dict(fact) for name, fact in {**facts, **answers}.items()}
        for name in plan.names:
            kept[name] = {k: v for k, v in kept[name].items() if k != "aside"}
            kept[name] |= {"rule": plan.rule} | ({"bare": True} if bare else {})
        for name in facts.keys() - set(plan.names):  # another's aside holds nothing of these models
            if "aside" in kept[name]:
                left = (without(tag, plan.names, machines, sure) for tag in _aside(kept[name]))
                kept[name]["aside"] = _rows(tag for tag in left if tag.by)
        if became.aside or held:
            kept[plan.names[0]]["aside"] = _rows([*became.aside, *held])
        for fact in kept.values():
            fact.pop("places", None)
        places = {name: place for fact in facts.values()
                  for name, place in fact.get("places", {}).items()}  # fmt: skip
        order = remembered(record.names, places)
        known = {tag.name for tag in became.tags} | (_names_in(kept) - record.removed)
        tags, places = placed(became.tags, [name for name in order if name in known], machines)
        if places:  # the caption is one, whichever models went over it
            kept[plan.names[0]]["places"] = places
        return record.with_tags(tags).with_facts("tag", kept)

    def _say_strange_drops(self, plan: Plan) -> None:
        for sentence in plan.strange_drops:
            plan.tell(sentence)

    def _say_what_is_odd(self, plan: Plan, facts: Mapping[str, Any], became: Record) -> None:
        """Tell a person what he may not expect of this picture, and what helps."""
        for name in plan.names:
            before = facts.get(name, {}).get("model")
            if before and before != became.facts["tag"][name]["model"]:
                plan.tell(
                    f"{name} is not the model that tagged here before under this name, or not "
                    "asked as it was: what that one said is replaced. To keep both, take this "
                    "back (dsk undo) and give one's folder another name"
                )
        if self.merge in {"replace", "prefer-model"} and any(
            "folder" in tag.by and not {HAND, *plan.names} & set(tag.by)
            and (self.merge == "replace" or plan.knows(tag.name))
            for tag in became.tags
        ):  # fmt: skip
            plan.tell(
                f"captions that came with a folder are a person's words, which {self.merge} "
                "leaves where they are; dsk clean --drop takes out those that should go"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The models' names, as they stand in ``by`` of tags and in ``facts["tag"]``."""
        return _plan(self).names

    def answers(self, record: Record) -> Mapping[str, Mapping[str, Any]]:
        """For each model's name what it sees: from the record's facts, or by a look where need be.

        The record is not changed. Raises PictureError for a picture that must be looked at and
        cannot be decoded.
        """
        return replace(_plan(self), rater=None).answers(record)[0]

    @property
    def parts(self) -> tuple[Part, ...]:
        """The models, each with its rule."""
        return _plan(self).parts

    def explain(self, record: Record) -> Explanation:
        """What each model sees on a picture, and why that becomes a tag or not.

        The record is not changed. One without tags is judged as a picture of no dataset is.
        """
        plan = _plan(self)
        answers = plan.answers(record)[0]
        done = all(answers[name].get("rule") == plan.rule for name in plan.names)
        became = self._merged(plan, record, answers)
        lines = {
            name: judged(told, name, record, became, self.merge, done=done)
            for name, told in plan.explained(answers).items()
        }
        return Explanation(lines, tuple(_aside(became.facts["tag"][plan.names[0]])))


def _aside(fact: Mapping[str, Any]) -> Iterable[Tag]:
    """The tags that a model's last merging set aside."""
    return (Tag(name, kind, tuple(by), score) for name, kind, by, score in fact.get("aside", ()))


def _names_in(facts: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """All names that another way of tagging could bring back: seen by a model, or set aside."""
    seen = {name for fact in facts.values() for names in fact["seen"].values() for name in names}
    return seen | {tag.name for fact in facts.values() for tag in _aside(fact)}


def _rows(tags: Iterable[Tag]) -> list[list[Any]]:
    return [[tag.name, tag.kind, list(tag.by), tag.score] for tag in tags]


def _check_names(names: Collection[str], record: Record) -> None:
    """Raise UsageError for a model called as one of the picture's sites: it would speak for it."""
    for origin in (record.origin, *record.also):
        if origin.site in names:
            raise UsageError(f"a model is called '{origin.site}', as a site is that tagged these "
                             "pictures; rename its folder")  # fmt: skip


def _plan(stage: Tagging) -> Plan:
    """The plan of a stage; made anew where a model's description has changed since."""
    stamps = []
    for text in (*stage.model.split(","), stage.rating):
        try:
            stamps.append(os.stat(Path(text.strip()) / FILE).st_mtime_ns)
        except (OSError, ValueError):
            stamps.append(0)
    return _planned(stage, Path.cwd(), *stamps)


@functools.lru_cache(maxsize=16)
def _planned(stage: Tagging, _folder: Path, *_stamps: int) -> Plan:
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
    rater = None
    if stage.rating.strip():
        named = model_named(stage.rating.strip())
        rater = Part(named, rule_for(named.spec))
    others = [rater.name] if rater and rater.model not in models else []
    names = [*(part.name for part in parts), *others]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two of the models are called {name}; rename one's folder")
        if name in WRITTEN:
            raise UsageError(f"a model is called '{name}', as a person's own words are; "
                             "rename its folder")  # fmt: skip
    essence = [
        (part.name, sorted(part.rule.thresholds.items()), sorted(part.rule.own),
         sorted(part.rule.gaps), sorted(part.rule.limits.items()), part.rule.drop)
        for part in parts
    ]  # fmt: skip
    known = hashlib.blake2b(repr((essence, stage.merge, stage.vote)).encode(), digest_size=8)
    return Plan(parts, stage.vote, known.hexdigest(), rater)
