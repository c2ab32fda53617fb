"""The trigger: the word that all captions share, in front, so that it learns what they share."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasetkit.exporters.chosen import fixed_tags
from datasetkit.inspectors.findings.finding import LOOK, WRONG, Finding, some
from datasetkit.inspectors.findings.seen import Seen
from datasetkit.recipe import USUAL
from datasetkit.record import Record
from datasetkit.tags import from_caption, to_caption

MOST = 0.8  # of the pictures that a character's tag, or one in front, is on to pass for the trigger
FEW = 10  # pictures, below which nothing passes for one
HOW = "dsk clean --only --first WORD"


@dataclass(frozen=True)
class Word:
    """A trigger as it is written; ``sure`` where somebody said that it is one.

    ``names`` are all of a set for several things, in booru form; each picture has to have one.
    """

    text: str = ""
    sure: bool = False
    names: frozenset[str] = frozenset()


def word_of(
    records: Iterable[Record], history: Sequence[Mapping[str, Any]], asked: str = ""
) -> Word:
    """The trigger: what was asked for, what is one by its kind or `dsk clean --first`, or a guess.

    Guessed is a character that most pictures show, or a word that leads most captions.
    """
    if asked:
        return _sure(asked)
    triggers, characters, leads = Counter[str](), Counter[str](), Counter[str]()
    total = 0
    for record in records:
        total += 1
        triggers.update(tag.name for tag in record.tags if tag.kind == "trigger")
        characters.update(tag.name for tag in record.tags if tag.kind == "character")
        if record.tags and record.tags[0].kind == "general":
            leads[record.tags[0].name] += 1
    firsts = [
        call["clean"]["first"]
        for line in history
        for call in line.get("stages", ())
        if call.get("clean", {}).get("first")
    ]
    if triggers:
        return _sure(*(name for name, _ in triggers.most_common()))
    if firsts and characters[from_caption(firsts[-1])]:  # a character's tag stays one
        return _sure(firsts[-1])
    name = guessed(characters, total, of_characters=True) or guessed(leads, total)
    return Word(to_caption(name), names=frozenset({name})) if name else Word()


def guessed(counts: Counter[str], total: int, *, of_characters: bool = False) -> str:
    """The name that stands on so many pictures that it passes for the trigger; "" for none."""
    name, number = next(iter(counts.most_common(1)), ("", 0))
    telling = of_characters or not _is_plain(name)
    return name if number >= MOST * total and total >= FEW and telling else ""


class Trigger:
    """Looks for the trigger in each caption."""

    def __init__(self, word: Word) -> None:
        self._word = word
        self._total = 0
        self._lacking: list[str] = []
        self._behind: list[str] = []
        self._first_behind = ""

    def add(self, record: Record, seen: Seen) -> None:
        """Take a caption in; one without tags is a finding of its own."""
        self._total += 1
        triggers = self._word.names
        if not (triggers and record.tags):
            return
        names = [from_caption(tag.name) for tag in record.tags]
        if triggers.isdisjoint(names):
            if triggers.isdisjoint(map(from_caption, record.removed)):  # else on purpose
                self._lacking.append(record.key)
        elif triggers.isdisjoint(names[: max(USUAL.keep_tokens, fixed_tags(record))]):
            self._behind.append(record.key)
            there = next(tag for tag in record.tags if from_caption(tag.name) in triggers)
            self._first_behind = self._first_behind or to_caption(from_caption(there.name))

    def findings(self) -> Iterator[Finding]:
        """What was found."""
        word = self._word.text
        if not word:
            if self._total >= FEW:
                text = "no word leads the captions, by which what is learned could be called"
                yield Finding(LOOK, "no trigger", f"{text} ({HOW} puts one there)")
            return
        several = len(self._word.names) > 1
        mend: tuple[str, ...] = ("clean", "--only", "--first", word)
        if keys := self._lacking:
            lacks = some(len(keys), self._total, "lacks", "lack")
            level = WRONG if self._word.sure else LOOK
            more = f" and the {len(self._word.names) - 1} others" * (len(self._word.names) > 1)
            text = f"{lacks} the trigger {word!r}{more}"
            # Which of several is meant, a person has to say; and --first takes their place.
            yield Finding(level, "no trigger", text, tuple(keys), () if several else mend)
        if keys := self._behind:
            have = some(len(keys), self._total, "has", "have")
            it = "the trigger" if several else repr(word)
            if several:
                other = self._first_behind
                mend = ("clean", "--only", "--where", f'"{other}"', "--first", other)
            text = f"{have} {it} behind other tags, and it is shuffled away with them"
            yield Finding(LOOK, "trigger behind", text, tuple(keys), mend)


def _sure(*texts: str) -> Word:
    return Word(texts[0], True, frozenset(map(from_caption, texts)))


def _is_plain(name: str) -> bool:
    """Say whether a tag leads captions because boorus and taggers put it there."""
    return any(sign.isdigit() for sign in name[:1]) or name in {
        "solo", "masterpiece", "best_quality", "no_humans", "multiple_girls", "multiple_boys",
    }  # fmt: skip
