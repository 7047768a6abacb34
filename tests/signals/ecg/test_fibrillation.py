"""signals.ecg.fibrillation and its check: where an episode begins and ends, and who agrees."""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.ecg.episode import Episode, RhythmKind
from signals.ecg.fibrillation import FibrillationDetector, Interval, Suspicion
from signals.ecg.fibrillation_check import AGREED_FROM, FibrillationCheck
from signals.ecg.waves import PWave

REGULAR, FIBRILLATING = PWave.CONDUCTED, PWave.NONE


def detector(window: int = 32, fewest: int = 32, shortest_s: float = 30.0) -> FibrillationDetector:
    return FibrillationDetector(
        window=window,
        fewest=fewest,
        irregularity=0.1,
        irregularity_over=0.08,
        conducted_share=0.5,
        without_p=0,
        shortest_s=shortest_s,
        longest_gap_s=30.0,
    )


def row(*parts: tuple[PWave, int], seed: int = 0, p_known: bool = True) -> list[Interval]:
    """Return intervals: regular after P waves, irregular without, so many of each."""
    rng = np.random.default_rng(seed)
    at = 0.0
    intervals: list[Interval] = []
    for p, count in parts:
        for _ in range(count):
            rr = 0.8 + (rng.uniform(-0.3, 0.4) if p is FIBRILLATING else rng.normal(0, 0.01))
            number = len(intervals) + 1
            known = p if p_known else PWave.UNREADABLE
            intervals.append(Interval(at, at + rr, number, at + rr, number, known))
            at += rr
    return intervals


def found(intervals: list[Interval], **how: int) -> list[Episode]:
    detected = detector(**how)
    return [e for one in intervals for e in detected.push(one)] + detected.finish()


@pytest.mark.parametrize("seed", range(8))
def test_edges_are_within_two_beats_where_p_waves_are_known(seed: int) -> None:
    intervals = row((REGULAR, 60), (FIBRILLATING, 90), (REGULAR, 60), seed=seed)
    [episode] = found(intervals)
    assert abs(episode.onset - intervals[60].onset) < 2.5
    assert abs(episode.end - intervals[149].end) < 2.5


@pytest.mark.parametrize("seed", range(8))
def test_edges_are_near_without_p_waves(seed: int) -> None:
    intervals = row((REGULAR, 60), (FIBRILLATING, 90), (REGULAR, 60), seed=seed, p_known=False)
    [episode] = found(intervals)
    assert abs(episode.onset - intervals[60].onset) < 8
    assert abs(episode.end - intervals[149].end) < 8


def test_fibrillation_that_ends_shortly_before_the_recording_ends_there() -> None:
    intervals = row((FIBRILLATING, 90), (REGULAR, 10), seed=1)
    [episode] = found(intervals)
    assert abs(episode.end - intervals[89].end) < 2.5


def test_rate_and_beats_are_those_between_the_edges() -> None:
    intervals = row((REGULAR, 60), (FIBRILLATING, 90), (REGULAR, 60), seed=2)
    [episode] = found(intervals)
    inside = [x for x in intervals if episode.onset <= x.onset and x.end <= episode.end]
    assert episode.n_beats == len(inside) + 1
    assert episode.peak_bpm == pytest.approx(60 / min(x.rr for x in inside))
    assert episode.rate_bpm == pytest.approx(60 * len(inside) / sum(x.rr for x in inside))


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.sampled_from([REGULAR, FIBRILLATING]), st.integers(1, 90)), max_size=8
    ),
    seed=st.integers(0, 1000),
    asked=st.lists(st.floats(0, 400), min_size=1, max_size=5),
)
def test_episodes_follow_each_other_and_what_was_settled_stays(
    parts: list[tuple[PWave, int]], seed: int, asked: list[float]
) -> None:
    detected = detector()
    episodes: list[Episode] = []
    settled: dict[float, bool] = {}
    for one in row(*parts, seed=seed):
        episodes += detected.push(one)
        for at in asked:
            # as long as only the latest episode can lie there
            if at not in settled and (said := detected.suspicion.overlaps(at, at + 1)) is not None:
                settled[at] = said
    episodes += detected.finish()
    for before, after in itertools.pairwise(episodes):
        assert before.end <= after.onset
    assert all(episode.duration >= 30 for episode in episodes)
    for at, said in settled.items():
        assert said == any(e.onset <= at + 1 and at <= e.end for e in episodes)


def test_a_strip_is_judged_as_a_whole() -> None:
    intervals = row((FIBRILLATING, 20), (REGULAR, 4), seed=3)
    [episode] = found(intervals, window=512, fewest=8, shortest_s=0)
    assert (episode.onset, episode.end) == (intervals[0].onset, intervals[-1].end)


EPISODE = Episode(RhythmKind.ATRIAL_FIBRILLATION, 100.0, 200.0, 120, 80.0, 120.0, "a rule")


def windows(*probabilities: float) -> list[tuple[float, float, float]]:
    return [(20.0 * k, 20.0 * k + 30.0, p) for k, p in enumerate(probabilities)]


NOTHING_YET = Suspicion((), 0.0)


def told(
    episodes: list[Episode], said: list[tuple[float, float, float]], cut: int = 0
) -> list[Episode]:
    check = FibrillationCheck()
    agreed = check.judge(said[:cut], 0.0)
    check.take(episodes, NOTHING_YET)
    return agreed + check.judge(said[cut:], inf)


@pytest.mark.parametrize("cut", [0, 4, 13])
def test_what_the_model_does_not_see_is_not_told(cut: int) -> None:
    agreeing = windows(*[0.0] * 5, *[0.9] * 5, *[0.0] * 5)
    assert told([EPISODE], agreeing, cut) == [EPISODE]
    assert told([EPISODE], windows(*[0.9] * 3, *[AGREED_FROM / 2] * 8, *[0.9] * 3), cut) == []


def test_an_episode_waits_for_the_windows_that_it_lies_in() -> None:
    for last in ([(200.0, 230.0, 0.0)], []):
        check = FibrillationCheck()
        check.take([EPISODE], NOTHING_YET)
        assert check.judge(windows(*[0.9] * 10), 199.0) == []
        assert check.judge(last, 200.0) == [EPISODE]
        assert check.judge([], inf) == []


def test_where_the_model_says_nothing_intervals_are_believed() -> None:
    assert told([EPISODE], []) == [EPISODE]


def test_the_model_is_to_look_where_an_episode_waits_or_is_under_way() -> None:
    check = FibrillationCheck()
    asked = check.take([EPISODE], Suspicion(((300.0, 340.0),), 340.0))
    assert asked.overlaps(190.0, 220.0)
    assert asked.overlaps(330.0, 360.0)
    assert asked.overlaps(210.0, 240.0) is False
    assert asked.overlaps(341.0, 370.0) is None
    check.judge([], 250.0)
    assert not check.take([], Suspicion((), 250.0)).overlaps(190.0, 220.0)


def test_of_a_long_episode_the_last_hour_counts_and_memory_is_bounded() -> None:
    long = replace(EPISODE, end=100_000.0)
    said = [(20.0 * k, 20.0 * k + 30.0, 0.0 if k < 4815 else 0.9) for k in range(5001)]
    assert told([long], said) == [long]


def test_where_no_interval_counts_nothing_is_suspected_and_memory_does_not_wait() -> None:
    detected = detector()
    assert detected.suspicion.overlaps(10.0, 40.0) is None
    detected.pass_time(100.0, 101.0)
    assert detected.suspicion.overlaps(10.0, 40.0) is False
    [one, *_] = row((REGULAR, 3), seed=0)
    detected.push(one)
    detected.pass_time(one.end, one.end + 1)
    assert detected.suspicion.known_s == 100.0
