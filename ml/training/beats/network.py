"""The beat network: its layers, and how its examples are drawn and varied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from ml.tasks.beat_features import FEATURES, LEADS
from ml.tasks.beat_windows import GRID_POINTS
from ml.tasks.beats import LABELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HIDE_RELATIVE = 0.25
_RELATIVE = np.array([name.startswith("relative") for name in FEATURES])
_COMPARED = FEATURES.index("compared")


def beat_network(options: Mapping[str, Any]) -> keras.Model:
    """Return the untrained network: inputs ``features`` and ``shapes``, output logits.

    Small members answer, and the mean of their logits counts: which patients a single one gets
    wrong depends much on its seed. Only layers that become full int8 are used.

    Parameters
    ----------
    options : mapping
        ``members``: how many; ``channels``: of the convolutions of each.
    """
    shapes = keras.Input((LEADS, GRID_POINTS, 2), name="shapes")
    features = keras.Input((len(FEATURES),), name="features")
    members = [
        _member(shapes, features, options["channels"], f"logits{number}")
        for number in range(options["members"])
    ]
    logits = layers.Average()(members) if len(members) > 1 else members[0]
    return keras.Model([features, shapes], logits, name="beats")


def _member(shapes: Any, features: Any, channels: Sequence[int], name: str) -> Any:  # noqa: ANN401 (Keras has no types)
    """Return the logits of one member.

    A separable convolution reads each lead by itself with the same weights (leads are an axis of
    the image), so that it does not care which lead is which; dense layers join the leads with the
    features.
    """
    x = layers.Conv2D(channels[0], (1, 7), (1, 2), "same", use_bias=False)(shapes)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for width in channels[1:]:
        x = layers.DepthwiseConv2D((1, 5), (1, 2), "same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Conv2D(width, 1, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Conv2D(12, 1, activation="relu")(x)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    x = layers.Dense(24, activation="relu")(x)
    f = layers.Dense(40, activation="relu")(layers.Dropout(0.1)(features))
    joined = layers.Dropout(0.3)(layers.Concatenate()([x, f]))
    joined = layers.Dense(32, activation="relu")(joined)
    return layers.Dense(len(LABELS), name=name)(layers.Dropout(0.2)(joined))


def vary(
    features: NDArray[np.float32], shapes: NDArray[np.float32], rng: np.random.Generator
) -> None:
    """Swap leads, turn their sign, hide the patient-relative part, each by chance and in place."""
    n = len(features)
    swap = rng.random(n) < 0.5
    shapes[swap] = shapes[swap][:, ::-1]
    features[swap] = features[swap][:, _SWAPPED]
    turn = rng.random((n, LEADS)) < 0.5
    shapes *= np.where(turn, -1, 1)[:, :, None, None].astype(np.float32)
    for lead, column in enumerate(_POLARITY):
        features[turn[:, lead], column] *= -1
    hide = rng.random(n) < HIDE_RELATIVE
    features[np.ix_(hide, _RELATIVE)] = 0
    features[hide, _COMPARED] = 0
    shapes[hide, :, :, 1] = 0
    shapes += rng.normal(0, 0.01, shapes.shape).astype(np.float32) * (shapes != 0)


def _lead_columns(lead: int) -> list[int]:
    return [i for i, name in enumerate(FEATURES) if f"lead{lead}." in name]


LEAD_COLUMNS = tuple(_lead_columns(lead) for lead in range(LEADS))
_SWAPPED = np.arange(len(FEATURES))
_SWAPPED[LEAD_COLUMNS[0] + LEAD_COLUMNS[1]] = LEAD_COLUMNS[1] + LEAD_COLUMNS[0]
_POLARITY = tuple(FEATURES.index(f"lead{lead}.polarity") for lead in range(LEADS))
