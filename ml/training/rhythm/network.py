"""The rhythm network: its layers, how it is cut for shipping, and how its examples are varied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from ml.tasks.rhythm import LABELS
from ml.tasks.rhythm_features import FEATURES
from ml.tasks.rhythm_grid import GRID_RATE
from ml.tasks.rhythm_segments import CHANNELS, SEGMENT_POINTS
from ml.training.rhythm.data import SEGMENTS
from ml.training.task import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml.training.task import Inputs

ENCODER_BATCH = 4
"""A strip of 30 s has four segments."""
_HEAD_BATCH = 8
_SIGNAL = 0
_MOST_NOISE = 0.06
_MOST_WANDER = 0.15
_WANDER_HZ = (0.15, 0.6)
_FEATURE_NOISE = 0.03


def rhythm_network(options: Mapping[str, Any]) -> keras.Model:
    """Return the untrained network: inputs ``features`` and ``segments``, output logits.

    A convolutional encoder reads each segment by itself with the same weights (segments are an axis
    of the image); the mean and the greatest of what it finds, over all segments, go to a head with
    the features.

    Parameters
    ----------
    options : mapping
        ``channels``: of the convolutions; ``hidden``: of the head's layers; ``dropout``.
    """
    x = keras.Input((SEGMENTS, SEGMENT_POINTS, CHANNELS), name="segments")
    features = keras.Input((len(FEATURES),), name="features")
    encoded = x
    for layer in _encoder_layers(options["channels"]):
        encoded = layer(encoded)
    mean = layers.GlobalAveragePooling2D(name="mean")(encoded)
    peak = layers.GlobalMaxPooling2D(name="peak")(encoded)
    logits = _head(features, mean, peak, options["hidden"], options["dropout"])
    return keras.Model([features, x], logits, name="rhythm")


_STRIDES = (4, 2, 2, 2)
_WIDTHS = (16, 8, 5, 5)
_LAST_WIDTH = 3


def _encoder_layers(channels: list[int]) -> list[Any]:
    made: list[Any] = []
    for number, count in enumerate(channels):
        inside = number < len(_STRIDES)
        width = _WIDTHS[number] if inside else _LAST_WIDTH
        stride = _STRIDES[number] if inside else 1
        made += [
            layers.Conv2D(
                count, (1, width), (1, stride), "same", use_bias=False, name=f"encoder{number}a"
            ),
            layers.BatchNormalization(name=f"encoder{number}b"),
            layers.ReLU(name=f"encoder{number}c"),
        ]
    return made


def _head(features: Any, mean: Any, peak: Any, hidden: int, dropout: float) -> Any:  # noqa: ANN401 (Keras has no types)
    signal = layers.Dropout(dropout)(layers.Concatenate()([mean, peak]))
    known = layers.Dense(hidden, activation="relu")(layers.Dropout(dropout)(features))
    both = layers.Concatenate()([signal, layers.Dropout(dropout)(known)])
    both = layers.Dense(hidden, activation="relu")(both)
    return layers.Dense(len(LABELS), name="logits")(layers.Dropout(dropout)(both))


def parts(network: keras.Model, inputs: Inputs) -> Mapping[str, Part]:
    """Return the encoder of one segment and the head, with what each will be asked."""
    x = segment = keras.Input((1, SEGMENT_POINTS, CHANNELS), name="segments")
    for layer in network.layers:
        if layer.name.startswith("encoder"):
            x = layer(x)
    found = [network.get_layer(name)(x) for name in ("mean", "peak")]
    encoder = keras.Model(segment, found, name="encoder")
    known = network.inputs[0]
    mean, peak = (network.get_layer(name).output for name in ("mean", "peak"))
    head = keras.Model([known, mean, peak], network.outputs[0])
    given = [
        keras.Input(tensor.shape[1:], name=name)
        for tensor, name in zip((known, mean, peak), ("features", "mean", "peak"), strict=True)
    ]
    head = keras.Model(given, head(given), name="head")
    pooled = keras.Model(network.inputs[1], [mean, peak]).predict(inputs["segments"], verbose=0)
    single = inputs["segments"].reshape(-1, 1, SEGMENT_POINTS, CHANNELS)
    return {
        "encoder": Part(encoder, {"segments": single}, ENCODER_BATCH),
        "model": Part(
            head,
            {"features": inputs["features"], "mean": pooled[0], "peak": pooled[1]},
            _HEAD_BATCH,
        ),
    }


def vary(
    segments: NDArray[np.float32], features: NDArray[np.float32], rng: np.random.Generator
) -> None:
    """Turn and scale the signal, add noise and wander, each by chance and in place.

    A strip that was held the wrong way round is upside down.
    """
    n = len(segments)
    signal = segments[..., _SIGNAL]
    signal *= np.where(rng.random((n, 1, 1)) < 0.3, -1, 1)
    signal *= np.exp(rng.normal(0, 0.15, (n, 1, 1)))
    noise = rng.uniform(0, _MOST_NOISE, (n, 1, 1)) * (rng.random((n, 1, 1)) < 0.5)
    signal += noise * rng.standard_normal(signal.shape, np.float32)
    wander = rng.uniform(0, _MOST_WANDER, (n, 1, 1)) * (rng.random((n, 1, 1)) < 0.3)
    turns = rng.uniform(*_WANDER_HZ, (n, 1, 1)) * np.arange(SEGMENT_POINTS) / GRID_RATE
    signal += wander * np.sin(2 * np.pi * (turns + rng.random((n, signal.shape[1], 1))))
    np.clip(signal, -1, 1, out=signal)
    features += rng.normal(0, _FEATURE_NOISE, features.shape)
