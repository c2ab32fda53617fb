"""The dedupe stage: what it measures, and what it remembers."""

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from datasetkit.cleaners.sets.dedupe import Dedupe
from datasetkit.errors import PictureError
from datasetkit.likeness import fingerprint
from datasetkit.pixels import Picture
from datasetkit.record import Origin
from tests.cleaners.sets.twins import Source, drawn, left_out, record_of, smiling


@pytest.fixture
def unopened(monkeypatch: pytest.MonkeyPatch) -> None:
    def glance(picture: Picture, side: int) -> Image.Image:
        raise AssertionError(f"{picture.path.name} was decoded")

    monkeypatch.setattr(Picture, "glance", glance)


def test_what_is_known_of_a_file_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    drawn().save(path)
    plain = Dedupe().measure(record_of(path))
    all_ways = Dedupe(also=("turned",)).measure(plain)
    assert len(all_ways.facts["dedupe"]["looks"]) == 8
    assert all_ways.facts["dedupe"]["looks"][0] == plain.facts["dedupe"]["looks"][0]
    assert int(plain.facts["dedupe"]["looks"][0], 16) == fingerprint(drawn())
    smiling("open").save(path)
    assert Dedupe().measure(all_ways) is not all_ways
    monkeypatch.setattr(Picture, "glance", None)
    drawn().save(path)
    assert Dedupe().measure(all_ways) is all_ways
    assert Dedupe().measure(plain) is plain


def test_the_fingerprint_of_grab_serves_while_the_file_is_as_it_came(
    tmp_path: Path, unopened: None
) -> None:
    path = tmp_path / "a.png"
    drawn().save(path)
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    facts = {"likeness": f"{fingerprint(drawn()):016x}", "barred": False}
    record = record_of(path, origin=Origin("danbooru", "1", md5=md5), facts=facts)
    assert Dedupe().measure(record).facts["dedupe"]["looks"] == [facts["likeness"]]
    smiling("open").save(path)
    with pytest.raises(AssertionError, match="was decoded"):
        Dedupe().measure(record)


@pytest.mark.parametrize(
    "fact", ["x", {"file": 3}, {"looks": ["a"]}, {"file": "x", "looks": ["../.."] * 8}]
)
def test_facts_that_make_no_sense_are_measured_anew(tmp_path: Path, fact: object) -> None:
    path = tmp_path / "a.png"
    drawn().save(path)
    record = Dedupe().measure(record_of(path, facts={"dedupe": fact, "likeness": 7}))
    assert record.facts["dedupe"] == Dedupe().measure(record_of(path)).facts["dedupe"]


def test_a_broken_picture_is_rejected_and_the_others_are_compared(source: Source) -> None:
    for name in ("a.png", "b.png", "c.png"):
        source.put(name, drawn(), compress_level=ord(name[0]) - ord("a"))
    home = source.taken_in()
    with pytest.raises(PictureError):
        Dedupe().measure(record_of(home.path / "none.png"))
    whole = (home.path / "b.png").read_bytes()
    (home.path / "b.png").write_bytes(whole[: len(whole) // 2])
    home.run(Dedupe())
    assert "broken picture" in left_out(home)["b"]
    assert len(home.records) == 1


def test_a_filter_says_which_are_compared(source: Source) -> None:
    for name in ("a.png", "b.png", "c.png"):
        source.put(name, drawn(), "comic" if name == "a.png" else "solo")
    home = source.taken_in()
    home.run(Dedupe(where="solo"))
    assert set(home.records) == {"a", "b"}
    assert "dedupe" not in home.records["a"].facts
