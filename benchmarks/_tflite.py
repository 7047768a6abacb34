"""A .tflite file as objects to be changed, by the schema that comes with LiteRT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT32: np.int32,
}
NAMES = {number: name for name, number in vars(schema.BuiltinOperator).items() if name.isupper()}
"""Of the operators, by their number."""


class Unsupported(Exception):  # noqa: N818 (what it says of an operator)
    """A graph holds what cannot be turned into its float twin."""


def parsed(tflite: bytes) -> schema.ModelT:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite))


def packed(model: schema.ModelT) -> bytes:
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def operator_name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    return NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]


def shape(tensor: schema.TensorT) -> tuple[int, ...]:
    return tuple(int(size) for size in (tensor.shape if tensor.shape is not None else ()))


def is_stored(model: schema.ModelT, tensor: schema.TensorT) -> bool:
    """Return whether the file holds the values of a tensor; the others are computed."""
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def stored(model: schema.ModelT, tensor: schema.TensorT) -> NDArray[Any] | None:
    """Return the values that the file holds of a tensor; None where it is computed."""
    if not is_stored(model, tensor):
        return None
    if tensor.type not in _TYPES:
        raise Unsupported(f"{tensor.name.decode()} is of a type that int8 models do not have")
    data = bytes(model.buffers[tensor.buffer].data)
    return np.frombuffer(data, _TYPES[tensor.type]).reshape(shape(tensor))


def scales(tensor: schema.TensorT) -> tuple[NDArray[np.float32], NDArray[np.int64], int] | None:
    """Return scales, zero points and the axis they stand along; None where it is not quantised."""
    given = tensor.quantization
    if given is None or given.scale is None or not len(given.scale):
        return None
    return (
        np.asarray(given.scale, np.float32),
        np.asarray(given.zeroPoint, np.int64),
        int(given.quantizedDimension),
    )


def real(model: schema.ModelT, tensor: schema.TensorT) -> NDArray[Any] | None:
    """Return what the stored values stand for; they themselves where they are not quantised."""
    values, quantised = stored(model, tensor), scales(tensor)
    if values is None or quantised is None:
        return values
    scale, zero, axis = quantised
    along = [1] * values.ndim
    if len(scale) > 1:
        along[axis] = -1
    return ((values - zero.reshape(along)) * scale.reshape(along)).astype(np.float32)


def float_twin(tflite: bytes) -> bytes:
    """Return the same network with float32 in place of int8, its weights the quantised ones."""
    model = parsed(tflite)
    (graph,) = model.subgraphs
    values = [real(model, tensor) for tensor in graph.tensors]
    for tensor, value in zip(graph.tensors, values, strict=True):
        if scales(tensor) is None:
            continue
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
        if value is not None:
            model.buffers.append(schema.BufferT())
            model.buffers[-1].data = np.frombuffer(value.tobytes(), np.uint8)
            tensor.buffer = len(model.buffers) - 1
    _leave_out_quantize(model)
    return packed(model)


def _leave_out_quantize(model: schema.ModelT) -> None:
    """Take out the steps that only change a scale."""
    (graph,) = model.subgraphs
    kept, instead = [], {}
    for operator in graph.operators:
        operator.inputs = [instead.get(int(index), int(index)) for index in operator.inputs]
        if operator_name(model, operator) != "QUANTIZE":
            kept.append(operator)
        elif operator.outputs[0] in graph.outputs:
            raise Unsupported("QUANTIZE as the last step has no float twin here")
        else:
            instead[int(operator.outputs[0])] = operator.inputs[0]
    graph.operators = kept
