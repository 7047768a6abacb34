"""Development records of the ventricular alarm: samples, readable seconds, annotated episodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ml.tasks.ventricular import LABELS, TASK, Decisions, VentricularAlarm
from ml.tasks.ventricular_windows import (
    GRID_RATE,
    JUDGED,
    WINDOW,
    VentricularWindows,
)
from ml.training.evaluation import log_of, unpacked
from ml.training.task import Answers, Examples
from ml.training.ventricular.rule import weights_without
from ml.training.ventricular.variation import HELD_POINTS
from signals.quality import QualityMeter, is_readable
from signals.readers import open_recording, read_annotations
from signals.recording import MILLIVOLT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

Spans = tuple[tuple[float, float], ...]

EPISODES = ("(VT", "(VF", "(VFL", "(VFIB")
NEIGHBOURS = (
    ("418", "419"),
    ("421", "422"),
    ("424", "425"),
    ("427", "428", "430"),
    ("602", "605"),
    ("607", "610"),
    ("611", "614"),
)
"""Records of vfdb with neighbouring numbers are taken for one patient's: nothing says who is who,
and 418 and 419 look it."""
DOUBTFUL = ("(NOISE", "(ASYS")
"""Neither right nor wrong to alarm in: noise may hide anything, and what one annotator of vfdb
calls asystole is fine fibrillation to another."""
RUN_BEATS = 3
RUN_RATE = 100.0
"""Ventricular beats in a row, and their rate a minute, from which on they are an episode."""
LEAST_SHARE = 0.8
"""Of the judged seconds, in an episode, for a window to be positive."""
BEFORE_S, AFTER_S = 2.0, float(WINDOW)
"""How far from an episode an alarm is not false."""

STRIPS = "cinc2017"
"""Database of other people, nearly all without ventricular tachycardia, but nobody has looked for
it: learnt from, and answered to, but not what thresholds and figures follow from."""

_VENTRICULAR = "VE!r"
_LONGEST_RR_S = 1.2
_BEFORE_R_S, _AFTER_R_S = 0.15, 0.4
_JOINED_S = 0.5
_NOTED = ("vfdb", "mitdb", "svdb")
"""Databases in which each record has the notes of a reader."""
_LEARNT_SHARE = 0.1
"""From which on a window is learnt as more or less positive: else nothing is learnt of episodes of
2 and 3 s, nor of how episodes begin."""
_EVERY_S = {"vfdb": 2, "mitdb": 3, "svdb": 5, "nstdb": 3, STRIPS: 5}
_BLOCK_S = 60.0
_LEAST_PROBABILITY = 2e-3
"""Stands for a second in which the model was not asked: no alarm."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record; times in seconds.

    Parameters
    ----------
    name : str
        ``vfdb/418``.
    rate : float
        Hz.
    samples : numpy.ndarray, shape (leads, n), float32
        mV.
    readable : numpy.ndarray, shape (leads, seconds), bool
        Of whole seconds.
    episodes, doubtful : tuple of (float, float)
        Begin and end, ascending.
    """

    name: str
    rate: float
    samples: NDArray[np.float32]
    readable: NDArray[np.bool_]
    episodes: Spans
    doubtful: Spans

    @property
    def seconds(self) -> int:
        """Whole seconds of the record."""
        return int(self.readable.shape[1])

    @property
    def truth(self) -> NDArray[np.int8]:
        """Of the window that ends with each second: 1 in an episode, 0 far from all, -1 between."""
        share = self.judged_share
        truth = np.where(share >= LEAST_SHARE, 1, np.where(self.far, 0, -1)).astype(np.int8)
        truth[: WINDOW - 1] = -1
        return truth

    @property
    def far(self) -> NDArray[np.bool_]:
        """Seconds at which an alarm is false."""
        return ~(self.near_episodes | self.in_doubt)

    @property
    def near_episodes(self) -> NDArray[np.bool_]:
        """Seconds at which an alarm is not false."""
        return covered(self.episodes, self.seconds, BEFORE_S, AFTER_S)

    @property
    def in_doubt(self) -> NDArray[np.bool_]:
        """Seconds at whose end the judged seconds meet a doubtful stretch, no episode near."""
        return covered(self.doubtful, self.seconds, 0.0, float(JUDGED)) & ~self.near_episodes

    @property
    def judged_share(self) -> NDArray[np.float64]:
        """How much of the judged seconds lies in episodes, at the end of each second, 0..1."""
        ends = np.arange(1, self.seconds + 1)
        inside = np.zeros(self.seconds)
        for begin, end in self.episodes:
            inside += np.maximum(0, np.minimum(ends, end) - np.maximum(ends - JUDGED, begin))
        return inside / JUDGED


def patient_of(record: str) -> str:
    """Return whose a record is: the name of the patient's first record."""
    database, _, name = record.partition("/")
    if database == "nstdb":
        # made from 118 of mitdb; the noises alone go with it
        return "mitdb/118"
    if database == "vfdb":
        return next((f"vfdb/{row[0]}" for row in NEIGHBOURS if name in row), record)
    return record


def covered(spans: Spans, seconds: int, before: float, after: float) -> NDArray[np.bool_]:
    """Return which seconds meet spans that are widened to both sides."""
    mask = np.zeros(seconds, bool)
    for begin, end in spans:
        mask[max(0, int(begin - before)) : int(end + after) + 1] = True
    return mask


def read_record(data: Path, name: str) -> Record:
    """Read a record with its notes, where it has any.

    Raises
    ------
    RecordingError
        If a file cannot be read.
    """
    header = data / f"{name}.hea"
    with open_recording(header) as recording:
        channels = recording.channels
        rate = channels[0].rate
        factors = [channel.unit.factor_to(MILLIVOLT) for channel in channels]
        samples = recording.read(range(len(channels)), 0, channels[0].n_samples)
        samples *= np.array(factors, np.float32)[:, None]
        rails = [
            (channel.physical_range[0] * factor, channel.physical_range[1] * factor)
            for channel, factor in zip(channels, factors, strict=True)
        ]
    seconds = int(samples.shape[1] / rate)
    meter = QualityMeter(rate, rails)
    codes = np.concatenate((meter.push(samples), meter.finish()), axis=1)
    is_noted = name.startswith(_NOTED) or header.with_suffix(".atr").exists()
    notes = read_annotations(header, "atr").found if is_noted else ()
    rhythms = [(tick / rate, note) for tick, symbol, note in notes if symbol == "+"]
    beats = [
        (tick / rate, symbol) for tick, symbol, _ in notes if symbol.isalpha() or symbol in "/!"
    ]
    stretches = _stretches(rhythms, seconds)
    return Record(
        name=name,
        rate=rate,
        samples=samples,
        readable=is_readable(codes)[:, :seconds],
        episodes=_merged(
            [span for note, span in stretches if note in EPISODES] + ventricular_runs(beats)
        ),
        doubtful=_merged([span for note, span in stretches if note in DOUBTFUL]),
    )


def examples_of(record: Record) -> Examples:
    """Return HELD_POINTS of each lead before many seconds, mV."""
    cutter = VentricularWindows(record.rate, len(record.samples))
    windows = np.concatenate((cutter.push(record.samples), cutter.finish()))[: record.seconds]
    points = windows[:, :, -GRID_RATE:].transpose(1, 0, 2).reshape(len(record.samples), -1)
    share, far = record.judged_share, record.far
    share[record.in_doubt] = 0
    every = _EVERY_S[record.name.partition("/")[0]]
    kept = (share >= _LEARNT_SHARE) | (far & (np.arange(len(far)) % every == 0))
    kept[: HELD_POINTS // GRID_RATE] = False
    held, shares = [], []
    for lead, row in enumerate(points):
        can_read = np.ones(len(far), bool)
        for back in range(JUDGED):
            can_read[JUDGED:] &= record.readable[lead, JUDGED - back : len(far) - back]
        chosen = np.flatnonzero(kept & can_read)
        before = np.pad(row, (HELD_POINTS, 0))  # for strips that are shorter than that
        ends = sliding_window_view(before, HELD_POINTS)[(chosen + 1) * GRID_RATE]
        held.append(ends - ends.mean(axis=1, keepdims=True))
        shares.append(np.where(share[chosen] >= LEAST_SHARE, 1, share[chosen]))
    n = sum(map(len, shares))
    return Examples(
        {
            "held": np.concatenate(held).astype(np.float16),
            "share": np.concatenate(shares).astype(np.float16),
            "may_quicken": np.full(n, not record.name.startswith("vfdb"), np.float16),
        },
        (np.concatenate(shares) >= LEAST_SHARE).astype(np.int8),
        np.full(n, record.name),
    )


def answers_of(record: Record, models: Mapping[str, bytes]) -> Answers:
    """Return what the shipped code says of a record, each second, with a neutral decision.

    The rule has weights that were fitted without the patient. ``asked`` is where the model was.
    Where nothing was known both logits are 0, which those of no probabilities are, and the truth
    counts as unknown.
    """
    bundle = unpacked(TASK, LABELS, models)
    rule = weights_without(patient_of(record.name))
    alarm = VentricularAlarm(bundle, record.rate, len(record.samples), rule)
    step = round(_BLOCK_S * record.rate)
    samples, readable = record.samples, record.readable
    found = [
        alarm.push(samples[:, :0], readable),
        *(
            alarm.push(samples[:, first : first + step], readable[:, :0])
            for first in range(0, samples.shape[1], step)
        ),
        alarm.finish(),
    ]
    probability = Decisions.joined(found).probability
    asked = probability > 0
    p = np.where(asked, probability, np.float32(_LEAST_PROBABILITY))
    logits = log_of(np.stack((1 - p, p), axis=1))
    unknown = np.isnan(probability)
    logits[unknown] = 0
    truth = record.truth[: len(p)]
    truth[unknown | record.name.startswith(STRIPS)] = -1
    return Answers(truth, logits, {"asked": asked})


def ventricular_runs(beats: Iterable[tuple[float, str]]) -> list[tuple[float, float]]:
    """Return begin and end of runs of ventricular beats, from times and WFDB symbols of beats."""
    runs: list[tuple[float, float]] = []
    run: list[float] = []
    for time, symbol in (*beats, (np.inf, "N")):
        is_ventricular = symbol in _VENTRICULAR
        if run and (not is_ventricular or time - run[-1] > _LONGEST_RR_S):
            if len(run) >= RUN_BEATS and 60 / float(np.median(np.diff(run))) >= RUN_RATE:
                runs.append((run[0] - _BEFORE_R_S, run[-1] + _AFTER_R_S))
            run = []
        if is_ventricular:
            run.append(time)
    return runs


def _stretches(
    rhythms: Sequence[tuple[float, str]], seconds: int
) -> list[tuple[str, tuple[float, float]]]:
    ends = [*[begin for begin, _ in rhythms], float(seconds)][1:]
    return [(note, (begin, end)) for (begin, note), end in zip(rhythms, ends, strict=True)]


def _merged(spans: Iterable[tuple[float, float]]) -> Spans:
    merged: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1] + _JOINED_S:
            begin, end = merged[-1][0], max(merged.pop()[1], end)
        merged.append((begin, end))
    return tuple(merged)
