from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.ecg.beat import BeatClass
from signals.ecg.ectopy import LONG_RUN_BEATS, EctopyCounts, find_ectopy
from signals.ecg.rhythm import Episode, RhythmKind, RhythmTracker
from signals.ecg.rr import broken_intervals

RATE = 250.0


def _beats(pattern: str, rr: float | list[float] = 0.8) -> tuple[np.ndarray, np.ndarray]:
    steps = np.full(len(pattern), rr) if isinstance(rr, float) else np.array(rr)
    samples = np.rint(np.cumsum(steps) * RATE).astype(np.int64)
    return samples, np.array([BeatClass[letter] for letter in pattern], np.int8)


def _count(
    pattern: str, rr: float | list[float] = 0.8, breaks: tuple[tuple[int, int], ...] = ()
) -> EctopyCounts:
    samples, classes = _beats(pattern, rr)
    return find_ectopy(samples / RATE, _intervals(samples, breaks), classes, BeatClass.V).counts()


def _intervals(samples: np.ndarray, breaks: Sequence[tuple[int, int]] = ()) -> np.ndarray:
    rr = np.diff(samples, prepend=0) / RATE
    rr[1:][broken_intervals(samples, breaks)] = np.nan
    return rr


@pytest.mark.parametrize(
    ("pattern", "singles", "couplets", "short_runs", "long_runs"),
    [
        ("", 0, 0, 0, 0),
        ("N", 0, 0, 0, 0),
        ("V", 1, 0, 0, 0),
        ("NNVNNVNN", 2, 0, 0, 0),
        ("NVVNVVN", 0, 2, 0, 0),
        ("VVVNVVVVV", 0, 0, 2, 0),
        ("NVVVVVVN", 0, 0, 0, 1),
        ("NVNVVNVVVNVVVVVVV", 1, 1, 1, 1),
        ("NVFVN", 2, 0, 0, 0),
    ],
)
def test_singles_couplets_and_runs(
    pattern: str, singles: int, couplets: int, short_runs: int, long_runs: int
) -> None:
    found = _count(pattern)
    assert (found.singles, found.couplets) == (singles, couplets)
    assert (found.short_runs, found.long_runs) == (short_runs, long_runs)
    assert found.beats == pattern.count("V") == singles + 2 * couplets + found.run_beats


def test_the_class_that_is_asked_for_is_counted() -> None:
    samples, classes = _beats("NSSNVNSN")
    found = find_ectopy(samples / RATE, _intervals(samples), classes, BeatClass.S).counts()
    assert (found.beats, found.singles, found.couplets) == (3, 1, 1)


def test_the_longest_and_the_fastest_run() -> None:
    rr = [0.8] * 2 + [0.5] * 6 + [0.8] * 2 + [0.4] * 3 + [0.8]
    found = _count("NNVVVVVVNNVVVN", rr)
    assert found.longest_run is not None
    assert found.fastest_run is not None
    assert (found.longest_run.n_beats, found.longest_run.rate_bpm) == (6, pytest.approx(120))
    assert (found.fastest_run.n_beats, found.fastest_run.rate_bpm) == (3, pytest.approx(150))
    assert (found.fastest_run.onset, found.fastest_run.end) == (6.6, 7.4)
    assert _count("NVVN").longest_run is None


@pytest.mark.parametrize(
    ("pattern", "bigeminy", "trigeminy"),
    [
        ("NVNVN", 0, 0),
        ("NVNVNVN", 3, 0),
        ("NVNVNVNVNNVNNVNN", 4, 3),
        ("NVNNVNNVNNVN", 0, 4),
        ("NVVNVNVN", 3, 0),
        ("NVNNNVNNNVN", 0, 0),
    ],
)
def test_bigeminy_and_trigeminy(pattern: str, bigeminy: int, trigeminy: int) -> None:
    found = _count(pattern)
    assert (found.bigeminy_beats, found.trigeminy_beats) == (bigeminy, trigeminy)


def test_a_break_and_a_pause_part_beats() -> None:
    samples, _ = _beats("NVVVVN")
    between = (int(samples[2]) + 20, int(samples[2]) + 40)
    for found in (
        _count("NVVVVN", breaks=(between,)),
        _count("NVVVVN", [0.8, 0.8, 0.8, 2.0, 0.8, 0.8]),
    ):
        assert (found.couplets, found.run_beats) == (2, 0)
    assert _count("NVNVNVN", breaks=(between,)).bigeminy_beats == 0


@pytest.mark.parametrize(
    ("coupling", "rr", "n"), [(0.36, 0.8, 1), (0.38, 0.8, 0), (0.36, 0.6, 0), (0.36, 1.2, 1)]
)
def test_r_on_t_by_the_qt_that_is_expected(coupling: float, rr: float, n: int) -> None:
    found = _count("NNNNNVNNNN", [rr] * 5 + [coupling] + [rr] * 4)
    assert found.r_on_t == n


def test_only_the_first_beat_of_a_run_is_r_on_t() -> None:
    assert _count("N" * 20 + "VVVV" + "N", [0.8] * 20 + [0.3] * 4 + [0.8]).r_on_t == 1


@settings(max_examples=80, deadline=None)
@given(
    pattern=st.text("NNVVSF", max_size=60),
    seed=st.integers(0, 1000),
    kind=st.sampled_from([BeatClass.V, BeatClass.S]),
)
def test_counts_agree_with_the_episodes(pattern: str, seed: int, kind: BeatClass) -> None:
    rng = np.random.default_rng(seed)
    samples, classes = _beats(pattern, rng.choice([0.3, 0.8, 2.5], len(pattern)).tolist())
    starts = rng.integers(0, len(pattern) * 250 + 1, rng.integers(0, 4)).tolist()
    breaks = [(start, start + int(rng.integers(1, 800))) for start in starts]
    found = find_ectopy(samples / RATE, _intervals(samples, breaks), classes, kind).counts()
    tracker = RhythmTracker(RATE)
    episodes = tracker.push(samples, classes, breaks)
    episodes += tracker.finish(int(samples[-1]) if len(samples) else 0)

    def of(*kinds: RhythmKind) -> list[Episode]:
        return [e for e in episodes if e.kind in kinds]

    if kind is BeatClass.V:
        runs = of(RhythmKind.VENTRICULAR_TACHYCARDIA, RhythmKind.IDIOVENTRICULAR_RHYTHM)
        couplets = of(RhythmKind.VENTRICULAR_COUPLET)
        bigeminy = of(RhythmKind.VENTRICULAR_BIGEMINY)
        assert found.bigeminy_beats == sum(e.n_beats // 2 + 1 for e in bigeminy)
        trigeminy = of(RhythmKind.VENTRICULAR_TRIGEMINY)
        assert found.trigeminy_beats == sum(e.n_beats // 3 + 1 for e in trigeminy)
    else:
        runs = of(RhythmKind.SUPRAVENTRICULAR_TACHYCARDIA, RhythmKind.SUPRAVENTRICULAR_RUN)
        couplets = of(RhythmKind.SUPRAVENTRICULAR_COUPLET)
        # atrial fibrillation takes its beats: they are in no episode of their own
        if of(RhythmKind.ATRIAL_FIBRILLATION):
            return
    assert found.couplets == len(couplets)
    assert found.run_beats == sum(e.n_beats for e in runs)
    assert found.long_runs == sum(e.n_beats >= LONG_RUN_BEATS for e in runs)
    assert found.short_runs == len(runs) - found.long_runs
    if found.fastest_run is not None:
        assert found.fastest_run.rate_bpm == max(e.rate_bpm for e in runs)
    assert found.beats == found.singles + 2 * found.couplets + found.run_beats


@given(
    pattern=st.text("NNVV", max_size=40),
    cuts=st.lists(st.floats(0.0, 30.0), max_size=4).map(sorted),
    seed=st.integers(0, 99),
)
def test_stretches_add_up_to_the_whole(pattern: str, cuts: list[float], seed: int) -> None:
    rr = np.random.default_rng(seed).choice([0.3, 0.8, 2.5], len(pattern)).tolist()
    samples, classes = _beats(pattern, rr)
    found = find_ectopy(samples / RATE, _intervals(samples), classes, BeatClass.V)
    parts = [found.counts(a, b) for a, b in pairwise([0.0, *cuts, np.inf])]
    whole = found.counts()
    for field in fields(EctopyCounts):
        if not field.name.endswith("est_run"):
            summed = sum(getattr(part, field.name) for part in parts)
            assert summed == getattr(whole, field.name), field.name
    for name in ("longest_run", "fastest_run"):
        assert getattr(whole, name) in {None, *(getattr(part, name) for part in parts)}
