"""What a dry run tells: the dataset as a run would find it, and each change in plain words."""

from pathlib import Path

import pytest
from PIL import Image

from datasetkit.cleaners.pixels.trim import Trim
from datasetkit.cleaners.sets.dedupe import Dedupe
from datasetkit.cleaners.tags.clean import Clean
from datasetkit.dataset import Dataset
from datasetkit.engines.events import Outcome, Said
from datasetkit.engines.local import run_leg
from datasetkit.engines.results import Result, difference
from datasetkit.grabbers.folder import Folder
from datasetkit.stage import Selective
from datasetkit.tags import to_caption
from tests.homes import Home


@pytest.fixture
def home(tmp_path: Path, gallery: Path) -> Home:
    home = Home(tmp_path / "set")
    home.run(Folder(str(gallery)))
    return home


def dry_run(home: Home, stage: Selective) -> tuple[Outcome, list[str]]:
    said: list[str] = []
    with Dataset(home.path) as dataset:
        outcome = run_leg(
            dataset,
            [stage],
            lambda event: said.append(event.text) if isinstance(event, Said) else None,
            dry_run=True,
        )
    return outcome, said


def test_edits_by_hand_are_seen(home: Home) -> None:
    caption = home.path / "p2.txt"
    caption.write_text("mine, 1girl, long hair")
    outcome, said = dry_run(home, Clean(where="mine", drop=("mine",)))
    assert said == ["p2: -mine"] and outcome.changed == 1
    assert caption.read_text() == "mine, 1girl, long hair"
    assert not home.records["p2"].has("mine")


def test_a_stage_for_the_whole_sees_the_edits_too(home: Home) -> None:
    (home.path / "p2.txt").write_text("mine, 1girl, long hair")
    outcome, _ = dry_run(home, Dedupe(where="mine"))
    assert outcome.not_meant == 5


def test_pictures_put_in_by_hand_are_told_of(home: Home) -> None:
    Image.new("RGB", (9, 9), "red").save(home.path / "new.png")
    _, said = dry_run(home, Clean())
    assert said[0] == "1 picture was put into the folder; the run takes it in"
    Image.new("RGB", (9, 9), "blue").save(home.path / "newer.png")
    _, said = dry_run(home, Clean())
    assert said[0] == "2 pictures were put into the folder; the run takes them in"


def test_what_a_stage_only_remembers_is_no_change(home: Home) -> None:
    outcome, said = dry_run(home, Trim())
    assert not [line for line in said if "facts" in line] and outcome.changed == 0


def test_numbers_for_trainers_are_said_in_words(home: Home) -> None:
    home.run(Clean())
    _, said = dry_run(home, Clean(keep_tokens=2))
    assert said[0] == "p0: written down for trainers: keep_tokens 2"


def test_names_that_stay_away_are_said_in_words(home: Home) -> None:
    first = next(iter(home.records.values()))
    name = first.names[0]
    home.run(Clean(drop=(name,), where=f"name:{first.key}", only=True))
    plain = to_caption(name)
    _, said = dry_run(home, Clean(keep=(name,), only=True))
    assert said == [f"{first.key}: written down: {plain!r} stays away no more"]
    after = first.with_facts("clean", {"dropped": ["highres", "wide_image"]})
    told = f"{first.key}: written down: 'highres', 'wide image' stay away"
    assert difference(first, Result(after)) == told
    both = after.with_facts("clean", {"dropped": ["highres"], "keep_tokens": 2})
    assert difference(after, Result(both)) == (
        f"{first.key}: written down: 'wide image' stays away no more "
        "written down for trainers: keep_tokens 2"
    )
