"""The ventricular alarm as a task of the factory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml.tasks.rhythm import Rhythm
from ml.tasks.ventricular import (
    AFTER_LONG,
    ASKED_FOR,
    ASKED_FROM,
    BEGINS_AFTER,
    ENDS_BELOW,
    HELD_FOR,
    LABELS,
    LESS_ASKED,
    LONG,
    LOOK_AHEAD_S,
    MOST_OF_RULE,
    RULE_SHARE,
    threshold_of,
)
from ml.tasks.ventricular import TASK as NAME
from ml.tasks.ventricular_windows import (
    GRID_RATE,
    JUDGED,
    POINTS,
    WINDOW,
    model_input,
)
from ml.training.rhythm.data import references
from ml.training.task import Answers, Classifier, Examples, Part, Texts
from ml.training.ventricular.card import FALSE_AN_HOUR, figures_of, report_of, scores_of
from ml.training.ventricular.data import (
    NEIGHBOURS,
    Record,
    answers_of,
    examples_of,
    patient_of,
    read_record,
)
from ml.training.ventricular.scoring import alarmed, begins, counts, curve, odds_of
from ml.training.ventricular.variation import vary, weights_of
from signals.ecg.ventricular import LEAST_HEIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import keras

    from ml.decision import Decision
    from ml.training.calibration import Pool
    from ml.training.task import Inputs

DATABASES = ("vfdb", "mitdb", "svdb", "nstdb")
_EXCESS = 5.0
"""What one false alarm an hour more costs, in shares of the windows found."""
_BATCH = 8
_EACH_STRIP = 6
"""Of those of CinC 2017 that are not too noisy for their readers, one in so many."""
_TEXTS = Texts(
    intended_use=(
        "Tells ventricular tachycardia, flutter and fibrillation from everything else in the last "
        "4 s of an ECG, second by second, from one lead or several, together with the rule for "
        "fibrillation of signals.ecg.ventricular: where that one says that it is not wholly "
        "impossible, the network is asked, and the log odds of both are added. Advisory: it is no "
        "certified alarm and does not replace one."
    ),
    limits=(
        (
            "Broad rhythms below 120 a minute are not ventricular tachycardia to it; "
            "supraventricular tachycardia with broad beats may be."
        ),
        (
            "15 recordings with sustained episodes, perhaps of fewer patients, were there to learn "
            "from: a patient unlike all of them may be missed."
        ),
        (
            "Asystole and pauses are not its business; fine fibrillation and asystole pass into "
            "each other."
        ),
        "Runs of fewer than four seconds are often missed.",
        (
            "Tachycardia with rest between the beats is mostly missed, however long: to the rule "
            "it is no fibrillation. Where the rule rules that out (most windows of mitdb 223) the "
            "network is not asked, whatever it would have said, and elsewhere the rule speaks "
            "against it: of mitdb only flutter of 207 is found, no episode of 203, 205 and 223."
        ),
        (
            "Seconds that cannot be read are passed over; an alarm ends where nothing has been "
            f"known for more than {HELD_FOR} s. Nothing is known of what is less than "
            f"{LEAST_HEIGHT:g} mV high, fine fibrillation too."
        ),
        (
            "With one false alarm in ten hours it is to find 90 % of the windows of vfdb. The "
            "share that it finds is given above; seven patients and fewer than ten false alarms "
            "decide it, and it moves by a point or two with each choice that was made on them. "
            "The last such choice, by how much less is asked for after a long alarm, took it over "
            "the bar."
        ),
    ),
    tested="whole recordings, second by second, as the bedside would; two leads",
    sources=(
        {
            "name": "MIT-BIH Malignant Ventricular Ectopy Database",
            "licence": "ODC-By 1.0",
            "cite": "Greenwald SD. Development and analysis of a ventricular fibrillation "
            "detector. M.S. thesis, MIT, 1986; PhysioNet",
        },
        {
            "name": "MIT-BIH Arrhythmia Database",
            "licence": "ODC-By 1.0",
            "cite": "Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE Eng "
            "Med Biol 20(3):45-50, 2001; PhysioNet",
        },
        {
            "name": "MIT-BIH Supraventricular Arrhythmia Database",
            "licence": "ODC-By 1.0",
            "cite": "Greenwald SD, Patil RS, Mark RG. Improved detection and classification of "
            "arrhythmias in noise-corrupted electrocardiograms using contextual information. "
            "Computers in Cardiology 1990; PhysioNet",
        },
        {
            "name": "MIT-BIH Noise Stress Test Database",
            "licence": "ODC-By 1.0",
            "cite": "Moody GB, Muldrow WE, Mark RG. A noise stress test for arrhythmia detectors. "
            "Computers in Cardiology 1984; PhysioNet",
        },
        {
            "name": "PhysioNet/Computing in Cardiology Challenge 2017, training set",
            "licence": "ODC-By 1.0",
            "cite": "Clifford GD et al. AF classification from a short single lead ECG recording: "
            "the PhysioNet/Computing in Cardiology Challenge 2017. Computing in Cardiology 2017",
        },
    ),
    preprocessing={
        "rate_hz": GRID_RATE,
        "band_hz": [0.5, 25],
        "window_s": WINDOW,
        "judged_s": JUDGED,
        "every_s": 1,
        "look_ahead_s": LOOK_AHEAD_S,
        "rule": "signals.ecg.ventricular",
        "asked": f"for {ASKED_FOR} s from a second with log odds of the rule >= {ASKED_FROM:g}",
        "log_odds": f"model + {RULE_SHARE:g} * rule, which counts from -{MOST_OF_RULE:g} to "
        f"{MOST_OF_RULE:g}",
        "alarm": f"from {BEGINS_AFTER} s in a row above the threshold to one with log odds "
        f"< {ENDS_BELOW:g}; for {AFTER_LONG} s after one of {LONG} s or more {LESS_ASKED:g} less "
        f"is asked; up to {HELD_FOR} s of which nothing is known are passed over",
    },
)


class _Ventricular(Classifier[Record]):
    """See :class:`ml.training.task.Task`."""

    name = NAME
    labels = LABELS
    texts = _TEXTS

    def records(self, data: Path) -> list[str]:
        names = []
        for database in DATABASES:
            found = sorted(path.stem for path in (data / database).glob("*.hea"))
            if not found:
                raise FileNotFoundError(f"{data / database}: no WFDB records (*.hea) are there")
            names += [f"{database}/{name}" for name in found]
        strips = references(data)
        noisy = [name for name, rhythm in strips.items() if rhythm is Rhythm.UNREADABLE]
        others = [name for name in strips if name not in noisy]
        return names + noisy + others[::_EACH_STRIP]

    def patient(self, record: str) -> str:
        return patient_of(record)

    def stratum(self, record: str) -> str:
        database, _, name = record.partition("/")
        # each fold has the same number of patients with episodes
        is_neighbour = database == "vfdb" and any(name in row for row in NEIGHBOURS)
        return "vfdb, episodes" if is_neighbour else database

    def files(self, data: Path, record: str) -> list[Path]:
        return sorted((data / record).parent.glob(f"{record.partition('/')[2]}.*"))

    def read(self, data: Path, record: str) -> Record:
        return read_record(data, record)

    def examples(self, record: Record) -> Examples:
        return examples_of(record)

    def weights(self, examples: Examples) -> NDArray[np.float64]:
        return weights_of(examples)

    def vary(self, inputs: Inputs, targets: NDArray[np.int8], rng: np.random.Generator) -> None:
        vary(inputs, targets, rng)

    def network(self, options: Mapping[str, Any]) -> keras.Model:
        from ml.training.ventricular.network import ventricular_network

        return ventricular_network(options)

    def parts(self, network: keras.Model, inputs: Inputs) -> Mapping[str, Part]:
        held = inputs["held"]
        strip, numbers = model_input(np.ascontiguousarray(held[:, -POINTS:]))
        return {"model": Part(network, {"strip": strip, "numbers": numbers}, _BATCH)}

    def answers(self, record: Record, models: Mapping[str, bytes]) -> Answers:
        return answers_of(record, models)

    def worth(self, pool: Pool, decision: Decision) -> float:
        """Return the share of windows alarmed, less what false alarms above 0.1 an hour cost."""
        odds, threshold = odds_of(decision, pool.logits), threshold_of(decision)
        far, positive = pool.truth == 0, pool.truth == 1
        first = np.flatnonzero(np.concatenate(([True], pool.records[1:] != pool.records[:-1])))
        found = false = 0
        for part in np.split(np.arange(len(odds)), first[1:]):
            alarm = alarmed(odds[part], threshold)
            found += int((alarm & positive[part]).sum())
            false += len(begins(alarm & far[part]))
        an_hour = 3600 * false / max(1, int(far.sum()))
        return found / max(1, int(positive.sum())) - _EXCESS * max(0.0, an_hour - FALSE_AN_HOUR)

    def measure(self, record: Record, answers: Answers, decision: Decision) -> dict[str, Any]:
        odds, threshold = odds_of(decision, answers.logits), threshold_of(decision)
        return {
            **counts(record, odds, threshold),
            "curve": curve(record, odds, threshold),
            "threshold": threshold,
            "seconds": len(odds),
            "seconds_asked": int(answers.found["asked"].sum()),
        }

    def scores(self, measured: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
        return scores_of(measured)

    def figures(self, measured: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
        return figures_of(measured)

    def report(self, card: Mapping[str, Any]) -> list[str]:
        return report_of(card)


TASK = _Ventricular()
