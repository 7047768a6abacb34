"""One contender of benchmarks/tiny.py, in a process of its own: ``ROOT MODEL INPUTS OUTPUTS``.

MODEL is a .tflite file, for whichever TFLite runtime is there, or an .onnx file. Prints what was
measured as JSON. With a .tflite file it needs numpy and a TFLite runtime alone, as ml.runtime does.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

root, model_path, inputs_path, outputs_path = sys.argv[1:]
sys.path.insert(0, root)

from ml.runtime import Model  # noqa: E402 (the path is set first)

Run = Callable[[list[np.ndarray]], list[np.ndarray]]
SECONDS = 0.5
"""Spent on each of the two figures, after a tenth of it to warm up."""
LEAST_RUNS = 3


def anonymous_kib() -> int | None:
    """Return the memory that is this process's own and backed by no file; None off Linux."""
    try:
        rollup = Path("/proc/self/smaps_rollup").read_text()
    except OSError:
        return None
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Anon"))


def filled(items: np.ndarray, batch: int) -> np.ndarray:
    """Return a whole batch: what is missing is 0, as ml.runtime does it."""
    if len(items) == batch:
        return items
    return np.concatenate([items, np.zeros((batch - len(items), *items.shape[1:]), items.dtype)])


def load(path: Path) -> tuple[str, Run]:
    """Return the contender's name, and what runs any number of items."""
    if path.suffix == ".tflite":
        model = Model(path.read_bytes(), allow_float=True)
        return model.runtime, lambda inputs: model.run(*inputs)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = sorted(entry.name for entry in session.get_inputs())
    outputs = sorted(entry.name for entry in session.get_outputs())
    batch = session.get_inputs()[0].shape[0]

    def run(inputs: list[np.ndarray]) -> list[np.ndarray]:
        n = len(inputs[0])
        parts = []
        for start in range(0, n, batch):
            part = {
                name: filled(array[start : start + batch], batch)
                for name, array in zip(names, inputs, strict=True)
            }
            parts.append(session.run(outputs, part))
        return [np.concatenate(output)[:n] for output in zip(*parts, strict=True)]

    return f"ONNX Runtime {onnxruntime.__version__}", run


def timed(run: Run, inputs: list[np.ndarray]) -> list[float]:
    """Return the CPU microseconds of each of many runs."""
    spent = []
    end = time.process_time() + SECONDS / 10
    while time.process_time() < end:
        run(inputs)
    end = time.process_time() + SECONDS
    while time.process_time() < end or len(spent) < LEAST_RUNS:
        begun = time.process_time_ns()
        run(inputs)
        spent.append((time.process_time_ns() - begun) / 1e3)
    return spent


with np.load(inputs_path) as given:
    inputs = [given[name] for name in sorted(given.files)]
one = [array[:1] for array in inputs]
before = anonymous_kib()
begun = time.process_time_ns()
name, run = load(Path(model_path))
loading = (time.process_time_ns() - begun) / 1e3
run(one)
used = anonymous_kib()
np.savez(outputs_path, *run(inputs))
single, many = timed(run, one), timed(run, inputs)
print(
    json.dumps(
        {
            "name": name,
            "load_us": loading,
            "memory_kib": None if used is None else used - before,
            "p50_us": float(np.percentile(single, 50)),
            "p90_us": float(np.percentile(single, 90)),
            "item_us": float(np.median(many)) / len(inputs[0]),
        }
    )
)
