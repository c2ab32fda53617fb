"""Finding faces and persons by a detector model: ONNX as YOLOv8 exports it.

The model takes [1, 3, side, side] of RGB from 0 to 1 and gives [1, 4 + classes, candidates]: each
candidate's centre, width and height in the model's pixels, and how surely it is of each class.
The anime face, head and person detectors that the deepghs project publishes are such files.
"""

import ast
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasetkit.cleaners.pixels.boxes import Box, best_of_each
from datasetkit.errors import ModelError
from datasetkit.pixels import flattened

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

SIDE = 640  # where the model takes any size: what such models are trained on
GRAY = 114  # what fills the square beside the picture, as in training
LONG = 2.0  # a longer picture is also looked at in pieces: scaled to the square it shows little
MOST = 2000  # candidates; beyond that a model sees things everywhere
PIECES = 64  # looks at one picture


@dataclass(frozen=True)
class Detector:
    """A model that finds things, and their names. Threads may share it."""

    path: Path
    kinds: Sequence[str]
    side: int
    session: Any

    @classmethod
    def load(cls, path: Path | str) -> "Detector":
        """Open a model: an ONNX file, or a folder with one. Raises ModelError for what is none.

        The names of its classes come from its own metadata or a labels.json beside it.
        """
        path = _model_file(Path(path))
        session = _session(path)
        inputs, outputs = session.get_inputs(), session.get_outputs()
        shape = inputs[0].shape
        if len(inputs) != 1 or len(shape) != 4 or shape[1] != 3 or len(outputs[0].shape) != 3:
            raise ModelError(
                f"'{path}' is no detector as YOLOv8 exports them: it takes {shape} and gives "
                f"{outputs[0].shape}, not [1, 3, side, side] and [1, 4 + classes, candidates]"
            )
        told = session.get_modelmeta().custom_metadata_map
        side = shape[2] if isinstance(shape[2], int) else _told_side(told.get("imgsz", ""))
        return cls(path, _kinds(path, told.get("names", "")), side, session)

    def boxes(self, image: "Image", least: float = 0.3) -> list[Box]:
        """What is found in an RGB or RGBA image at least so surely, the surest first.

        Boxes are in the image's pixels. Of an image beyond 2:1 its square pieces are looked at
        too, and what they show whole is taken in.
        """
        if image.mode != "RGB":
            image = flattened(image.convert("RGBA"), (255, 255, 255))
        found = self._look(image, least)
        long, short = max(image.size), min(image.size)
        if long > LONG * short:
            down = image.height > image.width
            count = min(PIECES, -(-2 * long // short))  # each piece half on the next
            for number in range(count):
                start = number * (long - short) // (count - 1)
                end = start + short
                box = (0, start, short, end) if down else (start, 0, end, short)
                for seen in self._look(image.crop(box), least):
                    first, last = (seen.y0, seen.y1) if down else (seen.x0, seen.x1)
                    rim = short * 0.01  # what touches a cut is seen whole elsewhere
                    if (first > rim or start == 0) and (last < short - rim or end == long):
                        found.append(_moved(seen, box[0], box[1]))
        return best_of_each(found)

    def _look(self, image: "Image", least: float) -> list[Box]:
        """What one look at an RGB image finds: it is fitted into the model's square."""
        import numpy as np
        from PIL import Image

        scale = self.side / max(image.size)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        left, top = (self.side - size[0]) // 2, (self.side - size[1]) // 2
        square = Image.new("RGB", (self.side, self.side), (GRAY, GRAY, GRAY))
        square.paste(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0), (left, top))
        given = np.asarray(square, np.float32).transpose(2, 0, 1)[None] / 255
        asked = self.session.get_inputs()[0]
        if asked.type == "tensor(float16)":
            given = given.astype(np.float16)
        try:
            answer = self.session.run(None, {asked.name: given})[0][0].astype(np.float32)
        except Exception as error:  # onnxruntime's own classes share no other base
            reason = str(error).splitlines()[0][:200]
            raise ModelError(f"'{self.path}' cannot look at a picture ({reason})") from error
        found = []
        for x, y, width, height, score, kind in self._sure(answer, least):
            x0, x1 = ((x + side * width / 2 - left) / scale for side in (-1, 1))
            y0, y1 = ((y + side * height / 2 - top) / scale for side in (-1, 1))
            box = Box(
                max(0.0, x0), max(0.0, y0), min(float(image.width), x1),
                min(float(image.height), y1), score, self._kind(kind),
            )  # fmt: skip
            if box.area > 0:
                found.append(box)
        return best_of_each(found)

    def _sure(
        self, answer: "NDArray[Any]", least: float
    ) -> Iterator[tuple[float, float, float, float, float, int]]:
        """The candidates that are sure enough: centre, size, score, class; the surest first."""
        import numpy as np

        rows = answer.T if answer.shape[0] < answer.shape[1] else answer
        if rows.shape[1] < 5 or not np.isfinite(rows).all():
            raise ModelError(f"'{self.path}' answers {list(answer.shape)}: no list of boxes")
        scores = rows[:, 4:].max(axis=1)
        classes = rows[:, 4:].argmax(axis=1)
        chosen = np.flatnonzero(scores >= least)
        for place in chosen[np.argsort(-scores[chosen], kind="stable")][:MOST]:
            x, y, width, height = rows[place, :4].tolist()
            yield x, y, width, height, float(scores[place]), int(classes[place])

    def _kind(self, number: int) -> str:
        return self.kinds[number] if number < len(self.kinds) else f"class {number}"


def _moved(box: Box, x: float, y: float) -> Box:
    return Box(box.x0 + x, box.y0 + y, box.x1 + x, box.y1 + y, box.score, box.kind)


def _model_file(path: Path) -> Path:
    """The ONNX file that a path means."""
    if path.is_dir():
        found = sorted(path.glob("*.onnx"))
        if path / "model.onnx" in found:
            return path / "model.onnx"
        if len(found) != 1:
            raise ModelError(f"'{path}' holds {len(found)} ONNX files; name the one that is meant")
        return found[0]
    if not path.is_file():
        raise ModelError(f"there is no '{path}'; a detector is an ONNX file, or its folder")
    return path


def _session(path: Path) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    # Pictures come from several threads, each with a run of its own; more would only wait.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what goes wrong is raised; stderr is not ours
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes share no other base
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"'{path}' is no whole ONNX model ({reason})") from error


def _told_side(text: str) -> int:
    """The square's side in metadata such as "[640, 640]"."""
    digits = text.strip("[]() ").split(",")[0]
    return int(digits) if digits.isdigit() and 32 <= int(digits) <= 4096 else SIDE


def _kinds(path: Path, told: str) -> tuple[str, ...]:
    """The names of a model's classes, from its metadata ("{0: 'face'}") or a file beside it."""
    try:
        if told:
            names = ast.literal_eval(told)
            return tuple(str(names[number]) for number in sorted(names))
        beside = path.with_name("labels.json")
        if beside.is_file():
            return tuple(str(name) for name in json.loads(beside.read_text(encoding="utf-8")))
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError):
        pass  # nameless classes are as good
    return ()
