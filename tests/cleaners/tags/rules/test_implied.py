"""Implied tags: directed, on whole names, all the way up, and never the two faults."""

from pathlib import Path

import pytest

from datasetkit.cleaners.tags.rules.implications import IMPLIED
from datasetkit.cleaners.tags.rules.implied import BUILT_IN, Implications, Implied
from datasetkit.cleaners.tags.rules.patterns import Patterns
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Record, Tag

BOORU = ("danbooru",)


def record(*tags: Tag | str, removed: frozenset[str] = frozenset()) -> Record:
    made = [tag if isinstance(tag, Tag) else Tag(tag, by=BOORU) for tag in tags]
    return Record("a", Picture(Path("a.png"), (8, 8)), tuple(made), removed=removed)


def left(*tags: Tag | str, rule: Implied | None = None) -> list[str]:
    given = record(*tags)
    return [tag.name for tag in (rule or Implied())(given.tags, given)]


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        ("very_long_hair", "long_hair"),
        ("absurdly_long_hair", "long_hair"),
        ("cat_ears", "animal_ears"),
        ("pleated_skirt", "skirt"),
        ("mini_top_hat", "hat"),
        ("school_swimsuit", "swimsuit"),
        ("white_shirt", "shirt"),
        ("katana", "weapon"),
        ("evil_grin", "smile"),
    ],
)
def test_the_more_general_tag_goes(child: str, parent: str) -> None:
    assert left("1girl", parent, child) == left("1girl", child, parent) == ["1girl", child]
    assert left("1girl", parent) == ["1girl", parent]


@pytest.mark.parametrize(
    ("stays", "beside"),
    [
        ("tail", "twintails"),
        ("hat", "hat_removed"),
        ("hat", "unworn_hat"),
        ("skirt", "skirt_removed"),
        ("gloves", "gloves_removed"),
        ("ass", "sunglasses"),
        ("male", "female"),
        ("bow", "holding_bowl"),
        ("suit", "swimsuit"),
        ("ring", "covering_mouth"),
        ("sword", "holding_sword"),
        ("hat", "holding_hat"),
        ("animal_ears", "fake_animal_ears"),
        ("cat", "cat_print"),
        ("ears", "cat_ears"),
        ("shirt", "shirt_lift"),
        ("bow", "bowtie"),
        ("multiple_girls", "2girls"),
    ],
)
def test_what_only_looks_implied_stays(stays: str, beside: str) -> None:
    assert left(stays, beside) == [stays, beside]


def test_the_table_holds_neither_circles_nor_the_two_faults() -> None:
    for name, parents in IMPLIED.items():
        assert name not in BUILT_IN(name), name
        assert set(parents) <= BUILT_IN(name), f"{name}: left out as unsound"


def test_a_sites_faulty_pairs_are_left_out() -> None:
    says = Implications(
        {
            "hat_removed": ["hat"],
            "holding_sword": ["sword", "holding_weapon"],
            "cat_print": ["cat", "animal_print"],
            "a": ["b"],
            "b": ["c", "a"],
            "c": ["d"],
            "e": ["e"],
        }
    )
    assert says("hat_removed") == says("e") == frozenset()
    assert says("holding_sword") == {"holding_weapon"}
    assert says("cat_print") == {"animal_print"}
    assert says("a") == says("b") == {"c", "d"}  # two that say each other would both go


def test_only_general_tags_go_and_none_typed_by_hand() -> None:
    says = Implications({"a_(x)_(y)": ["a_(y)"], "sequel": ["series"]}, IMPLIED)
    rule = Implied("drop", says)
    worn = [Tag(name, "character", BOORU) for name in ("a_(x)_(y)", "a_(y)")]
    told = [Tag(name, "copyright", BOORU) for name in ("sequel", "series")]
    assert len(left(*worn, *told, rule=rule)) == 4
    assert left("cat_ears", Tag("animal_ears", by=(HAND,))) == ["cat_ears", "animal_ears"]
    assert left("animal_ears", Tag("cat_ears", by=(HAND,))) == ["cat_ears"]
    kept = Implied("drop", keep=Patterns(["animal*"]))
    assert left("cat_ears", "animal_ears", rule=kept) == ["cat_ears", "animal_ears"]


def test_what_is_implied_may_be_added_but_for_what_a_person_removed() -> None:
    rule = Implied("add")
    before = record("1girl", Tag("mini_top_hat", by=("wd",), score=0.5), removed=frozenset({"hat"}))
    after = rule(before.tags, before)
    assert [tag.name for tag in after] == ["1girl", "mini_top_hat", "mini_hat", "top_hat"]
    assert after[2] == Tag("mini_hat", "general", ("clean",), 0.5)
    assert rule(after, before) is after


def test_a_word_of_age_is_neither_dropped_nor_added() -> None:
    says = Implications({"hat_girl": ["child"], "a": ["toddler"]})
    assert left("hat_girl", "child", rule=Implied("drop", says)) == ["hat_girl", "child"]
    assert left("a", rule=Implied("add", says)) == ["a"]


def test_nothing_to_do_gives_the_very_same_tags() -> None:
    for how in ("drop", "add", "keep"):
        given = record("1girl", "solo")
        assert Implied(how)(given.tags, given) is given.tags
    given = record("long_hair", "very_long_hair")
    assert Implied("keep")(given.tags, given) is given.tags


def test_only_what_is_seen_says_other_tags() -> None:
    for kind in ("character", "trigger", "artist", "outfit"):
        assert left("fruit", "bird", Tag("peach", kind, ("clean",)), "crow") == [
            "fruit", "peach", "crow"
        ]  # fmt: skip


def test_what_is_added_bears_the_name_that_other_rules_give_it() -> None:
    def called(name: str, kind: str) -> str:
        return {"animal_ears": "kemonomimi", "hat": "", "mini_hat": "fur_hat"}.get(name, name)

    rule = Implied("add", called=called)
    assert left("cat_ears", rule=rule) == ["cat_ears", "kemonomimi"]
    given = record("mini_top_hat")
    after = rule(given.tags, given)
    assert [tag.name for tag in after] == ["mini_top_hat", "fur_hat", "top_hat"]
    assert rule(after, given) is after
    core = record("cat_ears").with_facts("core", {"dropped": ["animal_ears", "kemonomimi"]})
    assert rule(core.tags, core) is core.tags
