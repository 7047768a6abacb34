"""What skipping unchanged beats saves and what it costs: adaptive against full, in one run.

    python benchmarks/adaptive.py [--data FOLDER] [--folds FOLDER] [--records N]

The development recordings are classified twice, every beat read in full and adaptively. With
--folds, the report of ``python -m ml.training train beats``, each recording is answered by models
and decision of the fold that did not see it; otherwise by those that ship, which know them all:
what adaptive and full differ in is then what the table tells, not how good either is.

A day of Holter is 40 half hours from recordings with less than 2 % of beats other than N, and 8
from the others, each recording of a kind counting alike: most of a real day is quiet. Every
recording begins anew, with a probation of 64 beats; a real day has one.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import app.analysis  # noqa: E402 (the project's root comes first)
from benchmarks._held_out import held_out  # noqa: E402
from ml.adaptive import Tier, Work  # noqa: E402
from ml.registry import bundle_for  # noqa: E402
from ml.runtime import Model  # noqa: E402
from ml.runtime_graph import read_graph  # noqa: E402
from ml.tasks.beats import LABELS, SHARES, BeatClassifier, ClassifiedBeats  # noqa: E402
from ml.training.beats.data import LEADS, PACED, Record, find_records, found_in  # noqa: E402
from ml.training.beats.data import read_record as read  # noqa: E402
from ml.training.beats.figures import by_ec57  # noqa: E402
from ml.training.evaluation import confusion, scores  # noqa: E402
from signals.ecg.beat import BeatClass  # noqa: E402

if TYPE_CHECKING:
    from ml.bundle import Bundle
    from ml.training.beats.data import Found

BLOCK_S = 300.0
ROUNDS = 3
FEWEST = 10
QUIET = 0.02
QUIET_HALF_HOURS, OTHER_HALF_HOURS = 40, 8
ANALYSED = 6
"""Recordings of each kind of which the whole analysis is timed."""
MODES = {"full": False, "adaptive": True}


@dataclass(frozen=True)
class Outcome:
    """A recording classified in one mode: which beats were skipped or quick, and all figures."""

    tiers: NDArray[np.int8]
    counts: NDArray[np.int64]
    work: Work
    cpu_s: float


Outcomes = dict[str, dict[str, Outcome]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    default = os.environ.get("TRACEKEEP_DATA", str(Path.home() / ".cache/tracekeep/data"))
    parser.add_argument("--data", type=Path, default=Path(default), metavar="FOLDER")
    parser.add_argument("--folds", type=Path, metavar="FOLDER")
    parser.add_argument("--records", type=int, metavar="N", help="only the first N")
    options = parser.parse_args()
    bundle = bundle_for("beats")
    bundles = held_out(bundle, options.folds) if options.folds else {}
    names = [n for n in find_records(options.data) if n not in PACED][: options.records]
    outcomes: Outcomes = defaultdict(dict)
    truths: dict[str, NDArray[np.int8]] = {}
    for name in names:
        record = read(options.data, name)
        found = found_in(record)
        truths[name] = found.classes
        for mode, outcome in classified(record, found, bundles.get(name, bundle)).items():
            outcomes[mode][name] = outcome
    quiet = {n: float((truths[n] != BeatClass.N).mean()) < QUIET for n in names}
    n_quiet = sum(quiet.values())
    print(f"{bundle.id}, {'held-out' if bundles else 'shipped'} models; {len(names)} recordings")
    print(f"blocks of {BLOCK_S:g} s, one thread, CPU: median of {ROUNDS} rounds; {n_quiet} quiet\n")
    tell("development recordings", outcomes, dict.fromkeys(names, 1.0), bundle)
    if not 0 < n_quiet < len(names):
        return
    shares = {True: QUIET_HALF_HOURS / n_quiet, False: OTHER_HALF_HOURS / (len(names) - n_quiet)}
    day = {name: shares[quiet[name]] for name in names}
    tell("a day of Holter", outcomes, day, bundle)
    tell("its quiet part", outcomes, {n: day[n] for n in names if quiet[n]}, bundle)
    tell_scores(outcomes)
    tell_skipped(outcomes["adaptive"], truths)
    tell_whole(options.data, names, quiet)


def classified(record: Record, found: Found, bundle: Bundle) -> dict[str, Outcome]:
    step = round(BLOCK_S * record.rate)
    cpu: dict[str, list[float]] = defaultdict(list)
    answers: dict[str, tuple[ClassifiedBeats, Work]] = {}
    for _ in range(ROUNDS):
        for mode, adaptive in MODES.items():
            classifier = BeatClassifier(bundle, record.rate, LEADS, adaptive=adaptive)
            begun, parts = time.process_time(), []
            for start in range(0, found.samples.shape[1], step):
                inside = slice(*np.searchsorted(found.peaks, (start, start + step)))
                block = found.samples[:, start : start + step]
                parts.append(classifier.push(block, found.peaks[inside]))
            parts.append(classifier.finish())
            cpu[mode].append(time.process_time() - begun)
            answers[mode] = ClassifiedBeats.joined(parts), classifier.work
    outcomes = {}
    for mode, (beats, work) in answers.items():
        counts = confusion(found.classes, beats.classes, len(LABELS))
        counts[:, BeatClass.Q] += found.missed
        tiers = np.full(len(beats.samples), Tier.FULL, np.int8)
        for tier, shares in zip((Tier.SKIPPED, Tier.QUICK), SHARES, strict=True):
            tiers[(beats.probabilities == shares).all(axis=1)] = tier
        outcomes[mode] = Outcome(tiers, by_ec57(counts), work, float(np.median(cpu[mode])))
    return outcomes


def tell(title: str, outcomes: Outcomes, weights: dict[str, float], bundle: Bundle) -> None:
    """Print shares, multiply-adds and CPU of both modes; recordings count by their weights."""
    adds = {name: multiply_adds(model) for name, model in bundle.models.items()}
    print(title)
    print("            beats  skipped   quick    full   multiply-adds a beat   CPU us a beat")
    first: tuple[float, float] | None = None
    for mode, by_name in outcomes.items():
        done = np.array(
            [
                weight
                * np.array([one.work.skipped, one.work.quick, one.work.full, 1e6 * one.cpu_s])
                for name, weight in weights.items()
                for one in [by_name[name]]
            ]
        ).sum(axis=0)
        skipped, quick, full, cpu_us = done.tolist()
        beats = skipped + quick + full
        # of those read in full the audited were not asked of the quick model: at most
        asked = 0 if mode == "full" else quick + full
        costs = (full * adds["model"] + asked * adds["quick"]) / beats, cpu_us / beats
        first = first or costs
        saved = [f"{1 - cost / of_full:5.0%}" for cost, of_full in zip(costs, first, strict=True)]
        print(
            f"  {mode:9}{beats:7,.0f}{skipped / beats:9.1%}{quick / beats:8.1%}{full / beats:8.1%}"
            f"{costs[0]:14,.0f} {saved[0]} saved{costs[1]:8.1f} {saved[1]} saved"
        )
    print()


def multiply_adds(tflite: bytes) -> int:
    return sum(one.multiply_adds for one in read_graph(tflite).operators) // Model(tflite).batch


def tell_scores(outcomes: Outcomes) -> None:
    """Print F1 by class of both modes and what adaptive loses."""
    rows = {mode: f1_of([one.counts for one in of.values()]) for mode, of in outcomes.items()}
    print("F1, development recordings, beats not found count as missed")
    print("            " + "".join(f"{name:>10}" for name in rows["full"]))
    for mode, row in rows.items():
        print(f"  {mode:10}" + "".join(f"{100 * value:10.2f}" for value in row.values()))
    lost = [100 * (rows["full"][name] - rows["adaptive"][name]) for name in rows["full"]]
    print("  lost      " + "".join(f"{value:10.2f}" for value in lost) + "\n")


def f1_of(counts: list[NDArray[np.int64]]) -> dict[str, float]:
    """Return F1 gross of N, S, V, and the mean over recordings with enough beats of S and V."""
    gross = scores(np.sum(counts, axis=0), LABELS)
    f1 = {label: gross[label].f1 for label in ("N", "S", "V")}
    for label in ("S", "V"):
        own = [scores(one, LABELS)[label] for one in counts]
        enough = [score.f1 for score in own if score.true >= FEWEST]
        f1[f"mean {label}"] = float(np.mean(enough)) if enough else float("nan")
    return f1


def tell_skipped(outcomes: dict[str, Outcome], truths: dict[str, NDArray[np.int8]]) -> None:
    """Print what the beats truly were that were not read in full, beside what is said of them."""
    truth = np.concatenate([truths[name] for name in outcomes])
    tiers = np.concatenate([one.tiers for one in outcomes.values()])
    print("what beats truly are / are said to be, per cent")
    for tier, shares in zip((Tier.SKIPPED, Tier.QUICK), SHARES, strict=True):
        counts = np.bincount(truth[(tiers == tier) & (truth >= 0)], minlength=len(LABELS))
        told = " ".join(
            f"{label} {100 * count / max(1, counts.sum()):.3f}/{100 * share:.3f}"
            for label, count, share in zip(LABELS, counts, shares, strict=True)
        )
        print(f"  {tier.name.lower():9}{counts.sum():8,} beats: {told}")
    print()


def tell_whole(data: Path, names: list[str], quiet: dict[str, bool]) -> None:
    """Print CPU seconds of the whole analysis of some recordings, both modes in turn."""
    print(f"the whole analysis, CPU seconds for half an hour (mean of {ANALYSED} recordings)")
    for kind, title in ((True, "quiet"), (False, "other")):
        some = [name for name in names if quiet[name] is kind]
        spent: dict[str, float] = defaultdict(float)
        for name in some[:: max(1, len(some) // ANALYSED)][:ANALYSED]:
            record = read(data, name)
            for mode, adaptive in MODES.items():
                spent[mode] += analysed(record, adaptive=adaptive)
        full, adaptive_s = spent["full"] / ANALYSED, spent["adaptive"] / ANALYSED
        print(f"  {title:8}full {full:.3f}, adaptive {adaptive_s:.3f}: {1 - adaptive_s / full:.0%}")


def analysed(record: Record, *, adaptive: bool) -> float:
    step = round(BLOCK_S * record.rate)
    shipped = app.analysis.BeatClassifier
    app.analysis.BeatClassifier = functools.partial(BeatClassifier, adaptive=adaptive)  # type: ignore[misc, assignment]
    try:
        models = app.analysis.EcgModels.shipped()
        analyzer = app.analysis.EcgAnalyzer(record.rate, record.rails, models)
    finally:
        app.analysis.BeatClassifier = shipped  # type: ignore[misc]
    begun = time.process_time()
    for start in range(0, record.samples.shape[1], step):
        analyzer.push(record.samples[:, start : start + step])
    analyzer.finish()
    return time.process_time() - begun


if __name__ == "__main__":
    main()
