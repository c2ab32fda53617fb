"""The character's own tags and outfits: found, shown, dropped on demand."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from datasetkit.cleaners.tags.clean import Clean
from datasetkit.cleaners.tags.core import Core
from datasetkit.cleaners.tags.outfits import outfits, worn_on
from datasetkit.cleaners.tags.traits import clothing, telling, trait
from datasetkit.errors import SafetyError, UsageError
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Record, Tag
from datasetkit.stage import Change, Note
from tests.homes import Home
from tests.sources import Pictures

BODY = """
    blue_eyes long_hair cat_ears fox_tail hair_between_eyes mole_under_eye dark-skinned_female
    twintails single_hair_bun animal_ear_fluff hair_over_one_eye scar_across_eye heterochromia
    wavy_hair short_hair_with_long_locks
""".split()
WORN = "hair_ribbon rabbit_hair_ornament black_hairband glasses witch_hat red_choker".split()
NEITHER = """
    closed_eyes half-closed_eyes one_eye_closed hand_in_own_hair looking_at_viewer solo 1girl smile
    open_mouth simple_background holding_hat hat_removed hands_over_eyes floating_hair fake_tail
    tail_wagging alternate_hair_color sunrise drinking_glass bow_(weapon) against_glass v_over_eye
    head_tilt brushing_another's_hair standing twinkling from_behind full_body outdoors
    white_background hair_flip pillow ear_blush unworn_hat
""".split()


@pytest.mark.parametrize("name", BODY)
def test_traits_of_the_body(name: str) -> None:
    assert trait(name).startswith("body (")


@pytest.mark.parametrize("name", WORN)
def test_things_worn(name: str) -> None:
    assert trait(name).startswith("worn (") and clothing(name)


@pytest.mark.parametrize("name", NEITHER)
def test_pose_expression_background_and_what_only_sounds_alike(name: str) -> None:
    assert trait(name) == ""


def test_garments_are_those_that_are_on() -> None:
    assert all(map(clothing, "school_uniform pleated_skirt white_gloves thighhighs obi".split()))
    assert not any(map(clothing, "hat_removed skirt_lift holding_shoes suitcase solo".split()))


@dataclass
class Made:
    """A set in memory, and what a stage says and changes of it."""

    records: list[Record]

    def run(self, stage: Core) -> list[str]:
        said = []
        places = {record.key: place for place, record in enumerate(self.records)}
        for word in stage(tuple(self.records), Path()):
            if isinstance(word, Change):
                assert isinstance(word.became, Record)
                self.records[places[word.key]] = word.became
            else:
                assert isinstance(word, Note)
                said.append(word.text)
        return said


LEAD = Tag("shimakaze_(kancolle)", "character", ("danbooru",))


def record(key: str, names: str, *more: Tag) -> Record:
    tags = [Tag(name, by=("danbooru",)) for name in names.split()]
    return Record(key, Picture(Path(f"{key}.png"), (8, 8)), (*more, *tags))


def some() -> Made:
    rows = [
        "blonde_hair grey_eyes smile long_hair hair_ribbon 1girl" if n < 8 else
        "blonde_hair closed_eyes 1girl hat" for n in range(10)
    ]  # fmt: skip
    return Made([record(f"p{n}", row, LEAD) for n, row in enumerate(rows)])


def test_by_default_it_only_tells() -> None:
    made = some()
    before = list(made.records)
    said = made.run(Core(outfits="no"))
    assert made.records == before
    assert said == [
        "tag               pictures  rule                  what becomes",
        "blonde hair      10   100%  body (… hair)         drop, with --drop",
        "grey eyes         8    80%  body (… eyes)         drop, with --drop",
        "hair ribbon       8    80%  worn (… hair ribbon)  drop, with --drop",
        "long hair         8    80%  body (… hair)         drop, with --drop",
        "hat               2    20%  worn (… hat)          keep (below 70%)",
    ]


def test_dropped_is_what_is_often_enough_and_nothing_else() -> None:
    made = some()
    made.run(Core(drop=True, keep=("long hair",), worn=0.9))
    assert made.records[0].names == (LEAD.name, "smile", "long_hair", "hair_ribbon", "1girl")
    assert made.records[9].names == (LEAD.name, "closed_eyes", "1girl", "hat")
    assert made.records[0].facts == {"core": {"dropped": ["blonde_hair", "grey_eyes"]}}


def test_counts_pose_and_expression_stay_however_frequent() -> None:
    made = Made([record(f"p{n}", "1girl solo smile standing outdoors", LEAD) for n in range(9)])
    assert made.run(Core(drop=True, share=0.1)) == [
        "no tag is known as a trait on a tenth of the pictures"
    ]
    assert all(len(one.tags) == 6 for one in made.records)


def test_others_of_a_persons_choice_are_dropped_too() -> None:
    made = some()
    made.run(Core(drop=True, also=("smil*",), share=1))
    assert "smile" not in made.records[0].names and "grey_eyes" in made.records[0].names


def test_what_was_typed_stays_and_bare_pictures_are_left_alone() -> None:
    made = some()
    typed = Tag("grey_eyes", by=(HAND,))
    made.records[0] = record("p0", "blonde_hair smile", LEAD, typed)
    made.records[1] = record("p1", "blonde_hair grey_eyes")
    said = made.run(Core(drop=True))
    assert made.records[0].names == (LEAD.name, "grey_eyes", "smile")
    assert made.records[1].names == ("blonde_hair", "grey_eyes")
    assert said[-1].startswith("1 picture with no trigger or character's tag")


def test_what_only_a_person_says_is_said_to_stay() -> None:
    typed = Tag("red_hair", by=(HAND,))
    made = Made([record(f"p{n}", "1girl", LEAD, typed) for n in range(9)])
    assert made.run(Core(drop=True))[1].endswith("keep (typed by hand)")


def test_names_that_no_picture_has_are_told_with_the_nearest() -> None:
    made = some()
    said = made.run(
        Core(keep=("gray eyes", "hat", "*nothing*"), also=("qqq", "shimakaze_(kancolle)"))
    )
    assert said[:2] == [
        "--keep: no picture has 'gray eyes'; did you mean 'grey eyes'?",
        "--also: no picture has 'qqq'",
    ]
    assert said[2].startswith("tag ")


def test_what_clean_made_the_trigger_takes_them_in() -> None:
    made = Made([record(f"p{n}", "1girl shimakaze_(kancolle) red_hair") for n in range(9)])
    made.records = [Clean(first="shimakaze (kancolle)")(one) for one in made.records]
    said = made.run(Core(drop=True))
    assert not any("no trigger" in line for line in said)
    assert made.records[0].names == ("shimakaze (kancolle)", "1girl")


def test_an_outfit_is_named_by_what_dresses_a_figure_whole() -> None:
    names = "hair_ribbon blue_skirt gloves red_serafuku serafuku pleated_skirt skirt".split()
    assert sorted(names, key=telling) == [
        "serafuku", "red_serafuku", "pleated_skirt", "skirt", "blue_skirt", "gloves", "hair_ribbon"
    ]  # fmt: skip
    row = "1girl blue_skirt hair_ribbon serafuku"
    made = Made([record(f"p{n}", row if n % 4 else f"{row[:27]}", LEAD) for n in range(40)])
    assert made.run(Core(worn=1))[-1].startswith("outfit (--outfits tag: shimakaze serafuku): ")


def test_what_was_dropped_counts_on_and_goes_from_later_pictures() -> None:
    made = some()
    made.run(Core(drop=True))
    after = list(made.records)
    told = made.run(Core(drop=True))
    assert made.records == after and any("blonde hair" in line for line in told)
    for stage in (Core(drop=True), Core()):
        fates = [line.split("  ")[-1].strip() for line in made.run(stage)[1:5]]
        assert fates == ["dropped already"] * 4
    made.records.append(record("new", "blonde_hair grey_eyes smile", LEAD))
    made.run(Core(drop=True))
    assert made.records[-1].names == (LEAD.name, "smile")


def test_a_tag_counts_where_another_says_it_already() -> None:
    rows = ["very_long_hair" if n % 3 else "long_hair" for n in range(30)]
    made = Made([record(f"p{n}", row, LEAD) for n, row in enumerate(rows)])
    said = made.run(Core(drop=True, share=0.9))
    assert [line.split()[-1] for line in said[1:]] == ["drop", "90%)"]
    assert made.records[0].names == (LEAD.name,)
    assert made.records[1].names == (LEAD.name, "very_long_hair")


SAILOR = {"school_uniform", "pleated_skirt", "white_gloves", "striped_thighhighs"}
SWIM = {"bikini", "sandals", "straw_hat"}


def test_outfits_are_what_is_worn_together() -> None:
    wardrobe = [SAILOR | {"scarf"} if n % 9 == 0 else SAILOR for n in range(20)]
    wardrobe += [SWIM - {"sandals"} if n == 3 else SWIM for n in range(8)] + [{"coat"}] * 5
    found = outfits(wardrobe, 3)
    assert [set(outfit.tags) for outfit in found] == [SAILOR, SWIM]
    assert [outfit.pictures for outfit in found] == [20, 8]
    assert worn_on({"bikini", "straw_hat", "smile"}, found) == found[1]
    assert worn_on({"bikini"}, found) is None
    assert outfits([], 3) == outfits([{"coat"}] * 9, 3) == []


def dressed() -> Made:
    rows = [" ".join(["1girl", *sorted(SAILOR)])] * 12 + [" ".join(["solo", *sorted(SWIM)])] * 6
    return Made([record(f"p{n}", row, LEAD) for n, row in enumerate(rows)])


def test_each_picture_gets_its_outfits_name_behind_the_counts() -> None:
    made = dressed()
    said = made.run(Core(outfits="tag", name_outfits=("straw hat=beach day",)))
    assert made.records[0].names[:3] == (LEAD.name, "1girl", "shimakaze_school_uniform")
    assert made.records[-1].names[:3] == (LEAD.name, "solo", "beach_day")
    assert said[-2:] == [
        "shimakaze school uniform: pleated skirt, school uniform, striped thighhighs, white "
        "gloves; on 12 pictures",
        "beach day: bikini, sandals, straw hat; on 6 pictures",
    ]
    after = list(made.records)
    made.run(Core(outfits="tag", name_outfits=("straw hat=beach day",)))
    assert made.records == after
    assert [Clean()(one).names for one in after] == [one.names for one in after]
    made.run(Core(outfits="tag", name_outfits=("bikini=swim",)))
    assert made.records[-1].names[2] == "swim" and not made.records[-1].has("beach_day")


def test_an_outfits_name_that_a_person_removed_stays_out() -> None:
    made = dressed()
    made.run(Core(outfits="tag"))
    name = made.records[0].names[2]
    first = made.records[0].keep(lambda tag: tag.name != name)
    made.records[0] = Record(first.key, first.picture, first.tags, removed=frozenset({name}))
    made.run(Core(outfits="tag"))
    assert not made.records[0].has(name) and made.records[1].has(name)


def test_options_that_are_none_are_refused() -> None:
    for stage in (Core(outfits="yes"), Core(name_outfits=("a",)), Core(name_outfits=("=b",))):
        with pytest.raises(UsageError):
            stage.check()
    with pytest.raises(SafetyError):
        Core(name_outfits=("bikini=loli",)).check()


def test_on_a_dataset_it_is_one_step_that_can_be_undone(tmp_path: Path) -> None:
    home = Home(tmp_path / "set")
    home.run(Pictures(some().records))
    before = {p.name: p.read_bytes() for p in home.path.glob("*.txt")}
    outcome = home.run(Core(drop=True))
    assert (outcome.changed, outcome.unchanged) == (10, 0)
    assert "blonde hair" not in (home.path / "p0.txt").read_text()
    assert home.run(Core(drop=True)).idle
    home.undo()
    assert {p.name: p.read_bytes() for p in home.path.glob("*.txt")} == before
    assert all("core" not in one.facts for one in home.records.values())


def test_what_stands_again_or_is_kept_leaves_the_list() -> None:
    made = some()
    made.run(Core(drop=True))
    first = made.records[0]
    made.records[0] = first.with_tags([*first.tags, Tag("grey_eyes")])  # typed again
    made.run(Core())
    assert made.records[0].facts["core"]["dropped"].count("grey_eyes") == 1
    made.run(Core(drop=True, keep=("long hair",)))
    assert made.records[0].facts == {"core": {"dropped": ["blonde_hair", "hair_ribbon"]}}
    assert made.records[1].facts["core"]["dropped"] == ["blonde_hair", "grey_eyes", "hair_ribbon"]
    after = list(made.records)
    made.run(Core(drop=True, keep=("long hair",)))
    assert made.records == after


def test_a_share_just_below_the_limit_is_not_shown_as_the_limit() -> None:
    made = Made([record(f"p{n}", "red_hair" if n < 396 else "1girl", LEAD) for n in range(1000)])
    assert made.run(Core(outfits="no"))[1].split()[3] == "39%"


def test_an_outfits_name_that_a_person_typed_is_theirs() -> None:
    made = dressed()
    typed = Tag("beach_day", "outfit")
    made.records[0] = made.records[0].with_tags([*made.records[0].tags, typed])
    made.run(Core(outfits="tag"))
    assert typed in made.records[0].tags


def test_what_is_nearly_always_worn_is_no_outfit_beside_others() -> None:
    gloves = "elbow_gloves black_gloves"
    sailor = sorted(SAILOR - {"white_gloves"})
    rows = [f"{gloves} {' '.join(sailor[1:])}"] * 6 + [f"{gloves} {' '.join(sailor)}"] * 10
    rows += [f"{gloves} {' '.join(sorted(SWIM))}"] * 8
    made = Made([record(f"p{n}", row, LEAD) for n, row in enumerate(rows)])
    assert [line.split(": ")[0] for line in made.run(Core(outfits="tag"))[-2:]] == [
        "shimakaze school uniform", "shimakaze bikini"
    ]  # fmt: skip
    assert made.records[0].has("shimakaze_school_uniform")
    alone = Made([record(f"p{n}", gloves, LEAD) for n in range(9)])
    assert "elbow gloves" in alone.run(Core())[-1]
