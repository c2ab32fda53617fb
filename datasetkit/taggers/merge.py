"""What becomes of the tags that stand when a model has spoken."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from datasetkit.errors import UsageError, did_you_mean
from datasetkit.record import HAND, Tag

MODES = ("union", "prefer-booru", "prefer-model", "only-missing", "replace")
# What a person wrote: here, or in the caption that came with a folder's picture.
WRITTEN = frozenset({HAND, "folder"})


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
) -> Merged:
    """Merge the tags that stand with what these models say now; ``taggers`` are all there are.

    What the models said before and say no longer goes, or stays with those others who say it (and
    then with their full score); a tag that a person wrote is never touched. New tags come last, in
    the order given. ``union`` keeps what either says. ``prefer-booru`` adds only to the kinds in
    which no site said anything. ``prefer-model`` sets aside what the models know (``knows``) and
    do not see, ``replace`` all that they do not see. ``only-missing`` speaks of pictures alone
    that have no tags of others. A trigger word stands in any case.
    """
    models = frozenset(models)
    machines = models | frozenset(taggers)
    fresh = {tag.name: tag for tag in said if tag.name}
    standing = list(standing)
    others = [tag for tag in standing if tag.kind != "trigger" and set(tag.by) - models]
    if mode == "only-missing" and others:
        fresh = {}
    if mode == "prefer-booru":
        told = {tag.kind for tag in others if set(tag.by) - machines}
        names = {tag.name for tag in others}
        fresh = {name: tag for name, tag in fresh.items() if name in names or tag.kind not in told}
    tags: list[Tag] = []
    aside: list[Tag] = []
    for tag in standing:
        now = fresh.pop(tag.name, None)
        rest = tuple(who for who in tag.by if who not in models)
        if HAND in tag.by or tag.kind == "trigger":
            tags.append(tag)
        elif now is not None:
            by = (*tag.by, *(who for who in now.by if who not in tag.by))
            by = tuple(who for who in by if who not in models or who in now.by)
            same = by == tag.by and now.score == tag.score
            tags.append(tag if same else replace(tag, by=by, score=now.score))
        elif rest:
            plain = tag if rest == tag.by else replace(tag, by=rest, score=1.0)
            gone = mode == "replace" or (mode == "prefer-model" and knows(tag.name))
            (aside if gone and not WRITTEN & set(rest) else tags).append(plain)
    return Merged((*tags, *fresh.values()), tuple(aside))


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
