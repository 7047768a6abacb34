"""Runs a TensorFlow Lite model with whichever of the two runtimes is there.

LiteRT (``ai-edge-litert``) is taken first, ``tflite-runtime`` where that is missing. Callers hand
over and receive float32; an int8 model is fed and read by its own scales and zero points.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

_RUNTIMES = (
    ("LiteRT", "ai-edge-litert", "ai_edge_litert.interpreter"),
    ("tflite-runtime", "tflite-runtime", "tflite_runtime.interpreter"),
)


class RuntimeMissingError(Exception):
    """Neither runtime is installed."""


class ModelError(Exception):
    """The bytes are no model that can be run here."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output of a model.

    Parameters
    ----------
    name : str
        As the model calls it.
    shape : tuple of int
        First the fixed batch.
    scale, zero_point : float, int
        real = scale × (stored - zero_point); scale 0 where it is stored as float32.
    """

    name: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    _index: int


class Model:
    """A model that is ready to run, on one thread.

    Parameters
    ----------
    tflite : bytes
        The file's content. The graph has a fixed batch, the same for all inputs and outputs.

    Attributes
    ----------
    runtime : str
        Name and version of what runs it.
    inputs, outputs : tuple of TensorSpec
        In the order of :meth:`run`: by name.

    Raises
    ------
    RuntimeMissingError
        If no runtime is installed.
    ModelError
        If the bytes cannot be loaded.
    """

    def __init__(self, tflite: bytes) -> None:
        self.runtime, interpreter_class = _runtime()
        with _quiet():
            try:
                self._interpreter = interpreter_class(model_content=tflite, num_threads=1)
                self._interpreter.allocate_tensors()
            except (ValueError, RuntimeError) as error:
                raise ModelError(f"{self.runtime} cannot load the model: {error}") from error
        self.inputs = _specs(self._interpreter.get_input_details())
        self.outputs = _specs(self._interpreter.get_output_details())
        self.batch = self.inputs[0].shape[0]

    def run(self, *arrays: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run any number of items through the model.

        Parameters
        ----------
        *arrays : numpy.ndarray, shape (items, ...), float32
            One for each of :attr:`inputs`.

        Returns
        -------
        list of numpy.ndarray, shape (items, ...), float32
            One for each of :attr:`outputs`.

        Raises
        ------
        ValueError
            If the number of arrays or a shape is not that of the model.
        """
        if len(arrays) != len(self.inputs):
            raise ValueError(f"the model has {len(self.inputs)} inputs, not {len(arrays)}")
        n = len(arrays[0])
        for spec, array in zip(self.inputs, arrays, strict=True):
            if array.shape != (n, *spec.shape[1:]):
                raise ValueError(
                    f"input {spec.name} is to have the shape {(n, *spec.shape[1:])}, "
                    f"not {array.shape}"
                )
        padded = -(-n // self.batch) * self.batch
        stored = []
        for spec, array in zip(self.inputs, arrays, strict=True):
            whole = np.zeros((padded, *spec.shape[1:]), np.int8 if spec.scale else np.float32)
            whole[:n] = _quantised(array, spec)
            stored.append(whole)
        results = [
            np.empty((padded, *spec.shape[1:]), np.int8 if spec.scale else np.float32)
            for spec in self.outputs
        ]
        for start in range(0, padded, self.batch):
            part = slice(start, start + self.batch)
            for spec, whole in zip(self.inputs, stored, strict=True):
                self._interpreter.set_tensor(spec._index, whole[part])
            self._interpreter.invoke()
            for spec, result in zip(self.outputs, results, strict=True):
                result[part] = self._interpreter.get_tensor(spec._index)
        return [_real(result[:n], spec) for spec, result in zip(self.outputs, results, strict=True)]

    def tensors_not_int8(self) -> list[str]:
        """Walk the graph and name each tensor that keeps a full-int8 model from being one.

        int8 throughout means: every tensor is int8, but for the int32 of biases and of shapes,
        which have one dimension at most.

        Returns
        -------
        list of str
            ``name: type`` of every other tensor; empty for a full-int8 model.
        """
        found = []
        for tensor in self._interpreter.get_tensor_details():
            kind = np.dtype(tensor["dtype"])
            bias_or_shape = kind == np.int32 and len(tensor["shape"]) <= 1
            if kind != np.int8 and not bias_or_shape:
                found.append(f"{tensor['name']}: {kind}")
        return found


def _quantised(array: NDArray[np.float32], spec: TensorSpec) -> NDArray[Any]:
    if not spec.scale:
        return array
    steps = np.rint(array / np.float32(spec.scale)) + np.float32(spec.zero_point)
    stored: NDArray[np.int8] = np.clip(steps, -128, 127).astype(np.int8)
    return stored


def _real(stored: NDArray[Any], spec: TensorSpec) -> NDArray[np.float32]:
    if not spec.scale:
        return stored.astype(np.float32)
    return (stored.astype(np.float32) - np.float32(spec.zero_point)) * np.float32(spec.scale)


def _specs(details: list[dict[str, Any]]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            name=tensor["name"],
            shape=tuple(int(size) for size in tensor["shape"]),
            scale=float(tensor["quantization"][0]),
            zero_point=int(tensor["quantization"][1]),
            _index=int(tensor["index"]),
        )
        for tensor in sorted(details, key=lambda tensor: str(tensor["name"]))
    )


def _runtime() -> tuple[str, Any]:
    for name, distribution, module in _RUNTIMES:
        try:
            interpreter = import_module(module).Interpreter
        except ImportError:
            continue
        return f"{name} {version(distribution)}", interpreter
    raise RuntimeMissingError("no TensorFlow Lite runtime is installed: pip install ai-edge-litert")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the C++ side prints at loading (``INFO: Created ... delegate``) off the terminal.

    It writes to file descriptor 2 without asking; the descriptor is pointed elsewhere meanwhile.
    """
    try:
        kept = os.dup(2)
    except OSError:  # a windowed program has no descriptor 2, and nothing to be kept clean
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
