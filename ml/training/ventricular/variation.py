"""How windows are changed in training, in ways that their class goes along with, or changes by.

What tells a slow broad rhythm from a ventricular tachycardia is above all its rate: 120 a minute,
below which no monitor calls a tachycardia. Few recordings lie near that, so tachycardias of one
wave are slowed down to both sides of it, and those that come to lie below are no longer called so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.tasks.ventricular_windows import GRID_RATE, POINTS, model_input

if TYPE_CHECKING:
    from ml.training.task import Examples, Inputs

Floats = NDArray[np.float32]

HELD_POINTS = 12 * GRID_RATE
"""Points of an example: a window and what stretching needs before it."""

_SLOWED = 0.25  # of the windows that are positive
_SLOWEST, _BELOW, _ABOVE, _FASTEST = 1.2, 1.87, 2.1, 3.0  # Hz
_ONE_WAVE = 0.6  # share of the spectrum within half a hertz of its highest point
_LEAST_SLOWING = 1.2
_EPISODE_RATE = (-0.05, 0.25)  # logarithm of how much faster
_OTHER_RATE = (-0.2, 0.03)  # of vfdb: rhythms as broad and nearly as fast as tachycardias
_BEATS_RATE = (-0.15, 0.35)
_GAIN = 0.45
_TURNED = 0.5
_NOISY = 0.35
_NOISE_DB = (-24.0, 2.0)
_WANDERING = 0.3
_DOUBTED = 0.01
"""Share of targets that are turned: annotators slip, and the network is not to be sure."""

_RECORD_WEIGHT = {"vfdb": 6.0, "mitdb": 2.5, "svdb": 1.0, "nstdb": 2.0, "cinc2017": 0.035}
_MOST_OF_A_RECORD = 120
_DRAWN = (0.5, 0.08, 0.42)
"""Shares of what lies in no episode, in one in part, and as a whole."""
_JITTER = GRID_RATE // 4


def vary(inputs: Inputs, targets: NDArray[np.int8], rng: np.random.Generator) -> None:
    """Make what the network takes of a batch of examples; some targets change with it.

    A window that lies in an episode in part is positive that often.
    """
    share = inputs.pop("share")
    inputs["strip"], inputs["numbers"] = model_input(
        varied(inputs.pop("held"), share, inputs.pop("may_quicken") > 0, targets, rng)
    )
    mixed = (share > 0) & (share < 1)
    targets[mixed] = rng.random(int(mixed.sum())) < share[mixed]
    targets[:] = np.where(rng.random(len(targets)) < _DOUBTED, 1 - targets, targets)


def weights_of(examples: Examples) -> NDArray[np.float64]:
    """Draw both classes as often; episodes, and what is mixed, evenly over records."""
    _, of = np.unique(examples.records, return_inverse=True)
    share = examples.inputs["share"]
    databases = [name.partition("/")[0] for name in examples.records.tolist()]
    of_record = np.array([_RECORD_WEIGHT[database] for database in databases])
    weights = np.zeros(len(of))
    for chosen, part in zip(
        (share <= 0, (share > 0) & (share < 1), share >= 1), _DRAWN, strict=True
    ):
        n = np.bincount(of[chosen], minlength=1)[of[chosen]]
        if not (share[chosen] <= 0).all():
            of_record[chosen] = np.sqrt(np.minimum(n, _MOST_OF_A_RECORD))
        drawn = of_record[chosen] / n
        weights[chosen] = part * drawn / max(drawn.sum(), np.finfo(float).tiny)
    normed: NDArray[np.float64] = weights / weights.sum()
    return normed


def varied(
    held: Floats,
    share: Floats,
    may_quicken: NDArray[np.bool_],
    targets: NDArray[np.int8],
    rng: np.random.Generator,
) -> Floats:
    """Return windows, shape (n, POINTS), of examples of HELD_POINTS; `targets` change in place.

    Those that lie in an episode as a whole may become slow enough not to be one.
    """
    rates = np.exp(rng.uniform(*_OTHER_RATE, len(held)))
    rates[may_quicken] = np.exp(rng.uniform(*_BEATS_RATE, int(may_quicken.sum())))
    episode = share > 0
    rates[episode] = np.exp(rng.uniform(*_EPISODE_RATE, int(episode.sum())))
    for row in np.flatnonzero((share >= 1) & (rng.random(len(held)) < _SLOWED)):
        if slower := _slowing(held[row, -POINTS:], rng):
            rates[row], targets[row] = slower
    windows = _stretched(held, rates, rng.integers(0, _JITTER, len(held)))
    n = len(windows)
    gain = np.exp(rng.normal(0, _GAIN, (n, 1))) * np.where(rng.random((n, 1)) < _TURNED, -1, 1)
    windows *= gain.astype(np.float32)
    height = windows.std(axis=1, keepdims=True)
    noise = _coloured(n, rng) * 10 ** (rng.uniform(*_NOISE_DB, (n, 1)) / 20)
    noise *= rng.random((n, 1)) < _NOISY
    noise += rng.normal(0, 1, noise.shape) * 10 ** (-rng.uniform(10, 50, (n, 1)) / 20)
    noise += _wander(n, rng) * (rng.random((n, 1)) < _WANDERING)
    return np.asarray(windows + noise * height, np.float32)


def _slowing(window: Floats, rng: np.random.Generator) -> tuple[float, int] | None:
    """Return a factor below 1 and the class that follows; None where there is not one wave."""
    judged = window[POINTS // 2 :] - window[POINTS // 2 :].mean()
    power = np.square(np.abs(np.fft.rfft(judged * np.hanning(len(judged)), POINTS)))[8:56]
    highest = int(power.argmax())
    near = power[max(0, highest - 4) : highest + 5].sum()
    frequency = (highest + 8) * GRID_RATE / POINTS
    is_fast = rng.random() < 0.5
    wanted = rng.uniform(_ABOVE, _FASTEST) if is_fast else rng.uniform(_SLOWEST, _BELOW)
    if near < _ONE_WAVE * power.sum() or wanted * _LEAST_SLOWING > frequency:
        return None
    return wanted / frequency, int(is_fast)


def _stretched(held: Floats, rates: NDArray[np.float64], earlier: NDArray[np.int64]) -> Floats:
    """Return the last windows of examples made faster, so many points earlier."""
    at = HELD_POINTS - 1 - earlier[:, None] + (np.arange(POINTS) - (POINTS - 1)) * rates[:, None]
    at = np.maximum(at, 0)
    base = np.minimum(at.astype(np.int64), HELD_POINTS - 2)
    part = (at - base).astype(np.float32)
    rows = np.arange(len(held))[:, None]
    stretched: Floats = held[rows, base] * (1 - part) + held[rows, base + 1] * part
    return stretched


def _coloured(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return noise of unit height, from that of muscles to that of electrodes."""
    spectrum = np.fft.rfft(rng.normal(0, 1, (n, POINTS)), axis=1)
    slope = rng.uniform(0, 1.5, (n, 1))
    noise = np.fft.irfft(spectrum / np.arange(1, spectrum.shape[1] + 1) ** slope, axis=1)
    return np.asarray(noise / noise.std(axis=1, keepdims=True))


def _wander(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    seconds = np.arange(POINTS) / GRID_RATE
    turns = rng.uniform(0.05, 0.5, (n, 1)) * seconds + rng.random((n, 1))
    return np.asarray(2 * np.exp(rng.normal(-1.2, 0.8, (n, 1))) * np.sin(2 * np.pi * turns))
