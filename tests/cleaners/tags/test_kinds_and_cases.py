"""Captions: what is dropped or kept by its kind, and names in large and small letters."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from datasetkit.cleaners.tags.clean import Clean
from datasetkit.dataset import Dataset
from datasetkit.engines.events import Said
from datasetkit.engines.local import run_leg
from datasetkit.errors import UsageError
from datasetkit.pixels import Picture
from datasetkit.record import HAND, ORDER, Record, Tag
from tests.homes import Home
from tests.sources import Pictures

BOORU = ("danbooru",)


def record(*tags: Tag | str) -> Record:
    made = [tag if isinstance(tag, Tag) else Tag(tag, by=BOORU) for tag in tags]
    return Record("a", Picture(Path("a.png"), (8, 8)), tuple(made))


ALL = record(
    Tag("2b_(nier:automata)", "character", BOORU),
    Tag("shimakaze_(cosplay)", "character", BOORU),
    Tag("nier:automata", "copyright", BOORU),
    Tag("wlop", "artist", BOORU),
    Tag("absurdres", "meta", BOORU),
    "wlop_hat",
    "solo",
)


@pytest.mark.parametrize(
    ("drop", "gone"),
    [
        ("artist:*", {"wlop"}),
        ("ARTIST:W*", {"wlop"}),
        ("artist:wlop", {"wlop"}),
        ("general:wlop*", {"wlop_hat"}),
        ("character:*_(cosplay)", {"shimakaze_(cosplay)"}),
        ("character:* (cosplay)", {"shimakaze_(cosplay)"}),
        ("nier:automata", {"nier:automata"}),
        ("nier:*", {"nier:automata"}),
        ("copyright:nier:automata", {"nier:automata"}),
        ("general:solo*, x", set()),
    ],
)
def test_what_a_kind_is_named_with_goes(drop: str, gone: set[str]) -> None:
    stage = Clean(drop=(drop,), junk=False)
    stage.check()
    after = stage(ALL)
    assert set(ALL.names) - set(after.names) == gone
    assert stage(after) is after


def test_what_a_kind_is_named_with_stays() -> None:
    assert "absurdres" not in Clean()(ALL).names
    stage = Clean(keep=("meta:absurd*", "artist:wlop"), drop=("*s", "wl*"))
    stage.check()
    assert set(ALL.names) - set(stage(ALL).names) == {"wlop_hat"}


def test_a_full_name_of_a_kind_goes_though_it_leads() -> None:
    led = record(Tag("ohwx", "trigger", ("clean",)), "solo")
    assert Clean(drop=("trigger:*",))(led).names == ("ohwx", "solo")
    assert Clean(drop=("trigger:ohwx",), only=True)(led).names == ("solo",)


def test_a_misspelt_kind_is_told() -> None:
    with pytest.raises(UsageError, match=r"drop 'artists:\*': did you mean 'artist:'\?"):
        Clean(drop=("artists:*",)).check()
    Clean(drop=("re:zero", "nier:*", "fate:x"), keep=("love:live",)).check()


def test_what_is_kept_is_not_dropped_at_once() -> None:
    with pytest.raises(UsageError, match="'long_hair' is to be kept and dropped at once"):
        Clean(drop=("long hair",), keep=("Long_Hair",)).check()
    Clean(drop=("*_hair",), keep=("long_hair",)).check()


# --- letter case ----------------------------------------------------------------------------


def test_names_are_meant_in_any_case() -> None:
    before = record("Long Hair", "Long_Hair", "SMILE", "solo")
    assert Clean(drop=("long hair", "Smile", "S*o"), junk=False)(before).names == ()
    assert Clean(keep=("HIGHRES",))(record("highres", "absurdres")).names == ("highres",)
    assert Clean()(record("Highres", "solo")).names == ("solo",)


def test_tags_that_differ_in_case_become_one() -> None:
    one = Tag("Smile", by=("zerochan",), score=0.5)
    other = Tag("smile", "character", ("wd",), 0.9)
    for order in ([one, other], [other, one], [one, Tag("SMILE", "character", ("wd",), 0.9)]):
        after = Clean()(record("1girl", *order))
        (found,) = (tag for tag in after.tags if tag.name == "smile")
        assert (found.kind, set(found.by), found.score) == ("character", {"zerochan", "wd"}, 0.9)
        assert len(after.tags) == 2
        assert "dropped" not in after.facts.get("clean", {})
        assert Clean()(after) is after
    assert Clean(only=True)(record(one, other)).names == ("Smile", "smile")


def test_a_spelling_that_stands_alone_stays() -> None:
    typed = Tag("Blue Sky", by=(HAND,))
    for alone in ("Smile", typed, Tag("MyWord", "trigger", ("clean",))):
        before = record(alone, "zzz")
        assert set(Clean()(before).names) == set(before.names)


def test_what_a_person_typed_twice_becomes_one_of_theirs() -> None:
    typed = record(Tag("Smile", by=(HAND,)), Tag("solo", by=(HAND,)), Tag("smile", by=(HAND,)))
    moved = typed.with_facts(ORDER, HAND)
    for before in (typed, moved):
        after = Clean()(before)
        assert after.tags == (Tag("smile", by=(HAND,)), Tag("solo", by=(HAND,)))
        assert Clean()(after) is after


def test_a_triggers_own_spelling_stays() -> None:
    for tags in (["1girl", "hatsune_miku"], ["Hatsune_miku", "1girl", "hatsune_miku"]):
        after = Clean(first="Hatsune Miku")(record(*tags))
        assert after.names == ("Hatsune Miku", "1girl")
        assert after.tags[0].kind == "trigger"
        assert Clean(first="Hatsune Miku")(after) is after


def test_faces_in_capitals_are_other_faces() -> None:
    assert Clean()(record("o_o", "O_O")).names == ("o_o", "O_O")


def test_what_was_taken_out_in_small_letters_does_not_come_back() -> None:
    before = record(Tag("Smile", by=(HAND,)), Tag("SMILE", by=(HAND,)))
    before = Record("a", before.picture, before.tags, removed=frozenset({"smile"}))
    assert Clean()(before).names == ("Smile", "SMILE")


def test_what_stands_in_small_letters_is_not_added_in_large_ones() -> None:
    before = record("smile", "solo")
    assert set(Clean(add=("Smile",))(before).names) == {"smile", "solo"}
    assert Clean(add=("Smile",), only=True)(before) is before


# --- what went, told --------------------------------------------------------------------------


def test_what_went_is_summed_up_where_clean_runs_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "set")
    home.run(Pictures([replace(ALL, key=key) for key in ("a", "b")]))
    home.said.clear()
    home.run(Clean(where="name:a"))
    assert home.said == []
    heard: list[object] = []
    with Dataset(home.path, write=True) as dataset:
        run_leg(dataset, [Clean(drop=tuple("abcdefghij"), add=("k",))], heard.append, alone=True)
    said = [event.text for event in heard if isinstance(event, Said)]
    assert said[-1] == "what went, by pictures: absurdres 1"
    several = Counter({f"name_{number}": number for number in range(1, 11)})
    (note,) = Clean().summed_up(several, {})
    assert note.text == (
        "what went, by pictures: name 10 10, name 9 9, name 8 8, name 7 7, name 6 6, name 5 5, "
        "name 4 4, name 3 3, and 2 other names"
    )
