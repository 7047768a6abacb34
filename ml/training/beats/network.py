"""The beat network: its layers, and how its examples are varied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from ml.tasks.beat_features import FEATURES, LEADS
from ml.tasks.beat_windows import GRID_POINTS
from ml.tasks.beats import LABELS
from ml.training.task import Part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ml.training.task import Inputs

HIDE_RELATIVE = 0.2
HIDE_SLOW = 0.1
QUICK = "quick"
"""The file of the network that reads features alone."""
# finer where most features have most values; quantiles of each feature were 0.6 points of F1
# better on three folds, and would be constants of one data set
_EDGES = np.array(
    [-1, -0.5, -0.25, -0.12, -0.05, 0, 0.05, 0.12, 0.25, 0.5, 0.8, 0.9, 0.96, 1], np.float32
)
_RELATIVE = np.array([name.startswith("relative") for name in FEATURES])
_SLOW = np.array([name.startswith("slow") for name in FEATURES])
_COMPARED = FEATURES.index("compared")
_OF_FEATURES = "logits_of_features"
_EMBEDDING = "embedding"


def beat_network(options: Mapping[str, Any]) -> keras.Model:
    """Return the untrained network: inputs ``features`` and ``shapes``, output logits.

    The logits are the mean of two members on one layer of the features: one joins them with the
    shapes, the other does without. What shapes teach does not hold for every patient: with the
    mean the F1 of S was up to 9 points better in a fold, that of V no worse.

    Further outputs are the last hidden layer, on which a patient's own beats are told apart, and
    the logits of a small network that reads the features alone: it can answer before a shape is
    looked at. Only layers that become full int8 are used.

    Parameters
    ----------
    options : mapping
        ``channels``: of the convolutions; ``features``, ``joined``, ``embedding``, ``apart``:
        widths of dense layers, ``apart`` of the member that does without shapes; ``quick``: widths
        of the small network; ``feature_dropout``: share of the features that are hidden in
        training.
    """
    shapes = keras.Input((LEADS, GRID_POINTS, 2), name="shapes")
    features = keras.Input((len(FEATURES),), name="features")
    steps = _in_steps(features)
    seen = _hidden_now_and_then(steps, options["feature_dropout"])
    seen = layers.Dense(options["features"], "relu")(seen)
    x = layers.Concatenate()([_of_shapes(shapes, options["channels"]), seen])
    x = layers.Dense(options["joined"], "relu")(layers.Dropout(0.3)(x))
    embedding = layers.Dense(options["embedding"], "relu", name=_EMBEDDING)(layers.Dropout(0.2)(x))
    joined = layers.Dense(len(LABELS), name="logits_joined")(layers.Dropout(0.1)(embedding))
    x = layers.Dense(options["apart"], "relu")(layers.Dropout(0.2)(seen))
    apart = layers.Dense(len(LABELS), name="logits_apart")(layers.Dropout(0.1)(x))
    logits = layers.Average()([joined, apart])

    y = _hidden_now_and_then(steps, options["feature_dropout"])
    for width in options["quick"]:
        y = layers.Dropout(0.2)(layers.Dense(width, "relu")(y))
    quick = layers.Dense(len(LABELS), name=_OF_FEATURES)(y)
    return keras.Model([features, shapes], [logits, embedding, quick], name="beats")


def _in_steps(features: Any) -> Any:  # noqa: ANN401 (Keras has no types)
    """Return how much of each step between :data:`_EDGES` every feature has climbed.

    So a dense layer can answer to a threshold in one feature, as a tree does, and not only to sums
    of them (Gorishniy et al., On embeddings for numerical features in tabular deep learning,
    NeurIPS 2022). Shape (features, steps); the weights are fixed.
    """
    height = np.diff(_EDGES)
    climb = layers.Conv2D(
        len(height),
        1,
        kernel_initializer=keras.initializers.Constant((6 / height).reshape(1, 1, 1, -1)),
        bias_initializer=keras.initializers.Constant(-6 * _EDGES[:-1] / height),
        trainable=False,
    )
    steps = climb(layers.Reshape((len(FEATURES), 1, 1))(features))
    # ReLU6 is part of the convolution in int8; ReLU1 would be an operator of its own, and slow
    steps = layers.Rescaling(1 / 6)(layers.ReLU(max_value=6)(steps))
    return layers.Reshape((len(FEATURES), len(height)))(steps)


def _hidden_now_and_then(steps: Any, share: float) -> Any:  # noqa: ANN401 (Keras has no types)
    """Return all steps in a row; in training that `share` of the features is hidden."""
    hidden = layers.Dropout(share, noise_shape=(None, len(FEATURES), 1))(steps)
    return layers.Flatten()(hidden)


def _of_shapes(shapes: Any, channels: Sequence[int]) -> Any:  # noqa: ANN401 (Keras has no types)
    """Return what is read from the shapes.

    A separable convolution reads each lead by itself with the same weights (leads are an axis of
    the image), so that it does not care which lead is which; a dense layer joins the leads.
    """
    x = layers.Conv2D(channels[0], (1, 7), (1, 2), "same", use_bias=False)(shapes)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for width in channels[1:]:
        x = layers.DepthwiseConv2D((1, 5), (1, 2), "same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Conv2D(width, 1, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Conv2D(12, 1, activation="relu")(x)
    x = layers.Dense(24, "relu")(layers.Dropout(0.3)(layers.Flatten()(x)))
    # now and then the whole shape: what can be known without it is to be learnt without it
    return layers.Dropout(0.2, noise_shape=(None, 1))(x)


def shipped(network: keras.Model, inputs: Inputs) -> dict[str, Part]:
    """Return the files that a trained network becomes: the whole, and what reads features alone."""
    logits, embedding, quick = network.outputs
    features = network.inputs[0]
    return {
        "model": Part(keras.Model(network.inputs, [logits, embedding], name="beats"), inputs),
        QUICK: Part(
            keras.Model(features, quick, name="beats_of_features"), {"features": inputs["features"]}
        ),
    }


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
    features[np.ix_(rng.random(n) < HIDE_SLOW, _SLOW)] = 0
    shapes += rng.normal(0, 0.01, shapes.shape).astype(np.float32) * (shapes != 0)


def _lead_columns(lead: int) -> list[int]:
    return [i for i, name in enumerate(FEATURES) if f"lead{lead}." in name]


LEAD_COLUMNS = tuple(_lead_columns(lead) for lead in range(LEADS))
_SWAPPED = np.arange(len(FEATURES))
_SWAPPED[LEAD_COLUMNS[0] + LEAD_COLUMNS[1]] = LEAD_COLUMNS[1] + LEAD_COLUMNS[0]
_POLARITY = tuple(FEATURES.index(f"lead{lead}.polarity") for lead in range(LEADS))
