"""Junk and what a person drops: by kind, by the lists, by globs, on whole names."""

import pytest

from datasetkit.cleaners.tags.rules.junk import Junk
from datasetkit.cleaners.tags.rules.patterns import Patterns
from datasetkit.tags import matches
from tests.test_tags import FACES

PATTERNS = (
    "long hair",
    "*_request",
    "* (medium)",
    "bad_?_id",
    ">_<",
    "[_*",
    "a[b]*",
    "x*",
    "1?irl",
)
NAMES = (
    "long_hair very_long_hair artist_request photoshop_(medium) bad_x_id bad_pixiv_id >_< [_] a[b]c"
    " ab x x_x 1girl 21girls request"
).split()


@pytest.mark.parametrize("name", [*NAMES, *FACES])
def test_many_patterns_at_once_mean_what_each_means(name: str) -> None:
    assert (name in Patterns(PATTERNS)) == any(matches(name, pattern) for pattern in PATTERNS)


def test_no_patterns_mean_nothing() -> None:
    assert "x" not in Patterns()
    assert "" not in Patterns([""])


def test_meta_goes_by_its_kind_and_by_its_name() -> None:
    junk = Junk()
    assert junk("anything", "meta") == junk("absurdres", "general") == ""
    assert junk("bad_hair_day", "general") == "bad_hair_day"
    assert Junk(lists=False)("absurdres", "meta") == "absurdres"
    assert Junk(Patterns(["bad*"]), lists=False)("bad_hair_day", "general") == ""


@pytest.mark.parametrize("face", FACES)
def test_no_face_is_junk(face: str) -> None:
    assert Junk()(face, "general") == face


def test_the_lists_are_of_tags_and_not_of_names() -> None:
    for kind in ("artist", "character", "copyright", "outfit", "quality"):
        assert Junk()("casual", kind) == "casual"
        assert Junk()("check_point", kind) == "check_point"
        assert Junk(Patterns(["casual"]))("casual", kind) == ""
    assert Junk()("banned_artist", "artist") == ""


@pytest.mark.parametrize(
    "junk",
    """paid_reward_available variant_set second-party_source third-party_source non-web_source
    pixiv_id bad_pixiv_id spoilers md5_mismatch resolution_mismatch duplicate commission""".split(),
)
def test_housekeeping_goes_where_no_kinds_are_known(junk: str) -> None:
    assert Junk()(junk, "general") == Junk()(junk.upper(), "general") == ""


@pytest.mark.parametrize("seen", ["crossdressing", "age_progression", "style_parody"])
def test_what_is_seen_in_the_picture_stays(seen: str) -> None:
    assert Junk()(seen, "general") == seen
    assert Junk(Patterns([seen]))(seen, "general") == ""


@pytest.mark.parametrize(
    "seen", "traditional_media watercolor_(medium) photo_(medium) anime_screenshot".split()
)
def test_what_it_is_made_with_stays_whatever_its_kind(seen: str) -> None:
    assert Junk()(seen, "general") == Junk()(seen, "meta") == seen
    assert Junk(Patterns([seen]))(seen, "meta") == ""


@pytest.mark.parametrize(
    "junk", "cosplay casual genderswap photoshop_(medium) clip_studio_paint_(medium)".split()
)
def test_what_only_compares_and_the_programs_go(junk: str) -> None:
    assert Junk()(junk, "general") == ""
