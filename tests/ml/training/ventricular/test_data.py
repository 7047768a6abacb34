"""ml.training.ventricular.data: what counts as an episode, and which windows are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from ml.registry import bundle_for
from ml.tasks.ventricular import Decisions, VentricularAlarm, threshold_of
from ml.training.ventricular.data import Record, answers_of, patient_of, ventricular_runs
from ml.training.ventricular.rule import weights_without
from ml.training.ventricular.scoring import alarmed, odds_of
from signals.ecg.ventricular import WEIGHTS


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


def test_only_records_of_vfdb_have_neighbours() -> None:
    assert patient_of("vfdb/419") == patient_of("vfdb/418") == "vfdb/418"
    assert patient_of("svdb/419") == "svdb/419"
    assert patient_of("nstdb/118e06") == patient_of("mitdb/118") == "mitdb/118"


def test_what_is_scored_is_the_alarm_by_a_rule_that_has_not_seen_the_patient() -> None:
    rate, bundle = 250.0, bundle_for("ventricular")
    t = np.arange(round(60 * rate)) / rate
    beats = np.exp(-0.5 * np.square((np.mod(t, 0.8) - 0.4) / 0.012))
    waves = 0.5 * np.sin(2 * np.pi * np.cumsum(4.5 + np.sin(1.4 * t)) / rate)
    samples = np.where((t > 20) & (t < 40), waves, beats)[None].astype(np.float32)
    readable = np.ones((1, 60), bool)
    readable[:, 32] = False
    # as much before the rule's odds count as most as where they do
    samples[:, 10 * 250 : 18 * 250] += 0.3 * waves[10 * 250 : 18 * 250].astype(np.float32)

    def said(weights: tuple[float, ...]) -> Decisions:
        alarm = VentricularAlarm(bundle, rate, 1, weights)
        return Decisions.joined([alarm.push(samples, readable), alarm.finish()])

    patient = Record("vfdb/418", rate, samples, readable, ((20.0, 40.0),), ())
    answers = answers_of(patient, bundle.models)
    odds = odds_of(bundle.decision, answers.logits)
    found = said(weights_without("vfdb/418"))
    asked, unknown = found.probability > 0, np.isnan(found.probability)
    np.testing.assert_array_equal(answers.found["asked"], asked)
    np.testing.assert_array_equal(np.isnan(odds), unknown)
    assert (answers.truth[unknown] == -1).all()
    assert (answers.truth[~unknown] >= 0).any()
    given = bundle.decision.probabilities(answers.logits)[asked, 1]
    np.testing.assert_allclose(given, found.probability[asked], atol=2e-6)
    shipped = said(WEIGHTS).probability[asked]
    assert np.abs(given - shipped).max() > 1e-3
    scored = alarmed(odds, threshold_of(bundle.decision))
    assert 10 < scored.sum() < 30
    np.testing.assert_array_equal(scored, found.alarm)
