"""Other names for tags: what a person wishes, and what a site calls its aliases."""

import pytest

from datasetkit.cleaners.tags.rules.renames import Renames, certain, replacements
from datasetkit.errors import UsageError


@pytest.mark.parametrize(
    ("pair", "old", "new"),
    [
        ("grey hair=gray_hair", "grey_hair", "gray_hair"),
        ("grey_hair -> gray hair", "grey_hair", "gray_hair"),
        ("=_= -> closed eyes", "=_=", "closed_eyes"),
        (">_<=closed eyes", ">_<", "closed_eyes"),
        ("shimakaze (kancolle) = shimakaze", "shimakaze_(kancolle)", "shimakaze"),
    ],
)
def test_a_pair_is_read_with_spaces_or_underscores(pair: str, old: str, new: str) -> None:
    assert replacements([pair]) == {old: new}


@pytest.mark.parametrize("wrong", ["old", "old=", "=new", "a=b=c", "=_==x", "->", ""])
def test_what_is_no_pair_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="is not old=new"):
        replacements([wrong])


def test_chains_are_followed_to_their_end_and_circles_refused() -> None:
    assert replacements(["a=b", "b=c", "x=x"]) == {"a": "c", "b": "c"}
    with pytest.raises(UsageError, match="circle"):
        replacements(["a=b", "b=a"])
    with pytest.raises(UsageError, match="two names"):
        replacements(["a=b", "a=c"])


def test_what_is_settled_stays() -> None:
    rule = Renames({"a": "b", "c": "d"}, frozenset({"c"}))
    assert [rule(name, "general") for name in "abcd"] == ["b", "b", "c", "d"]


def test_an_alias_that_guesses_who_is_meant_is_left_out() -> None:
    aliases = {"shimakaze": "shimakaze_(soundz_of_bell)", "sailor_suit": "serafuku"}
    assert certain(aliases) == {"sailor_suit": "serafuku"}


def test_a_kind_may_be_left_alone() -> None:
    rule = Renames({"sailor_uniform": "serafuku"}, spared=frozenset({"outfit"}))
    assert rule("sailor_uniform", "outfit") == "sailor_uniform"
    assert rule("sailor_uniform", "general") == "serafuku"
