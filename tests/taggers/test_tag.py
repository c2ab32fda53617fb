"""The tag stage: what is merged with what stands, what is passed over, what is taken back."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasetkit.cleaners.pixels.flatten import Flatten
from datasetkit.errors import ModelError, PictureError
from datasetkit.pixels import Picture, read_header
from datasetkit.record import HAND, Record, Tag
from datasetkit.taggers import tagger
from datasetkit.taggers.tag import Tagging

RED = (255, 51, 0)


@pytest.fixture
def model(models, tmp_path):
    return models.small_tagger(tmp_path / "tiny-tagger", 32)


def record(folder: Path, *tags: Tag, color=RED, name="1.png", **more) -> Record:
    path = folder / name
    Image.new("RGB", (40, 24), color).save(path)
    return Record("1", Picture(path, read_header(path)[1]), tags, **more)


def test_new_tags_come_last_with_the_models_name_and_score(model, tmp_path):
    stage = Tagging(str(model), threshold=0.2)
    stage.check()
    after = stage(record(tmp_path, Tag("hat", by=("danbooru",))))
    assert after.tags == (
        Tag("hat", by=("danbooru",)),
        Tag(">_<", "general", ("tiny-tagger",), 1.0),
        Tag("red_theme", "general", ("tiny-tagger",), 1.0),
        Tag("white_corner", "general", ("tiny-tagger",), 1.0),
        Tag("green_theme", "general", ("tiny-tagger",), 0.2),
    )


def test_characters_have_a_threshold_of_their_own_and_come_first(model, tmp_path):
    purple = record(tmp_path, color=(255, 0, 204))
    assert "byleth_(female)_(fire_emblem)" not in Tagging(str(model))(purple).names
    after = Tagging(str(model), character=0.8)(purple)
    assert after.tags[0] == Tag("byleth_(female)_(fire_emblem)", "character", ("tiny-tagger",), 0.8)
    assert after.has("blue_theme")


def test_the_rating_is_a_fact_and_no_tag(model, tmp_path):
    after = Tagging(str(model))(record(tmp_path))
    fact = after.facts["tag"]["tiny-tagger"]
    assert fact["rating"] == "sensitive"
    assert set(fact["ratings"]) == {"general", "sensitive", "questionable", "explicit"}
    assert fact["ratings"]["explicit"] == 0
    assert fact["above"] == 0.05
    assert json.loads(json.dumps(dict(after.facts))) == after.facts
    assert not set(after.names) & set(fact["ratings"])


def test_a_boorus_tag_gains_the_models_say(model, tmp_path):
    before = record(tmp_path, Tag("red_theme", "meta", ("danbooru",)), Tag("green_theme"))
    after = Tagging(str(model), threshold=0.1)(before)
    assert after.tags[0] == Tag("red_theme", "meta", ("danbooru", "tiny-tagger"), 1.0)
    assert after.tags[1] == Tag("green_theme", by=(HAND,))


def test_a_tag_that_a_person_removed_does_not_come_back(model, tmp_path):
    after = Tagging(str(model))(record(tmp_path, removed=frozenset({"red_theme"})))
    assert not after.has("red_theme")


def test_other_thresholds_take_back_only_what_this_model_said(model, tmp_path):
    before = record(
        tmp_path,
        Tag("green_theme", by=("danbooru",)),
        Tag("other", by=("another-model",), score=0.1),
        Tag("gone_now", by=("tiny-tagger",), score=0.9),
        Tag("kept", by=(HAND, "tiny-tagger"), score=0.9),
    )
    low = Tagging(str(model), threshold=0.1)(before)
    assert low.tags[0] == Tag("green_theme", by=("danbooru", "tiny-tagger"), score=0.2)
    assert not low.has("gone_now")
    high = Tagging(str(model), threshold=0.3)(low)
    assert high.tags[0] == Tag("green_theme", by=("danbooru",), score=1.0)
    assert high.tags[1] == before.tags[1]
    assert high.tags[2] == before.tags[3]
    assert high == Tagging(str(model), threshold=0.3)(before)


def test_a_second_run_returns_the_same_record_without_looking(model, tmp_path):
    after = Tagging(str(model))(record(tmp_path))
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.copy(after.picture.path, moved / "2.png")  # another name, another time
    copy = replace(after, picture=Picture(moved / "2.png", (40, 24)))
    assert Tagging(str(model))(copy) is copy
    assert copy.picture._decoded is None
    others = after.keep(lambda tag: tag.name != "red_theme")  # a person's choice stands
    assert Tagging(str(model))(others) is others


def test_a_painted_picture_is_known_again_from_its_file(model, tmp_path):
    path = tmp_path / "1.webp"
    Image.new("RGBA", (40, 24), (*RED, 90)).save(path, lossless=True)
    painted = Flatten()(Record("1", Picture(path, (40, 24))))
    after = Tagging(str(model))(painted)
    path.write_bytes(after.picture.content)
    again = replace(after, picture=Picture(path, (40, 24)))
    assert Tagging(str(model))(again) is again


def test_other_pixels_or_another_model_are_looked_at_again(model, models, tmp_path):
    after = Tagging(str(model))(record(tmp_path))
    blue = replace(after, picture=record(tmp_path, color="blue", name="2.png").picture)
    seen = Tagging(str(model))(blue).names
    assert set(seen) == {"byleth_(female)_(fire_emblem)", "blue_theme", "white_corner"}
    models.fixed_tagger(model, np.array([0.9]), [("fixed", 0)])
    assert Tagging(str(model))(after).names == ("fixed",)


def test_two_models_do_not_undo_each_other(model, models, tmp_path):
    fixed = models.fixed_tagger(tmp_path / "fixed", np.array([0.9, 0.8]), [("red_theme", 0)] * 2)
    first, second = Tagging(str(model)), Tagging(str(fixed))
    after = second(first(record(tmp_path)))
    assert first(after) is after
    assert second(after) is after
    red = next(tag for tag in after.tags if tag.name == "red_theme")
    assert red.by == ("tiny-tagger", "fixed")


def test_ten_thousand_labels(models, tmp_path):
    labels = models.many_labels()
    rng = np.random.default_rng(7)
    chances = np.round(rng.random(len(labels)) ** 12, 4)
    folder = models.fixed_tagger(tmp_path / "fixed", chances, labels)
    after = Tagging(str(folder))(record(tmp_path))
    expected = [
        (-chance, name, kind)
        for (name, kind), chance in zip(labels, chances, strict=True)
        if kind != 9 and chance >= {0: 0.35, 4: 0.85}[kind]
    ]
    expected.sort(key=lambda row: (row[2] != 4, row[0], row[1]))
    assert len(labels) == 10_861
    assert after.names == tuple(name for _, name, _ in expected)
    assert [tag.score for tag in after.tags] == pytest.approx([-row[0] for row in expected])


def test_check_refuses_early(models, model, tmp_path):
    with pytest.raises(ModelError, match="neither a folder"):
        Tagging("no/such/folder").check()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"no model\.onnx"):
        Tagging(str(tmp_path / "empty")).check()
    (model / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="fetch it again"):
        Tagging(str(model)).check()


def test_a_broken_picture_is_a_picture_error(model, tmp_path):
    before = record(tmp_path)
    content = before.picture.path.read_bytes()
    before.picture.path.write_bytes(content[: len(content) // 2])
    with pytest.raises(PictureError, match="broken"):
        Tagging(str(model))(before)


def test_the_same_answer_from_any_thread(model, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    records = [record(tmp_path, color=(n * 9, 0, 99), name=f"{n}.png") for n in range(24)]
    stage = Tagging(str(model), threshold=0.01)
    alone = [stage(item).tags for item in records]
    tagger._loaded.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        assert [item.tags for item in pool.map(stage, records)] == alone
