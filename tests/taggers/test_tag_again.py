"""Tagging again: other thresholds and mergings without a second look, votes, nothing lost."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasetkit.content import content_print
from datasetkit.dataset import Dataset, undo
from datasetkit.engines.local import run_leg
from datasetkit.errors import UsageError
from datasetkit.grabbers.folder import Folder
from datasetkit.pixels import Picture
from datasetkit.record import HAND, Record, Tag
from datasetkit.taggers.tag import Tagging

RED = (255, 51, 0)


@pytest.fixture
def model(models, tmp_path):
    return models.small_tagger(tmp_path / "tiny-tagger", 32)


def record(folder: Path, *tags: Tag, color=RED, name="1.png", **more) -> Record:
    path = folder / name
    Image.new("RGB", (40, 24), color).save(path)
    return Record("1", Picture(path, (40, 24)), tags, **more)


def test_other_thresholds_and_mergings_need_no_second_look(model, tmp_path, looks):
    before = record(tmp_path, Tag("hat", by=("danbooru",)), Tag("red_theme", by=("danbooru",)))
    after = Tagging(str(model))(before)
    assert looks == ["tiny-tagger"]
    for stage in (
        Tagging(str(model), threshold=0.1),
        Tagging(str(model), mcut=True),
        Tagging(str(model), thresholds="general=.5", limit="1", drop=("*corner",)),
        Tagging(str(model), merge="replace"),
        Tagging(str(model), merge="prefer-booru"),
    ):
        again = stage(after)
        assert again.tags == stage(before).tags  # as if it had been the first time
        assert stage(again) is again
    assert looks == ["tiny-tagger"] * 6  # each time of "before", which knows nothing yet


def test_below_what_is_kept_the_model_looks_again(model, tmp_path, looks):
    after = Tagging(str(model))(record(tmp_path, color=(255, 8, 0)))
    assert after.facts["tag"]["tiny-tagger"]["above"] == 0.05
    low = Tagging(str(model), threshold=0.01)(after)
    assert low.has("green_theme")
    assert len(looks) == 2
    assert Tagging(str(model), threshold=0.3)(low).has("red_theme")
    assert len(looks) == 2


def test_what_is_kept_is_sparse_and_by_kind(model, tmp_path):
    fact = Tagging(str(model))(record(tmp_path)).facts["tag"]["tiny-tagger"]
    assert fact["seen"] == {
        "general": {"red_theme": 1.0, ">_<": 1.0, "white_corner": 1.0, "green_theme": 0.2}
    }


def test_a_second_picture_with_the_same_bytes_but_another_model_is_looked_at(
    models, tmp_path, looks
):
    one = models.small_tagger(tmp_path / "one", 32)
    after = Tagging(str(one))(record(tmp_path))
    (one / "tagger.yaml").write_text("family: wd\nchannels: RGB\n")
    assert Tagging(str(one))(after).has("blue_theme")
    assert looks == ["one", "one"]


def test_set_aside_and_back(model, tmp_path):
    booru = (Tag("hat", by=("danbooru",)), Tag("green_theme", by=("danbooru",)))
    mine = Tag("mine", by=(HAND,))
    before = record(tmp_path, *booru, mine)
    replaced = Tagging(str(model), merge="replace")(before)
    assert replaced.names == ("mine", ">_<", "red_theme", "white_corner")
    assert Tagging(str(model), merge="prefer-model")(replaced).has("hat")  # unknown to the model
    back = Tagging(str(model))(replaced)
    assert back.names[:3] == ("hat", "green_theme", "mine")
    assert "aside" not in back.facts["tag"]["tiny-tagger"]


def test_a_deleted_tag_does_not_come_back_from_aside(model, tmp_path):
    before = record(tmp_path, Tag("hat", by=("danbooru",)))
    replaced = Tagging(str(model), merge="replace")(before)
    edited = replace(replaced, removed=frozenset({"hat"}))
    assert not Tagging(str(model))(edited).has("hat")


def test_models_vote(models, tmp_path, looks):
    labels = [("hat", 0), ("sky", 0), ("tree", 0), ("miku", 4)]
    for name, chances in {"a": [0.9, 0.9, 0.9, 0.9], "b": [0.5, 0.1, 0.6, 0.9]}.items():
        models.fixed_tagger(tmp_path / name, np.array(chances), labels)
    models.fixed_tagger(tmp_path / "c", np.array([0.7, 0.2]), [("hat", 0), ("tree", 0)])
    three = ",".join(str(tmp_path / name) for name in "abc")
    stage = Tagging(three)
    after = stage(record(tmp_path))
    assert stage.names == ("a", "b", "c")
    assert after.tags == (
        Tag("miku", "character", ("a", "b"), 0.9),
        Tag("tree", "general", ("a", "b"), 0.75),
        Tag("hat", "general", ("a", "b", "c"), 0.7),
    )
    assert stage(after) is after
    any_of_them = Tagging(three, vote=1)(after)
    assert any_of_them.has("sky")
    assert Tagging(three, vote=3)(any_of_them).names == ("hat",)  # c cannot say the others
    assert sorted(looks) == ["a", "b", "c"]
    alone = Tagging(str(tmp_path / "a"))(after)
    assert alone.has("sky") and len(looks) == 3
    assert next(tag for tag in alone.tags if tag.name == "hat").by == ("a", "b", "c")


def test_models_that_see_as_much_share_one_decode(models, tmp_path, monkeypatch):
    for name in "ab":
        models.small_tagger(tmp_path / name, 32)
    path = tmp_path / "1.jpg"
    Image.new("RGB", (400, 300), RED).save(path)
    decoded = []
    real = Picture.glance
    monkeypatch.setattr(
        Picture, "glance", lambda self, side: decoded.append(side) or real(self, side)
    )
    Tagging(f"{tmp_path / 'a'},{tmp_path / 'b'}")(Record("1", Picture(path, (400, 300))))
    assert decoded == [96]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fast": True, "best": True}, "one model at a time"),
        ({"fast": True, "model": "wd-vit-v3"}, "one model at a time"),
        ({"merge": "onion"}, "did you mean 'union'"),
        ({"vote": 2}, "2 models cannot agree where there are 1"),
        ({"model": ","}, "at least one model"),
        ({"thresholds": "general=3"}, "from 0 to 1"),
        ({"limit": "general=x"}, "a whole number"),
        ({"model": "wd-vit-v3,SmilingWolf/wd-vit-tagger-v3"}, "two of the models are called"),
    ],
)
def test_options_that_make_no_sense_are_refused_early(options, message):
    with pytest.raises(UsageError, match=message):
        Tagging(**options).check()


def test_best_has_its_own_threshold_and_fast_is_another_model():
    assert Tagging(best=True).names == ("wd-eva02-large-tagger-v3",)
    assert Tagging(fast=True).names[0].startswith("wd-convnext-tagger-v3")
    assert Tagging().names == ("wd-swinv2-tagger-v3",)


def test_explained(model, tmp_path):
    stage = Tagging(str(model), drop=("white*",))
    ((name, lines),) = stage.explain(record(tmp_path)).lines.items()
    assert name == "tiny-tagger"
    said = [(line.name, line.probability, line.threshold, line.why) for line in lines]
    assert said[:4] == [
        (">_<", 1.0, 0.35, ""),
        ("red_theme", 1.0, 0.35, ""),
        ("white_corner", 1.0, 0.35, "dropped"),
        ("green_theme", 0.2, 0.35, "not sure enough"),
    ]
    assert [line.kind for line in lines[4:]] == ["rating"] * 4
    assert [line.taken for line in lines[4:]] == [True, False, False, False]
    assert lines[4].name == "sensitive"


def test_explained_says_what_the_vote_says(models, tmp_path):
    labels = [("hat", 0), ("sky", 0)]
    for name, chances in {"a": [0.9, 0.9], "b": [0.9, 0.1]}.items():
        models.fixed_tagger(tmp_path / name, np.array(chances), labels)
    both = f"{tmp_path / 'a'},{tmp_path / 'b'}"
    for vote, why in {0: "outvoted", 2: "1 vote of 2"}.items():
        told = Tagging(both, vote=vote).explain(record(tmp_path)).lines
        said = {model: {line.name: line.why for line in lines} for model, lines in told.items()}
        assert said == {"a": {"hat": "", "sky": why}, "b": {"hat": "", "sky": "not sure enough"}}


@pytest.mark.parametrize(
    ("merge", "hat", "aside"),
    [("union", "", ()), ("prefer-booru", "left out by prefer-booru", ()),
     ("only-missing", "left out by only-missing", ()), ("replace", "", ("smile",))],
)  # fmt: skip
def test_explained_says_what_becomes_of_it_on_this_picture(models, tmp_path, merge, hat, aside):
    labels = [("hat", 0), ("sky", 0), ("rain", 0), ("typed", 0), ("tree", 0)]
    folder = models.fixed_tagger(tmp_path / "wd", np.array([0.9, 0.8, 0.7, 0.1, 0.6]), labels)
    before = record(
        tmp_path, Tag("smile", by=("danbooru",)), Tag("typed"), Tag("tree", by=("danbooru",)),
        removed=frozenset({"sky"}), facts={"clean": {"dropped": ["rain"]}},
    )  # fmt: skip
    stage = Tagging(str(folder), merge=merge)
    told = stage.explain(before)
    lines = {line.name: (line.why, line.others) for line in told.lines["wd"]}
    assert lines == {
        "hat": (hat, ()), "sky": ("deleted by hand", ()), "rain": ("dropped by clean", ()),
        "tree": ("", ("danbooru",)), "typed": ("not sure enough", ("hand",)),
    }  # fmt: skip
    assert tuple(tag.name for tag in told.aside) == aside
    after = stage(before)
    for line in told.lines["wd"]:
        assert after.has(line.name) == (line.taken or bool(line.others))
    if merge == "union":
        gone = stage.explain(after.keep(lambda tag: tag.name != "hat"))
        assert {line.name: line.why for line in gone.lines["wd"]}["hat"] == "taken out since"


def test_what_was_seen_before_is_explained_without_a_look(model, tmp_path, looks):
    after = Tagging(str(model))(record(tmp_path))
    assert len(looks) == 1
    assert Tagging(str(model), threshold=0.5).explain(after).lines["tiny-tagger"][0].taken
    assert len(looks) == 1


def quiet(event: object) -> None:
    pass


def test_captions_of_a_folder_and_hand_edits_survive_every_merging(model, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    Image.new("RGB", (60, 40), RED).save(source / "a.png")
    (source / "a.txt").write_text("my words, blue theme, long_hair")
    home = tmp_path / "set"
    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [Folder(str(source))], quiet)
    for mode in ("union", "prefer-booru", "prefer-model", "only-missing", "replace"):
        with Dataset(home, write=True) as dataset:
            run_leg(dataset, [Tagging(str(model), merge=mode)], quiet)
        caption = (home / "a.txt").read_text()
        assert caption.startswith("my words, blue theme, long hair")
        assert ("red theme" in caption) == (mode not in {"prefer-booru", "only-missing"})
    (home / "a.txt").write_text("only this\n")
    with Dataset(home, write=True) as dataset:
        run_leg(dataset, [Tagging(str(model), threshold=0.1)], quiet)
    assert (home / "a.txt").read_text().startswith("only this")
    assert "my words" not in (home / "a.txt").read_text()
    with Dataset(home, write=True) as dataset:
        undo(dataset)
    assert (home / "a.txt").read_text() == "only this\n"


def test_a_large_file_is_known_by_its_pieces(tmp_path):
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 255, (900, 700, 3), np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    first = content_print(Picture(path, (700, 900)))
    assert path.stat().st_size > 1_000_000
    assert content_print(Picture(path, (700, 900))) == first
    for place in ((0, 0), (450, 350), (899, 699)):
        other = pixels.copy()
        other[place] ^= 1
        Image.fromarray(other).save(path)
        assert content_print(Picture(path, (700, 900))) != first
    painted = Picture(path, (700, 900)).repainted(Image.fromarray(pixels))
    path.write_bytes(painted.content)
    assert content_print(Picture(path, (700, 900))) == content_print(painted)


def test_0_pictures_and_all_tagged_already(model, tmp_path):
    with Dataset(tmp_path / "empty", write=True) as dataset:
        outcome = run_leg(dataset, [Tagging(str(model))], quiet)
    assert (outcome.changed, outcome.unchanged, outcome.errors) == (0, 0, {})
