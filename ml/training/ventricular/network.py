"""The layers of the ventricular network: a strip and its numbers in, two logits out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from ml.tasks.ventricular import LABELS
from ml.tasks.ventricular_windows import N_NUMBERS, POINTS

if TYPE_CHECKING:
    from collections.abc import Mapping

_STRIDES = (4, 2, 2, 1, 2)
_WIDTHS = (9, 5, 5, 3, 3)
_HALVES = 2
_WEIGHT_LOSS = 1e-4
_MOMENTUM = 0.97
"""Of running statistics: they follow the layers within a hundred batches, Keras' 0.99 in 300."""


def ventricular_network(options: Mapping[str, Any]) -> keras.Model:
    """Return the untrained network.

    Convolutions see at most 2 s; the two halves of the strip, 4 s each, are averaged apart, so that
    the judged one can be compared with the one before.

    Parameters
    ----------
    options : mapping
        ``channels``, five; ``dense``, units of the numbers' layer and of the last but one;
        ``dropout``, share.
    """
    strip = keras.Input((1, POINTS, 1), name="strip")
    numbers = keras.Input((N_NUMBERS,), name="numbers")
    x: Any = strip
    for channels, width, stride in zip(options["channels"], _WIDTHS, _STRIDES, strict=True):
        x = layers.Conv2D(
            channels,
            (1, width),
            (1, stride),
            "same",
            use_bias=False,
            kernel_regularizer=keras.regularizers.L2(_WEIGHT_LOSS),
        )(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=_MOMENTUM)(x))
    x = layers.SpatialDropout2D(0.1)(x)
    x = layers.AveragePooling2D((1, x.shape[2] // _HALVES))(x)
    beside = _dense(layers.Dropout(0.1)(numbers), options["dense"])
    x = layers.Concatenate()([layers.Flatten()(x), beside])
    x = _dense(layers.Dropout(options["dropout"])(x), options["dense"])
    x = layers.Dropout(options["dropout"])(x)
    logits = layers.Dense(len(LABELS), name="logits")(x)
    return keras.Model([strip, numbers], logits, name="ventricular")


def _dense(x: Any, units: int) -> Any:  # noqa: ANN401 (Keras has no types)
    x = layers.Dense(units, use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=_MOMENTUM)(x))
