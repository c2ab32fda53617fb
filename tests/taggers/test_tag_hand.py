"""Tagging beside people and other models: their words stand, and each keeps how sure it was."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasetkit.errors import UsageError
from datasetkit.grabbers.folder import Folder
from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag
from datasetkit.taggers.tag import Tagging
from tests.homes import Home

RED = (255, 51, 0)
SEEN = [("hat", 0), ("sky", 0), ("tree", 0)]


@pytest.fixture
def model(models, tmp_path):
    return models.small_tagger(tmp_path / "tiny-tagger", 32)


def fixed(models, folder: Path, *chances: float) -> str:
    return str(models.fixed_tagger(folder, np.array(chances), SEEN[: len(chances)]))


def record(folder: Path, *tags: Tag, color=RED, **more) -> Record:
    path = folder / "1.png"
    Image.new("RGB", (40, 24), color).save(path)
    return Record("1", Picture(path, (40, 24)), tags, **more)


def home(folder: Path, caption: str = "") -> Home:
    """A dataset of one red picture, with or without a caption."""
    source = folder / "source"
    source.mkdir()
    Image.new("RGB", (40, 24), RED).save(source / "a.png")
    if caption:
        (source / "a.txt").write_text(caption)
    made = Home(folder / "set")
    made.run(Folder(str(source)))
    return made


def text(made: Home) -> str:
    return (made.path / "a.txt").read_text().strip()


@pytest.mark.parametrize("mode", ["only-missing", "prefer-booru"])
def test_a_word_added_by_hand_does_not_drive_out_what_the_model_said(model, mode, tmp_path):
    made = home(tmp_path)
    made.run(Tagging(str(model), merge=mode))
    assert text(made) == ">_<, red theme, white corner"
    (made.path / "a.txt").write_text(">_<, red theme, my word, white corner\n")
    made.run(Tagging(str(model), merge=mode, threshold=0.2))
    assert text(made) == ">_<, red theme, my word, white corner, green theme"
    (made.path / "a.txt").write_text("all my own\n")  # now it is a person's list
    made.run(Tagging(str(model), merge=mode, threshold=0.3))
    assert text(made) == "all my own"


@pytest.mark.parametrize("mode", ["only-missing", "prefer-booru"])
def test_a_caption_written_by_hand_counts_as_one(model, mode, tmp_path):
    made = home(tmp_path)
    (made.path / "a.txt").write_text("all my own\n")
    made.run(Tagging(str(model), merge=mode))
    assert text(made) == "all my own"
    made.run(Tagging(str(model)))
    assert text(made).startswith("all my own, >_<")
    made.run(Tagging(str(model), merge=mode))
    assert text(made) == "all my own"


def test_an_emptied_caption_gets_none_of_its_tags_back(model, tmp_path):
    made = home(tmp_path, "long hair, hat")
    made.run(Tagging(str(model)))
    assert text(made) == "long hair, hat, >_<, red theme, white corner"
    (made.path / "a.txt").write_text("\n")
    for mode in ("union", "replace", "prefer-model", "only-missing"):
        made.run(Tagging(str(model), merge=mode, drop=("green*",)))
        assert text(made) == ""


def test_another_models_tag_keeps_how_sure_that_one_was(models, tmp_path):
    one = fixed(models, tmp_path / "one", 0.9, 0.8)
    other = fixed(models, tmp_path / "other", 0.6, 0.1)
    booru = Tag("sky", by=("danbooru",))
    both = Tagging(other)(Tagging(one)(record(tmp_path, booru)))
    assert both.tags[1] == Tag("hat", "general", ("one", "other"), 0.75)  # as a vote has it
    assert both.tags[1] == next(t for t in Tagging(f"{one},{other}")(both).tags if t.name == "hat")
    alone = Tagging(one, threshold=0.95)(both)
    assert alone.tags == (booru, Tag("hat", "general", ("other",), 0.6))
    again = Tagging(one)(alone)
    assert set(again.tags) == {Tag("sky", by=("danbooru", "one"), score=0.8),
                               Tag("hat", "general", ("other", "one"), 0.75)}  # fmt: skip


def test_what_a_model_no_longer_says_does_not_come_back_from_anothers_aside(models, tmp_path):
    one = fixed(models, tmp_path / "one", 0.9, 0.4)
    other = fixed(models, tmp_path / "other", 0.1, 0.1, 0.9)
    before = record(tmp_path, Tag("hat", by=("danbooru",)))
    after = Tagging(other, merge="replace")(Tagging(one)(before))
    assert after.names == ("tree",)
    after = Tagging(other)(Tagging(one, threshold=0.95)(after))
    assert after.tags == (Tag("hat", by=("danbooru",)), Tag("tree", "general", ("other",), 0.9))


@pytest.mark.parametrize("name", ["hand", "folder"])
def test_a_model_cannot_speak_as_a_person(models, name, tmp_path):
    with pytest.raises(UsageError, match=f"called '{name}'.*rename its folder"):
        Tagging(fixed(models, tmp_path / name, 0.9)).check()


@pytest.mark.parametrize("more", [{"origin": Origin("danbooru", "1")},
                                  {"also": (Origin("danbooru", "1"),)}])  # fmt: skip
def test_a_model_cannot_speak_as_the_site(models, more, tmp_path):
    stage = Tagging(fixed(models, tmp_path / "danbooru", 0.9))
    with pytest.raises(UsageError, match=r"called 'danbooru', as a site is.*rename its folder"):
        stage(record(tmp_path, Tag("sky", by=("danbooru",)), **more))
