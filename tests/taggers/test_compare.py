"""A model beside the booru's tags: counts, thresholds and totals, checked against plain sums."""

import csv
import io
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag
from datasetkit.taggers.compare import Agreement, Compared, Comparison, truth_of
from datasetkit.taggers.compare_files import drawing_of, table_of, written
from datasetkit.taggers.tag import Tagging

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
    (part,) = Tagging(str(model), **options).parts
    return Comparison(part)


def filled(model: Path, **options: object) -> Compared:
    found = comparison(model, **options)
    found.add("a", frozenset({"hat", "sky", "cat"}), fact(hat=0.9, tree=0.6))
    found.add("b", frozenset({"hat", "miku"}), fact(hat=0.4, sky=0.3, miku=0.7, tree=0.36))
    found.add("c", frozenset({"sky"}), fact(hat=0.36, sky=0.2))
    found.add("d", frozenset({"hat"}), fact(hat=0.2, miku=0.1))
    return found.compared(2)


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
    everything, general = found.kinds
    assert (everything.kind, general.kind) == ("", "general")
    assert (general.tags, general.at) == (2, Agreement(5, 3, 2))
    assert general.macro == pytest.approx((2 / 3 + 0) / 2)
    assert (general.threshold, everything.threshold) == (0.35, None)
    by_threshold = dict(general.curve)
    assert by_threshold[0.35] == general.at
    assert by_threshold[0.05] == Agreement(5, 6, 4)
    assert by_threshold[1.0] == Agreement(5, 0, 0)
    assert general.at_best == by_threshold[general.best]
    assert general.at_best.f1 == max(counts.f1 for counts in by_threshold.values())


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
        found.add(f"{number}", truth, fact(**{n: p for n, p in chances.items() if p >= 0.05}))
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
    empty.add("a", frozenset({"cat"}), fact())
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
         {"hat", "absurdres"}),
        (record(also=(Origin("e621", tags="sky"),)), {"sky"}),
        (record(Tag("sky", by=MACHINE),
                facts={"tag": {"m": {"aside": [["hat", "general", ["danbooru"], 1.0]]}}}), {"hat"}),
        (record(Tag("hat", by=("other",)), facts={"tag": {"other": {}}}), set()),
        (record(), set()),
    ],
)  # fmt: skip
def test_whose_word_counts(known, truth):
    assert truth_of(known, {"m"}) == truth


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
    lines = root.findall("{*}polyline")
    assert len(lines) == 1 and len(root.findall("{*}circle")) == 2  # one kind is all kinds
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for line in lines:
        points = [tuple(map(float, p.split(","))) for p in line.attrib["points"].split()]
        assert all(0 < x < width and 0 < y < height for x, y in points)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert not {"script", "image", "style"} & {item.tag.rpartition("}")[2] for item in root.iter()}


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
