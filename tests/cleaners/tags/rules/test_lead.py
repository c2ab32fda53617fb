"""The head of a caption, and each tag once."""

from pathlib import Path

from datasetkit.cleaners.tags.rules.lead import Lead
from datasetkit.pixels import Picture
from datasetkit.record import Record, Tag

BOORU = ("danbooru",)
GIRL, SOLO = Tag("1girl", by=BOORU), Tag("solo", by=BOORU)
WHO = Tag("shimakaze_(kancolle)", "character", BOORU)
TRIGGER = Tag("ohwx_X", "trigger", ("clean",))


def led(rule: Lead, *tags: Tag, removed: frozenset[str] = frozenset()) -> tuple[Tag, ...]:
    return rule(tags, Record("a", Picture(Path("a.png"), (8, 8)), tags, removed=removed))


def test_triggers_lead_then_characters() -> None:
    assert led(Lead(), GIRL, WHO, TRIGGER, SOLO) == (TRIGGER, WHO, GIRL, SOLO)


def test_the_first_is_moved_or_added_or_left_out_where_it_was_removed() -> None:
    assert led(Lead("solo"), GIRL, SOLO) == (Tag("solo", "trigger", BOORU), GIRL)
    assert led(Lead("ohwx_X"), GIRL, TRIGGER) == (TRIGGER, GIRL)
    assert led(Lead("ohwx_X"), GIRL, WHO) == (TRIGGER, GIRL, WHO)
    assert led(Lead("ohwx_X"), GIRL, removed=frozenset({"ohwx_X"})) == (GIRL,)


def test_the_word_becomes_the_trigger_whoever_said_it_and_a_character_stays_one() -> None:
    rule = Lead("shimakaze (kancolle)")
    for by in (BOORU, ("hand",)):
        untyped = Tag(WHO.name, "general", by, 0.7)
        trigger = Tag("shimakaze (kancolle)", "trigger", by, 0.7)
        assert led(rule, GIRL, untyped) == (trigger, GIRL) == led(rule, trigger, GIRL)
    assert led(rule, GIRL, WHO) == (WHO, GIRL)


def test_the_word_stands_once() -> None:
    rule = Lead("shimakaze (kancolle)")
    trigger = Tag("shimakaze (kancolle)", "trigger", ("clean",))
    assert led(rule, trigger, GIRL, Tag(WHO.name, by=BOORU)) == (trigger, GIRL)
    assert led(rule, trigger, GIRL, WHO) == (WHO, GIRL)


def test_the_word_that_was_removed_stays_out_in_any_spelling_until_it_is_typed() -> None:
    rule = Lead("shimakaze (kancolle)")
    for name in ("shimakaze (kancolle)", WHO.name):
        gone = frozenset({name})
        assert led(rule, GIRL, removed=gone) == (GIRL,)
        assert led(rule, GIRL, WHO, removed=gone) == (GIRL,)
    assert led(Lead("shimakaze", WHO.name), GIRL, removed=frozenset({WHO.name})) == (GIRL,)


def test_each_tag_stands_once_and_none_that_was_removed() -> None:
    again = Tag("1girl", by=("wd",))
    assert led(Lead(), GIRL, SOLO, again) == (GIRL, SOLO)
    assert led(Lead(), GIRL, SOLO, removed=frozenset({"solo"})) == (GIRL,)
    assert led(Lead(), GIRL, SOLO, SOLO) == (GIRL, SOLO)


def test_nothing_to_do_gives_the_very_same_tags() -> None:
    tags = (WHO, GIRL, SOLO)
    record = Record("a", Picture(Path("a.png"), (8, 8)), tags)
    for rule in (Lead(), Lead("shimakaze (kancolle)")):
        assert rule(tags, record) is tags
