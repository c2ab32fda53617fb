"""``--rating``: another model tells the rating where the chosen one tells none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasetkit.errors import ModelError, UsageError
from datasetkit.grabbers.folder import Folder
from datasetkit.pixels import Picture
from datasetkit.record import Origin, Record, Tag
from datasetkit.taggers.tag import Tagging
from tests.homes import Home

RED = (255, 51, 0)


@pytest.fixture
def mute(models, tmp_path) -> str:
    """A model without ratings."""
    return str(models.fixed_tagger(tmp_path / "mute", np.array([0.9, 0.3]), [("hat", 0)] * 2))


@pytest.fixture
def rater(models, tmp_path) -> str:
    return str(models.small_tagger(tmp_path / "rater", 32))


def record(folder: Path, *tags: Tag, color=RED, **more) -> Record:
    path = folder / "1.png"
    Image.new("RGB", (40, 24), color).save(path)
    return Record("1", Picture(path, (40, 24)), tags, **more)


def test_the_rating_is_anothers_and_none_of_its_tags(mute, rater, looks, tmp_path):
    stage = Tagging(mute, rating=rater)
    stage.check()
    after = stage(record(tmp_path))
    assert after.tags == (Tag("hat", "general", ("mute",), 0.9),)
    facts = after.facts["tag"]
    assert facts["mute"]["ratings"] == {}
    assert facts["rater"]["rating"] == "sensitive"
    assert set(facts["rater"]["ratings"]) == {"general", "sensitive", "questionable", "explicit"}
    assert stage.names == ("mute",)
    assert stage(after) is after
    assert looks == ["mute", "rater"]


def test_other_options_and_the_rater_as_a_tagger_need_no_second_look(mute, rater, looks, tmp_path):
    after = Tagging(mute, rating=rater)(record(tmp_path))
    after = Tagging(mute, rating=rater, threshold=0.95)(after)
    assert after.names == () and after.facts["tag"]["rater"]["rating"] == "sensitive"
    tagged = Tagging(rater)(after)
    assert tagged.has("red_theme") and looks == ["mute", "rater"]
    assert Tagging(mute, rating=rater, threshold=0.95)(tagged) is tagged


def test_asked_for_later_it_changes_no_tag(mute, rater, looks, tmp_path):
    before = Tagging(mute)(record(tmp_path, Tag("sky", by=("danbooru",))))
    after = Tagging(mute, rating=rater)(before)
    assert after.tags == before.tags and looks == ["mute", "rater"]
    assert after.facts["tag"]["mute"] == before.facts["tag"]["mute"]
    assert after.facts["tag"]["rater"]["rating"] == "sensitive"
    assert Tagging(mute)(after) is after


def test_other_pixels_are_rated_again_and_what_it_had_set_aside_stays(mute, rater, tmp_path):
    before = record(tmp_path, Tag("hat", by=("danbooru",)), Tag("sky", by=("danbooru",)))
    after = Tagging(mute, rating=rater)(Tagging(rater, merge="replace")(before))
    painted = replace(after, picture=record(tmp_path, color="blue").picture)
    again = Tagging(mute, rating=rater)(painted)
    assert again.facts["tag"]["rater"]["rating"] == "questionable"
    assert set(Tagging(rater)(again).names) >= {"hat", "sky"}


def test_a_model_that_tells_ratings_itself_needs_no_other(rater, models, looks, tmp_path):
    other = str(models.small_tagger(tmp_path / "other", 32))
    after = Tagging(rater, rating=other)(record(tmp_path))
    assert set(after.facts["tag"]) == {"rater"}
    mute = str(models.fixed_tagger(tmp_path / "mute", np.array([0.9]), [("red_theme", 0)]))
    both = Tagging(f"{mute},{rater}", rating=other)(record(tmp_path))
    assert set(both.facts["tag"]) == {"mute", "rater"} and "other" not in looks


def test_what_is_no_rater_is_refused_early(mute, models, tmp_path):
    for rating in (mute, str(models.fixed_tagger(tmp_path / "m2", np.array([0.9]), [("a", 0)]))):
        with pytest.raises(UsageError, match=r"rating: m.* tells no ratings.*wd-vit-v3"):
            Tagging(mute, rating=rating).check()
    with pytest.raises(ModelError, match="neither a folder"):
        Tagging(mute, rating="no/such/folder").check()
    same = models.small_tagger(tmp_path / "elsewhere" / "mute", 32)
    with pytest.raises(UsageError, match="two of the models are called mute"):
        Tagging(mute, rating=str(same)).check()


def test_the_rating_of_a_model_is_no_sites_word(mute, models, tmp_path):
    """As with any model: for the safety rules only what the site says is a rating."""
    sure = str(models.fixed_tagger(tmp_path / "sure", np.array([1.0, 0.0]),
                                   [("general", 9), ("explicit", 9)]))  # fmt: skip
    source = tmp_path / "source"
    source.mkdir()
    Image.new("RGB", (40, 24), RED).save(source / "a.png")
    made = Home(tmp_path / "set")
    made.run(Folder(str(source)))
    made.run(Tagging(mute, rating=sure))
    (kept,) = made.records.values()
    assert kept.facts["tag"]["sure"]["rating"] == "general"
    assert kept.origin.rating == ""
    child = str(models.fixed_tagger(tmp_path / "child", np.array([0.9]), [("toddler", 0)]))
    outcome = made.run(Tagging(child, rating=sure))
    assert list(outcome.rejected) == ["tag: safety rule 2"] and made.records == {}


def test_it_is_explained_beside_the_tags(mute, rater, tmp_path):
    told = Tagging(mute, rating=rater).explain(record(tmp_path)).lines
    assert [line.name for line in told["mute"]] == ["hat"]
    assert [line.kind for line in told["rater"]] == ["rating"] * 4
    assert told["rater"][0].name == "sensitive" and told["rater"][0].taken


def test_a_site_that_is_known_to_be_unsafe_stays_so(mute, rater, tmp_path):
    before = record(tmp_path, origin=Origin("danbooru", "1", rating="q"))
    assert Tagging(mute, rating=rater)(before).origin == before.origin
