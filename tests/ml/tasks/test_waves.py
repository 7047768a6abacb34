"""ml.tasks.waves: one answer whatever the blocks, in order of time, and none where none can be."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.registry import bundle_for
from ml.tasks.wave_strips import MAX_DELAY_S
from ml.tasks.waves import WaveDelineator
from signals.ecg.waves import BeatWaves, PWave, Wave
from signals.readers import open_recording

RATE = 250.0
PR_S, QT_S = 0.16, 0.38


def trace(
    rate: float = RATE,
    beats: int = 40,
    leads: int = 2,
    rr: float = 0.85,
    p_mv: float = 0.15,
    pr: NDArray[np.float64] | float = PR_S,
    seed: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return samples and R peaks of narrow beats with P waves of `p_mv`."""
    rng = np.random.default_rng(seed)
    times = 1 + np.cumsum(rr + 0.01 * rng.standard_normal(beats))
    at = np.arange(round((times[-1] + 1.5) * rate)) / rate
    lead = np.zeros(len(at))
    for time, distance in zip(times, np.broadcast_to(pr, beats), strict=True):
        for offset, size, width in (
            (-distance, p_mv, 0.022),
            (-0.025, -0.1, 0.008),
            (0, 1.0, 0.011),
            (0.03, -0.2, 0.01),
            (0.27, 0.3, 0.045),
        ):
            lead += size * np.exp(-0.5 * np.square((at - time - offset) / width))
    gains = 0.8 ** np.arange(leads) * (-1.0) ** np.arange(leads)
    samples = gains[:, None] * lead + 0.006 * rng.standard_normal((leads, len(at)))
    return samples.astype(np.float32), np.rint(times * rate).astype(np.int64)


def joined(parts: list[BeatWaves]) -> BeatWaves:
    return BeatWaves(
        *(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(BeatWaves))
    )


def whole(
    samples: NDArray[np.float32],
    peaks: NDArray[np.int64],
    rate: float = RATE,
    breaks: tuple[tuple[int, int], ...] = (),
) -> BeatWaves:
    delineator = WaveDelineator(bundle_for("waves"), rate, len(samples))
    return joined([delineator.push(samples, peaks, breaks), delineator.finish()])


def same(one: BeatWaves, other: BeatWaves) -> None:
    for each in fields(BeatWaves):
        np.testing.assert_array_equal(getattr(one, each.name), getattr(other, each.name))


def in_order(waves: BeatWaves, rate: float) -> None:
    """P before QRS before R before T, and nothing beyond the beats beside it."""
    rr = np.diff(waves.samples / rate)
    for points in (waves.points, *np.moveaxis(waves.lead_points, 1, 0)):
        for first, last in (
            (Wave.P_ONSET, Wave.P_PEAK),
            (Wave.P_PEAK, Wave.P_OFFSET),
            (Wave.T_ONSET, Wave.T_PEAK),
            (Wave.T_PEAK, Wave.T_OFFSET),
        ):
            assert not (points[:, first] >= points[:, last]).any()
            assert (np.isnan(points[:, first]) == np.isnan(points[:, last])).all()
        assert not (points[:, Wave.P_OFFSET] > points[:, Wave.QRS_ONSET] + 1e-6).any()
        assert not (points[:, Wave.QRS_ONSET] >= 0).any()
        assert not (points[:, Wave.QRS_OFFSET] <= 0).any()
        assert not (points[:, Wave.QRS_OFFSET] > points[:, Wave.T_ONSET] + 1e-6).any()
        for column in (Wave.P_ONSET, Wave.QRS_ONSET):
            assert not (points[1:, column] < -rr).any()
        for column in (Wave.QRS_OFFSET, Wave.T_OFFSET):
            assert not (points[:-1, column] > rr).any()
    there = np.isin(waves.p_waves, (PWave.CONDUCTED, PWave.UNRELATED))
    assert (there == np.isfinite(waves.points[:, Wave.P_ONSET])).all()


@pytest.mark.parametrize("rate", [100.0, 128.0, 257.0, 360.0, 500.0, 2000.0])
def test_waves_are_where_they_were_drawn_at_any_rate(rate: float) -> None:
    samples, peaks = trace(rate)
    waves = whole(samples, peaks, rate)
    np.testing.assert_array_equal(waves.samples, peaks)
    inner = waves.points[2:-2]
    for column, drawn, tolerance in (
        (Wave.P_PEAK, -PR_S, 0.012),
        (Wave.P_ONSET, -PR_S - 0.05, 0.025),
        (Wave.QRS_ONSET, -0.045, 0.015),
        (Wave.QRS_OFFSET, 0.055, 0.02),
        (Wave.T_PEAK, 0.27, 0.015),
        (Wave.T_OFFSET, 0.27 + 0.09, 0.03),
    ):
        assert np.abs(np.median(inner[:, column]) - drawn) < tolerance, column.name
        assert inner[:, column].std() < 0.01, column.name
    assert (waves.p_waves[1:-1] == PWave.CONDUCTED).mean() > 0.9
    in_order(waves, rate)


def test_polarity_and_gain_do_not_matter_much() -> None:
    samples, peaks = trace()
    straight, turned = whole(samples, peaks), whole(-3 * samples, peaks)
    difference = np.abs(straight.points - turned.points)[2:-2]
    assert np.nanmedian(difference) < 0.006


def test_no_p_wave_is_said_where_there_is_none() -> None:
    waves = whole(*trace(p_mv=0.0))
    assert np.isin(waves.p_waves, (PWave.NONE, PWave.UNREADABLE)).mean() > 0.95
    assert (waves.p_waves == PWave.NONE).any()


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_the_cut_into_blocks_changes_nothing(data: st.DataObject) -> None:
    samples, peaks = trace(leads=2, beats=45)
    samples[1, 3000:3400] = np.nan
    expected = whole(samples, peaks, breaks=((5000, 5200),))
    cuts = sorted(data.draw(st.sets(st.integers(1, samples.shape[1] - 1), max_size=8)))
    late = data.draw(st.integers(0, round(MAX_DELAY_S * RATE) - 1))
    delineator = WaveDelineator(bundle_for("waves"), RATE, 2)
    parts, done, broken = [], 0, False
    for start, stop in zip([0, *cuts], [*cuts, samples.shape[1]], strict=True):
        n = int(np.searchsorted(peaks, stop - late)) if stop < samples.shape[1] else len(peaks)
        n = max(n, int(np.searchsorted(peaks, start)))
        breaks = ((5000, 5200),) if stop >= 5200 and not broken else ()
        broken |= bool(breaks)
        parts.append(delineator.push(samples[:, start:stop], peaks[done:n], breaks))
        done = n
    parts.append(delineator.finish())
    same(joined(parts), expected)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rate=st.sampled_from([100.0, 250.0, 360.0]),
    scale=st.sampled_from([0.0, 0.01, 1.0, 100.0]),
)
def test_noise_gives_points_in_order_or_none(seed: int, rate: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    samples = (scale * rng.standard_normal((2, round(20 * rate)))).astype(np.float32)
    samples[0, rng.integers(0, samples.shape[1], 50)] = np.nan
    peaks = np.unique(rng.integers(0, samples.shape[1], 30))
    waves = whole(samples, peaks, rate)
    np.testing.assert_array_equal(waves.samples, peaks)
    in_order(waves, rate)


def test_a_flat_line_has_no_waves() -> None:
    waves = whole(np.full((1, 5000), 0.3, np.float32), np.arange(500, 4800, 200))
    assert np.isnan(waves.points).all()
    assert (waves.p_waves == PWave.UNREADABLE).all()
    assert np.isnan(waves.st).all()


def test_a_lead_that_comes_off_loses_its_vote() -> None:
    samples, peaks = trace()
    expected = whole(samples[:1], peaks)
    damaged = samples.copy()
    damaged[1, 2000:4000] = np.nan
    waves = whole(damaged, peaks)
    off = (peaks > 2000) & (peaks < 4000)
    assert np.isnan(waves.lead_points[off, 1]).all()
    assert np.isnan(waves.st[off, 1]).all()
    assert np.isfinite(waves.st[off, 0]).all()
    inside = (peaks > 2250) & (peaks < 3750)
    np.testing.assert_allclose(waves.points[inside], expected.points[inside], atol=1e-6)


def test_nothing_is_read_in_a_break() -> None:
    samples, peaks = trace()
    stretch = (int(peaks[10]) - 30, int(peaks[12]) + 100)
    waves = whole(samples, peaks, breaks=(stretch,))
    inside = slice(10, 13)
    assert (waves.p_waves[inside] == PWave.UNREADABLE).all()
    assert np.isnan(waves.points[inside, Wave.T_ONSET :]).all()
    assert np.isfinite(waves.points[14:30, Wave.T_OFFSET]).all()


def test_st_and_area_are_of_the_level_before_the_qrs() -> None:
    samples, peaks = trace(leads=1, p_mv=0.1)
    at = np.arange(samples.shape[1])
    for peak in peaks:
        near = (at > peak + 0.06 * RATE) & (at < peak + 0.18 * RATE)
        samples[0, near] += 0.2
    samples += np.float32(2.0)
    waves = whole(samples, peaks)
    assert np.nanmedian(waves.st[2:-2, 0, 2]) == pytest.approx(0.2, abs=0.06)
    sigma = np.sqrt(2 * np.pi)
    drawn = sigma * (0.011 - 0.1 * 0.008 - 0.2 * 0.01)
    assert np.median(waves.qrs_area[2:-2, 0]) == pytest.approx(drawn, rel=0.3)


def test_p_waves_at_no_steady_distance_are_unrelated() -> None:
    beats = 40
    # atria that beat by themselves, ventricles as regular as they
    distance = 0.12 + 0.24 * ((np.arange(beats) * 0.382) % 1)
    waves = whole(*trace(rr=1.2, beats=beats, pr=distance))
    there = np.isin(waves.p_waves, (PWave.CONDUCTED, PWave.UNRELATED))
    assert there[2:-2].mean() > 0.7
    assert (waves.p_waves[there] == PWave.UNRELATED).mean() > 0.8


def test_a_p_wave_that_no_qrs_follows_is_found() -> None:
    samples, peaks = trace(beats=40)
    dropped = peaks[[10, 20, 30]]
    at = np.arange(samples.shape[1]) / RATE
    for peak in dropped:
        near = (at > peak / RATE - 0.08) & (at < peak / RATE + 0.42)
        samples[:, near] = 0.004 * np.random.default_rng(1).standard_normal((2, near.sum()))
    waves = whole(samples, np.setdiff1d(peaks, dropped))
    assert len(waves.lone_p) == 3
    np.testing.assert_allclose(waves.lone_p / RATE, dropped / RATE - PR_S, atol=0.03)
    assert not len(whole(*trace(beats=40)).lone_p)


def test_a_p_wave_at_the_end_or_before_a_break_waits_for_its_qrs() -> None:
    samples, peaks = trace(beats=40)
    cut = int(peaks[30]) - 12
    assert not len(whole(samples[:, :cut], peaks[:30]).lone_p)
    stretch = (cut, cut + 40)
    assert not len(whole(samples, np.delete(peaks, 30), breaks=(stretch,)).lone_p)
    assert len(whole(samples, np.delete(peaks, 30)).lone_p) == 1, "without the break it is one"


def test_memory_does_not_grow_with_the_recording() -> None:
    samples, peaks = trace(beats=60)
    delineator = WaveDelineator(bundle_for("waves"), RATE, 2)
    sizes = []
    for turn in range(6):
        offset = turn * samples.shape[1]
        delineator.push(samples, peaks + offset, ((offset + 10, offset + 20),))
        strips = delineator._strips
        sizes.append((strips._samples.shape[1], len(strips._peaks), len(delineator._beats.samples)))
        assert len(delineator._breaks) < 3
    assert max(sizes[3:]) <= tuple(np.max(sizes[:3], axis=0) + 60 * RATE)


def test_what_cannot_be_is_refused() -> None:
    bundle = bundle_for("waves")
    with pytest.raises(ValueError, match="100 Hz"):
        WaveDelineator(bundle, 50.0, 1)
    with pytest.raises(ValueError, match="without a lead"):
        WaveDelineator(bundle, RATE, 0)
    with pytest.raises(ValueError, match="does not find"):
        WaveDelineator(bundle_for("beats"), RATE, 1)
    delineator = WaveDelineator(bundle, RATE, 1)
    delineator.push(np.zeros((1, 5000), np.float32), np.array([100, 300]))
    with pytest.raises(ValueError, match="ascend"):
        delineator.push(np.zeros((1, 10), np.float32), np.array([300]))
    with pytest.raises(ValueError, match="more than 10 s"):
        delineator.push(np.zeros((1, 10), np.float32), np.array([400]))


def test_nothing_gives_nothing() -> None:
    delineator = WaveDelineator(bundle_for("waves"), RATE, 3)
    waves = joined(
        [delineator.push(np.zeros((3, 0), np.float32), np.zeros(0, np.int64)), delineator.finish()]
    )
    same(waves, BeatWaves.none(3))


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("record", "rhythm", "least", "most"),
    [("101", "sinus", 0.97, 1.0), ("203", "fibrillation", 0.0, 0.03)],
)
def test_p_waves_of_sinus_rhythm_and_of_fibrillation(
    recordings: Path, record: str, rhythm: str, least: float, most: float
) -> None:
    with open_recording(recordings / f"mitdb/{record}.hea") as recording:
        samples = recording.read(range(2), 0, 10 * 60 * 360)
        notes = recording.annotations
    peaks = [round(note.onset * 360) for note in notes if note.text in "NVAa" and note.onset < 599]
    waves = whole(samples, np.array(peaks, np.int64), 360.0)
    in_order(waves, 360.0)
    share = np.isin(waves.p_waves, (PWave.CONDUCTED, PWave.UNRELATED)).mean()
    assert least <= share <= most
