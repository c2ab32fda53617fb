"""Names judged one by one: renamings of renamings, tags that become one, what is above it all."""

from pathlib import Path

from datasetkit.cleaners.tags.rules.junk import Junk
from datasetkit.cleaners.tags.rules.patterns import Patterns
from datasetkit.cleaners.tags.rules.renames import Renames
from datasetkit.cleaners.tags.rules.words import Words
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Record, Tag

RECORD = Record("a", Picture(Path("a.png"), (8, 8)))


def made(words: Words, *tags: Tag) -> tuple[Tag, ...]:
    return words(tags, RECORD)


def test_a_tag_keeps_its_place_kind_score_and_who_said_it() -> None:
    words = Words([Renames({"old": "new"})])
    first, old = Tag("1girl", by=("wd",)), Tag("old", "character", ("gelbooru",), 0.7)
    last = Tag("solo", by=("wd",))
    assert made(words, first, old, last) == (
        first,
        Tag("new", "character", ("gelbooru",), 0.7),
        last,
    )


def test_two_that_become_one_are_said_by_both() -> None:
    words = Words([Renames({"old": "new"})])
    old, new = Tag("old", "character", ("gelbooru",), 0.7), Tag("new", "general", ("wd",), 0.9)
    both = ("gelbooru", "wd"), ("wd", "gelbooru")
    assert made(words, old, new) == (Tag("new", "character", both[0], 0.9),)
    assert made(words, new, old) == (Tag("new", "character", both[1], 0.9),)


def test_what_a_person_typed_stays_as_it_is() -> None:
    words = Words([Renames({"old": "new"}), Junk(Patterns(["gone"]))])
    typed = Tag("new", by=(HAND,)), Tag("gone", by=(HAND,))
    assert made(words, *typed) is not None
    assert made(words, *typed) == typed
    old = Tag("old", by=("wd",))
    assert made(words, old, *typed) == made(words, *typed, old) == typed
    assert made(words, Tag("old", by=(HAND,))) == (Tag("old", by=(HAND,)),)


def test_what_is_named_in_full_goes_though_it_was_typed_or_leads() -> None:
    words = Words(
        [Junk(Patterns(["grin", "s*"]))], Patterns(["kept"]), Patterns(["grin", "my_word", "kept"])
    )
    typed = Tag("smile", by=(HAND,)), Tag("kept", by=(HAND,))
    gone = Tag("grin", by=(HAND,)), Tag("my word", "trigger", ("clean",))
    assert made(words, *gone, *typed) == typed


def test_renamings_go_on_to_their_end_and_circles_are_left() -> None:
    words = Words([Renames({"a": "b"}), Renames({"b": "c", "x": "y"}), Renames({"y": "x"})])
    assert [tag.name for tag in made(words, Tag("a", by=("wd",)))] == ["c"]
    circle = (Tag("x", by=("wd",)), Tag("y", by=("wd",)))
    assert made(words, *circle) == circle


def test_a_drop_sees_both_the_old_and_the_new_name() -> None:
    for dropped in ("old", "new"):
        words = Words([Junk(Patterns([dropped])), Renames({"old": "new"})])
        assert made(words, Tag("old", by=("wd",))) == ()


def test_keep_is_above_all_rules() -> None:
    words = Words([Junk(), Renames({"a": "b", "b": "c"})], Patterns(["absurd*", "b"]))
    tags = (Tag("absurdres", "meta", ("x",)), Tag("b", by=("x",)))
    assert made(words, *tags) == tags
    assert [tag.name for tag in made(words, Tag("a", by=("x",)))] == ["b"]


def test_the_warning_that_a_word_of_age_gives_cannot_be_cleaned_away() -> None:
    words = Words([Junk(Patterns(["*"])), Renames({"child": "girl", "kid": "girl", "a": "child"})])
    tags = tuple(Tag(name, by=("x",)) for name in ("child", "kid", "aged_down"))
    assert made(words, *tags) == tags
    renamed = Words([Renames({"a": "child"}), Renames({"child": "girl"})])
    assert [tag.name for tag in made(renamed, Tag("a", by=("x",)))] == ["child"]


def test_nothing_to_do_gives_the_very_same_tags() -> None:
    words = Words([Junk(), Renames({"a": "b"})])
    tags = (Tag("1girl", by=("x",)), Tag("ohwx", "trigger", ("clean",)))
    assert words(tags, RECORD) is tags
    assert words((Tag("absurdres"),), RECORD) == (Tag("absurdres"),)
