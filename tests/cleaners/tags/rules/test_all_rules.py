"""All rules at once come to what they come to one by one, and twice is once."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasetkit.cleaners.tags.clean import Clean
from datasetkit.cleaners.tags.rules import all_rules
from datasetkit.cleaners.tags.rules.implications import IMPLIED
from datasetkit.cleaners.tags.rules.order import keeping
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Record, Tag
from datasetkit.tags import from_caption

NAMES = """
    1girl solo absurdres gone old new hat beret top_hat mini_top_hat cat_ears animal_ears peach
    fruit long_hair very_long_hair asuna_(bunny)_(blue_archive)
    asuna_(x)_(blue_archive) asuna_(blue_archive) ohwx style
""".split()
TAGS = st.builds(
    Tag,
    st.sampled_from(NAMES),
    st.sampled_from("general general general character trigger copyright meta quality".split()),
    st.sampled_from([("danbooru",), ("danbooru",), ("wd",), ("danbooru", "wd"), (HAND,)]),
    st.sampled_from([1.0, 1.0, 0.9, 0.4]),
)
STAGES = [
    Clean(),
    Clean(first="ohwx", drop=("gone",), replace=("old=new",)),
    Clean(add=("cat_ears", "style"), costumes="fold", shorten=("asuna (blue archive)",)),
    Clean(first="peach", implied="add", replace=("top hat=hat",), keep=("beret",)),
    Clean(implied="keep", keep_tokens=2, junk=False),
    Clean(order=False, first="style", drop=("*hat",)),
    Clean(first="new", replace=("old=new",), only=True),
]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(TAGS, max_size=10, unique_by=lambda tag: tag.name),
    st.sampled_from(STAGES),
    st.frozensets(st.sampled_from(NAMES), max_size=2),
)
def test_both_ways_are_the_same_and_twice_is_once(
    tags: list[Tag], stage: Clean, removed: frozenset[str]
) -> None:
    good = tuple(tag for tag in tags if tag.name not in removed)
    given_one = Record("a", Picture(Path("a.png"), (8, 8)), good, removed=removed)
    once = stage(given_one)
    known = keeping(given_one, stage.keep_tokens, "" if stage.first in removed else stage.first)
    led = stage.first and stage.first not in removed
    others = stage._lead.instead(known.tags, stage._wanted) if led else known.tags
    assert stage._in_order.one_by_one(others, known) == once.tags
    assert stage(once) is once
    hers = from_caption(stage.first)
    typed = {tag for tag in good if tag.by == (HAND,) and tag.name not in {hers, *stage.drop}}
    assert typed <= set(once.tags)
    if hers and hers not in removed:
        assert once.tags[0].name == stage.first
        assert once.tags[0].kind in ("trigger", "character")
    assert not removed & set(once.names)
    lost = {tag.name for tag in good} - set(once.names)
    assert lost == set(once.facts.get("clean", {}).get("dropped", ()))


@pytest.mark.parametrize("most", [5, 60, 100_000])
def test_tags_that_come_and_go_are_never_taken_for_others(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known of a tag is kept by its id, which another tag may get once it is gone."""
    monkeypatch.setattr(all_rules, "MOST", most)
    dice = random.Random(5)
    words = [*IMPLIED, *{name for said in IMPLIED.values() for name in said}, *NAMES]
    kinds = ["general"] * 8 + ["character", "copyright", "species", "meta"]
    picture = Picture(Path("a.png"), (8, 8))
    stage = Clean(add=("style",), drop=("*_ribbon",), replace=("old=new", "sword=gun"))
    for _ in range(600):
        tags = tuple(
            Tag(name, dice.choice(kinds), ("danbooru",), dice.choice([1.0, 1.0, 0.7, 0.2]))
            for name in dict.fromkeys(dice.choices(words, k=30))
        )
        record = Record("a", picture, tags)
        once = stage(record)
        assert stage._in_order.one_by_one(tags, record) == once.tags
        assert stage(once) is once
