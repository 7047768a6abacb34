"""Where P, QRS and T begin and end: our delineation beside NeuroKit2's, in one run.

    python benchmarks/waves.py [RECORDINGS]

RECORDINGS is the folder that holds ``ludb/`` and ``qtdb/`` (default: TRACEKEEP_DATA). As in
``tracekeep evaluate``, marks pair one to one within 150 ms and extra ones count where the reader
marked beats. LUDB: lead II alone. QTDB: the first reader's marks (q1c), for each point the better
of the two leads, SD as the mean over recordings of each recording's; from 10 s before the first
mark to 10 s after the last one. Peers get mV, a lead a call,
cleaned and with R peaks as is their default; ours gets the R peaks of our detector on the same
lead. CPU seconds are for everything, R peaks too.

The model that ships has learnt from these very recordings: its row here is NOT a fair one. The
rows "cross-validated" are of its card, where each patient was tested by a model that had not seen
them, with R peaks from all leads; compare those.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.registry import bundle_for
from ml.tasks.waves import WaveDelineator
from signals.ecg.ec57.waves import (
    POINTS,
    PointComparison,
    annotated_waves,
    compare_waves,
    measured_waves,
)
from signals.ecg.qrs import QrsDetector
from signals.readers import open_recording, read_annotations
from signals.recording import MILLIVOLT

Times = dict[str, NDArray[np.float64]]
Lead = tuple[float, NDArray[np.float32], tuple[float, float]]
Comparison = Mapping[str, PointComparison]
SHOWN = ("p_on", "p_off", "qrs_on", "qrs_off", "t_on", "t_off")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    default = os.environ.get("TRACEKEEP_DATA", str(Path.home() / ".cache/tracekeep/data"))
    parser.add_argument("recordings", nargs="?", default=default, type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # NeuroKit2 warns of every lead that it can make little of
    print(str(__doc__).rpartition("\n\n")[2])
    ludb = [
        ([read_lead(header, 1)], reference(header, "ii"))
        for header in sorted((options.recordings / "ludb").glob("*.hea"), key=lambda h: int(h.stem))
    ]
    qtdb = [excerpt(header) for header in sorted((options.recordings / "qtdb").glob("*.hea"))]
    if not ludb or not qtdb:
        sys.exit(f"{options.recordings}: ludb/ and qtdb/ are asked for")
    card = bundle_for("waves").card["results"]["int8"]
    for title, records, view, by_record in (
        ("LUDB, lead II alone", ludb, "lead II alone", False),
        ("QTDB q1c, the better of two leads", qtdb, "better lead", True),
    ):
        print(f"\n{title}: {len(records)} recordings. Se/+P/F1 %, mean±SD ms\n")
        print(
            f"{'':28}" + "".join(f"{point:>26}" for point in SHOWN) + f"{'CPU s':>8}{'failed':>8}"
        )
        print_row("tracekeep cross-validated", [from_card(card[view], p, by_record) for p in SHOWN])
        for name, find in (
            ("tracekeep (has seen these)", tracekeep),
            ("NeuroKit2 dwt (default)", neurokit("dwt")),
            ("NeuroKit2 prominence", neurokit("prominence")),
        ):
            run(name, find, records, by_record=by_record)


def read_lead(header: Path, index: int) -> Lead:
    with open_recording(header) as recording:
        channel = recording.channels[index]
        factor = channel.unit.factor_to(MILLIVOLT)
        signal = recording.read([index], 0, channel.n_samples)[0] * np.float32(factor)
        low, high = channel.physical_range
    return channel.rate, signal, (low * factor, high * factor)


def excerpt(header: Path) -> tuple[list[Lead], Times]:
    """Return both leads from 10 s before the first mark to 10 s after the last one.

    The readers marked a minute of 15, and NeuroKit2 would take half an hour for all of it.
    """
    truth = reference(header, "q1c")
    marks = np.concatenate(list(truth.values()))
    begin, end = max(float(marks.min()) - 10, 0.0), float(marks.max()) + 10
    leads = []
    for rate, signal, rails in (read_lead(header, 0), read_lead(header, 1)):
        leads.append((rate, signal[round(begin * rate) : round(end * rate)], rails))
    start = round(begin * leads[0][0]) / leads[0][0]
    return leads, {point: times - start for point, times in truth.items()}


def reference(header: Path, annotator: str) -> Times:
    marks = read_annotations(header, annotator)
    return annotated_waves(marks.found, marks.rate)


def tracekeep(lead: Lead) -> Times:
    rate, signal, rails = lead
    detector = QrsDetector(rate, [rails])
    peaks = np.concatenate([detector.push(signal[None]).peaks, detector.finish().peaks])
    delineator = WaveDelineator(bundle_for("waves"), rate, 1)
    waves = [delineator.push(signal[None], peaks), delineator.finish()]
    times = np.concatenate([part.samples for part in waves]) / rate
    return measured_waves(times, np.concatenate([part.lead_points[:, 0] for part in waves]))


def neurokit(method: str) -> Callable[[Lead], Times]:
    columns = {
        "p_on": "ECG_P_Onsets",
        "p_off": "ECG_P_Offsets",
        "qrs_on": "ECG_R_Onsets",
        "qrs_off": "ECG_R_Offsets",
        "t_on": "ECG_T_Onsets",
        "t_off": "ECG_T_Offsets",
    }

    def find(lead: Lead) -> Times:
        import neurokit2

        rate, signal = int(lead[0]), lead[1].astype(np.float64)
        cleaned = neurokit2.ecg_clean(signal, sampling_rate=rate)
        _, peaks = neurokit2.ecg_peaks(cleaned, sampling_rate=rate)
        _, waves = neurokit2.ecg_delineate(cleaned, peaks, sampling_rate=rate, method=method)
        found: dict[str, Any] = {
            point: np.asarray(waves[column], float) / rate for point, column in columns.items()
        }
        return {point: np.sort(times[np.isfinite(times)]) for point, times in found.items()}

    return find


def run(
    name: str,
    find: Callable[[Lead], Times],
    records: list[tuple[list[Lead], Times]],
    *,
    by_record: bool,
) -> None:
    compared: list[Comparison] = []
    failed = 0
    begin = time.process_time()
    for leads, truth in records:
        of_leads = []
        for lead in leads:
            try:
                of_leads.append(compare_waves(truth, find(lead)))
            except ModuleNotFoundError as error:
                print(f"{name:28}not run: {error.name} is not installed")
                return
            except Exception:  # noqa: BLE001 (whatever a peer raises counts as nothing found)
                failed += 1
                nothing = {point: np.zeros(0) for point in SHOWN}
                of_leads.append(compare_waves(truth, nothing))
        compared.append(
            {
                point: min((one[point] for one in of_leads if point in one), key=misfit)
                for point in POINTS
                if any(point in one for one in of_leads)
            }
        )
    cpu = time.process_time() - begin
    cells = [figures(compared, point, by_record=by_record) for point in SHOWN]
    print_row(name, cells, f"{cpu:8.1f}{failed:8}")


def misfit(one: PointComparison) -> tuple[int, float]:
    marks = len(one.missed) + len(one.errors)
    mean = float(np.square(one.errors).mean()) if len(one.errors) else np.inf
    return round(10 * len(one.missed) / max(marks, 1)), mean


def figures(compared: list[Comparison], point: str, *, by_record: bool) -> str:
    ones = [record[point] for record in compared if point in record]
    matched = sum(len(one.errors) for one in ones)
    missed = sum(len(one.missed) for one in ones)
    extra = sum(len(one.extra) for one in ones)
    errors = [1e3 * one.errors for one in ones if len(one.errors) > 1]
    if by_record:
        mean, sd = np.mean([[part.mean(), part.std()] for part in errors], axis=0)
    else:
        pooled = np.concatenate(errors)
        mean, sd = pooled.mean(), pooled.std()
    return cell(matched, missed, extra, mean, sd)


def from_card(points: Mapping[str, Any], point: str, by_record: bool) -> str:  # noqa: FBT001
    one = points[point]
    mean, sd = ("mean_of_records", "sd_of_records") if by_record else ("mean", "sd")
    return cell(one["matched"], one["missed"], one["extra"], one[mean], one[sd])


def cell(matched: int, missed: int, extra: int, mean: float, sd: float) -> str:
    se, pp = matched / max(matched + missed, 1), matched / max(matched + extra, 1)
    f1 = 2 * matched / max(2 * matched + missed + extra, 1)
    return f"{100 * se:.1f}/{100 * pp:.1f}/{100 * f1:.2f} {mean:+.0f}±{sd:.1f}"


def print_row(name: str, cells: list[str], after: str = "") -> None:
    print(f"{name:28}" + "".join(f"{one:>26}" for one in cells) + after, flush=True)


if __name__ == "__main__":
    main()
