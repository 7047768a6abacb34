"""How far each tensor of an int8 model is from the same tensor of the float32 model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from ml.runtime_graph import read_graph

_MOST_ITEMS = 512


@dataclass(frozen=True, slots=True)
class LayerError:
    """What one operator gives, int8 against float32.

    Parameters
    ----------
    name : str
        Of its output.
    operator : str
        ``CONV_2D``.
    relative : float
        Root of the mean square of the difference over that of the float32 values.
    """

    name: str
    operator: str
    relative: float


def int8_errors(
    float_model: bytes, int8_model: bytes, inputs: Mapping[str, NDArray[np.float32]]
) -> list[LayerError]:
    """Run both models on the same inputs and compare what each operator gives, in order.

    Parameters
    ----------
    float_model, int8_model : bytes
        Of the same network: their tensors have the same names.
    inputs : mapping of str to numpy.ndarray
        Of training patients, by the names of the network's inputs; 512 are taken.
    """
    graph = read_graph(int8_model)
    operators = {one.outputs[0].name: one.name for one in graph.operators}
    ours, theirs = (_values(model, inputs, operators) for model in (int8_model, float_model))
    errors = []
    for name in (name for name in operators if name in ours and name in theirs):
        real = theirs[name]
        rms = np.sqrt(np.square(real).mean())
        error = np.sqrt(np.square(ours[name] - real).mean())
        errors.append(LayerError(name, operators[name], float(error / max(rms, 1e-12))))
    return errors


def _values(
    model: bytes, inputs: Mapping[str, NDArray[np.float32]], wanted: Mapping[str, str]
) -> dict[str, NDArray[np.float64]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the memory that kept tensors take
        interpreter = Interpreter(
            model_content=model, num_threads=1, experimental_preserve_all_tensors=True
        )
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()
    batch = int(given[0]["shape"][0])
    tensors = [one for one in interpreter.get_tensor_details() if one["name"] in wanted]
    found: dict[str, list[NDArray[np.float64]]] = {one["name"]: [] for one in tensors}
    n = min(_MOST_ITEMS, len(next(iter(inputs.values()))))
    for start in range(0, n - batch + 1, batch):
        for one in given:
            name = one["name"].removeprefix("serving_default_").partition(":")[0]
            interpreter.set_tensor(one["index"], _stored(inputs[name][start : start + batch], one))
        interpreter.invoke()
        for one in tensors:
            found[one["name"]].append(_real(interpreter.get_tensor(one["index"]), one))
    return {name: np.stack(parts) for name, parts in found.items()}


def _stored(values: NDArray[np.float32], tensor: Mapping[str, Any]) -> NDArray[Any]:
    scale, zero = tensor["quantization"]
    if not scale:
        return values
    stored: NDArray[np.int8] = np.clip(np.rint(values / scale) + zero, -128, 127).astype(np.int8)
    return stored


def _real(values: NDArray[Any], tensor: Mapping[str, Any]) -> NDArray[np.float64]:
    scale, zero = tensor["quantization"]
    return (values.astype(np.float64) - zero) * scale if scale else values.astype(np.float64)
