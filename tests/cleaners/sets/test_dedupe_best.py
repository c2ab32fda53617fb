"""The dedupe stage: who stays, whose tags it gets, and what people edited."""

from dataclasses import replace
from pathlib import Path

import pytest

from datasetkit.cleaners.sets.dedupe import Dedupe, joined
from datasetkit.dataset import Dataset
from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag
from tests.cleaners.sets.twins import Source, drawn


def known_to(site: str, score: int | None, **facts: object) -> dict[str, object]:
    return {"origin": Origin(site, "1", score=score, rating="g"), "facts": facts}


@pytest.mark.parametrize(
    ("one", "other", "stays"),
    [
        ({"size": (20, 20)}, {"size": (20, 21), **known_to("x", -5)}, 1),
        (known_to("x", 3), known_to("y", 9), 1),
        (known_to("x", None), known_to("y", -9), 1),
        ({"tags": "a b"}, {"tags": "c"}, 0),
        ({"light": True}, {}, 1),
        ({"suffix": ".jpg", **known_to("x", 9)}, known_to("y", 1), 1),
        ({}, {}, 0),
        ({"size": (10, 10), **known_to("x", 0, hand=True)}, {"size": (99, 99)}, 0),
    ],
)
def test_the_best_stays(
    tmp_path: Path, one: dict[str, object], other: dict[str, object], stays: int
) -> None:
    records = []
    for number, traits in enumerate((one, other)):
        path = tmp_path / f"{number}{traits.get('suffix', '.png')}"
        size = traits.get("size", (20, 20))
        assert isinstance(size, tuple)
        drawn().resize(size).save(path, compress_level=9 if "light" in traits else 0)
        record = Record(f"k{number}", Picture(path, size))
        record = record.with_tags(Tag(name, by=("x",)) for name in str(traits.get("tags", "")))
        named = {key: traits[key] for key in ("origin", "facts") if key in traits}
        records.append(Dedupe().measure(replace(record, **named)))
    ranked = [known for n, record in enumerate(records) if (known := Dedupe().known(record, n))]
    assert max(ranked)[1].place == stays


def test_what_people_edited_comes_first_and_what_they_took_out_stays_out() -> None:
    def record(key: str, *tags: Tag, **more: object) -> Record:
        return replace(Record(key, Picture(Path(f"{key}.png"), (9, 9)), tags), **more)

    site, hand = ("danbooru",), ("hand",)
    standing = record(
        "a", Tag("1girl", by=site), Tag("hat", by=site), origin=Origin("danbooru", "1", rating="g")
    )
    edited = record(
        "b", Tag("my word", by=hand), Tag("1girl", by=site), Tag("lowres", by=hand),
        removed=frozenset({"hat", "smile"}), origin=Origin("other", "2", rating="s"),
    )  # fmt: skip
    third = record("c", Tag("smile", by=site), Tag("jpeg_artifacts", by=site), Tag("dog", by=site))
    became = joined(standing, [third, edited])
    assert became.names == ("my word", "1girl", "lowres", "dog")
    assert became.removed == {"hat", "smile"}
    assert (became.origin.rating, [place.site for place in became.also]) == ("s", ["other"])
    mine = joined(record("a", Tag("hat", by=hand)), [edited])
    assert mine.names == ("hat", "my word", "1girl", "lowres") and mine.removed == {"smile"}
    gone = record("a", Tag("1girl", by=site), removed=frozenset({"my word"}))
    assert joined(gone, [edited]).names == ("1girl", "lowres")
    assert joined(standing, [standing]) is standing


def test_undo_gives_captions_back_that_a_person_had_edited(source: Source) -> None:
    source.put("a.png", drawn(), "1girl, solo, hat")
    source.put("b.png", drawn().resize((200, 280)), "1girl, solo, hat, dog")
    home = source.taken_in()
    (home.path / "b.txt").write_text("1girl, my word, solo, dog\n")
    with Dataset(home.path, write=True):
        pass
    before = {path.name: path.read_text() for path in home.path.glob("*.txt")}
    home.run(Dedupe())
    kept = home.records["a"]
    assert kept.names == ("1girl", "my_word", "solo", "dog") and kept.removed == {"hat"}
    home.undo()
    assert {path.name: path.read_text() for path in home.path.glob("*.txt")} == before
    assert not home.records["a"].removed and home.records["b"].removed == {"hat"}


def test_undo_keeps_what_a_person_edited_since(source: Source) -> None:
    source.put("a.png", drawn(), "1girl, solo, hat")
    source.put("b.png", drawn().resize((200, 280)), "1girl, solo, dog")
    home = source.taken_in()
    (home.path / "b.txt").write_text("1girl, my word, dog\n")
    home.run(Dedupe())
    (home.path / "a.txt").write_text("1girl, my word, hat, later\n")
    home.undo()
    assert home.records["a"].names == ("1girl", "hat", "later", "solo")  # dog was the twin's
    assert home.records["a"].removed == {"dog"} and home.records["b"].removed == {"solo"}
