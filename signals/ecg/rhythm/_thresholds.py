"""From when on a rhythm is an episode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

_MORE_THAN_A_STRIP = 512  # intervals: a minute at 500 beats a minute


@dataclass(frozen=True, slots=True)
class RhythmThresholds:
    """From when on a rhythm is an episode.

    Parameters
    ----------
    pause_s : float, default 2.0
        RR interval that is a pause. Holter practice reports from 2 s; the 2018 ACC/AHA/HRS
        guideline on bradycardia gives weight to pauses over 3 s.
    asystole_s : float, default 4.0
        Pause that is asystole: PhysioNet/CinC Challenge 2015, whose monitors raise their alarm for
        "no QRS for at least four seconds".
    bradycardia_bpm : float, default 50
        A lower rate is bradycardia: same guideline.
    tachycardia_bpm : float, default 100
        A higher rate is tachycardia: 2015 ACC/AHA/HRS guideline on supraventricular tachycardia.
    ventricular_tachycardia_bpm : float, default 100
        Rate from which a ventricular run is tachycardia: 2017 AHA/ACC/HRS guideline on ventricular
        arrhythmias. A slower one is an idioventricular rhythm.
    supraventricular_tachycardia_bpm : float, default 100
        Rate from which a supraventricular run is tachycardia: the guideline of 2015.
    run_beats : int, default 3
        Ectopic beats in a row that make a run, two being a couplet: ANSI/AAMI EC57, guideline of
        2017.
    allorhythmia_beats : int, default 3
        Ectopic beats, each after the same number of others, that make bigeminy or trigeminy.
        A convention of ours: two may be chance.
    rate_intervals : int, default 8
        RR intervals over which bradycardia and tachycardia are averaged.
    rate_hysteresis_bpm : float, default 5
        How far the rate must come back before they are over.
    sustained_s : float, default 30
        Shortest bradycardia and tachycardia: what the guidelines call sustained.
    gap_s : float, default 30
        Stretch without intervals of its own, unreadable or ectopic, that atrial fibrillation and
        second-degree block are not followed across; nor are rhythms by P waves across so long an
        ectopic one.
    fibrillation_s : float, default 30
        Shortest atrial fibrillation: 2017 HRS expert consensus statement, 2020 ESC guidelines.
    fibrillation_intervals : int, default 32
        RR intervals that are judged together.
    fibrillation_irregularity, fibrillation_over : float, default 0.10 and 0.08
        When fibrillation begins and ends; see :mod:`signals.ecg.fibrillation`. Chosen on the 24
        MIT-BIH development records: of their windows of sinus rhythm, 95 % have less than 0.07; of
        those in fibrillation (records 201 and 203), 95 % have more than 0.11.
    fibrillation_fewest : int, default 32
        Intervals that are judged together where there are no more before a gap or the end.
    fibrillation_conducted : float, default 0.5
        Share of beats with a P wave of their own from which a window is not in fibrillation.
    fibrillation_without_p : int, default 0
        Beats of a window that must be known to have no P wave for it to be in fibrillation.
    lone_s_in_fibrillation : bool, default False
        Whether the intervals beside a lone supraventricular beat are judged too.
    p_wave_beats, p_wave_beats_over : int, default 5 and 20
        Beats with a decided P wave that are judged together: sinus rhythm, first-degree block and
        dissociation begin with four of five, so few that an ECG of 10 s at 40 beats a minute, of
        which the first P wave may be cut off, has enough. They are over when it is fewer than half
        of the last 20: a P wave that is not seen now and then does not break a night into pieces.
    p_wave_gap_s : float, default 4
        Time without a readable interval that these are not followed across. A convention of ours:
        little more than the shortest ventricular fibrillation.
    p_wave_rhythm_s : float, default 4
        Shortest of these. A convention of ours: less than half of a 10-s ECG, so that P waves may
        be missing at both of its ends.
    first_degree_pr_s : float, default 0.2
        A longer PR interval in most beats is first-degree block: 2018 ACC/AHA/HRS guideline on
        bradycardia.
    pr_step_s : float, default 0.02
        Change of PR that counts: a second-degree block is of type 1 if PR is shorter by this after
        the blocked P wave, of type 2 if it changes less. Twice the spread with which a P onset is
        measured.
    atrial_step : float, default 0.15
        How far intervals between P waves may be from their mean, as a share, for the P waves to be
        on time. The guideline of 2018 asks for a constant rate, without a figure; a blocked
        atrial ectopic beat comes earlier than this.
    atrial_bpm : float, default 100
        Rate that P waves stay under for block to be a defect of conduction: guideline of 2018.
    dissociation_bpm : float, default 60
        Rate that the QRS complexes of dissociation stay under: escape rhythms are slower.
    dissociation_step : float, default 0.1
        How far each of their RR intervals may be from the one before, as a share of it.
    """

    pause_s: float = 2.0
    asystole_s: float = 4.0
    bradycardia_bpm: float = 50.0
    tachycardia_bpm: float = 100.0
    ventricular_tachycardia_bpm: float = 100.0
    supraventricular_tachycardia_bpm: float = 100.0
    run_beats: int = 3
    allorhythmia_beats: int = 3
    rate_intervals: int = 8
    rate_hysteresis_bpm: float = 5.0
    sustained_s: float = 30.0
    gap_s: float = 30.0
    fibrillation_s: float = 30.0
    fibrillation_intervals: int = 32
    fibrillation_irregularity: float = 0.10
    fibrillation_over: float = 0.08
    fibrillation_fewest: int = 32
    fibrillation_conducted: float = 0.5
    fibrillation_without_p: int = 0
    lone_s_in_fibrillation: bool = False
    p_wave_beats: int = 5
    p_wave_beats_over: int = 20
    p_wave_gap_s: float = 4.0
    p_wave_rhythm_s: float = 4.0
    first_degree_pr_s: float = 0.2
    pr_step_s: float = 0.02
    atrial_step: float = 0.15
    atrial_bpm: float = 100.0
    dissociation_bpm: float = 60.0
    dissociation_step: float = 0.1

    @classmethod
    def for_strip(cls, duration_s: float) -> Self:
        """Return the thresholds for an ECG of up to a minute, which is judged as a whole.

        A rate is told if it lasts for half of the strip, over four intervals at a time.

        Fibrillation is told of all intervals together, if there are eight or more. So few are
        irregular at half of the usual limit, and at that limit sinus arrhythmia is too: P waves
        decide. Under 0.3 of the beats have one of their own, and at least one is known to have
        none. Lone supraventricular beats are kept, since in so short a stretch the early beats of
        fibrillation are easily taken for them. Chosen on the development recordings of LUDB (10 s,
        12 leads) and 500 of CinC 2017 (9 to 61 s, one lead).

        Parameters
        ----------
        duration_s : float
            Length of the recording, s.
        """
        return cls(
            rate_intervals=4,
            sustained_s=min(cls().sustained_s, duration_s / 2),
            fibrillation_s=0.0,
            fibrillation_intervals=_MORE_THAN_A_STRIP,
            fibrillation_irregularity=0.05,
            fibrillation_over=0.05,
            fibrillation_fewest=8,
            fibrillation_conducted=0.3,
            fibrillation_without_p=1,
            lone_s_in_fibrillation=True,
        )
