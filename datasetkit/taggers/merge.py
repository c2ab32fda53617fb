"""What becomes of the tags that stand when a model has spoken."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from datasetkit.errors import UsageError, did_you_mean
from datasetkit.record import HAND, Tag

MODES = ("union", "prefer-booru", "prefer-model", "only-missing", "replace")
# What a person wrote: here, or in the caption that came with a folder's picture.
WRITTEN = frozenset({HAND, "folder"})

Sure: TypeAlias = Callable[[str, str], float | None]  # a model, a tag: how sure it was of that


def _nobody(_model: str, _name: str) -> None:
    """What is told of other models where nothing is known of them."""


@dataclass(frozen=True)
class Merged:
    """The tags as they are now, and those of others that were set aside for the model's."""

    tags: tuple[Tag, ...]
    aside: tuple[Tag, ...] = ()


def check_mode(mode: str) -> None:
    """Raise UsageError for a word that is none of MODES."""
    if mode not in MODES:
        raise UsageError(f"there is no way to merge '{mode}'; {did_you_mean(mode, MODES)}")


def merged(
    standing: Iterable[Tag],
    said: Iterable[Tag],
    models: Iterable[str],
    mode: str = "union",
    *,
    knows: Callable[[str], bool] = lambda name: True,
    taggers: Iterable[str] = (),
    sure: Sure = _nobody,
    bare: bool = False,
    dropped: Collection[str] = (),
) -> Merged:
    """Merge the tags that stand with what these models say now; ``taggers`` are all there are.

    What the models said before and say no longer goes, or stays with those others who say it; a
    tag that a person wrote is never touched. A tag is as sure as the models that say it are on
    average (``sure`` tells that of other models), and wholly so where no model does. New tags come
    last, in the order given. ``union`` keeps what either says. ``prefer-booru`` adds only to the
    kinds in which no site said anything. ``prefer-model`` sets aside what the models know
    (``knows``) and do not see, ``replace`` all that they do not see. ``only-missing`` speaks of
    pictures alone that have no tags of others. A trigger word stands in any case. What was
    ``dropped`` is not added.

    What a person adds to a site's tags, or to those of models on a picture that was ``bare``
    before them, is no list of its own: for ``prefer-booru`` and ``only-missing`` it says nothing.
    """
    models = frozenset(models)
    machines = models | frozenset(taggers)
    standing = list(standing)
    never = set(dropped) - {tag.name for tag in standing}
    fresh = {tag.name: tag for tag in said if tag.name and tag.name not in never}
    if mode in {"only-missing", "prefer-booru"}:
        fresh = _asked_for(fresh, standing, models, machines, mode=mode, bare=bare)
    tags: list[Tag] = []
    aside: list[Tag] = []
    for tag in standing:
        now = fresh.pop(tag.name, None)
        if HAND in tag.by or tag.kind == "trigger":
            tags.append(tag)
            continue
        rest = tuple(who for who in tag.by if who not in models)
        if now is not None:
            by = (*tag.by, *(who for who in now.by if who not in tag.by))
            by = tuple(who for who in by if who not in models or who in now.by)
            others = [who for who in rest if who in machines]
            score = _score(now, others, sure) if others else now.score
            same = by == tag.by and score == tag.score
            tags.append(tag if same else replace(tag, by=by, score=score))
        elif rest:
            plain = tag if rest == tag.by else without(tag, models, machines, sure)
            gone = mode == "replace" or (mode == "prefer-model" and knows(tag.name))
            (aside if gone and not WRITTEN & set(rest) else tags).append(plain)
    return Merged((*tags, *fresh.values()), tuple(aside))


def _asked_for(
    fresh: dict[str, Tag], standing: list[Tag], models: frozenset[str], machines: frozenset[str],
    *, mode: str, bare: bool,
) -> dict[str, Tag]:  # fmt: skip
    """What of the models' tags is wanted beside those of others."""
    named = [(tag, set(tag.by)) for tag in standing if tag.kind != "trigger"]
    of_a_site = any(by - machines - {HAND} for _, by in named)
    mute = {HAND} if of_a_site or (bare and any(by & machines for _, by in named)) else set()
    if mode == "only-missing":
        return {} if any(by - models - mute for _, by in named) else fresh
    told = {tag.kind for tag, by in named if by - machines - mute}
    names = {tag.name for tag, by in named if by - models}
    return {name: tag for name, tag in fresh.items() if name in names or tag.kind not in told}


def _score(now: Tag, others: Sequence[str], sure: Sure) -> float:
    """How sure those are on average who say a tag: these models ``now``, and other models."""
    known = [one for who in others if (one := sure(who, now.name)) is not None]
    return round((now.score * len(now.by) + sum(known)) / (len(now.by) + len(known)), 4)


def without(
    tag: Tag, models: Collection[str], machines: Collection[str], sure: Sure = _nobody
) -> Tag:
    """A tag without what some models say to it; ``by`` may be empty then."""
    by = tuple(who for who in tag.by if who not in models)
    known = [one for who in by if who in machines and (one := sure(who, tag.name)) is not None]
    return replace(tag, by=by, score=round(sum(known) / len(known), 4) if known else 1.0)


def back_from_aside(standing: Iterable[Tag], aside: Iterable[Tag]) -> list[Tag]:
    """The tags that stand with those that an earlier merging set aside, to be judged anew."""
    tags = {tag.name: tag for tag in standing}
    for tag in aside:
        mine = tags.get(tag.name)
        if mine is None:
            tags[tag.name] = tag
        elif not WRITTEN & set(mine.by):
            by = tuple(dict.fromkeys((*tag.by, *mine.by)))
            tags[tag.name] = replace(mine, kind=tag.kind, by=by)
    return list(tags.values())
