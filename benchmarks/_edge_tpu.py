"""Whether the Edge TPU, as an example of an integer accelerator, would accept a model.

After the operators, their limitations and the requirements of a model that Coral publishes
(coral.ai/docs/edgetpu/models-intro, runtime version 14). Checked are the conditions that can be
read off the graph; whether a tensor is too large for the chip is for its compiler to say.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from benchmarks._tflite import is_stored, operator_name, parsed, shape, stored

OPERATORS = frozenset(
    {
        "ADD",
        "AVERAGE_POOL_2D",
        "CONCATENATION",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "EXPAND_DIMS",
        "FULLY_CONNECTED",
        "L2_NORMALIZATION",
        "LOGISTIC",
        "MAXIMUM",
        "MAX_POOL_2D",
        "MEAN",
        "MINIMUM",
        "MUL",
        "PACK",
        "PAD",
        "PRELU",
        "QUANTIZE",
        "REDUCE_MAX",
        "REDUCE_MIN",
        "RELU",
        "RELU6",
        "RELU_N1_TO_1",
        "RESHAPE",
        "RESIZE_BILINEAR",
        "RESIZE_NEAREST_NEIGHBOR",
        "RSQRT",
        "SLICE",
        "SOFTMAX",
        "SPACE_TO_DEPTH",
        "SPLIT",
        "SQUARED_DIFFERENCE",
        "SQUEEZE",
        "STRIDED_SLICE",
        "SUB",
        "SUM",
        "TANH",
        "TRANSPOSE",
        "TRANSPOSE_CONV",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
    }
)
_NO_ACTIVATION = {"AVERAGE_POOL_2D", "CONCATENATION", "MAX_POOL_2D"}
_NOT_ACROSS_ITEMS = {"MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"}
_LARGEST_SOFTMAX = 16_000


def refusals(tflite: bytes) -> list[str]:
    """Return why the Edge TPU would not take all of a model; nothing where it would.

    Each reason stands once, however many operators it holds for.
    """
    model = parsed(tflite)
    (graph,) = model.subgraphs
    found: dict[str, None] = {}
    for operator in graph.operators:
        name = operator_name(model, operator)
        if name not in OPERATORS:
            found[f"{name} is not on its list"] = None
            continue
        tensors = [graph.tensors[i] for i in (*operator.inputs, *operator.outputs) if i >= 0]
        computed = [shape(tensor) for tensor in tensors if not is_stored(model, tensor)]
        if any(prod(sizes[:-3]) > 1 for sizes in computed):
            found["more than the last three dimensions have a size above 1"] = None
        for reason in _conditions(model, operator, name):
            found[reason] = None
    return list(found)


def _conditions(model: Any, operator: Any, name: str) -> list[str]:  # noqa: ANN401 (schema objects)
    tensors, options = model.subgraphs[0].tensors, operator.builtinOptions
    made = shape(tensors[operator.outputs[0]])
    found = []
    if name in _NO_ACTIVATION and options.fusedActivationFunction:
        found.append(f"{name} has a fused activation")
    if name == "CONCATENATION":
        constants = [stored(model, tensors[index]) for index in operator.inputs]
        fixed = [values for values in constants if values is not None]
        if fixed and (len(constants) > 2 or any(np.any(values) for values in fixed)):
            found.append("CONCATENATION with a constant that is not zero")
    if name == "CONV_2D" and options.dilationWFactor != options.dilationHFactor:
        found.append(f"{name} is dilated differently along x and y")
    if name == "FULLY_CONNECTED" and prod(made[:-1]) > 1:
        found.append("FULLY_CONNECTED gives more than one row")
    if name in _NOT_ACROSS_ITEMS and 0 in np.atleast_1d(stored(model, tensors[operator.inputs[1]])):
        found.append(f"{name} runs across the batch")
    if name == "SOFTMAX" and (prod(made[:-1]) > 1 or made[-1] > _LARGEST_SOFTMAX):
        found.append(f"SOFTMAX takes more than one row, or more than {_LARGEST_SOFTMAX:,} values")
    if name == "STRIDED_SLICE" and np.any(stored(model, tensors[operator.inputs[3]]) != 1):
        found.append("STRIDED_SLICE has a step other than 1")
    return found
