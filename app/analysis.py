"""Recording → Report: the one pipeline that the window, the kiosk and the batch command call.

:class:`EcgAnalyzer` is fed blocks of samples and gives out what they showed; its result does not
depend on how the samples were cut into blocks, and it needs no more memory for a week than for an
hour. :func:`analyze_recording` is that at full speed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, inf
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from app import __version__
from app.gathered import Gathered
from app.leads import AnalysisError, choose_leads, in_millivolts
from app.report import Lead, ModelUsed, Provenance, Report, Subject
from ml.registry import bundle_for
from ml.tasks.beats import BeatClassifier, ClassifiedBeats
from ml.tasks.rhythm import Rhythm, RhythmClassifier, RhythmWindow
from ml.tasks.waves import WaveDelineator
from signals.ecg.beat import BeatClass
from signals.ecg.fibrillation import Suspicion
from signals.ecg.fibrillation_check import FibrillationCheck
from signals.ecg.intervals import IntervalSummary, measure_median_beat
from signals.ecg.median_beat import median_beat, repeated_beat
from signals.ecg.qrs import QrsBatch, QrsDetector
from signals.ecg.rhythm import Episode, PWaves, RhythmKind, RhythmThresholds, RhythmTracker
from signals.ecg.rr import broken_intervals
from signals.ecg.ventricular import VentricularDetector
from signals.ecg.waves import BeatWaves
from signals.quality import is_readable
from signals.recording import Recording
from signals.stretches import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.corrections import CorrectedBeats
    from app.report import Beats
    from ml.adaptive import Work
    from ml.bundle import Bundle
    from signals.ecg.families import FamilyTable

SHORT_S = 60.0
"""Up to this length a recording is read lead by lead, and measured on its median beat."""

_BLOCK_S = 60.0, 300.0
_BLOCK_VALUES = 400_000
_LATEST_S = 30.0  # after its samples, every beat is found
_LONGEST_DAYS = 31
_REPEATS = 11


class EcgModels(NamedTuple):
    """The bundles of the models that an ECG is read with."""

    beats: Bundle
    waves: Bundle
    rhythm: Bundle

    @classmethod
    def shipped(cls) -> Self:
        """Return those that ship."""
        return cls(*map(bundle_for, cls._fields))


@dataclass(frozen=True, slots=True)
class Events:
    """What became known since the last push.

    Parameters
    ----------
    beats : ClassifiedBeats
        In order of time; each beat is given out once.
    waves : BeatWaves
        Of these beats.
    rr : numpy.ndarray, shape (beats,), float64
        The RR interval before each, s; NaN where there is none or something between the two could
        not be read.
    episodes : tuple of Episode
        That ended. Of a strip, atrial fibrillation is not among them: see `rhythm`.
    fibrillation : tuple of (int, int)
        Ventricular flutter and fibrillation that ended, in samples.
    unclear : tuple of (int, int)
        See :class:`signals.ecg.qrs.QrsBatch`.
    quality : numpy.ndarray, uint8, shape (leads, seconds)
        :class:`signals.quality.Quality` of the next whole seconds.
    rhythm : tuple of RhythmWindow
        What windows are taken for in which the intervals make atrial fibrillation suspected; of a
        strip, the whole of it.
    """

    beats: ClassifiedBeats
    waves: BeatWaves
    rr: NDArray[np.float64]
    episodes: tuple[Episode, ...]
    fibrillation: tuple[tuple[int, int], ...]
    unclear: tuple[tuple[int, int], ...]
    quality: NDArray[np.uint8]
    rhythm: tuple[RhythmWindow, ...]


class EcgAnalyzer:
    """Finds, classifies and reads the beats of an ECG as its samples arrive.

    Parameters
    ----------
    rate : float
        Sampling rate, Hz; at least 100.
    rails : sequence of (float, float)
        For each lead, the least and greatest value its converter can give, mV.
    models : EcgModels
        What beats are classified, waves are found and rhythm is told with.
    strip_s : float, optional
        Length of a recording that is a strip, 60 s or less, and has one rhythm; s.
    corrected : CorrectedBeats, optional
        Its beats by a reader's corrections; these classes go before the model's.

    Raises
    ------
    ValueError
        If the rate is too low to find beats.
    """

    def __init__(
        self,
        rate: float,
        rails: Sequence[tuple[float, float]],
        models: EcgModels,
        strip_s: float | None = None,
        corrected: CorrectedBeats | None = None,
    ) -> None:
        self._rate = rate
        self._n_leads = len(rails)
        self._n_samples = 0
        self._n_seconds = 0
        self._detector = QrsDetector(rate, rails)
        self._fibrillation = VentricularDetector(rate, len(rails))
        self._classifier = BeatClassifier(models.beats, rate, len(rails))
        self._corrected = corrected
        self._delineator = WaveDelineator(models.waves, rate, len(rails))
        self._is_strip = strip_s is not None
        limits = None if strip_s is None else RhythmThresholds.for_strip(strip_s)
        self._rhythm = RhythmTracker(rate, limits)
        self._rhythm_model = RhythmClassifier(models.rhythm, rate, len(rails), whole=self._is_strip)
        self._check = FibrillationCheck()
        # beats whose class, waves or surroundings are not yet known
        self._beats = ClassifiedBeats.none()
        self._waves = BeatWaves.none(len(rails))
        self._breaks: list[tuple[int, int]] = []  # after the last beat given out
        self._last_beat = np.zeros(0, np.int64)
        self._found = np.zeros(0, np.int64)  # beats not given out yet

    @property
    def runtime(self) -> str:
        """What runs the models: name and version."""
        return self._classifier.runtime

    @property
    def work(self) -> Work:
        """How much was computed for the classes of the beats so far."""
        return self._classifier.work

    @property
    def families(self) -> FamilyTable:
        """The families of the beats so far."""
        return self._classifier.family_table()

    def push(self, samples: NDArray[np.float32]) -> Events:
        """Take the next samples, shape (leads, n), mV, NaN where missing; any n."""
        return self._take(samples, self._detector.push(samples), last=False)

    def finish(self) -> Events:
        """Return what the last samples showed. Nothing can be pushed afterwards."""
        nothing = np.empty((self._n_leads, 0), np.float32)
        return self._take(nothing, self._detector.finish(), last=True)

    def _take(self, samples: NDArray[np.float32], found: QrsBatch, *, last: bool) -> Events:
        self._n_samples += samples.shape[1]
        readable = is_readable(found.quality)
        lost = np.flatnonzero(~readable.any(axis=0)) + self._n_seconds
        self._n_seconds += found.quality.shape[1]
        breaks = joined((ceil(s * self._rate), ceil((s + 1) * self._rate)) for s in lost.tolist())
        self._found = np.concatenate((self._found, found.peaks))
        fibrillation = self._fibrillation.push(samples, readable)
        beats = [self._beats, self._classifier.push(samples, found.peaks)]
        waves = [self._waves, self._delineator.push(samples, found.peaks, breaks)]
        if last:
            fibrillation += self._fibrillation.finish()
            beats.append(self._classifier.finish())
            waves.append(self._delineator.finish())
        self._beats, self._waves = ClassifiedBeats.joined(beats), BeatWaves.joined(waves)
        ready = min(len(self._beats.samples), len(self._waves.samples))
        if not last:
            settled = self._fibrillation.settled
            ready = min(ready, int(np.searchsorted(self._beats.samples, settled)))
        known, self._beats = self._beats.parted(ready)
        if self._corrected:
            known = self._corrected.instead_of(known)
        shapes, self._waves = self._waves.parted(ready)
        under_way = self._fibrillation.under_way
        fresh = [*breaks, *found.unclear, *fibrillation, *([under_way] if under_way else [])]
        self._breaks = joined([*self._breaks, *fresh])
        episodes = self._rhythm.push(known.samples, known.classes, fresh, PWaves.of(shapes))
        suspicion = self._rhythm.fibrillation
        if last:
            episodes += self._rhythm.finish(self._n_samples)
            suspicion = Suspicion((), inf)
        suspected = [e for e in episodes if e.kind is RhythmKind.ATRIAL_FIBRILLATION]
        episodes = [e for e in episodes if e.kind is not RhythmKind.ATRIAL_FIBRILLATION]
        rr = self._intervals(known.samples)
        windows = self._rhythm_model.push(
            samples,
            found.quality,
            shapes,
            rr,
            self._next_beat,
            self._check.take(suspected, suspicion),
        )
        if last:
            windows += self._rhythm_model.finish()
        if not self._is_strip:  # too short for intervals: the model is asked alone
            episodes += self._checked(windows, until_s=inf if last else self._rhythm_model.until_s)
        return Events(
            known,
            shapes,
            rr,
            tuple(episodes),
            tuple(fibrillation),
            found.unclear,
            found.quality,
            tuple(windows),
        )

    def _checked(self, windows: Sequence[RhythmWindow], until_s: float) -> list[Episode]:
        """Return the suspected fibrillation that is told, by what the model says of its time."""
        said = (
            (window.onset_s, window.end_s, window.probabilities[Rhythm.FIBRILLATION])
            for window in windows
            if window.probabilities[Rhythm.UNREADABLE] < 1
        )
        return self._check.judge(said, until_s)

    @property
    def _next_beat(self) -> int:
        """The sample before which all beats were given out."""
        if len(self._found):
            return int(self._found[0])
        return max(0, self._n_samples - round(_LATEST_S * self._rate))

    def _intervals(self, samples: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the RR interval before each beat, and forget the breaks before the last."""
        run = np.concatenate((self._last_beat, samples))
        rr = np.where(broken_intervals(run, self._breaks), np.nan, np.diff(run) / self._rate)
        self._last_beat = run[-1:]
        last = int(run[-1]) if len(run) else -1
        # however many breaks lie before the next beat, they break one interval
        self._found = self._found[len(samples) :]
        next_beat = self._next_beat
        passed = [pair for pair in self._breaks if last < pair[1] <= next_beat]
        self._breaks = [pair for pair in self._breaks if pair[1] > max(last, next_beat)]
        if passed:
            self._breaks.insert(0, (passed[0][0], passed[-1][1]))
        return rr if len(rr) == len(samples) else np.concatenate(([np.nan], rr))


def analyze_recording(
    recording: Recording,
    *,
    leads: Sequence[str] | None = None,
    progress: Callable[[float], None] | None = None,
    corrected: CorrectedBeats | None = None,
) -> Report:
    """Return what the models and the rules find in a recording.

    Parameters
    ----------
    recording : Recording
        Open for reading.
    leads : sequence of str, optional
        Labels of the ECG leads, where the file's labels do not tell.
    progress : callable, optional
        Called with the share done, 0 to 1. What it raises ends the analysis.
    corrected : CorrectedBeats, optional
        Its beats by a reader's corrections, which everything that is found then follows.

    Raises
    ------
    AnalysisError
        If there is no ECG lead, or one that beats cannot be found in.
    RecordingError
        If the file cannot be read to its end.
    """
    chosen = choose_leads(recording, leads)
    channels = [recording.channels[index] for index in chosen]
    rate = channels[0].rate
    scales = in_millivolts(recording, chosen)
    models = EcgModels.shipped()
    is_short = recording.duration <= SHORT_S
    strip_s = recording.duration if is_short else None
    try:
        analyzer = EcgAnalyzer(rate, scales.rails, models, strip_s, corrected)
    except ValueError as error:
        raise AnalysisError(f"{channels[0].label}: {error}") from error

    if channels[0].duration > _LONGEST_DAYS * 86_400:
        days = channels[0].duration / 86_400
        raise AnalysisError(
            f"it claims to be {days:,.0f} days long; up to {_LONGEST_DAYS} days are analysed"
        )
    labels = [channel.label for channel in channels]
    gathered = Gathered(rate, labels, is_strip=is_short)
    # many beats at once cost less each; many leads at once cost memory
    block_s = float(np.clip(_BLOCK_VALUES / (rate * len(chosen)), *_BLOCK_S))
    for block in recording.blocks(chosen, block_s):
        samples = block.samples * scales.factors
        gathered.add(analyzer.push(samples))
        if progress is not None:
            progress((block.start + block.samples.shape[1]) / channels[0].n_samples)
    gathered.add(analyzer.finish())
    families = analyzer.families
    beats = gathered.report_beats(families, corrected.by_reader if corrected else None)
    median = (
        _on_median_beat(samples, beats, models.waves, labels) if is_short and len(beats) else None
    )
    parts = gathered.parts(recording.duration, beats, families, median)
    return Report(
        subject=Subject(
            name=recording.name,
            format=recording.format,
            duration_s=recording.duration,
            start=recording.start,
            leads=tuple(Lead(channel.label, channel.rate) for channel in channels),
            repairs=recording.repairs + scales.doubts,
        ),
        provenance=Provenance(
            software=f"tracekeep {__version__}",
            analysed_at=datetime.now(UTC).isoformat(timespec="seconds"),
            input_sha256=recording.sha256(),
            models=tuple(ModelUsed(bundle.id, bundle.sha256) for bundle in models),
            runtime=analyzer.runtime,
            corrections=corrected.n_corrections if corrected else 0,
            work=analyzer.work,
        ),
        **parts._asdict(),
    )


def _on_median_beat(
    samples: NDArray[np.float32],
    beats: Beats,
    waves: Bundle,
    labels: Sequence[str],
) -> IntervalSummary | None:
    """Return what the median beat of a short recording shows; None without normal beats."""
    rate = beats.rate
    normal = beats.classes == BeatClass.N
    if beats.families is None or not normal.any() or len(beats) < 2:
        return None
    usual = np.bincount(beats.families[normal]).argmax()
    beat = median_beat(samples, beats.samples, normal & (beats.families == usual), rate)
    if beat is None:
        return None
    rr_s = float(np.median(np.diff(beats.times)))
    strip, peaks = repeated_beat(beat, rr_s, rate, _REPEATS)
    delineator = WaveDelineator(waves, rate, len(labels))
    found = BeatWaves.joined([delineator.push(strip, peaks), delineator.finish()])
    middle = found.parted(_REPEATS // 2)[1].parted(1)[0]
    return measure_median_beat(middle, rr_s, beat.n_beats, labels, samples.shape[1] / rate)
