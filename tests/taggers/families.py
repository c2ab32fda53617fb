"""Small real ONNX models with the interface of each family, written from the families' own cards.

What is written here is not taken from the project's rows: it is what they are tested against.
Each model undoes its family's preparation and reports what it then sees, so that swapped channels,
another padding, another scale or a missing sigmoid change the answers.
"""

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Means of the middle and of the top left corner, 0..1, and of the whole.
MEASURES = ("r", "g", "b", "corner r", "corner g", "corner b", "mid r", "mid g", "mid b")
# name, kind, what of the picture it reports
SAID = [
    ("general", "rating", "mid g"),
    ("sensitive", "rating", "mid r"),
    ("red_theme", "general", "mid r"),
    ("green_theme", "general", "mid g"),
    ("blue_theme", "general", "mid b"),
    ("light_corner", "general", "corner g"),
    (">_<", "general", "mid r"),
    ("byleth_(female)_(fire_emblem)", "character", "mid r"),
]
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
PLAIN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@dataclass(frozen=True)
class Interface:
    """How a family's model is called, fed and asked, and what its corner shows of a wide picture.

    ``outputs`` are its names in order, each with what it holds: p, logits, features, nonsense.
    """

    folder: str
    layout: str
    bgr: bool
    side: int
    corner: float
    top: float = 1.0
    normal: tuple[tuple[float, ...], tuple[float, ...]] = PLAIN
    given: str = "input"
    batch: str | int = "batch"
    outputs: dict[str, str] = field(default_factory=lambda: {"output": "p"})
    file: str = "model.onnx"
    labels: str = "selected_tags.csv"
    form: str = "csv"
    said: list[tuple[str, str, str]] = field(default_factory=lambda: list(SAID))


FLAT = [row for row in SAID if row[1] == "general"]
NO_RATINGS = [row for row in SAID if row[1] != "rating"]
E621 = [row for row in SAID if row[0] != "general"]
LETTERS = [("rating:g", "rating", "mid g"), ("rating:s", "rating", "mid r"), *NO_RATINGS]
SAFE = [("rating:safe", "rating", "mid r"), ("rating:questionable", "rating", "mid b"), *NO_RATINGS]
EXPORT = {"prediction": "p", "logits": "logits", "embedding": "features"}

INTERFACES = {
    "wd v3": Interface("wd-swinv2-tagger-v3", "NHWC", True, 448, 1.0, 255.0),
    "wd v3 eva02": Interface("wd-eva02-large-tagger-v3", "NHWC", True, 448, 1.0, 255.0),
    "wd v2": Interface(
        "wd-v1-4-convnextv2-tagger-v2", "NHWC", True, 448, 1.0, 255.0, given="input_1:0", batch=1,
        outputs={"predictions_sigmoid": "p"},
    ),
    "z3d": Interface(
        "Z3D-E621-Convnext", "NHWC", True, 448, 1.0, 255.0, labels="tags-selected.csv", form="e621",
        said=E621,
    ),
    "pixai 0.9": Interface(
        "pixai-tagger-v0.9", "NCHW", False, 448, 0.2, normal=HALF, outputs=EXPORT, form="ips",
        said=NO_RATINGS,
    ),
    "pixai 1.0": Interface(
        "pixai-tagger-v1.0", "NCHW", False, 1008, 0.0, normal=HALF, outputs={"logits": "logits"},
        said=LETTERS,
    ),
    "pixai 1.0, probabilities": Interface(
        "pixai-tagger-v1.0", "NCHW", False, 1008, 0.0, normal=HALF, outputs={"probs": "p"},
        said=LETTERS,
    ),
    "animetimm": Interface(
        "caformer_b36.dbv4-full", "NCHW", False, 384, 1.0, normal=IMAGENET, outputs=EXPORT,
        form="best",
    ),
    "cl_tagger": Interface(
        "cl_tagger_1_02", "NCHW", True, 448, 1.0, normal=HALF, outputs={"output": "logits"},
        file="model_optimized.onnx", labels="tag_mapping.json", form="mapping",
    ),
    "joytag": Interface(
        "joytag", "NCHW", False, 448, 1.0, normal=CLIP, outputs={"output": "logits"},
        labels="top_tags.txt", form="lines", said=FLAT,
    ),
    "ml-danbooru": Interface(
        "ml-danbooru-onnx", "NCHW", False, 448, 0.2, outputs={"output": "logits"},
        file="ml_caformer_m36_dec-5-97527.onnx", labels="classes.json", form="list", said=FLAT,
    ),
    "deepdanbooru": Interface(
        "deepdanbooru", "NHWC", False, 512, 0.0, given="input_1", file="deepdanbooru.onnx",
        labels="deepdanbooru_tags.csv", said=SAFE,
    ),
    "deepdanbooru, labels inside": Interface(
        "deepdanbooru_onnx", "NHWC", False, 512, 0.0, given="input_1", file="deepdanbooru.onnx",
        labels="", form="inside", said=[row for row in SAFE if row[1] != "character"],
    ),
    "camie": Interface(
        "camie-tagger-v2", "NCHW", False, 512, 116 / 255, normal=IMAGENET,
        outputs={"initial_predictions": "nonsense", "refined_predictions": "logits",
                 "selected_candidates": "candidates"},
        file="camie-tagger-v2.onnx", labels="camie-tagger-v2-metadata.json", form="camie",
        said=[(f"rating_{name}" if kind == "rating" else name, kind, measure)
              for name, kind, measure in SAID],
    ),
}  # fmt: skip

_CODES = {"general": 0, "artist": 1, "copyright": 3, "character": 4, "rating": 9}


def family_model(place: Path, interface: Interface) -> Path:
    """Write the model of an interface below a folder, and return its own."""
    folder = place / interface.folder
    folder.mkdir(parents=True, exist_ok=True)
    _write_labels(folder, interface)
    names = [name for name, _, _ in interface.said]
    model = _model(interface)
    if interface.form == "inside":
        entry = model.metadata_props.add()
        entry.key, entry.value = "tags", str(names)
    onnx.checker.check_model(model)
    onnx.save(model, folder / interface.file)
    return folder


def _write_labels(folder: Path, interface: Interface) -> None:
    path, said = folder / interface.labels, interface.said
    names = [name for name, _, _ in said]
    if interface.form in {"csv", "e621", "best", "ips"}:
        rows = [
            {"tag_id": n, "name": name, "category": _CODES[kind], "count": 9000 - n}
            for n, (name, kind, _) in enumerate(said)
        ]
        for row in rows:
            if interface.form == "best":
                row["best_threshold"] = 0.995 if row["name"] == "red_theme" else 0.1
            if interface.form == "ips":
                row["ips"] = '["fire_emblem"]' if row["category"] == 4 else "[]"
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)
    elif interface.form == "mapping":
        words = {n: {"tag": name, "category": kind.title()} for n, (name, kind, _) in
                 enumerate(said)}  # fmt: skip
        path.write_text(json.dumps(words), encoding="utf-8")
    elif interface.form == "camie":
        mapping = {"idx_to_tag": {str(n): name for n, name in enumerate(names)},
                   "tag_to_category": {name: kind for name, kind, _ in said}}  # fmt: skip
        whole = {"model_info": {"img_size": 512}, "dataset_info": {"tag_mapping": mapping}}
        path.write_text(json.dumps(whole), encoding="utf-8")
    elif interface.form == "lines":
        path.write_text("\n".join(names) + "\n", encoding="utf-8")
    elif interface.form == "list":
        path.write_text(json.dumps(names), encoding="utf-8")
    steps = {
        "best": [
            {"type": "pad_to_size", "size": [512, 512], "background_color": "white",
             "interpolation": "bilinear"},
            {"type": "resize", "size": 384, "interpolation": "bicubic", "antialias": True},
            {"type": "center_crop", "size": [384, 384]},
            {"type": "maybe_to_tensor"},
            {"type": "normalize", "mean": IMAGENET[0], "std": IMAGENET[1]},
        ],
        "ips": [
            {"type": "resize", "size": [448, 448], "interpolation": "bilinear"},
            {"type": "to_tensor"},
            {"type": "normalize", "mean": HALF[0], "std": HALF[1]},
        ],
    }.get(interface.form)  # fmt: skip
    if steps:
        key = "test" if interface.form == "best" else "stages"
        (folder / "preprocess.json").write_text(json.dumps({key: steps}))


def _model(interface: Interface) -> onnx.ModelProto:
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: object, kind: type = np.float32) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    side, last = interface.side, interface.given
    if interface.layout == "NCHW":
        last = node("Transpose", [last], "nhwc", perm=[0, 2, 3, 1])
    if interface.bgr:
        last = node("Gather", [last, constant("turn", [2, 1, 0], np.int64)], "rgb", axis=3)
    mean, std = interface.normal
    last = node("Mul", [last, constant("std", std)], "spread")
    last = node("Add", [last, constant("mean", mean)], "moved")
    last = node("Div", [last, constant("top", interface.top)], "levels")
    parts = {"all": (0, side), "corner": (0, side // 16), "mid": (side * 7 // 16, side * 9 // 16)}
    for name, (start, end) in parts.items():
        edges = [constant(f"{name}s", [start] * 2, np.int64), constant(f"{name}e", [end] * 2,
                 np.int64), constant(f"{name}a", [1, 2], np.int64)]  # fmt: skip
        node("Slice", [last, *edges], f"{name}part")
        node("ReduceMean", [f"{name}part"], f"{name}mean", axes=[1, 2], keepdims=0)
    node("Concat", ["allmean", "cornermean", "midmean"], "measures", axis=1)
    weights = np.zeros((len(MEASURES), len(interface.said)))
    for place, (_, _, measure) in enumerate(interface.said):
        weights[MEASURES.index(measure), place] = 0.98
    node("MatMul", ["measures", constant("w", weights)], "product")
    node("Add", ["product", constant("low", 0.01)], "raised")
    node("Max", ["raised", constant("least", 0.001)], "above")
    node("Min", ["above", constant("most", 0.999)], "inside")
    node("Sub", [constant("one", 1.0), "inside"], "rest")
    node("Div", ["inside", "rest"], "odds")
    node("Neg", ["inside"], "minus")
    count = len(interface.said)
    outputs = []
    for name, holds in interface.outputs.items():
        width = len(MEASURES) if holds == "features" else 2 if holds == "candidates" else count
        if holds == "p":
            node("Identity", ["inside"], name)
        elif holds == "logits":
            node("Log", ["odds"], name)
        elif holds == "features":
            node("Identity", ["measures"], name)
        elif holds == "candidates":
            node("Slice", ["measures", constant("c0", [0], np.int64), constant("c1", [2], np.int64),
                           constant("c2", [1], np.int64)], name)  # fmt: skip
        else:
            node("Identity", ["minus"], name)
        outputs.append(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [interface.batch, width])
        )
    shape = [side, side, 3] if interface.layout == "NHWC" else [3, side, side]
    taken = helper.make_tensor_value_info(
        interface.given, TensorProto.FLOAT, [interface.batch, *shape]
    )
    graph = helper.make_graph(nodes, "tagger", [taken], outputs, constants)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9, producer_name="test"
    )
