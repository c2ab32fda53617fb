"""The detector: a real small model, letterboxed pictures of every shape, refusals that say why."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from datasetkit.cleaners.pixels.boxes import Box, best_of_each
from datasetkit.cleaners.pixels.detector import Detector
from datasetkit.errors import ModelError
from tests.cleaners.pixels.detectors import GREEN, RED, SCORE, colour_detector


def picture(size: tuple[int, int], mode: str = "RGB", **boxes: tuple[int, int, int, int]):
    image = Image.new(mode, size, "white" if mode == "RGB" else (0, 255, 0, 0))
    for colour, box in boxes.items():
        image.paste(colour, box)
    return image


def near(box: Box, wanted: tuple[int, int, int, int], by: float) -> bool:
    return max(abs(a - b) for a, b in zip(box[:4], wanted, strict=True)) <= by


@pytest.mark.parametrize("size", [(128, 128), (400, 300), (300, 400), (61, 47), (900, 460)])
@pytest.mark.parametrize("form", [{}, {"turned": True}, {"free": True}])
def test_boxes_are_in_the_pictures_own_pixels(size, form, tmp_path):
    detector = Detector.load(colour_detector(tmp_path / "model.onnx", **form))
    width, height = size
    red = (width // 4, height // 4, width // 2, height // 2)
    lime = (width // 2, height // 8, width, height * 7 // 8)
    found = detector.boxes(picture(size, red=red, lime=lime))
    assert [(box.kind, round(box.score, 3)) for box in found] == [(RED, SCORE), (GREEN, SCORE)]
    assert near(found[0], red, max(size) / 100)
    assert near(found[1], lime, max(size) / 100)
    assert detector.boxes(picture(size, red=red), least=0.95) == []
    assert detector.boxes(picture(size)) == []


def test_clear_pixels_are_white(tmp_path):
    detector = Detector.load(colour_detector(tmp_path / "model.onnx"))
    image = picture((100, 100), "RGBA", red=(10, 20, 40, 60))
    assert [box.kind for box in detector.boxes(image)] == [RED]


@pytest.mark.parametrize("down", [False, True])
def test_a_long_picture_is_looked_at_in_pieces(down, tmp_path):
    detector = Detector.load(colour_detector(tmp_path / "model.onnx", side=64))
    boxes = [(20, 300, 60, 340), (30, 1200, 70, 1240)]  # 100 x 1500: on 64 pixels next to nothing
    turned = [box if down else (box[1], box[0], box[3], box[2]) for box in boxes]
    image = picture((100, 1500) if down else (1500, 100))
    for box in turned:
        image.paste("red", box)
    found = detector.boxes(image)
    for box in turned:
        assert any(near(seen, box, 3) for seen in found)


def test_names_may_stand_beside_the_model_or_nowhere(tmp_path):
    path = colour_detector(tmp_path / "a" / "model.onnx", names="")
    image = picture((100, 100), red=(10, 20, 40, 60))
    assert Detector.load(path.parent).boxes(image)[0].kind == "class 0"
    (path.parent / "labels.json").write_text('["head", "body"]')
    assert Detector.load(path.parent).boxes(image)[0].kind == "head"
    (path.parent / "labels.json").write_text("{{{")
    assert Detector.load(path.parent).boxes(image)[0].kind == "class 0"


def test_many_threads_share_one(tmp_path):
    detector = Detector.load(colour_detector(tmp_path / "model.onnx"))
    images = [picture((100, 100), red=(x, 20, x + 30, 60)) for x in range(0, 60, 10)]
    alone = [detector.boxes(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(detector.boxes, images * 5)) == alone * 5


def test_what_is_no_detector_is_refused(tmp_path):
    with pytest.raises(ModelError, match="there is no"):
        Detector.load(tmp_path / "missing.onnx")
    with pytest.raises(ModelError, match="holds 0 ONNX files"):
        Detector.load(tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="is no whole ONNX model"):
        Detector.load(tmp_path)
    tagger = tmp_path / "tagger.onnx"
    _relu(tagger, [1, 10])
    with pytest.raises(ModelError, match=r"is no detector as YOLOv8 exports them.*\[1, 10\]"):
        Detector.load(tagger)


def _relu(path: Path, shape: list[int]) -> None:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "ab"]
    graph = helper.make_graph([helper.make_node("Relu", ["a"], ["b"])], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)


def test_one_box_of_a_kind_stays_in_a_place():
    face, shifted, other = (
        Box(0, 0, 10, 10, 0.9, "face"),
        Box(1, 1, 11, 11, 0.8, "face"),
        Box(0, 0, 10, 10, 0.5, "person"),
    )
    assert face.overlap(shifted) == pytest.approx(81 / 119)
    assert best_of_each([shifted, other, face]) == [face, other]
    assert Box(5, 5, 5, 9).overlap(face) == 0
