"""The wave network: its layers, and what it is to make small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import layers, ops

from ml.tasks.wave_strips import STRIP_POINTS
from ml.training.waves.strips import INSIDE, KNOWN, SEGMENTS, SINUS, WHOLE

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBSTEPS = 2
"""Answers to each step of the network, which has a fourth of the grid's rate."""
_POINTS_AN_ANSWER = 2
_P_STEPS = 31
_SOMEWHERE = 0.05


def wave_network(options: Mapping[str, Any]) -> keras.Model:
    """Return the untrained network: a strip of one lead in, logits of P, QRS and T out.

    A U-Net that never works at more than a fourth of the grid's rate: few steps with many channels
    are what integer units are fast at. Only layers that become full int8 are used.

    Parameters
    ----------
    options : mapping
        ``channels``: of each depth, from the shallowest.
    """
    shallow, *deeper = options["channels"]
    strip = keras.Input((1, STRIP_POINTS, 2), name="strips")
    x = _convolution(strip, shallow, 16, 4)
    x = _convolution(x, shallow, 5)
    kept = []
    for channels in deeper:
        kept.append(x)
        x = _convolution(x, channels, 5, 2)
    x = _convolution(x, deeper[-1], 5)
    for beside in reversed(kept):
        x = layers.Concatenate()([layers.UpSampling2D((1, 2))(x), beside])
        x = _convolution(x, beside.shape[-1], 3)
    x = layers.SpatialDropout2D(0.1)(x)
    return keras.Model(strip, layers.Conv2D(SUBSTEPS * len(SEGMENTS), 1)(x), name="waves")


def _convolution(x: Any, channels: int, width: int, stride: int = 1) -> Any:  # noqa: ANN401
    x = layers.Conv2D(channels, (1, width), (1, stride), "same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def wave_loss(targets: Any, logits: Any) -> Any:  # noqa: ANN401 (Keras has no types)
    """Return the cross-entropy of waves where they were marked, and of a P being somewhere.

    Parameters
    ----------
    targets : tensor, shape (n, STRIP_POINTS, 7)
        As of :func:`ml.training.waves.strips.examples_of`.
    logits : tensor, shape (n, 1, steps, substeps × 3)
    """
    steps = STRIP_POINTS // _POINTS_AN_ANSWER
    logits = ops.reshape(logits, (-1, steps, len(SEGMENTS)))
    points = ops.reshape(targets, (-1, steps, _POINTS_AN_ANSWER, targets.shape[-1]))
    share = ops.mean(points[..., INSIDE], axis=2) / WHOLE
    weight = ops.min(points[..., KNOWN], axis=2)
    middle = ops.max(points[..., SINUS], axis=2)[..., None]
    entropy = ops.softplus(logits) - share * logits
    marked = ops.sum(entropy * weight) / (ops.sum(weight) + 1.0) * len(SEGMENTS)
    highest = ops.max_pool(logits[..., :1], _P_STEPS, 1, "same")
    somewhere = ops.sum(ops.softplus(1.0 - highest) * middle)
    return marked + _SOMEWHERE * somewhere / (ops.sum(middle) + 1.0)
