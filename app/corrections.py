"""A reader's corrections of stored recordings: taught to the beat model for that patient alone.

The vault keeps what was learned, and nothing else does: reports stay as they were made.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.leads import AnalysisError, choose_leads, to_millivolts
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
from ml.tasks.beat_features import BeatFeatures
from signals.ecg.beat import BeatClass
from signals.ecg.episode import RhythmKind
from signals.ecg.families import OTHER
from signals.ecg.qrs import QrsDetector
from signals.recording import Recording, RecordingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from app.report import Report
    from app.vault import StoredRecording, Vault
    from ml.bundle import Bundle
    from ml.tasks.beat_features import BeatInputs

NEAR_S = 0.15
"""A time means the nearest beat within this; the window in which EC57 takes two for one."""

_BLOCK_S = 300.0  # beats that are read together cost less each


class CorrectionError(Exception):
    """A correction cannot be made as it was asked for; the message says why, in plain words."""


@dataclass(frozen=True, slots=True)
class BeatChange:
    """A beat that has another class than before.

    Parameters
    ----------
    sample : int
        R peak.
    before, after : BeatClass
    reason : Reason or None
        None where the class is the model's own again.
    """

    sample: int
    before: BeatClass
    after: BeatClass
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of the corrections did to the recording.

    Parameters
    ----------
    before, after : mapping of BeatClass to int
        Number of beats of each class.
    beats : tuple of BeatChange
        In order of time.
    """

    before: Mapping[BeatClass, int]
    after: Mapping[BeatClass, int]
    beats: tuple[BeatChange, ...]


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
        self._irregular = _in_fibrillation(self._report, self.beats)

    def answers(self) -> PersonalAnswers:
        """Return the beats by the patient's pattern; without one, as the report has them.

        In atrial fibrillation no beat comes early: S there is N, as in the report, except where the
        reader marked the beat or its family.
        """
        return self._answers(self._current(self._vault.pattern_of(self._id)))

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
        by_reader: dict[int, Reason] = {}
        for one in pattern.corrections:
            if one.recording == self.beats.recording:
                marked = members(one, self.beats, self._model)
                reason = Reason(Ground.READER, one.given, 1, one.family)
                by_reader.update(dict.fromkeys(marked.tolist(), reason))
        early = self._irregular.copy()
        early[list(by_reader)] = False
        classes = _without_early(answers.classes, early)
        changed = np.flatnonzero(classes != _without_early(self._model, self._irregular)).tolist()
        reasons = {beat: answers.reasons.get(beat) or by_reader[beat] for beat in changed}
        return PersonalAnswers(answers.logits, classes, reasons)

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
            leads = _unusual(labels, recording)
            return read_beats(recording, self._bundle, leads=leads, progress=progress)


def _unusual(labels: list[str], recording: Recording) -> list[str] | None:
    """Return the labels of the leads that were analysed, if a user had to name them."""
    with suppress(AnalysisError):
        if labels == [recording.channels[index].label for index in choose_leads(recording)]:
            return None
    return labels


def _in_fibrillation(report: Report, beats: ReadBeats) -> NDArray[np.bool_]:
    """Return which beats lie in an episode of atrial fibrillation."""
    inside, times = np.zeros(len(beats.samples), np.bool_), beats.samples / beats.rate
    for finding in report.findings:
        if finding.kind == RhythmKind.ATRIAL_FIBRILLATION:
            inside |= (times >= finding.onset) & (times <= finding.end)
    return inside


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


def read_beats(
    recording: Recording,
    bundle: Bundle,
    *,
    leads: Sequence[str] | None = None,
    progress: Callable[[float], None] | None = None,
) -> ReadBeats:
    """Return the beats of a recording, the ones that its analysis finds, as the model sees them.

    Parameters
    ----------
    recording : Recording
        Open for reading.
    bundle : Bundle
        Of the beat model. A graph does not keep the order of its outputs: the logits are as many
        as there are classes, and the other output is the embedding.
    leads : sequence of str, optional
        Labels of the ECG leads, where the file's labels do not tell.
    progress : callable, optional
        Called with the share done, 0 to 1.

    Raises
    ------
    AnalysisError
        If there is no ECG lead.
    RecordingError
        If the file cannot be read to its end.
    """
    chosen = choose_leads(recording, leads)
    channels = [recording.channels[index] for index in chosen]
    rate = channels[0].rate
    factors = [to_millivolts(recording, index)[0] for index in chosen]
    rails = [
        (low * factor, high * factor)
        for (low, high), factor in zip((c.physical_range for c in channels), factors, strict=True)
    ]
    detector, features = QrsDetector(rate, rails), BeatFeatures(rate, len(chosen))
    network = _Network(bundle)
    in_millivolts = np.asarray(factors, np.float32)[:, np.newaxis]
    for block in recording.blocks(chosen, _BLOCK_S):
        samples = block.samples * in_millivolts
        network.take(features.push(samples, detector.push(samples).peaks))
        if progress is not None:
            progress((block.start + samples.shape[1]) / channels[0].n_samples)
    nothing = np.empty((len(chosen), 0), np.float32)
    network.take(features.push(nothing, detector.finish().peaks))
    network.take(features.finish())
    peaks, ids, embeddings, logits = network.columns()
    families = features.family_table().settled(peaks, ids)
    return ReadBeats(recording.sha256(), bundle.sha256, rate, peaks, embeddings, logits, families)


class _Network:
    """Runs the beat model and keeps what a pattern is learned on."""

    def __init__(self, bundle: Bundle) -> None:
        self._model = bundle.ready()
        # a graph does not keep the order of its outputs; the other one is the last hidden layer
        widths = [spec.shape[-1] for spec in self._model.outputs]
        self._logits = widths.index(len(bundle.labels))
        self._embedding = 1 - self._logits
        self._rows: list[tuple[NDArray[Any], ...]] = [
            (
                np.zeros(0, np.int64),
                np.zeros(0, np.int16),
                np.zeros((0, widths[self._embedding]), np.float32),
                np.zeros((0, len(bundle.labels)), np.float32),
            )
        ]

    def take(self, inputs: BeatInputs) -> None:
        if len(inputs.samples):
            found = self._model.run(inputs.features, inputs.shapes)
            self._rows.append(
                (inputs.samples, inputs.families, found[self._embedding], found[self._logits])
            )

    def columns(self) -> tuple[NDArray[Any], ...]:
        """Return R peaks, families, embeddings and logits of all beats."""
        return tuple(np.concatenate(column) for column in zip(*self._rows, strict=True))
