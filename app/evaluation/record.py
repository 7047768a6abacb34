"""One record: the analysis as it ships, beside the reference annotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from app.analysis import SHORT_S, analyze_recording
from app.evaluation.score import Score
from app.interop.annotations import wfdb_annotations
from app.report import NO_POINT, UNREADABLE
from signals.ecg.beat import BeatClass
from signals.ecg.ec57.beats import EC57_LEARNING, EC57_WINDOW
from signals.ecg.ec57.confusion import beat_matrix, class_at, compare_readings
from signals.ecg.ec57.episodes import compare_episodes
from signals.ecg.ec57.heart_rate import compare_heart_rates, windowed_heart_rate
from signals.ecg.ec57.reading import Reading, is_inside, reading_of
from signals.ecg.ec57.runs import RunKind, compare_runs
from signals.ecg.ec57.share import Share
from signals.ecg.ec57.waves import R_PEAK, annotated_waves, compare_waves, measured_waves
from signals.readers import open_recording, read_annotations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from app.report import Provenance, Report
    from signals.ecg.ec57.beats import BeatComparison
    from signals.ecg.ec57.episodes import EpisodeComparison
    from signals.ecg.ec57.waves import PointComparison, Times
    from signals.recording import Recording

WINDOWS = {"150ms": EC57_WINDOW, "50ms": 0.050}
"""Match windows that beats are scored with, seconds: the standard's, and a strict one."""
SHORTEST_WITH_LEARNING = 600.0
"""Seconds; a record shorter than this is scored from its start."""
ERROR_WINDOW = 10.0
"""Seconds; how many such stretches hold no missed and no extra beat is reported as well."""

EPISODES = {"af": "atrial fibrillation", "vf": "ventricular flutter or fibrillation"}

Marks = list[tuple[int, str, str]]


class EvaluationError(Exception):
    """A record cannot be scored; the message says why, in plain words."""


class Task(NamedTuple):
    """A record to be scored.

    Parameters
    ----------
    header : pathlib.Path
        Its ``.hea`` file.
    name : str
        What to call it: its place below the folder of the database.
    """

    header: Path
    name: str


class Failure(NamedTuple):
    """A disagreement: where, what the reference says there and what we say."""

    time_s: float
    kind: str
    reference: str
    ours: str


@dataclass(frozen=True, slots=True, eq=False)
class RecordResult:
    """What one record gave.

    Parameters
    ----------
    name : str
        See :class:`Task`.
    duration_s, scored_from_s : float
        Length of the record, and where scoring begins.
    leads : tuple of str
        What was analysed.
    provenance : Provenance
        Of the analysis.
    repairs : tuple of str
        What was wrong with the files and how they were read all the same.
    score : Score
        The figures.
    failures : tuple of Failure
        In order of time.
    """

    name: str
    duration_s: float
    scored_from_s: float
    leads: tuple[str, ...]
    provenance: Provenance
    repairs: tuple[str, ...]
    score: Score
    failures: tuple[Failure, ...]


def evaluate_record(
    task: Task,
    *,
    annotator: str,
    leads: Sequence[str] | None = None,
    channels: Sequence[int] | None = None,
) -> RecordResult:
    """Analyse a record and score the report by its reference annotations.

    Parameters
    ----------
    task : Task
        The record.
    annotator : str
        Ending of the annotation file. One that is called like a channel of the record (the
        Lobachevsky database has a file for each lead) is compared with the waves of that channel:
        of a short record, as they are read among all channels; of a long one, from it alone.
    leads : sequence of str, optional
        Labels of the channels to analyse.
    channels : sequence of int, optional
        The same by number, from 0, in the order of the file. Of both, one at most.

    Raises
    ------
    EvaluationError
        If there is no annotation file, or a channel that is named is not there.
    AnalysisError, RecordingError
        See :func:`app.analysis.analyze_recording`.
    """
    path = task.header.with_suffix(f".{annotator}")
    if not path.is_file():
        raise EvaluationError(f"it has no reference annotations: there is no {path.name}")
    with open_recording(task.header) as recording:
        own = [c.label for c in recording.channels if c.label.casefold() == annotator.casefold()]
        chosen = _labels(recording, channels) if leads is None else leads
        if own and chosen is None and recording.duration > SHORT_S:
            chosen = own
        report = analyze_recording(recording, leads=chosen)
    marks = _reference_marks(task.header, annotator, report.beats.rate)
    waves = annotated_waves(marks, report.beats.rate)
    start = 0.0
    if waves:
        score, failures = _score_waves(waves, _our_waves(report, own))
    else:
        if report.subject.duration_s >= SHORTEST_WITH_LEARNING:
            start = EC57_LEARNING
        score, failures = _score_readings(report, marks, start)
    return RecordResult(
        name=task.name,
        duration_s=report.subject.duration_s,
        scored_from_s=start,
        leads=tuple(lead.label for lead in report.subject.leads),
        provenance=report.provenance,
        repairs=report.subject.repairs,
        score=score,
        failures=tuple(sorted(failures)),
    )


def _our_waves(report: Report, own: Sequence[str]) -> dict[str, Times]:
    """Return the waves of the lead that the annotations are called like, or of all leads."""
    times, waves = report.beats.times, report.beats.waves
    if waves is None:
        return {R_PEAK: times}
    points_ms = waves.points_ms
    analysed = [lead.label for lead in report.subject.leads]
    if waves.lead_points_ms is not None and own and own[0] in analysed:
        points_ms = waves.lead_points_ms[analysed.index(own[0])]
    known = points_ms != NO_POINT
    return measured_waves(times, np.where(known, points_ms / np.float32(1000), np.nan).T)


def _labels(recording: Recording, channels: Sequence[int] | None) -> list[str] | None:
    labels = [channel.label for channel in recording.channels]
    if channels is None:
        return None
    if missing := [number for number in channels if number >= len(labels)]:
        raise EvaluationError(
            f"there is no channel {missing[0]}: its channels are 0 to {len(labels) - 1}"
        )
    return [labels[number] for number in channels]


def _reference_marks(header: Path, annotator: str, rate: float) -> Marks:
    """Return sample (at `rate`), symbol and note of each annotation."""
    file = read_annotations(header, annotator)
    if not file.is_complete:
        name = f"{header.stem}.{annotator}"
        raise EvaluationError(f"its reference annotations ({name}) are cut off")
    return [(round(tick / file.rate * rate), symbol, note) for tick, symbol, note in file.found]


def _score_readings(report: Report, marks: Marks, start: float) -> tuple[Score, list[Failure]]:
    rate, end = report.beats.rate, round(report.subject.duration_s * report.beats.rate)
    unreadable = [
        (round(finding.onset * rate), round(finding.end * rate))
        for finding in report.findings
        if finding.kind == UNREADABLE
    ]
    reference = reading_of(marks, rate, end)
    ours = reading_of(wfdb_annotations(report), rate, end, unreadable)
    given_up = ((max(first / rate, start), last / rate) for first, last in unreadable)
    score = Score(unreadable_s=sum(max(last - first, 0.0) for first, last in given_up))
    failures: list[Failure] = []
    if len(reference.beats):
        score += _score_beats(reference, ours, start, end)
        score += _score_runs(reference, ours, start)
        score += _score_heart_rate(reference, report, start)
        closest = compare_readings(reference, ours, window=EC57_WINDOW, start=start)
        failures += _beat_failures(closest, reference, ours)
    if reference.tells_rhythm:
        compared = _episodes(reference, ours, round(start * rate), end)
        for name, comparison in compared.items():
            shares = {f"{name}.{key}": share for key, share in comparison.shares().items()}
            score += Score(shares)
            failures += _episode_failures(comparison, EPISODES[name])
    return score, failures


def _score_beats(reference: Reading, ours: Reading, start: float, end: int) -> Score:
    total = Score()
    for name, window in WINDOWS.items():
        comparison = compare_readings(reference, ours, window=window, start=start)
        matrix = beat_matrix(comparison, reference, ours)
        shares = {f"{name}.{key}": share for key, share in matrix.shares().items()}
        shares[f"{name}.clean"] = _clean_windows(comparison, start, end / reference.rate)
        truth = class_at(reference, comparison.pairs[:, 0])
        offsets = {f"{name}.all": comparison.offsets}
        for cls in (BeatClass.N, BeatClass.V):
            offsets[f"{name}.{cls.name}"] = comparison.offsets[truth == cls]
        total += Score(shares, offsets, {name: matrix.counts})
    whole = compare_readings(reference, ours, window=WINDOWS["50ms"], start=0.0)
    return total + Score(
        {
            f"50ms_whole.{key}": share
            for key, share in beat_matrix(whole, reference, ours).shares().items()
            if key.startswith("qrs")
        }
    )


def _clean_windows(comparison: BeatComparison, start: float, end: float) -> Share:
    wrong = np.concatenate([comparison.missed, comparison.extra]) / comparison.rate
    n_wrong = len(np.unique(((wrong - start) / ERROR_WINDOW).astype(np.int64)))
    n_windows = int(np.ceil((end - start) / ERROR_WINDOW))
    return Share(n_windows - n_wrong, n_windows)


def _score_runs(reference: Reading, ours: Reading, start: float) -> Score:
    total = Score()
    for kind in RunKind:
        runs = compare_runs(reference, ours, kind, start=start)
        shares = {f"{kind.value}.{key}": share for key, share in runs.shares().items()}
        matrices = {
            f"{kind.value}.of_reference": runs.of_reference,
            f"{kind.value}.of_test": runs.of_test,
        }
        total += Score(shares, matrices=matrices)
    return total


def _score_heart_rate(reference: Reading, report: Report, start: float) -> Score:
    windows = report.windows
    ours = np.array([np.nan if rate is None else rate for rate in windows.heart_rate])
    truth = windowed_heart_rate(reference, windows.seconds, len(ours))
    first = int(np.ceil(start / windows.seconds))
    return Score(heart_rate=compare_heart_rates(truth[first:], ours[first:]))


def _episodes(
    reference: Reading, ours: Reading, start: int, end: int
) -> dict[str, EpisodeComparison]:
    rate = reference.rate
    return {
        "af": compare_episodes(
            reference.atrial_fibrillation,
            ours.atrial_fibrillation,
            rate=rate,
            start=start,
            end=end,
            excluded=reference.atrial_flutter,
        ),
        "vf": compare_episodes(
            reference.fibrillation, ours.fibrillation, rate=rate, start=start, end=end
        ),
    }


def _score_waves(
    reference: Mapping[str, Times], ours: Mapping[str, Times]
) -> tuple[Score, list[Failure]]:
    score = Score()
    failures: list[Failure] = []
    for point, comparison in compare_waves(reference, ours).items():
        shares = {f"{point}.{key}": share for key, share in comparison.shares().items()}
        score += Score(shares, {point: comparison.errors})
        failures += _wave_failures(comparison, point)
    return score, failures


def _beat_failures(
    comparison: BeatComparison, reference: Reading, ours: Reading
) -> Iterator[Failure]:
    rate = comparison.rate
    given_up = is_inside(comparison.missed, ours.unreadable)
    truth = class_at(reference, comparison.missed)
    for sample, cls, hidden in zip(comparison.missed.tolist(), truth, given_up, strict=True):
        says = "unreadable" if hidden else "no beat"
        yield Failure(sample / rate, "missed", BeatClass(cls).name, says)
    found = class_at(ours, comparison.extra)
    for sample, cls in zip(comparison.extra.tolist(), found, strict=True):
        yield Failure(sample / rate, "extra", "no beat", BeatClass(cls).name)
    truth = class_at(reference, comparison.pairs[:, 0])
    found = class_at(ours, comparison.pairs[:, 1])
    for sample, right, cls in zip(comparison.pairs[:, 0].tolist(), truth, found, strict=True):
        if right != cls:
            yield Failure(sample / rate, "class", BeatClass(right).name, BeatClass(cls).name)


def _episode_failures(comparison: EpisodeComparison, name: str) -> Iterator[Failure]:
    rate = comparison.rate
    for first, last in comparison.missed:
        lasting = f"{name} for {(last - first) / rate:.1f} s"
        yield Failure(first / rate, "episode", lasting, "none")
    for first, last in comparison.extra:
        lasting = f"{name} for {(last - first) / rate:.1f} s"
        yield Failure(first / rate, "episode", "none", lasting)


def _wave_failures(comparison: PointComparison, point: str) -> Iterator[Failure]:
    for time in comparison.missed.tolist():
        yield Failure(time, "missed", point, "none")
    for time in comparison.extra.tolist():
        yield Failure(time, "extra", "none", point)
