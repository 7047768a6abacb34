"""What a patient's own pattern is worth: a reader's corrections, and what they do.

    python benchmarks/personal.py FOLDS [--data FOLDER]

FOLDS is the report of ``python -m ml.training train beats``: each recording is read by models and
decision of the fold that did not see it. The reader is played by the reference; false detections
and beats that it does not classify are left as they are, and beats that were not detected are not
counted. S and V are scored by class,
gross and as the mean F1 over patients with at least 10.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from app.corrections import read_beats  # noqa: E402 (the project's root comes first)
from benchmarks._held_out import held_out  # noqa: E402
from ml.personal import Correction, PersonalPattern, ReadBeats  # noqa: E402
from ml.registry import bundle_for  # noqa: E402
from ml.training.beats.data import PACED, find_records, found_in, read_record  # noqa: E402
from signals.ecg.beat import BeatClass  # noqa: E402
from signals.readers import open_recording  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ml.bundle import Bundle
    from ml.decision import Decision

KNOWN_S = 300.0
FEWEST = 10
DAY_BEATS = 100_000
AT_ONCE = 10
MADE = datetime(2026, 1, 1, tzinfo=UTC)
SHA256 = "0" * 64


class Patient(NamedTuple):
    """A recording, what the model says of it, and what is true."""

    name: str
    beats: ReadBeats
    decision: Decision
    truth: np.ndarray
    answers: np.ndarray
    first: np.ndarray


class Outcome(NamedTuple):
    """Classes with a pattern, which beats are scored, and what the reader did for it."""

    classes: np.ndarray
    scored: np.ndarray
    n_corrections: int
    n_changing: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    default = os.environ.get("TRACEKEEP_DATA", str(Path.home() / ".cache/tracekeep/data"))
    parser.add_argument("folds", type=Path, metavar="FOLDS")
    parser.add_argument("--data", type=Path, default=Path(default), metavar="FOLDER")
    options = parser.parse_args()
    bundles = held_out(bundle_for("beats"), options.folds)
    names = [name for name in find_records(options.data) if name not in PACED]
    patients = [read(options.data, name, bundles[name]) for name in names]
    n_beats = sum(len(patient.truth) for patient in patients)
    print(f"{len(patients)} patients, {n_beats:,} beats; a reader's corrections and what they do")
    tell("the model, after 5 minutes", patients, lambda p: Outcome(p.answers, ~p.first, 0, 0))
    tell("  first 5 minutes known", patients, five_minutes)
    tell_unseen(patients)
    tell("the model, whole recordings", patients, lambda p: Outcome(p.answers, everywhere(p), 0, 0))
    for minutes in (5, 30):
        for n in (3, 8, 16):
            tell(
                f"  {n} largest families of {minutes} min, as answered",
                patients,
                lambda p, n=n, minutes=minutes: families(p, n, minutes * 60.0),
            )
    for n in (30, 60, 100):
        tell(f"  {n} beats asked for, the others", patients, lambda p, n=n: questions(p, n))
    tell(
        "  5 minutes and 60 asked for, the others",
        patients,
        lambda p: questions(p, 60, known=p.first & (p.truth >= 0)),
    )
    tell_cost(patients[0])


def read(data: Path, name: str, bundle: Bundle) -> Patient:
    with open_recording(data / f"{name}.hea") as recording:
        beats = read_beats(recording, bundle)
    found = found_in(read_record(data, name))
    if not np.array_equal(found.peaks, beats.samples):
        sys.exit(f"{name}: the benchmark and the product find other beats")
    truth = np.where(found.classes == BeatClass.Q, -1, found.classes).astype(np.int64)
    beats = replace(beats, recording=SHA256, model=SHA256)
    answers = bundle.decision.classes(beats.logits)
    first = beats.samples < KNOWN_S * beats.rate
    return Patient(name, beats, bundle.decision, truth, answers, first)


def everywhere(patient: Patient) -> np.ndarray:
    return np.ones(len(patient.truth), np.bool_)


def marked(patient: Patient, beats: Iterable[int]) -> list[Correction]:
    samples, truth = patient.beats.samples, patient.truth
    return [
        Correction(SHA256, int(samples[beat]), BeatClass(int(truth[beat])), MADE) for beat in beats
    ]


def answered(
    patient: Patient, corrections: list[Correction], scored: np.ndarray, n_changing: int = 0
) -> Outcome:
    pattern = PersonalPattern(SHA256).taught(corrections, patient.beats, patient.decision)
    classes = pattern.apply(patient.beats, patient.decision).classes
    return Outcome(classes, scored, len(corrections), n_changing)


def five_minutes(patient: Patient) -> Outcome:
    known = np.flatnonzero(patient.first & (patient.truth >= 0))
    return answered(
        patient,
        marked(patient, known),
        ~patient.first,
        int(np.count_nonzero(patient.answers[known] != patient.truth[known])),
    )


def families(patient: Patient, n: int, until_s: float) -> Outcome:
    """Mark the largest families, class by class of the model's answers, as most of each are."""
    beats, truth = patient.beats, patient.truth
    seen = (beats.samples < until_s * beats.rate) & (truth >= 0) & (beats.families > 0)
    cells = beats.families * len(BeatClass) + patient.answers
    numbers, counts = np.unique(cells[seen], return_counts=True)
    corrections, n_changing = [], 0
    for number in numbers[np.argsort(-counts, kind="stable")[:n]]:
        of_cell = np.flatnonzero(seen & (cells == number))
        family, answer = divmod(int(number), len(BeatClass))
        most = int(np.bincount(truth[of_cell]).argmax())
        n_changing += most != answer
        sample = int(beats.samples[of_cell[0]])
        corrections.append(
            Correction(SHA256, sample, BeatClass(most), MADE, family, BeatClass(answer))
        )
    return answered(patient, corrections, everywhere(patient), n_changing)


def questions(patient: Patient, n: int, known: np.ndarray | None = None) -> Outcome:
    """Answer what the pattern asks for, a few at a time; score the beats that were not marked."""
    beats, decision, truth = patient.beats, patient.decision, patient.truth
    unasked = everywhere(patient) if known is None else ~patient.first
    corrections = [] if known is None else marked(patient, np.flatnonzero(known))
    pattern = PersonalPattern(SHA256).taught(corrections, beats, decision)
    n_changing = 0
    for _ in range(0, n, AT_ONCE):
        asked = pattern.worth_asking(beats, decision, AT_ONCE)
        unasked[asked] = False
        n_changing += int(np.count_nonzero(patient.answers[asked] != truth[asked]))
        pattern = pattern.taught(marked(patient, asked[truth[asked] >= 0]), beats, decision)
    classes = pattern.apply(beats, decision).classes
    return Outcome(classes, unasked, len(pattern.corrections), n_changing)


def tell(what: str, patients: list[Patient], reader: Callable[[Patient], Outcome]) -> None:
    counts, corrections, changing = [], 0, 0
    for patient in patients:
        outcome = reader(patient)
        counts.append(confusion(patient.truth, outcome.classes, outcome.scored))
        corrections += outcome.n_corrections
        changing += outcome.n_changing
    gross = sum(counts)
    parts = []
    for label in (BeatClass.S, BeatClass.V):
        means = [score(count, label)[2] for count in counts if count[label].sum() >= FEWEST]
        sensitivity, predictivity, f1 = score(gross, label)
        parts.append(
            f"{label.name} {100 * sensitivity:5.1f}/{100 * predictivity:5.1f} "
            f"F1 {f1:.3f} mean {np.mean(means):.3f}"
        )
    each = (
        f"{corrections / len(patients):.0f} marked, {changing / len(patients):.1f} not as answered"
    )
    print(f"{what:42} {' | '.join(parts)} | {each if corrections else ''}", flush=True)


def tell_unseen(patients: list[Patient]) -> None:
    """Say whether patients without S in the first 5 minutes keep what the model finds."""
    before, after, true, worse, n = 0, 0, 0, 0, 0
    for patient in patients:
        s_beats = (patient.truth == BeatClass.S) & ~patient.first
        if np.any(patient.truth[patient.first] == BeatClass.S) or not s_beats.any():
            continue
        hits = [
            int(np.count_nonzero(classes[s_beats] == BeatClass.S))
            for classes in (patient.answers, five_minutes(patient).classes)
        ]
        before, after, true = before + hits[0], after + hits[1], true + int(s_beats.sum())
        worse, n = worse + (hits[1] < hits[0]), n + 1
    share = [hits / max(true, 1) for hits in (before, after)]
    print(f"  no S in these minutes: S Se {share[0]:.3f} -> {share[1]:.3f}, ", end="")
    print(f"lower in {worse} of {n} patients")


def tell_cost(patient: Patient) -> None:
    corrections = marked(patient, np.flatnonzero(patient.first & (patient.truth >= 0)))
    blank = PersonalPattern(SHA256)
    begun = time.process_time()
    pattern = blank.taught(corrections, patient.beats, patient.decision)
    taught = time.process_time()
    kept = pattern.to_json()
    times = -(-DAY_BEATS // len(patient.truth))
    beats = patient.beats
    day = ReadBeats(
        beats.recording,
        beats.model,
        beats.rate,
        np.arange(times * len(beats.samples)) * 300,
        np.tile(beats.embeddings, (times, 1)),
        np.tile(beats.logits, (times, 1)),
        np.tile(beats.families, times),
    )
    applied = time.process_time()
    pattern.apply(day, patient.decision)
    done = time.process_time()
    print(
        f"{len(corrections)} corrections: learned in {taught - begun:.2f} CPU s, "
        f"{len(kept) / 1024:.0f} KB of JSON, applied to {len(day.samples):,} beats in "
        f"{done - applied:.2f} CPU s"
    )


def confusion(truth: np.ndarray, classes: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """Count by true and given class; the last row is what is no beat."""
    k = len(BeatClass)
    rows = np.where(truth < 0, k, truth)[scored]
    return np.bincount(rows * k + classes[scored], minlength=(k + 1) * k).reshape(k + 1, k)


def score(counts: np.ndarray, label: int) -> tuple[float, float, float]:
    hit, true, said = counts[label, label], counts[label].sum(), counts[:, label].sum()
    return hit / max(true, 1), hit / max(said, 1), 2 * hit / max(true + said, 1)


if __name__ == "__main__":
    main()
