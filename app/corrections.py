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
from ml._personal_lessons import members
from ml.personal import Correction, Ground, PersonalAnswers, PersonalPattern, ReadBeats, Reason
from ml.registry import bundle_for
from ml.tasks.beat_features import BeatFeatures
from ml.tasks.beats import BeatClassifier, ClassifiedBeats
from signals.ecg.beat import BeatClass
from signals.ecg.episode import RhythmKind
from signals.ecg.qrs import QrsDetector
from signals.recording import Recording, RecordingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from app.report import Report
    from app.vault import StoredRecording, Vault
    from ml.bundle import Bundle
    from ml.tasks.beat_features import BeatInputs

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
        self.beats = self._read(stored, progress)
        self._model = self._bundle.decision.classes(self.beats.logits)
        self._irregular = _in_fibrillation(vault.report(stored.id), self.beats)

    def answers(self) -> PersonalAnswers:
        """Return the beats by the patient's pattern; without one, as the report has them.

        In atrial fibrillation no beat comes early: S there is N, as in the report, except where the
        reader marked the beat or its family.
        """
        return self._answers(self._current(self._vault.pattern_of(self._id)))

    def confirming(self, until_s: float, made: datetime) -> list[Correction]:
        """Return corrections that say that the first beats are what they are taken for now.

        Parameters
        ----------
        until_s : float
            How much of the recording the reader looked through, s.
        made : datetime.datetime
            When, with its time zone.
        """
        n = int(np.searchsorted(self.beats.samples, until_s * self.beats.rate))
        classes = self.answers().classes[:n]
        return [
            Correction(self.beats.recording, sample, BeatClass(given), made)
            for sample, given in zip(self.beats.samples[:n].tolist(), classes.tolist(), strict=True)
        ]

    def teach(self, corrections: Iterable[Correction]) -> Change:
        """Keep corrections of this recording, and return what they change in it.

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
                    f"no beat was found at {one.sample / self.beats.rate:.2f} s of the recording"
                )
        decision = self._bundle.decision
        return self._revise(lambda pattern: pattern.taught(taught, self.beats, decision))

    def undo(self, correction: Correction) -> Change:
        """Take a correction back, as if it had never been made; return what that changes.

        Raises
        ------
        CorrectionError
            If it is not one of this patient's.
        VaultError
            As for :meth:`teach`.
        """

        def revise(pattern: PersonalPattern) -> PersonalPattern:
            if correction not in pattern.corrections:
                raise CorrectionError("that correction was not made, or was taken back")
            return pattern.without(correction)

        return self._revise(revise)

    def _revise(self, revise: Callable[[PersonalPattern], PersonalPattern]) -> Change:
        while True:
            kept = self._vault.pattern_of(self._id)
            before = self._current(kept)
            after = revise(before)
            # another program may have taught something meanwhile
            if self._vault.replace_pattern(self._id, kept, after):
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
                recordings += [self._read(stored)] if stored else []
        return kept.relearned(model, recordings, self._bundle.decision)

    def _read(
        self, stored: StoredRecording, progress: Callable[[float], None] | None = None
    ) -> ReadBeats:
        labels = [lead.label for lead in self._vault.report(stored.id).subject.leads]
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

    Raises
    ------
    VaultError
        If there is no such recording, or what was learned about its patient is damaged.
    """
    stored = vault.recording(recording_id)
    pattern = vault.pattern_of(stored.id)
    made = pattern.corrections if pattern else ()
    own = [one for one in made if one.recording == stored.input_sha256]
    return tuple(sorted(own, key=lambda one: one.made))


def read_beats(
    recording: Recording,
    bundle: Bundle,
    *,
    leads: Sequence[str] | None = None,
    progress: Callable[[float], None] | None = None,
) -> ReadBeats:
    """Return the beats of a recording, the ones that its analysis finds, as the model sees them.

    All are read in full, those that the analysis skipped too: what a reader teaches may concern any
    of them. Where the full answer is another class than the analysis gave, the beat has logits that
    say what the analysis said, so that nothing changes before a reader changes it.

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
    network, analysis = _Network(bundle), BeatClassifier(bundle, rate, len(chosen))
    said = []
    in_millivolts = np.asarray(factors, np.float32)[:, np.newaxis]
    for block in recording.blocks(chosen, _BLOCK_S):
        samples = block.samples * in_millivolts
        found = detector.push(samples).peaks
        network.take(features.push(samples, found))
        said.append(analysis.push(samples, found))
        if progress is not None:
            progress((block.start + samples.shape[1]) / channels[0].n_samples)
    nothing = np.empty((len(chosen), 0), np.float32)
    found = detector.finish().peaks
    network.take(features.push(nothing, found))
    network.take(features.finish())
    reported = ClassifiedBeats.joined([*said, analysis.push(nothing, found), analysis.finish()])
    peaks, ids, embeddings, logits = network.columns()
    other = bundle.decision.classes(logits) != reported.classes
    logits[other] = bundle.decision.logits(reported.probabilities[other])
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
