"""A model beside the booru's tags: counts, thresholds and totals, checked against plain sums."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag
from datasetkit.taggers.compare import Agreement, Compared, Comparison
from datasetkit.taggers.compare_files import drawing_of, round_limits, table_of, written
from datasetkit.taggers.tag import Tagging
from datasetkit.taggers.truth import Truth, truth_of

LABELS = [("general", 9), ("hat", 0), ("sky", 0), ("tree", 0), (">_<", 0), ("miku", 4)]
KINDS = {"hat": "general", "sky": "general", "tree": "general", ">_<": "general",
         "miku": "character"}  # fmt: skip


@pytest.fixture
def model(models, tmp_path: Path) -> Path:
    return models.fixed_tagger(tmp_path / "m", np.full(len(LABELS), 0.5), LABELS)


def fact(**probabilities: float) -> dict:
    seen: dict[str, dict[str, float]] = {}
    for name, probability in probabilities.items():
        seen.setdefault(KINDS.get(name, "general"), {})[name] = probability
    return {"above": 0.05, "seen": seen}


def comparison(model: Path, **options: object) -> Comparison:
    return Comparison(Tagging(str(model), **options).parts)


def filled(model: Path, **options: object) -> Compared:
    found = comparison(model, **options)
    add(found, "a", {"hat", "sky", "cat"}, fact(hat=0.9, tree=0.6))
    add(found, "b", {"hat", "miku"}, fact(hat=0.4, sky=0.3, miku=0.7, tree=0.36))
    add(found, "c", {"sky"}, fact(hat=0.36, sky=0.2))
    add(found, "d", {"hat"}, fact(hat=0.2, miku=0.1))
    return found.compared(2)


def add(found: Comparison, key: str, names: set[str], seen: dict, unasked: set[str] = frozenset(),
        sides: set[str] = frozenset({"booru"})) -> None:  # fmt: skip
    truth = Truth(frozenset(names), frozenset(sides), frozenset(unasked))
    found.add(key, truth, {found.parts[0].name: seen})


def test_counts_by_tag(model):
    found = filled(model)
    tags = {tag.name: tag for tag in found.tags}
    assert found.pictures == 4 and found.unknown == 1  # cat
    assert list(tags) == ["miku", "hat", "sky", "tree"]  # by kind, then by how often they stand
    hat = tags["hat"]
    assert hat.at == Agreement(support=3, said=3, right=2)
    assert (hat.at.precision, hat.at.recall) == (2 / 3, 2 / 3)
    assert hat.at.f1 == pytest.approx(2 / 3)
    assert (hat.missed, hat.extra) == (("d",), ("c",))
    assert tags["sky"].at == Agreement(2, 0, 0)
    assert tags["sky"].missed == ("a", "c")  # the least sure first
    assert tags["tree"].extra == ("a", "b")  # the surest first
    assert tags["miku"].at == Agreement(1, 0, 0)  # .7 is not .85
    assert [tag.counted for tag in found.tags] == [False, True, True, False]


def test_the_best_threshold_lies_between_what_passes_and_what_does_not(model):
    tags = {tag.name: tag for tag in filled(model).tags}
    # hat stands at .9, .4 and .2, not at .36: all four pass, or only two of three.
    assert tags["hat"].at_best == Agreement(3, 4, 3)
    assert 0.05 < tags["hat"].best <= 0.2
    assert tags["miku"].at_best == Agreement(1, 1, 1)
    assert tags["miku"].best == pytest.approx(0.4, abs=1e-4)
    # sky stands where .2 and nothing was seen, not at .3.
    assert tags["sky"].at_best == Agreement(2, 2, 1)


def test_totals_by_kind(model):
    found = filled(model)
    everything, character, general = found.kinds
    assert [kind.kind for kind in found.kinds] == ["", "character", "general"]
    # What the model says of tree counts against it, though no picture has one.
    assert (general.tags, general.often, general.at) == (3, 2, Agreement(5, 5, 2))
    assert (character.tags, character.often, character.at) == (1, 0, Agreement(1, 0, 0))
    assert general.macro == pytest.approx((2 / 3 + 0) / 2)
    assert (general.threshold, everything.threshold) == (0.35, None)
    by_threshold = dict(general.curve)
    assert by_threshold[0.35] == general.at
    assert by_threshold[0.05] == Agreement(5, 8, 4)
    assert by_threshold[1.0] == Agreement(5, 0, 0)
    assert general.at_best == by_threshold[general.best]
    assert general.at_best.f1 == max(counts.f1 for counts in by_threshold.values())
    assert found.said_of_none == 2  # tree, twice


def test_what_is_said_wrongly_everywhere_counts(model):
    found = comparison(model, character=0.5)
    for number in range(20):
        right = {"hat"} if number % 2 else {"hat", "miku"}
        wrong = {"tree": 0.9, ">_<": 0.8, "miku": 0.99 if "miku" in right else 0.6}
        add(found, f"{number}", right, fact(hat=0.95, **wrong))
    everything, character, general = found.compared(5).kinds
    assert general.at.precision == pytest.approx(1 / 3)
    assert character.at.precision == 0.5
    assert character.at_best == Agreement(10, 10, 10) and character.best > 0.6
    assert everything.at.precision == pytest.approx(30 / 80)


def test_a_character_that_never_is_there_has_no_best_threshold(model):
    found = comparison(model, character=0.5)
    for number in range(6):
        add(found, f"{number}", {"hat"}, fact(hat=0.95, miku=0.9))
    character = found.compared(5).kinds[1]
    assert (character.kind, character.at) == ("character", Agreement(0, 6, 0))
    assert character.best is None


def test_kinds_of_which_the_booru_never_speaks_are_left_out(models, tmp_path):
    labels = tmp_path / "m" / "tag_mapping.json"
    models.fixed_tagger(tmp_path / "m", np.full(3, 0.9), [("hat", 0)] * 3)
    words = {"0": {"tag": "hat", "category": "General"}, "1": {"tag": "masterpiece",
             "category": "Quality"}, "2": {"tag": "highres", "category": "Meta"}}  # fmt: skip
    labels.write_text(json.dumps(words))
    (tmp_path / "m" / "tagger.yaml").write_text(
        "family: wd\nlabels: tag_mapping.json\nformat: json\n"
    )
    seen = {"above": 0.05, "seen": {"general": {"hat": 0.9}, "quality": {"masterpiece": 0.9},
                                    "meta": {"highres": 0.9}}}  # fmt: skip
    found = comparison(tmp_path / "m")
    for number in range(6):
        add(found, f"{number}", {"hat", "highres"}, seen)
    result = found.compared(5)
    assert [kind.kind for kind in result.kinds] == ["", "general", "meta"]
    assert result.untold == ("quality",)
    assert result.kinds[0].at == Agreement(12, 12, 12)


def test_what_a_person_deleted_is_not_asked_there(model):
    found = comparison(model)
    add(found, "a", {"sky"}, fact(hat=0.9, sky=0.9), unasked={"hat"})
    add(found, "b", {"hat"}, fact(hat=0.9))
    tags = {tag.name: tag.at for tag in found.compared(1).tags}
    assert tags == {"hat": Agreement(1, 1, 1), "sky": Agreement(1, 1, 1)}


def test_whose_tags_they_were(model):
    for sides, word in ((["booru"], "booru"), (["captions"], "captions"),
                        (["booru", "captions"], "both")):  # fmt: skip
        found = comparison(model)
        for number, side in enumerate(sides):
            add(found, f"{number}", {"hat"}, fact(hat=0.9), sides={side})
        assert found.compared(1).side == word


def test_a_vote_is_measured_as_the_models_are(models, tmp_path):
    for name in "abc":
        models.fixed_tagger(tmp_path / name, np.full(len(LABELS), 0.5), LABELS)
    three = ",".join(str(tmp_path / name) for name in "abc")
    for vote, hat, how in ((0, Agreement(2, 2, 1), "more than half"),
                           (3, Agreement(2, 1, 1), "3 of them")):  # fmt: skip
        stage = Tagging(three, vote=vote)
        found = Comparison(stage.parts, vote)
        facts = [{"a": fact(hat=0.9), "b": fact(hat=0.8), "c": fact(hat=0.7)},
                 {"a": fact(hat=0.9), "b": fact(hat=0.8), "c": fact()},
                 {"a": fact(hat=0.9), "b": fact(), "c": fact()}]  # fmt: skip
        for number, one in enumerate(facts):
            truth = frozenset({"hat"} if number != 1 else {"cat"})
            found.add(f"{number}", Truth(truth, frozenset({"booru"})), one)
        result = found.compared(1)
        (hats,) = result.tags
        assert (result.model, hats.at) == (f"the vote of a, b, c ({how})", hat)
        assert (result.kinds[0].best, result.kinds[0].curve, hats.best) == (None, (), None)
        assert result.unknown == 1


def test_totals_equal_a_plain_count_over_many_pictures(model):
    rng = np.random.default_rng(5)
    names = list(KINDS)
    found, plain = comparison(model, threshold=0.4, character=0.4), []
    for number in range(300):
        truth = frozenset(name for name in names if rng.random() < 0.4)
        chances = {
            name: round(float(np.clip(rng.normal(0.6 if name in truth else 0.3, 0.2), 0, 1)), 4)
            for name in names
        }
        plain += [(name, chances[name], name in truth) for name in names]
        add(found, f"{number}", truth, fact(**{n: p for n, p in chances.items() if p >= 0.05}))
    result = found.compared(1)

    def counted(threshold: float, name: str = "") -> Agreement:
        rows = [row for row in plain if name in ("", row[0])]
        said = [stands for _, chance, stands in rows if chance >= threshold]
        return Agreement(sum(stands for *_, stands in rows), len(said), sum(said))

    everything = result.kinds[0]
    assert everything.at == counted(0.4)
    for threshold, counts in everything.curve:
        assert counts == counted(threshold)
    for tag in result.tags:
        assert tag.at == counted(0.4, tag.name)
        assert tag.at_best == counted(tag.best, tag.name)
        most = max(counted(t / 10_000, tag.name).f1 for t in range(500, 10_001, 7))
        assert tag.at_best.f1 >= most


def test_the_stages_own_rule_is_what_is_measured(model):
    assert filled(model, threshold=0.1).tags[1].at == Agreement(3, 4, 3)
    gaps = filled(model, mcut=True)
    assert gaps.tags[1].threshold is None and gaps.kinds[1].threshold is None
    few = {tag.name: tag.at.said for tag in filled(model, limit="general=1").tags}
    assert few == {"miku": 0, "hat": 3, "sky": 0}  # tree is never the first
    dropped = {tag.name for tag in filled(model, drop=("*at",)).tags}
    assert dropped == {"miku", "sky", "tree"}
    assert filled(model, drop=("*at",)).unknown == 1


def test_nothing_seen_and_nothing_that_stands(model):
    empty = comparison(model)
    add(empty, "a", {"cat"}, fact())
    found = empty.compared(1)
    assert (found.kinds, found.tags, found.unknown) == ((), (), 1)
    ET.fromstring(drawing_of(found))
    assert len(table_of(found).splitlines()) == 1


def record(*tags: Tag, **more: object) -> Record:
    return Record("1", Picture(Path("1.png"), (4, 4)), tags, **more)


SITE, MACHINE = ("danbooru",), ("m",)


@pytest.mark.parametrize(
    ("known", "truth"),
    [
        (record(Tag("hat", by=SITE), Tag("sky", by=MACHINE), Tag("sea", by=("m", "e621"))),
         {"hat", "sea"}),
        (record(Tag("hat", by=SITE), Tag("mine"), Tag("ohwx", "trigger")), {"hat", "mine"}),
        (record(Tag("hat", by=MACHINE)), set()),
        (record(Tag("hat", by=MACHINE), Tag("mine")), set()),  # no full list
        (record(Tag("hat"), Tag("mine")), {"hat", "mine"}),
        (record(Tag("hat", by=("folder",)), Tag("sky", by=MACHINE)), {"hat"}),
        (record(origin=Origin("danbooru", tags="hat absurdres"), removed=frozenset({"hat"})),
         {"absurdres"}),
        (record(Tag("a_girl_in_a_red_dress_stands_in_a_field", by=("folder",)),
                Tag("smiling", by=("folder",))), set()),
        (record(Tag("a_girl_stands_there.", by=("folder",))), set()),
        (record(Tag("A_girl_in_a_red_dress_stands_in_a_field."), Tag("hat", by=SITE)), {"hat"}),
        (record(*(Tag(name, by=("folder",)) for name in
                  ("hat", "looking_at_viewer", "holding_another's_wrist", "kimi_no_na_wa"))),
         {"hat", "looking_at_viewer", "holding_another's_wrist", "kimi_no_na_wa"}),
        (record(also=(Origin("e621", tags="sky"),)), {"sky"}),
        (record(Tag("sky", by=MACHINE),
                facts={"tag": {"m": {"aside": [["hat", "general", ["danbooru"], 1.0]]}}}), {"hat"}),
        (record(Tag("hat", by=("other",)), facts={"tag": {"other": {}}}), set()),
        (record(), set()),
    ],
)  # fmt: skip
def test_whose_word_counts(known, truth):
    assert truth_of(known, {"m"}).names == truth


def test_who_said_so_and_what_was_left_out():
    site, typed = Tag("hat", by=SITE), Tag("mine", by=("folder",))
    assert truth_of(record(site)).sides == {"booru"}
    assert truth_of(record(typed)).sides == {"captions"}
    assert truth_of(record(site, typed)).sides == {"booru", "captions"}
    assert truth_of(record(site, removed=frozenset({"sky"}))).unasked == {"sky"}
    prose = truth_of(record(Tag("she_is_on_her_way_to_the_sea", by=("folder",))))
    assert prose.prose and not prose.names and not truth_of(record(typed)).prose


def test_the_table_holds_every_tag_that_either_side_has(model, tmp_path):
    rows = list(csv.DictReader(io.StringIO(table_of(filled(model)))))
    assert [row["tag"] for row in rows] == ["miku", "hat", "sky", "tree"]
    hat = rows[1]
    assert (hat["support"], hat["said"], hat["right"]) == ("3", "3", "2")
    assert (hat["precision"], hat["threshold"], hat["counted"]) == ("0.6667", "0.35", "yes")
    assert (hat["missed"], hat["missed_on"], hat["extra_on"]) == ("1", "d", "c")
    assert rows[2]["missed_on"] == "a|c" and rows[3]["best_threshold"] == ""
    table, drawing = written(filled(model), tmp_path)
    assert (table.name, drawing.name) == ("m.csv", "m.svg")
    assert {path.name for path in (tmp_path / "compare").iterdir()} == {"m.csv", "m.svg"}


def test_the_drawing_is_whole_and_asks_for_nothing_else(model):
    text = drawing_of(filled(model))
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    lines = root.findall("{*}g/{*}polyline")
    assert len(lines) == 3 and len(root.findall("{*}g/{*}circle")) == 6
    assert "stroke-dasharray" in lines[-1].attrib  # all kinds, over what it would be hidden by
    assert not any("stroke-dasharray" in line.attrib for line in lines[:-1])
    alone = comparison(model)
    add(alone, "a", {"hat"}, fact(hat=0.9))
    assert len(ET.fromstring(drawing_of(alone.compared(1))).findall("{*}g/{*}polyline")) == 1
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert not {"script", "image", "style"} & {item.tag.rpartition("}")[2] for item in root.iter()}


def test_the_drawing_shows_where_the_marks_are(model):
    found = comparison(model, threshold=0.5)
    rng = np.random.default_rng(1)
    for number in range(400):  # a good model: precision and recall of some .95
        truth = {name for name in ("hat", "sky", "tree") if rng.random() < 0.5}
        chances = {n: float(np.clip(rng.normal(0.75 if n in truth else 0.25, 0.15), 0.06, 1))
                   for n in ("hat", "sky", "tree")}  # fmt: skip
        add(found, f"{number}", truth, fact(**chances))
    root = ET.fromstring(drawing_of(found.compared(5)))
    numbers = [item.text for item in root.findall("{*}text[@data-axis]")]
    values = sorted({float(text) for text in numbers})
    assert values[0] >= 0.5 and values[-1] == 1.0 and len(values) <= 8
    box = root.find("{*}clipPath/{*}rect").attrib
    left, top = float(box["x"]), float(box["y"])
    right, bottom = left + float(box["width"]), top + float(box["height"])
    for mark in root.findall("{*}g/{*}circle"):
        assert left <= float(mark.attrib["cx"]) <= right
        assert top <= float(mark.attrib["cy"]) <= bottom


@pytest.mark.parametrize(
    ("values", "limits"),
    [([0.97, 0.985], (0.95, 1.0, 0.01)), ([0.62, 0.9], (0.5, 1.0, 0.1)),
     ([0.0, 1.0], (0.0, 1.0, 0.2)), ([0.1, 0.25], (0.05, 0.3, 0.05)), ([1.0], (0.95, 1.0, 0.01)),
     ([], (0.0, 1.0, 0.2))],
)  # fmt: skip
def test_limits_are_round(values, limits):
    assert round_limits(values) == pytest.approx(limits)


def test_a_models_name_cannot_spoil_the_drawing(models, tmp_path):
    folder = models.fixed_tagger(tmp_path / "a<b>&'\x07c", np.full(len(LABELS), 0.5), LABELS)
    root = ET.fromstring(drawing_of(filled(folder)))
    assert root.findtext("{*}title").startswith("a<b>&'")
    assert written(filled(folder), tmp_path)[0].is_file()


def test_answers_come_from_the_facts_or_from_a_look(models, tmp_path, monkeypatch):
    from datasetkit.taggers.tagger import Tagger

    folder = models.small_tagger(tmp_path / "tiny", 32)
    path = tmp_path / "1.png"
    Image.new("RGB", (40, 24), (255, 51, 0)).save(path)
    before = Record("1", Picture(path, (40, 24)))
    stage = Tagging(str(folder))
    looked = stage.answers(before)["tiny"]
    after = stage(before)
    monkeypatch.setattr(Tagger, "_run", None)
    assert stage.answers(after)["tiny"] is after.facts["tag"]["tiny"]
    assert looked["seen"] == after.facts["tag"]["tiny"]["seen"]
    assert stage.answers(after)["tiny"]["rule"]
