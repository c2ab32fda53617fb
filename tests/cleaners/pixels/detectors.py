"""A small real ONNX detector in YOLOv8's form, which finds what is red and what is green."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RED, GREEN = "face", "person"  # what the model calls them
SCORE = 0.9
CANDIDATES = 16


def colour_detector(
    path: Path,
    side: int = 128,
    names: str = f"{{0: '{RED}', 1: '{GREEN}'}}",
    *,
    turned: bool = False,
    free: bool = False,
) -> Path:
    """Write a model whose answer is the box around all red pixels, and that around all green.

    ``turned`` has the candidates first; ``free`` names no size, as exports for any size do.
    """
    nodes, constants = [], []

    def constant(name: str, value: object, kind: type = np.float32) -> str:
        constants.append(numpy_helper.from_array(np.array(value, kind), name))
        return name

    def node(kind: str, *inputs: str, **options: object) -> str:
        name = f"{kind.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [name], **options))
        return name

    places = np.arange(side, dtype=np.float32)
    after, before = constant("after", places + 1), constant("before", side - places)
    whole, half, score = constant("whole", side), constant("half", 0.5), constant("score", SCORE)
    one = constant("one", [1, 1, 1], np.int64)
    columns = []
    for number in (0, 1):
        mine, *others = (
            node("Gather", "images", constant(f"c{number}{channel}", channel, np.int64), axis=1)
            for channel in (number, *(c for c in range(3) if c != number))
        )
        clear = node("Sub", mine, node("Max", *others))
        mask = node("Cast", node("Greater", clear, half), to=TensorProto.FLOAT)
        found = {}
        for word, axis in (("x", 1), ("y", 2)):
            line = node("ReduceMax", mask, axes=[axis], keepdims=0)
            end = node("ReduceMax", node("Mul", line, after), keepdims=0)
            start = node("Sub", whole, node("ReduceMax", node("Mul", line, before), keepdims=0))
            found[word] = node("Mul", node("Add", start, end), half)
            found[word + "size"] = node("Sub", end, start)
        sure = node("Mul", node("ReduceMax", mask, keepdims=0), score)
        nothing = node("Mul", sure, constant(f"none{number}", 0))
        scores = (sure, nothing) if number == 0 else (nothing, sure)
        values = [found[word] for word in ("x", "y", "xsize", "ysize")]
        parts = [node("Reshape", value, one) for value in (*values, *scores)]
        columns.append(node("Concat", *parts, axis=1))
    rest = constant("rest", np.zeros((1, 6, CANDIDATES - 2)))
    answer = node("Concat", *columns, rest, axis=2)
    if turned:
        answer = node("Transpose", answer, perm=[0, 2, 1])
    nodes[-1].output[0] = "output0"
    shape = [1, CANDIDATES, 6] if turned else [1, 6, CANDIDATES]
    graph = helper.make_graph(
        nodes, "colours",
        [helper.make_tensor_value_info(
            "images", TensorProto.FLOAT,
            ["batch", 3, "height", "width"] if free else [1, 3, side, side],
        )],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, shape)],
        constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if names:
        helper.set_model_props(model, {"names": names, "imgsz": f"[{side}, {side}]"})
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path
