"""ml.training.waves.strips: marks of readers, laid on strips."""

from __future__ import annotations

import numpy as np
import pytest

from ml.tasks.wave_strips import GRID_RATE, MARGIN_POINTS, STRIP_POINTS
from ml.training.waves.data import Extent, Source
from ml.training.waves.strips import INSIDE, KNOWN, SINUS, WHOLE, examples_of

RATE = 500.0
NOISE = np.arange(2 * STRIP_POINTS, dtype=np.float32)[None]


def _source(waves: tuple[Extent, ...], **known: object) -> Source:
    rng = np.random.default_rng(0)
    peaks = np.arange(500, 4600, 400)
    samples = 0.01 * rng.standard_normal((1, 5000))
    for peak in peaks:
        samples[0, peak - 10 : peak + 10] += np.hanning(20)
    return Source("ludb/1", RATE, samples.astype(np.float32), peaks, (waves,), NOISE, **known)  # type: ignore[arg-type]


def test_strips_know_what_was_marked_and_no_more() -> None:
    examples = examples_of(
        _source(
            (Extent(1, 880, 900, 920), Extent(2, np.nan, 1050, 1100), Extent(1, 1280, 1300, 1320))
        )
    )
    (targets,) = examples.targets
    at = (np.array([880, 900, 920, 1040, 1060, 1100, 1200]) / RATE * GRID_RATE).astype(int)
    onset, inner, offset, before_peak, after_peak, t_offset, between = at + MARGIN_POINTS
    inside, known = targets[:, INSIDE] / WHOLE, targets[:, KNOWN] > 0
    assert inside[inner, 1] == 1
    assert inside[onset, 1] == pytest.approx(0.5)
    assert inside[offset, 1] == pytest.approx(0.5)
    assert inside[after_peak, 2] == 1
    assert inside[t_offset + 1, 2] == 0
    assert not known[before_peak, 2], "nobody said where this T began"
    assert known[[after_peak, between], 2].all()
    assert not known[: onset - 1].any()
    assert not targets[:, SINUS].any()


def test_fibrillation_knows_of_p_waves_only() -> None:
    examples = examples_of(_source((), no_p=((1000, 3000),)))
    known = examples.targets[0, :, KNOWN]
    assert known[:, 0].sum() == pytest.approx(2000 / RATE * GRID_RATE, abs=2)
    assert not known[:, 1:].any()
    assert not examples.targets[..., INSIDE].any()


def test_sinus_rhythm_knows_that_a_p_wave_is_somewhere() -> None:
    examples = examples_of(_source((), sinus=(900, 1300)))
    assert examples.targets[..., SINUS].sum() == 2
    assert not examples.targets[..., KNOWN].any()


def test_each_strip_comes_with_a_stretch_of_noise() -> None:
    (noise,) = examples_of(_source((), no_p=((1000, 3000),))).inputs["noise"]
    first = round(float(noise[0]))
    assert 0 <= first <= STRIP_POINTS
    np.testing.assert_array_equal(noise, NOISE[0, first : first + STRIP_POINTS].astype(np.float16))


def test_nothing_known_is_nothing_to_learn_from() -> None:
    examples = examples_of(_source(()))
    assert examples.targets.shape == (0, STRIP_POINTS, 7)
    assert {array.shape for array in examples.inputs.values()} == {(0, STRIP_POINTS)}
