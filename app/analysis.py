"""Recording → Report: the one pipeline that the window, the kiosk and the batch command call.

:class:`EcgAnalyzer` is fed blocks of samples and gives out what they showed; its result does not
depend on how the samples were cut into blocks, and it needs no more memory for a week than for an
hour. :func:`analyze_recording` is that at full speed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from app import __version__
from app.report import (
    UNCLEAR,
    UNREADABLE,
    Beats,
    Finding,
    Lead,
    Measurement,
    Provenance,
    Report,
    Subject,
    Windows,
)
from ml.registry import bundle_for
from ml.tasks.beats import BeatClassifier, ClassifiedBeats
from signals.ecg.beat import BeatClass
from signals.ecg.qrs import QrsBatch, QrsDetector
from signals.ecg.rhythm import Episode, RhythmKind, RhythmTracker
from signals.quality import Quality, is_readable
from signals.recording import MILLIVOLT, Channel, ChannelKind, Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ml.bundle import Bundle

WINDOW_S = 10
QUALITY_LETTERS = {
    Quality.GOOD: "g",
    Quality.NOISY: "n",
    Quality.MAINS: "m",
    Quality.FLAT: "f",
    Quality.SATURATED: "s",
    Quality.LEAD_OFF: "o",
    Quality.MISSING: "x",
}
_BLOCK_S = 60.0
_LABELS_SHOWN = 12
_LONGEST_DAYS = 31
_USUAL_RANGE_MV = 1.5  # of a second with a beat in it
_SCALED_FROM_S = 300


class AnalysisError(Exception):
    """A recording was read but cannot be analysed; the message says why, in plain words."""


@dataclass(frozen=True, slots=True)
class Events:
    """What became known since the last push.

    Parameters
    ----------
    beats : ClassifiedBeats
        In order of time; each beat is given out once.
    episodes : tuple of Episode
        That ended.
    unclear : tuple of (int, int)
        See :class:`signals.ecg.qrs.QrsBatch`.
    quality : numpy.ndarray, uint8, shape (leads, seconds)
        :class:`signals.quality.Quality` of the next whole seconds.
    """

    beats: ClassifiedBeats
    episodes: tuple[Episode, ...]
    unclear: tuple[tuple[int, int], ...]
    quality: NDArray[np.uint8]


class EcgAnalyzer:
    """Finds, classifies and reads the beats of an ECG as its samples arrive.

    Parameters
    ----------
    rate : float
        Sampling rate, Hz; at least 100.
    rails : sequence of (float, float)
        For each lead, the least and greatest value its converter can give, mV.
    bundle : Bundle
        The beat model.

    Raises
    ------
    ValueError
        If the rate is too low to find beats.
    """

    def __init__(self, rate: float, rails: Sequence[tuple[float, float]], bundle: Bundle) -> None:
        self._rate = rate
        self._n_samples = 0
        self._n_seconds = 0
        self._detector = QrsDetector(rate, rails)
        self._classifier = BeatClassifier(bundle, rate, len(rails))
        self._rhythm = RhythmTracker(rate)

    @property
    def runtime(self) -> str:
        """What runs the model: name and version."""
        return self._classifier.runtime

    def push(self, samples: NDArray[np.float32]) -> Events:
        """Take the next samples, shape (leads, n), mV, NaN where missing; any n."""
        self._n_samples += samples.shape[1]
        found = self._detector.push(samples)
        return self._events(found, self._classifier.push(samples, found.peaks), last=False)

    def finish(self) -> Events:
        """Return what the last samples showed. Nothing can be pushed afterwards."""
        found = self._detector.finish()
        nothing = np.empty((found.quality.shape[0], 0), np.float32)
        late = self._classifier.push(nothing, found.peaks)
        return self._events(found, _joined([late, self._classifier.finish()]), last=True)

    def _events(self, found: QrsBatch, beats: ClassifiedBeats, *, last: bool) -> Events:
        lost = np.flatnonzero(_unreadable(found.quality)) + self._n_seconds
        breaks = [(ceil(s * self._rate), ceil((s + 1) * self._rate)) for s in lost.tolist()]
        self._n_seconds += found.quality.shape[1]
        episodes = self._rhythm.push(beats.samples, beats.classes, [*breaks, *found.unclear])
        if last:
            episodes += self._rhythm.finish(self._n_samples)
        return Events(beats, tuple(episodes), found.unclear, found.quality)


def analyze_recording(
    recording: Recording,
    *,
    leads: Sequence[str] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Report:
    """Return what the beat model and the rhythm rules find in a recording.

    Parameters
    ----------
    recording : Recording
        Open for reading.
    leads : sequence of str, optional
        Labels of the ECG leads, where the file's labels do not tell.
    progress : callable, optional
        Called with the share done, 0 to 1. What it raises ends the analysis.

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
    factors, doubts = zip(*(_to_millivolts(recording, index) for index in chosen), strict=True)
    rails = [
        (low * factor, high * factor)
        for (low, high), factor in zip((c.physical_range for c in channels), factors, strict=True)
    ]
    bundle = bundle_for("beats")
    try:
        analyzer = EcgAnalyzer(rate, rails, bundle)
    except ValueError as error:
        raise AnalysisError(f"{channels[0].label}: {error}") from error

    if channels[0].duration > _LONGEST_DAYS * 86_400:
        days = channels[0].duration / 86_400
        raise AnalysisError(
            f"it claims to be {days:,.0f} days long; up to {_LONGEST_DAYS} days are analysed"
        )
    in_millivolts = np.asarray(factors, np.float32)[:, np.newaxis]
    events = []
    for block in recording.blocks(chosen, _BLOCK_S):
        events.append(analyzer.push(block.samples * in_millivolts))
        if progress is not None:
            progress((block.start + block.samples.shape[1]) / channels[0].n_samples)
    events.append(analyzer.finish())

    quality = np.concatenate([e.quality for e in events], axis=1)
    episodes = [episode for e in events for episode in e.episodes]
    beats = _report_beats(rate, _joined([e.beats for e in events]), episodes)
    unreadable = _unreadable(quality)
    unclear = [gap for e in events for gap in e.unclear]
    intervals = _Intervals.of(beats, unreadable, unclear)
    windows = _windows(intervals, quality)
    findings = _findings(rate, episodes, unclear, unreadable)
    return Report(
        subject=Subject(
            name=recording.name,
            format=recording.format,
            duration_s=recording.duration,
            start=recording.start,
            leads=tuple(Lead(channel.label, channel.rate) for channel in channels),
            repairs=recording.repairs + tuple(doubt for doubt in doubts if doubt),
        ),
        provenance=Provenance(
            software=f"tracekeep {__version__}",
            analysed_at=datetime.now(UTC).isoformat(timespec="seconds"),
            input_sha256=recording.sha256(),
            model_id=bundle.id,
            model_sha256=bundle.sha256,
            runtime=analyzer.runtime,
        ),
        beats=beats,
        windows=windows,
        findings=findings,
        measurements=_measurements(beats, intervals, windows, unreadable, findings),
    )


def choose_leads(recording: Recording, labels: Sequence[str] | None = None) -> list[int]:
    """Return the indices of the channels to analyse: the named ones, or the ECG leads.

    Leads are read together, so they share one sampling rate and length; of several groups the
    largest is taken, of equals the one that comes first.

    Raises
    ------
    AnalysisError
        If there is none, a label is not in the recording, or the named ones differ in rate.
    """
    there = _few([channel.label for channel in recording.channels])
    if labels:
        by_label = {channel.label: index for index, channel in enumerate(recording.channels)}
        unknown = [label for label in labels if label not in by_label]
        if unknown:
            raise AnalysisError(f"no channel is called {unknown[0]!r}; its channels are: {there}")
        candidates = [by_label[label] for label in labels]
    else:
        candidates = [
            index
            for index, channel in enumerate(recording.channels)
            if channel.kind is ChannelKind.ECG
        ]
    if not candidates:
        raise AnalysisError(
            f"no channel is labelled as an ECG lead; its channels are: {there}. "
            "If one of them is an ECG, name it as a lead"
        )
    groups = Counter(_grid(recording.channels[index]) for index in candidates)
    if labels and len(groups) > 1:
        raise AnalysisError("the named channels differ in sampling rate or length")
    grid, _ = groups.most_common(1)[0]
    if grid[1] == 0:
        raise AnalysisError("it holds no samples")
    return [index for index in candidates if _grid(recording.channels[index]) == grid]


def _few(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:_LABELS_SHOWN]) or "none"
    more = len(labels) - _LABELS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _grid(channel: Channel) -> tuple[float, int]:
    return channel.rate, channel.n_samples


def _to_millivolts(recording: Recording, index: int) -> tuple[float, str]:
    """Return the factor to mV, and what is doubtful about it in words, empty if nothing."""
    channel = recording.channels[index]
    if channel.unit.volts is not None:
        return channel.unit.factor_to(MILLIVOLT), ""
    # Beats are found by their height in mV, so one has to be supposed.
    second = max(1, round(channel.rate))
    start = recording.read([index], 0, min(channel.n_samples, _SCALED_FROM_S * second))[0]
    seconds = start[: len(start) // second * second].reshape(-1, second)
    ranges = seconds.max(axis=1, initial=-np.inf) - seconds.min(axis=1, initial=np.inf)
    ranges = ranges[np.isfinite(ranges) & (ranges > 0)]
    factor = _USUAL_RANGE_MV / float(np.median(ranges)) if len(ranges) else 1.0
    return factor, (
        f"{channel.label}: its unit ({channel.unit.symbol}) is no voltage; beats were looked for "
        "as if they were of usual height, and amplitudes mean nothing."
    )


def _unreadable(quality: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which seconds no lead can be read in, shape (seconds,)."""
    return np.asarray(~is_readable(quality).any(axis=0), np.bool_)


def _joined(batches: Sequence[ClassifiedBeats]) -> ClassifiedBeats:
    return ClassifiedBeats(
        np.concatenate([b.samples for b in batches]),
        np.concatenate([b.classes for b in batches]),
        np.concatenate([b.probabilities for b in batches]),
    )


def _report_beats(rate: float, beats: ClassifiedBeats, episodes: Sequence[Episode]) -> Beats:
    """Return the beats as they are reported.

    In atrial fibrillation no beat comes early, for there is no rhythm that it could come before:
    what the model takes for supraventricular ectopy there is reported as N.
    """
    times = beats.samples / rate
    classes = beats.classes.copy()
    for episode in episodes:
        if episode.kind is RhythmKind.ATRIAL_FIBRILLATION:
            inside = (times >= episode.onset) & (times <= episode.end)
            classes[inside & (classes == BeatClass.S)] = BeatClass.N
    given = beats.probabilities[np.arange(len(classes)), classes]
    percent = np.round(given * 100).astype(np.uint8)
    return Beats(rate, beats.samples, classes, percent)


@dataclass(frozen=True, slots=True)
class _Intervals:
    """RR intervals between beats with no gap between them, and when each ends, in seconds."""

    rr: NDArray[np.float64]
    ends: NDArray[np.float64]

    @classmethod
    def of(
        cls, beats: Beats, unreadable: NDArray[np.bool_], unclear: Sequence[tuple[int, int]]
    ) -> Self:
        times = beats.times
        lost_before = np.concatenate([[0], np.cumsum(unreadable)])
        passed = lost_before[np.minimum(times.astype(np.int64), len(unreadable))]
        whole = np.diff(passed) == 0
        whole &= ~np.isin(beats.samples[:-1], [start for start, _ in unclear])
        return cls(np.diff(times)[whole], times[1:][whole])


def _windows(intervals: _Intervals, quality: NDArray[np.uint8]) -> Windows:
    n_seconds = quality.shape[1]
    n_windows = -(-n_seconds // WINDOW_S)
    window = np.minimum((intervals.ends / WINDOW_S).astype(np.int64), n_windows - 1)
    count = np.bincount(window, minlength=n_windows)
    total = np.bincount(window, weights=intervals.rr, minlength=n_windows)
    starts = np.arange(0, n_seconds, WINDOW_S)
    return Windows(
        seconds=WINDOW_S,
        heart_rate=tuple(
            round(60.0 * n / s, 1) if n >= 2 else None
            for n, s in zip(count.tolist(), total.tolist(), strict=True)
        ),
        unreadable_s=tuple(np.add.reduceat(_unreadable(quality).astype(int), starts).tolist()),
        quality=tuple(_letters(lead, starts) for lead in quality),
    )


def _letters(lead: NDArray[np.uint8], starts: NDArray[np.int64]) -> str:
    """Return for each window the letter of what most of its seconds are, of equals the worse."""
    letters = []
    for start in starts.tolist():
        held = np.bincount(lead[start : start + WINDOW_S], minlength=len(Quality))
        worst_of_most = len(held) - 1 - int(np.argmax(held[::-1]))
        letters.append(QUALITY_LETTERS[Quality(worst_of_most)])
    return "".join(letters)


def _findings(
    rate: float,
    episodes: Sequence[Episode],
    unclear: Sequence[tuple[int, int]],
    unreadable: NDArray[np.bool_],
) -> tuple[Finding, ...]:
    found = [
        Finding(e.kind.value, e.onset, e.end, e.n_beats, round(e.rate_bpm, 1)) for e in episodes
    ]
    found += [Finding(UNCLEAR, start / rate, stop / rate, 0, None) for start, stop in unclear]
    edges = np.diff(np.concatenate([[0], unreadable.astype(np.int8), [0]]))
    for start, stop in zip(np.flatnonzero(edges > 0), np.flatnonzero(edges < 0), strict=True):
        found.append(Finding(UNREADABLE, float(start), float(stop), 0, None))
    return tuple(sorted(found, key=lambda finding: (finding.onset, finding.end, finding.kind)))


def _measurements(
    beats: Beats,
    intervals: _Intervals,
    windows: Windows,
    unreadable: NDArray[np.bool_],
    findings: Sequence[Finding],
) -> tuple[Measurement, ...]:
    readable_s = int(np.count_nonzero(~unreadable))
    rr, ends = intervals.rr, intervals.ends
    counts = beats.counts()
    af_s = sum(f.end - f.onset for f in findings if f.kind == RhythmKind.ATRIAL_FIBRILLATION)
    unclear_s = sum(f.end - f.onset for f in findings if f.kind == UNCLEAR)
    measured = [(rate, index) for index, rate in enumerate(windows.heart_rate) if rate is not None]
    longest = int(np.argmax(rr)) if len(rr) else None

    def share(name: str, part: float, whole: float) -> Measurement:
        return Measurement(name, round(100.0 * part / whole, 2) if whole else None, "%")

    def window_rate(name: str, extreme: tuple[float, int] | None) -> Measurement:
        if extreme is None:
            return Measurement(name, None, "bpm")
        return Measurement(name, extreme[0], "bpm", extreme[1] * windows.seconds)

    mean = round(60.0 * len(rr) / float(rr.sum()), 1) if len(rr) else None
    return (
        Measurement("heart_rate_mean", mean, "bpm"),
        window_rate("heart_rate_min", min(measured, default=None)),
        window_rate("heart_rate_max", max(measured, default=None)),
        Measurement("longest_rr", None, "s")
        if longest is None
        else Measurement(
            "longest_rr", round(float(rr[longest]), 3), "s", float(ends[longest] - rr[longest])
        ),
        share("ventricular_burden", counts[BeatClass.V], len(beats)),
        share("supraventricular_burden", counts[BeatClass.S], len(beats)),
        share("af_burden", af_s, readable_s),
        share("unclear", unclear_s, readable_s),
        share("unreadable", len(unreadable) - readable_s, len(unreadable)),
    )
