"""Pictures that several threads ask about at once, shown to a graphics card together."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from datasetkit.taggers.prepare import terms
from datasetkit.taggers.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 16
_FLOATS = {"float32": 1, "float16": 10}  # as ONNX numbers them


class Gathered:
    """Runs a function of many for threads that each have one.

    Whoever comes while nothing runs goes at once, for itself and for all who wait; so batches
    grow just as much as the card is behind, and no picture waits for another to come.
    """

    def __init__(self, run: "Callable[[NDArray[Any]], list[NDArray[Any]]]", most: int) -> None:
        self._run = run
        self._most = most
        self._waiting: deque[tuple[NDArray[Any], Future[list[NDArray[Any]]]]] = deque()
        self._turn = threading.Lock()
        self.sizes: list[int] = []  # of the last batches, for those who measure

    def __call__(self, picture: "NDArray[Any]") -> "list[NDArray[Any]]":
        """One picture's answers, whatever company it ran in."""
        ticket: Future[list[NDArray[Any]]] = Future()
        self._waiting.append((picture, ticket))
        with self._turn:
            while not ticket.done():
                most = min(self._most, len(self._waiting))
                self._run_these([self._waiting.popleft() for _ in range(most)])
        return ticket.result()

    def _run_these(self, taken: "list[tuple[NDArray[Any], Future[list[NDArray[Any]]]]]") -> None:
        import numpy as np

        self.sizes = [*self.sizes[-99:], len(taken)]
        try:
            answers = self._run(np.stack([picture for picture, _ in taken]))
        except Exception as error:
            if len(taken) == 1:
                taken[0][1].set_exception(error)
                return
            half = len(taken) // 2
            self._run_these(taken[:half])
            self._run_these(taken[half:])
            if not any(ticket.exception() for _, ticket in taken):
                self._most = half  # it was too much at once for the card's memory
            return
        for place, (_, ticket) in enumerate(taken):
            ticket.set_result([answer[place] for answer in answers])


class Feeder:
    """Brings squares of bytes to the card and makes a model's numbers of them there.

    A quarter of the bytes travel, and the processor multiplies nothing. The numbers stay on the
    card: the model reads them where they are.
    """

    def __init__(self, session: Any, spec: Spec, dtype: str, device: str = "cuda") -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 4
        self._session = session
        self._given = session.get_inputs()[0].name
        self._device = device
        self._prepare = ort.InferenceSession(
            graph(spec, dtype), options, providers=session.get_providers()
        )

    def __call__(self, pictures: "NDArray[np.uint8]", outputs: list[str]) -> "list[NDArray[Any]]":
        """Run the model on (pictures, side, side, 3) of bytes; the answers are arrays here."""
        import numpy as np

        first = self._prepare.io_binding()
        first.bind_cpu_input("pixels", np.ascontiguousarray(pictures))
        first.bind_output("numbers", self._device)
        first.synchronize_inputs()  # bound bytes are only under way to the card
        self._prepare.run_with_iobinding(first)
        first.synchronize_outputs()  # the model's session goes its own way there
        second = self._session.io_binding()
        second.bind_ortvalue_input(self._given, first.get_outputs()[0])
        for name in outputs:
            second.bind_output(name, self._device)
        self._session.run_with_iobinding(second)
        return list(second.copy_outputs_to_cpu())


def graph(spec: Spec, dtype: str) -> bytes:
    """A model of four steps as ONNX: bytes to numbers, divided, less the mean, divided again.

    It is written by hand, a few hundred bytes, for the package that writes ONNX files is large
    and nothing else here needs it. Layout: onnx.proto of ONNX 1.17, opset 13.
    """
    import numpy as np

    std, mean = terms(spec)
    divisor = np.full((1, 1, 1, 1), 255 / spec.top, np.float32)
    nodes = [_node("Cast", ["pixels"], "cast", to=1)]
    last = "cast"
    if spec.layout == "NCHW":
        nodes.append(_node("Transpose", [last], "turned", perm=[0, 3, 1, 2]))
        last = "turned"
    for kind, name in (("Div", "divisor"), ("Sub", "mean"), ("Div", "std")):
        nodes.append(_node(kind, [last, name], f"by_{name}"))
        last = f"by_{name}"
    nodes.append(_node("Cast", [last], "numbers", to=_FLOATS[dtype]))
    tensors = [_tensor(name, value) for name, value in
               (("divisor", divisor), ("mean", mean), ("std", std))]  # fmt: skip
    body = b"".join(_field(1, node) for node in nodes) + _field(2, b"prepare")
    body += b"".join(_field(5, tensor) for tensor in tensors)
    body += _field(11, _value("pixels", 2)) + _field(12, _value("numbers", _FLOATS[dtype]))
    return _number(1, 8) + _field(7, body) + _field(8, _field(1, b"") + _number(2, 13))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(tag: int, value: int) -> bytes:
    return _varint(tag << 3) + _varint(value)


def _field(tag: int, content: bytes) -> bytes:
    return _varint(tag << 3 | 2) + _varint(len(content)) + content


def _node(kind: str, inputs: list[str], output: str, **attributes: int | list[int]) -> bytes:
    node = b"".join(_field(1, name.encode()) for name in inputs)
    node += _field(2, output.encode()) + _field(4, kind.encode())
    for name, value in attributes.items():
        said = _field(1, name.encode())
        if isinstance(value, int):
            said += _number(3, value) + _number(20, 2)
        else:
            said += b"".join(_number(8, item) for item in value) + _number(20, 7)
        node += _field(5, said)
    return node


def _tensor(name: str, value: "NDArray[np.float32]") -> bytes:
    shape = b"".join(_number(1, length) for length in value.shape)
    return shape + _number(2, 1) + _field(8, name.encode()) + _field(9, value.tobytes())


def _value(name: str, kind: int) -> bytes:
    lengths = b"".join(_field(1, _field(2, word)) for word in (b"n", b"a", b"b", b"c"))
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, kind) + _field(2, lengths)))
