"""Captions no longer than a trainer reads: CLIP's tokens counted, the least sure tags dropped."""

from collections.abc import Iterable

from datasetkit.cleaners.tags.rules.order import fixed
from datasetkit.cleaners.tags.rules.patterns import NOTHING, Patterns
from datasetkit.cleaners.tags.rules.remembered import MOST
from datasetkit.cleaners.tags.rules.words import BY_HAND, Tags, watched
from datasetkit.dataset.captions import caption_of
from datasetkit.record import Record, Tag
from datasetkit.tokens import count

KINDS = frozenset({"trigger", "character", "quality", "outfit"})  # what a caption is asked by


def length(tags: Iterable[Tag]) -> int:
    """How many tokens the caption of these tags is for CLIP, without begin and end marks."""
    last = 0
    total = 0
    for tag in tags:
        size, last = (_TRIGGERS if tag.kind == "trigger" else _OTHERS)[tag.name]
        total += size
    return total + last


class _Sizes(dict[str, tuple[int, int]]):
    """By name, a tag's tokens with the comma behind it, and what is less without the comma.

    A blank follows each comma, over which CLIP joins nothing: a caption is the sum of its tags.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def __missing__(self, name: str) -> tuple[int, int]:
        if len(self) >= MOST:
            self.clear()
        word = caption_of([name], [self._kind])
        size = count(f"{word},")
        self[name] = sizes = size, count(word) - size
        return sizes


_TRIGGERS, _OTHERS = _Sizes("trigger"), _Sizes("general")


class Limit:
    """A rule of captions: drops tags until no more than ``most`` tokens are left; 0 drops none.

    The least sure goes first, of equals the last. The fixed head stays, and what was typed by
    hand, what is ``wanted``, the character and the words of quality; where these alone are too
    many, so they stay.
    """

    def __init__(self, most: int = 0, keep: int = 0, wanted: Patterns = NOTHING) -> None:
        self._most, self._keep, self._wanted = most, keep, wanted

    def __call__(self, tags: Tags, record: Record) -> Tags:
        """Return the tags that there is room for."""
        if not self._most or length(tags) <= self._most:
            return tags
        head = fixed(tags, record, self._keep)
        places = [place for place in range(head, len(tags)) if self._may_go(tags[place])]
        places.sort(key=lambda place: (tags[place].score, -place))
        left = dict(enumerate(tags))
        for place in places:
            del left[place]
            if length(left.values()) <= self._most:
                break
        return tuple(left.values()) if places else tags

    def _may_go(self, tag: Tag) -> bool:
        if tag.kind in KINDS or tag.by == BY_HAND or self._wanted.means(tag.name, tag.kind):
            return False
        return not watched(tag.name)
