"""An ECG made up, of which everything is known: every beat, every episode, every disturbance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signals.ecg.beat import BeatClass
from signals.ecg.rhythm import WFDB_BASIC_RHYTHM, RhythmKind
from signals.recording import MILLIVOLT, Annotation, ArrayRecording, Channel, ChannelKind
from signals.simulate import noise as disturb
from signals.simulate.heart import Origin, Schedule, schedule_beats
from signals.simulate.leads import LEAD_VECTORS
from signals.simulate.scenario import EcgScenario, LeadOff, NoiseLevels
from signals.simulate.waves import draw_beats, fibrillatory_waves

MV_PER_STEP = 0.0025
DIGITAL_MIN, DIGITAL_MAX = -2048, 2047
"""A recorder of 12 bits at 2.5 µV: ±5.12 mV."""


@dataclass(frozen=True, slots=True)
class TrueBeats:
    """The beats of a simulated recording, those behind a lead-off included.

    Parameters
    ----------
    samples : numpy.ndarray, shape (beats,), int64
        R peaks, ascending.
    classes : numpy.ndarray, shape (beats,), int8
        Values of :class:`signals.ecg.beat.BeatClass`.
    """

    samples: NDArray[np.int64]
    classes: NDArray[np.int8]


@dataclass(frozen=True)
class SimulatedEcg:
    """A simulated recording and the truth about it.

    Parameters
    ----------
    recording : ArrayRecording
        Its annotations are the true beats and rhythm changes, as a WFDB file would hold them.
    beats : TrueBeats
        Every beat.
    episodes : list of (onset_s, end_s, RhythmKind)
        By onset.
    motion : list of (onset_s, end_s)
        Bursts of motion artefact.
    """

    recording: ArrayRecording
    beats: TrueBeats
    episodes: list[tuple[float, float, RhythmKind]]
    motion: list[tuple[float, float]]


def simulate_ecg(scenario: EcgScenario) -> SimulatedEcg:
    """Return the ECG of `scenario`: 12-bit samples in mV, and what is true of them.

    The beats depend on the seed and on what is asked of the heart alone: the same heart can be had
    with and without noise, at any sampling rate, in any leads.

    Raises
    ------
    ValueError
        If more isolated ectopic beats are asked for than fit into the sinus rhythm.
    """
    heart_rng, wave_rng, atria_rng, burst_rng, noise_rng = (
        np.random.default_rng(child) for child in np.random.SeedSequence(scenario.seed).spawn(5)
    )
    schedule = schedule_beats(scenario, heart_rng)
    leads = [LEAD_VECTORS[label] for label in scenario.leads]
    clean = draw_beats(schedule, leads, scenario.rate, scenario.n_samples, wave_rng)
    _add_fibrillation(clean, schedule, leads, scenario, atria_rng)
    bursts = disturb.motion_bursts(scenario.duration, scenario.noise.motion_per_hour, burst_rng)
    samples = []
    for label, lead, lead_rng in zip(
        scenario.leads, clean, noise_rng.spawn(len(leads)), strict=True
    ):
        _add_noise(lead, scenario, bursts, lead_rng)
        lead /= np.float32(MV_PER_STEP)
        digital = np.rint(lead, out=lead).clip(DIGITAL_MIN, DIGITAL_MAX, out=lead)
        samples.append(_without_contact(digital.astype(np.int16), label, scenario))
    beats = TrueBeats(
        np.rint(schedule.times * scenario.rate).astype(np.int64),
        np.array([origin.beat_class for origin in Origin], np.int8)[schedule.origins],
    )
    return SimulatedEcg(
        recording=ArrayRecording(
            samples,
            format="simulated",
            name=f"simulated-{scenario.seed}",
            channels=tuple(_channel(label, scenario) for label in scenario.leads),
            annotations=_annotations(beats, schedule.episodes, scenario.rate),
        ),
        beats=beats,
        episodes=schedule.episodes,
        motion=bursts,
    )


def holter_scenario(duration: float = 1800.0, seed: int = 1) -> EcgScenario:
    """Return a two-lead Holter of `duration` seconds with a little of everything.

    Isolated ventricular and supraventricular beats, a couplet, a run of each kind, ventricular
    bigeminy, a sinus pause, faster and slower stretches, an AF episode of a tenth of the recording,
    the noise of an ambulatory recorder, and a lead that comes off.

    Raises
    ------
    ValueError
        If `duration` is under 600 s: the episodes would not find room.
    """
    if duration < 600:
        raise ValueError(f"a Holter of {duration} s is too short for its episodes: 600 s at least")
    part = duration / 100
    return EcgScenario(
        duration=duration,
        heart_rate=68.0,
        rr_variability=0.04,
        pvc_per_hour=60.0,
        sveb_per_hour=40.0,
        rate_episodes=((30 * part, 38 * part, 112.0), (78 * part, 85 * part, 45.0)),
        ventricular_runs=((12 * part, 2), (22 * part, 5)),
        supraventricular_runs=((44 * part, 7),),
        bigeminy=((50 * part, 50 * part + 24),),
        af_episodes=((60 * part, 70 * part),),
        pauses=((88 * part, 2.6),),
        noise=NoiseLevels(
            wander_mv=0.08, mains_mv=0.008, muscle_mv=0.012, motion_mv=0.5, motion_per_hour=16.0
        ),
        lead_off=(
            LeadOff(94 * part, 95.5 * part),
            LeadOff(97 * part, 98 * part, lead="V5", at_rail=True),
        ),
        seed=seed,
    )


def _channel(label: str, scenario: EcgScenario) -> Channel:
    return Channel(
        label=label,
        kind=ChannelKind.ECG,
        rate=scenario.rate,
        n_samples=scenario.n_samples,
        unit=MILLIVOLT,
        scale=MV_PER_STEP,
        offset=0.0,
        digital_min=DIGITAL_MIN,
        digital_max=DIGITAL_MAX,
    )


def _add_fibrillation(
    signals: list[NDArray[np.float32]],
    schedule: Schedule,
    leads: list[NDArray[np.float64]],
    scenario: EcgScenario,
    rng: np.random.Generator,
) -> None:
    """Add the atrial waves of each AF episode, from just before its first beat to its last."""
    for onset, end, kind in schedule.episodes:
        if kind is not RhythmKind.ATRIAL_FIBRILLATION:
            continue
        start = max(0, round((onset - 0.3) * scenario.rate))
        stop = min(scenario.n_samples, round((end + 0.3) * scenario.rate))
        waves, vector = fibrillatory_waves(stop - start, scenario.rate, rng)
        for lead, view in zip(signals, leads, strict=True):
            lead[start:stop] += np.dot(view, vector) * waves


def _add_noise(
    lead: NDArray[np.float32],
    scenario: EcgScenario,
    bursts: list[tuple[float, float]],
    rng: np.random.Generator,
) -> None:
    levels, rate = scenario.noise, scenario.rate
    wander_rng, mains_rng, muscle_rng, motion_rng = rng.spawn(4)
    if levels.wander_mv:
        disturb.add_wander(lead, rate, levels.wander_mv, wander_rng)
    if levels.mains_mv:
        disturb.add_mains(lead, rate, levels.mains_hz, levels.mains_mv, mains_rng)
    if levels.muscle_mv:
        disturb.add_muscle(lead, rate, levels.muscle_mv, muscle_rng)
    for onset, end in bursts:
        start, stop = round(onset * rate), min(lead.size, round(end * rate))
        lead[start:stop] += disturb.motion(stop - start, rate, levels.motion_mv, motion_rng)


def _without_contact(
    digital: NDArray[np.int16], label: str, scenario: EcgScenario
) -> NDArray[np.int16]:
    for off in scenario.lead_off:
        if off.lead in {None, label}:
            stretch = slice(round(off.onset * scenario.rate), round(off.end * scenario.rate))
            digital[stretch] = DIGITAL_MAX if off.at_rail else 0
    return digital


def _annotations(
    beats: TrueBeats, episodes: list[tuple[float, float, RhythmKind]], rate: float
) -> tuple[Annotation, ...]:
    notes = [Annotation(0.0, "+", note=WFDB_BASIC_RHYTHM)]
    for onset, end, kind in episodes:
        if kind.wfdb:
            notes.append(Annotation(onset, "+", note=kind.wfdb))
            notes.append(Annotation(end, "+", note=WFDB_BASIC_RHYTHM))
    symbols = [cls.symbol for cls in BeatClass]
    notes.extend(
        Annotation(sample / rate, symbols[value])
        for sample, value in zip(beats.samples.tolist(), beats.classes.tolist(), strict=True)
    )
    return tuple(sorted(notes, key=lambda note: note.onset))
