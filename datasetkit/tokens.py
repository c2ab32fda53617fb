"""How many tokens a text is for CLIP, counted without torch: what a trainer reads of a caption.

CLIP cuts a text into words, and each word's bytes into pairs that it has learnt. The merges are
those of the trainer's own tokenizer, which lies in the package as a plain file; the vocabulary's
numbers are of no use to whoever only counts.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise

CHUNKS = (75, 150, 225)  # what kohya's trainers read of a caption: its max_token_length

_MERGES = "backend/configs/sd1/tokenizer/merges.txt"  # data; nothing of that room is imported
_MARKS = re.compile(r"<\|startoftext\|>|<\|endoftext\|>")
_ENDINGS = re.compile(r"'(?:s|t|re|ve|m|ll|d)")


def count(text: str) -> int:
    """How many tokens CLIP makes of a text, of any length, without its begin and end marks."""
    return sum(_pieces(word) for part in _plain(text).split() for word in _words(part))


def too_long(lengths: Iterable[int], longest: int = CHUNKS[0]) -> str:
    """Say what captions of these lengths ask of a trainer that reads ``longest`` tokens.

    Empty where all are read to their end.
    """
    long = [length for length in lengths if length > longest]
    if not long:
        return ""
    most = max(long)
    fits = next((chunk for chunk in CHUNKS if most <= chunk), 0)
    way = f"max_token_length {fits} reads them all" if fits else "no kohya trainer reads them all"
    what = "1 caption is" if len(long) == 1 else f"{len(long):,} captions are"
    return (
        f"{what} longer than {longest} tokens (the longest {most}); what is beyond is not read: "
        f"{way}, dsk clean --tokens {longest} trims them"
    )


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()


def _words(part: str) -> Iterator[str]:
    """Cut what stands between blanks as CLIP does: letters, single digits, endings, other signs."""
    place = 0
    while place < len(part):
        if found := _MARKS.match(part, place) or _ENDINGS.match(part, place):
            end = found.end()
        else:
            end, kind = place + 1, _kind(part[place])
            while end < len(part) and kind != "N" and _kind(part[end]) == kind:
                end += 1
        yield part[place:end]
        place = end


def _kind(letter: str) -> str:
    kind = unicodedata.category(letter)[0]
    return kind if kind in "LN" else ""


@lru_cache(maxsize=1 << 16)  # a booru's tags are made of some 50,000 words
def _pieces(word: str) -> int:
    """How many tokens one word is."""
    if _MARKS.fullmatch(word):
        return 1
    ranks = _ranks()
    pieces = [_LETTERS[byte] for byte in word.encode()]
    pieces[-1] += "</w>"
    while len(pieces) > 1:
        best = min(pairwise(pieces), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        joined: list[str] = []
        for piece in pieces:
            if joined and (joined[-1], piece) == best:
                joined[-1] += piece
            else:
                joined.append(piece)
        pieces = joined
    return len(pieces)


@cache
def _ranks() -> dict[tuple[str, str], int]:
    """Each pair that CLIP joins, and how early."""
    lines = (files("datasetkit") / _MERGES).read_text(encoding="utf-8").splitlines()[1:]
    return {(first, second): rank for rank, (first, second) in enumerate(map(str.split, lines))}


def _letters() -> dict[int, str]:
    """The letters that stand for bytes: printable ones for themselves, the others behind them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {
        byte: chr(256 + place) for place, byte in enumerate(others)
    }


_LETTERS = _letters()
