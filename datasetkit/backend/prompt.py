"""A1111's prompt grammar: which words weigh how much."""

import re

BREAK = "\0BREAK"  # no text can hold it; starts a new chunk of marks
UP, DOWN = 1.1, 1 / 1.1

_MARKS = re.compile(
    r"\\[()\[\]\\]|\\|\(|\[|:\s*([+-]?[.\d]+)\s*\)|\)|\]|[^\\()\[\]:]+|:",
)
_BREAK = re.compile(r"\s*\bBREAK\b\s*")


def attention(text: str) -> list[tuple[str, float]]:
    """Split a prompt into (text, weight) parts: ``(x)`` x1.1, ``[x]`` /1.1, ``(x:1.3)`` x1.3.

    ``\\(`` is a plain bracket. BREAK as a word gives a part of its own, :data:`BREAK`. What is
    not closed holds to the end; a number that cannot be read is plain text.
    """
    parts: list[tuple[str, float]] = []
    rounds: list[int] = []  # where each open bracket began, by kind
    squares: list[int] = []
    for match in _MARKS.finditer(text):
        mark = match[0]
        if mark == "(":
            rounds.append(len(parts))
        elif mark == "[":
            squares.append(len(parts))
        elif match[1] is not None and rounds and _is_number(match[1]):
            _weigh(parts, rounds.pop(), float(match[1]))
        elif mark == ")" and rounds:
            _weigh(parts, rounds.pop(), UP)
        elif mark == "]" and squares:
            _weigh(parts, squares.pop(), DOWN)
        elif mark.startswith("\\"):
            parts.append((mark[1:], 1.0))
        else:
            for number, piece in enumerate(_BREAK.split(mark)):
                parts += [(BREAK, 1.0)] if number else []
                parts.append((piece, 1.0))
    for begin in rounds:
        _weigh(parts, begin, UP)
    for begin in squares:
        _weigh(parts, begin, DOWN)
    return _joined(parts) or [("", 1.0)]


def plain(name: str) -> str:
    """Write words so that a prompt takes them as they stand: ``a (b)`` -> ``a \\(b\\)``."""
    return re.sub(r"([\\()\[\]])", r"\\\1", name)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text) is not None


def _weigh(parts: list[tuple[str, float]], begin: int, factor: float) -> None:
    for place in range(begin, len(parts)):
        text, weight = parts[place]
        if text != BREAK:  # A1111 weighs it too and then reads it as a word: not worth keeping
            parts[place] = text, weight * factor


def _joined(parts: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Join neighbours of one weight; empty pieces beside a BREAK go."""
    joined: list[tuple[str, float]] = []
    for text, weight in parts:
        if text == "":
            continue
        if joined and text != BREAK and joined[-1][0] != BREAK and joined[-1][1] == weight:
            joined[-1] = joined[-1][0] + text, weight
        else:
            joined.append((text, weight))
    return joined
