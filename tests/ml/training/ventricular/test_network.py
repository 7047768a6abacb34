"""ml.training.ventricular.network: small, and full int8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is in the training environment")

from ml.runtime import Model  # noqa: E402
from ml.tasks.ventricular_windows import GRID_RATE, POINTS, model_input  # noqa: E402
from ml.training import fitting, quantise  # noqa: E402
from ml.training.recipe import find_recipe, read_recipe  # noqa: E402
from ml.training.task import Examples  # noqa: E402
from ml.training.ventricular.task import DATABASES, TASK  # noqa: E402
from ml.training.ventricular.variation import HELD_POINTS  # noqa: E402

pytestmark = pytest.mark.training


def examples(n: int, seed: int) -> Examples:
    """Return half waves of 3 to 6 Hz, half narrow beats, mV."""
    rng = np.random.default_rng(seed)
    t = np.arange(HELD_POINTS) / GRID_RATE
    targets = (np.arange(n) % 2).astype(np.int8)
    held = []
    for target in targets:
        rr, phase = rng.uniform(0.5, 1.2), rng.random()
        beat = np.exp(-0.5 * np.square((np.mod(t + phase, rr) - rr / 2) / 0.015))
        wave = np.sin(2 * np.pi * (rng.uniform(3, 6) * t + phase))
        held.append((wave if target else beat) + rng.normal(0, 0.02, HELD_POINTS))
    records = np.array([f"vfdb/{i % 4}" for i in range(n)])
    windows = np.array(held, np.float32)
    inputs = {
        "held": windows.astype(np.float16),
        "numbers": model_input(np.ascontiguousarray(windows[:, -POINTS:]))[1],
        "may_quicken": np.zeros(n, np.float16),
    }
    return Examples(inputs, targets, records)


def test_it_learns_and_becomes_a_small_int8_model() -> None:
    recipe = read_recipe(find_recipe("ventricular"))
    network = fitting.built(TASK.network, recipe.student.network, 0)
    student = recipe.student
    how = type(student)(4, 20, 32, 3e-3, network=student.network)
    fitting.fit(network, TASK, examples(200, 0), how, 0, lambda _: None)
    part = TASK.parts(network, examples(64, 1).batch(np.arange(64)))["model"]
    whole, small = (quantise.converted(part, kind) for kind in ("float32", "int8"))
    model = Model(small)
    assert len(small) < 45_000
    unseen = examples(100, 2)
    held = unseen.batch(np.arange(100))["held"]
    strip, numbers = model_input(np.ascontiguousarray(held[:, -POINTS:]))
    named = [
        Model(one, allow_float=True).run(numbers, strip)[0].argmax(axis=1) for one in (whole, small)
    ]
    assert [spec.name.partition(":")[0].split("_")[-1] for spec in model.inputs] == [
        "numbers",
        "strip",
    ]
    assert (named[1] == unseen.targets).mean() > 0.75
    assert (named[0] == named[1]).mean() > 0.95


def test_records_of_one_patient_are_in_one_fold(tmp_path: Path) -> None:
    for database in DATABASES:
        (tmp_path / database).mkdir()
        (tmp_path / database / "118.hea").touch()
    assert TASK.records(tmp_path) == [f"{database}/118" for database in DATABASES]
    assert TASK.patient("nstdb/118e06") == TASK.patient("mitdb/118")
    assert TASK.patient("vfdb/418") == TASK.patient("vfdb/419") != TASK.patient("vfdb/421")
    with pytest.raises(FileNotFoundError, match="no WFDB records"):
        TASK.records(tmp_path / "mitdb")


def test_the_threshold_is_worth_what_it_finds_within_the_false_alarms() -> None:
    truth = np.array([1] * 100 + [0] * 36_000, np.int8)
    records = np.array(["vfdb/1"] * len(truth))
    classes = np.zeros(len(truth), np.int8)
    classes[:80] = 1
    assert TASK.worth(truth, classes, records) == pytest.approx(0.8)
    one_alarm = classes.copy()
    one_alarm[5000:5010] = 1
    assert TASK.worth(truth, one_alarm, records) == pytest.approx(0.8)
    two_alarms = one_alarm.copy()
    two_alarms[9000:9010] = 1
    assert TASK.worth(truth, two_alarms, records) == pytest.approx(0.3)
    blips = classes.copy()
    blips[5000::300] = 1
    assert TASK.worth(truth, blips, records) == pytest.approx(0.8)
