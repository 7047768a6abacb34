"""The wave network: its layers and how it is fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from ml.tasks.wave_strips import STRIP_POINTS, model_input
from ml.training.wave_data import SEGMENTS

if TYPE_CHECKING:
    from ml.training.wave_data import Examples

BATCH = 16
PEAK_LEARNING_RATE = 3e-3
SUBSTEPS = 2
"""Answers to each step of the network, which has a fourth of the grid's rate."""
_CHANNELS = (32, 48, 64, 64)
_MOST_STRETCH = 0.15
_MOST_JITTER = 4
_P_STEPS = 31
_SOMEWHERE = 0.05
_ERASED = 0.2
_BESIDE = 2


def wave_network() -> keras.Model:
    """Return the untrained network: a strip of one lead in, logits of P, QRS and T out.

    A U-Net that never works at more than a fourth of the grid's rate: few steps with many channels
    are what integer units are fast at. Only layers that become full int8 are used.
    """
    strip = keras.Input((1, STRIP_POINTS, 2), name="strips")
    x = _convolution(strip, _CHANNELS[0], 16, 4)
    x = _convolution(x, _CHANNELS[0], 5)
    kept = []
    for channels in _CHANNELS[1:]:
        kept.append(x)
        x = _convolution(x, channels, 5, 2)
    x = _convolution(x, _CHANNELS[-1], 5)
    for beside in reversed(kept):
        x = layers.Concatenate()([layers.UpSampling2D((1, 2))(x), beside])
        x = _convolution(x, beside.shape[-1], 3)
    x = layers.SpatialDropout2D(0.1)(x)
    return keras.Model(strip, layers.Conv2D(SUBSTEPS * len(SEGMENTS), 1)(x), name="waves")


def _convolution(x: Any, channels: int, width: int, stride: int = 1) -> Any:  # noqa: ANN401
    x = layers.Conv2D(channels, (1, width), (1, stride), "same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of strips, each changed in a way that its waves go along with."""

    def __init__(
        self,
        examples: Examples,
        weights: NDArray[np.float64],
        noise: NDArray[np.float32],
        steps: int,
        seed: int,
    ) -> None:
        super().__init__()
        self._examples = examples
        self._weights = weights / weights.sum()
        self._noise = noise
        self._steps = steps
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rng, examples = self._rng, self._examples
        chosen = rng.choice(len(self._weights), BATCH, p=self._weights)
        stretch = np.exp(rng.uniform(-_MOST_STRETCH, _MOST_STRETCH, BATCH))
        shift = rng.uniform(-60, 60, BATCH)
        centre = STRIP_POINTS / 2
        at = (np.arange(STRIP_POINTS) - centre) / stretch[:, None] + centre + shift[:, None]
        base = np.clip(np.floor(at), 0, STRIP_POINTS - 2).astype(np.int64)
        part = np.clip(at - base, 0, 1).astype(np.float32)
        out = (at < 0) | (at > STRIP_POINTS - 1)
        rows = np.arange(BATCH)[:, None]

        def moved(values: NDArray[np.floating]) -> NDArray[np.float32]:
            weight = part if values.ndim == 2 else part[:, :, None]
            return np.asarray(
                values[rows, base] * (1 - weight) + values[rows, base + 1] * weight, np.float32
            )

        level = moved(examples.level[chosen].astype(np.float32))
        inside = moved(examples.inside[chosen].astype(np.float32) / 200)
        known = moved(examples.known[chosen].astype(np.float32)) > 0.99
        known[out] = False
        erase_p_waves(level, inside, rng)
        sinus = _moved_marks(examples.sinus[chosen], stretch, shift)
        jitter = rng.integers(-_MOST_JITTER, _MOST_JITTER + 1, BATCH)
        base = np.clip(base + jitter[:, None], 0, STRIP_POINTS - 2)
        marks = moved(examples.marks[chosen].astype(np.float32))
        vary(level, self._noise, rng)
        return model_input(level, marks), targets(inside, known, sinus)


def erase_p_waves(
    level: NDArray[np.float32], inside: NDArray[np.float32], rng: np.random.Generator
) -> None:
    """Draw a straight line instead of all marked P waves of some strips, in place.

    Else a regular rhythm would be reason enough to see one.
    """
    for row in np.flatnonzero(rng.random(len(level)) < _ERASED):
        there = np.pad(inside[row, :, 0] > 0, 1).astype(np.int8)
        starts, stops = (np.flatnonzero(np.diff(there) == side).tolist() for side in (1, -1))
        for start, stop in zip(starts, stops, strict=True):
            low, high = max(start - _BESIDE, 0), min(stop + _BESIDE, STRIP_POINTS - 1)
            ends = float(level[row, low]), float(level[row, high])
            level[row, low:high] = np.linspace(*ends, high - low)
        inside[row, :, 0] = 0


def vary(level: NDArray[np.float32], noise: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Scale, turn, and add noise and wander, each by chance and in place."""
    n = len(level)
    level *= np.exp(rng.normal(0, 0.3, (n, 1))).astype(np.float32)
    level *= np.where(rng.random((n, 1)) < 0.3, -1, 1).astype(np.float32)
    for row in level:
        if rng.random() >= 0.4:
            continue
        start = rng.integers(0, noise.shape[1] - STRIP_POINTS)
        added = noise[rng.integers(len(noise)), start : start + STRIP_POINTS]
        row += np.float32(np.exp(rng.uniform(np.log(0.005), np.log(0.12)))) * added
    level += rng.normal(0, 1, level.shape).astype(np.float32) * np.exp(
        rng.uniform(np.log(0.0005), np.log(0.01), (n, 1))
    ).astype(np.float32)


def _moved_marks(
    marks: NDArray[np.bool_], stretch: NDArray[np.float64], shift: NDArray[np.float64]
) -> NDArray[np.bool_]:
    row, point = np.nonzero(marks)
    centre = STRIP_POINTS / 2
    moved = np.rint((point - shift[row] - centre) * stretch[row] + centre).astype(np.int64)
    inside = (moved >= 0) & (moved < STRIP_POINTS)
    out = np.zeros_like(marks)
    out[row[inside], moved[inside]] = True
    return out


def targets(
    inside: NDArray[np.float32], known: NDArray[np.bool_], sinus: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return what the loss compares the answers with: shares, weights, and where a P is at least.

    Returns
    -------
    numpy.ndarray, shape (n, 1, steps, substeps × 7)
        Three shares and three weights to each substep, then a mark to each.
    """
    n = len(inside)
    paired = inside.reshape(n, -1, 2, len(SEGMENTS)).mean(axis=2)
    weight = known.reshape(n, -1, 2, len(SEGMENTS)).all(axis=2).astype(np.float32)
    answers = SUBSTEPS * len(SEGMENTS)
    middle = sinus.reshape(n, -1, 2).any(axis=2).astype(np.float32)
    return np.concatenate(
        (
            paired.reshape(n, 1, -1, answers),
            weight.reshape(n, 1, -1, answers),
            middle.reshape(n, 1, -1, SUBSTEPS),
        ),
        axis=3,
    ).astype(np.float32)


def wave_loss(truth: Any, logits: Any) -> Any:  # noqa: ANN401 (Keras has no types)
    """Return the cross-entropy of waves where they were marked, and of a P being somewhere."""
    answers = SUBSTEPS * len(SEGMENTS)
    share, weight = truth[..., :answers], truth[..., answers : 2 * answers]
    entropy = keras.ops.softplus(logits) - share * logits
    marked = keras.ops.sum(entropy * weight) / (keras.ops.sum(weight) + 1.0) * len(SEGMENTS)
    steps = SUBSTEPS * logits.shape[2]
    p_wave = keras.ops.reshape(logits[..., :: len(SEGMENTS)], (-1, steps, 1))
    highest = keras.ops.max_pool(p_wave, _P_STEPS, 1, "same")
    middle = keras.ops.reshape(truth[..., 2 * answers :], (-1, steps, 1))
    somewhere = keras.ops.sum(keras.ops.softplus(1.0 - highest) * middle)
    return marked + _SOMEWHERE * somewhere / (keras.ops.sum(middle) + 1.0)


def fit(
    examples: Examples,
    weights: NDArray[np.float64],
    noise: NDArray[np.float32],
    *,
    epochs: int,
    steps: int,
    seed: int,
) -> keras.Model:
    """Train a network from scratch.

    Parameters
    ----------
    examples : Examples
        Of the training patients.
    weights : numpy.ndarray, shape (strips,)
        How likely each is drawn.
    noise : numpy.ndarray, shape (leads, n)
        Of electrodes and muscles on the grid, of unit variance, to be added.
    epochs, steps : int
        `steps` batches of 16 strips in each of `epochs`; the learning rate falls by a cosine.
    seed : int
        Of weights, order and variation.
    """
    # layers are numbered on from those made before, and their names are kept in the model's bytes
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    network = wave_network()
    schedule = keras.optimizers.schedules.CosineDecay(
        1e-4, epochs * steps, warmup_target=PEAK_LEARNING_RATE, warmup_steps=steps // 2
    )
    network.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-3),
        loss=wave_loss,
        jit_compile=False,
    )
    network.fit(_Batches(examples, weights, noise, steps, seed), epochs=epochs, verbose=2)
    return network
