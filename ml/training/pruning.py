"""Takes weights out of a network while it is trained on, the least important ones first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_EVERY = 10


def kernels(network: keras.Model) -> Iterator[Any]:
    """Yield the kernels of a network, biases and normalisation left out."""
    for weight in network.trainable_weights:
        if len(weight.shape) > 1:
            yield weight


def sparsity(network: keras.Model) -> float:
    """Return the share of kernel weights that are zero."""
    values = [np.asarray(kernel) for kernel in kernels(network)]
    return 1 - sum(int(np.count_nonzero(one)) for one in values) / sum(one.size for one in values)


def importance(kernel: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the layer-adaptive magnitude of each weight (LAMP, Lee et al., ICLR 2021).

    The square of a weight over the sum of the squares of those in its layer that are not smaller:
    it compares across layers, and the last weight of a layer never goes before all others.
    """
    squares = np.square(kernel.ravel().astype(np.float64))
    order = np.argsort(squares, kind="stable")
    rest = np.cumsum(squares[order][::-1])[::-1]
    scores = np.empty_like(squares)
    scores[order] = squares[order] / np.maximum(rest, 1e-300)
    return scores.reshape(kernel.shape)


class Pruning(keras.callbacks.Callback):  # type: ignore[misc]
    """Raises the sparsity by a cubic schedule and keeps zeros at zero.

    Parameters
    ----------
    network : keras.Model
        Whose kernels are meant: all of those that are trained.
    sparsity : float
        In the end, over all kernels.
    ramp : int
        Batches until then.
    """

    def __init__(self, network: keras.Model, sparsity: float, ramp: int) -> None:
        super().__init__()
        self._kernels = list(kernels(network))
        self._masks = [np.ones(kernel.shape, np.float32) for kernel in self._kernels]
        self._sparsity = sparsity
        self._ramp = ramp
        self._done = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Take the weights out whose turn it is, and those that the optimiser brought back."""
        self._done += 1
        if self._done <= self._ramp and (self._done % _EVERY == 0 or self._done == self._ramp):
            left = 1 - min(self._done / self._ramp, 1.0)
            self._choose(self._sparsity * (1 - left**3))
        for kernel, mask in zip(self._kernels, self._masks, strict=True):
            kernel.assign(kernel * mask)

    def _choose(self, sparsity: float) -> None:
        scores = [
            np.where(mask > 0, importance(np.asarray(kernel)), -1.0)
            for kernel, mask in zip(self._kernels, self._masks, strict=True)
        ]
        pooled = np.concatenate([one.ravel() for one in scores])
        gone = np.zeros(len(pooled), np.bool_)
        gone[np.argsort(pooled, kind="stable")[: round(sparsity * len(pooled))]] = True
        ends = np.cumsum([one.size for one in scores])
        for index, (part, one) in enumerate(zip(np.split(gone, ends[:-1]), scores, strict=True)):
            self._masks[index] = (~part).reshape(one.shape).astype(np.float32)
