"""The shipped models give the same answers in LiteRT and in tflite-runtime 2.14.

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

from ml.registry import SHIPPED
from ml.runtime import Model

ROOT = Path(__file__).parents[2]
MOST_STEPS = 2
"""Root mean square of the difference in int8 steps: they round differently in each layer."""
FILES = sorted(SHIPPED.glob("*/*.tflite"))
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


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_both_runtimes_agree(path: Path, other_python: Path, tmp_path: Path) -> None:
    model = Model(path.read_bytes())
    assert model.runtime.startswith("LiteRT")
    rng = np.random.default_rng(0)
    n = 100
    inputs = {
        f"input{i}": np.clip(rng.normal(0, 0.3, (n, *spec.shape[1:])), -1, 1).astype(np.float32)
        for i, spec in enumerate(model.inputs)
    }
    np.savez(tmp_path / "inputs.npz", **inputs)
    command = [other_python, SCRIPT, ROOT, path, tmp_path / "inputs.npz", tmp_path / "out.npz"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("tflite-runtime 2.14")
    with np.load(tmp_path / "out.npz") as out:
        for i, ours in enumerate(model.run(*inputs.values())):
            steps = (ours - out[f"arr_{i}"]) / model.outputs[i].scale
            assert np.sqrt(np.square(steps).mean()) <= MOST_STEPS


def test_a_damaged_model_never_ends_the_process() -> None:
    _run_damaged(Path(sys.executable))


def test_nor_does_it_in_the_other_runtime(other_python: Path) -> None:
    _run_damaged(other_python)


def _run_damaged(python: Path) -> None:
    command = [python, DAMAGED, ROOT, SHIPPED / "beats" / "model.tflite"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert 0 < int(ran.stdout) < 120
