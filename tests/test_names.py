"""File names that every file system takes."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasetkit.names import MAX_BYTES, safe_stem, same_file

HOSTILE = [
    "",
    ".",
    "..",
    "...",
    " ",
    "con",
    "NUL",
    "aux.tar",
    "COM1",
    "com¹",
    "LPT9.x",
    "CONIN$",
    "prn ",
    "a/b",
    "a\\b",
    "../../etc/passwd",
    "C:\\x",
    "a:b",
    'a"b',
    "a|b",
    "a?b*",
    "<a>",
    "a\0b",
    "a\nb",
    "a\x7fb",
    "trail.",
    "trail ",
    ".hidden",
    "\u202eexe.gnp",
    "e\u0301",
    "\ud800",
    "💖" * 100,
    "島" * 100,
    "x" * 5000,
]
DEVICES = {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))}


def is_safe(stem: str) -> None:
    assert 0 < len(stem.encode()) <= MAX_BYTES
    assert not set(stem) & set('<>:"/\\|?*')
    assert stem == stem.strip(" .") and stem == unicodedata.normalize("NFC", stem)
    assert stem.partition(".")[0].lower() not in DEVICES
    assert all(unicodedata.category(c)[0] not in "CZ" or c == " " for c in stem)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_become_safe_and_stay_so(name: str) -> None:
    stem = safe_stem(name)
    is_safe(stem)
    assert safe_stem(stem) == stem


@given(st.text())
def test_any_text_becomes_safe_and_stays_so(text: str) -> None:
    stem = safe_stem(text)
    is_safe(stem)
    assert safe_stem(stem) == stem


def test_names_that_one_file_would_bear() -> None:
    assert same_file("É.png") == same_file("e\u0301.PNG")
    assert same_file("a") != same_file("b")
