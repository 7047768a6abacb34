"""Runs a TensorFlow Lite model with whichever of the two runtimes is there.

LiteRT (``ai-edge-litert``) is taken first, ``tflite-runtime`` where that is missing. Callers hand
over and receive float32; an int8 model is fed and read by its own scales and zero points.

One thread: two were slower in LiteRT by the clock and in CPU seconds, and ten times slower in
tflite-runtime; work is spread over processes. The model is given to the runtime as the bytes that
were checked, not as a file to be mapped: a file can change between the check of its SHA-256 and
its use, and bundles are small. Tensors are set and got by copying: writing into the runtime's own
memory saved nothing that could be measured, and it refuses to run while a view is alive, as one is
in the trace of an error.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import version
from math import prod
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml.runtime_graph import Graph, read_graph
from ml.runtime_graph import ModelError as ModelError  # callers catch it from here

if TYPE_CHECKING:
    from collections.abc import Iterator

_RUNTIMES = (
    ("LiteRT", "ai-edge-litert", "ai_edge_litert.interpreter"),
    ("tflite-runtime", "tflite-runtime", "tflite_runtime.interpreter"),
)


class RuntimeMissingError(Exception):
    """Neither runtime is installed."""


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

    Within a process, the same bytes are loaded once: the next recording finds its model loaded,
    with the memory that it works in. Several threads may run it; they take turns.

    Parameters
    ----------
    tflite : bytes
        The file's content. The graph has a fixed batch, the same for all inputs and outputs.
    allow_float : bool
        Whether a tensor may be other than int8: for what training and benchmarks compare with.

    Attributes
    ----------
    runtime : str
        Name and version of what runs it.
    graph : Graph
        What it does.
    inputs, outputs : tuple of TensorSpec
        In the order of :meth:`run`: by name.
    batch : int
        Number of items that are computed at once, needed or not.

    Raises
    ------
    RuntimeMissingError
        If no runtime is installed.
    ModelError
        If the bytes are damaged or cannot be loaded, the batch is not fixed, an operator is
        unknown, or a tensor is not int8 and was not allowed to be.
    """

    def __init__(self, tflite: bytes, *, allow_float: bool = False) -> None:
        self.graph = _graph(tflite)
        if not allow_float and (found := self.tensors_not_int8()):
            raise ModelError(
                f"the model is not int8 throughout: {', '.join(found[:3])}"
                + (f" and {len(found) - 3} more" if len(found) > 3 else "")
            )
        _check_batch(self.graph)
        self._loaded = _load(tflite)
        self.runtime = self._loaded.runtime
        self.inputs, self.outputs = self._loaded.inputs, self._loaded.outputs
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
        results = [np.empty((n, *spec.shape[1:]), np.float32) for spec in self.outputs]
        values = sum(prod(spec.shape) for spec in self.inputs)
        length = max(1, _VALUES_AT_ONCE // values) * self.batch
        for first in range(0, n, length):
            part = slice(first, min(first + length, n))
            stored = [
                _quantised(array[part], spec)
                for spec, array in zip(self.inputs, arrays, strict=True)
            ]
            answers = self._loaded.invoke(stored)
            for spec, result, answer in zip(self.outputs, results, answers, strict=True):
                result[part] = _real(answer, spec)
        return results

    def tensors_not_int8(self) -> list[str]:
        """Name each tensor that keeps the model from being int8 throughout.

        See :meth:`ml.runtime_graph.Graph.tensors_not_int8`.
        """
        return self.graph.tensors_not_int8()


class _Loaded:
    """A model in the runtime; its graph was checked before, which the runtime relies on."""

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
        self._lock = Lock()

    def invoke(self, stored: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Run items as the model stores them, a batch at a time, the last one filled up with 0."""
        n, batch = len(stored[0]), self.inputs[0].shape[0]
        answers = [
            np.empty((n, *spec.shape[1:]), np.int8 if spec.scale else np.float32)
            for spec in self.outputs
        ]
        for start in range(0, n, batch):
            stop = min(start + batch, n)
            with self._lock:
                for spec, items in zip(self.inputs, stored, strict=True):
                    self._interpreter.set_tensor(spec._index, _filled(items[start:stop], batch))
                self._interpreter.invoke()
                for spec, answer in zip(self.outputs, answers, strict=True):
                    answer[start:stop] = self._interpreter.get_tensor(spec._index)[: stop - start]
        return answers


# bounded, since a search loads hundreds of models; a program has one or two for each task
_graph = lru_cache(maxsize=16)(read_graph)
_load = lru_cache(maxsize=16)(_Loaded)

_VALUES_AT_ONCE = 2**14  # are quantised together: memory does not grow with what is given


def _check_batch(graph: Graph) -> None:
    first = graph.inputs[0]
    for tensor in (*graph.inputs, *graph.outputs):
        if tensor.kind not in {"int8", "float32"}:
            raise ModelError(
                f"{tensor.name} goes in or out as {tensor.kind}; int8 or float32 is expected"
            )
        if not tensor.fixed or tensor.shape[:1] != first.shape[:1] or not tensor.shape:
            raise ModelError(
                f"{tensor.name} has the shape {tensor.shape}: a fixed batch is expected to come "
                "first, the same for all inputs and outputs"
            )


def _filled(items: NDArray[Any], batch: int) -> NDArray[Any]:
    if len(items) == batch:
        return items
    whole = np.zeros((batch, *items.shape[1:]), items.dtype)
    whole[: len(items)] = items
    return whole


def _quantised(array: NDArray[np.float32], spec: TensorSpec) -> NDArray[Any]:
    if not spec.scale:
        return array.astype(np.float32, copy=False)
    steps = array / np.float32(spec.scale)
    np.rint(steps, out=steps)
    steps += np.float32(spec.zero_point)
    return np.clip(steps, -128, 127, out=steps).astype(np.int8)


def _real(stored: NDArray[Any], spec: TensorSpec) -> NDArray[np.float32]:
    if not spec.scale:
        return stored
    values = stored.astype(np.float32)
    values -= np.float32(spec.zero_point)
    values *= np.float32(spec.scale)
    return values


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
