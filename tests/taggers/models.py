"""Small real ONNX taggers with the interface of WD v3, whose answers are known in advance."""

import csv
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# What the small model measures, each from 0 to 255: means of the whole square, of its top left
# corner and of its centre, in the channel order of the input (blue, green, red).
MEASURES = ("b", "g", "r", "corner b", "corner g", "corner r", "mid b", "mid g", "mid r")

# Tag, category of the CSV, and which measure it reports (divided by 255).
SMALL = [
    ("general", 9, "g"),
    ("sensitive", 9, "r"),
    ("questionable", 9, "b"),
    ("explicit", 9, ""),
    ("blue_theme", 0, "mid b"),
    ("green_theme", 0, "mid g"),
    ("red_theme", 0, "mid r"),
    ("white_corner", 0, "corner g"),
    (">_<", 0, "mid r"),
    ("byleth_(female)_(fire_emblem)", 4, "mid b"),
]
WD_V3 = {"rating": 4, "general": 8106, "character": 2751}  # how many labels the real ones have


def small_tagger(folder: Path, side: int = 448, **names: str) -> Path:
    """A folder with a model of under 2 kB that reports what it measures on the square."""
    weights = np.zeros((len(MEASURES), len(SMALL)), np.float32)
    for place, (_, _, measure) in enumerate(SMALL):
        if measure:
            weights[MEASURES.index(measure), place] = 1 / 255
    bias = np.zeros(len(SMALL), np.float32)
    write_model(folder, weights, bias, side, **names)
    write_labels(folder, [(name, category) for name, category, _ in SMALL])
    return folder


def fixed_tagger(folder: Path, probabilities: np.ndarray, labels: list[tuple[str, int]]) -> Path:
    """A folder with a model that gives the same probabilities for every picture."""
    weights = np.zeros((len(MEASURES), len(probabilities)), np.float32)
    write_model(folder, weights, probabilities.astype(np.float32), 16)
    write_labels(folder, labels)
    return folder


def many_labels() -> list[tuple[str, int]]:
    """As many labels as WD v3 has, in its order: ratings, general tags, characters."""
    ratings = [(name, 9) for name in ("general", "sensitive", "questionable", "explicit")]
    general = [(f"tag_{number}", 0) for number in range(WD_V3["general"])]
    return ratings + general + [(f"name_{n}_(series)", 4) for n in range(WD_V3["character"])]


def write_labels(folder: Path, labels: list[tuple[str, int]], name: str = "selected_tags.csv"):
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["tag_id", "name", "category", "count"])
        rows.writerows([place, tag, category, 1000] for place, (tag, category) in enumerate(labels))


def write_model(
    folder: Path,
    weights: np.ndarray,
    bias: np.ndarray,
    side: int,
    given: str = "input",
    answer: str = "output",
) -> None:
    """measures of the square @ weights + bias, as an ONNX graph."""
    folder.mkdir(parents=True, exist_ok=True)
    eighth, middle = side // 8, side // 2

    def part(name: str, start: int, end: int) -> list[onnx.NodeProto]:
        edges = {"s": [start, start], "e": [end, end], "a": [1, 2]}
        for key, values in edges.items():
            constant(name + key, np.array(values, np.int64))
        inputs = [given, *(name + key for key in edges)]
        return [
            helper.make_node("Slice", inputs, [name]),
            helper.make_node("ReduceMean", [name], [name + "m"], axes=[1, 2], keepdims=0),
        ]

    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: np.ndarray) -> None:
        constants.append(numpy_helper.from_array(value, name))

    constant("w", weights)
    constant("b", bias)
    nodes = [
        helper.make_node("ReduceMean", [given], ["all"], axes=[1, 2], keepdims=0),
        *part("corner", 0, eighth),
        *part("mid", middle - eighth, middle + eighth),
        helper.make_node("Concat", ["all", "cornerm", "midm"], ["measures"], axis=1),
        helper.make_node("MatMul", ["measures", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], [answer]),
    ]
    shape = ["batch", side, side, 3]
    graph = helper.make_graph(
        nodes,
        "tagger",
        [helper.make_tensor_value_info(given, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(answer, TensorProto.FLOAT, ["batch", len(bias)])],
        constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="test"
    )
    onnx.checker.check_model(model)
    onnx.save(model, folder / "model.onnx")
