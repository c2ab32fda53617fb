"""From a name to a model: short names, repositories, folders; revisions and sums are pinned."""

import dataclasses
import hashlib
import re

import pytest

from datasetkit.errors import ModelError
from datasetkit.taggers.models import (
    BEST,
    DESCRIBER,
    FAST,
    MODELS,
    fast_model,
    int8_folder,
    model_named,
)
from datasetkit.taggers.quantize import mark_of
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


@pytest.mark.parametrize(
    "text",
    ["", "wd-swinv3-v3", "no/such/folder", "../x/y", "a b/c", "a/b--c", "owner/..", "a/b.git",
     "~nobody-here/x", "a" * 5000],
)  # fmt: skip
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


def test_what_is_pinned_is_pinned_whole():
    pinned = {name for name, model in MODELS.items() if model.sums}
    assert {name for name in MODELS if name.startswith("wd-")} - pinned == {"wd-swinv2-v2"}
    for name in pinned:
        model = MODELS[name]
        assert model.revision, name
        for names in model.files:
            assert set(names.split("|")) & set(model.sums), (name, names)


def test_licence_and_size_are_told():
    told = {name: (model.licence, model.size) for name, model in MODELS.items()}
    assert told["wd-swinv2-v3"] == ("Apache-2.0", 467_460_978)
    assert told["wd-vit-v3"] == ("Apache-2.0", 378_536_310)
    assert told["pixai-1.0"] == ("Apache-2.0", 1_984_062_544)
    assert {name for name, (licence, _) in told.items() if licence == "GPL-3.0"} == {
        name for name in MODELS if name.startswith(("camie", "animetimm"))
    }


def test_a_model_of_the_cache_keeps_its_name_and_thresholds(models, tmp_path):
    commit = "snapshots/" + "0123456789" * 4

    def at(repo: str) -> str:
        return str(models.small_tagger(tmp_path / f"models--{repo.replace('/', '--')}" / commit))

    best = model_named(at("SmilingWolf/wd-eva02-large-tagger-v3"))
    assert (best.name, best.spec) == (MODELS[BEST].name, MODELS[BEST].spec)
    other = model_named(at("some/new-wd-model"))
    assert (other.name, other.spec) == ("new-wd-model", FAMILIES["wd"])
    half = tmp_path / "models--Mexes--pixai-tagger-v1.0-onnx-fp32-fp16-int8" / commit
    models.small_tagger(half)
    (half / "model.onnx").rename(half / "model_fp16.onnx")
    assert model_named(str(half)).name == "pixai-tagger-v1.0-fp16"


def test_a_folder_that_is_shut_is_named(models, tmp_path, monkeypatch):
    folder = models.small_tagger(tmp_path / "m")
    monkeypatch.setattr("datasetkit.taggers.models._local", lambda path: shut(path))

    def shut(path):
        raise PermissionError(13, "Permission denied", str(path / "tagger.yaml"))

    with pytest.raises(ModelError, match=r"m' cannot be read \(Permission denied\)"):
        model_named(str(folder))


def test_a_file_is_no_folder(models, tmp_path):
    folder = models.small_tagger(tmp_path / "m")
    with pytest.raises(ModelError, match=r"model\.onnx' is a file; name the folder"):
        model_named(str(folder / "model.onnx"))


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
                          "deepdanbooru-onnx": ["deepdanbooru.onnx"],
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


def test_a_wrong_case_is_near_and_a_path_gets_no_list_of_names():
    with pytest.raises(ModelError, match="did you mean 'wd-swinv2-v3'"):
        model_named("WD-SWINV2-V3")
    with pytest.raises(ModelError, match="dsk models list") as caught:
        model_named("../nowhere/tagger")
    assert "wd-vit-v3" not in str(caught.value)


def test_an_onnx_of_another_name_is_named_with_the_way_out(models, tmp_path):
    folder = models.small_tagger(tmp_path / "own")
    (folder / "model.onnx").rename(folder / "mymodel.onnx")
    said = r"own' holds no model\.onnx, but mymodel\.onnx; 'model: mymodel\.onnx' in a tagger\.yaml"
    with pytest.raises(ModelError, match=said):
        model_named(str(folder))
    (folder / "tagger.yaml").write_text("model: mymodel.onnx\n")
    assert model_named(str(folder)).check() == folder


def test_a_model_that_writes_sentences_is_no_tagger(tmp_path):
    folder = tmp_path / "vlm"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text("{}")
    for text in (str(folder), DESCRIBER):
        with pytest.raises(ModelError, match=r"describes pictures in sentences.*dsk caption"):
            model_named(text)


def test_only_dsks_own_models_have_a_copy_of_the_bare_name(models, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert mark_of(MODELS[FAST], tmp_path) == ""
    folder = models.small_tagger(tmp_path / MODELS[FAST].name)
    mine = model_named(str(folder))
    assert mine.name == MODELS[FAST].name
    mark = mark_of(mine, folder)
    assert re.fullmatch("[0-9a-f]{8}", mark)
    assert int8_folder(mine, mark).name == f"{mine.name}-{mark}-int8"
    sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    row = dataclasses.replace(MODELS[FAST], sums=sums)
    monkeypatch.setattr("datasetkit.taggers.quantize.MODELS", {FAST: row})
    assert mark_of(mine, folder) == ""  # its very files, fetched by hand
