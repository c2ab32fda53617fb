"""Filters: which pictures are meant, and what is refused by name."""

import re
from pathlib import Path

import pytest

from datasetkit.errors import UsageError
from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag
from datasetkit.where import _KEYS, where

NAMES = ("solo", "1girl", "long_hair", ">_<", ":d", "nier:automata")
PICTURE = Record(
    "danbooru_5",
    Picture(Path("danbooru_5.png"), (1000, 500)),
    (
        *(Tag(name, by=("danbooru",)) for name in NAMES),
        Tag("shimakaze_(kancolle)", "character", ("danbooru", "wd")),
        Tag("my_word"),
    ),
    Origin(site="danbooru", post="5", rating="g", score=50, posted="2024-03-01T10:00:00+00:00"),
)
BARE = Record("mine", Picture(Path("mine.jpeg"), (64, 64)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "solo and not comic",
        "solo -comic",
        "Solo OR comic and chibi".lower(),
        "comic or solo 1girl",
        "(comic or solo) shimakaze_(kancolle)",
        "not (comic or chibi)",
        "not not solo",
        '"long hair"',
        '"long hair" and "shimakaze (kancolle)"',
        "long_* *_(kancolle)",
        "character:shimakaze*",
        'character:"shimakaze (kancolle)"',
        "by:hand by:wd",
        ":d >_<",
        "nier:automata",
        '"nier:automata"',
        "score:>=50 score:..60 -score:>50",
        "width:1000 height:<501 side:500 ratio:2 mpixels:0.5 tags:8",
        "rating:g,s rating:general",
        "site:danbooru id:5,6 key:dan*_5 filetype:PNG",
        "name:dan*_5 name:danbooru_?.png -name:danbooru_[5] -name:*.jpg",
        "date:2024-01-01..2024-06-30",
    ],
)
def test_it_holds(text: str) -> None:
    assert where(text)(PICTURE)


@pytest.mark.parametrize(
    "text",
    ["comic", "solo comic", "not solo", "hair", "general:shimakaze*", "by:nobody", "score:>50",
     "rating:s", "site:gelbooru", "id:55", "date:..2023-12-31", "solo -(1girl or comic)"],
)  # fmt: skip
def test_it_does_not_hold(text: str) -> None:
    assert not where(text)(PICTURE)


def test_what_a_picture_does_not_tell_fulfils_nothing() -> None:
    for text in ("score:>=0", "score:..5", "date:2024-01-01..", "rating:g"):
        assert not where(text)(BARE), text
        assert where(f"not {text}")(BARE), text
    assert where("rating:?")(BARE)
    assert where("filetype:jpg")(BARE)


def test_the_rating_of_models_is_asked_for_apart_from_the_sites() -> None:
    told = {"wd": {"rating": "sensitive"}, "deep": {"rating": "safe"}, "mute": {"rating": ""}}
    rated = BARE.with_facts("tag", told)
    for text in ("model_rating:s", "model_rating:sensitive", "model_rating:g", "model_rating:safe",
                 "model_rating:e,s", "rating:?", "-model_rating:?", "-model_rating:q"):  # fmt: skip
        assert where(text)(rated), text
    assert where("model_rating:?")(BARE) and where("model_rating:?")(PICTURE)
    assert where("rating:g -model_rating:g")(PICTURE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("solo and", "missing at the end"),
        ("and solo", "missing before 'and'"),
        ("()", "missing before ')'"),
        ("(solo", "not closed"),
        ("solo)", "closes nothing"),
        ('"long hair', "a quote is not closed"),
        ("scor:>5", "did you mean 'score'?"),
        ("with:5", "did you mean 'width'?"),
        ("score:many", "no number"),
        ("rating:x", "there are g, s, q, e"),
        ("model_rating:x", "model_rating:x is none; there are g, s, q, e"),
        ("date:soon", "no span of days"),
        ("(" * 80 + "a" + ")" * 80, "more than 50"),
    ],
)
def test_what_is_not_understood_is_named(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        where(text)


def test_words_of_quality_outfits_and_tokens_are_asked_for() -> None:
    made = (Tag("best_quality", "quality"), Tag("beach_day", "outfit"), Tag("ohwx_X", "trigger"))
    picture = Record("a", BARE.picture, made)
    assert where("quality:best* outfit:beach_day tokens:>=8 -tokens:>20")(picture)
    assert not where("quality:beach* or outfit:b* tokens:>75")(picture)
    assert where("tokens:0")(BARE)


def test_the_page_for_people_names_every_key_with_an_example_that_is_understood() -> None:
    page = (Path(__file__).parent.parent / "docs/filters.md").read_text()
    rows = [re.findall(r"`([^`]+)`", line) for line in page.splitlines() if line.startswith("| `")]
    for cells in rows:
        where(cells[0])
    told = {cells[0]: cells[1] for cells in rows if len(cells) > 1 and cells[0] in _KEYS}
    assert set(told) == set(_KEYS)
    for key, example in told.items():
        where(example)
        assert example.removeprefix("-").startswith(f"{key}:")


@pytest.mark.parametrize("text", ["source:x", "core:x"])
def test_only_what_is_near_is_suggested(text: str) -> None:
    if text == "source:x":
        assert not where(text)(PICTURE)
        return
    with pytest.raises(UsageError, match="did you mean 'score'"):
        where(text)


def test_a_trigger_is_found_by_either_spelling() -> None:
    one = BARE.with_tags([Tag("zero two (x)", "trigger", ("clean",))])
    for text in ("zero_two_(x)", '"zero two (x)"', "zero*", "trigger:zero_two*"):
        assert where(text)(one), text


@pytest.mark.parametrize(
    "text", ["SOLO", "Nier:Automata", "Long_*", "character:Shimakaze*", "MY_word"]
)
def test_letter_case_does_not_matter(text: str) -> None:
    text = f'"{text}"' if text.startswith("Nier") else text
    assert where(text)(PICTURE)


def test_a_tag_with_capitals_is_found_in_any_case() -> None:
    one = Record("a", PICTURE.picture, (Tag("Long_Hair"), Tag("My Word", "trigger")))
    for text in ("long_hair", '"LONG HAIR"', "general:long*", '"my word"', "trigger:my_WORD"):
        assert where(text)(one)
