"""Taggers through real onnxruntime: answers that are known in advance, every damage named."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasetkit.errors import ModelError, PictureError
from datasetkit.taggers import tagger as taggers
from datasetkit.taggers.choose import seen_in
from datasetkit.taggers.models import model_named


def Tagger(folder: Path, **options: bool) -> taggers.Tagger:
    return taggers.Tagger(model_named(str(folder)), **options)


def loaded(folder: Path) -> taggers.Tagger:
    return taggers.loaded(model_named(str(folder)))


def test_answers_are_known_functions_of_the_pixels(models, tmp_path):
    tagger = Tagger(models.small_tagger(tmp_path))
    image = Image.new("RGB", (400, 120), (255, 51, 0))  # red, a fifth of green, no blue
    found = tagger.probabilities(image)
    assert found["red_theme"] == found[">_<"] == 1.0
    assert found["green_theme"] == 0.2
    assert found["blue_theme"] == found["byleth_(female)_(fire_emblem)"] == 0.0
    assert found["white_corner"] == 1.0  # the padding above
    assert found["general"] == pytest.approx(0.7 + 0.3 * 0.2, abs=0.01)
    assert list(found) == [name for name, _, _ in models.SMALL]


def test_names_and_size_are_read_from_the_model(models, tmp_path):
    folder = models.small_tagger(tmp_path, 64, given="input_1:0", answer="predictions_sigmoid")
    tagger = Tagger(folder)
    assert tagger.side == 64
    assert tagger.probabilities(Image.new("RGB", (9, 9), "red"))["red_theme"] == 1.0
    assert tagger.provider == "CPUExecutionProvider"
    assert not tagger.fell_back


def test_the_other_name_of_the_label_list(models, tmp_path):
    folder = models.small_tagger(tmp_path)
    (folder / "selected_tags.csv").rename(folder / "tags-selected.csv")
    assert len(Tagger(folder).labels) == len(models.SMALL)


def test_many_threads_share_one_session(models, tmp_path):
    folder = models.small_tagger(tmp_path)
    images = [Image.new("RGB", (50, 40), (value, 0, 255 - value)) for value in range(0, 250, 5)]
    with ThreadPoolExecutor(8) as pool:
        taggers = list(pool.map(loaded, [folder] * 8))
        found = list(pool.map(lambda image: loaded(folder).scores(image).tolist(), images))
    assert len(set(map(id, taggers))) == 1
    assert found == [taggers[0].scores(image).tolist() for image in images]


def test_another_model_in_the_same_folder_is_noticed(models, tmp_path):
    before = loaded(models.small_tagger(tmp_path))
    after = loaded(models.small_tagger(tmp_path, 32))
    assert (before.side, after.side) == (448, 32)


def test_label_count_must_fit(models, tmp_path):
    folder = models.small_tagger(tmp_path)
    models.write_labels(folder, [(f"tag_{n}", 0) for n in range(7)])
    with pytest.raises(ModelError, match=r"7 labels.* 10 numbers"):
        Tagger(folder)


@pytest.mark.parametrize("name", ["model.onnx", "selected_tags.csv"])
def test_a_missing_file_is_named(models, tmp_path, name):
    folder = models.small_tagger(tmp_path)
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name):
        Tagger(folder)


def test_a_truncated_model_is_refused_wherever_it_ends(models, tmp_path, capfd):
    folder = models.small_tagger(tmp_path)
    whole = (folder / "model.onnx").read_bytes()
    assert len(whole) < 2048
    for length in [0, 1, 100, *range(len(whole) - 60, len(whole), 7)]:
        (folder / "model.onnx").write_bytes(whole[:length])
        with pytest.raises(ModelError, match="fetch it again"):
            Tagger(folder)
    assert capfd.readouterr() == ("", "")


def test_another_family_is_refused(models, tmp_path):
    import onnx

    folder = models.small_tagger(tmp_path)
    model = onnx.load(folder / "model.onnx")
    turn = onnx.helper.make_node("Transpose", ["input"], ["turned"], perm=[0, 2, 3, 1])
    for node in model.graph.node:
        node.input[:] = ["turned" if name == "input" else name for name in node.input]
    model.graph.node.insert(0, turn)
    for place, size in ((1, 3), (3, 448)):
        model.graph.input[0].type.tensor_type.shape.dim[place].dim_value = size
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(ModelError, match=r"3, 448, 448.*WD family"):
        Tagger(folder)


def test_the_output_that_fits_the_labels_is_taken(models, tmp_path):
    import onnx

    folder = models.small_tagger(tmp_path)
    model = onnx.load(folder / "model.onnx")
    features = onnx.helper.make_tensor_value_info("measures", 1, ["batch", len(models.MEASURES)])
    model.graph.output.insert(0, features)
    onnx.save(model, folder / "model.onnx")
    assert Tagger(folder).probabilities(Image.new("RGB", (9, 9), "red"))["red_theme"] == 1.0


def test_logits_are_refused(models, tmp_path):
    labels = [("a", 0), ("b", 0)]
    tagger = Tagger(models.fixed_tagger(tmp_path, np.array([-3.0, 4.0]), labels))
    with pytest.raises(ModelError, match="no probabilities"):
        tagger.scores(Image.new("RGB", (4, 4)))


def test_nan_for_every_picture_is_the_models_fault(models, tmp_path):
    tagger = Tagger(models.fixed_tagger(tmp_path, np.array([np.nan]), [("a", 0)]))
    with pytest.raises(ModelError, match="not a number"):
        tagger.scores(Image.new("RGB", (4, 4)))


def test_nan_for_one_picture_is_that_pictures_reason(models, tmp_path):
    import onnx

    folder = models.small_tagger(tmp_path, 16)
    models.write_labels(folder, [(f"tag_{n}", 0) for n in range(len(models.MEASURES))])
    model = onnx.load(folder / "model.onnx")
    del model.graph.node[-2:]  # the answer becomes measure / measure: 0 / 0 for a black picture
    model.graph.node.append(onnx.helper.make_node("Div", ["measures", "measures"], ["output"]))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = len(models.MEASURES)
    onnx.save(model, folder / "model.onnx")
    tagger = Tagger(folder)
    assert tagger.scores(Image.new("RGB", (16, 16), "gray")).tolist() == [1.0] * 9
    with pytest.raises(PictureError, match="not a number"):
        tagger.scores(Image.new("RGB", (16, 16), "black"))


def test_nothing_heavy_is_imported_before_work():
    code = (
        "import sys, datasetkit.taggers.tag, datasetkit.hub;"
        "from datasetkit.cleaners.pixels import crop, flatten;"
        "print([m for m in ('PIL','numpy','onnxruntime','huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("key", ["output", "embedding"])
def test_an_output_that_is_not_there_is_refused(models, tmp_path, key):
    folder = models.small_tagger(tmp_path / "m", 64)
    (folder / "tagger.yaml").write_text(f"{key}: nosuch\n")
    with pytest.raises(ModelError, match=r"model\.onnx has no output 'nosuch'; it has: output$"):
        Tagger(folder)


def test_another_side_is_a_whole_sentence(models, tmp_path):
    folder = models.small_tagger(tmp_path / "m", 64)
    (folder / "tagger.yaml").write_text("side: 512\n")
    with pytest.raises(ModelError) as caught:
        Tagger(folder)
    assert str(caught.value).endswith(
        "takes ['batch', 64, 64, 3], but a tagger of its family takes [pictures, 512, 512, 3]; "
        "'side: 64' in a tagger.yaml beside it would say so"
    )


def test_a_label_that_stands_twice_counts_once_by_the_surer(models, tmp_path):
    labels = [("hat", 0), ("coat", 0), ("hat", 0)]
    tagger = Tagger(models.fixed_tagger(tmp_path / "m", np.array([0.6, 0.5, 0.9]), labels))
    seen = seen_in(tagger.scores(Image.new("RGB", (9, 9))), tagger.labels)
    assert seen == {"general": {"hat": 0.9, "coat": 0.5}}
