"""Stages that need the whole set: measured beside the maps, then asked once."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from datasetkit.cleaners.sets.dedupe import Dedupe
from datasetkit.cleaners.tags.clean import Clean
from datasetkit.dataset import Dataset
from datasetkit.engines.events import Event, Said
from datasetkit.engines.local import legs, run_leg
from datasetkit.grabbers.folder import Folder
from datasetkit.record import Record, Tag
from datasetkit.screen import last_line
from datasetkit.stage import Change, Drop, Map, Note, Selective, Whole, Work, opt
from tests.homes import Home


@dataclass(frozen=True)
class Brightest(Whole):
    """Keep the brightest picture, and name the others' place."""

    keep: int = opt(1, "how many stay")
    mark: bool = opt(True, "give the others a tag")

    def measure(self, record: Record) -> Record:
        if "Brightest" in record.facts:
            return record
        return record.with_facts("Brightest", record.picture.pixels.getpixel((0, 0))[0])

    def __call__(self, records: Sequence[Record], folder: Path) -> Iterator[Change | Work]:
        ranked = sorted(records, key=lambda record: -record.facts["Brightest"])
        yield Note(f"{len(records)} pictures compared")
        for place, record in enumerate(ranked):
            if place >= self.keep:
                yield Change(record.key, Drop(f"place {place + 1}"))
            elif self.mark:
                yield Change(record.key, record.with_tags([*record.tags, Tag("bright", by=("t",))]))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    source = tmp_path / "source"
    source.mkdir()
    for light in (10, 200, 90):
        Image.new("RGB", (8, 8), (light, 0, 0)).save(source / f"p{light}.png")
        (source / f"p{light}.txt").write_text("solo, comic" if light == 200 else "solo")
    home = Home(tmp_path / "set")
    home.run(Folder(str(source)))
    return home


def test_all_are_measured_and_then_compared(home: Home) -> None:
    outcome = home.run(Brightest())
    assert (outcome.changed, outcome.unchanged, outcome.rejected.total()) == (1, 0, 2)
    assert home.said == ["3 pictures compared"]
    (kept,) = home.records.values()
    assert kept.key == "p200" and kept.has("bright")
    again = home.run(Brightest())
    assert again.idle and again.unchanged == 1


def test_what_is_measured_is_kept_and_counts_as_no_change(home: Home) -> None:
    outcome = home.run(Brightest(keep=0, where="no_such_tag"))
    assert outcome.idle and (outcome.unchanged, outcome.not_meant) == (0, 3)
    assert all("Brightest" not in record.facts for record in home.records.values())
    outcome = home.run(Brightest(keep=3, where="solo"))
    assert outcome.changed == 3


def test_what_told_or_measured_something_does_not_say_that_it_was_done_before(home: Home) -> None:
    first = home.run(Brightest(keep=3, mark=False))
    again = home.run(Brightest(keep=3, mark=False))
    for outcome in (first, again):  # which has a sentence for people each time
        assert outcome.idle and last_line([outcome], home.path) == "nothing changed"
    done = home.run(Clean(drop=("nothing_has_it",)))
    assert last_line([done], home.path) == "nothing changed; all was done before"


def test_undo_goes_past_a_step_that_only_measured(home: Home) -> None:
    home.run(Clean(drop=("comic",)))
    outcome = home.run(Brightest(keep=3, mark=False))
    assert outcome.idle
    assert {record.facts["Brightest"] for record in home.records.values()} == {10, 90, 200}
    home.undo()
    assert home.records["p200"].has("comic")


def test_a_filter_leaves_the_others_alone(home: Home) -> None:
    home.run(Brightest(where="not comic"))
    assert set(home.records) == {"p200", "p90"}
    assert not home.records["p200"].has("bright")


def test_undo_brings_back_what_was_left_out(home: Home) -> None:
    home.run(Brightest())
    home.undo()
    assert set(home.records) == {"p10", "p90", "p200"}


def test_a_dry_run_tells_and_keeps_nothing(home: Home) -> None:
    said: list[str] = []

    def report(event: Event) -> None:
        if isinstance(event, Said):
            said.append(event.text)

    before = {p: p.read_bytes() for p in home.path.rglob("*") if p.is_file()}
    with Dataset(home.path) as dataset:
        outcome = run_leg(dataset, [Brightest()], report, dry_run=True)
    assert (outcome.changed, outcome.unchanged, outcome.rejected.total()) == (1, 0, 2)
    assert "p200: +bright" in said and "p90: would be left out (place 2)" in said
    assert before == {p: p.read_bytes() for p in home.path.rglob("*") if p.is_file()}


def test_it_ends_the_leg_of_the_maps_before_it(home: Home) -> None:
    stages = [Clean(), Brightest(), Brightest(), Clean(), Clean()]
    assert [len(leg) for leg in legs(stages)] == [2, 1, 2]
    said: list[Said] = []
    with Dataset(home.path, write=True) as dataset:
        outcome = run_leg(
            dataset,
            [Clean(drop=("comic",)), Brightest(keep=3)],
            lambda event: said.append(event) if isinstance(event, Said) else None,
        )
    assert (outcome.changed, outcome.unchanged) == (3, 0)
    assert not home.records["p200"].has("comic") and home.records["p200"].has("bright")
    assert {(event.stage, event.text) for event in said} == {("Brightest", "3 pictures compared")}
    home.undo()
    assert home.records["p200"].has("comic") and not home.records["p200"].has("bright")


@dataclass(frozen=True)
class Cut(Map):
    """Cut the top off, once."""

    def __call__(self, record: Record) -> Record:
        width, height = record.picture.size
        if height < 1200:
            return record
        return record.with_pixels(record.picture.pixels.crop((0, 100, width, height)))


def test_measured_is_what_the_file_is_going_to_hold(tmp_path: Path) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    for number in range(12):
        noise = random.Random(number).randbytes(10 * 12 * 3)
        image = Image.frombytes("RGB", (10, 12), noise).resize((1000, 1200), Image.Resampling.BOX)
        image.save(source / f"p{number}.jpg", quality=30)
    stages: list[Selective] = [Cut(), Dedupe()]
    found = []
    for name, parts in (("one", [stages]), ("apart", [[s] for s in stages])):
        with Dataset(tmp_path / name, write=True) as dataset:
            run_leg(dataset, [Folder(str(source))], lambda event: None)
            for part in parts:
                run_leg(dataset, part, lambda event: None)
            found.append({record.key: record.facts for record in dataset.records})
    assert found[0] == found[1]
    with Dataset(tmp_path / "one") as dataset:
        assert all(record.picture.size == (1000, 1100) for record in dataset.records)
