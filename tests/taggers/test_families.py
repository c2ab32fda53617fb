"""Each family's interface: a model that expects exactly what its card says, run by our row."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from datasetkit.errors import ModelError
from datasetkit.pixels import Picture
from datasetkit.record import Record
from datasetkit.taggers.choose import seen_in
from datasetkit.taggers.models import MODELS, model_named
from datasetkit.taggers.spec import FAMILIES
from datasetkit.taggers.tag import Tagging
from datasetkit.taggers.tagger import Tagger
from tests.taggers.families import INTERFACES, MEASURES, family_model

COLOUR = (255, 51, 0)  # red, a fifth of green, no blue
SIZE = (400, 120)  # so wide that the square's corner is padding, if there is any


def at(level: float) -> float:
    """What the models answer for a level of 0..1."""
    return round(0.01 + 0.98 * level, 4)


@pytest.fixture(params=INTERFACES, ids=lambda name: name)
def family(request, tmp_path):
    interface = INTERFACES[request.param]
    return interface, family_model(tmp_path, interface)


def tags_of(tagger: Tagger, image: Image.Image) -> dict[str, dict[str, float]]:
    return seen_in(tagger.scores(image), tagger.labels)


def test_the_row_says_what_the_card_says(family):
    interface, folder = family
    tagger = Tagger(model_named(str(folder)))
    assert tagger.side == interface.side
    found = tagger.probabilities(Image.new("RGB", SIZE, COLOUR))
    assert found["red_theme"] == pytest.approx(at(1), abs=2e-4)
    assert found["green_theme"] == pytest.approx(at(0.2), abs=2e-4)
    assert found["blue_theme"] == pytest.approx(at(0), abs=2e-4)
    assert found["light_corner"] == pytest.approx(at(interface.corner), abs=2e-4)
    kinds = {label.name: label.kind for label in tagger.labels}
    assert kinds[">_<"] == "general"
    told = interface.form not in {"lines", "list", "inside"}
    assert kinds.get("byleth_(female)_(fire_emblem)") == ("character" if told else None)
    ratings = {label.name for label in tagger.labels if label.kind == "rating"}
    assert all(":" not in name and not name.startswith("rating") for name in ratings)


def test_transparency_is_white(family):
    _, folder = family
    tagger = Tagger(model_named(str(folder)))
    found = tagger.probabilities(Image.new("RGBA", (200, 200), (255, 0, 0, 0)))
    assert found["red_theme"] == found["green_theme"] == found["blue_theme"] == at(1)


def test_whatever_is_done_otherwise_changes_the_tags(family):
    interface, folder = family
    model = model_named(str(folder))
    image = Image.new("RGB", SIZE, COLOUR)
    right = tags_of(Tagger(model), image)

    def otherwise(**changes: object) -> object:
        spec = replace(Tagger(model).spec, more=(), **changes)
        try:
            return tags_of(Tagger(replace(model, spec=spec)), image)
        except ModelError:
            return None

    assert otherwise() == right
    assert otherwise(channels="RGB" if interface.bgr else "BGR") != right
    assert otherwise(layout="NCHW" if interface.layout == "NHWC" else "NHWC") is None
    assert otherwise(side=interface.side // 2) is None
    assert otherwise(top=255.0 if interface.top == 1 else 1.0) != right
    if interface.corner != 0.2:
        assert otherwise(pad=(128, 128, 128), fit="pad") != right
        assert otherwise(fit="squash") != right
    else:
        assert otherwise(fit="pad") != right
    if any(interface.normal[0]):
        assert otherwise(mean=(0.0, 0.0, 0.0)) != right
        assert otherwise(std=(1.0, 1.0, 1.0)) != right
    said_by_name = next(iter(interface.outputs)) in {"prediction", "logits", "probs"}
    if not said_by_name or "auto" not in Tagger(model).spec.activation:
        other = "logits" if Tagger(model).spec.activation == "sigmoid" else "sigmoid"
        assert otherwise(activation=other) is None


def test_the_stage_tags_with_the_familys_own_thresholds(family, tmp_path):
    interface, folder = family
    path = tmp_path / "1.png"
    Image.new("RGB", SIZE, COLOUR).save(path)
    record = Tagging(str(folder))(Record("1", Picture(path, SIZE)))
    by = (folder.name,)
    assert all(tag.by == by for tag in record.tags)
    names = dict.fromkeys(record.names)
    assert ">_<" in names
    assert ("red_theme" in names) == (interface.form != "best")  # there its own threshold is .995
    assert ("green_theme" in names) == (interface.form == "best" or "1.0" in interface.folder)
    if interface.form not in {"lines", "list", "inside"}:
        assert record.tags[0].kind == "character"
    assert ("fire_emblem" in names) == (interface.form == "ips")
    fact = record.facts["tag"][folder.name]
    first = {"rating:safe": "safe"}.get(interface.said[0][0], "sensitive")
    ratings = [row for row in interface.said if row[1] == "rating"]
    assert fact["rating"] == (first if ratings else "")


def test_features_come_with_the_scores_where_the_model_has_them(family):
    interface, folder = family
    tagger = Tagger(model_named(str(folder)))
    scores, features = tagger.look(Image.new("RGB", SIZE, COLOUR))
    assert len(scores) == len(interface.said)
    if "embedding" in interface.outputs:
        assert features is not None and len(features) == len(MEASURES)
    else:
        assert features is None


def test_batches_of_bytes_give_the_same_answers(family):
    from concurrent.futures import ThreadPoolExecutor

    _, folder = family
    model = model_named(str(folder))
    images = [Image.new("RGB", SIZE, (n * 12, 255 - n * 12, 99)) for n in range(20)]
    plain = Tagger(model)
    batched = Tagger(model, batches=True)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(batched.scores, images))
    for image, scores in zip(images, found, strict=True):
        assert scores == pytest.approx(plain.scores(image), abs=5e-4)


def test_every_row_is_tested_here():
    tested = {interface.folder for interface in INTERFACES.values()}
    families = {name for name, spec in FAMILIES.items()
                if any(MODELS_BY_FOLDER[folder].spec == spec for folder in tested)}  # fmt: skip
    assert families | {"wd"} == set(FAMILIES)


MODELS_BY_FOLDER = {model.name: model for model in MODELS.values()}


def test_camie_is_never_a_default():
    from datasetkit.taggers.models import BEST, DEFAULT, FAST

    assert not any("camie" in name.lower() for name in (DEFAULT, FAST, BEST))
    assert model_named(DEFAULT) == MODELS["wd-swinv2-v3"]


def test_a_users_own_model_is_described_by_a_small_file(tmp_path: Path):
    interface = replace(INTERFACES["pixai 1.0"], folder="mine", side=96)
    folder = family_model(tmp_path, interface)
    with pytest.raises(ModelError, match=r"takes .*3, 96, 96.*tagger\.yaml"):
        Tagger(model_named(str(folder)))
    (folder / "tagger.yaml").write_text(
        "family: pixai-1.0\nside: 96\npad: black\nactivation: logits\n"
        "thresholds: {general: 0.1, character: 0.9}\n"
    )
    model = model_named(str(folder))
    assert model.spec.threshold("general") == 0.1
    found = Tagger(model).probabilities(Image.new("RGB", SIZE, COLOUR))
    assert found["green_theme"] == pytest.approx(at(0.2), abs=2e-4)
