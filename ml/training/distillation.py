"""What a student is told: what readers said, and what its teachers make of the same batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ml.training.task import Floats, Inputs


class Teachers:
    """Trained networks whose mean probabilities are the soft targets.

    Parameters
    ----------
    networks : sequence of keras.Model
        Their first outputs are logits.
    temperature : float
        By which these are divided.
    """

    def __init__(self, networks: Sequence[keras.Model], temperature: float) -> None:
        inputs = [keras.Input(one.shape[1:], name=one.name) for one in networks[0].inputs]
        given = {one.name: one for one in inputs}
        softened = [
            keras.layers.Softmax()(logits_of(network)(given) / temperature) for network in networks
        ]
        mean = softened[0] if len(softened) == 1 else keras.layers.Average()(softened)
        self._ensemble = keras.Model(given, mean)
        self._ensemble.trainable = False
        self._ensemble.compile(jit_compile=False)  # as in ml.training.fitting

    def shares(self, inputs: Inputs) -> Floats:
        """Return the probabilities of a batch, shape (n, ..., labels)."""
        return np.asarray(self._ensemble.predict_on_batch(inputs), np.float32)


def logits_of(network: keras.Model) -> keras.Model:
    """Return a network that answers with the logits alone, its inputs by name."""
    return keras.Model({one.name: one for one in network.inputs}, network.outputs[0])


def cross_entropy(targets: Any, logits: Any) -> Any:  # noqa: ANN401 (Keras has no types)
    """Return the mean cross-entropy with classes, -1 where not known, as a tensor."""
    known = ops.cast(targets >= 0, logits.dtype)
    hard = ops.one_hot(ops.cast(ops.maximum(targets, 0), "int32"), logits.shape[-1])
    entropy = -ops.sum(hard * ops.log_softmax(logits), axis=-1)
    return ops.sum(entropy * known) / ops.maximum(ops.sum(known), 1.0)


def loss(own: Callable[[Any, Any], Any], share: float, temperature: float) -> Callable[..., Any]:
    """Return the loss of a student.

    The task's own, and cross-entropy with the teachers at a temperature, whose square makes up for
    the smaller slope (Hinton et al. 2015).

    Parameters
    ----------
    own : callable
        As :meth:`ml.training.task.Task.loss`.
    share : float
        Of the teachers.
    temperature : float

    Returns
    -------
    callable
        Of the truth, shape (n, ..., 1 + labels): the targets and the shares of the teachers, if
        there are any; and of logits, shape (n, ..., labels).
    """

    def compared(truth: Any, logits: Any) -> Any:  # noqa: ANN401 (Keras has no types)
        told = own(truth[..., 0], logits)
        if not share:
            return told
        soft = -ops.sum(truth[..., 1:] * ops.log_softmax(logits / temperature), axis=-1)
        return (1 - share) * told + share * temperature**2 * ops.mean(soft)

    return compared
