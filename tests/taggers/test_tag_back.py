"""What comes back from an earlier tagging and what stays away; and where it then stands."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasetkit.cleaners.tags.clean import Clean
from datasetkit.grabbers.folder import Folder
from datasetkit.pixels import Picture
from datasetkit.record import Record, Tag
from datasetkit.taggers.tag import Tagging
from tests.homes import Home

SITE = ("danbooru",)
LABELS = [("hat", 0), ("sky", 0), ("tree", 0), ("miku", 4), ("rain", 0)]
CHANCES = np.array([0.9, 0.6, 0.4, 0.95, 0.7])


def model(models, folder: Path, chances=CHANCES, labels=LABELS) -> str:
    return str(models.fixed_tagger(folder, np.array(chances), labels))


def record(folder: Path, *tags: Tag, color="red", **more) -> Record:
    path = folder / "1.png"
    Image.new("RGB", (40, 24), color).save(path)
    return Record("1", Picture(path, (40, 24)), tags, **more)


def test_what_a_stage_dropped_does_not_come_back(models, tmp_path):
    wd = model(models, tmp_path / "wd")
    dropped = {"clean": {"dropped": ["sky", "cat"]}}
    before = record(tmp_path, Tag("cat", by=SITE), facts=dropped)
    after = Tagging(wd)(before)
    assert after.names == ("cat", "miku", "hat", "rain", "tree")  # one that stands may stay
    assert not Tagging(wd, threshold=0.1)(after).has("sky")
    other = model(models, tmp_path / "other", [0.2, 0.9], LABELS[:2])
    assert not Tagging(other)(after).has("sky")
    painted = replace(after, picture=record(tmp_path, color="blue").picture)
    assert not Tagging(wd)(painted).has("sky")
    allowed = replace(after, facts={"tag": after.facts["tag"]})
    assert Tagging(wd, threshold=0.3)(allowed).has("sky")


def test_what_is_set_aside_waits_while_it_is_dropped(models, tmp_path):
    wd = model(models, tmp_path / "wd")
    aside = Tagging(wd, merge="replace")(record(tmp_path, Tag("cat", by=SITE)))
    held = replace(aside, facts={**aside.facts, "clean": {"dropped": ["cat"]}})
    union = Tagging(wd)(held)
    assert not union.has("cat")
    free = replace(union, facts={"tag": union.facts["tag"]})
    assert Tagging(wd, threshold=0.3)(free).has("cat")


@pytest.mark.parametrize(
    "there",
    [{"threshold": 0.65}, {"character": 0.99}, {"thresholds": ".99"}, {"drop": ("*",)},
     {"merge": "replace"}, {"merge": "prefer-model", "threshold": 0.5}],
)  # fmt: skip
def test_there_and_back_the_caption_is_as_it_was(models, tmp_path, there):
    wd = model(models, tmp_path / "wd")
    booru = (Tag("cat", by=SITE), Tag("tree", by=SITE), Tag("dog", by=SITE))
    first = Clean()(Tagging(wd)(record(tmp_path, *booru)))
    assert first.names[0] == "miku"  # the lead
    away = Tagging(wd, **there)(first)
    assert away.names != first.names
    assert Tagging(wd)(away).names == first.names
    further = Tagging(wd, thresholds=".8", merge="replace")(away)
    assert Tagging(wd)(further).tags == first.tags


def test_a_model_is_taken_back_by_dropping_all_that_it_says(models, tmp_path):
    wd = model(models, tmp_path / "wd")
    before = record(tmp_path, Tag("cat", by=SITE), Tag("hat", by=SITE), Tag("typed"))
    for merge in ("union", "replace", "prefer-model"):
        assert Tagging(wd, drop=("*",))(Tagging(wd, merge=merge)(before)).tags == before.tags


def test_a_persons_order_stands_there_and_back(models, tmp_path):
    wd = model(models, tmp_path / "wd")
    first = Tagging(wd)(record(tmp_path, Tag("cat", by=SITE)))
    mine = first.with_tags(reversed(first.tags))
    away = Tagging(wd, threshold=0.65)(mine)
    assert Tagging(wd)(away).names == mine.names


def test_two_models_know_each_others_places(models, tmp_path):
    one = model(models, tmp_path / "one")
    other = model(models, tmp_path / "other", [0.1, 0.1, 0.1, 0.1, 0.1, 0.9], [*LABELS, ("sun", 0)])
    first = Tagging(other)(Tagging(one)(record(tmp_path, Tag("cat", by=SITE))))
    away = Tagging(other, threshold=0.99)(Tagging(one, threshold=0.99, character=0.99)(first))
    assert away.names == ("cat",)
    assert Tagging(one)(Tagging(other)(away)).names == first.names


def test_a_new_character_goes_before_what_models_say_in_general(models, tmp_path):
    wd = model(models, tmp_path / "wd")
    first = Tagging(wd, character=0.99)(record(tmp_path, Tag("cat", by=SITE)))
    assert Tagging(wd)(first).names == ("cat", "miku", "hat", "rain", "sky", "tree")


def test_places_are_not_kept_of_what_nobody_sees_any_more(models, tmp_path):
    wd = model(models, tmp_path / "wd")
    first = Tagging(wd)(record(tmp_path))
    away = Tagging(wd, threshold=0.65)(first)
    assert set(away.facts["tag"]["wd"]["places"]) == {"sky", "tree"}
    model(models, tmp_path / "wd", [0.9, 0.01, 0.4], LABELS[:3])
    after = Tagging(wd, threshold=0.65)(away)
    assert after.names == ("hat",) and set(after.facts["tag"]["wd"]["places"]) == {"tree"}
    assert "places" not in Tagging(wd)(after).facts["tag"]["wd"]


def test_another_model_of_the_same_name_is_said_once(models, tmp_path, caplog):
    one = model(models, tmp_path / "a" / "wd")
    other = model(models, tmp_path / "c" / "wd", [0.9] * 5)
    caplog.set_level(logging.WARNING, "datasetkit.taggers")
    before = record(tmp_path)
    first = Tagging(one)(before)
    assert Tagging(one)(replace(first, picture=record(tmp_path, color="blue").picture)) != first
    assert not caplog.messages  # other pixels are no other model
    for _ in range(3):
        Tagging(other)(first)
    assert len(caplog.messages) == 1
    assert "wd is not the model that tagged here before" in caplog.text
    assert "another name" in caplog.text
    Tagging(other).check()  # a new run
    Tagging(other)(first)
    assert len(caplog.messages) == 2


def test_replace_says_that_it_leaves_a_folders_captions(models, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "datasetkit.taggers")
    source = tmp_path / "source"
    source.mkdir()
    for name in "ab":
        Image.new("RGB", (40, 24), (ord(name), 51, 0)).save(source / f"{name}.png")
        (source / f"{name}.txt").write_text("my cat, hat")
    made = Home(tmp_path / "set")
    made.run(Folder(str(source)))
    wd = model(models, tmp_path / "wd")
    made.run(Tagging(wd))
    made.run(Tagging(wd, merge="prefer-model"))  # of these it knows the hat alone, and sees it
    assert not caplog.messages
    made.run(Tagging(wd, merge="replace"))
    assert len(caplog.messages) == 1
    assert "came with a folder" in caplog.text and "dsk clean --drop" in caplog.text
    assert (made.path / "a.txt").read_text().startswith("my cat, hat")


@pytest.mark.parametrize(
    ("name", "near"),
    [("hta", "did you mean 'hat'?"), ("Hat", "did you mean 'hat'?"), ("*_HAIR", ""),
     ("T*", "did you mean 't*'?"), ("qqqqq", "")],
)  # fmt: skip
def test_a_name_to_drop_that_nobody_says(models, tmp_path, caplog, name, near):
    caplog.set_level(logging.WARNING, "datasetkit.taggers")
    stage = Tagging(model(models, tmp_path / "wd"), drop=("rain", "s*", name))
    stage.check()
    stage(record(tmp_path))
    assert len(caplog.messages) == 1
    assert f"drop: no tag of wd is '{name}'" in caplog.text
    assert near in caplog.text and ("did you mean" in caplog.text) == bool(near)
