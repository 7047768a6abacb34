"""ml.training.ventricular.data: what counts as an episode, and which windows are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from ml.registry import bundle_for
from ml.tasks.ventricular import VentricularAlarm, log_odds, threshold_of
from ml.training.ventricular.data import Record, answers_of, ventricular_runs
from ml.training.ventricular.scoring import alarmed


def record(
    episodes: tuple[tuple[float, float], ...] = (),
    doubtful: tuple[tuple[float, float], ...] = (),
    seconds: int = 120,
) -> Record:
    samples = np.zeros((1, seconds * 250), np.float32)
    return Record("vfdb/1", 250.0, samples, np.ones((1, seconds), bool), episodes, doubtful)


def test_windows_of_an_episode_are_positive_and_those_around_it_unknown() -> None:
    truth = record(((40.0, 50.0),)).truth
    # the window that ends with second s judges s - 3 to s + 1
    assert np.flatnonzero(truth == 1).tolist() == list(range(43, 50))
    assert (truth[:7] == -1).all()
    assert (truth[7:38] == 0).all()
    assert (truth[38:43] == -1).all()
    assert (truth[50:59] == -1).all()
    assert (truth[59:] == 0).all()


def test_four_fifths_of_the_judged_seconds_are_enough() -> None:
    assert np.flatnonzero(record(((40.0, 43.2),)).truth == 1).tolist() == [43]
    assert not (record(((40.0, 43.1),)).truth == 1).any()


def test_doubtful_stretches_are_unknown_unless_an_episode_is_there() -> None:
    one = record(((40.0, 50.0),), ((45.0, 60.0), (80.0, 90.0)))
    assert (one.truth[43:50] == 1).all()
    assert (one.truth[80:95] == -1).all()
    assert one.truth[95] == 0
    assert not (one.in_doubt & one.near_episodes).any()


@pytest.mark.parametrize(
    ("beats", "runs"),
    [
        ("N V V V N", 1),
        ("N V V N V", 0),
        ("V V V", 1),
        ("N V E ! N", 1),
    ],
)
def test_runs_are_three_ventricular_beats(beats: str, runs: int) -> None:
    found = ventricular_runs([(0.5 * i, symbol) for i, symbol in enumerate(beats.split())])
    assert len(found) == runs


def test_runs_are_fast() -> None:
    slow = [(0.7 * i, "V") for i in range(5)]
    assert not ventricular_runs(slow)
    ((begin, end),) = ventricular_runs([(0.55 * i, "V") for i in range(5)])
    assert begin < 0 < 2.2 < end


def test_a_pause_ends_a_run() -> None:
    times = [0.0, 0.4, 0.8, 3.0, 3.4, 3.8]
    assert len(ventricular_runs([(time, "V") for time in times])) == 2


def test_what_is_scored_is_the_alarm_that_ships() -> None:
    rate, bundle = 250.0, bundle_for("ventricular")
    t = np.arange(round(60 * rate)) / rate
    beats = np.exp(-0.5 * np.square((np.mod(t, 0.8) - 0.4) / 0.012))
    waves = 0.5 * np.sin(2 * np.pi * np.cumsum(4.5 + np.sin(1.4 * t)) / rate)
    samples = np.where((t > 20) & (t < 40), waves, beats)[None].astype(np.float32)
    readable = np.ones((1, 60), bool)
    readable[:, 32] = False
    answers = answers_of(Record("vfdb/1", rate, samples, readable, (), ()), bundle.models)
    alarm = VentricularAlarm(bundle, rate, 1)
    said = [alarm.push(samples, readable), alarm.finish()]
    scored = alarmed(log_odds(bundle.decision, answers.logits), threshold_of(bundle.decision))
    assert 10 < scored.sum() < 30
    np.testing.assert_array_equal(scored, np.concatenate([part.alarm for part in said]))
    asked = np.concatenate([part.probability for part in said]) > 0
    np.testing.assert_array_equal(answers.found["asked"], asked)
