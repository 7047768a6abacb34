"""ml.tasks.ventricular: alarms at once, one answer whatever the blocks, none without a lead."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.registry import bundle_for
from ml.tasks.ventricular import (
    AFTER_LONG,
    ASKED_FOR,
    ASKED_FROM,
    ENDS_BELOW,
    HELD_FOR,
    LONG,
    LOOK_AHEAD_S,
    Decisions,
    Hysteresis,
    VentricularAlarm,
)
from ml.tasks.ventricular_windows import VentricularWindows, model_input
from signals.ecg.ventricular import WEIGHTS, VentricularScores
from signals.quality import QualityMeter, is_readable
from signals.readers import open_recording

if TYPE_CHECKING:
    from pathlib import Path

    from ml.bundle import Bundle

Signal = NDArray[np.float32]
Bools = NDArray[np.bool_]


def sinus(rate: float, seconds: float, rr: float = 0.8) -> Signal:
    """Return narrow beats with P and T waves, mV."""
    t = np.arange(round(seconds * rate)) / rate
    signal = np.random.default_rng(1).normal(0, 0.01, t.size)
    for time in np.arange(0.4, seconds, rr):
        for offset, size, width in ((0, 1, 0.012), (0.03, -0.3, 0.012), (0.28, 0.25, 0.05)):
            signal += size * np.exp(-0.5 * np.square((t - time - offset) / width))
        signal += 0.12 * np.exp(-0.5 * np.square((t - time + 0.16) / 0.025))
    return signal.astype(np.float32)


def fibrillation(rate: float, seconds: float) -> Signal:
    """Return waves that wander between 3.5 and 5.5 Hz and wax and wane, mV."""
    t = np.arange(round(seconds * rate)) / rate
    frequency = 4.5 + np.sin(2 * np.pi * 0.23 * t)
    swell = 1 + 0.5 * np.sin(2 * np.pi * 0.31 * t)
    wave = 0.5 * swell * np.sin(2 * np.pi * np.cumsum(frequency) / rate)
    return wave.astype(np.float32)


def episode(rate: float, leads: int = 2) -> Signal:
    """Return a minute of beats with fibrillation from 20 s to 40 s."""
    lead = sinus(rate, 60)
    lead[round(20 * rate) : round(40 * rate)] = fibrillation(rate, 20)
    return np.stack([lead, -0.6 * lead])[:leads]


def watched(
    samples: Signal,
    rate: float,
    cuts: tuple[float, ...] = (),
    readable: Bools | None = None,
    bundle: Bundle | None = None,
    rule_weights: tuple[float, ...] = WEIGHTS,
) -> Decisions:
    """Return all decisions, samples and quality cut in places of their own."""
    if readable is None:
        readable = np.ones((len(samples), int(samples.shape[1] / rate)), bool)
    bundle = bundle or bundle_for("ventricular")
    alarm = VentricularAlarm(bundle, rate, len(samples), rule_weights)
    at = sorted(cuts)
    pieces = zip(
        np.split(samples, [round(cut * samples.shape[1]) for cut in at], axis=1),
        np.split(readable, [round(cut**2 * readable.shape[1]) for cut in at], axis=1),
        strict=True,
    )
    return Decisions.joined([*(alarm.push(*piece) for piece in pieces), alarm.finish()])


@pytest.mark.parametrize("rate", [100.0, 128.0, 250.0, 360.0, 500.0])
@pytest.mark.parametrize("leads", [1, 2])
def test_fibrillation_raises_an_alarm_and_beats_end_it(rate: float, leads: int) -> None:
    found = watched(episode(rate, leads), rate)
    begun = np.flatnonzero(found.alarm)
    assert 21 <= begun[0] <= 27
    assert 39 <= begun[-1] <= 48
    ((first, last),) = found.episodes
    assert first / rate == pytest.approx(22, abs=3)
    assert last / rate == pytest.approx(42, abs=3)
    np.testing.assert_array_equal(found.ends, np.ceil(np.arange(1, 61) * rate))


@pytest.mark.parametrize("rr", [0.35, 0.5, 1.3])
def test_narrow_beats_of_any_rate_raise_none(rr: float) -> None:
    found = watched(sinus(250, 60, rr)[None], 250)
    assert not found.alarm.any()
    assert not found.episodes
    assert (found.probability[7:] < 0.5).all()


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.floats(0, 1), max_size=6), rate=st.sampled_from([128.0, 257.3]))
def test_the_answer_does_not_depend_on_the_blocks(cuts: list[float], rate: float) -> None:
    samples = episode(rate)
    samples[0, 3000:3100] = np.nan
    readable = np.random.default_rng(0).random((2, 60)) < 0.98
    whole = watched(samples, rate, (), readable)
    other = watched(samples, rate, tuple(cuts), readable)
    for one, same in zip(whole[:3], other[:3], strict=True):
        np.testing.assert_array_equal(one, same)
    assert whole.episodes == other.episodes


def test_a_lead_that_cannot_be_read_has_no_vote() -> None:
    samples = episode(250.0)
    samples[1] = np.random.default_rng(0).normal(0, 2, samples.shape[1])
    readable = np.ones((2, 60), bool)
    readable[1] = False
    both = watched(samples, 250.0, (), readable)
    np.testing.assert_array_equal(both.probability, watched(samples[:1], 250.0).probability)


def test_without_a_lead_there_is_no_decision_and_no_alarm() -> None:
    readable = np.ones((1, 60), bool)
    readable[0, 30:35] = False
    found = watched(episode(250.0, 1), 250.0, (), readable)
    unknown = np.isnan(found.probability)
    assert unknown[:7].all()
    assert np.flatnonzero(unknown[7:]).tolist() == list(range(23, 31))
    flat = watched(np.zeros((1, 15000), np.float32), 250.0)
    assert np.isnan(flat.probability).all()
    assert not flat.alarm.any()


def test_an_alarm_at_the_end_is_an_episode() -> None:
    found = watched(episode(250.0)[:, : 35 * 250], 250.0)
    assert found.alarm[-1]
    ((_, last),) = found.episodes
    assert last == 35 * 250


def test_two_seconds_call_for_an_alarm_and_a_clear_one_ends_it() -> None:
    hysteresis = Hysteresis(1.0)
    clear = ENDS_BELOW - 0.1
    odds = [2, 0, 2, 2, 0, 1.1, ENDS_BELOW, clear, 2, clear, -np.inf, 9, 9]
    alarms = [hysteresis.add(one) for one in odds]
    assert np.flatnonzero(alarms).tolist() == [3, 4, 5, 6, 12]


@given(st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 1.5, 3.0, np.nan]), max_size=LONG - 1))
def test_a_few_unknown_seconds_are_passed_over(seconds: list[float]) -> None:
    """Shorter than what makes an alarm a long one, which time alone decides."""
    assume(str(seconds).count("nan") <= HELD_FOR)
    whole, without = Hysteresis(1.0), Hysteresis(1.0)
    for one in seconds:
        before = whole.alarm
        expected = before if np.isnan(one) else without.add(one)
        assert whole.add(one) == expected


def test_an_alarm_is_not_held_for_ever() -> None:
    hysteresis = Hysteresis(1.0)
    held = [hysteresis.add(one) for one in [2.0, 2.0, *[np.nan] * (HELD_FOR + 2), 2.0, 2.0]]
    assert held == [False, True, *[True] * HELD_FOR, False, False, False, True]
    hysteresis = Hysteresis(1.0)
    assert not any(hysteresis.add(one) for one in [2.0, *[np.nan] * (HELD_FOR + 1), 2.0])


def test_a_second_that_cannot_be_read_does_not_split_an_alarm() -> None:
    samples = episode(250.0, 1)
    samples[0, 30 * 250 : 31 * 250] = np.nan
    readable = np.ones((1, 60), bool)
    readable[0, 30] = False
    found = watched(samples, 250.0, (), readable)
    assert np.flatnonzero(np.isnan(found.probability[7:])).tolist() == [23, 24, 25, 26]
    begun = np.flatnonzero(found.alarm)
    assert np.array_equal(begun, np.arange(begun[0], begun[-1] + 1))
    ((first, last),) = found.episodes
    assert first / 250 == pytest.approx(22, abs=3)
    assert last / 250 == pytest.approx(42, abs=3)


def test_an_alarm_ends_where_nothing_can_be_read_and_its_episode_with_what_was_known() -> None:
    samples = episode(250.0, 1)[:, : 40 * 250]
    readable = np.ones((1, 40), bool)
    readable[0, 30:] = False
    found = watched(samples, 250.0, (), readable)
    begun = np.flatnonzero(found.alarm)
    assert begun[-1] == 29 + HELD_FOR
    ((_, last),) = found.episodes
    assert last == 30 * 250


def test_less_is_asked_after_a_long_alarm() -> None:
    def again(seconds: int, pause: int) -> bool:
        hysteresis = Hysteresis(2.0)
        for one in [*[3.0] * (seconds + 1), *[-9.0] * pause, 1.0]:
            hysteresis.add(one)
        return hysteresis.add(1.0)

    assert again(LONG, AFTER_LONG - 2)
    assert not again(LONG - 1, 1)
    assert not again(LONG, AFTER_LONG)


def test_the_model_is_asked_where_the_rule_does_not_exclude_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    samples = episode(250.0)
    readable = np.ones((2, 60), bool)
    rule = VentricularScores(250.0, 2)
    scores = np.concatenate((rule.push(samples, readable), rule.finish()))
    possible = scores >= ASKED_FROM
    asked = np.array([possible[max(0, k + 1 - ASKED_FOR) : k + 1].any() for k in range(60)])
    assert 15 < asked.sum() < 35
    judged = []
    monkeypatch.setattr(
        "ml.tasks.ventricular.model_input",
        lambda windows: (judged.append(len(windows)), model_input(windows))[1],
    )
    found = watched(samples, 250.0)
    np.testing.assert_array_equal(found.probability[7:] > 0, asked[7:])
    assert sum(judged) == 2 * asked[7:].sum()


@pytest.mark.parametrize("weights", [WEIGHTS, (-12.0, 3.0, 9.0, 8.0)])
def test_log_odds_are_the_models_and_a_share_of_the_rules(weights: tuple[float, ...]) -> None:
    """The numbers stand here too: whoever changes them means another alarm."""
    bundle = bundle_for("ventricular")
    samples = episode(250.0, 1)
    samples[0, 2000:4500] += 0.3 * fibrillation(250.0, 10)
    samples[0, -3750:] = fibrillation(250.0, 15) * np.exp(-np.arange(3750) / 1000)
    rule = VentricularScores(250.0, 1, weights)
    rule_odds = np.concatenate((rule.push(samples, np.ones((1, 60), bool)), rule.finish()))
    cutter = VentricularWindows(250.0, 1)
    windows = np.concatenate((cutter.push(samples), cutter.finish()))[:, 0]
    strip, numbers = model_input(windows)
    (logits,) = bundle.ready().run(numbers, strip)
    no_vote = np.isinf(rule_odds)
    counts = np.where(no_vote, 0, np.clip(rule_odds, -2, 2))
    margin = logits[:, 1] - logits[:, 0] + 0.75 * counts
    expected = 1 / (1 + np.exp(-(bundle.decision.scale * margin)))
    found = watched(samples, 250.0, rule_weights=weights).probability
    asked = found > 0
    assert no_vote[asked].any()
    assert (rule_odds[asked] > 2).any()
    assert (np.abs(rule_odds[asked]) < 2).any()
    assert (rule_odds[asked & ~no_vote] < -2).any()
    np.testing.assert_allclose(found[asked], expected[asked], rtol=1e-3)


def test_where_the_rule_rules_it_out_nothing_calls_for_an_alarm() -> None:
    bundle = bundle_for("ventricular")
    eager = replace(bundle, decision=replace(bundle.decision, offsets=(0.0, 12.0)))
    readable = np.ones((1, 60), bool)
    found = watched(episode(250.0, 1), 250.0, (), readable, eager)
    assert found.alarm[25:40].all()
    assert not found.alarm[found.probability == 0].any()
    assert (found.probability == 0).sum() > 20


def test_where_the_rule_has_no_vote_nothing_is_known() -> None:
    """The model's least height is below the rule's: in between stands no 0 that nobody has said."""
    samples = sinus(250.0, 60)[None]
    samples[0, 5000:] = 0.02 * np.sin(2 * np.pi * 4 * np.arange(10000) / 250)
    found = watched(samples, 250.0)
    assert (found.probability[7:18] == 0).all()
    assert np.isnan(found.probability[26:]).all()


@pytest.mark.parametrize("rate", [100.0, 128.0, 257.3, 360.0, 1000.0])
def test_a_decision_waits_no_longer_than_is_said(rate: float) -> None:
    alarm = VentricularAlarm(bundle_for("ventricular"), rate, 1)
    samples = sinus(rate, 12)[None]
    enough = round((10 + LOOK_AHEAD_S) * rate) + 1
    found = alarm.push(samples[:, :enough], np.ones((1, 12), bool))
    assert len(found.ends) == 10


@pytest.mark.parametrize(("rate", "leads"), [(99.0, 1), (np.nan, 1), (250.0, 0)])
def test_what_cannot_be_watched_is_refused(rate: float, leads: int) -> None:
    with pytest.raises(ValueError, match="alarms need"):
        VentricularAlarm(bundle_for("ventricular"), rate, leads)


def test_another_bundle_is_refused() -> None:
    with pytest.raises(ValueError, match="does not tell"):
        VentricularAlarm(bundle_for("beats"), 250.0, 1)
    older = replace(bundle_for("ventricular"), version=(1, 1, 0), id="ventricular-1.1.0")
    with pytest.raises(ValueError, match="are of other log odds"):
        VentricularAlarm(older, 250.0, 1)


@pytest.mark.realdata
def test_flutter_in_a_recording(recordings: Path) -> None:
    """The five minutes of mitdb 207 that end in flutter; the rest of them is not."""
    with open_recording(recordings / "mitdb/207.hea") as recording:
        samples = recording.read(range(2), 1250 * 360, 1650 * 360)
    quality = QualityMeter(360.0, [(-5.0, 5.0)] * 2)
    readable = is_readable(np.concatenate((quality.push(samples), quality.finish()), axis=1))
    found = watched(samples, 360.0, (0.3, 0.6), readable[:, :400])
    begun = np.flatnonzero(found.alarm)
    assert 290 <= begun[0] <= 300
    assert found.alarm[300:388].mean() > 0.9
    assert found.probability.dtype == np.float32
