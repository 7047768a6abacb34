"""The shipped model gives the same answers in LiteRT and in tflite-runtime 2.14.

tflite-runtime lives in an environment of its own (numpy 1): the one that ``scripts/environment
tflite-runtime`` makes, or that of the Python that TRACEKEEP_TFLITE_PYTHON names.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ml.registry import SHIPPED, bundle_for
from ml.runtime import Model

ROOT = Path(__file__).parents[2]
MOST_STEPS = 8
"""int8 steps by which an output may differ: the runtimes round differently in each layer."""
SCRIPT = Path(__file__).with_name("_run_model.py")
DAMAGED = Path(__file__).with_name("_run_damaged.py")


@pytest.fixture(scope="module")
def other_python() -> Path:
    python = Path(
        os.environ.get("TRACEKEEP_TFLITE_PYTHON", ROOT / ".venv-tflite-runtime" / "bin" / "python")
    )
    if not python.exists():
        pytest.skip(f"no environment with tflite-runtime at {python} (TRACEKEEP_TFLITE_PYTHON)")
    return python


def test_both_runtimes_agree(other_python: Path, tmp_path: Path) -> None:
    model = Model(bundle_for("beats").model)
    assert model.runtime.startswith("LiteRT")
    rng = np.random.default_rng(0)
    n = 500
    inputs = {
        f"input{i}": np.clip(rng.normal(0, 0.3, (n, *spec.shape[1:])), -1, 1).astype(np.float32)
        for i, spec in enumerate(model.inputs)
    }
    np.savez(tmp_path / "inputs.npz", **inputs)
    ran = subprocess.run(
        [
            other_python,
            SCRIPT,
            ROOT,
            SHIPPED / "beats" / "model.tflite",
            tmp_path / "inputs.npz",
            tmp_path / "out.npz",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("tflite-runtime 2.14")
    (ours,) = model.run(*inputs.values())
    with np.load(tmp_path / "out.npz") as out:
        theirs = out["arr_0"]
        assert list(out["not_int8"]) == []
    steps = np.abs(ours - theirs) / model.outputs[0].scale
    assert steps.max() <= MOST_STEPS
    assert steps.mean() <= 1
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() >= 0.97


def test_a_damaged_model_never_ends_the_process() -> None:
    _run_damaged(Path(sys.executable))


def test_nor_does_it_in_the_other_runtime(other_python: Path) -> None:
    _run_damaged(other_python)


def _run_damaged(python: Path) -> None:
    command = [python, DAMAGED, ROOT, SHIPPED / "beats" / "model.tflite"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert 0 < int(ran.stdout) < 120
