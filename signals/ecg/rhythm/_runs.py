"""Patterns of ectopic beats: couplets, runs, bigeminy, trigeminy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.ecg.beat import BeatClass
from signals.ecg.episode import Episode, RhythmKind
from signals.ecg.rhythm._stream import Stretch

if TYPE_CHECKING:
    from signals.ecg.rhythm._stream import TrackedBeat
    from signals.ecg.rhythm._thresholds import RhythmThresholds


class Runs:
    """Beats of one class in a row, two or more, named by their number and rate."""

    def __init__(
        self,
        kind: BeatClass,
        names: tuple[RhythmKind, RhythmKind, RhythmKind],
        tachycardia_bpm: float,
        limits: RhythmThresholds,
    ) -> None:
        """Take the kinds of a couplet, of a slow run and of a fast one."""
        self._kind = kind
        self._couplet, self._slow, self._fast = names
        self._tachycardia_bpm = tachycardia_bpm
        self._run_beats = limits.run_beats
        beats = "ventricular beats" if kind is BeatClass.V else "supraventricular beats"
        few = "2" if limits.run_beats == 3 else f"2 to {limits.run_beats - 1}"
        self._couplet_rule = f"{few} {beats} in a row"
        self._run_rule = f"{limits.run_beats} or more {beats} in a row"
        self._run: Stretch | None = None

    def push(self, beat: TrackedBeat) -> list[Episode]:
        if beat.kind is self._kind and self._run is not None and beat.linked_rr is not None:
            self._run.add(beat.time, beat.linked_rr)
            return []
        over = self.finish()
        if beat.kind is self._kind:
            self._run = Stretch(beat.time)
        return over

    def finish(self) -> list[Episode]:
        run, self._run = self._run, None
        if run is None or run.n_beats < 2:
            return []
        if run.n_beats < self._run_beats:
            return [run.episode(self._couplet, self._couplet_rule)]
        if run.bpm < self._tachycardia_bpm:
            rule = f"{self._run_rule} under {self._tachycardia_bpm:g} bpm"
            return [run.episode(self._slow, rule)]
        rule = f"{self._run_rule} at {self._tachycardia_bpm:g} bpm or more"
        return [run.episode(self._fast, rule)]


def ventricular_runs(limits: RhythmThresholds) -> Runs:
    """Return the rule for ventricular beats in a row."""
    names = (
        RhythmKind.VENTRICULAR_COUPLET,
        RhythmKind.IDIOVENTRICULAR_RHYTHM,
        RhythmKind.VENTRICULAR_TACHYCARDIA,
    )
    return Runs(BeatClass.V, names, limits.ventricular_tachycardia_bpm, limits)


def supraventricular_runs(limits: RhythmThresholds) -> Runs:
    """Return the rule for supraventricular ectopic beats in a row."""
    names = (
        RhythmKind.SUPRAVENTRICULAR_COUPLET,
        RhythmKind.SUPRAVENTRICULAR_RUN,
        RhythmKind.SUPRAVENTRICULAR_TACHYCARDIA,
    )
    return Runs(BeatClass.S, names, limits.supraventricular_tachycardia_bpm, limits)


class Allorhythmia:
    """Ventricular beats, each after the same number of others."""

    def __init__(self, kind: RhythmKind, others: int, limits: RhythmThresholds) -> None:
        self._kind = kind
        self._others = others
        self._shortest = (limits.allorhythmia_beats - 1) * (others + 1) + 1
        between = "1 other beat" if others == 1 else f"{others} other beats"
        self._rule = f"{limits.allorhythmia_beats} or more ventricular beats, {between} between two"
        self._stretch: Stretch | None = None
        self._since: list[tuple[float, float]] = []  # (time, rr) of the beats after its last one

    def push(self, beat: TrackedBeat) -> list[Episode]:
        ventricular = beat.kind is BeatClass.V
        if beat.linked_rr is not None and self._stretch is not None:
            in_step = len(self._since) == self._others
            if in_step == ventricular:
                self._since.append((beat.time, beat.linked_rr))
                if ventricular:
                    for time, rr in self._since:
                        self._stretch.add(time, rr)
                    self._since.clear()
                return []
        episodes = self.finish()
        if ventricular:
            self._stretch = Stretch(beat.time)
        return episodes

    def finish(self) -> list[Episode]:
        stretch, self._stretch = self._stretch, None
        self._since.clear()
        if stretch is None or stretch.n_beats < self._shortest:
            return []
        return [stretch.episode(self._kind, self._rule)]
