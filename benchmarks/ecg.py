"""How well an ECG is read: our detector beside the peers that can be installed.

    python benchmarks/ecg.py [RECORDINGS] [--database mitdb] [--peers xqrs,sleepecg] [--records]

RECORDINGS is the folder that holds ``mitdb/`` (default: TRACEKEEP_DATA). As ANSI/AAMI EC57 asks,
the first five minutes and ventricular flutter do not count and a pair lies within 150 ms; column
"50 ms" counts whole records. Peers get channel 0 in mV, one call a record, with the cleaning that
is their default. CPU seconds are for 30 minutes of signal, one process. "Shutdown" is the time in
which our detector calls no lead readable; its beats count as missed all the same.

Tables: gross figures, the hard records one by one, and for ``nstdb`` each noise level.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from _millivolts import read_millivolts
from numpy.typing import NDArray

from signals.ecg.beat import beat_class_of
from signals.ecg.ec57.beats import (
    EC57_LEARNING,
    BeatComparison,
    BeatCounts,
    compare_beats,
    flutter_stretches,
)
from signals.ecg.qrs import QrsDetector
from signals.quality import is_readable
from signals.readers import open_recording

BLOCK_SECONDS = 60
CLOSE = 0.050
HARD = ("108", "113", "203", "207", "208", "231", "232")
VENTRICULAR = ("V", "E", "!", "r")


@dataclass(frozen=True)
class Record:
    """A record with its reference beats; signal in mV, shape (leads, samples)."""

    name: str
    signal: NDArray[np.float32]
    rails: list[tuple[float, float]]
    rate: float
    beats: NDArray[np.int64]
    ventricular: NDArray[np.bool_]
    flutter: list[tuple[int, int]]


@dataclass(frozen=True)
class Score:
    """What one detector did on one record."""

    record: str
    ec57: BeatComparison
    close: BeatCounts
    ventricular_offsets: NDArray[np.float64]
    cpu: float
    shutdown: float
    """Seconds after the first five minutes in which no lead can be read."""
    missed_in_shutdown: int


@dataclass(frozen=True)
class Detection:
    """What a detector found; where it says so, the seconds in which it could not look."""

    peaks: NDArray[np.int64]
    unreadable: NDArray[np.bool_]


Detector = Callable[[Record], Detection]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    default = os.environ.get("TRACEKEEP_DATA", str(Path.home() / ".cache/tracekeep/data"))
    parser.add_argument("recordings", nargs="?", default=default, type=Path)
    parser.add_argument("--database", default="mitdb")
    parser.add_argument(
        "--peers", default=",".join(PEERS), help=f"of {', '.join(PEERS)}; empty for none"
    )
    parser.add_argument("--records", action="store_true", help="print every record")
    options = parser.parse_args()
    peers = [name for name in options.peers.split(",") if name]
    if unknown := set(peers) - set(PEERS):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    headers = sorted((options.recordings / options.database).glob("*.atr"))
    if not headers:
        sys.exit(f"{options.recordings / options.database}: no record with reference beats there")
    records = [load(header.with_suffix(".hea")) for header in headers]
    detectors = dict(OURS)
    detectors |= {PEERS[name][0]: PEERS[name][1] for name in peers}
    n_beats = sum(len(record.beats) for record in records)
    print(f"{options.database}: {len(records)} records, {n_beats} reference beats\n")
    scores = print_gross(records, detectors)
    print_hard(scores)
    if options.database == "nstdb":
        print_noise_levels(scores)
    if options.records:
        for title, of_records in scores.items():
            print(f"\n{title}")
            print_records(of_records)


def print_gross(records: list[Record], detectors: dict[str, Detector]) -> dict[str, list[Score]]:
    """Print a line for each detector as it is done; return its scores."""
    print(
        f"{'detector':24}{'Se':>8}{'+P':>8}{'F1':>8}{'50 ms':>8}{'offset ms':>11}{'SD ms':>7}"
        f"{'of V':>7}{'SD ms':>7}{'CPU s':>8}{'shutdown':>10}  worst three (F1)"
    )
    found: dict[str, list[Score]] = {}
    for title, find in detectors.items():
        try:
            found[title] = [score(record, find) for record in records]
        except ModuleNotFoundError as error:
            print(f"{title:24}not run: {error.name} is not installed")
            continue
        print_scores(title, found[title])
    return found


def print_hard(scores: dict[str, list[Score]]) -> None:
    names = [one.record for one in next(iter(scores.values())) if one.record in HARD]
    if not names:
        return
    print(f"\n{'F1, hard records':24}" + "".join(f"{name:>8}" for name in names))
    for title, of_records in scores.items():
        f1 = {one.record: one.ec57.counts.f1 for one in of_records}
        print(f"{title:24}" + "".join(f"{f1[name]:8.2%}" for name in names))


def print_noise_levels(scores: dict[str, list[Score]]) -> None:
    """Print F1 by signal-to-noise ratio, which the name of a record of nstdb ends with."""
    levels = sorted({level(one.record) for one in next(iter(scores.values()))}, reverse=True)
    print(f"\n{'F1 by dB':24}" + "".join(f"{db:>8}" for db in levels))
    for title, of_records in scores.items():
        print(f"{title:24}", end="")
        for db in levels:
            counts = [one.ec57.counts for one in of_records if level(one.record) == db]
            print(f"{sum(counts, BeatCounts()).f1:8.2%}", end="")
        print()
    print("\nshutdown, s (beats missed in it)")
    for title, of_records in scores.items():
        if title in OURS:
            print(f"{title:24}", end="")
            for db in levels:
                here = [one for one in of_records if level(one.record) == db]
                seconds = sum(one.shutdown for one in here)
                missed = sum(one.missed_in_shutdown for one in here)
                print(f"{f'{seconds:.0f} ({missed})':>8}", end="")
            print()


def level(record: str) -> int:
    return int(record[4:].replace("_", "-"))


def load(header: Path) -> Record:
    with open_recording(header) as recording:
        rate = recording.channels[0].rate
        signal, rails = read_millivolts(recording)
        samples = np.array([round(note.onset * rate) for note in recording.annotations], np.int64)
        symbols = [note.text for note in recording.annotations]
    is_beat = np.array([beat_class_of(symbol) is not None for symbol in symbols], bool)
    ventricular = np.array([symbol in VENTRICULAR for symbol in symbols], bool)
    return Record(
        header.stem,
        signal,
        rails,
        rate,
        samples[is_beat],
        ventricular[is_beat],
        flutter_stretches(samples, symbols),
    )


def tracekeep_all(record: Record) -> Detection:
    return _tracekeep(record, len(record.rails))


def tracekeep_first(record: Record) -> Detection:
    return _tracekeep(record, 1)


def _tracekeep(record: Record, n_leads: int) -> Detection:
    detector = QrsDetector(record.rate, record.rails[:n_leads])
    signal, step = record.signal[:n_leads], round(BLOCK_SECONDS * record.rate)
    batches = [detector.push(signal[:, i : i + step]) for i in range(0, signal.shape[1], step)]
    batches.append(detector.finish())
    readable = is_readable(np.concatenate([batch.quality for batch in batches], axis=1))
    return Detection(np.concatenate([batch.peaks for batch in batches]), ~readable.any(axis=0))


OURS: dict[str, Detector] = {
    "tracekeep, all leads": tracekeep_all,
    "tracekeep, channel 0": tracekeep_first,
}


def of_channel(find: Callable[[NDArray[np.float64], float], Sequence[int]]) -> Detector:
    """Return a detector that gives channel 0 and its rate to a peer."""

    def detect(record: Record) -> Detection:
        found = np.asarray(find(record.signal[0].astype(np.float64), record.rate), np.int64)
        return Detection(np.unique(found[found >= 0]), np.zeros(0, bool))

    return detect


def xqrs(signal: NDArray[np.float64], rate: float) -> Sequence[int]:
    from wfdb.processing import XQRS

    detector = XQRS(sig=signal, fs=rate)
    detector.detect(verbose=False)
    return detector.qrs_inds


def gqrs(signal: NDArray[np.float64], rate: float) -> Sequence[int]:
    from wfdb.processing import gqrs_detect

    return gqrs_detect(sig=signal, fs=rate)


def neurokit(signal: NDArray[np.float64], rate: float, method: str) -> Sequence[int]:
    import neurokit2

    cleaned = neurokit2.ecg_clean(signal, sampling_rate=int(rate))
    _, found = neurokit2.ecg_peaks(cleaned, sampling_rate=int(rate), method=method)
    return found["ECG_R_Peaks"]


def sleepecg(signal: NDArray[np.float64], rate: float) -> Sequence[int]:
    from sleepecg import detect_heartbeats

    return detect_heartbeats(signal, rate)


def biosppy(signal: NDArray[np.float64], rate: float) -> Sequence[int]:
    from biosppy.signals import ecg
    from biosppy.signals.tools import filter_signal

    order = int(0.3 * rate)  # the filter of its ecg(), without the figures that it draws
    cleaned, _, _ = filter_signal(signal, "FIR", "bandpass", order, [3, 45], rate)
    (found,) = ecg.hamilton_segmenter(cleaned, rate)
    (corrected,) = ecg.correct_rpeaks(cleaned, found, rate, tol=0.05)
    return corrected


PEERS: dict[str, tuple[str, Detector]] = {
    "gqrs": ("wfdb gqrs (Python)", of_channel(gqrs)),
    "xqrs": ("wfdb xqrs", of_channel(xqrs)),
    "neurokit": ("NeuroKit2 default", of_channel(partial(neurokit, method="neurokit"))),
    "rodrigues": (
        "NeuroKit2 rodrigues2021",
        of_channel(partial(neurokit, method="rodrigues2021")),
    ),
    "sleepecg": ("sleepecg", of_channel(sleepecg)),
    "biosppy": ("BioSPPy, corrected", of_channel(biosppy)),
}
"""Of R peaks only: NeuroKit2's "prominence" finds waves around given peaks and no peaks."""


def score(record: Record, find: Detector) -> Score:
    begin = time.process_time()
    found = find(record)
    cpu = (time.process_time() - begin) * 1800 * record.rate / record.signal.shape[1]

    def compare(window: float, start: float) -> BeatComparison:
        return compare_beats(
            record.beats,
            found.peaks,
            record.rate,
            window=window,
            start=start,
            excluded=record.flutter,
        )

    ec57 = compare(0.150, EC57_LEARNING)
    is_ventricular = record.ventricular[np.searchsorted(record.beats, ec57.pairs[:, 0])]
    seconds = (ec57.missed / record.rate).astype(np.intp)
    # a record may end within a second that was not judged
    in_shutdown = np.isin(seconds, np.flatnonzero(found.unreadable))
    return Score(
        record.name,
        ec57,
        compare(CLOSE, 0.0).counts,
        ec57.offsets[is_ventricular],
        cpu,
        float(found.unreadable[int(EC57_LEARNING) :].sum()),
        int(in_shutdown.sum()),
    )


def print_scores(title: str, scores: list[Score]) -> None:
    gross = sum((one.ec57.counts for one in scores), BeatCounts())
    close = sum((one.close for one in scores), BeatCounts())
    offsets = 1000 * np.concatenate([one.ec57.offsets for one in scores])
    worst = sorted(scores, key=lambda one: one.ec57.counts.f1)[:3]
    ventricular = 1000 * np.concatenate([one.ventricular_offsets for one in scores])
    of_v = (
        f"{np.median(ventricular):7.1f}{ventricular.std():7.1f}" if ventricular.size else " " * 14
    )
    shutdown = f"{sum(one.shutdown for one in scores):.0f} s" if title in OURS else "-"
    print(
        f"{title:24}{gross.sensitivity:8.2%}{gross.positive_predictivity:8.2%}{gross.f1:8.2%}"
        f"{close.f1:8.2%}{np.median(offsets):11.1f}{offsets.std():7.1f}{of_v}"
        f"{np.mean([one.cpu for one in scores]):8.3f}{shutdown:>10}  "
        + ", ".join(f"{one.record} {one.ec57.counts.f1:.2%}" for one in worst),
        flush=True,
    )


def print_records(scores: list[Score]) -> None:
    for one in scores:
        counts = one.ec57.counts
        offset = 1000 * float(np.median(one.ec57.offsets)) if counts.matched else float("nan")
        print(
            f"    {one.record:10} missed {counts.missed:4} extra {counts.extra:4}  "
            f"F1 {counts.f1:.2%}  50 ms {one.close.f1:.2%}  offset {offset:6.1f} ms"
        )


if __name__ == "__main__":
    main()
