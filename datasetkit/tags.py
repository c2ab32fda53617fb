"""Tag names: booru form <-> caption form, kaomoji, hostile text, and matching by glob.

A tag's name is kept in booru form (``blue_eyes``, ``eileen_(ren'py)``). A caption is one line of
UTF-8 in which names stand with spaces, joined by ", ".
"""

import html
import re
import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase

MAX_NAME = 300  # longer "tags" are prose that lost its commas; they are cut

# What nearly all names are, and what stays as it is: ASCII without blanks, commas and the marks
# that prompts give a meaning, its underscores single and inside.
_PLAIN = re.compile(r"[!-+\--9;=-^`-{}~]+(?:_[!-+\--9;=-^`-{}~]+)*")

# A name whose letters never stand two in a row is a face: its underscores are part of the drawing.
_WORD = re.compile(r"[^\W_]{2}")
_WHO = re.compile(r"[^\W_]_\([^\W_]\)")  # a_(b) is somebody called a
# Control, format (right-to-left marks, zero-width), surrogate and private code points, and line
# separators: none belongs in a tag, and each can break a caption or its display.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_EXTRA = re.compile(r"<\w[\w:]*")  # <lora:name:0.8> would load something
_WEIGHT = re.compile(r"(\([^()]*):(?=[\d.]+\))")  # (name:1.5) would weigh more
# What Pony models are asked by is written with underscores.
_ASKED = re.compile(
    r"score_\d(?:_up)?|rating_(?:safe|questionable|explicit)|source_(?:pony|furry|cartoon|anime)"
)
_BARS = re.compile(r"\|{3,}")  # kohya's keep_tokens_separator


def clean_name(raw: str) -> str:
    """Make a site's word a safe tag name in booru form ("" if nothing is left).

    HTML entities are unescaped once, the text is NFC, unseen characters go, blanks become single
    underscores, a comma (which would split the caption) becomes an underscore, kohya's ``|||``
    mark and prompt extras such as ``<lora:`` and ``(name:1.5)`` lose their meaning.
    """
    return from_caption(html.unescape(raw))


def is_face(name: str) -> bool:
    """Say whether a name is a kaomoji (``>_<``, ``o_o``, ``||_||``), whose underscores stay."""
    return "_" in name and not (_WORD.search(name) or _WHO.fullmatch(name))


def to_caption(name: str) -> str:
    """Write a booru name as captions have it: ``long_hair`` -> ``long hair``, ``>_<`` stays.

    So does ``score_8_up``.
    """
    return name if is_face(name) or _ASKED.fullmatch(name) else name.replace("_", " ")


def from_caption(text: str) -> str:
    """Read a caption's words as a booru name: ``long hair`` -> ``long_hair``; "" if all is unseen.

    Does what :func:`clean_name` does but for the entities: a caption is not HTML.
    """
    if len(text) <= MAX_NAME and _PLAIN.fullmatch(text):
        return text
    blanks = "".join(" " if c.isspace() or c == "," else c for c in text)
    seen = "".join(c for c in blanks if unicodedata.category(c) not in _UNSEEN)
    name = "_".join(unicodedata.normalize("NFC", seen).split())
    name = _EXTRA.sub(lambda found: found[0].replace(":", "_"), name)
    name = _BARS.sub("||", _WEIGHT.sub(r"\1_", name))
    if not is_face(name):
        name = "_".join(part for part in name.split("_") if part)
    return name[:MAX_NAME].rstrip("_")


def split_caption(text: str) -> list[str]:
    """Split a caption into the booru names that stand in it, in order, the first of each."""
    names = (from_caption(part) for part in text.split(","))
    return list(dict.fromkeys(name for name in names if name))


def join_caption(words: Iterable[str]) -> str:
    """Join caption words into the one line that a ``.txt`` holds."""
    return ", ".join(words)


def matches(name: str, pattern: str) -> bool:
    """Match a name by a pattern in either form, with ``*`` and ``?`` for any characters."""
    if not any(mark in pattern for mark in "*?"):
        return name == from_caption(pattern)
    wanted = pattern if is_face(pattern) else pattern.replace(" ", "_")
    return fnmatchcase(name, wanted.replace("[", "[[]"))
