from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from signals.ecg._hrv_artifacts import Artifact, NnSeries, correct_artifacts, find_artifacts

N = 200


def resting(n: int = N, seed: int = 0) -> NDArray[np.float64]:
    """Return intervals of a heart at rest, ms."""
    rng = np.random.default_rng(seed)
    breath = 25 * np.sin(2 * np.pi * 0.2 * np.arange(n))
    return np.asarray(800 + breath + rng.uniform(-12, 12, n))


def successive(nn: NDArray[np.float64]) -> NnSeries:
    follows = np.arange(len(nn)) > 0
    return NnSeries(np.cumsum(nn) / 1000, nn, follows, np.ones(len(nn), bool))


def found(series: NnSeries) -> dict[int, Artifact]:
    verdicts = find_artifacts(series.nn, series.follows)
    return {int(i): Artifact(int(verdicts[i])) for i in np.flatnonzero(verdicts)}


def test_a_heart_at_rest_has_no_artifact() -> None:
    series = successive(resting())
    assert found(series) == {}
    corrected, n = correct_artifacts(series)
    assert n == 0
    assert corrected is series


def test_a_missed_beat_is_put_in_the_middle() -> None:
    nn = resting()
    whole = successive(np.concatenate([nn[:100], [nn[100] + nn[101]], nn[102:]]))
    assert found(whole) == {100: Artifact.MISSED}
    corrected, n = correct_artifacts(whole)
    assert n == 1
    assert len(corrected) == N
    assert corrected.nn[100] == corrected.nn[101] == (nn[100] + nn[101]) / 2
    np.testing.assert_allclose(corrected.ends, np.cumsum(corrected.nn) / 1000)
    assert corrected.follows[1:].all()
    assert np.flatnonzero(~corrected.measured).tolist() == [100, 101]


@pytest.mark.parametrize("share", [0.25, 0.4])
def test_an_extra_beat_is_taken_out(share: float) -> None:
    nn = resting()
    parts = [nn[100] * share, nn[100] * (1 - share)]
    series = successive(np.concatenate([nn[:100], parts, nn[101:]]))
    corrected, n = correct_artifacts(series)
    assert found(series) == {100: Artifact.EXTRA}
    assert n == 1
    np.testing.assert_allclose(corrected.nn, nn)
    np.testing.assert_allclose(corrected.ends, np.cumsum(nn) / 1000)
    assert np.flatnonzero(~corrected.measured).tolist() == [100]


def test_an_early_beat_that_was_called_normal_is_smoothed_over() -> None:
    nn = resting()
    early = nn.copy()
    early[100] -= 300
    early[101] += 300
    series = successive(early)
    assert set(found(series)) == {100, 101}
    assert Artifact.ECTOPIC in found(series).values()
    corrected, n = correct_artifacts(series)
    assert n == 2
    assert len(corrected) == N
    np.testing.assert_allclose(corrected.nn, nn, atol=50)
    assert np.flatnonzero(~corrected.measured).tolist() == [100, 101]


def test_nothing_is_made_of_a_change_across_a_gap() -> None:
    nn = np.concatenate([resting(100), resting(100, seed=1) - 300])
    nn[100] -= 100
    joined = successive(nn)
    parted = NnSeries(joined.ends, nn, joined.follows.copy(), joined.measured)
    parted.follows[100] = False
    assert set(found(joined)) == {100, 101}
    assert found(parted) == {}


def test_no_artifact_in_what_sampling_leaves_of_a_paced_rhythm() -> None:
    rng = np.random.default_rng(2)
    nn = 1000.0 + np.where(rng.random(N) < 0.1, 1000 / 128, 0.0)
    assert found(successive(nn)) == {}
    nn[50] = 2000.0
    assert found(successive(nn)) == {50: Artifact.MISSED}


intervals = st.lists(st.sampled_from([200.0, 400.0, 790.0, 800.0, 810.0, 1600.0, 3000.0]))


@given(intervals, st.data())
def test_correction_keeps_time_but_for_what_it_interpolates(
    values: list[float], data: st.DataObject
) -> None:
    nn = np.array(values)
    follows = np.array(data.draw(st.lists(st.booleans(), min_size=len(nn), max_size=len(nn))), bool)
    follows[:1] = False
    series = NnSeries(np.cumsum(nn) / 1000, nn, follows, np.ones(len(nn), bool))
    verdicts = find_artifacts(nn, follows)
    corrected, n = correct_artifacts(series)
    assert n == np.count_nonzero(verdicts)
    n_missed = np.count_nonzero(verdicts == Artifact.MISSED)
    n_extra = np.count_nonzero(verdicts == Artifact.EXTRA)
    assert len(corrected) == len(nn) + n_missed - n_extra
    assert (np.diff(corrected.ends) > 0).all()
    assert (corrected.nn > 0).all()
    assert np.count_nonzero(~corrected.follows) == np.count_nonzero(~follows)
    if not np.isin(verdicts, [Artifact.ECTOPIC, Artifact.LONG_SHORT]).any():
        assert corrected.nn.sum() == pytest.approx(nn.sum())
    np.testing.assert_array_equal(
        corrected.nn[corrected.measured],
        nn[np.isin(series.ends, corrected.ends[corrected.measured])],
    )
