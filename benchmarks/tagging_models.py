"""What ``tagging.py`` measures with: drawn pictures, taggers of real sizes with random weights.

    python benchmarks/tagging_models.py tiny|vit|mixed|twenty|few|many FOLDER [COUNT]

The networks have the interface of the WD family (448 pixels, NHWC, blue first, 0..255, 10,861
labels). Their weights are random, which costs as much as trained ones; what they say means
nothing, but it is as much as real ones say: some 70 labels above .05, some 30 above .35.
"""

import csv
import random
import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw

LABELS = {9: 4, 0: 8106, 4: 2751}  # by the CSV's category: ratings, general, characters
SIDE = 448
# Of a hundred pictures, how many have about so many megapixels.
SIZES = ((0.8, 20), (1.2, 25), (2.0, 25), (3.1, 15), (5.0, 10), (9.0, 5))
FORMATS = (("jpg", 50), ("png", 35), ("webp", 15))


class _Network:
    """A graph that is put together step by step; each step's name is its result's."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(1)

    def constant(self, value: NDArray[np.generic]) -> str:
        self.weights.append(numpy_helper.from_array(value, f"w{len(self.weights)}"))
        return self.weights[-1].name

    def some(self, *shape: int, scale: float = 0.02) -> str:
        """Random weights."""
        return self.constant(self.rng.normal(0, scale, shape).astype(np.float32))

    def then(self, kind: str, *given: str, **attributes: object) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(given), [name], **attributes))
        return name

    def linear(self, given: str, before: int, after: int) -> str:
        product = self.then("MatMul", given, self.some(before, after))
        return self.then("Add", product, self.some(after))

    def norm(self, given: str, wide: int) -> str:
        ones = self.constant(np.ones(wide, np.float32))
        return self.then("LayerNormalization", given, ones, self.some(wide), epsilon=1e-6)

    def pixels(self) -> str:
        """The squares as they are fed, from -1 to 1 and with channels first."""
        half = self.constant(np.array(127.5, np.float32))
        small = self.then("Sub", self.then("Div", "input", half), self.constant(np.float32([1])))
        return self.then("Transpose", small, perm=[0, 3, 1, 2])

    def ended(self, features: str, wide: int, folder: Path) -> Path:
        """Write the graph into a folder: features (pictures, wide) become probabilities."""
        folder.mkdir(parents=True)
        labels = sum(LABELS.values())
        bias = self.rng.normal(-7, 0.5, labels)
        bias[self.rng.choice(labels, 70, replace=False)] = self.rng.normal(-0.8, 1.2, 70)
        product = self.then("MatMul", features, self.some(wide, labels, scale=0.2 / wide**0.5))
        logits = self.then("Add", product, self.constant(bias.astype(np.float32)))
        self.nodes.append(helper.make_node("Sigmoid", [logits], ["output"]))
        shape = ["batch", SIDE, SIDE, 3]
        graph = helper.make_graph(
            self.nodes,
            folder.name,
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", labels])],
            self.weights,
        )
        opset = [helper.make_opsetid("", 17)]
        onnx.save(
            helper.make_model(graph, opset_imports=opset, ir_version=9), folder / "model.onnx"
        )
        write_labels(folder)
        return folder


def tiny(folder: Path) -> Path:
    """A network that costs next to nothing: one layer on patches, one on their mean."""
    net = _Network()
    weights = (net.some(8, 3, 16, 16), net.some(8))
    patches = net.then("Conv", net.pixels(), *weights, kernel_shape=[16, 16], strides=[16, 16])
    return net.ended(net.then("ReduceMean", patches, axes=[2, 3], keepdims=0), 8, folder)


def vit(folder: Path, blocks: int = 12, wide: int = 768, patch: int = 16) -> Path:
    """A vision transformer of the base size: 94 million weights, 378 MB, as wd-vit-v3 has."""
    net = _Network()
    heads, tokens = wide // 64, (SIDE // patch) ** 2
    split = net.constant(np.array([0, tokens, 3, heads, 64], np.int64))
    joined = net.constant(np.array([0, tokens, wide], np.int64))
    flat = net.constant(np.array([0, wide, tokens], np.int64))
    eighth = net.constant(np.array(0.125, np.float32))  # one by the root of 64
    halves = [net.constant(np.array(value, np.float32)) for value in (2**0.5, 1, 0.5)]
    weights = (net.some(wide, 3, patch, patch), net.some(wide))
    edge = [patch, patch]
    seen = net.then("Conv", net.pixels(), *weights, kernel_shape=edge, strides=edge)
    seen = net.then("Transpose", net.then("Reshape", seen, flat), perm=[0, 2, 1])
    seen = net.then("Add", seen, net.some(1, tokens, wide))
    for _ in range(blocks):
        asked = net.linear(net.norm(seen, wide), wide, 3 * wide)
        asked = net.then("Transpose", net.then("Reshape", asked, split), perm=[2, 0, 3, 1, 4])
        query, key, value = (
            net.then("Gather", asked, net.constant(np.array(part, np.int64)), axis=0)
            for part in range(3)
        )
        alike = net.then("MatMul", query, net.then("Transpose", key, perm=[0, 1, 3, 2]))
        heed = net.then("Softmax", net.then("Mul", alike, eighth), axis=-1)
        found = net.then("Transpose", net.then("MatMul", heed, value), perm=[0, 2, 1, 3])
        found = net.linear(net.then("Reshape", found, joined), wide, wide)
        seen = net.then("Add", seen, found)
        inner = net.linear(net.norm(seen, wide), wide, 4 * wide)
        root, one, half = halves
        bent = net.then("Add", net.then("Erf", net.then("Div", inner, root)), one)
        bent = net.then("Mul", net.then("Mul", inner, bent), half)
        seen = net.then("Add", seen, net.linear(bent, 4 * wide, wide))
    mean = net.then("ReduceMean", net.norm(seen, wide), axes=[1], keepdims=0)
    return net.ended(mean, wide, folder)


def write_labels(folder: Path) -> None:
    """As many labels as WD v3 has, in its order."""
    names = {9: ["general", "sensitive", "questionable", "explicit"]}
    names[0] = [f"tag_{number}" for number in range(LABELS[0])]
    names[4] = [f"name_{number}_(series)" for number in range(LABELS[4])]
    rows = [(name, kind) for kind, count in LABELS.items() for name in names[kind][:count]]
    with (folder / "selected_tags.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["tag_id", "name", "category", "count"])
        table.writerows([place, *row, 1000] for place, row in enumerate(rows))


def draw_pictures(folder: Path, count: int, *, small: bool = False) -> str:
    """Booru-like files of .8 to 9 megapixels, or small JPEGs; returns what was drawn in words."""
    folder.mkdir(parents=True)
    rng = random.Random(7)
    pixels = 0
    found = dict.fromkeys((name for name, _ in FORMATS), 0)
    for number in range(count):
        place = (number * 37 + 11) % 100  # spreads sizes over formats, the same for any count
        area = 0.2 if small else _at(SIZES, place)
        kind = "jpg" if small else str(_at(FORMATS, (number * 61 + 5) % 100))
        ratio = rng.choice([0.7, 0.75, 1.0, 1.4])
        height = int((area * 1e6 / ratio) ** 0.5)
        width = int(height * ratio)
        image = draw(rng, width, height)
        path = folder / f"{number:04}.{kind}"
        if kind == "png" and number % 3 == 0:
            mask = Image.new("L", image.size)
            ImageDraw.Draw(mask).ellipse((width // 8, 50, width * 7 // 8, height), fill=255)
            image.putalpha(mask)
        image.save(path, **({} if kind == "png" else {"quality": 92}))
        found[kind] += 1
        pixels += width * height
    kinds = ", ".join(f"{many} {kind.upper()}" for kind, many in found.items() if many)
    return f"{count} pictures ({kinds}; {pixels / count / 1e6:.1f} megapixels each)"


def _at(shares: tuple[tuple[object, int], ...], place: int) -> object:
    """The value into whose share of a hundred a place falls."""
    for value, share in shares:
        place -= share
        if place < 0:
            return value
    return shares[-1][0]


def draw(rng: random.Random, width: int, height: int) -> Image.Image:
    """Soft shades under hard lines, with a little noise: as hard to compress as a drawing."""
    shade = Image.linear_gradient("L").resize((width, height))
    image = Image.merge("RGB", (shade, shade.transpose(Image.Transpose.ROTATE_180), shade))
    pen = ImageDraw.Draw(image)
    for _ in range(60):
        x, y, r = rng.randrange(width), rng.randrange(height), rng.randrange(15, width // 6)
        colour = tuple(rng.randrange(256) for _ in range(3))
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour, outline="black", width=3)
    grain = np.random.default_rng(rng.getrandbits(32)).integers(-3, 4, (height, width, 1), np.int16)
    return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))


def main(what: str, folder: Path, count: str) -> None:
    """Make one of them."""
    if what in {"tiny", "vit"}:
        {"tiny": tiny, "vit": vit}[what](folder)
    else:
        draw_pictures(folder, int(count), small=what in {"few", "many"})


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
