"""The corrections of a patient: taught, told, applied and taken back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.analysis import analyze_recording
from app.corrections._changes import BeatChange, Change, CorrectedBeats, CorrectionError
from app.corrections._reading import read_beats, unusual_leads
from app.gathered import in_fibrillation
from app.vault import VaultDamagedError
from app.wording import exact_clock
from ml.personal import (
    Correction,
    Ground,
    PersonalAnswers,
    PersonalPattern,
    ReadBeats,
    Reason,
    members,
)
from ml.registry import bundle_for
from signals.ecg.beat import BeatClass
from signals.ecg.families import OTHER
from signals.recording import RecordingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from app.report import Report
    from app.vault import StoredRecording, Vault
    from ml.bundle import Bundle

NEAR_S = 0.15
"""A time means the nearest beat within this; the window in which EC57 takes two for one."""


class Corrections:
    """The corrections of the patient of one stored recording, and its beats by them.

    Making one reads the whole recording; that is where the time goes. It may be kept for long:
    what other programs teach meanwhile is neither lost nor overwritten.

    Parameters
    ----------
    vault : Vault
        Open.
    recording_id : str
        Or the beginning of it.
    bundle : Bundle, optional
        Of the beat model; that which ships unless given.
    progress : callable, optional
        Called with the share of the recording that was read, 0 to 1.

    Raises
    ------
    VaultError
        If there is no such recording, or it is damaged.
    """

    def __init__(
        self,
        vault: Vault,
        recording_id: str,
        bundle: Bundle | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self._vault = vault
        self._bundle = bundle or bundle_for("beats")
        stored = vault.recording(recording_id)
        self._id = stored.id
        self._report = vault.report(stored.id)
        self.beats = self._read(stored, self._report, progress)
        self._model = self._bundle.decision.classes(self.beats.logits)
        times = self.beats.samples / self.beats.rate
        self._irregular = in_fibrillation(times, self._report.findings)

    def answers(self) -> PersonalAnswers:
        """Return the beats by the patient's pattern; without one, as the report has them.

        In atrial fibrillation no beat comes early: S there is N, as in the report, except where the
        reader marked the beat or its family.
        """
        return self._answers(self._current(self._vault.pattern_of(self._id)))

    def report(self, progress: Callable[[float], None] | None = None) -> Report:
        """Return the report made anew, in all that follows from the classes of the beats.

        The recording is analysed again. It is kept nowhere: what is taught next would belie it.
        Where corrected beats move the ends of atrial fibrillation, beats there may be S or N
        otherwise than :meth:`answers` has it, which goes by the report in the vault.

        Parameters
        ----------
        progress : callable, optional
            As for :func:`app.analysis.analyze_recording`.

        Raises
        ------
        VaultError
            If the recording is damaged.
        """
        labels = [lead.label for lead in self._report.subject.leads]
        with self._vault.waveform(self._id) as recording:
            made = analyze_recording(
                recording,
                leads=unusual_leads(labels, recording),
                progress=progress,
                corrected=self._corrected(),
            )
        return replace(made, subject=self._report.subject)

    def _corrected(self) -> CorrectedBeats:
        pattern = self._current(self._vault.pattern_of(self._id))
        decision = self._bundle.decision
        answers = pattern.apply(self.beats, decision)
        marked = np.array(sorted(self._by_reader(pattern)), np.int64)
        probabilities = decision.probabilities(answers.logits)
        unsure = decision.unsure(answers.logits)
        probabilities[marked] = np.eye(len(BeatClass))[answers.classes[marked]]
        unsure[marked] = False
        return CorrectedBeats(
            self.beats.samples,
            answers.classes,
            probabilities,
            unsure,
            self.beats.samples[marked],
            len(pattern.corrections),
        )

    def peak_at(self, time_s: float) -> int:
        """Return the R peak of the beat that a reader means by a time, s from the start.

        Raises
        ------
        CorrectionError
            If there is none within :data:`NEAR_S`.
        """
        times = self.beats.samples / self.beats.rate
        away = np.abs(times - time_s)
        if not len(away) or away.min() > NEAR_S:
            after = int(np.searchsorted(times, time_s))
            around = map(exact_clock, times[max(after - 1, 0) : after + 1].tolist())
            told = f"; the nearest: {', '.join(around)}" if len(times) else ""
            raise CorrectionError(f"no beat was found at {exact_clock(time_s)}{told}")
        return int(self.beats.samples[away.argmin()])

    def peak_of_family(self, family: int) -> int:
        """Return the R peak of a beat of a family, which stands for it.

        Parameters
        ----------
        family : int
            As the report numbers it.

        Raises
        ------
        CorrectionError
            If there is none, or this version of the program puts other beats into it.
        """
        families, reported = self.beats.families, self._report.beats
        known = sorted(set(families.tolist()) - {OTHER})
        if family not in known:
            there_are = f"there are {', '.join(map(str, known))}" if known else "there is none"
            raise CorrectionError(f"there is no family {family} of beats; {there_are}")
        own = self.beats.samples[families == family]
        if reported.families is None or not np.array_equal(
            own, reported.samples[reported.families == family]
        ):
            raise CorrectionError(
                f"family {family} of the report, which an earlier version made, holds other beats "
                "than now; mark single beats"
            )
        return int(own[len(own) // 2])  # the first beats of a recording are the least typical

    def worth_asking(self, n: int) -> NDArray[np.int64]:
        """Return the beats whose class would teach most, the most useful first; fewer if none."""
        pattern = self._current(self._vault.pattern_of(self._id))
        return pattern.worth_asking(self.beats, self._bundle.decision, n)

    def effect(self) -> Change:
        """Return what the patient's pattern changes in the recording."""
        nothing = self._answers(PersonalPattern(self._bundle.sha256))
        return self._change(nothing, self.answers())

    def confirming(self, until_s: float, made: datetime) -> list[Correction]:
        """Return corrections that say that the first beats are what they are taken for now.

        Parameters
        ----------
        until_s : float
            How much of the recording the reader looked through, s.
        made : datetime.datetime
            When, with its time zone.

        Raises
        ------
        CorrectionError
            If no beat was found in it.
        """
        n = int(np.searchsorted(self.beats.samples, until_s * self.beats.rate))
        if not n:
            raise CorrectionError(f"no beat was found in the first {until_s:g} s of the recording")
        classes = self.answers().classes[:n]
        return [
            Correction(self.beats.recording, sample, BeatClass(given), made)
            for sample, given in zip(self.beats.samples[:n].tolist(), classes.tolist(), strict=True)
        ]

    def teach(self, corrections: Iterable[Correction], *, keep: bool = True) -> Change:
        """Keep corrections of this recording, all or none; return what they change in it.

        Parameters
        ----------
        corrections : iterable of Correction
        keep : bool, default True
            Without, only what they would change is returned.

        Raises
        ------
        CorrectionError
            If there is no beat at one of them; then none is kept.
        VaultError
            If what was learned before is damaged, or the vault cannot be written.
        """
        taught = list(corrections)
        for one in taught:
            if self.beats.at(one.sample) is None:
                raise CorrectionError(
                    f"no beat was found at {exact_clock(one.sample / self.beats.rate)}"
                )
        decision = self._bundle.decision
        return self._revise(lambda pattern: pattern.taught(taught, self.beats, decision), keep=keep)

    def undo(self, corrections: Iterable[Correction], *, keep: bool = True) -> Change:
        """Take corrections back, all or none, as if never made; return what that changes.

        Parameters
        ----------
        corrections : iterable of Correction
        keep : bool, default True
            As for :meth:`teach`.

        Raises
        ------
        CorrectionError
            If one is not of this patient.
        VaultError
            As for :meth:`teach`.
        """
        undone = set(corrections)

        def revise(pattern: PersonalPattern) -> PersonalPattern:
            if not undone <= set(pattern.corrections):
                raise CorrectionError("that correction was not made, or was taken back")
            return pattern.without(undone)

        return self._revise(revise, keep=keep)

    def _revise(
        self, revise: Callable[[PersonalPattern], PersonalPattern], *, keep: bool
    ) -> Change:
        while True:
            kept = self._vault.pattern_of(self._id)
            before = self._current(kept)
            after = revise(before)
            # another program may have taught something meanwhile
            if not keep or self._vault.replace_pattern(self._id, kept, after):
                return self._change(self._answers(before), self._answers(after))

    def _change(self, before: PersonalAnswers, after: PersonalAnswers) -> Change:
        changed = np.flatnonzero(before.classes != after.classes).tolist()
        return Change(
            _counts(before),
            _counts(after),
            tuple(
                BeatChange(
                    int(self.beats.samples[beat]),
                    BeatClass(before.classes[beat]),
                    BeatClass(after.classes[beat]),
                    after.reasons.get(beat),
                )
                for beat in changed
            ),
        )

    def _answers(self, pattern: PersonalPattern) -> PersonalAnswers:
        answers = pattern.apply(self.beats, self._bundle.decision)
        by_reader = self._by_reader(pattern)
        early = self._irregular.copy()
        early[list(by_reader)] = False
        classes = _without_early(answers.classes, early)
        changed = np.flatnonzero(classes != _without_early(self._model, self._irregular)).tolist()
        reasons = {beat: answers.reasons.get(beat) or by_reader[beat] for beat in changed}
        return PersonalAnswers(answers.logits, classes, reasons)

    def _by_reader(self, pattern: PersonalPattern) -> dict[int, Reason]:
        """Return the beats that the reader marked, alone or with their family."""
        by_reader: dict[int, Reason] = {}
        for one in pattern.corrections:
            if one.recording == self.beats.recording:
                marked = members(one, self.beats, self._model)
                reason = Reason(Ground.READER, one.given, 1, one.family)
                by_reader.update(dict.fromkeys(marked.tolist(), reason))
        return by_reader

    def _current(self, kept: PersonalPattern | None) -> PersonalPattern:
        """Return what was learned, for the model that is used now."""
        model = self._bundle.sha256
        if kept is None:
            return PersonalPattern(model)
        if kept.model == model:
            return kept
        recordings = [self.beats]
        for sha256 in sorted({one.recording for one in kept.corrections} - {self.beats.recording}):
            stored = self._vault.find_input(sha256)
            # what cannot be read now keeps its corrections, which teach nothing
            with suppress(VaultDamagedError, RecordingError):
                recordings += [self._read(stored, self._vault.report(stored.id))] if stored else []
        return kept.relearned(model, recordings, self._bundle.decision)

    def _read(
        self,
        stored: StoredRecording,
        report: Report,
        progress: Callable[[float], None] | None = None,
    ) -> ReadBeats:
        labels = [lead.label for lead in report.subject.leads]
        with self._vault.waveform(stored.id) as recording:
            leads = unusual_leads(labels, recording)
            return read_beats(recording, self._bundle, leads=leads, progress=progress)


def _without_early(classes: NDArray[np.int8], where: NDArray[np.bool_]) -> NDArray[np.int8]:
    return np.where(where & (classes == BeatClass.S), np.int8(BeatClass.N), classes)


def _counts(answers: PersonalAnswers) -> dict[BeatClass, int]:
    found = np.bincount(answers.classes, minlength=len(BeatClass)).tolist()
    return dict(zip(BeatClass, found, strict=True))


def corrections_of(vault: Vault, recording_id: str) -> tuple[Correction, ...]:
    """Return the corrections of a recording, in the order in which they were made.

    Of those made at once, families come first, then beats in order of time.

    Raises
    ------
    VaultError
        If there is no such recording, or what was learned about its patient is damaged.
    """
    stored = vault.recording(recording_id)
    pattern = vault.pattern_of(stored.id)
    made = pattern.corrections if pattern else ()
    own = [one for one in made if one.recording == stored.input_sha256]
    order = sorted(own, key=lambda one: (one.made, one.family is None, one.family, one.sample))
    return tuple(order)


def n_marked_otherwise(report: Report, pattern: PersonalPattern) -> int:
    """Return how many beats a reader gave, alone or by family, another class than the report does.

    Beats that changed because they are like those are not among them: to tell them, the recording
    has to be read (:meth:`Corrections.effect`).
    """
    shown, nothing = report.beats, np.zeros((len(report.beats), 0), np.float32)
    families = np.zeros(len(shown), np.int16) if shown.families is None else shown.families
    beats = ReadBeats(
        report.provenance.input_sha256,
        pattern.model,
        shown.rate,
        shown.samples,
        nothing,
        nothing,
        families,
    )
    given = shown.classes.copy()
    for one in pattern.corrections:  # the one that counts comes last
        if one.recording == beats.recording:
            given[members(one, beats, shown.classes)] = one.given
    return int(np.count_nonzero(given != shown.classes))
