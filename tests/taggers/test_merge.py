"""What stands and what a model says: five ways to merge, and nothing a person wrote is lost."""

import pytest

from datasetkit.errors import UsageError
from datasetkit.record import HAND, Tag
from datasetkit.taggers.merge import MODES, back_from_aside, check_mode, merged

BOORU = ("danbooru",)
STANDING = (
    Tag("my_style", "trigger", (HAND,)),
    Tag("hat", "general", BOORU),
    Tag("smile", "general", ("danbooru", "gelbooru")),
    Tag("someone", "artist", BOORU),
    Tag("typed", "general", (HAND,)),
    Tag("caption", "general", ("folder",)),
    Tag("earlier", "general", ("wd",), 0.5),
    Tag("both", "general", ("danbooru", "wd"), 0.6),
)
SAID = (
    Tag("miku", "character", ("wd",), 0.9),
    Tag("hat", "general", ("wd",), 0.8),
    Tag("typed", "general", ("wd",), 0.7),
    Tag("sky", "general", ("wd",), 0.6),
)
VOCABULARY = {"hat", "smile", "typed", "caption", "earlier", "both", "miku", "sky"}


def merge(mode, standing=STANDING, said=SAID, **options):
    return merged(standing, said, ["wd"], mode, knows=VOCABULARY.__contains__, **options)


def names(mode, **options):
    return [tag.name for tag in merge(mode, **options).tags]


def test_union_keeps_what_either_says():
    found = merge("union")
    assert found.aside == ()
    assert found.tags == (
        STANDING[0],
        Tag("hat", "general", ("danbooru", "wd"), 0.8),
        *STANDING[2:6],
        Tag("both", "general", BOORU, 1.0),
        SAID[0],
        SAID[3],
    )


def test_prefer_booru_adds_only_kinds_of_which_nobody_spoke():
    found = merge("prefer-booru")
    assert [tag.name for tag in found.tags][-1] == "miku"
    assert "sky" not in names("prefer-booru")
    assert found.tags[1].by == ("danbooru", "wd")  # what both say is still confirmed
    mute = [tag for tag in STANDING if tag.kind != "general"]
    assert "sky" in names("prefer-booru", standing=mute)
    another = [*mute, Tag("x", "general", ("other-model",), 0.5)]
    assert "sky" not in names("prefer-booru", standing=another)
    assert "sky" in names("prefer-booru", standing=another, taggers=["other-model"])


def test_prefer_model_sets_aside_what_it_knows_and_does_not_see():
    found = merge("prefer-model")
    assert [tag.name for tag in found.aside] == ["smile", "both"]
    left = [tag.name for tag in found.tags]
    assert left == ["my_style", "hat", "someone", "typed", "caption", "miku", "sky"]


def test_replace_sets_aside_all_but_a_persons_words():
    found = merge("replace")
    assert [tag.name for tag in found.aside] == ["smile", "someone", "both"]
    assert [tag.name for tag in found.tags] == [
        "my_style",
        "hat",
        "typed",
        "caption",
        "miku",
        "sky",
    ]


def test_only_missing_leaves_a_picture_alone_that_has_tags():
    assert names("only-missing") == [tag.name for tag in STANDING if tag.name != "earlier"]
    assert names("only-missing", standing=STANDING[:1]) == [
        "my_style", "miku", "hat", "typed", "sky",
    ]  # fmt: skip
    again = merge("only-missing", standing=STANDING[:1]).tags
    assert merge("only-missing", standing=again).tags == again


@pytest.mark.parametrize("mode", MODES)
def test_what_a_person_wrote_stands_in_any_case(mode):
    found = {tag.name: tag for tag in merge(mode).tags}
    assert found["typed"] == STANDING[4]
    assert found["my_style"] == STANDING[0]
    assert "folder" in found["caption"].by


@pytest.mark.parametrize("mode", MODES)
def test_a_second_merging_changes_nothing(mode):
    found = merge(mode)
    again = merge(mode, standing=back_from_aside(found.tags, found.aside))
    assert set(again.tags) == set(found.tags)
    assert set(again.aside) == set(found.aside)


@pytest.mark.parametrize("mode", ["replace", "prefer-model"])
def test_what_was_set_aside_comes_back(mode):
    found = merge(mode)
    back = merge("union", standing=back_from_aside(found.tags, found.aside))
    assert set(back.tags) == set(merge("union").tags)


def test_two_models_of_a_vote_are_kept_apart():
    said = [Tag("hat", "general", ("a", "b"), 0.7), Tag("sky", "general", ("b",), 0.6)]
    before = [Tag("hat", "general", ("danbooru", "a"), 0.9), Tag("old", "general", ("a", "c"), 0.4)]
    assert merged(before, said, ["a", "b"]).tags == (
        Tag("hat", "general", ("danbooru", "a", "b"), 0.7),
        Tag("old", "general", ("c",), 1.0),
        said[1],
    )


def test_a_word_that_is_no_way_to_merge():
    with pytest.raises(UsageError, match="did you mean 'prefer-booru'"):
        check_mode("prefer-boru")
