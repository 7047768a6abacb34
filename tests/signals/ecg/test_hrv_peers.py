"""Heart-rate variability beside NeuroKit2 and hrv-analysis, on made and on real RR intervals."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import wfdb
from numpy.typing import NDArray

from signals.ecg._hrv_artifacts import NnSeries, find_artifacts
from signals.ecg._hrv_shape import (
    LONG_BOXES,
    SHORT_BOXES,
    poincare,
    sample_entropy,
    scaling_exponent,
    triangular_index,
)
from signals.ecg.beat import BeatClass, beat_class_of
from signals.ecg.hrv import HrvSummary, RrIntervals, heart_rate_variability

RECORDS = ("101", "112", "115", "122", "205", "220")
"""Records of mitdb in sinus rhythm with little ectopy."""


@pytest.fixture
def neurokit(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """NeuroKit2; 0.2.12 calls `numpy.trapz`, which numpy 2.4 does not have any more."""
    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports scipy.misc
        return importlib.import_module("neurokit2")


@pytest.fixture
def hrvanalysis(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """hrv-analysis; nolds 0.6, which it has for sample entropy alone, needs Python 3.12."""
    monkeypatch.setitem(sys.modules, "nolds", ModuleType("nolds"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("hrvanalysis")


def made(seconds: float, seed: int) -> NDArray[np.float64]:
    """Return NN intervals, ms, that no artifact correction has anything to do with."""
    rng = np.random.default_rng(seed)
    at = 0.85 * np.arange(round(seconds / 0.85))
    nn = 850 + 60 * np.sin(2 * np.pi * at / 9000) + 35 * np.sin(2 * np.pi * 0.095 * at)
    nn += 25 * np.sin(2 * np.pi * 0.26 * at + np.sin(at / 40)) + rng.uniform(-5, 5, len(at))
    return np.asarray(nn)


def summary_of(nn: NDArray[np.float64]) -> HrvSummary:
    summary = heart_rate_variability(
        RrIntervals(np.cumsum(nn) / 1000, nn / 1000, np.ones(len(nn), bool))
    )
    assert summary.n_corrected == 0
    return summary


def reference(recordings: Path, record: str) -> RrIntervals:
    notes = wfdb.rdann(str(recordings / "mitdb" / record), "atr")
    classes = [beat_class_of(symbol) for symbol in notes.symbol]
    beats = np.array([c is not None for c in classes])
    times = notes.sample[beats] / 360.0
    normal = np.array([c is BeatClass.N for c in classes])[beats]
    return RrIntervals.between(times, normal, np.ones(len(times) - 1, bool))


def intervals_of(nn: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    return {"RRI": nn, "RRI_Time": np.cumsum(nn) / 1000}


def agree(ours: float | None, theirs: float, **tolerance: float) -> None:
    assert ours == pytest.approx(float(theirs), **tolerance)


@pytest.mark.parametrize("seed", range(3))
def test_time_domain(neurokit: ModuleType, hrvanalysis: ModuleType, seed: int) -> None:
    nn = made(3600, seed)
    ours = summary_of(nn)
    nk = neurokit.hrv_time(intervals_of(nn)).iloc[0]
    ha = hrvanalysis.get_time_domain_features(nn)
    agree(ours.mean_nn_ms, nk.HRV_MeanNN)
    agree(ours.mean_nn_ms, ha["mean_nni"])
    agree(ours.sdnn_ms, nk.HRV_SDNN)
    agree(ours.sdnn_ms, ha["sdnn"])
    agree(ours.rmssd_ms, nk.HRV_RMSSD)
    agree(ours.rmssd_ms, ha["rmssd"])
    agree(ours.sdsd_ms, nk.HRV_SDSD)
    agree(ours.sdsd_ms, ha["sdsd"], rel=1 / len(nn))  # divides by n, not n - 1
    agree(ours.pnn50_percent, nk.HRV_pNN50, rel=2 / len(nn))  # divides by intervals
    agree(ours.pnn20_percent, nk.HRV_pNN20, rel=2 / len(nn))
    agree(ours.pnn50_percent, ha["pnni_50"])
    agree(ours.pnn20_percent, ha["pnni_20"])
    agree(ours.triangular_index, nk.HRV_HTI)
    # Its bins are 8 ms wide: 2.4 % more, and counts that fall out otherwise.
    geometrical = hrvanalysis.get_geometrical_features(nn)["triangular_index"]
    agree(ours.triangular_index, geometrical * 8 / 7.8125, rel=0.08)


def test_a_day(neurokit: ModuleType) -> None:
    nn = made(86_400, 3)
    ours = summary_of(nn)
    nk = neurokit.hrv_time(intervals_of(nn)).iloc[0]
    agree(ours.sdnn_ms, nk.HRV_SDNN)
    # It leaves out the last interval of each window and keeps the last window, however short.
    agree(ours.sdann_ms, nk.HRV_SDANN5, rel=0.005)
    agree(ours.sdnn_index_ms, nk.HRV_SDNNI5, rel=0.005)


@pytest.mark.parametrize("seed", range(3))
def test_poincare(neurokit: ModuleType, hrvanalysis: ModuleType, seed: int) -> None:
    nn = made(600, seed)
    ours = summary_of(nn)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nk = neurokit.hrv_nonlinear(intervals_of(nn)).iloc[0]
    ha = hrvanalysis.get_poincare_plot_features(nn)
    agree(ours.sd1_ms, nk.HRV_SD1)
    agree(ours.sd2_ms, nk.HRV_SD2)
    agree(ours.sd1_sd2, nk.HRV_SD1SD2)
    agree(ours.sd1_ms, ha["sd1"])
    agree(ours.sd2_ms, ha["sd2"], rel=0.005)  # from the SD of all intervals, not of the pairs


@pytest.mark.parametrize("boxes", [SHORT_BOXES, LONG_BOXES])
@pytest.mark.parametrize("seed", range(3))
def test_fluctuation_analysis(neurokit: ModuleType, boxes: tuple[int, ...], seed: int) -> None:
    nn = made(1800, seed)
    successive = np.arange(len(nn)) > 0
    series = NnSeries(np.cumsum(nn) / 1000, nn, successive, ~np.zeros(len(nn), bool))
    theirs, _ = neurokit.fractal_dfa(nn, scale=np.array(boxes), overlap=False)
    agree(scaling_exponent(series, boxes), theirs, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_sample_entropy(neurokit: ModuleType, seed: int) -> None:
    nn = made(300, seed)
    successive = np.arange(len(nn)) > 0
    series = NnSeries(np.cumsum(nn) / 1000, nn, successive, ~np.zeros(len(nn), bool))
    theirs, _ = neurokit.entropy_sample(nn, dimension=2, tolerance=0.2 * np.std(nn, ddof=1))
    agree(sample_entropy(series), theirs, rel=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_spectrum(neurokit: ModuleType, hrvanalysis: ModuleType, seed: int) -> None:
    nn = made(300, seed)
    ours = summary_of(nn)
    assert ours.n_windows == 1
    lomb = hrvanalysis.get_frequency_domain_features(nn, method="lomb")
    to_density = 2 * nn.mean() / 1000  # it does not scale its Lomb-Scargle powers
    agree(ours.lf_ms2, lomb["lf"] * to_density, rel=0.05)
    agree(ours.hf_ms2, lomb["hf"] * to_density, rel=0.05)
    agree(ours.lf_nu, lomb["lfnu"], abs=2)
    agree(ours.hf_nu, lomb["hfnu"], abs=2)
    # Resampled at 100 Hz and smoothed by Welch's method.
    nk = neurokit.hrv_frequency(intervals_of(nn), normalize=False).iloc[0]
    agree(ours.lf_ms2, nk.HRV_LF, rel=0.15)
    agree(ours.hf_ms2, nk.HRV_HF, rel=0.15)
    agree(ours.lf_hf, nk.HRV_LFHF, rel=0.15)
    # Resampled linearly, which damps HF by a third.
    agree(ours.lf_ms2, hrvanalysis.get_frequency_domain_features(nn)["lf"], rel=0.15)


def artifacts_of_neurokit(neurokit: ModuleType, nn: NDArray[np.float64]) -> NDArray[np.int64]:
    beats = np.concatenate([[0], np.cumsum(np.round(nn))]).astype(int)
    found, _ = neurokit.signal_fixpeaks(beats, sampling_rate=1000, iterative=False, method="kubios")
    kinds = [found[kind] for kind in ("ectopic", "missed", "extra", "longshort")]
    return np.unique(np.concatenate([np.asarray(k, int) for k in kinds])) - 1


def test_artifacts(neurokit: ModuleType) -> None:
    rng = np.random.default_rng(7)
    nn = np.round(made(3600, 7))
    where = np.arange(50, len(nn) - 50, 45)
    planted = set()
    for place, kind in zip(where.tolist(), rng.integers(0, 3, len(where)), strict=True):
        planted |= {place}
        if kind == 0:
            nn[place] *= 2
        elif kind == 1:
            nn[place : place + 2] += [-300, 300]
        else:
            nn[place] += 500
    theirs = set(artifacts_of_neurokit(neurokit, nn).tolist())
    ours = set(np.flatnonzero(find_artifacts(nn, np.arange(len(nn)) > 0)).tolist())
    assert planted <= ours
    assert len(ours ^ theirs) <= 0.03 * len(ours)


@pytest.mark.realdata
@pytest.mark.parametrize("record", RECORDS)
def test_real_beats(
    neurokit: ModuleType, hrvanalysis: ModuleType, recordings: Path, record: str
) -> None:
    intervals = reference(recordings, record)
    ours = heart_rate_variability(intervals)
    assert ours.nn_share is not None
    assert ours.nn_share > 0.8
    assert ours.n_windows >= 4
    ends, nn = intervals.ends[intervals.normal], intervals.rr[intervals.normal] * 1000
    follows = np.concatenate([[False], np.abs(ends[1:] - nn[1:] / 1000 - ends[:-1]) < 1e-6])
    series = NnSeries(ends, nn, follows, np.ones(len(nn), bool))
    nk = neurokit.hrv_time({"RRI": nn, "RRI_Time": ends}).iloc[0]
    ha = hrvanalysis.get_time_domain_features(nn)
    agree(float(np.sqrt(np.mean(series.differences**2))), nk.HRV_RMSSD)
    agree(poincare(series)[0], nk.HRV_SDSD / np.sqrt(2))
    agree(triangular_index(nn), nk.HRV_HTI)
    # The correction of artifacts is between these and the summary.
    agree(ours.mean_nn_ms, ha["mean_nni"], rel=0.005)
    agree(ours.sdnn_ms, ha["sdnn"], rel=0.15)


@pytest.mark.realdata
@pytest.mark.parametrize("record", [*RECORDS, "223"])
def test_artifacts_among_real_beats(neurokit: ModuleType, recordings: Path, record: str) -> None:
    rr = np.round(reference(recordings, record).rr * 1000)
    theirs = artifacts_of_neurokit(neurokit, rr)
    ours = np.flatnonzero(find_artifacts(rr, np.arange(len(rr)) > 0))
    # They differ by the quartiles (nearest rank, not interpolated) and the floor of the threshold.
    assert len(np.setxor1d(ours, theirs)) <= 0.006 * len(rr)
