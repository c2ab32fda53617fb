"""One picture that stands on two sites is one record."""

from dataclasses import replace
from pathlib import Path

import pytest

from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag

OURS = Record(
    "danbooru_1",
    Picture(Path("danbooru_1.png"), (8, 8)),
    (Tag("1girl", by=("danbooru",)), Tag("miku", "character", ("danbooru",), 0.5)),
    Origin("danbooru", "1", md5="aa", rating="s"),
)


def theirs(*tags: Tag, site: str = "gelbooru", post: str = "9", rating: str = "g") -> Record:
    return Record("x", Picture(Path("x.png"), (8, 8)), tags, Origin(site, post, rating=rating))


def test_tags_are_joined_and_the_more_telling_kind_wins() -> None:
    joined = OURS.joined(
        theirs(
            Tag("miku", "copyright", ("gelbooru",), 0.25),
            Tag("1girl", "meta", ("gelbooru", "danbooru")),
            Tag("hat", by=("gelbooru",)),
        )
    )
    assert joined.tags == (
        Tag("1girl", "meta", ("danbooru", "gelbooru")),
        Tag("miku", "character", ("danbooru", "gelbooru"), 0.5),
        Tag("hat", by=("gelbooru",)),
    )
    assert (joined.key, joined.picture) == (OURS.key, OURS.picture)


def test_the_surer_score_is_kept() -> None:
    joined = OURS.joined(theirs(Tag("miku", by=("wd",), score=0.75)))
    assert joined.tags[1] == Tag("miku", "character", ("danbooru", "wd"), 0.75)


def test_what_a_person_removed_stays_away() -> None:
    ours = Record("a", OURS.picture, OURS.tags, removed=frozenset({"hat"}))
    assert ours.joined(theirs(Tag("hat"))).names == OURS.names


def test_every_place_is_kept_once() -> None:
    joined = OURS.joined(theirs())
    assert joined.also == (Origin("gelbooru", "9", rating="g"),)
    assert joined.joined(theirs()) is joined
    both = theirs(site="konachan", post="3").joined(joined)
    assert [origin.site for origin in both.also] == ["danbooru", "gelbooru"]
    assert OURS.joined(both).also == (Origin("konachan", "3", rating="s"), joined.also[0])


def test_nothing_new_gives_the_same_object() -> None:
    assert OURS.joined(OURS) is OURS
    assert OURS.joined(Record("x", OURS.picture)) is OURS


@pytest.mark.parametrize(
    ("mine", "other", "became"),
    [
        ("g", "s", "s"),
        ("s", "g", "s"),
        ("q", "e", "e"),
        ("e", "q", "e"),
        ("", "g", "g"),
        ("g", "", "g"),
        ("", "", ""),
    ],
)
def test_a_picture_is_as_explicit_as_its_strictest_site_says(
    mine: str, other: str, became: str
) -> None:
    ours = theirs(site="danbooru", rating=mine)
    assert ours.joined(theirs(rating=other)).origin.rating == became


def test_the_strictest_rating_of_all_other_places_counts() -> None:
    lenient = Record(
        "x", OURS.picture, origin=Origin("a", "1", rating="g"), also=(Origin("b", "2", rating="q"),)
    )
    assert OURS.joined(lenient).origin == Origin("danbooru", "1", md5="aa", rating="q")


def test_what_a_person_typed_stays_theirs() -> None:
    typed = replace(OURS, tags=(Tag("hat"), Tag("1girl", by=("danbooru",))))
    joined = typed.joined(theirs(Tag("hat", by=("wd",)), Tag("1girl")))
    assert joined.tags == (Tag("hat"), Tag("1girl"))
    assert joined.joined(theirs(Tag("hat", by=("wd",)))) is joined
