"""The network of an int8 .tflite file as ONNX: float32, or int8 as ONNX writes it.

TensorFlow Lite keeps channels last, ONNX wants them first: a Transpose stands on both sides of
what needs it, and ONNX Runtime takes out those that meet. int8 is written as QuantizeLinear and
DequantizeLinear around float operators, with the scales of the file, which ONNX Runtime fuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks._tflite import Unsupported, operator_name, parsed, real, scales, shape, stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

OPSET, IR_VERSION = 20, 10
_FIRST, _LAST = [0, 3, 1, 2], [0, 2, 3, 1]
_SAME = {
    "ADD": "Add",
    "SUB": "Sub",
    "MUL": "Mul",
    "DIV": "Div",
    "MAXIMUM": "Max",
    "MINIMUM": "Min",
    "RELU": "Relu",
    "LOGISTIC": "Sigmoid",
    "TANH": "Tanh",
    "HARD_SWISH": "HardSwish",
    "EXP": "Exp",
    "ABS": "Abs",
    "SQRT": "Sqrt",
    "TILE": "Tile",
}
_REDUCE = {"MEAN": "ReduceMean", "SUM": "ReduceSum", "REDUCE_MAX": "ReduceMax"}


def onnx_twin(tflite: bytes, *, int8: bool) -> bytes:
    """Return the network as a serialised ONNX model.

    Its inputs and outputs are float32 and have the names that they have in the .tflite file.
    """
    return _Writer(tflite, int8=int8).model().SerializeToString()


class _Writer:
    def __init__(self, tflite: bytes, *, int8: bool) -> None:
        self._model = parsed(tflite)
        (self._graph,) = self._model.subgraphs
        self._int8 = int8
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._values: dict[int, str] = {}
        self._n_names = 0

    def model(self) -> onnx.ModelProto:
        inputs = []
        for index in self._graph.inputs:
            inputs.append(self._described(index))
            self._values[index] = self._requantised(inputs[-1].name, index)
        for operator in self._graph.operators:
            if len(operator.outputs) != 1:
                name = operator_name(self._model, operator)
                raise Unsupported(f"{name} with several outputs has no ONNX twin here")
            index = operator.outputs[0]
            value = self._activated(self._written(operator), operator.builtinOptions)
            self._values[index] = self._requantised(value, index)
        outputs = [self._described(index) for index in self._graph.outputs]
        for index, output in zip(self._graph.outputs, outputs, strict=True):
            self._nodes.append(helper.make_node("Identity", [self._values[index]], [output.name]))
        graph = helper.make_graph(self._nodes, "twin", inputs, outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET)]
        made = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(made)
        return made

    def _written(self, operator: Any) -> str:  # noqa: ANN401, C901 (a schema object)
        name, options = operator_name(self._model, operator), operator.builtinOptions
        first = operator.inputs[0]
        made = shape(self._graph.tensors[operator.outputs[0]])
        match name:
            case "CONV_2D":
                return self._convolution(operator, [0, 3, 1, 2], 1)
            case "DEPTHWISE_CONV_2D":
                channels = shape(self._graph.tensors[first])[3]
                return self._convolution(operator, [3, 0, 1, 2], channels)
            case "TRANSPOSE_CONV":
                return self._transposed_convolution(operator, made)
            case "FULLY_CONNECTED":
                weights = self._constant_value(operator.inputs[1], [0, 1])
                width = shape(self._graph.tensors[operator.inputs[1]])[1]
                flat = self._add("Reshape", [self._value(first), self._numbers([-1, width])])
                dense = self._add("Gemm", [flat, weights, *self._bias(operator)], transB=1)
                return self._add("Reshape", [dense, self._numbers(made)])
            case "AVERAGE_POOL_2D" | "MAX_POOL_2D":
                pooled = self._add(
                    "AveragePool" if name == "AVERAGE_POOL_2D" else "MaxPool",
                    [self._add("Transpose", [self._value(first)], perm=_FIRST)],
                    kernel_shape=[options.filterHeight, options.filterWidth],
                    strides=[options.strideH, options.strideW],
                    pads=self._pads(operator, [options.filterHeight, options.filterWidth], [1, 1]),
                )
                return self._add("Transpose", [pooled], perm=_LAST)
            case "MEAN" | "SUM" | "REDUCE_MAX":
                axes = self._numbers(np.atleast_1d(self._integers(operator.inputs[1])))
                keep = int(options.keepDims)
                return self._add(_REDUCE[name], [self._value(first), axes], keepdims=keep)
            case "CONCATENATION":
                given = [self._value(index) for index in operator.inputs]
                return self._add("Concat", given, axis=options.axis)
            case "RESHAPE" | "SQUEEZE" | "EXPAND_DIMS":
                return self._add("Reshape", [self._value(first), self._numbers(made)])
            case "PAD":
                pads = self._integers(operator.inputs[1]).reshape(-1, 2).T.ravel()
                return self._add("Pad", [self._value(first), self._numbers(pads)])
            case "TILE":
                times = self._numbers(self._integers(operator.inputs[1]))
                return self._add("Tile", [self._value(first), times])
            case "TRANSPOSE":
                order = [int(axis) for axis in self._integers(operator.inputs[1])]
                return self._add("Transpose", [self._value(first)], perm=order)
            case "STRIDED_SLICE":
                return self._slice(operator, made)
            case "SOFTMAX":
                return self._add("Softmax", [self._value(first)], axis=-1)
            case "RELU6":
                bounds = [self._number(0), self._number(6)]
                return self._add("Clip", [self._value(first), *bounds])
            case "LEAKY_RELU":
                return self._add("LeakyRelu", [self._value(first)], alpha=options.alpha)
            case "QUANTIZE":
                return self._value(first)
            case "GELU":
                form = "tanh" if options.approximate else "none"
                return self._add("Gelu", [self._value(first)], approximate=form)
            case "BATCH_MATMUL":
                return self._product(operator)
            case "RESIZE_NEAREST_NEIGHBOR":
                factors = np.array(made, np.float32) / shape(self._graph.tensors[first])
                return self._add(
                    "Resize",
                    [self._value(first), "", self._constant(factors.astype(np.float32))],
                    mode="nearest",
                    coordinate_transformation_mode="asymmetric",
                    nearest_mode="floor",
                )
            case _ if name in _SAME:
                return self._add(_SAME[name], [self._value(index) for index in operator.inputs])
            case _:
                raise Unsupported(f"{name} has no ONNX twin here: add it to {__name__}")

    def _convolution(self, operator: Any, order: list[int], group: int) -> str:  # noqa: ANN401
        options = operator.builtinOptions
        weights = self._constant_value(operator.inputs[1], order)
        size = shape(self._graph.tensors[operator.inputs[1]])[1:3]
        made = self._add(
            "Conv",
            [
                self._add("Transpose", [self._value(operator.inputs[0])], perm=_FIRST),
                weights,
                *self._bias(operator),
            ],
            kernel_shape=list(size),
            strides=[options.strideH, options.strideW],
            dilations=(apart := [options.dilationHFactor, options.dilationWFactor]),
            pads=self._pads(operator, size, apart),
            group=group,
        )
        return self._add("Transpose", [made], perm=_LAST)

    def _pads(self, operator: Any, size: Sequence[int], apart: list[int]) -> list[int]:  # noqa: ANN401
        """Return how far a window that may stand `apart` reaches beyond both ends of its input."""
        options = operator.builtinOptions
        tensors = (self._graph.tensors[i] for i in (operator.inputs[0], operator.outputs[0]))
        given, made = (shape(tensor)[1:3] for tensor in tensors)
        beyond = [
            max((m - 1) * s + (k - 1) * d + 1 - n, 0)
            for n, m, s, k, d in zip(
                given, made, (options.strideH, options.strideW), size, apart, strict=True
            )
        ]
        return [one // 2 for one in beyond] + [one - one // 2 for one in beyond]

    def _transposed_convolution(self, operator: Any, made: Sequence[int]) -> str:  # noqa: ANN401
        _, weights, given = operator.inputs[:3]
        options, size = operator.builtinOptions, shape(self._graph.tensors[weights])[1:3]
        strides = [options.strideH, options.strideW]
        sizes = shape(self._graph.tensors[given])[1:3]
        cut = [
            (n - 1) * s + k - m for n, s, k, m in zip(sizes, strides, size, made[1:3], strict=True)
        ]
        made_first = self._add(
            "ConvTranspose",
            [
                self._add("Transpose", [self._value(given)], perm=_FIRST),
                self._constant_value(weights, [3, 0, 1, 2]),
                *self._bias(operator, 3),
            ],
            kernel_shape=list(size),
            strides=strides,
            pads=[one // 2 for one in cut] + [one - one // 2 for one in cut],
        )
        return self._add("Transpose", [made_first], perm=_LAST)

    def _bias(self, operator: Any, place: int = 2) -> list[str]:  # noqa: ANN401
        if len(operator.inputs) <= place or operator.inputs[place] < 0:
            return []
        return [self._constant_value(operator.inputs[place], [0])]

    def _product(self, operator: Any) -> str:  # noqa: ANN401
        factors = []
        for index, turned in zip(
            operator.inputs,
            (operator.builtinOptions.adjX, operator.builtinOptions.adjY),
            strict=True,
        ):
            value, rank = self._value(index), len(shape(self._graph.tensors[index]))
            order = [*range(rank - 2), rank - 1, rank - 2]
            factors.append(self._add("Transpose", [value], perm=order) if turned else value)
        return self._add("MatMul", factors)

    def _slice(self, operator: Any, made: Sequence[int]) -> str:  # noqa: ANN401
        options, tensor = operator.builtinOptions, self._graph.tensors[operator.inputs[0]]
        if options.ellipsisMask or options.newAxisMask:
            raise Unsupported("STRIDED_SLICE with an ellipsis or a new axis has no ONNX twin here")
        begin, end, step = (self._integers(index).copy() for index in operator.inputs[1:])
        for axis, size in enumerate(shape(tensor)):
            if options.beginMask >> axis & 1:
                begin[axis] = 0
            if options.shrinkAxisMask >> axis & 1:
                end[axis] = begin[axis] + 1 or size
            elif options.endMask >> axis & 1:
                end[axis] = size
        bounds = [self._numbers(one) for one in (begin, end, range(len(begin)), step)]
        part = self._add("Slice", [self._value(operator.inputs[0]), *bounds])
        return self._add("Reshape", [part, self._numbers(made)])

    def _activated(self, value: str, options: Any) -> str:  # noqa: ANN401
        match getattr(options, "fusedActivationFunction", 0):
            case 0:
                return value
            case 1:
                return self._add("Relu", [value])
            case 3:
                return self._add("Clip", [value, self._number(0), self._number(6)])
            case other:
                raise Unsupported(f"the fused activation {other} has no ONNX twin here")

    def _requantised(self, value: str, index: int) -> str:
        if not self._int8:
            return value
        given = scales(self._graph.tensors[index])
        if given is None:
            raise Unsupported(f"tensor {index} has no scale")
        scale, zero = self._constant(given[0][0]), self._constant(given[1][0].astype(np.int8))
        levels = self._add("QuantizeLinear", [value, scale, zero])
        return self._add("DequantizeLinear", [levels, scale, zero])

    def _value(self, index: int) -> str:
        if index not in self._values:
            rank = len(shape(self._graph.tensors[index]))
            self._values[index] = self._constant_value(index, list(range(rank)))
        return self._values[index]

    def _constant_value(self, index: int, order: list[int]) -> str:
        tensor = self._graph.tensors[index]
        values, given = stored(self._model, tensor), scales(tensor)
        if values is None:
            raise Unsupported(f"tensor {index} is to be a constant")
        if not self._int8 or given is None:
            return self._constant(real(self._model, tensor).transpose(order))
        scale, zero, axis = given
        if len(scale) == 1:
            scale, zero = scale[0], zero[0]
        return self._add(
            "DequantizeLinear",
            [
                self._constant(values.transpose(order)),
                self._constant(scale),
                self._constant(zero.astype(values.dtype)),
            ],
            axis=order.index(axis) if order else 0,
        )

    def _integers(self, index: int) -> NDArray[Any]:
        values = stored(self._model, self._graph.tensors[index])
        if values is None:
            raise Unsupported(f"tensor {index} is to be a constant")
        return values

    def _numbers(self, values: Sequence[int] | NDArray[Any]) -> str:
        return self._constant(np.asarray(values, np.int64))

    def _number(self, value: float) -> str:
        return self._constant(np.float32(value))

    def _constant(self, values: NDArray[Any] | np.generic) -> str:
        name = self._name()
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        if np.ndim(values) == 0:  # which ascontiguousarray makes a vector
            self._constants[-1].ClearField("dims")
        return name

    def _add(self, kind: str, inputs: list[str], **attributes: Any) -> str:  # noqa: ANN401
        name = self._name()
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def _name(self) -> str:
        self._n_names += 1
        return f"value_{self._n_names}"

    def _described(self, index: int) -> onnx.ValueInfoProto:
        tensor = self._graph.tensors[index]
        name = tensor.name.decode()
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape(tensor))
