from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from signals.ecg.beat import BeatClass
from signals.ecg.rhythm import RhythmKind
from signals.simulate import (
    EcgScenario,
    LeadOff,
    NoiseLevels,
    SimulatedEcg,
    holter_scenario,
    simulate_ecg,
)


def _mv(simulated: SimulatedEcg, lead: int = 0) -> np.ndarray:
    recording = simulated.recording
    return recording.read([lead], 0, recording.channels[lead].n_samples)[0]


def _episodes(simulated: SimulatedEcg, kind: RhythmKind) -> list[tuple[float, float]]:
    return [(onset, end) for onset, end, found in simulated.episodes if found is kind]


def _classes_within(simulated: SimulatedEcg, onset: float, end: float) -> list[int]:
    seconds = simulated.beats.samples / simulated.recording.channels[0].rate
    inside = (seconds >= onset - 0.02) & (seconds <= end + 0.02)
    return simulated.beats.classes[inside].tolist()


@pytest.mark.parametrize("rate", [100.0, 128.0, 250.0, 360.0, 999.5, 1000.0])
@pytest.mark.parametrize("leads", [("MLII", "V5"), ("V1",), ("aVR", "III")])
def test_truth_lies_on_the_r_extremum(rate: float, leads: tuple[str, ...]) -> None:
    scenario = EcgScenario(
        duration=120, rate=rate, leads=leads, pvc_per_hour=300, sveb_per_hour=200, seed=3
    )
    simulated = simulate_ecg(scenario)
    signal = _mv(simulated)
    reach = round(0.06 * rate)
    for peak in simulated.beats.samples[1:-1]:
        around = signal[peak - reach : peak + reach + 1]
        assert abs(np.argmax(np.abs(around)) - reach) / rate <= 0.010


def test_amplitudes_and_intervals_are_those_of_an_adult() -> None:
    simulated = simulate_ecg(EcgScenario(duration=60, rate=1000, heart_rate=60, seed=5))
    signal = _mv(simulated)
    beats = np.stack([signal[p - 300 : p + 500] for p in simulated.beats.samples[2:-2]])
    mean = beats.mean(axis=0)
    assert mean[300] == pytest.approx(1.05, abs=0.3)
    p_wave, t_wave = mean[80:220], mean[440:700]
    assert 0.08 <= p_wave.max() <= 0.25
    assert 130 <= 300 - (80 + p_wave.argmax()) <= 180
    assert 0.2 <= t_wave.max() <= 0.5
    steep = np.flatnonzero(np.abs(np.diff(mean[230:380])) > 0.004)
    assert 70 <= steep[-1] - steep[0] <= 105  # QRS, ms


def test_ventricular_beats_are_wide_early_and_without_p_wave() -> None:
    simulated = simulate_ecg(
        EcgScenario(duration=600, rate=1000, rr_variability=0.01, pvc_per_hour=200, seed=2)
    )
    signal, peaks = _mv(simulated), simulated.beats.samples
    ventricular = np.flatnonzero(simulated.beats.classes == BeatClass.V)
    assert ventricular.size == round(200 / 6)
    for beat in ventricular:
        complex_ = np.abs(signal[peaks[beat] - 120 : peaks[beat] + 120])
        assert np.count_nonzero(complex_ > 0.1 * complex_.max()) >= 110
        before, coupling, after = np.diff(peaks[beat - 2 : beat + 2]) / 1000
        assert coupling < 0.8 * before
        assert coupling + after == pytest.approx(2 * before, rel=0.05)


def test_supraventricular_beats_reset_the_sinus_node() -> None:
    simulated = simulate_ecg(
        EcgScenario(duration=600, rr_variability=0.01, sveb_per_hour=200, seed=2)
    )
    seconds = simulated.beats.samples / 250
    early = np.flatnonzero(simulated.beats.classes == BeatClass.S)
    assert early.size == round(200 / 6)
    for beat in early:
        before, coupling, after = np.diff(seconds[beat - 2 : beat + 2])
        assert coupling < 0.85 * before
        assert 1.5 * before < coupling + after < 1.9 * before


def test_qt_follows_the_rate() -> None:
    t_peaks = []
    for bpm in (50.0, 100.0):
        simulated = simulate_ecg(EcgScenario(duration=60, rate=500, heart_rate=bpm, seed=1))
        signal = _mv(simulated)
        after = [signal[p + 50 : p + 225] for p in simulated.beats.samples[5:-2]]
        t_peaks.append((np.mean(after, axis=0).argmax() + 50) / 500)
    slow, fast = t_peaks
    assert slow / fast == pytest.approx(2 ** (1 / 3), abs=0.06)  # Fridericia


def test_fibrillation_is_irregular_and_has_no_p_wave() -> None:
    scenario = EcgScenario(duration=400, rate=250, af_episodes=((100.0, 300.0),), seed=4)
    simulated = simulate_ecg(scenario)
    [(onset, end)] = _episodes(simulated, RhythmKind.ATRIAL_FIBRILLATION)
    assert onset == pytest.approx(100, abs=2.5)
    assert end == pytest.approx(300, abs=2.5)
    seconds = simulated.beats.samples / 250
    rr = np.diff(seconds)
    within = (seconds[1:] > onset + 0.01) & (seconds[1:] <= end + 0.01)
    sinus = (seconds[1:] < onset - 0.01) | (seconds[1:] > end + 2.5)
    assert np.std(rr[within]) / np.mean(rr[within]) > 0.15
    assert np.std(rr[sinus]) / np.mean(rr[sinus]) < 0.08
    assert 60 / np.mean(rr[within]) == pytest.approx(scenario.af_heart_rate, rel=0.1)

    signal = _mv(simulated)

    def mean_p(beats: np.ndarray) -> float:
        cut = np.mean([signal[p - 60 : p - 20] for p in beats], axis=0)
        return float(cut.max() - cut.min())

    peaks = simulated.beats.samples
    slow = np.append([False], rr > 0.55)  # where the T wave before is over
    fibrillating = (seconds > onset) & (seconds <= end) & slow
    assert mean_p(peaks[fibrillating]) < 0.5 * mean_p(peaks[2:][seconds[2:] < onset - 1])


def test_episodes_are_where_and_what_was_asked_for() -> None:
    scenario = EcgScenario(
        duration=600,
        rr_variability=0.02,
        ventricular_runs=((50.0, 2), (70.0, 5)),
        supraventricular_runs=((90.0, 2), (110.0, 8)),
        bigeminy=((150.0, 180.0),),
        trigeminy=((200.0, 240.0),),
        pauses=((300.0, 3.0),),
        rate_episodes=((350.0, 420.0, 42.0), (450.0, 520.0, 120.0)),
    )
    simulated = simulate_ecg(scenario)
    v, s, n = BeatClass.V, BeatClass.S, BeatClass.N
    [pause] = _episodes(simulated, RhythmKind.PAUSE)
    assert pause[1] - pause[0] == pytest.approx(3.0)
    expected = {
        RhythmKind.VENTRICULAR_COUPLET: (50, [v] * 2),
        RhythmKind.VENTRICULAR_TACHYCARDIA: (70, [v] * 5),
        RhythmKind.SUPRAVENTRICULAR_COUPLET: (90, [s] * 2),
        RhythmKind.SUPRAVENTRICULAR_TACHYCARDIA: (110, [s] * 8),
        RhythmKind.PAUSE: (300, [n] * 2),
    }
    for kind, (asked, classes) in expected.items():
        [(onset, end)] = _episodes(simulated, kind)
        assert abs(onset - asked) < 2.0
        assert _classes_within(simulated, onset, end) == classes
    for kind, cycle in (
        (RhythmKind.VENTRICULAR_BIGEMINY, [v, n]),
        (RhythmKind.VENTRICULAR_TRIGEMINY, [v, n, n]),
    ):
        [(onset, end)] = _episodes(simulated, kind)
        classes = _classes_within(simulated, onset, end)
        assert classes == (cycle * len(classes))[: len(classes)]
        assert classes[-1] == v
        assert len(classes) > 20
    assert _episodes(simulated, RhythmKind.BRADYCARDIA) == [(350.0, 420.0)]
    assert _episodes(simulated, RhythmKind.TACHYCARDIA) == [(450.0, 520.0)]


@pytest.mark.parametrize(
    ("noise", "rms"),
    [
        (NoiseLevels(wander_mv=0.2), 0.2),
        (NoiseLevels(mains_mv=0.05), 0.05),
        (NoiseLevels(mains_mv=0.05, mains_hz=60.0), 0.05),
        (NoiseLevels(muscle_mv=0.05), 0.05),
        (NoiseLevels(wander_mv=0.3, mains_mv=0.1, muscle_mv=0.2), np.sqrt(0.14)),
    ],
)
@pytest.mark.parametrize("rate", [128.0, 500.0])
def test_noise_is_as_strong_as_asked(noise: NoiseLevels, rms: float, rate: float) -> None:
    scenario = EcgScenario(duration=300, rate=rate, seed=8)
    clean, noisy = simulate_ecg(scenario), simulate_ecg(replace(scenario, noise=noise))
    for lead in (0, 1):
        difference = _mv(noisy, lead) - _mv(clean, lead)
        assert np.sqrt(np.mean(difference**2)) == pytest.approx(rms, rel=0.05)


def test_mains_hum_has_the_frequency_asked_for() -> None:
    scenario = EcgScenario(duration=20, rate=500, noise=NoiseLevels(mains_mv=1, mains_hz=60))
    spectrum = np.abs(np.fft.rfft(_mv(simulate_ecg(scenario))))
    spectrum[:200] = 0
    assert np.fft.rfftfreq(10_000, 1 / 500)[spectrum.argmax()] == pytest.approx(60, abs=0.1)


def test_motion_is_where_the_truth_says_and_as_strong_as_asked() -> None:
    scenario = EcgScenario(duration=600, seed=6)
    noise = NoiseLevels(motion_mv=0.4, motion_per_hour=60)
    moved = simulate_ecg(replace(scenario, noise=noise))
    difference = _mv(moved) - _mv(simulate_ecg(scenario))
    seconds = np.arange(difference.size) / 250
    inside = np.zeros(difference.size, bool)
    assert moved.motion
    for onset, end in moved.motion:
        inside |= (seconds >= onset - 0.005) & (seconds <= end + 0.005)
        if sum(o < end and onset < e for o, e in moved.motion) == 1:  # alone
            burst = (seconds >= onset) & (seconds <= end)
            assert np.sqrt(np.mean(difference[burst] ** 2)) == pytest.approx(0.4, rel=0.05)
    assert not difference[~inside].any()


def test_lead_off_is_flat_or_at_the_rail() -> None:
    off = (LeadOff(10, 12), LeadOff(20, 22, lead="V5", at_rail=True))
    simulated = simulate_ecg(
        EcgScenario(duration=30, noise=NoiseLevels(muscle_mv=0.1), lead_off=off)
    )
    digital = simulated.recording.read_digital([0, 1], 0, 7500)
    assert not digital[:, 2500:3000].any()
    assert (digital[1, 5000:5500] == simulated.recording.channels[1].digital_max).all()
    assert digital[0, 5000:5500].std() > 10
    assert digital[:, 3000:3500].std() > 10


def test_annotations_are_the_truth_in_wfdb_words() -> None:
    simulated = simulate_ecg(
        EcgScenario(duration=200, pvc_per_hour=100, af_episodes=((100.0, 150.0),), seed=9)
    )
    notes = simulated.recording.annotations
    assert [a.onset for a in notes] == sorted(a.onset for a in notes)
    beats = [a for a in notes if a.text != "+"]
    assert [round(a.onset * 250) for a in beats] == simulated.beats.samples.tolist()
    assert [a.text for a in beats] == [BeatClass(c).symbol for c in simulated.beats.classes]
    assert [a.note for a in notes if a.text == "+"] == ["(N", "(AFIB", "(N"]


def test_seed_decides() -> None:
    scenario = holter_scenario(600, seed=1)
    first, again = simulate_ecg(scenario), simulate_ecg(scenario)
    other = simulate_ecg(holter_scenario(600, seed=2))
    assert first.recording.sha256() == again.recording.sha256() != other.recording.sha256()
    assert first.episodes == again.episodes


def test_the_heart_does_not_depend_on_how_it_is_recorded() -> None:
    scenario = EcgScenario(duration=120, rate=250, pvc_per_hour=100, seed=7)
    one = simulate_ecg(scenario)
    noisy = replace(scenario, rate=1000, leads=("V1", "I", "II"), noise=NoiseLevels(muscle_mv=0.1))
    two = simulate_ecg(noisy)
    assert np.abs(one.beats.samples / 250 - two.beats.samples / 1000).max() <= 0.003
    assert one.beats.classes.tolist() == two.beats.classes.tolist()


def test_holter_has_a_little_of_everything() -> None:
    simulated = simulate_ecg(holter_scenario())
    assert simulated.recording.duration == 1800
    assert [c.label for c in simulated.recording.channels] == ["MLII", "V5"]
    assert {kind for *_, kind in simulated.episodes} >= {
        RhythmKind.ATRIAL_FIBRILLATION,
        RhythmKind.VENTRICULAR_TACHYCARDIA,
        RhythmKind.PAUSE,
        RhythmKind.BRADYCARDIA,
        RhythmKind.TACHYCARDIA,
    }
    counts = np.bincount(simulated.beats.classes, minlength=5)
    assert counts[BeatClass.V] > 30
    assert counts[BeatClass.S] == 20 + 7


def test_a_holter_needs_room() -> None:
    with pytest.raises(ValueError, match="600 s"):
        holter_scenario(300)


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"rate": 50.0}, "rate is 50"),
        ({"duration": 1.0}, "duration is 1"),
        ({"leads": ()}, "one or more"),
        ({"leads": ("V5", "V5")}, "each once"),
        ({"leads": ("V9",)}, "V9"),
        ({"af_episodes": ((10.0, 70.0),)}, "does not lie in"),
        ({"af_episodes": ((10.0, 30.0),), "bigeminy": ((20.0, 40.0),)}, "begins before"),
        ({"rate_episodes": ((10.0, 30.0, 500.0),)}, "heart rate is 500"),
        ({"pauses": ((10.0, 0.1),)}, "pause is 0.1"),
        ({"ventricular_runs": ((10.0, 1),)}, "beats of a run is 1"),
        ({"lead_off": (LeadOff(10, 20, lead="V6x"),)}, "V6x"),
        ({"heart_rate": float("nan")}, "heart rate is nan"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused(facts: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        EcgScenario(**facts)  # type: ignore[arg-type]


def test_more_ectopic_beats_than_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        simulate_ecg(EcgScenario(duration=60, pvc_per_hour=3600))


@pytest.mark.parametrize("facts", [{"wander_mv": -1.0}, {"muscle_mv": np.nan}, {"mains_hz": 55.0}])
def test_noise_that_cannot_be_is_refused(facts: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(facts))):
        NoiseLevels(**facts)


@settings(max_examples=30, deadline=None)
@given(
    duration=st.floats(5, 60),
    rate=st.floats(100, 1000),
    heart_rate=st.floats(30, 200),
    rr_variability=st.floats(0, 0.2),
    leads=st.lists(st.sampled_from(["MLII", "V1", "V5", "aVL", "III"]), min_size=1, unique=True),
    noise=st.builds(
        NoiseLevels,
        wander_mv=st.floats(0, 10),
        mains_mv=st.floats(0, 10),
        muscle_mv=st.floats(0, 10),
        motion_mv=st.floats(0, 10),
        motion_per_hour=st.floats(0, 2000),
    ),
    n_af=st.integers(0, 1),
    seed=st.integers(0, 2**32),
)
@example(
    duration=5.0,
    rate=100.0,
    heart_rate=30.0,
    rr_variability=0.0,
    leads=["MLII"],
    noise=NoiseLevels(),
    n_af=1,  # over before the next beat
    seed=0,
)
def test_any_scenario_gives_a_sound_recording(
    duration: float,
    rate: float,
    heart_rate: float,
    rr_variability: float,
    leads: list[str],
    noise: NoiseLevels,
    n_af: int,
    seed: int,
) -> None:
    scenario = EcgScenario(
        duration=duration,
        rate=rate,
        heart_rate=heart_rate,
        rr_variability=rr_variability,
        leads=tuple(leads),
        noise=noise,
        af_episodes=((duration / 3, duration / 2),) * n_af,
        seed=seed,
    )
    simulated = simulate_ecg(scenario)
    recording = simulated.recording
    digital = recording.read_digital(range(len(leads)), 0, scenario.n_samples)
    assert digital.shape == (len(leads), scenario.n_samples)
    assert digital.dtype == np.int16
    for channel, row in zip(recording.channels, digital, strict=True):
        assert row.min() >= channel.digital_min
        assert row.max() <= channel.digital_max
    peaks = simulated.beats.samples
    assert peaks.dtype == np.int64
    assert simulated.beats.classes.dtype == np.int8
    assert (np.diff(peaks) > 0.15 * rate).all()
    assert peaks.size >= duration * heart_rate / 60 / 2 - 2
    assert peaks[0] >= 0
    assert peaks[-1] < scenario.n_samples
    for onset, end, _ in simulated.episodes:
        assert 0 <= onset <= end <= duration
