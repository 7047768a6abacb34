from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.analysis import EcgAnalyzer, EcgModels, Events, analyze_recording
from app.leads import AnalysisError, choose_leads
from app.report import UNREADABLE, Report
from signals.ecg.beat import BeatClass
from signals.ecg.rhythm import RhythmKind
from signals.recording import (
    ARBITRARY,
    MICROVOLT,
    MILLIVOLT,
    ArrayRecording,
    Channel,
    ChannelKind,
    Recording,
)
from signals.simulate import (
    EcgScenario,
    LeadOff,
    NoiseLevels,
    SimulatedEcg,
    holter_scenario,
    simulate_ecg,
)

RATE = 250.0


def channel(label: str = "II", **changes: object) -> Channel:
    plain = Channel(
        label=label,
        kind=ChannelKind.ECG,
        rate=RATE,
        n_samples=2500,
        unit=MILLIVOLT,
        scale=0.005,
        offset=0.0,
        digital_min=-2048,
        digital_max=2047,
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def recording(*channels: Channel) -> ArrayRecording:
    flat = [np.zeros(c.n_samples, np.int16) for c in channels]
    return ArrayRecording(flat, format="test", name="made", channels=channels)


@pytest.fixture(scope="module")
def holter() -> SimulatedEcg:
    return simulate_ecg(holter_scenario(duration=1800.0, seed=3))


@pytest.fixture(scope="module")
def report(holter: SimulatedEcg) -> Report:
    return analyze_recording(holter.recording)


def test_the_beats_of_a_holter_are_found(holter: SimulatedEcg, report: Report) -> None:
    truth = holter.beats.samples / holter.recording.channels[0].rate
    nearest = np.abs(report.beats.times[:, np.newaxis] - truth[np.newaxis]).min(axis=1)
    assert (nearest < 0.05).mean() > 0.99
    assert abs(len(report.beats) - len(truth)) < 0.02 * len(truth)


def test_ventricular_beats_are_told_from_normal_ones(holter: SimulatedEcg, report: Report) -> None:
    planted = int((holter.beats.classes == BeatClass.V).sum())
    assert planted > 20
    assert report.beats.counts()[BeatClass.V] == pytest.approx(planted, rel=0.25)


def test_atrial_fibrillation_is_found_where_it_is(holter: SimulatedEcg, report: Report) -> None:
    (onset, end), = [
        (onset, end)
        for onset, end, kind in holter.episodes
        if kind is RhythmKind.ATRIAL_FIBRILLATION
    ]  # fmt: skip
    found = [f for f in report.findings if f.kind == RhythmKind.ATRIAL_FIBRILLATION]
    overlap = sum(max(0.0, min(end, f.end) - max(onset, f.onset)) for f in found)
    assert overlap > 0.6 * (end - onset)
    assert sum(f.end - f.onset for f in found) < 1.1 * (end - onset)


def test_windows_cover_the_recording(holter: SimulatedEcg, report: Report) -> None:
    assert len(report.windows.heart_rate) == len(report.windows.unreadable_s) == 180
    assert [len(lead) for lead in report.windows.quality] == [180, 180]
    mean = report.measurement("heart_rate_mean").value
    assert mean is not None
    assert 50 < mean < 120


def test_findings_are_in_order_of_time(report: Report) -> None:
    onsets = [finding.onset for finding in report.findings]
    assert onsets == sorted(onsets)


def test_the_report_says_how_it_came_to_be(holter: SimulatedEcg, report: Report) -> None:
    assert report.provenance.input_sha256 == holter.recording.sha256()
    assert report.provenance.work is not None
    assert report.provenance.work.total == len(report.beats)
    assert [(model.id, model.sha256) for model in report.provenance.models] == [
        (bundle.id, bundle.sha256) for bundle in EcgModels.shipped()
    ]


def test_the_report_survives_json(report: Report) -> None:
    assert Report.from_json(report.to_json()) == report


# Enough of everything that stands in the way of cutting: ectopy, noise, a lead that falls off.
SHORT = simulate_ecg(
    EcgScenario(
        duration=90.0,
        pvc_per_hour=300,
        sveb_per_hour=200,
        ventricular_runs=((40.0, 4),),
        noise=NoiseLevels(wander_mv=0.2, mains_mv=0.05, motion_mv=0.8, motion_per_hour=60),
        lead_off=(LeadOff(20.0, 27.5),),
        seed=5,
    )
)


FIBRILLATING = simulate_ecg(
    EcgScenario(duration=200.0, af_episodes=((10.0, 70.0), (100.0, 200.0)), seed=5)
)


def all_events(cuts: list[int], ecg: SimulatedEcg = SHORT) -> list[Events]:
    leads = range(len(ecg.recording.channels))
    first = ecg.recording.channels[0]
    samples = ecg.recording.read(leads, 0, first.n_samples)
    rails = [c.physical_range for c in ecg.recording.channels]
    analyzer = EcgAnalyzer(first.rate, rails, EcgModels.shipped())
    events = [analyzer.push(piece) for piece in np.split(samples, sorted(cuts), axis=1)]
    return [*events, analyzer.finish()]


def beats_of(events: list[Events]) -> list[NDArray[np.float64]]:
    columns = ("samples", "classes", "probabilities", "families")
    of_waves = ("samples", "points", "lead_points", "p_waves", "st", "qrs_area", "lone_p")
    return [
        *(np.concatenate([getattr(e.beats, name) for e in events]) for name in columns),
        *(np.concatenate([getattr(e.waves, name) for e in events]) for name in of_waves),
        np.concatenate([e.rr for e in events]),
    ]


WHOLE = all_events([])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 22_500), max_size=30))
def test_how_samples_are_cut_does_not_matter(cuts: list[int]) -> None:
    pieces = all_events(cuts)
    for one, other in zip(beats_of(WHOLE), beats_of(pieces), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("episodes", "fibrillation", "unclear", "rhythm"):
        one, other = ([x for e in events for x in getattr(e, name)] for events in (WHOLE, pieces))
        assert sorted(map(str, one)) == sorted(map(str, other))
    np.testing.assert_array_equal(
        np.concatenate([e.quality for e in WHOLE], axis=1),
        np.concatenate([e.quality for e in pieces], axis=1),
    )


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(0, 50_000), min_size=1, max_size=12))
def test_where_the_rhythm_model_looks_does_not_depend_on_the_cuts(cuts: list[int]) -> None:
    def told(events: list[Events]) -> tuple[list[str], ...]:
        kinds = ("rhythm", "episodes")
        return tuple(sorted(str(x) for e in events for x in getattr(e, kind)) for kind in kinds)

    whole, pieces = told(all_events([], FIBRILLATING)), told(all_events(cuts, FIBRILLATING))
    assert whole == pieces
    assert any("ATRIAL_FIBRILLATION" in episode for episode in whole[1])
    assert len(whole[0]) > 5


def test_microvolts_give_the_same_report_as_millivolts() -> None:
    in_mv = simulate_ecg(EcgScenario(duration=60.0, seed=1)).recording
    in_uv = ArrayRecording(
        [in_mv.read_digital([i], 0, c.n_samples)[0] for i, c in enumerate(in_mv.channels)],
        format="test",
        name="in µV",
        channels=tuple(
            dataclasses.replace(c, unit=MICROVOLT, scale=c.scale * 1000, offset=c.offset * 1000)
            for c in in_mv.channels
        ),
    )
    one, other = analyze_recording(in_mv), analyze_recording(in_uv)
    np.testing.assert_array_equal(one.beats.samples, other.beats.samples)
    np.testing.assert_array_equal(one.beats.classes, other.beats.classes)


def test_a_flat_recording_is_unreadable_and_has_no_beats() -> None:
    report = analyze_recording(recording(channel(n_samples=30 * 250)))
    assert len(report.beats) == 0
    assert report.measurement("heart_rate_mean").value is None
    assert report.measurement("unreadable").value == 100.0
    assert [(f.kind, f.onset, f.end) for f in report.findings] == [(UNREADABLE, 0.0, 30.0)]
    assert Report.from_json(report.to_json()) == report


def test_one_sample_is_a_recording() -> None:
    report = analyze_recording(recording(channel(n_samples=1)))
    assert len(report.beats) == 0


@pytest.mark.parametrize("rate", [1.0, 99.0])
def test_too_low_a_rate_is_refused_in_words(rate: float) -> None:
    with pytest.raises(AnalysisError, match=r"100 Hz"):
        analyze_recording(recording(channel(rate=rate)))


def test_ten_kilohertz_is_read() -> None:
    made = simulate_ecg(EcgScenario(duration=30.0, rate=1000.0, seed=2)).recording
    fast = ArrayRecording(
        [np.repeat(made.read_digital([0], 0, 30_000)[0], 10)],
        format="test",
        name="fast",
        channels=(dataclasses.replace(made.channels[0], rate=10_000.0, n_samples=300_000),),
    )
    slow_beats = analyze_recording(made).beats
    fast_beats = analyze_recording(fast).beats
    assert abs(len(fast_beats) - len(slow_beats)) <= 1


def test_no_ecg_lead_names_the_channels() -> None:
    with pytest.raises(AnalysisError, match="Fp1, C3"):
        choose_leads(recording(*(channel(n, kind=ChannelKind.EEG) for n in ("Fp1", "C3"))))


def test_many_channels_are_not_all_named() -> None:
    made = recording(*(channel(f"E{n}", kind=ChannelKind.EEG) for n in range(64)))
    with pytest.raises(AnalysisError, match=r"E10, E11 and 52 more"):
        choose_leads(made)


def test_named_channels_are_taken_whatever_their_kind() -> None:
    made = recording(channel("II"), channel("x", kind=ChannelKind.OTHER))
    assert choose_leads(made, ["x"]) == [1]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AnalysisError, match=r"'V9'.*II"):
        choose_leads(recording(channel("II")), ["V9"])


def test_the_largest_group_of_one_rate_is_read() -> None:
    made = recording(channel("I", rate=125.0), channel("V1"), channel("V2"))
    assert choose_leads(made) == [1, 2]
    with pytest.raises(AnalysisError, match="differ"):
        choose_leads(made, ["I", "V1"])


def test_no_samples_is_refused() -> None:
    with pytest.raises(AnalysisError, match="no samples"):
        choose_leads(recording(channel(n_samples=0)))


@pytest.mark.parametrize("size", [0.001, 1.0, 200.0])
def test_an_unknown_unit_is_read_with_a_doubt(size: float) -> None:
    in_mv = simulate_ecg(EcgScenario(duration=60.0, leads=("MLII",), seed=1)).recording
    (lead,) = in_mv.channels
    unitless = ArrayRecording(
        [in_mv.read_digital([0], 0, lead.n_samples)[0]],
        format="test",
        name="without a unit",
        channels=(
            dataclasses.replace(
                lead, unit=ARBITRARY, scale=lead.scale * size, offset=lead.offset * size
            ),
        ),
    )
    report = analyze_recording(unitless)
    assert any("MLII" in repair and "voltage" in repair for repair in report.subject.repairs)
    assert abs(len(report.beats) - len(analyze_recording(in_mv).beats)) <= 1


def test_a_flat_lead_without_a_unit_is_unreadable() -> None:
    report = analyze_recording(recording(channel("ECG", unit=ARBITRARY)))
    assert report.measurement("unreadable").value == 100.0


def test_a_heart_that_stands_still_is_a_finding() -> None:
    rng = np.random.default_rng(1)
    lead = channel(n_samples=120 * 250)
    still = ArrayRecording(
        [np.rint(3 * rng.standard_normal(lead.n_samples)).astype(np.int16)],
        format="test",
        name="asystole",
        channels=(lead,),
    )
    report = analyze_recording(still)
    assert len(report.beats) == 0
    (silence,) = report.findings
    assert (silence.kind, silence.onset, silence.n_beats) == (RhythmKind.ASYSTOLE, 0.0, 0)
    assert silence.end == pytest.approx(120.0)


@pytest.mark.parametrize("hertz", [50.0, 60.0])
def test_hum_alone_has_no_beats(hertz: float) -> None:
    lead = channel(n_samples=60 * 250)
    time = np.arange(lead.n_samples) / RATE
    hum = ArrayRecording(
        [np.rint(100 * np.sin(2 * np.pi * hertz * time)).astype(np.int16)],
        format="test",
        name="hum",
        channels=(lead,),
    )
    assert len(analyze_recording(hum).beats) == 0


def test_what_claims_to_be_endless_is_refused() -> None:
    endless = ArrayRecording(
        [np.zeros(1, np.int16)],
        format="test",
        name="endless",
        channels=(channel(n_samples=10**11),),
    )
    with pytest.raises(AnalysisError, match="31 days"):
        analyze_recording(endless)


def test_in_fibrillation_no_beat_is_supraventricular_ectopic(report: Report) -> None:
    for finding in report.findings:
        if finding.kind == RhythmKind.ATRIAL_FIBRILLATION:
            inside = (report.beats.times > finding.onset) & (report.beats.times < finding.end)
            assert BeatClass.S not in report.beats.classes[inside]


def test_a_strip_has_one_rhythm_and_fibrillation_is_told_by_it() -> None:
    sinus = analyze_recording(simulate_ecg(EcgScenario(duration=30.0, seed=3)).recording)
    assert sinus.summary is not None
    assert sinus.summary.rhythm is not None
    assert next(iter(sinus.summary.rhythm.percent)) == "sinus"
    af = EcgScenario(duration=30.0, af_episodes=((0.0, 30.0),), seed=3)
    report = analyze_recording(simulate_ecg(af).recording)
    assert report.summary is not None
    assert report.summary.rhythm is not None
    percent = report.summary.rhythm.percent
    assert next(iter(percent)) == "fibrillation"
    (found,) = [f for f in report.findings if f.kind == RhythmKind.ATRIAL_FIBRILLATION]
    assert (found.onset, found.end) == (0.0, 30.0)
    assert f"{percent['fibrillation']} %" in found.rule
    assert report.measurement("af_burden").value == 100.0


def test_nothing_is_said_of_the_rhythm_of_a_few_seconds() -> None:
    report = analyze_recording(simulate_ecg(EcgScenario(duration=8.0, seed=3)).recording)
    assert report.summary is not None
    assert report.summary.rhythm is None


def test_what_progress_raises_ends_the_analysis() -> None:
    class CancelledError(Exception):
        pass

    shares: list[float] = []

    def progress(share: float) -> None:
        shares.append(share)
        raise CancelledError

    made: Recording = recording(channel(n_samples=250 * 600))
    with pytest.raises(CancelledError):
        analyze_recording(made, progress=progress)
    assert len(shares) == 1
    assert 0 < shares[0] < 1
