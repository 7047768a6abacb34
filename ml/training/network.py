"""The beat network: its layers and how it is fitted."""

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
    from ml.training.data import Beats

BATCH = 512
PEAK_LEARNING_RATE = 2e-3
HIDE_RELATIVE = 0.25
MOST_OF_A_PATIENT = 200
MEMBERS = 2
_CHANNELS = (16, 24, 32, 32)
_RELATIVE = np.array([name.startswith("relative") for name in FEATURES])
_COMPARED = FEATURES.index("compared")


def beat_network() -> keras.Model:
    """Return the untrained network: inputs ``features`` and ``shapes``, output logits.

    Two small members answer, and the mean of their logits counts: which patients a single one gets
    wrong depends much on its seed. Only layers that become full int8 are used.
    """
    shapes = keras.Input((LEADS, GRID_POINTS, 2), name="shapes")
    features = keras.Input((len(FEATURES),), name="features")
    members = [_member(shapes, features, _member_name(member)) for member in range(MEMBERS)]
    return keras.Model([features, shapes], layers.Average()(members), name="beats")


def _member_name(member: int) -> str:
    return f"logits{member}"


def _member(shapes: Any, features: Any, name: str) -> Any:  # noqa: ANN401 (Keras has no types)
    """Return the logits of one member.

    A separable convolution reads each lead by itself with the same weights (leads are an axis of
    the image), so that it does not care which lead is which; dense layers join the leads with the
    features.
    """
    x = layers.Conv2D(_CHANNELS[0], (1, 7), (1, 2), "same", use_bias=False)(shapes)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for channels in _CHANNELS[1:]:
        x = layers.DepthwiseConv2D((1, 5), (1, 2), "same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Conv2D(channels, 1, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Conv2D(12, 1, activation="relu")(x)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    x = layers.Dense(24, activation="relu")(x)
    f = layers.Dense(40, activation="relu")(layers.Dropout(0.1)(features))
    joined = layers.Dropout(0.3)(layers.Concatenate()([x, f]))
    joined = layers.Dense(32, activation="relu")(joined)
    return layers.Dense(len(LABELS), name=name)(layers.Dropout(0.2)(joined))


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Balanced batches; each beat is changed in a way that must not change its class."""

    def __init__(self, beats: Beats, weights: NDArray[np.float64], steps: int, seed: int) -> None:
        super().__init__()
        self._beats = beats
        self._cumulative = np.cumsum(weights / weights.sum())
        self._steps = steps
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(
        self, index: int
    ) -> tuple[dict[str, NDArray[np.float32]], tuple[NDArray[np.int8], ...]]:
        rng = self._rng
        chosen = np.searchsorted(self._cumulative, rng.random(BATCH), side="right")
        chosen = np.minimum(chosen, len(self._cumulative) - 1)
        features = self._beats.features[chosen].astype(np.float32)
        shapes = self._beats.shapes[chosen].astype(np.float32)
        vary(features, shapes, rng)
        classes = self._beats.classes[chosen]
        return {"features": features, "shapes": shapes}, (classes,) * MEMBERS


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


def sampling_weights(beats: Beats) -> NDArray[np.float64]:
    """Return how often each beat is drawn: classes and, within them, patients are evened out.

    A class with n beats is drawn in proportion to the square root of n, and so is each patient
    within a class: a patient with 1,800 ectopic beats does not speak for all others.
    """
    weights = np.zeros(len(beats.classes))
    for label in np.unique(beats.classes):
        of_class = beats.classes == label
        _, inverse, counts = np.unique(
            beats.records[of_class], return_inverse=True, return_counts=True
        )
        shares = np.sqrt(np.minimum(counts, MOST_OF_A_PATIENT))
        shares /= shares.sum()
        weights[of_class] = np.sqrt(of_class.sum()) * (shares / counts)[inverse]
    normed: NDArray[np.float64] = weights / weights.sum()
    return normed


def fit(beats: Beats, *, epochs: int, steps: int, seed: int) -> keras.Model:
    """Train a network from scratch.

    Parameters
    ----------
    beats : Beats
        Of the training patients.
    epochs, steps : int
        `steps` batches of 512 beats in each of `epochs`; the learning rate falls by a cosine.
    seed : int
        Of weights, order and variation.
    """
    # layers are numbered on from those made before, and their names are kept in the model's bytes
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    network = beat_network()
    schedule = keras.optimizers.schedules.CosineDecay(
        1e-4, epochs * steps, warmup_target=PEAK_LEARNING_RATE, warmup_steps=steps // 2
    )
    # each member learns for itself
    answers = [network.get_layer(_member_name(member)).output for member in range(MEMBERS)]
    learners = keras.Model(network.inputs, answers)
    learners.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-3),
        loss=[keras.losses.SparseCategoricalCrossentropy(from_logits=True)] * MEMBERS,
    )
    batches = _Batches(beats, sampling_weights(beats), steps, seed)
    learners.fit(batches, epochs=epochs, verbose=0)
    return network
