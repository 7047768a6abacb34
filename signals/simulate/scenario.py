"""What an ECG simulation is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from signals.simulate.leads import LEAD_VECTORS

Stretch = tuple[float, float]


@dataclass(frozen=True, slots=True)
class NoiseLevels:
    """How much disturbs each lead.

    Parameters
    ----------
    wander_mv, mains_mv, muscle_mv : float
        Root mean square over the recording, mV.
    mains_hz : float
        Frequency of the mains, 50 or 60 Hz.
    motion_mv : float
        Root mean square inside a burst of motion artefact, mV.
    motion_per_hour : float
        Bursts per hour, each of 2 to 8 s, in all leads at once.
    """

    wander_mv: float = 0.0
    mains_mv: float = 0.0
    mains_hz: float = 50.0
    muscle_mv: float = 0.0
    motion_mv: float = 0.0
    motion_per_hour: float = 0.0

    def __post_init__(self) -> None:
        for name in ("wander_mv", "mains_mv", "muscle_mv", "motion_mv", "motion_per_hour"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}: a finite value from 0 on")
        if self.mains_hz not in {50.0, 60.0}:
            raise ValueError(f"mains_hz is {self.mains_hz}: 50 or 60")


@dataclass(frozen=True, slots=True)
class LeadOff:
    """A stretch in which an electrode has no contact.

    Parameters
    ----------
    onset, end : float
        Seconds from the start.
    lead : str or None
        Label of the lead; None for all of them.
    at_rail : bool
        Whether the amplifier drifts to the end of its range instead of giving a flat zero.
    """

    onset: float
    end: float
    lead: str | None = None
    at_rail: bool = False


@dataclass(frozen=True, slots=True)
class EcgScenario:
    """A simulated ECG as a set of facts; the same facts give the same samples.

    Times are seconds from the start. The stretches of the different kinds do not overlap.

    Parameters
    ----------
    duration : float
        Seconds, at least 5.
    rate : float
        Samples per second, 100 to 1000.
    leads : tuple of str
        Labels from the standard twelve leads, or ``MLII``. R peaks are those of the first.
    heart_rate : float
        Mean sinus rate, beats per minute, 30 to 200.
    rr_variability : float
        Standard deviation of sinus RR intervals as a share of their mean, 0 to 0.2.
    pvc_per_hour, sveb_per_hour : float
        Isolated ventricular and supraventricular ectopic beats per hour of recording. Their number
        is exact: the rate times the duration, rounded.
    rate_episodes : tuple of (onset, end, beats per minute)
        Stretches with another sinus rate.
    ventricular_runs, supraventricular_runs : tuple of (onset, beats)
        Two beats make a couplet, more a run.
    bigeminy, trigeminy, af_episodes : tuple of (onset, end)
        Stretches of ventricular bigeminy, of trigeminy, and of atrial fibrillation.
    af_heart_rate : float
        Mean ventricular rate in atrial fibrillation, beats per minute.
    pauses : tuple of (onset, length)
        Sinus pauses: the RR interval that begins after `onset` lasts `length` seconds.
    noise : NoiseLevels
        What disturbs the signal.
    lead_off : tuple of LeadOff
        Stretches without contact.
    seed : int
        Of all that is random.

    Raises
    ------
    ValueError
        If a value lies outside its range, or stretches overlap or lie outside the recording.
    """

    duration: float = 60.0
    rate: float = 250.0
    leads: tuple[str, ...] = ("MLII", "V5")
    heart_rate: float = 70.0
    rr_variability: float = 0.04
    pvc_per_hour: float = 0.0
    sveb_per_hour: float = 0.0
    rate_episodes: tuple[tuple[float, float, float], ...] = ()
    ventricular_runs: tuple[tuple[float, int], ...] = ()
    supraventricular_runs: tuple[tuple[float, int], ...] = ()
    bigeminy: tuple[Stretch, ...] = ()
    trigeminy: tuple[Stretch, ...] = ()
    af_episodes: tuple[Stretch, ...] = ()
    af_heart_rate: float = 105.0
    pauses: tuple[tuple[float, float], ...] = ()
    noise: NoiseLevels = field(default_factory=NoiseLevels)
    lead_off: tuple[LeadOff, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        _check_range("duration", self.duration, 5.0, 31 * 86400.0)
        _check_range("rate", self.rate, 100.0, 1000.0)
        for bpm in (self.heart_rate, self.af_heart_rate, *(e[2] for e in self.rate_episodes)):
            _check_range("a heart rate", bpm, 30.0, 200.0)
        _check_range("rr_variability", self.rr_variability, 0.0, 0.2)
        _check_range("pvc_per_hour", self.pvc_per_hour, 0.0, 3600.0)
        _check_range("sveb_per_hour", self.sveb_per_hour, 0.0, 3600.0)
        for _, beats in (*self.ventricular_runs, *self.supraventricular_runs):
            _check_range("the beats of a run", beats, 2, 10_000)
        for _, length in self.pauses:
            _check_range("a pause", length, 1.0, 60.0)
        if not self.leads or len(set(self.leads)) < len(self.leads):
            raise ValueError(f"leads are {self.leads}: one or more, each once")
        for lead in (*self.leads, *(off.lead for off in self.lead_off if off.lead is not None)):
            if lead not in LEAD_VECTORS:
                raise ValueError(f"lead {lead!r} is not one of {', '.join(LEAD_VECTORS)}")
        self._check_stretches()

    @property
    def n_samples(self) -> int:
        """Samples per lead."""
        return round(self.duration * self.rate)

    @property
    def longest_rr(self) -> float:
        """The mean RR interval at the slowest sinus rate that is asked for, s."""
        return 60.0 / min([self.heart_rate, *(bpm for _, _, bpm in self.rate_episodes)])

    def stretches(self) -> list[Stretch]:
        """Return where the basic rhythm is taken, in order: everything but the isolated beats."""
        tail = 3.0 * self.longest_rr
        return sorted(
            [
                *self.bigeminy,
                *self.trigeminy,
                *self.af_episodes,
                *((onset, onset + length + tail) for onset, length in self.pauses),
                *(
                    (onset, onset + beats * RUN_CYCLE_S + tail)
                    for onset, beats in (*self.ventricular_runs, *self.supraventricular_runs)
                ),
            ]
        )

    def _check_stretches(self) -> None:
        taken = self.stretches()
        rates = sorted((onset, end) for onset, end, _ in self.rate_episodes)
        offs = [(off.onset, off.end) for off in self.lead_off]
        for onset, end in (*taken, *rates, *offs):
            if not 0 <= onset < end <= self.duration:
                raise ValueError(
                    f"a stretch from {onset} to {end} s does not lie in 0 to {self.duration} s"
                )
        for before, after in (*pairwise(taken), *pairwise(rates)):
            if after[0] < before[1]:
                raise ValueError(
                    f"the stretch from {after[0]} s begins before the one from {before[0]} s ends "
                    f"({before[1]} s)"
                )


RUN_CYCLE_S = 0.42
"""Interval between the beats of a run (143 per minute), s."""


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}: a value from {low} to {high}")
