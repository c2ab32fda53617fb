"""File names that every file system takes: Windows, macOS and Linux, today and after a copy."""

import re
import unicodedata
from collections.abc import Sequence

MAX_BYTES = 200  # of UTF-8, so that a suffix and a temporary mark still fit into 255

_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)")


def safe_stem(text: str) -> str:
    """Make any text a file stem: no separators, device names, edge dots or unseen characters.

    The result is NFC, at most MAX_BYTES of UTF-8, never empty; a safe stem comes back unchanged.
    """
    text = unicodedata.normalize("NFC", text)
    text = "".join("_" if unicodedata.category(c)[0] in "CZ" and c != " " else c for c in text)
    text = _FORBIDDEN.sub("_", text).strip(" .")
    text = text.encode()[:MAX_BYTES].decode(errors="ignore").rstrip(" .")
    if _RESERVED.match(text):
        text = "_" + text
    return text or "_"


def few_of(names: Sequence[str], at_most: int = 3) -> str:
    """Name some files in a sentence: all of a few, of many the last and how many more."""
    if len(names) > at_most:
        return f"{names[-1]} and {len(names) - 1} more"
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last


def same_file(name: str) -> str:
    """The form under which two names would be one file on a case-insensitive system."""
    return unicodedata.normalize("NFC", name).casefold()
