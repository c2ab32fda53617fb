"""Captions: junk out, the character first, and what a person typed untouched."""

from pathlib import Path

import pytest

from datasetkit.cleaners.clean import Clean
from datasetkit.dataset import caption
from datasetkit.errors import SafetyError
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Record, Tag

BOORU = ("danbooru",)


def record(*tags: Tag | str) -> Record:
    made = [tag if isinstance(tag, Tag) else Tag(tag, by=BOORU) for tag in tags]
    return Record("a", Picture(Path("a.png"), (8, 8)), tuple(made))


@pytest.mark.parametrize(
    "junk",
    "absurdres highres commentary_request english_commentary bad_pixiv_id translation_request "
    "alternate_costume virtual_youtuber md5_mismatch photoshop_(medium) artist_request".split(),
)
def test_junk_is_dropped_by_default(junk: str) -> None:
    assert Clean()(record("1girl", junk)).names == ("1girl",)
    assert Clean(junk=False)(record("1girl", junk)).names == ("1girl", junk)


@pytest.mark.parametrize(
    "good", "bad_hair_day requesting check_dress video_game scanner commentator alternate".split()
)
def test_words_that_only_look_like_junk_stay(good: str) -> None:
    if good == "check_dress":  # check_* is a family of meta tags; --keep is the way out
        assert Clean(keep=("check dress",))(record(good)).names == (good,)
    else:
        assert Clean()(record(good)).names == (good,)


def test_the_booru_meta_kind_goes_whatever_its_name() -> None:
    assert Clean()(record("1girl", Tag("self-made_thing", "meta", BOORU))).names == ("1girl",)


def test_drop_takes_names_and_globs_in_either_form() -> None:
    before = record("long_hair", "very_long_hair", "red_eyes", "hair_bow", ">_<", "[_]")
    assert Clean(drop=("*long hair", "red_eyes"))(before).names == ("hair_bow", ">_<", "[_]")
    assert Clean(drop=(">_<",))(before).names == before.names[:4] + before.names[5:]
    assert Clean(drop=("[_*",))(before).names == before.names[:5]


def test_a_drop_matches_whole_names() -> None:
    assert Clean(drop=("hat", "tail"))(record("hat_removed", "twintails", "hat")).names == (
        "hat_removed",
        "twintails",
    )


def test_what_a_person_typed_is_never_dropped() -> None:
    typed = Tag("absurdres", by=(HAND,))
    assert Clean(drop=("absurdres",))(record("1girl", typed)).names == ("1girl", "absurdres")


def test_the_character_comes_first_without_a_trigger() -> None:
    character = Tag("shimakaze_(kancolle)", "character", BOORU)
    assert caption(Clean()(record("1girl", "solo", character))) == (
        "shimakaze (kancolle), 1girl, solo"
    )


def test_the_first_is_moved_where_it_stands_and_added_where_not() -> None:
    character = Tag("shimakaze_(kancolle)", "character", BOORU)
    moved = Clean(first="shimakaze (kancolle)")(record("1girl", character))
    assert moved.tags == (character, Tag("1girl", by=BOORU))
    added = Clean(first="ohwx_X")(record("1girl", character))
    assert caption(added) == "ohwx_X, 1girl, shimakaze (kancolle)"
    assert Clean(first="ohwx_X")(added) is added


def test_a_trigger_that_a_person_removed_stays_out() -> None:
    before = Record("a", Picture(Path("a.png"), (8, 8)), removed=frozenset({"ohwx"}))
    assert Clean(first="ohwx")(before).names == ()


def test_duplicates_go_and_the_order_stays() -> None:
    tags = (Tag("b", by=BOORU), Tag("a", by=BOORU), Tag("b", by=("wd",)))
    twice = Record("a", Picture(Path("a.png"), (8, 8)), tags)
    assert Clean()(twice).tags == tags[:2]


def test_an_unsafe_trigger_is_refused() -> None:
    with pytest.raises(SafetyError):
        Clean(first="loli").check()


def test_twice_is_once() -> None:
    once = Clean(drop=("solo",), first="x")(record("1girl", "solo", "absurdres"))
    assert Clean(drop=("solo",), first="x")(once) is once
