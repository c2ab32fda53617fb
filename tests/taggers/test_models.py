"""From a name to a model: short names, repositories, folders; revisions and sums are pinned."""

import re

import pytest

from datasetkit.errors import ModelError
from datasetkit.taggers.models import BEST, FAST, MODELS, fast_model, int8_folder, model_named
from datasetkit.taggers.spec import FAMILIES


def test_short_names_and_repositories_are_the_same_model():
    for name in (
        "wd-swinv2-v3",
        "SmilingWolf/wd-swinv2-tagger-v3",
        "smilingwolf/WD-swinv2-tagger-v3",
    ):
        assert model_named(name) == MODELS["wd-swinv2-v3"]
    assert model_named("cella110n/cl_tagger").name == "cl_tagger_1_02"
    assert model_named("cella110n/cl_tagger/cl_tagger_1_01").subfolder == "cl_tagger_1_01"
    assert model_named("animetimm/anything.dbv4-full").spec == FAMILIES["animetimm"]
    assert model_named("some/new-wd-model").spec == FAMILIES["wd"]


@pytest.mark.parametrize("text", ["", "wd-swinv3-v3", "no/such/folder", "../x/y", "a b/c"])
def test_what_is_no_model(text):
    with pytest.raises(ModelError, match="neither a folder"):
        model_named(text)
    with pytest.raises(ModelError, match="did you mean 'wd-swinv2-v3'"):
        model_named("wd-swinv3-v3")


def test_the_rows_are_whole():
    for name, model in MODELS.items():
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", model.repo)
        assert re.fullmatch(r"([0-9a-f]{40})?", model.revision), name
        assert all(re.fullmatch(r"[0-9a-f]{64}", sum_) for sum_ in model.sums.values()), name
        assert set(model.sums) <= {part for files in model.files for part in files.split("|")}
    assert model_named(BEST).spec.threshold("general") == 0.5296
    pinned = MODELS["wd-swinv2-v3"]
    assert pinned.revision == "627aef95638667ddcaa3ac8ae625e88ea5b02f51"
    assert pinned.sums["model.onnx"].startswith("e6774bff34d43bd4")


def test_files_of_a_subfolder_are_named_in_full():
    assert MODELS["cl-1.02"].files == (
        "cl_tagger_1_02/model_optimized.onnx|cl_tagger_1_02/model.onnx",
        "cl_tagger_1_02/tag_mapping.json",
    )


def test_a_folder_is_known_by_its_name_or_by_its_files(models, tmp_path):
    known = models.small_tagger(tmp_path / "wd-eva02-large-tagger-v3")
    assert model_named(str(known)).spec == MODELS[BEST].spec
    copy = models.small_tagger(tmp_path / "wd-eva02-large-tagger-v3-int8")
    assert model_named(str(copy)).spec == MODELS[BEST].spec
    assert model_named(str(copy)).name == "wd-eva02-large-tagger-v3-int8"
    plain = models.small_tagger(tmp_path / "mine")
    assert model_named(str(plain)).spec == FAMILIES["wd"]
    for family, files in {"joytag": ["model.onnx", "top_tags.txt"],
                          "cl": ["model.onnx", "tag_mapping.json"],
                          "camie": ["camie-tagger-v2.onnx", "camie-tagger-v2-metadata.json"],
                          "animetimm": ["model.onnx", "selected_tags.csv", "preprocess.json"],
                          "z3d-e621": ["model.onnx", "tags-selected.csv"]}.items():  # fmt: skip
        folder = tmp_path / f"a-{family}"
        folder.mkdir()
        for file in files:
            (folder / file).write_text("x")
        assert model_named(str(folder)).spec == FAMILIES[family]


def test_the_fast_one_is_the_int8_copy_where_there_is_one(models, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert fast_model() == MODELS[FAST]
    copy = int8_folder(MODELS[FAST])
    assert copy.name == "wd-convnext-tagger-v3-int8"
    models.small_tagger(copy)
    assert fast_model().path == copy.resolve()


def test_check_names_the_missing_file(models, tmp_path):
    folder = models.small_tagger(tmp_path / "m")
    assert model_named(str(folder)).check() == folder
    (folder / "selected_tags.csv").unlink()
    with pytest.raises(ModelError, match=r"selected_tags\.csv or tags-selected\.csv"):
        model_named(str(folder)).check()
