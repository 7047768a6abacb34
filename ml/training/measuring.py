"""What a model costs: bytes, compressed bytes, time of one item through the shipped runtime."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping

import numpy as np

from ml.runtime import Model

_LEAST_S = 0.2
_RUNS = 7


def compressed_bytes(models: Mapping[str, bytes]) -> int:
    """Return the size of the files after deflate, as in a zip or a wheel."""
    return sum(len(zlib.compress(model, 9)) for model in models.values())


def latency_us(models: Mapping[str, bytes]) -> float:
    """Return the CPU time that one item takes in all files, one thread, microseconds.

    The median of seven runs of at least 0.2 s; one item is the model's batch divided by its size.
    """
    return sum(_latency_us(Model(model, allow_float=True)) for model in models.values())


def _latency_us(model: Model) -> float:
    rng = np.random.default_rng(0)
    n = model.batch
    inputs = [
        np.clip(rng.normal(0, 0.3, (n, *spec.shape[1:])), -1, 1).astype(np.float32)
        for spec in model.inputs
    ]
    times = []
    for _ in range(_RUNS + 1):  # the first one warms up
        done, begun = 0, time.process_time()
        while (spent := time.process_time() - begun) < _LEAST_S:
            model.run(*inputs)
            done += n
        times.append(spent / done)
    return 1e6 * float(np.median(times[1:]))
