"""The tags of a set: how often each stands, by kind, and how long the captions are."""

from collections import Counter
from functools import lru_cache

from datasetkit.inspectors.report.charts import Bars, Columns, bars, histogram
from datasetkit.record import Record, Tag
from datasetkit.tags import to_caption
from datasetkit.tokens import CHUNKS, count

# Artists stand where the pictures come from.
_KINDS = ("general", "trigger", "character", "copyright", "outfit", "species", "quality", "meta",
          "lore")  # fmt: skip
_SHOWN = {"general": 40}  # tags of a kind that are shown; of the others:
_FEW = 12
_SUGGESTED = 40  # letters; who types the first of a longer one finds it too


class Tags:
    """Counts tags and measures captions."""

    def __init__(self) -> None:
        self._kinds: dict[str, Counter[str]] = {}
        self._tokens: Counter[int] = Counter()
        self._per_picture: Counter[int] = Counter()
        self.pictures = 0
        self.untagged = 0

    def add(self, record: Record) -> None:
        """Take a picture in."""
        self.pictures += 1
        for tag in record.tags:
            self._kinds.setdefault(tag.kind, Counter())[said(tag)] += 1
        self._per_picture[len(record.tags)] += 1
        if record.tags:
            self._tokens[_tokens([said(tag) for tag in record.tags])] += 1
        else:
            self.untagged += 1

    @property
    def different(self) -> int:
        """How many tags there are, each counted once."""
        return sum(map(len, self._kinds.values()))

    @property
    def median(self) -> int:
        """How many tags stand on the picture in the middle."""
        return sorted(self._per_picture.elements())[self.pictures // 2] if self.pictures else 0

    def commonest(self, number: int) -> list[str]:
        """The tags that stand on the most pictures."""
        counts: Counter[str] = Counter()
        for kind in self._kinds.values():
            counts.update(kind)
        return [name for name, _ in _ranked(counts)[:number] if len(name) <= _SUGGESTED]

    def by_kind(self) -> list[Bars]:
        """A list a kind: the tags that stand on the most pictures."""
        known = {kind: place for place, kind in enumerate(_KINDS)}
        kinds = sorted(
            self._kinds.keys() - {"artist"},
            key=lambda k: (known.get(k, 99), k),
        )
        found = []
        for kind in kinds:
            counts = self._kinds[kind]
            shown = _ranked(counts)[: _SHOWN.get(kind, _FEW)]
            left = len(counts) - len(shown)
            once = sum(number == 1 for number in counts.values())
            more = [f"and {left:,} more"] if left else []
            more += [f"{once:,} on one picture only"] if once and left else []
            found.append(bars(kind, shown, self.pictures, linked=True, more=", ".join(more)))
        return found

    def lengths(self) -> Columns | None:
        """How long the captions are in tokens, with the mark where trainers cut them."""
        longest = max(self._tokens, default=0)
        mark = (CHUNKS[0], f"{CHUNKS[0]}") if longest > CHUNKS[0] else None
        return histogram("tokens in a caption", self._tokens, mark=mark)


def said(tag: Tag) -> str:
    """A tag as the caption has it."""
    return tag.name if tag.kind == "trigger" else to_caption(tag.name)


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _tokens(words: list[str]) -> int:
    """The tokens of a caption: CLIP cuts at blanks first, so each tag counts for itself."""
    return sum(_with_comma(word) for word in words[:-1]) + count(words[-1])


@lru_cache(maxsize=16_384)
def _with_comma(word: str) -> int:
    return count(f"{word},")
