"""How well ventricular flutter and fibrillation are found: ours beside TCSC and the VF filter.

    python benchmarks/ventricular.py [RECORDINGS] [--records]

RECORDINGS is the folder that holds ``vfdb/``, ``mitdb/``, ``svdb/``, ``nstdb/`` and ``cinc2017/``
(default: TRACEKEEP_DATA). All five are development recordings. Row "by patient" judges each patient
of vfdb, and 207 of mitdb, by weights fitted without him, and the other records by weights fitted
without an eighth of them; "as shipped" has seen them all. The peers are threshold crossing
sample count (Anas, Lee and Hasan 2010) and the leakage of the VF filter (Kuo and Dillman 1978),
lead 0, with their published limits and our rule of what a stretch is.

Reference episodes are VF, VFIB and VFL of vfdb; NOISE never counts, VT and ASYS do not in the
first table and are false in the second: annotators of vfdb call VT what its neighbours call VF.
An episode is found if a stretch meets it, a stretch is right if it meets an episode (EC57, epicmp);
seconds are compared one by one. "onset s" is how much later than the episode the stretch begins,
of episodes of three seconds and more: 10th, 50th, 90th percentile; far below 0 where short
episodes follow each other and one stretch holds them all. The last columns are false stretches in
24 hours.

The last table sets the alarm, which is rule and model together, beside the rule alone where both
tell tachycardia, flutter and fibrillation from all else, second by second;
``ml/training/ventricular/scoring.py`` says what is counted. Rows "alarm" and "rule" as shipped: on
development recordings, which both have seen, that flatters them, and is there for other folders of
the same layout. The model's card has the alarm by patient; row "by patient" is the rule with
weights fitted without the patient, to set beside it. "asked" is the share of the seconds in which
the model was.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from _millivolts import read_millivolts
from numpy.typing import NDArray

from ml.registry import bundle_for
from ml.tasks.ventricular import Decisions, VentricularAlarm
from ml.training.ventricular import data as alarm_data
from ml.training.ventricular.rule import weights_without
from ml.training.ventricular.scoring import Counts, alarm_counts, pooled
from signals.ecg._ventricular_shape import N_SHAPES, WINDOW, ShapeMeter
from signals.ecg.ventricular import LEAST_HEIGHT, WEIGHTS, VentricularDetector
from signals.quality import QualityMeter, is_readable
from signals.readers import open_recording, read_annotations

Stretches = list[tuple[int, int]]
Bools = NDArray[np.bool_]

BLOCK_SECONDS = 60
FIBRILLATION = ("(VF", "(VFL", "(VFIB")
NEVER = ("(NOISE",)
DOUBTFUL = ("(VT", "(ASYS")
STRIPS = 600  # of cinc2017, besides the noisy ones
LENGTHS = (1, 3, 10)
"""Seconds: episodes at least as long are counted in a column each."""
KNOWN_AFTER = 2
"""Seconds after which the rule knows that a second belongs to a stretch."""
FITTED_SHARE = 0.2
"""Weight of the seconds of fibrillation, against that of all others, in the fit."""
PENALTY = 1e-3
"""On the squares of the weights, of shapes scaled to unit spread."""


@dataclass(frozen=True)
class Record:
    """A record; signal in mV, shape (leads, samples); the rest by whole second."""

    database: str
    name: str
    signal: NDArray[np.float32]
    rate: float
    readable: Bools
    fibrillation: Bools
    never: Bools
    doubtful: Bools

    @property
    def patient(self) -> str:
        """Whose it is, as the training of the alarm has it."""
        return alarm_data.patient_of(f"{self.database}/{self.name}")


Detector = Callable[[Record], Stretches]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    default = os.environ.get("TRACEKEEP_DATA", str(Path.home() / ".cache/tracekeep/data"))
    parser.add_argument("recordings", nargs="?", default=default, type=Path)
    parser.add_argument("--records", action="store_true", help="print every record of vfdb")
    options = parser.parse_args()
    records = [
        load(header)
        for database in ("vfdb", "mitdb", "svdb", "nstdb", "cinc2017")
        for header in headers(options.recordings / database)
    ]
    if not records:
        sys.exit(f"{options.recordings}: no record there")
    weights, of_all = fit_by_patient(records)
    print("weights fitted on all:", ", ".join(f"{weight:.2f}" for weight in of_all))
    print("as shipped:           ", ", ".join(f"{weight:.2f}" for weight in WEIGHTS), "\n")
    print_other_weights(weights)
    rows: list[tuple[str, list[Stretches]]] = []
    for title, find in (
        ("tracekeep, by patient", lambda record: tracekeep(record, weights[record.patient])),
        ("tracekeep, as shipped", tracekeep),
        ("TCSC", partial(peer, is_fibrillation=tcsc)),
        ("VF filter", partial(peer, is_fibrillation=vf_filter)),
    ):
        rows.append((title, [find(record) for record in records]))
    for heading, doubtful_counts in (("VT and ASYS left out", False), ("VT and ASYS false", True)):
        print_table(heading, records, rows, doubtful_counts=doubtful_counts)
    print_cpu(records)
    print_alarms(options.recordings)
    if options.records:
        print_records(records, rows[0][1])


def headers(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.hea"))
    if folder.name != "cinc2017" or not found:
        return found
    rows = (folder / "REFERENCE-v3.csv").read_text().split()
    noisy = {row.partition(",")[0] for row in rows if row.endswith("~")}
    others = [header for header in found if header.stem not in noisy]
    return [h for h in found if h.stem in noisy] + others[:: max(1, len(others) // STRIPS)]


def load(header: Path) -> Record:
    with open_recording(header) as recording:
        rate = recording.channels[0].rate
        signal, rails = read_millivolts(recording)
    seconds = int(signal.shape[1] / rate)
    rhythm = np.full(seconds, "", object)
    notes = header.with_suffix(".atr")
    for tick, symbol, note in read_annotations(header, "atr").found if notes.exists() else ():
        if symbol == "+":
            rhythm[round(tick / rate) :] = note
    return Record(
        header.parent.name,
        header.stem,
        signal,
        rate,
        is_readable(QualityMeter(rate, rails).push(signal))[:, :seconds],
        np.isin(rhythm, FIBRILLATION),
        np.isin(rhythm, NEVER),
        np.isin(rhythm, DOUBTFUL) & (header.parent.name == "vfdb"),
    )


def tracekeep(record: Record, weights: Sequence[float] = WEIGHTS) -> Stretches:
    detector = VentricularDetector(record.rate, len(record.signal), weights)
    step = round(BLOCK_SECONDS * record.rate)
    found = detector.push(record.signal[:, :0], record.readable)
    for i in range(0, record.signal.shape[1], step):
        found += detector.push(record.signal[:, i : i + step], record.readable[:, :0])
    return found + detector.finish()


def fit_by_patient(records: list[Record]) -> tuple[dict[str, list[float]], list[float]]:
    """Return the weights for each patient, fitted without him, and those fitted on all."""
    rows = [windows(record) for record in records]
    alone = {r.patient for r in records if r.database == "vfdb" or r.fibrillation.any()}
    others = sorted({record.patient for record in records} - alone)
    folds = [{patient, *others[i :: len(alone)]} for i, patient in enumerate(sorted(alone))]
    weights: dict[str, list[float]] = {}
    for fold in folds:
        kept = [row for one, row in zip(records, rows, strict=True) if one.patient not in fold]
        weights |= dict.fromkeys(fold, fit(kept))
    return weights, fit(rows)


def print_other_weights(weights: dict[str, list[float]]) -> None:
    """Print the weights that are not those by which the alarm's card judges a patient."""
    for patient, found in weights.items():
        held = weights_without(patient)
        if held != WEIGHTS and not np.allclose(found, held, atol=0.01):
            rounded = ", ".join(f"{weight:.2f}" for weight in found)
            print(f"ml/training/ventricular/rule.py has others for {patient}: {rounded}")


def windows(record: Record) -> tuple[NDArray[np.float64], Bools]:
    """Return the shapes of the windows of one rhythm that can be judged, and which fibrillate."""
    meter = ShapeMeter(record.rate, len(record.signal))
    parts = [meter.push(record.signal), meter.finish()]
    seconds = record.fibrillation.size
    shapes = np.concatenate([part[0] for part in parts], axis=2)[:, :, :seconds]
    heights = np.concatenate([part[1] for part in parts], axis=1)[:, :seconds]
    over = np.arange(WINDOW - 1, seconds)[:, np.newaxis] - np.arange(WINDOW)
    is_known = ~(record.never | record.doubtful)[over].any(axis=1)
    is_one = np.ptp(record.fibrillation[over].astype(int), axis=1) == 0
    used = record.readable[:, over].all(axis=2) & (is_known & is_one)
    used &= heights[:, WINDOW - 1 :] >= LEAST_HEIGHT
    label = np.broadcast_to(record.fibrillation[WINDOW - 1 :], used.shape)
    return shapes[:, :, WINDOW - 1 :][:, used].T, label[used]


def fit(rows: list[tuple[NDArray[np.float64], Bools]]) -> list[float]:
    """Return the weights of a logistic rule, constant first, by Newton's method."""
    shapes = np.concatenate([row[0] for row in rows])
    label = np.concatenate([row[1] for row in rows])
    counts = np.where(label, FITTED_SHARE * (~label).sum() / max(1, label.sum()), 1.0)
    counts /= counts.sum()
    middle, spread = shapes.mean(axis=0), shapes.std(axis=0)
    scaled = np.column_stack((np.ones(len(shapes)), (shapes - middle) / spread))
    penalty = PENALTY * np.diag([0.0] + [1.0] * N_SHAPES)
    weights = np.zeros(1 + N_SHAPES)
    for _ in range(25):
        odds = 1 / (1 + np.exp(-scaled @ weights))
        slope = scaled.T @ (counts * (odds - label)) + penalty @ weights
        bend = (scaled * (counts * odds * (1 - odds))[:, np.newaxis]).T @ scaled + penalty
        weights -= np.linalg.solve(bend, slope)
    of_shapes = weights[1:] / spread
    return [float(weights[0] - of_shapes @ middle), *of_shapes.tolist()]


def peer(
    record: Record, is_fibrillation: Callable[[NDArray[np.float64], float], bool]
) -> Stretches:
    """Return the stretches of three seconds and more that a published rule makes of lead 0."""
    rate = record.rate
    signal = band_limited(np.nan_to_num(record.signal[0]).astype(np.float64), rate)
    seconds, width = record.fibrillation.size, round(WINDOW * rate)
    over = np.zeros(seconds, bool)
    for k in range(WINDOW - 1, seconds):
        end = round((k + 1) * rate)
        if record.readable[0, k - WINDOW + 1 : k + 1].all():
            over[k - WINDOW // 2] = is_fibrillation(signal[max(0, end - width) : end], rate)
    found = [(a, b) for a, b in runs(over) if b - a >= WINDOW]
    return [(round(a * rate), round(b * rate)) for a, b in found]


def band_limited(signal: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Return what lies between 1 and 30 Hz, as both peers ask for it."""
    from scipy.signal import butter, sosfiltfilt

    return np.asarray(sosfiltfilt(butter(2, (1, 30), "bandpass", fs=rate, output="sos"), signal))


def tcsc(x: NDArray[np.float64], rate: float) -> bool:
    """Whether 48 % of the samples pass a fifth of the highest, the ends tapered for 0.25 s."""
    ramp = np.arange(round(0.25 * rate)) / rate
    taper = 0.5 * (1 - np.cos(4 * np.pi * ramp))
    tapered = np.abs(x)
    tapered[: taper.size] *= taper
    tapered[-taper.size :] *= taper[::-1]
    return bool((tapered > 0.2 * tapered.max()).mean() > 0.48) if tapered.max() > 0 else False


def vf_filter(x: NDArray[np.float64], _rate: float) -> bool:
    """Whether less than 0.406 is left of the signal and itself half a mean period later."""
    changes = np.abs(np.diff(x)).sum()
    half = round(np.pi * np.abs(x).sum() / changes) if changes > 0 else 0
    if not 0 < half < x.size:
        return False
    now, then = x[half:], x[:-half]
    return bool(np.abs(now + then).sum() / (np.abs(now).sum() + np.abs(then).sum()) < 0.406)


def runs(mask: Bools) -> Stretches:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(int), [0]))))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def covered(record: Record, stretches: Stretches) -> Bools:
    """Return the seconds that stretches of samples cover."""
    mask = np.zeros(record.fibrillation.size, bool)
    for start, end in stretches:
        mask[round(start / record.rate) : round(end / record.rate)] = True
    return mask


def print_table(
    heading: str,
    records: list[Record],
    rows: list[tuple[str, list[Stretches]]],
    *,
    doubtful_counts: bool,
) -> None:
    titles = [f"Se >={length} s" for length in LENGTHS]
    print(f"{heading}\n{'':24}" + "".join(f"{title:>13}" for title in titles), end="")
    print(f"{'+P':>13}{'dur. Se':>9}{'dur. +P':>9}{'onset s':>13}   false in 24 h of", end=" ")
    others = ("mitdb", "svdb", "nstdb", "cinc2017")
    print("".join(f"{name:>10}" for name in others))
    for title, found in rows:
        episodes = {length: np.zeros(2, int) for length in LENGTHS}
        right = stretches = both = missed = extra = 0
        onsets: list[int] = []
        for record, stretch_list in zip(records, found, strict=True):
            if record.database != "vfdb":
                continue
            mask, truth = covered(record, stretch_list), record.fibrillation
            out = record.never | (record.doubtful & (not doubtful_counts))
            both += int((mask & truth).sum())
            missed += int((~mask & truth).sum())
            extra += int((mask & ~truth & ~out).sum())
            for start, end in runs(truth):
                for length in LENGTHS:
                    if end - start >= length:
                        episodes[length] += (mask[start:end].any(), 1)
                if end - start >= WINDOW and mask[start:end].any():
                    before = (~mask[:start])[::-1].argmax() if mask[start] else 0
                    onsets.append(int(mask[start:end].argmax()) - int(before))
            for start, end in runs(mask):
                meets = truth[start:end].any()
                right += meets
                stretches += meets or not out[start:end].all()
        row = "".join(f"{f'{a}/{b}':>13}" for a, b in episodes.values())
        spread = "/".join(f"{q:.0f}" for q in np.percentile(onsets, (10, 50, 90)))
        print(
            f"{title:24}{row}{f'{right}/{stretches}':>13}{both / (both + missed):9.1%}"
            f"{both / max(1, both + extra):9.1%}{spread:>13}   {'':17}"
            + "".join(f"{false_in_a_day(records, found, name):10.1f}" for name in others),
            flush=True,
        )
    print()


def false_in_a_day(records: list[Record], found: list[Stretches], database: str) -> float:
    """Return the stretches, in 24 hours of a database, that meet no fibrillation."""
    false = hours = 0.0
    for record, stretches in zip(records, found, strict=True):
        if record.database == database:
            hours += record.fibrillation.size / 3600
            near = np.convolve(record.fibrillation, np.ones(3), "same") > 0
            false += sum(not near[a:b].any() for a, b in runs(covered(record, stretches)))
    return 24 * false / hours if hours else float("nan")


def print_cpu(records: list[Record]) -> None:
    record = next(record for record in records if record.database == "mitdb")
    times = []
    for _ in range(5):
        begin = time.process_time()
        tracekeep(record)
        times.append(time.process_time() - begin)
    share = 86400 * record.rate / record.signal.shape[1]
    print(
        f"CPU for 24 h x {len(record.signal)} leads at {record.rate:g} Hz: "
        f"{np.median(times) * share:.2f} s"
    )


def print_alarms(folder: Path) -> None:
    print(
        "\nalarms        records  windows alarmed      episodes   delay s  false in h   "
        "in NOISE, ASYS   asked"
    )
    seconds = {"alarm": 0.0, "rule": 0.0}
    titles = (*seconds, "by patient")
    hours = 0.0
    for database in ("vfdb", "mitdb", "svdb", "nstdb"):
        found: dict[str, list[Counts]] = {title: [] for title in titles}
        asked: list[Bools] = []
        for header in sorted((folder / database).glob("*.hea")):
            record = alarm_data.read_record(folder, f"{database}/{header.stem}")
            hours += len(record.samples) * record.seconds / 3600
            begin = time.process_time()
            said = decisions(record)
            middle = time.process_time()
            of_rule = alarms_of_rule(record)
            seconds["alarm"] += middle - begin
            seconds["rule"] += time.process_time() - middle
            found["alarm"].append(alarm_counts(record, said.alarm))
            found["rule"].append(alarm_counts(record, of_rule))
            weights = weights_without(alarm_data.patient_of(record.name))
            by_patient = alarms_of_rule(record, weights)
            found["by patient"].append(alarm_counts(record, by_patient))
            asked.append(said.probability > 0)
        for name, parts in found.items():
            total = pooled(parts)
            spread = np.percentile(total["delays_s"], (50, 90)) if total["delays_s"] else ()
            print(
                f"{name:11}{database:>10}"
                f"{total['windows_alarmed']:10}/{total['windows']:<6}"
                f"{len(total['delays_s']):8}/{total['episodes']:<5}"
                f"{'/'.join(f'{delay:.1f}' for delay in spread) or '-':>9}"
                f"{total['false_alarms']:6}/{total['hours']:<6.1f}"
                f"{total['doubtful_alarms']:8}/{total['doubtful_hours']:<6.1f}"
                f"{f'{np.concatenate(asked).mean():.1%}' if name == 'alarm' else '-':>10}",
                flush=True,
            )
    for name, spent in seconds.items():
        print(f"CPU for an hour of a lead, {name}: {spent / hours:.2f} s")


def decisions(record: alarm_data.Record) -> Decisions:
    """Return what the alarm says at the end of each second, pushed second by second."""
    alarm = VentricularAlarm(bundle_for("ventricular"), record.rate, len(record.samples))
    edges = np.ceil(np.arange(record.seconds + 1) * record.rate).astype(int)
    parts = [
        alarm.push(record.samples[:, first:last], record.readable[:, second : second + 1])
        for second, (first, last) in enumerate(pairwise(edges.tolist()))
    ]
    return Decisions.joined([*parts, alarm.finish()])


def alarms_of_rule(record: alarm_data.Record, weights: Sequence[float] = WEIGHTS) -> Bools:
    detector = VentricularDetector(record.rate, len(record.samples), weights)
    found = detector.push(record.samples, record.readable) + detector.finish()
    mask = np.zeros(record.seconds + KNOWN_AFTER, bool)
    for start, end in found:
        first, last = round(start / record.rate), round(end / record.rate)
        mask[first + KNOWN_AFTER : last + KNOWN_AFTER] = True
    return mask[: record.seconds]


def print_records(records: list[Record], found: list[Stretches]) -> None:
    print("\nby record, seconds: fibrillation, found of it, else found, of that VT/ASYS, NOISE")
    for record, stretches in zip(records, found, strict=True):
        if record.database == "vfdb" or record.fibrillation.any():
            mask, truth = covered(record, stretches), record.fibrillation
            rest = mask & ~truth
            print(
                f"    {record.name:8}{truth.sum():6}{(mask & truth).sum():6}{rest.sum():6}"
                f"{(rest & record.doubtful).sum():6}{(rest & record.never).sum():6}"
            )


if __name__ == "__main__":
    main()
