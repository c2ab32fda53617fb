"""The pick stage: what is chosen, that it is the same each time, and what is said of the set."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from datasetkit.cleaners.sets.pick import Pick
from datasetkit.cleaners.sets.variety import GROUPS, Variety, words_of
from datasetkit.dataset import Dataset
from datasetkit.errors import UsageError
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Origin, Record, Tag
from datasetkit.stage import Change, Drop, Note
from tests.homes import Home
from tests.sources import Pictures


def record(key: str, names: str, score: int | None = None, look: int | None = None) -> Record:
    tags = []
    for word in names.split():
        kind, colon, name = word.partition(":")
        typed = bool(colon) and kind in {"artist", "character", "meta"}
        tags.append(Tag(name if typed else word, kind if typed else "general", ("danbooru",)))
    facts = {} if look is None else {"likeness": f"{look:016x}"}
    picture = Picture(Path(f"{key}.png"), (8, 8))
    return Record(key, picture, tuple(tags), Origin(score=score), facts)


def synthetic(number: int, seed: int = 1) -> list[Record]:
    """Records as a search for one character gives them: one outfit, artist and background rule."""
    lot = random.Random(seed)
    made = []
    for place in range(number):
        names = ["1girl", "solo", "blonde_hair", "smile" if lot.random() < 0.6 else "open_mouth"]
        names += lot.choices(
            [["serafuku", "pleated_skirt"], ["white_dress"], ["hoodie"]], [8, 1, 1]
        )[0]
        names += lot.choices([[], ["from_side"], ["from_behind"]], [17, 2, 1])[0]
        names += lot.choices(
            [["upper_body"], ["cowboy_shot"], ["full_body"], ["portrait"]], [6, 3, 1, 1]
        )[0]
        names += lot.choices([["standing"], ["sitting"], ["lying"]], [7, 2, 1])[0]
        names += lot.choices(
            [["simple_background", "white_background"], ["outdoors"], ["indoors"]], [7, 2, 1]
        )[0]
        names += lot.sample(["cup", "flower", "cat", "book", "night", "snow"], lot.randint(0, 3))
        artist = lot.choices(range(30), [40, *[2] * 29])[0]
        text = " ".join([f"artist:a{artist}", "character:x", *names])
        made.append(record(f"p{place}", text, lot.randint(0, 90), lot.getrandbits(64)))
    return made


def picked(stage: Pick, records: Iterable[Record]) -> list[str]:
    records = list(records)
    left = set()
    for word in stage(records, Path()):
        if isinstance(word, Change):
            assert word.became == Drop(f"not among the {stage.count} picked")
            left.add(word.key)
    return [one.key for one in records if one.key not in left]


def said(stage: Pick, records: Iterable[Record]) -> list[str]:
    return [word.text for word in stage(list(records), Path()) if isinstance(word, Note)]


# --- what tags say --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("from_behind", [("view", "from behind")]),
        ("white_background", [("background", "plain")]),
        ("polka_dot_background", [("background", "patterned")]),
        ("blurry_background", [("scene", "blurry_background")]),
        (":d", [("expression", "smiling"), ("expression", "open mouth")]),
        ("pleated_skirt", [("outfit", "pleated_skirt")]),
        ("hair_ribbon", [("scene", "hair_ribbon")]),
        ("black_ribbon", [("scene", "black_ribbon")]),
        ("hairband", [("scene", "hairband")]),
        ("blonde_hair", []),
        ("umbrella", [("scene", "umbrella")]),
    ],
)
def test_a_tag_says_something_of_its_group(name: str, words: list[tuple[str, str]]) -> None:
    assert words_of(name, "general") == words
    assert words_of(name, "meta") == []
    assert words_of(name, "outfit") == [("outfit", name)]
    assert all(group in GROUPS for group, _ in words)


def test_what_is_not_tagged_is_told_as_such() -> None:
    variety = Variety()
    variety.add(record("a", "from_side"))
    variety.add(record("b", "smile :d artist:x"))
    counts = variety.counts()
    assert counts["view"] == {"from the side": 1, "from the front": 1}
    assert counts["expression"] == {"smiling": 1, "open mouth": 1, "not told": 1}
    assert counts["artist"] == {"x": 1, "not told": 1}
    assert variety.counts([1])["view"] == {"from the front": 1}


# --- what is chosen -------------------------------------------------------------------------


def test_the_picked_are_more_varied_than_the_set() -> None:
    set_ = synthetic(300)
    chosen = set(picked(Pick(60), set_))
    assert len(chosen) == 60
    for name in ("from_behind", "full_body", "portrait", "lying", "indoors", "hoodie"):
        there = [one.key in chosen for one in set_ if one.has(name)]
        assert sum(there) > 1.5 * 60 / 300 * len(there)  # half as many again as by lot
    artists = Counter(one.tags[0].name for one in set_ if one.key in chosen)
    assert max(artists.values()) <= 6 and len(artists) == 30


def test_the_choice_is_the_same_each_time_and_of_few_a_part_of_that_of_many() -> None:
    set_ = synthetic(120)
    assert picked(Pick(30), set_) == picked(Pick(30), set_)
    assert set(picked(Pick(10), set_)) < set(picked(Pick(30), set_))
    staying = set(picked(Pick(30), set_))
    again = [one for one in set_ if one.key in staying]
    assert picked(Pick(30), again) == [one.key for one in again]


def test_many_alike_are_weighed_in_parts_with_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_ = synthetic(200) + [replace(one, key=f"{one.key}b") for one in synthetic(60)]
    at_once = picked(Pick(70), set_)
    monkeypatch.setattr("datasetkit.cleaners.sets.variety._BATCH", 1)
    assert picked(Pick(70), set_) == at_once


def test_of_equals_the_better_rated_and_then_the_first_is_taken() -> None:
    alike = [record("a", "smile", 1), record("b", "smile", 9), record("c", "smile", 5)]
    assert picked(Pick(1), alike) == ["b"]
    assert picked(Pick(1), [record(key, "smile") for key in "xyz"]) == ["x"]
    mine = alike[0].with_tags([*alike[0].tags, Tag("checked", by=(HAND,))])
    assert picked(Pick(1), [*alike[1:], mine]) == ["a"]


def test_pictures_that_look_alike_are_not_both_taken() -> None:
    set_ = [
        record("a", "smile", 9, 0),
        record("b", "smile", 8, 1),
        record("c", "smile", 1, 2**64 - 1),
    ]
    assert picked(Pick(2), set_) == ["a", "c"]
    assert picked(Pick(2, over=("view",)), set_) == ["a", "b"]


def test_one_may_say_in_what_they_are_to_differ() -> None:
    set_ = [record("a", "from_side smile", 5), record("b", "from_side :(", 5),
            record("c", "from_behind smile", 1)]  # fmt: skip
    assert picked(Pick(2, over=("view",)), set_) == ["a", "c"]
    with pytest.raises(UsageError, match="did you mean 'background'"):
        Pick(over=("backgruond",)).check()


@pytest.mark.parametrize("look", ["x", 3, None, "f" * 17, ["0"]])
def test_fingerprints_that_are_none_count_as_missing(look: object) -> None:
    set_ = [replace(record(key, "smile"), facts={"likeness": look}) for key in "ab"]
    assert picked(Pick(1), set_) == ["a"]


# --- what is said ---------------------------------------------------------------------------

LONG = " ".join(f"thing_{number}" for number in range(10))


def test_without_a_count_it_only_tells() -> None:
    set_ = synthetic(61)
    assert picked(Pick(), set_) == [one.key for one in set_]
    lines = said(Pick(), set_)
    assert lines[0] == "what 61 pictures show"
    assert [line.split()[0] for line in lines[1:-1]] == [
        "view", "framing", "pose", "expression", "background", "outfit", "artist", "character",
    ]  # fmt: skip
    assert all(len(line) < 140 for line in lines)


def test_what_the_set_lacks_is_said_in_one_line() -> None:
    plain = f"upper_body standing smile simple_background artist:one {LONG}"
    set_ = [record(f"a{number}", plain) for number in range(48)]
    set_ += [
        record(f"b{number}", f"portrait sitting outdoors artist:two {LONG}") for number in range(12)
    ]
    set_ += [record("c", f"upper_body standing from_side indoors artist:two {LONG}")]
    assert said(Pick(), set_)[-1] == (
        "what a model would miss: only 1 view from the side; no view from behind (from_behind); "
        "no full body (full_body); 48 of 61 have a plain background; 79 % by one artist (one)"
    )


def test_of_a_set_that_has_it_all_nothing_is_missed() -> None:
    lot = random.Random(2)
    ways = [("from_side", "from_behind", ""), ("portrait", "upper_body", "full_body"),
            ("standing", "sitting"), ("indoors", "outdoors", "white_background"),
            ("smile", "frown")]  # fmt: skip
    set_ = [record(f"p{number}", " ".join([*map(lot.choice, ways), f"artist:a{number}", LONG]))
            for number in range(40)]  # fmt: skip
    assert said(Pick(), set_)[-1].startswith("no view, framing or pose is missing")


def test_of_captions_that_tell_little_it_does_not_say_what_is_missing() -> None:
    set_ = [record(f"p{number}", "1girl from_side from_behind") for number in range(20)]
    little, lacks = said(Pick(), set_)[-2:]
    assert little.startswith("half of the captions have 3 tags or fewer")
    assert lacks == "what a model would miss: most captions do not tell the framing and the pose"
    assert said(Pick(), set_[:9])[-1] == "9 pictures are too few to say what they lack"
    assert said(Pick(), []) == []


def test_with_a_count_each_line_tells_how_many_of_how_many() -> None:
    lines = said(Pick(20), synthetic(80))
    assert lines[0].startswith("20 picked of 80")
    assert "from behind " in lines[1] and "/" in lines[1]
    assert said(Pick(90), synthetic(80))[0] == "all 80 stay: there are no more than 90"


# --- on a dataset ---------------------------------------------------------------------------


def test_the_others_are_left_out_and_undo_brings_them_back(tmp_path: Path) -> None:
    home = Home(tmp_path / "set")
    home.run(Pictures(synthetic(30)))
    before = {p.name: p.read_bytes() for p in home.path.iterdir() if p.is_file()}
    outcome = home.run(Pick(10))
    assert outcome.rejected == {"pick: not among the 10 picked": 20} and len(home.records) == 10
    assert home.run(Pick(10)).idle and home.run(Pick()).idle
    with Dataset(home.path) as dataset:
        assert len(list(dataset.rejects)) == 20
    home.undo()
    assert {p.name: p.read_bytes() for p in home.path.iterdir() if p.is_file()} == before


@pytest.mark.slow
def test_a_hundred_thousand_are_chosen_from_in_seconds() -> None:
    base = synthetic(1000)
    variety = Variety()
    lot = random.Random(3)
    for place in range(100_000):
        facts = {"likeness": f"{lot.getrandbits(64):016x}"}
        variety.add(replace(base[place % 1000], facts=facts))
    chosen = list(variety.chosen(300))
    assert len(set(chosen)) == 300
    assert variety.counts(chosen)["view"]["from behind"] > 60
