"""Captions: missing ones, too long ones, and what a trainer would learn that was not meant."""

import html
import re
from collections.abc import Iterator

from datasetkit.cleaners.tags.rules.tokens import KINDS, Limit, length
from datasetkit.inspectors.findings.finding import (
    AT_ONCE,
    LOOK,
    WRONG,
    Finding,
    listed,
    names_of,
    some,
)
from datasetkit.inspectors.findings.seen import Seen
from datasetkit.record import HAND, Record
from datasetkit.tags import from_caption
from datasetkit.tokens import CHUNKS

_ESCAPED = re.compile(r"\\\([^()\\]*\\\)")  # what exporters take away: chosen.py
_ENTITY = re.compile(r"&(?:[a-z]{2,8}|#\d{2,5}|#x[0-9a-f]{2,4});", re.IGNORECASE)
_SMALL = frozenset(
    "a an the is are was has with and in on of at to her his she he it its this that who".split()
)
_WORDS, _LONG = 4, 9  # of a sentence with small words in it, or without
_EDIT = "find {folder} -maxdepth 1 -name '*.txt' -exec perl -pi -e '%s' {{}} +"
_UNESCAPE = r"s/\\\(([^()\\]*)\\\)/($1)/g"
_DECODE = r"s/&lt;/</g; s/&gt;/>/g; s/&quot;/\x22/g; s/&(#0*39|apos);/\x27/g; s/&amp;/&/g"


class Captions:
    """Reads each caption; ``limit`` is how many of CLIP's tokens a trainer reads.

    ``triggers`` are words that captions are to keep, in booru form.
    """

    def __init__(self, limit: int, triggers: frozenset[str] = frozenset()) -> None:
        self._limit, self._triggers = limit, triggers
        self._trimmed = Limit(limit)
        self._total = 0
        self._bare: list[str] = []
        self._lone: list[str] = []
        self._long: list[str] = []
        self._stuck: list[str] = []  # too long, and not for a stage to shorten
        self._loose: dict[str, None] = {}  # triggers that are tags like others
        self._lengths: dict[str, str] = {}
        self._most = 0
        self._escaped: list[str] = []
        self._entities: list[str] = []
        self._replaced: dict[str, str] = {}
        self._typed = False
        self._prose: list[str] = []
        self._pieces: dict[str, None] = {}
        self._plain = 0

    def add(self, record: Record, seen: Seen) -> None:
        """Take a caption in."""
        self._total += 1
        key = record.key
        if not record.tags:
            self._bare.append(key)
            return
        if all(tag.kind == "trigger" for tag in record.tags):
            self._lone.append(key)
        tokens = length(record.tags)
        if tokens > self._limit:
            self._most = max(self._most, tokens)
            self._lengths[key] = f": {tokens}"
            stays = length(self._trimmed(record.tags, record)) > self._limit
            (self._stuck if stays else self._long).append(key)
            lead = record.tags[0]
            if not stays and lead.kind not in KINDS and from_caption(lead.name) in self._triggers:
                self._loose[lead.name] = None
        if any(_ESCAPED.search(name) for name in record.names):
            self._escaped.append(key)
        if coded := [tag for tag in record.tags if _ENTITY.search(tag.name)]:
            self._entities.append(key)
            self._typed |= any(tag.by == (HAND,) for tag in coded)
            self._replaced.update((tag.name, html.unescape(tag.name)) for tag in coded)
        if pieces := [name for name in record.names if is_prose(name)]:
            self._prose.append(key)
            self._pieces.update(dict.fromkeys(pieces[: AT_ONCE - len(self._pieces)]))
        elif len(record.tags) > 1:
            self._plain += 1

    def findings(self) -> Iterator[Finding]:
        """What was found."""
        total = self._total
        if self._bare:
            have = some(len(self._bare), total, "has no caption", "have no caption")
            yield Finding(WRONG, "no caption", have, tuple(self._bare), ("tag",))
        if self._lone:
            has = "has a caption that is the trigger and nothing else"
            have = some(len(self._lone), total, has, has.replace("has a", "have a"))
            yield Finding(LOOK, "only a trigger", have, tuple(self._lone), ("tag",))
        if self._long:
            yield self._too_long(self._long)
        if self._stuck:
            yield self._too_long(self._stuck)
        if self._escaped:
            has = some(len(self._escaped), total, "has", "have")
            text = (
                f"{has} brackets with backslashes in the caption, as prompts do: they are learned"
            )
            shell = _EDIT % _UNESCAPE
            yield Finding(LOOK, "escapes", text, tuple(self._escaped), shell=shell)
        if self._entities:
            yield self._coded()
        if self._prose and self._plain:
            has = some(len(self._prose), total, "is described in sentences",
                       "are described in sentences")  # fmt: skip
            text = (
                f"{has}, the others by tags: commas part both, and a trainer that shuffles makes "
                "shreds of a sentence"
            )
            # Where most are sentences, those are meant, and a person has to say what becomes of it.
            few = len(self._prose) <= self._plain
            mend = ("clean", "--only", "--drop", ",".join(self._pieces)) if few else ()
            yield Finding(LOOK, "sentences among tags", text, tuple(self._prose), mend)

    def _too_long(self, keys: list[str]) -> Finding:
        """Those that a stage may shorten, or those that only a person may."""
        limit, stuck = self._limit, keys is self._stuck
        have = some(len(keys), self._total, "has a caption longer", "have captions longer")
        chunk = next((c for c in CHUNKS if self._most <= c), 0)
        way = f"; with a max_token_length of {chunk}, which dsk repeats writes, all is read" * (
            chunk > limit
        )
        text = f"{have} than {limit} tokens, of which the rest is not read{way}"
        shown = self._lengths
        if stuck:
            text += "; typed by hand or fixed, it is left as it is and has to be shortened by hand"
            return Finding(LOOK, "long captions by hand", text, tuple(keys), shown=shown)
        mend = ("clean", "--only", "--tokens", str(limit), *self._kept(), "--where", self._meant())
        return Finding(LOOK, "long captions", text, tuple(keys), mend, shown=shown)

    def _kept(self) -> tuple[str, ...]:
        """The option that keeps a trigger which nobody has made one."""
        names = [name for name in self._loose if not set(name) & set(":*?[,")]
        return ("--keep", ",".join(names)) if names else ()

    def _meant(self) -> str:
        """The filter that means those which can be shortened."""
        long = f"tokens:>{self._limit}"
        if not self._stuck:
            return long
        if len(self._long) <= len(self._stuck) or len(self._stuck) > AT_ONCE:
            return names_of(self._long)
        return f"{long} and not ({names_of(self._stuck)})"

    def _coded(self) -> Finding:
        has = some(len(self._entities), self._total, "has", "have")
        text = f"{has} codes of HTML in the caption: {listed(sorted(self._replaced), 3)}"
        keys = tuple(self._entities)
        if self._typed or any("," in name for name in self._replaced.values()):
            return Finding(LOOK, "codes of HTML", text, keys, shell=_EDIT % _DECODE)
        pairs = ",".join(_pair(old, new) for old, new in sorted(self._replaced.items()))
        return Finding(LOOK, "codes of HTML", text, keys, ("clean", "--only", "--replace", pairs))


def _pair(old: str, new: str) -> str:
    """Two names as `dsk clean --replace` reads them."""
    return f"{old} -> {new}" if "=" in old + new else f"{old}={new}"


def is_prose(name: str) -> bool:
    """Say whether what stands between two commas is a piece of a sentence, and no tag."""
    words = name.lower().strip("_").split("_")
    small = len(_SMALL.intersection(words))
    if len(words) < _WORDS or "(" in name:
        return False
    ends = name.endswith((".", "!", "?")) and not name.endswith("...")
    return (ends and small > 0) or (len(words) >= _WORDS + 2 and small > 1) or len(words) >= _LONG
