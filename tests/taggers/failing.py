"""A model that loads and then fails, on every picture or on some."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def fail(folder: Path, below: float) -> None:
    """Let the small model look for what is not there where the middle is less blue than that."""
    graph = onnx.load(folder / "model.onnx")
    graph.graph.node[-1].output[0] = "sum"
    values = {"blue": np.array([4]), "far": np.array(999), "least": np.array(below, np.float32),
              "nought": np.array(0, np.float32)}  # fmt: skip
    graph.graph.initializer.extend(numpy_helper.from_array(v, name) for name, v in values.items())
    make = helper.make_node
    graph.graph.node.extend([
        make("Gather", ["sum", "blue"], ["middle"], axis=1),
        make("Less", ["middle", "least"], ["less"]),
        make("Cast", ["less"], ["one"], to=TensorProto.INT64),
        make("Mul", ["one", "far"], ["place"]),
        make("Gather", ["sum", "place"], ["found"], axis=1),
        make("ReduceSum", ["found"], ["total"], keepdims=0),
        make("Mul", ["total", "nought"], ["nothing"]),
        make("Add", ["sum", "nothing"], ["output"]),
    ])  # fmt: skip
    onnx.save(graph, folder / "model.onnx")
