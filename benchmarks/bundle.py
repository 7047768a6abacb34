"""The shipped beat model in figures: ``python benchmarks/bundle.py [PYTHON WITH TFLITE-RUNTIME]``.

Size, parameters and the scores of the beats come from the model card; speed and the disagreement
of the two runtimes are measured here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from ml.registry import SHIPPED, bundle_for  # noqa: E402 (the project's root comes first)
from ml.runtime import Model  # noqa: E402
from ml.tasks.beats import BeatClassifier  # noqa: E402

RATE, MINUTES = 250.0, 30


def main() -> None:
    bundle = bundle_for("beats")
    facts = bundle.card["model"]
    print(f"{bundle.id}: {len(bundle.model):,} bytes, {facts['parameters']:,} parameters")
    recordings = bundle.card["recordings"]["all"]
    print(f"  in percent as the model card has them, cross-validated, {recordings} recordings:")
    for label in bundle.labels:
        for kind, by_class in bundle.card["results"]["all"].items():
            score = by_class[label]
            print(
                f"    {label} {kind:7}: Se {_percent(score['sensitivity'])}, "
                f"+P {_percent(score['predictivity'])}, F1 {_percent(score['f1'])}"
            )
    model = Model(bundle.model)
    rng = np.random.default_rng(0)
    inputs = [
        np.clip(rng.normal(0, 0.3, (4096, *spec.shape[1:])), -1, 1).astype(np.float32)
        for spec in model.inputs
    ]
    begun = time.process_time()
    (answers,) = model.run(*inputs)
    print(f"  network alone, {model.runtime}: {_rate(4096, begun)}")
    peaks = np.arange(200, MINUTES * 60 * RATE - 200, 200).astype(np.int64)
    samples = rng.normal(0, 0.02, (2, round(MINUTES * 60 * RATE))).astype(np.float32)
    for offset in range(-5, 6):
        samples[:, peaks + offset] += 1 - abs(offset) / 6
    classifier = BeatClassifier(bundle, RATE, 2)
    begun = time.process_time()
    classifier.push(samples, peaks)
    classifier.finish()
    print(f"  all included, 2 leads at {RATE:g} Hz: {_rate(len(peaks), begun)}")
    _compare(model, inputs, answers)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def _rate(n: int, begun: float) -> str:
    return f"{n / (time.process_time() - begun):,.0f} beats per CPU second"


def _compare(model: Model, inputs: list[np.ndarray], answers: np.ndarray) -> None:
    default = os.environ.get("TRACEKEEP_TFLITE_PYTHON", ROOT / ".venv-tflite-runtime/bin/python")
    python = Path(sys.argv[1] if len(sys.argv) > 1 else default)
    if not python.exists():
        print(f"  runtimes not compared: no Python with tflite-runtime at {python}")
        return
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "inputs.npz"), Path(folder, "out.npz")
        np.savez(given, **{f"input{i}": array for i, array in enumerate(inputs)})
        script = ROOT / "tests/ml/_run_model.py"
        model_path = SHIPPED / "beats/model.tflite"
        command = [python, script, ROOT, model_path, given, out]
        other = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        with np.load(out) as results:
            theirs = results["arr_0"]
    differ = (answers.argmax(axis=1) != theirs.argmax(axis=1)).mean()
    steps = np.abs(answers - theirs).max() / model.outputs[0].scale
    print(f"  {model.runtime} and {other}: {differ:.2%} of classes differ on noise; ", end="")
    print(f"outputs by at most {steps:.0f} steps of int8")


if __name__ == "__main__":
    main()
