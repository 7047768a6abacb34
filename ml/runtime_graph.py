"""What a ``.tflite`` file holds: its operators and tensors, read and checked without a runtime.

The file is a FlatBuffer, a tree of tables that point at each other by offsets. LiteRT checks them
before it follows them; tflite-runtime 2.14 does not, and a shortened file ends the process there.
So every offset that a runtime will follow is checked here first, and the counts and indices that
it takes on trust as well. Layout: TensorFlow Lite schema, version 3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod

_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3
_CUSTOM = 32

_TYPES = {
    0: ("float32", 4),
    1: ("float16", 2),
    2: ("int32", 4),
    3: ("uint8", 1),
    4: ("int64", 8),
    6: ("bool", 1),
    7: ("int16", 2),
    9: ("int8", 1),
    10: ("float64", 8),
}
_WIDTHS = dict(_TYPES.values())

OPERATORS = {
    0: "ADD",
    1: "AVERAGE_POOL_2D",
    2: "CONCATENATION",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    5: "DEPTH_TO_SPACE",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    11: "L2_NORMALIZATION",
    14: "LOGISTIC",
    17: "MAX_POOL_2D",
    18: "MUL",
    19: "RELU",
    20: "RELU_N1_TO_1",
    21: "RELU6",
    22: "RESHAPE",
    23: "RESIZE_BILINEAR",
    25: "SOFTMAX",
    26: "SPACE_TO_DEPTH",
    28: "TANH",
    34: "PAD",
    36: "GATHER",
    37: "BATCH_TO_SPACE_ND",
    38: "SPACE_TO_BATCH_ND",
    39: "TRANSPOSE",
    40: "MEAN",
    41: "SUB",
    42: "DIV",
    43: "SQUEEZE",
    45: "STRIDED_SLICE",
    47: "EXP",
    49: "SPLIT",
    50: "LOG_SOFTMAX",
    53: "CAST",
    54: "PRELU",
    55: "MAXIMUM",
    57: "MINIMUM",
    59: "NEG",
    60: "PADV2",
    65: "SLICE",
    67: "TRANSPOSE_CONV",
    69: "TILE",
    70: "EXPAND_DIMS",
    73: "LOG",
    74: "SUM",
    75: "SQRT",
    76: "RSQRT",
    78: "POW",
    82: "REDUCE_MAX",
    83: "PACK",
    88: "UNPACK",
    89: "REDUCE_MIN",
    92: "SQUARE",
    97: "RESIZE_NEAREST_NEIGHBOR",
    98: "LEAKY_RELU",
    99: "SQUARED_DIFFERENCE",
    100: "MIRROR_PAD",
    101: "ABS",
    102: "SPLIT_V",
    105: "REVERSE_V2",
    111: "ELU",
    114: "QUANTIZE",
    117: "HARD_SWISH",
    126: "BATCH_MATMUL",
    128: "CUMSUM",
    130: "BROADCAST_TO",
    150: "GELU",
}
"""The operators that may stand in a model, by their number in the schema.

Not among them: what keeps a state from one item to the next, what branches, and what needs a
library of its own.
"""


class ModelError(Exception):
    """The bytes are no model that can be run here."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a graph.

    Parameters
    ----------
    name : str
        As the model calls it.
    shape : tuple of int
        Empty for a single value.
    kind : str
        How a value is stored, in numpy's words: ``int8``.
    constant : bool
        Whether its values are in the file.
    fixed : bool
        Whether every dimension has one size for good.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    constant: bool
    fixed: bool


@dataclass(frozen=True, slots=True)
class Operator:
    """A step of a graph.

    Parameters
    ----------
    name : str
        One of :data:`OPERATORS`.
    inputs : tuple of Tensor or None
        None where one that is optional was left out.
    outputs : tuple of Tensor
    """

    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one run, of all that mixes channels or places; 0 for the rest."""
        given = [tensor.shape if tensor is not None else () for tensor in self.inputs]
        made = self.outputs[0].shape
        match self.name:
            case "CONV_2D":
                return prod(made) * prod(given[1][1:])
            case "DEPTHWISE_CONV_2D":
                return prod(made) * prod(given[1][1:3])
            case "FULLY_CONNECTED":
                return prod(made) * given[1][-1]
            case "TRANSPOSE_CONV":  # shape of the output, weights, input
                return prod(given[2]) * prod(given[1][:3])
            case "BATCH_MATMUL":  # either factor may be stored transposed
                return prod(made) * (prod(given[0][-2:]) // made[-2])
            case _:
                return 0


@dataclass(frozen=True, slots=True)
class Graph:
    """What a model does, in order.

    Parameters
    ----------
    tensors : tuple of Tensor
    operators : tuple of Operator
    inputs, outputs : tuple of Tensor
        In the order of the file.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def tensors_not_int8(self) -> list[str]:
        """Name each tensor that keeps a full-int8 model from being one.

        int8 throughout means: every tensor is int8, but for the int32 of biases and of shapes,
        which have one dimension at most; paddings, constants as well, have two.

        Returns
        -------
        list of str
            ``name: type`` of every other tensor; empty for a full-int8 model.
        """
        # by identity: names are left out of the models that ship
        paddings = {
            id(tensor)
            for operator in self.operators
            if "PAD" in operator.name or "SPACE" in operator.name
            for tensor in operator.inputs[1:]
            if tensor is not None and tensor.constant and tensor.shape[1:] == (2,)
        }
        return [
            f"{tensor.name}: {tensor.kind}"
            for tensor in self.tensors
            if tensor.kind != "int8"
            and not (tensor.kind == "int32" and (len(tensor.shape) <= 1 or id(tensor) in paddings))
        ]

    @property
    def parameters(self) -> int:
        """Number of weights and biases: the values in the file that are multiplied or added."""
        learnt = {
            id(tensor): prod(tensor.shape)
            for operator in self.operators
            for place, tensor in enumerate(operator.inputs)
            if tensor is not None
            and tensor.constant
            and (tensor.kind != "int32" or (place == 2 and operator.multiply_adds))
        }
        return sum(learnt.values())

    @property
    def arena_bytes(self) -> int:
        """The most that computed tensors take at once, each kept from its first use to its last.

        It is the least memory that any runtime needs beside the file itself.
        """
        first = {id(tensor): 0 for tensor in self.inputs}
        last = {id(tensor): len(self.operators) for tensor in self.outputs}
        for step, operator in enumerate(self.operators):
            first |= {id(tensor): step for tensor in operator.outputs}
        for step, operator in reversed(list(enumerate(self.operators))):
            for tensor in operator.inputs:
                last.setdefault(id(tensor), step)
        sizes = {id(tensor): prod(tensor.shape) * _WIDTHS[tensor.kind] for tensor in self.tensors}
        return max(
            sum(sizes[key] for key in first if first[key] <= step <= last.get(key, first[key]))
            for step in range(len(self.operators))
        )


def read_graph(tflite: bytes) -> Graph:
    """Read and check a model.

    Parameters
    ----------
    tflite : bytes
        The file's content.

    Raises
    ------
    ModelError
        If the file is damaged, or holds an operator that is not one of :data:`OPERATORS`, more
        than one subgraph, a variable, or what this reader cannot vouch for.
    """
    if tflite[4:8] != _IDENTIFIER:
        raise ModelError("the file is no TensorFlow Lite model: it is to say TFL3 at byte 4")
    try:
        return _model(_Table(tflite, _unpack("<I", tflite, 0)))
    except _DamageError as error:
        raise ModelError(f"the model file is damaged: {error}") from None


class _DamageError(Exception):
    """An offset, a count or an index points where nothing can be."""


class _Table:
    """A table whose extent was checked; each access checks the extent of what it reads."""

    __slots__ = ("_at", "_data", "_fields", "_size")

    def __init__(self, data: bytes, at: int) -> None:
        start = at - _unpack("<i", data, at)
        length, self._size = _unpack("<H", data, start), _unpack("<H", data, start + 2)
        _within(data, start, length)
        _within(data, at, self._size)
        _check(length >= 4 and length % 2 == 0, f"a table without fields at byte {at}")
        self._fields = struct.unpack_from(f"<{length // 2 - 2}H", data, start + 4)
        self._data, self._at = data, at

    def scalar(self, field: int, form: str, default: int = 0) -> int:
        place = self._place(field, struct.calcsize(form))
        return default if place is None else _unpack("<" + form, self._data, place)

    def table(self, field: int) -> _Table | None:
        target = self._target(field)
        return None if target is None else _Table(self._data, target)

    def tables(self, field: int) -> list[_Table]:
        return [
            _Table(self._data, place + _unpack("<I", self._data, place))
            for place in self._items(field, 4)
        ]

    def numbers(self, field: int, form: str) -> tuple[int, ...]:
        items = self._items(field, struct.calcsize(form))
        return struct.unpack_from(f"<{len(items)}{form}", self._data, items.start) if items else ()

    def length(self, field: int) -> int:
        """Return the number of bytes in a vector of bytes."""
        return len(self._items(field, 1))

    def text(self, field: int) -> str:
        items = self._items(field, 1)
        if items and self._data[items.stop : items.stop + 1] != b"\0":
            raise _DamageError(f"a text at byte {items.start} has no end")
        try:
            # the runtimes decode names, too, and break off at what is no UTF-8
            return self._data[items.start : items.stop].decode()
        except UnicodeDecodeError:
            raise _DamageError(f"a text at byte {items.start} is not in UTF-8") from None

    def _items(self, field: int, size: int) -> range:
        target = self._target(field)
        if target is None:
            return range(0)
        count = _unpack("<I", self._data, target)
        _within(self._data, target + 4, count * size)
        return range(target + 4, target + 4 + count * size, size)

    def _target(self, field: int) -> int | None:
        place = self._place(field, 4)
        return None if place is None else place + _unpack("<I", self._data, place)

    def _place(self, field: int, size: int) -> int | None:
        offset = self._fields[field] if field < len(self._fields) else 0
        if not offset:
            return None
        _check(offset + size <= self._size, f"a field outside its table at byte {self._at}")
        return self._at + offset


def _unpack(form: str, data: bytes, at: int) -> int:
    _within(data, at, struct.calcsize(form))
    value: int = struct.unpack_from(form, data, at)[0]
    return value


def _within(data: bytes, at: int, size: int) -> None:
    _check(0 <= at <= len(data) - size, f"it points to byte {at} of {len(data)}")


def _model(model: _Table) -> Graph:
    if (version := model.scalar(0, "I")) != _SCHEMA_VERSION:
        raise ModelError(f"the model has schema version {version}, not {_SCHEMA_VERSION}")
    names = [_operator_name(code) for code in model.tables(1)]
    subgraphs = model.tables(2)
    if len(subgraphs) != 1:
        raise ModelError(f"the model has {len(subgraphs)} subgraphs; one is expected")
    sizes = [_buffer_size(buffer) for buffer in model.tables(4)]
    for entry in model.tables(6):
        entry.text(0)
        _check(entry.scalar(1, "I") < len(sizes), "metadata without a buffer")
    (subgraph,) = subgraphs
    subgraph.text(4)
    tensors = tuple(_tensor(tensor, sizes) for tensor in subgraph.tables(0))
    _check_signatures(model, len(tensors))
    inputs, outputs = (_chosen(subgraph.numbers(i, "i"), tensors) for i in (1, 2))
    known = {id(tensor) for tensor in tensors if tensor.constant} | {id(one) for one in inputs}
    operators = []
    for step in subgraph.tables(3):
        operator = _operator(step, names, tensors)
        for tensor in operator.inputs:
            if tensor is not None and id(tensor) not in known:
                raise ModelError(f"{operator.name} reads {tensor.name}, which nothing has written")
        known.update(id(tensor) for tensor in operator.outputs)
        operators.append(operator)
    if not inputs or not outputs or not all(id(tensor) in known for tensor in outputs):
        raise ModelError("the model has no input, or an output that nothing writes")
    return Graph(tensors, tuple(operators), inputs, outputs)


def _operator_name(code: _Table) -> str:
    # the first field holds a byte, kept for old readers; greater numbers are in the last alone
    number = max(code.scalar(0, "b"), code.scalar(3, "i"))
    if number == _CUSTOM:
        raise ModelError(f"the model needs the custom operator {code.text(1)!r}: none is known")
    if number not in OPERATORS:
        raise ModelError(f"the model needs operator {number} of the schema, which is not supported")
    return OPERATORS[number]


def _buffer_size(buffer: _Table) -> int:
    if buffer.scalar(1, "Q") or buffer.scalar(2, "Q"):
        raise ModelError("the model keeps weights outside of its tables, which is not supported")
    return buffer.length(0)


def _tensor(tensor: _Table, sizes: list[int]) -> Tensor:
    name = tensor.text(3)
    shape, signature = tensor.numbers(0, "i"), tensor.numbers(7, "i")
    if any(size < 1 for size in shape) or (signature and len(signature) != len(shape)):
        raise ModelError(f"tensor {name} has the shape {shape}: every size is to be 1 or more")
    number = tensor.scalar(1, "b")
    if number not in _TYPES:
        raise ModelError(f"tensor {name} is of type {number} of the schema; int8 is expected")
    kind, width = _TYPES[number]
    if tensor.scalar(5, "?") or tensor.table(6):
        raise ModelError(f"tensor {name} is a variable or sparse: no such tensor is supported")
    _check_quantisation(tensor.table(4), name, shape)
    buffer = tensor.scalar(2, "I")
    _check(buffer < len(sizes), f"tensor {name} without a buffer")
    if sizes[buffer] and sizes[buffer] != prod(shape) * width:
        raise ModelError(
            f"tensor {name} has {sizes[buffer]} bytes where {shape} of {kind} "
            f"takes {prod(shape) * width}"
        )
    return Tensor(name, shape, kind, sizes[buffer] > 0, -1 not in signature)


def _check_quantisation(table: _Table | None, name: str, shape: tuple[int, ...]) -> None:
    if table is None:
        return
    scales, zeros = table.numbers(2, "f"), table.numbers(3, "q")
    axis = table.scalar(6, "i")
    by_channel = 0 <= axis < len(shape) and len(scales) == shape[axis]
    if (
        table.scalar(4, "B")
        or not (len(scales) <= 1 or by_channel)
        or len(zeros) != len(scales)
        or not all(0 < scale < float("inf") for scale in scales)
        or not all(-128 <= zero <= 255 for zero in zeros)
    ):
        raise ModelError(f"tensor {name} has no scale and zero point that can be used")


def _check_signatures(model: _Table, n_tensors: int) -> None:
    for signature in model.tables(7):
        signature.text(2)
        for entry in (*signature.tables(0), *signature.tables(1)):
            entry.text(0)
            _check(entry.scalar(1, "I") < n_tensors, "a signature that names no tensor")
        _check(signature.scalar(4, "I") == 0, "a signature of no subgraph")


def _operator(step: _Table, names: list[str], tensors: tuple[Tensor, ...]) -> Operator:
    code = step.scalar(0, "I")
    _check(code < len(names), "an operator without a code")
    for options, vector in ((step.table(4), step.scalar(3, "B")), (step.table(12), 0)):
        if options is not None and vector in _OPTIONS_WITH_VECTOR:
            options.numbers(0, "i")
    for field, form in ((5, "B"), (7, "B"), (8, "i")):
        step.numbers(field, form)
    inputs = step.numbers(1, "i")
    made = _chosen(step.numbers(2, "i"), tensors)
    _check(len(made) > 0, f"{names[code]} without an output")
    return Operator(
        names[code],
        tuple(None if i == -1 else _chosen((i,), tensors)[0] for i in inputs),
        made,
    )


_OPTIONS_WITH_VECTOR = {17, 30}  # ReshapeOptions and SqueezeOptions


def _chosen(indices: tuple[int, ...], tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    _check(all(0 <= i < len(tensors) for i in indices), "an index of no tensor")
    return tuple(tensors[i] for i in indices)


def _check(holds: bool, problem: str) -> None:  # noqa: FBT001 (a condition)
    if not holds:
        raise _DamageError(problem)
