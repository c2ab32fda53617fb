"""Names that no picture has: told where another is near, and never twice for what is gone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from datasetkit.cleaners.tags.clean import Clean
from datasetkit.dataset import Dataset
from datasetkit.engines.events import Event, Said
from datasetkit.engines.local import run_leg
from datasetkit.pixels import Picture
from datasetkit.record import Record, Tag
from datasetkit.relations import Relations, write_relations
from datasetkit.stage import Map, Note
from tests.homes import Home
from tests.sources import Pictures

BOORU = ("danbooru",)


def record(names: str, *more: Tag) -> Record:
    tags = (*(Tag(name, by=BOORU) for name in names.split()), *more)
    return Record("a", Picture(Path("a.png"), (8, 8)), tags)


SET = [
    record("absurdres white_shirt long_hair red_eyes 1girl cat_ears shimakaze_(kancolle)"),
    record("absurdres long_hair white_shirt smile hands_up 2girls", Tag("big ship", "trigger")),
]


def said(stage: Clean, records: list[Record] = SET) -> list[tuple[str, bool]]:
    return [(note.text, note.warning) for note in stage.remarks(records)]


@pytest.mark.parametrize(
    ("options", "name", "near", "pictures"),
    [
        ({"drop": ("absurdress",)}, "absurdress", "absurdres", "2 pictures"),
        ({"keep": ("long hiar",)}, "long hiar", "long hair", "2 pictures"),
        ({"replace": ("shimakze=ship",)}, "shimakze", "shimakaze (kancolle)", "1 picture"),
        (
            {"shorten": ("shimakaze (kancole)=shimakaze",)},
            "shimakaze (kancole)",
            "shimakaze (kancolle)",
            "1 picture",
        ),
        ({"drop": ("shimakaze",)}, "shimakaze", "shimakaze (kancolle)", "1 picture"),
        ({"drop": ("cat ear",)}, "cat ear", "cat ears", "1 picture"),
        ({"drop": ("hair_long",)}, "hair long", "long hair", "2 pictures"),
        ({"drop": ("bigship",)}, "bigship", "big ship", "1 picture"),
        ({"drop": ("smlie", "1girl")}, "smlie", "smile", "1 picture"),
    ],
)
def test_a_misspelt_name_is_told_with_the_one_that_is_meant(
    options: dict[str, tuple[str, ...]], name: str, near: str, pictures: str
) -> None:
    (told,) = said(Clean(**options))  # type: ignore[arg-type]
    assert told == (f"no picture has '{name}'; did you mean '{near}' ({pictures})?", True)


@pytest.mark.parametrize(
    "options",
    [
        {"drop": ("absurdres", "*_request")},  # all is well
        {"drop": ("white skirt", "smile")},  # another tag, spelt as it should be
        {"drop": ("3girls", "smile")},
        {"drop": ("incredibly_absurdres", "smile")},
        {"drop": ("green eyes", "smile")},
        {"drop": ("big_ship",)},
        {"keep": ("zzz",)},  # which only guards
        {"drop": ("long_hair", "long_hairs")},  # both were thought of
        {"replace": ("a=b", "b=long_hairs", "smile=c"), "keep": ("long_hairs",)},
        {"first": "smiles", "keep": ("smiles",)},
        {"drop": ("*_hair", "zzz")},
        {},
    ],
)
def test_nothing_is_said_of_names_that_are_well(options: dict[str, tuple[str, ...]]) -> None:
    assert said(Clean(**options)) == []  # type: ignore[arg-type]


def test_where_nothing_matches_it_is_noted_plainly() -> None:
    assert said(Clean(drop=("zzz",))) == [("no picture has 'zzz'", False)]
    assert said(Clean(drop=("zzz", "yyy"), replace=("old name=new",))) == [
        ("no picture has 'old name', 'yyy', 'zzz'", False)
    ]
    assert said(Clean(drop=("zzz",)), []) == []


def test_what_went_before_is_known() -> None:
    removed = Record("a", SET[0].picture, SET[0].tags, removed=frozenset({"long_hairs"}))
    assert said(Clean(drop=("long_hairs",)), [removed]) == []
    for stage in ("clean", "core"):
        dropped = SET[0].with_facts(stage, {"dropped": ["long_hairs"]})
        assert said(Clean(drop=("long_hairs",)), [dropped]) == []


@pytest.mark.parametrize("names", [None, 7, [["a"], 3]])
def test_facts_that_make_no_sense_stop_nobody(names: object) -> None:
    odd = SET[0].with_facts("core", {"dropped": names})
    assert said(Clean(drop=("zzz",)), [odd]) == [("no picture has 'zzz'", False)]


def test_a_sites_own_names_are_well_and_its_aliases_lead_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSK_CONFIG", str(tmp_path))
    before = said(Clean(drop=("smild", "1girl")))
    assert len(before) == 1
    when = "2026-01-02T03:04:05+00:00"
    aliases, implications = {"grin_face": "smile"}, {"smild": ("mild",)}
    write_relations(Relations("danbooru", when, aliases, implications))
    assert said(Clean(drop=("smild", "1girl"))) == []
    assert said(Clean(drop=("grin face",))) == [
        ("no picture has 'grin face'; did you mean 'smile' (1 picture)?", True)
    ]


def test_no_record_is_read_where_no_name_is_given_and_few_where_all_are_found() -> None:
    def never() -> Iterator[Record]:
        raise AssertionError("a record was read")
        yield

    assert list(Clean(drop=("*_request",), first="ohwx").remarks(never())) == []

    def one() -> Iterator[Record]:
        yield SET[0]
        raise AssertionError("a second record was read")

    assert list(Clean(drop=("absurdres",)).remarks(one())) == []


def test_ten_thousand_names_are_compared_in_a_moment() -> None:
    import time

    many = [
        record(" ".join(f"{a}{b}{c}_of_{d}" for c in "lmnop" for d in ("one", "many")))
        for a in "abcdefghijklmnopqrstuvwxyz"
        for b in "abcdefghijklmnopqrstuvwxyz"
    ]
    names = tuple(f"xy{letter}_of_mnay" for letter in "abcdefgh")
    since = time.perf_counter()
    assert len(said(Clean(drop=names), [*many, *many])) == len(names)
    assert time.perf_counter() - since < 3


class Sees(Map):
    """Adds a tag, as a tagger does."""

    def __call__(self, record: Record) -> Record:
        return record.with_tags([*record.tags, Tag("cat_ear", by=("wd",))])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "set")
    home.run(Pictures([record("absurdres long_hair cat_ears")]))
    home.said.clear()
    return home


def events(home: Home, *leg: Map, dry_run: bool = False, alone: bool = False) -> list[Said]:
    heard: list[Event] = []
    with Dataset(home.path, write=not dry_run) as dataset:
        run_leg(dataset, leg, heard.append, dry_run=dry_run, alone=alone)
    return [event for event in heard if isinstance(event, Said)]


def test_the_engine_tells_it_once_and_a_plain_note_only_of_a_stage_alone(home: Home) -> None:
    typo = Clean(drop=("absurdress",))
    near = "no picture has 'absurdress'; did you mean 'absurdres' (1 picture)?"
    assert Said("clean", near, warning=True) in events(home, typo, dry_run=True)
    assert events(home, typo) == [Said("clean", near, warning=True)]
    assert events(home, Clean(drop=("zzz",))) == []
    assert events(home, Clean(drop=("zzz",)), alone=True) == [
        Said("clean", "no picture has 'zzz'", warning=False)
    ]
    gone = Clean(drop=("long_hair",))
    went = Said("clean", "what went, by pictures: long hair 1", warning=False)
    assert events(home, gone, alone=True) == [went]
    assert events(home, gone, alone=True) == []


def test_what_a_stage_before_brings_is_there(home: Home) -> None:
    assert events(home, Sees(), Clean(drop=("cat_ear",))) == []
    assert "cat_ear" not in home.records["a"].names
    (told,) = events(home, Sees(), Clean(drop=("cat_eras",)))
    assert told.warning and "did you mean 'cat ears'" in told.text


def test_a_dry_run_sees_what_was_typed(home: Home) -> None:
    (caption,) = home.path.glob("*.txt")
    caption.write_text("cat ear, cat ears")
    assert not [e for e in events(home, Clean(drop=("cat_ear",)), dry_run=True) if e.warning]


def test_a_stage_has_nothing_to_remark_unless_it_says_so() -> None:
    assert list(Sees().remarks(SET)) == []
    assert Note("x").warning is False
