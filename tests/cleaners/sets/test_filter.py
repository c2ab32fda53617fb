"""The filter stage: what is left out, by what reason, and what is measured only when asked for."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from datasetkit.cleaners.sets import measured as remembered
from datasetkit.cleaners.sets.filter import Filter, people
from datasetkit.dataset import Dataset
from datasetkit.demo.drawing import draw
from datasetkit.engines.local import run_leg
from datasetkit.errors import ModelError, UsageError
from datasetkit.grabbers.folder import Folder
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Origin, Record, Tag
from datasetkit.stage import Change, Drop, Note
from datasetkit.where import where
from tests.cleaners.pixels.detectors import colour_detector
from tests.homes import Home
from tests.sources import Pictures


def record(key: str, names: str, size: tuple[int, int] = (800, 800), **more: object) -> Record:
    tags = tuple(
        Tag(name.partition(":")[2] or name, "artist" if name.startswith("artist:") else "general",
            ("danbooru",))
        for name in names.split()
    )  # fmt: skip
    return replace(Record(key, Picture(Path(f"{key}.png"), size), tags), **more)


def reasons(stage: Filter, records: Iterable[Record]) -> dict[str, str]:
    stage.check()
    found = {}
    for word in stage(tuple(records), Path()):
        if isinstance(word, Change):
            assert isinstance(word.became, Drop) and not word.became.error
            found[word.key] = word.became.reason
    return found


def said(stage: Filter, records: Iterable[Record]) -> list[str]:
    return [word.text for word in stage(tuple(records), Path()) if isinstance(word, Note)]


# --- by tags --------------------------------------------------------------------------------

CHARACTER = """
    comic 4koma multiple_views character_sheet monochrome greyscale chibi genderswap_(mtf)
    aged_down pixel_art photo_(medium) ai-generated
""".split()


@pytest.mark.parametrize("name", CHARACTER)
def test_a_character_set_does_without(name: str) -> None:
    one = record("a", f"1girl solo {name}")
    assert reasons(Filter(), [one]) == {"a": f"tagged {name.replace('_', ' ')}"}
    assert reasons(Filter(keep=(name.replace("_", " "),)), [one]) == {}
    assert reasons(Filter(set="none"), [one]) == {}


@pytest.mark.parametrize(
    "names",
    ["1girl solo", "", "solo 2girls", "1girl sketch full_body", "2girls solo_focus",
     "comics koma_1", "1koma 1girl solo", "chibi_inset 1girl solo",
     "1girl comic_book holding_photo monochrome_background"],
)  # fmt: skip
def test_and_with_these(names: str) -> None:
    assert reasons(Filter(), [record("a", names)]) == {}


def test_a_set_of_what_is_not_human_stays_and_landscapes_in_a_set_of_people_go() -> None:
    people = [record("a", "no_humans"), record("b", "1girl"), record("c", "solo")]
    assert reasons(Filter(), people) == {"a": "tagged no humans"}
    assert "no humans" in said(Filter(), people)[0]
    animals = [record("a", "no_humans"), record("b", "no_humans comic"), record("c", "1girl")]
    assert reasons(Filter(), animals) == {"b": "tagged comic"}
    assert "no humans" not in said(Filter(), animals)[0]
    assert len(reasons(Filter(without=("no_humans",)), animals)) == 2


def test_what_a_set_of_animals_asks_for_is_measured(pictures: Path) -> None:
    picture = Picture(pictures / "good.png", (600, 840))
    one = replace(record("a", "no_humans"), picture=picture)
    assert Filter(sharpness=30).measure(one).facts


def test_an_artist_who_is_called_alike_is_none_of_the_set() -> None:
    one = record("a", "solo artist:comic artist:akoma")
    assert reasons(Filter(), [one]) == {}
    assert reasons(Filter(without=("akoma",)), [one]) == {"a": "tagged akoma"}


@pytest.mark.parametrize(
    ("names", "number"),
    [("1girl", 1), ("1girl 1boy", 2), ("2girls multiple_girls", 2), ("6+girls 1boy", 7),
     ("multiple_boys", 2), ("1girl 2others", 3), ("solo 1girl 1boy", 1), ("no_humans", 0),
     ("smile", None), ("3girls_in_a_row", None), ("duo", 2), ("group 1girl", 3), ("duo solo", 1)],
)  # fmt: skip
def test_people_are_counted_by_tags(names: str, number: int | None) -> None:
    assert people(record("a", names)) == number


def test_more_people_than_asked_for_are_left_out() -> None:
    set_ = [record("one", "1girl"), record("two", "1girl 1boy"), record("three", "3girls"),
            record("focus", "2girls solo_focus"), record("nobody", "hat")]  # fmt: skip
    two, three = "2 people by its tags", "3 people by its tags"
    assert reasons(Filter(), set_) == {"two": two, "three": three}
    assert reasons(Filter(set="style"), set_) == {}
    pair = reasons(Filter(people="2"), set_)
    assert set(pair) == {"one", "three"} and pair["three"] == f"{three}, not 2"
    assert reasons(Filter(set="style", people="..2"), set_) == {"three": f"{three}, not ..2"}


def test_a_count_that_is_kept_leaves_no_picture_out() -> None:
    set_ = [record("two", "2girls multiple_girls"), record("three", "3girls"), record("b", "2boys")]
    assert set(reasons(Filter(keep=("2girls",)), set_)) == {"three", "b"}
    assert set(reasons(Filter(keep=("*girls",)), set_)) == {"b"}
    assert set(reasons(Filter(keep=("2girls",), people="1"), set_)) == {"two", "three", "b"}


def test_a_persons_own_list_and_what_all_must_fulfil() -> None:
    set_ = [record("a", "sketch solo"), record("b", "bad_anatomy 1girl"), record("c", "4koma solo"),
            record("d", "1girl", origin=Origin("x", "1", score=3))]  # fmt: skip
    stage = Filter(set="none", without=("sketch", "bad *"))
    assert reasons(stage, set_) == {"a": "tagged sketch", "b": "tagged bad anatomy"}
    assert set(reasons(Filter(set="style", without=("sketch",)), set_)) == {"a", "c"}
    assert reasons(Filter(set="none", only="solo or score:>2"), set_) == {
        "b": "not solo or score:>2"
    }


def test_it_says_by_what_it_goes_and_what_it_found() -> None:
    set_ = [record("a", "comic"), record("b", "comic 2girls"), record("c", "2girls")]
    set_ += [record(f"d{number}", "solo") for number in range(4)]
    first, second = said(Filter(), set_)
    assert first.startswith(
        "left out, for a character: comic, 2koma, 3koma, 4koma, 5koma, 6koma, multiple views, "
    )
    assert first.endswith(", ai-generated, more than one person without solo focus")
    assert second == "3 of 7 do not pass: 2 tagged comic, 1 with more than one person"
    assert "comic, 2koma" in Filter().plan() and "monochrome" not in Filter(keep=("mono*",)).plan()
    assert said(Filter(set="none"), set_) == []
    assert said(Filter(set="none", without=("comic",)), set_)[0] == "left out, for this set: comic"


def test_it_warns_of_a_set_that_is_of_just_that_and_of_captions_that_tell_nothing() -> None:
    most = said(Filter(), [record("a", "4koma"), record("b", "2girls"), record("c", "solo")])
    assert most[-1].startswith("the tags leave out more than half")
    bare = said(Filter(), [record("a", ""), record("b", "solo"), record("c", "solo")])
    assert bare[-1].startswith("1 of 3 have no tags")
    assert said(Filter(set="none", min_side=9), [record("a", "")]) == []


# --- by size and number ---------------------------------------------------------------------


def test_small_and_long_ones_are_left_out_with_their_size() -> None:
    set_ = [record("a", "", (511, 900)), record("b", "", (512, 512)), record("c", "", (1537, 512)),
            record("d", "", (600, 1800))]  # fmt: skip
    assert reasons(Filter(min_side=512, max_ratio=3), set_) == {
        "a": "small: 511x900, 512 is the least side",
        "c": "long: 3.0:1 > 3:1",
    }


def test_of_a_tag_the_best_stay() -> None:
    scores = (5, None, 90, 40)
    set_ = [record(f"p{number}", "sitting", origin=Origin(score=score))
            for number, score in enumerate(scores)]  # fmt: skip
    typed = Tag("my_word", by=(HAND,))
    set_ += [record("mine", "sitting").with_tags([Tag("sitting"), typed]), record("no", "standing")]
    left = reasons(Filter(most=("sitting=3",)), set_)
    assert left == dict.fromkeys(["p0", "p1"], "more than 3 with sitting")
    staying = [one for one in set_ if one.key not in left]
    assert reasons(Filter(most=("sitting=3",)), staying) == {}


def test_a_glob_limits_each_tag_that_it_means() -> None:
    set_ = [record(f"{who}{n}", f"artist:{who} hat_{n}") for who in "ab" for n in range(3)]
    left = reasons(Filter(most=("artist:*=2",)), set_)
    assert left == {"a2": "more than 2 with a", "b2": "more than 2 with b"}
    assert set(reasons(Filter(most=("hat *=1", "artist:a=0")), set_)) == {"a0", "a1", "a2"}


# --- by what is measured --------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    image = draw("kohaku", 3, (600, 840), smooth=2)[0]
    image.save(folder / "good.png")
    image.filter(ImageFilter.GaussianBlur(3)).save(folder / "blurred.png")
    image.save(folder / "poor.jpg", quality=20)
    Image.open(folder / "poor.jpg").save(folder / "poor_anew.png")
    Image.new("RGB", (600, 840), "white").save(folder / "blank.png")
    return folder


@pytest.fixture
def home(tmp_path: Path, pictures: Path) -> Home:
    home = Home(tmp_path / "set")
    home.run(Folder(str(pictures)))
    return home


def left_out(home: Home) -> dict[str, str]:
    with Dataset(home.path) as dataset:
        return {reject.record.key: reject.reason for reject in dataset.rejects}


MEASURED = Filter(set="none", sharpness=30, jpeg_quality=50, jpeg_damage=50, uniform=0.98)


def test_nothing_is_measured_of_what_its_tags_leave_out(home: Home) -> None:
    (home.path / "blurred.txt").write_text("comic")
    home.run(Filter(sharpness=1))
    with Dataset(home.path) as dataset:
        (reject,) = (one for one in dataset.rejects if one.record.key == "blurred")
        assert "filter" not in reject.record.facts
    assert "filter" in home.records["good"].facts


def test_measured_reasons_show_their_values(home: Home) -> None:
    home.run(MEASURED)
    left = left_out(home)
    assert set(home.records) == {"good"}
    assert left["blank"] == "nearly one colour: uniform 1 > 0.98"
    assert left["blurred"].startswith("blurred: sharpness ") and left["blurred"].endswith(" < 30")
    assert left["poor"] == "saved as a poor JPEG: jpeg quality 20 < 50"
    assert left["poor_anew"].startswith("damaged by JPEG: jpeg damage ")


def test_run_twice_it_changes_nothing_and_undo_brings_all_back(
    home: Home, tree: Callable[[Path], dict[str, bytes]]
) -> None:
    before = {p.name: p.read_bytes() for p in home.path.iterdir() if p.is_file()}
    home.run(MEASURED)
    after = tree(home.path)
    assert home.run(MEASURED).idle
    assert tree(home.path) == after
    home.undo()
    assert {p.name: p.read_bytes() for p in home.path.iterdir() if p.is_file()} == before


def test_a_dry_run_tells_and_leaves_all(home: Home) -> None:
    before = {p: p.read_bytes() for p in home.path.rglob("*") if p.is_file()}
    with Dataset(home.path) as dataset:
        outcome = run_leg(dataset, [MEASURED], lambda event: None, dry_run=True)
    assert outcome.rejected.total() == 4
    assert before == {p: p.read_bytes() for p in home.path.rglob("*") if p.is_file()}


def test_nothing_is_measured_that_nobody_asked_for(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "content_print", None)
    home.run(Filter(min_side=100, people="1", most=("hat=3",)))
    assert all("filter" not in one.facts for one in home.records.values())
    monkeypatch.undo()
    decoded: list[Path] = []
    monkeypatch.setattr("datasetkit.pixels.decode", lambda path, *more: decoded.append(path))
    home.run(Filter(set="none", jpeg_quality=10))
    assert not decoded  # the table stands in the header
    facts = {key: one.facts["filter"]["jpeg_quality"] for key, one in home.records.items()}
    assert facts.pop("poor") == 20 and set(facts.values()) == {None}


def test_what_was_measured_is_remembered_until_the_file_changes(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes((pictures / "good.png").read_bytes())
    first = Filter(sharpness=30).measure(Record("a", Picture(path, (600, 840))))
    both = Filter(sharpness=30, uniform=0.9).measure(first)
    assert {*both.facts["filter"]} == {"file", "sharpness", "uniform"}
    assert both.facts["filter"]["sharpness"] == first.facts["filter"]["sharpness"] > 70
    monkeypatch.setattr(Picture, "glance", None)
    assert Filter(uniform=0.5).measure(both) is both
    monkeypatch.undo()
    path.write_bytes((pictures / "blurred.png").read_bytes())
    anew = Filter(sharpness=30).measure(Record("a", Picture(path, (600, 840)), facts=both.facts))
    assert {*anew.facts["filter"]} == {"file", "sharpness"}
    assert anew.facts["filter"]["sharpness"] < 30


def test_what_was_measured_can_be_asked_for(home: Home) -> None:
    home.run(Filter(set="none", only="sharpness:>=0 or uniform:1"))
    assert len(home.records) == 5
    sharp = {key for key, one in home.records.items() if where("sharpness:>50")(one)}
    assert sharp == {"good", "poor", "poor_anew"}
    assert where("uniform:>0.98")(home.records["blank"])
    assert not where("jpeg_quality:>=0")(home.records["good"])  # was not asked for
    home.run(Filter(where="sharpness:<50", uniform=0.98))
    assert set(home.records) == {"good", "poor", "poor_anew", "blurred"}
    with Image.open(home.path / "good.png") as image:
        image.filter(ImageFilter.GaussianBlur(4)).save(home.path / "good.png")
    assert not where("sharpness:>=0")(home.records["good"])  # another picture was measured


@pytest.mark.parametrize("fact", ["x", {"sharpness": "1"}, {"sharpness": None}, 3, []])
def test_facts_that_make_no_sense_say_nothing(pictures: Path, fact: object) -> None:
    path = pictures / "good.png"
    strange = Record("a", Picture(path, (600, 840)), facts={"filter": fact})
    assert not where("sharpness:>=0")(strange)
    assert Filter(sharpness=30).measure(strange).facts["filter"]["sharpness"] > 70
    assert reasons(Filter(set="none", sharpness=30), [strange]) == {}


def test_a_broken_picture_is_rejected_and_the_others_are_measured(home: Home) -> None:
    content = (home.path / "good.png").read_bytes()
    (home.path / "good.png").write_bytes(content[: len(content) // 2])
    home.run(Filter(set="none", sharpness=30))
    assert "broken picture" in left_out(home)["good"]
    assert set(home.records) == {"poor", "poor_anew"}


# --- by a detector --------------------------------------------------------------------------


@pytest.fixture
def people_home(tmp_path: Path) -> Home:
    folder = tmp_path / "people"
    folder.mkdir()
    for name, colours in (("red", ["red"]), ("both", ["red", "lime"]), ("none", [])):
        image = Image.new("RGB", (200, 160), "white")
        for number, colour in enumerate(colours):
            image.paste(colour, (20 + 90 * number, 40, 80 + 90 * number, 100))
        image.save(folder / f"{name}.png")
    home = Home(tmp_path / "set")
    home.run(Folder(str(folder)))
    return home


def test_faces_and_persons_are_counted_by_a_model(people_home: Home, tmp_path: Path) -> None:
    model = str(colour_detector(tmp_path / "model.onnx"))
    people_home.run(Filter(detector=model, faces="1..1"))
    assert left_out(people_home) == {"none": "0 faces found, not 1..1"}
    assert people_home.records["both"].facts["filter"]["faces"] == 1
    people_home.run(Filter(detector=model, persons=">=1"))
    assert set(people_home.records) == {"both"}
    assert where("faces:1 persons:1")(people_home.records["both"])


def test_another_model_counts_anew(people_home: Home, tmp_path: Path) -> None:
    one = colour_detector(tmp_path / "one" / "model.onnx")
    other = colour_detector(tmp_path / "other" / "model.onnx", names="{0: 'hand', 1: 'head'}")
    people_home.run(Filter(detector=str(one), faces=">=0"))
    assert people_home.records["red"].facts["filter"]["faces"] == 1
    people_home.run(Filter(detector=str(other.parent), faces=">=0"))
    assert people_home.records["red"].facts["filter"]["faces"] == 0  # green is the head there


def test_a_model_without_names_counts_all(people_home: Home, tmp_path: Path) -> None:
    model = colour_detector(tmp_path / "model.onnx", names="")
    people_home.run(Filter(detector=str(model), persons="2"))
    assert set(people_home.records) == {"both"}


def test_options_that_are_none_are_refused(tmp_path: Path) -> None:
    model = str(colour_detector(tmp_path / "model.onnx", names="{0: 'hand', 1: 'text'}"))
    for stage, text in (
        (Filter(set="charcter"), "did you mean 'character'"),
        (Filter(most=("sitting",)), "not TAG=NUMBER"),
        (Filter(most=("=5",)), "not TAG=NUMBER"),
        (Filter(people="many"), "people:many is no number"),
        (Filter(only="scor:>5"), "did you mean 'score'"),
        (Filter(faces="1"), "--detector FILE names one"),
        (Filter(detector=model), "give one of them"),
        (Filter(detector=model, faces="1"), "finds no faces, but: hand, text"),
    ):
        with pytest.raises(UsageError, match=text):
            stage.check()
    with pytest.raises(ModelError, match="there is no"):
        Filter(detector=str(tmp_path / "none"), faces="1").check()


def test_on_a_dataset_reasons_are_kept(tmp_path: Path) -> None:
    home = Home(tmp_path / "set")
    home.run(Pictures([record("a", "solo"), record("b", "2girls"), record("c", "solo comic")]))
    outcome = home.run(Filter())
    assert outcome.rejected == {
        "filter: 2 people by its tags": 1,
        "filter: tagged comic": 1,
    }
    assert set(home.records) == {"a"}


# --- what --only speaks of is not there -----------------------------------------------------

HAIR = [record("a", "1girl solo long_hair"), record("b", "1girl white_shirt"), record("c", "comic")]


@pytest.mark.parametrize(
    ("only", "told"),
    [
        ("lnog_hair", "no picture fulfils 'lnog_hair'; nothing is left out; "
                      "did you mean 'long_hair'?"),
        ("long hair", "no picture fulfils 'long hair'; nothing is left out; did you mean "
                      'long_hair (or "long hair" in quotes)?'),
        ("score:>100", "no picture fulfils 'score:>100'; nothing is left out"),
        ("1girl and general:lnog_hair or comic",
         "no picture has 'general:lnog_hair', of which '1girl and general:lnog_hair or comic' "
         "speaks; nothing is left out; did you mean 'general:long_hair'?"),
    ],
)  # fmt: skip
def test_nothing_is_left_out_where_only_speaks_of_what_is_not_there(only: str, told: str) -> None:
    words = list(Filter(only=only)(HAIR, Path()))
    assert words == [Note(told, warning=True)]


@pytest.mark.parametrize(
    ("only", "gone"),
    [
        ("LONG_hair", "b"),
        ("1girl or 2girls", ""),
        ("not lnog_hair", ""),  # keeps nothing out
        ("-long_hare and 1girl", ""),
        ("long_hair or 3girls", "b"),
        ("long_hair or white_skirt", "b"),  # no white shirt, which one has
    ],
)
def test_else_it_goes_by_only(only: str, gone: str) -> None:
    found = reasons(Filter(only=only), HAIR)
    assert set(found) == {*gone, "c"}


def test_an_empty_set_needs_no_warning() -> None:
    assert said(Filter(set="none", only="solo"), []) == []
