"""Pictures with bars around them: known by what lies inside, in whatever place of a pipeline."""

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from datasetkit.bars import seem_barred
from datasetkit.cleaners.sets.dedupe import Dedupe
from datasetkit.cleaners.sets.inside import inside, of_fact, to_fact
from datasetkit.dataset import Dataset
from datasetkit.likeness import fingerprint
from datasetkit.pixels import Picture
from datasetkit.record import Origin
from tests.cleaners.sets.twins import Source, drawn, framed, left_out, record_of, scene


@pytest.mark.parametrize(
    ("sides", "colour", "scale"),
    [
        ((0, 90, 0, 90), "black", 1.0),
        ((120, 0, 120, 0), "teal", 0.7),
        ((60, 30, 60, 30), "navy", 0.8),
        ((0, 40, 0, 110), "black", 0.6),
    ],
)
def test_a_copy_with_bars_around_is_the_same_picture(
    source: Source, sides: tuple[int, int, int, int], colour: str, scale: float
) -> None:
    source.put("a.jpg", scene(), "1girl", quality=90)
    copy = framed(scene(), sides, colour)
    copy = copy.resize((round(copy.width * scale), round(copy.height * scale)))
    source.put("b.png", copy, "solo, letterboxed")
    home = source.taken_in()
    home.run(Dedupe())
    assert left_out(home) == {"b": "same picture as a"}
    assert home.records["a"].names == ("1girl", "solo")
    assert "with bars around" in home.said[0]
    assert home.run(Dedupe()).idle


def test_two_with_other_bars_are_the_same_and_the_larger_picture_stays(source: Source) -> None:
    small = scene().resize((400, 512))
    source.put("a.png", framed(small, (300, 0, 300, 0)))  # more pixels, but fewer of the picture
    source.put("b.jpg", framed(scene(), (0, 40, 0, 40)), quality=85)
    home = source.taken_in()
    home.run(Dedupe())
    assert left_out(home) == {"a": "same picture as b"}


def test_a_variant_with_bars_around_stays(source: Source) -> None:
    source.put("a.png", scene())
    source.put("b.jpg", framed(scene("open"), (0, 90, 0, 90)), quality=85)
    home = source.taken_in()
    home.run(Dedupe())
    assert set(home.records) == {"a", "b"}
    assert home.said[-1] == "variants: a, b"


def test_one_with_bars_is_found_mirrored(source: Source) -> None:
    source.put("a.png", scene())
    mirrored = scene().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    source.put("b.jpg", framed(mirrored, (80, 0, 40, 0)), quality=85)
    home = source.taken_in()
    home.run(Dedupe(also=("mirrored",)))
    assert left_out(home) == {"b": "same picture as a"}


def test_what_grab_saw_to_have_bars_is_looked_at_again(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    whole = framed(scene(), (0, 90, 0, 90))
    whole.save(path)
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    known = {
        "picture": Picture(path, whole.size),
        "origin": Origin("danbooru", "1", md5=md5),
        "facts": {"likeness": f"{fingerprint(whole):016x}", "barred": seem_barred(whole)},
    }
    record = record_of(path, **known)
    fact = Dedupe().measure(record).facts["dedupe"]
    assert fact["inside"]["box"] == [0, 90, 500, 730]
    del known["facts"]["barred"]  # as grab wrote it before it looked for bars
    assert Dedupe().measure(record_of(path, **known)).facts["dedupe"] == fact


def test_what_an_older_dedupe_knows_of_a_picture_is_not_enough(source: Source) -> None:
    source.put("a.png", scene())
    source.put("b.png", framed(scene(), (0, 90, 0, 90)))
    home = source.taken_in()
    with Dataset(home.path, write=True) as dataset:
        for record in list(dataset.records):
            fact = dict(Dedupe().measure(record).facts["dedupe"])
            del fact["inside"]
            dataset.put(record.with_facts("dedupe", fact), 0)
    home.run(Dedupe())
    assert left_out(home) == {"b": "same picture as a"}


def test_a_figure_on_a_plain_ground_has_no_bars() -> None:
    assert inside(drawn(), (400, 560)) is None and not seem_barred(drawn())
    assert inside(Image.new("RGB", (300, 300)), (300, 300)) is None
    assert inside(framed(scene().resize((20, 26)), (200, 200, 200, 200)), (420, 426)) is None


def test_it_is_written_and_read_back() -> None:
    whole = framed(scene(), (0, 90, 0, 90))
    found = inside(whole, whole.size)
    assert found is not None and of_fact(to_fact(found), whole.size) == found
    assert of_fact(to_fact(found), (300, 300)) is None


@pytest.mark.parametrize(
    "fact",
    [
        None,
        {},
        {"box": [0, 0, 9, 9], "looks": ["0" * 16]},
        {"box": [0, 0, 9, 9.5], "looks": ["0" * 16] * 8},
        {"box": [5, 0, 5, 9], "looks": ["0" * 16] * 8},
        {"box": [0, 0, 9, 9], "looks": [7] * 8},
        {"box": [0, 0, 9, 9], "looks": ["-" + "0" * 15] * 8},
    ],
)
def test_facts_that_make_no_sense_are_no_bars(fact: object) -> None:
    assert of_fact(fact, (20, 20)) is None
