"""A filter that means few pictures or none: what is counted, what is said, what is suggested."""

from pathlib import Path

import pytest

from datasetkit.cleaners.sets.dedupe import Dedupe
from datasetkit.cleaners.tags.clean import Clean
from datasetkit.dataset import Dataset
from datasetkit.engines.events import Said
from datasetkit.engines.local import run_leg
from datasetkit.grabbers.folder import Folder
from datasetkit.screen import last_line, summary
from datasetkit.stage import Selective
from tests.homes import Home


@pytest.fixture
def home(tmp_path: Path, gallery: Path) -> Home:
    home = Home(tmp_path / "set")
    home.run(Folder(str(gallery)))
    home.said.clear()
    return home


@pytest.mark.parametrize("stage", [Clean(where="nosuchtag", add=("x",)), Dedupe(where="nosuchtag")])
def test_no_picture_is_meant(home: Home, stage: Selective) -> None:
    outcome = home.run(stage)
    assert home.said == ["no picture fulfils 'nosuchtag'; nothing was done"]
    assert (outcome.unchanged, outcome.not_meant) == (0, 6)
    assert summary(outcome) == "6 pictures: 6 not meant"
    assert last_line([outcome], Path("dataset")) == "nothing changed"


def test_pictures_that_are_not_meant_are_counted_apart(home: Home) -> None:
    outcome = home.run(Clean(where="tag_0", add=("here",)))
    assert home.said == []
    assert (outcome.unchanged, outcome.changed, outcome.not_meant) == (0, 1, 5)
    assert summary(outcome) == "6 pictures: 1 changed, 5 not meant"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("long hair", 'did you mean long_hair (or "long hair" in quotes)?'),
        ("solo and long hair 1girl", 'did you mean long_hair (or "long hair" in quotes)?'),
        ("lng_hair", "did you mean 'long_hair'?"),
        ("general:lnog_hair", "did you mean 'general:long_hair'?"),
        ("source:x", "there is no key 'source', and no tag 'source:x'"),
        ("tag_0 and tag_1", ""),
        ("width:>5000", ""),
        ("not long_hair", ""),
    ],
)
def test_the_nearest_is_suggested(home: Home, text: str, said: str) -> None:
    home.run(Clean(where=text))
    (told,) = home.said
    assert told == f"no picture fulfils {text!r}; nothing was done" + f"; {said}" * bool(said)


def test_each_stage_of_a_leg_is_told_of_its_own_filter(home: Home) -> None:
    said: list[Said] = []
    leg = [Clean(), Clean(where="nothing_of_it")]
    with Dataset(home.path, write=True) as dataset:
        outcome = run_leg(dataset, leg, lambda e: said.append(e) if isinstance(e, Said) else None)
    assert [event.stage for event in said] == ["clean"] and outcome.not_meant == 0
