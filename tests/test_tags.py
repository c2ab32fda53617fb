"""Tag names: what sites and people write becomes safe names, and captions read back the same."""

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasetkit.tags import (
    MAX_NAME,
    clean_name,
    from_caption,
    is_face,
    join_caption,
    matches,
    split_caption,
    to_caption,
)

FACES = str.split(
    "0_0 (o)_(o) +_+ +_- ._. <o>_<o> <|>_<|> =_= >_< 3_3 6_9 >_o @_@ ^_^ o_o u_u x_x |_| ||_||"
)
MARKS = ["|||", "<lora:", ":", "(", ")", "1.5", "&lt;", "&amp;", ",", "_", " ", "\u202e", "\x00"]

anything = st.text(st.characters(), max_size=40)  # lone surrogates too
hostile = st.lists(st.sampled_from([*MARKS, *FACES, "a", "b_c", "\u0301", "\ud800"]), max_size=9)
raw_names = st.one_of(anything, hostile.map("".join), st.sampled_from(FACES))


@pytest.mark.parametrize("face", FACES)
def test_faces_keep_their_underscores(face: str) -> None:
    assert clean_name(face) == face
    assert is_face(face)
    assert to_caption(face) == face
    assert from_caption(to_caption(face)) == face
    assert split_caption(f"1girl, {face}, long hair") == ["1girl", face, "long_hair"]
    assert matches(face, face)


def test_a_name_of_one_letter_with_another_in_brackets_is_no_face() -> None:
    assert not is_face("a_(b)") and to_caption("a_(b)") == "a (b)"
    assert from_caption("a (b)") == "a_(b)"


@pytest.mark.parametrize("face", [">_<", "<o>_<o>", "<|>_<|>"])
def test_faces_arrive_escaped(face: str) -> None:
    assert clean_name(face.replace("<", "&lt;").replace(">", "&gt;")) == face


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("long_hair", "long_hair"),
        (" long  hair ", "long_hair"),
        ("__long__hair__", "long_hair"),
        ("rubik&#039;s_cube", "rubik's_cube"),
        ("a&amp;lt;b", "a&lt;b"),  # once
        ("red,blue", "red_blue"),
        ("red, blue", "red_blue"),
        ("two\nlines", "two_lines"),
        ("two\r\nlines\u2028three\x85four", "two_lines_three_four"),
        ("nu\x00l", "nul"),
        ("lone\ud800surrogate", "lonesurrogate"),
        ("e\u0301toile", "\u00e9toile"),
        ("e\u200b\u0301toile", "\u00e9toile"),
        ("\u202egnp.exe", "gnp.exe"),
        ("\ufeffbom", "bom"),
        ("keep|||tokens", "keep||tokens"),
        ("keep||||||tokens", "keep||tokens"),
        ("<lora:evil:1>", "<lora_evil_1>"),
        ("<lora:a:b:c>", "<lora_a_b_c>"),
        ("(cirno:1.5)", "(cirno_1.5)"),
        ("re:zero", "re:zero"),
        ("eileen_(ren'py)", "eileen_(ren'py)"),
        ("\u521d\u97f3\u30df\u30af", "\u521d\u97f3\u30df\u30af"),
        ("", ""),
        (",", ""),
        ("_", ""),
        ("\u200b", ""),
    ],
)
def test_names_from_a_site_are_made_safe(raw: str, name: str) -> None:
    assert clean_name(raw) == name


@pytest.mark.parametrize("length", [300, 5000])
def test_long_names_are_cut(length: int) -> None:
    assert len(clean_name("x" * length)) == MAX_NAME
    prose = clean_name("a very long sentence " * (length // 10))
    assert len(prose) <= MAX_NAME
    assert split_caption(to_caption(prose)) == [prose]


def test_a_caption_is_not_html() -> None:
    assert split_caption("a&lt;b, tom &amp; jerry") == ["a&lt;b", "tom_&amp;_jerry"]


def test_a_caption_is_split_into_the_first_of_each_name() -> None:
    assert split_caption("1girl, long hair,long_hair , ,1girl") == ["1girl", "long_hair"]
    assert split_caption("") == []


def test_matching_takes_both_forms_and_globs() -> None:
    assert matches("long_hair", "long hair")
    assert matches("long_hair", "long*")
    assert matches("long_hair", "* hair")
    assert matches("a[b]", "a[b]*")
    assert not matches("long_hair", "hair")
    assert not matches("ab", "[ab]*")
    assert matches(">_<", ">_*")


def assert_safe(name: str) -> None:
    assert len(name) <= MAX_NAME
    assert unicodedata.is_normalized("NFC", name)
    assert not any(mark in name for mark in (",", "|||", "<lora:", "\n", "\x00", " "))
    assert name == name.rstrip("_")
    assert all(unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in name)
    assert name.encode("utf-8").decode("utf-8") == name
    assert from_caption(name) == name
    assert from_caption(to_caption(name)) == name


def assert_caption_reads_back(raw: list[str]) -> None:
    names = list(dict.fromkeys(name for text in raw if (name := clean_name(text))))
    words = [to_caption(name) for name in names]
    caption = join_caption(words)
    assert len(caption.splitlines()) <= 1
    assert caption.encode("utf-8").decode("utf-8") == caption
    assert caption.strip() == caption
    assert split_caption(caption) == names
    if words:
        assert caption.split(", ") == words


@given(raw_names)
def test_any_text_becomes_a_safe_name(raw: str) -> None:
    assert_safe(clean_name(raw))


@given(st.lists(raw_names, max_size=8))
def test_any_caption_reads_back(raw: list[str]) -> None:
    assert_caption_reads_back(raw)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(raw_names, max_size=2))
def test_ten_thousand_captions_read_back(raw: list[str]) -> None:
    for text in raw:
        assert_safe(clean_name(text))
    assert_caption_reads_back(raw)
