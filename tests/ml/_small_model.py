"""A model of two operators, written by the schema that comes with LiteRT, to be changed by tests.

Inputs ``a`` (3 values) and ``b`` (2) are joined and go through one fully connected layer to the 4
values of ``out``; every tensor is int8 with scale 1/64, but for the int32 bias.
"""

from __future__ import annotations

from collections.abc import Callable

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

BATCH = 4
A, B, JOINED, WEIGHTS, BIAS, OUT = range(6)
"""The tensors, in order."""
_SCALE = 1 / 64


def small_model(change: Callable[[schema.ModelT], None] | None = None) -> bytes:
    """Return the model, after `change` has had its ``ModelT``."""
    rng = np.random.default_rng(0)
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.tensors = [
        _tensor("a", [BATCH, 3]),
        _tensor("b", [BATCH, 2]),
        _tensor("joined", [BATCH, 5]),
        _constant(model, "weights", rng.integers(-127, 128, (4, 5)).astype(np.int8), _SCALE),
        _constant(model, "bias", rng.integers(-999, 1000, 4).astype(np.int32), _SCALE**2),
        _tensor("out", [BATCH, 4]),
    ]
    join, dense = schema.ConcatenationOptionsT(), schema.FullyConnectedOptionsT()
    join.axis = 1
    graph.operators = [
        _operator(model, "CONCATENATION", [A, B], [JOINED], join),
        _operator(model, "FULLY_CONNECTED", [JOINED, WEIGHTS, BIAS], [OUT], dense),
    ]
    graph.inputs, graph.outputs = [B, A], [OUT]
    model.subgraphs = [graph]
    if change is not None:
        change(model)
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(name: str, shape: list[int], scale: float = _SCALE) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type = name, shape, schema.TensorType.INT8
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [0]
    return tensor


def _constant(model: schema.ModelT, name: str, values: np.ndarray, scale: float) -> schema.TensorT:
    tensor = _tensor(name, list(values.shape), scale)
    if values.dtype == np.int32:
        tensor.type = schema.TensorType.INT32
    tensor.buffer = len(model.buffers)
    model.buffers.append(schema.BufferT())
    model.buffers[-1].data = np.frombuffer(values.tobytes(), np.uint8)
    return tensor


def _operator(
    model: schema.ModelT, name: str, inputs: list[int], outputs: list[int], options: object
) -> schema.OperatorT:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
    code.version = 1 if name == "CONCATENATION" else 4
    model.operatorCodes = [*(model.operatorCodes or []), code]
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = inputs, outputs
    kind = type(options).__name__.removesuffix("T")
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    operator.builtinOptions = options
    return operator
