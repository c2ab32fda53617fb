"""The order of captions: heads, counts, kinds, confidence, and what a person put elsewhere."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasetkit.cleaners.tags.rules.order import Order, fixed, keeping, kept, place_for, short_names
from datasetkit.errors import SafetyError, UsageError
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Record, Tag

RECORD = Record("a", Picture(Path("a.png"), (8, 8)))
SHIMAKAZE = Tag("shimakaze_(kancolle)", "character", ("danbooru",))
SERIES = Tag("kantai_collection", "copyright", ("danbooru",))
ARTIST = Tag("somebody", "artist", ("danbooru",))


def tag(name: str, kind: str = "general", score: float = 1.0, by: str = "danbooru") -> Tag:
    return Tag(name, kind, (by,), score)


def names(*tags: Tag, first: str = "", keep: int = 0) -> str:
    return " ".join(tag.name for tag in Order(first, keep)(tags, RECORD))


def test_head_counts_series_kinds_and_confidence() -> None:
    tags = [
        tag("smile", score=0.4), tag("highres", "meta"), tag("fox_ears", score=0.9),
        tag("fox", "species"), SERIES, tag("solo"), ARTIST, tag("1girl"), SHIMAKAZE,
    ]  # fmt: skip
    assert names(*tags) == (
        "shimakaze_(kancolle) 1girl solo kantai_collection somebody fox fox_ears smile highres"
    )


def test_behind_a_trigger_the_character_comes_after_the_counts() -> None:
    trigger = Tag("ohwx_x", "trigger", ("clean",))
    wanted = "ohwx_x 1girl shimakaze_(kancolle) kantai_collection"
    assert names(SERIES, SHIMAKAZE, trigger, tag("1girl")) == wanted
    assert names(SERIES, tag("red_eyes"), SHIMAKAZE, first="red eyes") == (
        "red_eyes shimakaze_(kancolle) kantai_collection"
    )


def test_people_are_counted_in_one_order() -> None:
    counts = "1girl 6+girls multiple_girls 2boys multiple_boys 1other solo no_humans solo_focus"
    shuffled = [tag(name) for name in counts.split()]
    random.Random(3).shuffle(shuffled)
    ordered = names(*shuffled, tag("girl_scout"), tag("solo_leveling", "copyright")).split()
    assert set(ordered[:3]) == {"1girl", "6+girls", "multiple_girls"}
    assert ordered[-5:-2] == [*ordered[-5:-3], "solo_focus"]
    assert ordered[-2:] == ["solo_leveling", "girl_scout"]


def test_equals_stay_as_they_stand_and_order_is_the_same_tuple() -> None:
    tags = (SHIMAKAZE, tag("1girl"), tag("b"), tag("a"), tag("c", score=0.5))
    assert Order()(tags, RECORD) is tags


def test_a_caption_written_by_hand_keeps_its_order() -> None:
    typed = tuple(Tag(name) for name in "red_eyes 1girl solo shimakaze".split())
    assert Order()(typed, RECORD) is typed


def test_a_typed_tag_stays_behind_the_one_it_stands_behind() -> None:
    typed = Tag("proud", by=(HAND,))
    assert names(tag("smile"), SHIMAKAZE, typed, tag("1girl")) == (
        "shimakaze_(kancolle) proud 1girl smile"
    )
    assert names(tag("smile"), tag("1girl"), SHIMAKAZE, typed) == (
        "shimakaze_(kancolle) 1girl smile proud"
    )


def test_words_of_quality_stay_behind_the_fixed_head_or_at_the_end() -> None:
    best = Tag("best_quality", "quality", ("quality",))
    early = names(SHIMAKAZE, best, tag("smile"), tag("1girl"))
    assert early == "shimakaze_(kancolle) best_quality 1girl smile"
    late = names(SHIMAKAZE, tag("smile"), tag("1girl"), best)
    assert late == "shimakaze_(kancolle) 1girl smile best_quality"
    assert names(SHIMAKAZE, best, tag("smile"), tag("1girl"), keep=2) == (
        "shimakaze_(kancolle) 1girl best_quality smile"
    )


TAGS = st.builds(
    Tag,
    st.sampled_from("1girl solo a b c d masterpiece e f".split()),
    st.sampled_from("general character trigger copyright quality outfit odd".split()),
    st.sampled_from([("danbooru",), (HAND,), ("wd",)]),
    st.sampled_from([1.0, 0.9, 0.4]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(TAGS, max_size=9, unique_by=lambda tag: tag.name), st.integers(0, 3))
def test_twice_is_once_and_nothing_is_lost(tags: list[Tag], keep: int) -> None:
    order = Order("", keep)
    once = order(tuple(tags), RECORD)
    assert sorted(once, key=repr) == sorted(tags, key=repr)
    assert order(once, RECORD) == once


def test_the_fixed_head_is_what_was_said_or_what_leads() -> None:
    tags = (SHIMAKAZE, tag("1girl"), tag("solo"))
    assert fixed(tags, RECORD) == 1
    assert fixed(tags, keeping(RECORD, 2)) == 2
    assert fixed(tags[1:], RECORD) == 0
    assert fixed(tags[:1], keeping(RECORD, 9)) == 1


def test_the_number_is_written_down_once_and_stands() -> None:
    assert keeping(RECORD, 0) is RECORD
    written = keeping(RECORD, 2)
    assert written.facts == {"clean": {"keep_tokens": 2}} and kept(written) == 2
    assert keeping(written, 0) is written and keeping(written, 2) is written
    assert keeping(written, 0, "ohwx") is written
    assert kept(keeping(RECORD, 0, "ohwx")) == 1


def test_a_new_tag_finds_its_place() -> None:
    outfit = Tag("shimakaze_serafuku", "outfit", ("core",))
    tags = (SHIMAKAZE, tag("1girl"), Tag("typed"), tag("solo"), SERIES, tag("smile"))
    assert place_for(tags, outfit, RECORD) == 4
    assert place_for((tag("smile"), tag("1girl")), outfit, RECORD) == 0


def test_names_are_written_short() -> None:
    assert short_names(["shimakaze (kancolle)=shimakaze", "rin_(a)_(b)", "=_= -> face"]) == {
        "shimakaze_(kancolle)": "shimakaze",
        "rin_(a)_(b)": "rin",
        "=_=": "face",
    }


@pytest.mark.parametrize("pair", ["a=b=c", "=b", "a=", "plain", "a=a"])
def test_what_is_no_short_name_is_refused(pair: str) -> None:
    with pytest.raises(UsageError, match="shorten"):
        short_names([pair])


def test_short_names_that_disagree_are_refused() -> None:
    with pytest.raises(UsageError, match="two names"):
        short_names(["a_(b)=a", "a_(b)=c"])
    with pytest.raises(UsageError, match="makes 'b'"):
        short_names(["a=b", "b=c"])
    with pytest.raises(SafetyError):
        short_names(["a_(b)=loli"])


def test_a_trigger_of_several_words_goes_before_another() -> None:
    one, other = Tag("old", "trigger", ("clean",)), Tag("my word", "trigger", ("clean",))
    assert names(one, tag("1girl"), other, first="my word") == "my word old 1girl"
