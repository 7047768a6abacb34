"""ml.training.ventricular.network: small, and full int8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is in the training environment")

from ml.decision import Decision  # noqa: E402
from ml.runtime import Model  # noqa: E402
from ml.tasks.ventricular_windows import GRID_RATE, POINTS, model_input  # noqa: E402
from ml.training import fitting, quantise  # noqa: E402
from ml.training.calibration import Pool  # noqa: E402
from ml.training.recipe import find_recipe, read_recipe  # noqa: E402
from ml.training.rhythm.data import REFERENCE  # noqa: E402
from ml.training.task import Examples  # noqa: E402
from ml.training.ventricular.data import STRIPS  # noqa: E402
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
        "share": targets.astype(np.float16),
        "may_quicken": np.zeros(n, np.float16),
    }
    return Examples(inputs, targets, records)


def test_it_learns_and_becomes_a_small_int8_model() -> None:
    recipe = read_recipe(find_recipe("ventricular"))
    network = fitting.built(TASK.network, recipe.student.network, 0)
    student = recipe.student
    how = type(student)(4, 40, 32, 3e-3, network=student.network)
    fitting.fit(network, TASK, examples(200, 0), how, 0, lambda _: None)
    part = TASK.parts(network, examples(64, 1).batch(np.arange(64)))["model"]
    whole, small = (quantise.converted(part, kind) for kind in ("float32", "int8"))
    model = Model(small)
    assert len(small) < 51_000
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
    for one in named:
        assert (one == unseen.targets).mean() > 0.95, "running statistics follow the layers"


def test_records_of_one_patient_are_in_one_fold(tmp_path: Path) -> None:
    for database in (*DATABASES, STRIPS):
        (tmp_path / database).mkdir()
        (tmp_path / database / "118.hea").touch()
    (tmp_path / STRIPS / REFERENCE).write_text("118,~\n")
    names = [f"{database}/118" for database in (*DATABASES, STRIPS)]
    assert TASK.records(tmp_path) == names
    assert TASK.patient("nstdb/118e06") == TASK.patient("mitdb/118")
    assert TASK.patient("vfdb/418") == TASK.patient("vfdb/419") != TASK.patient("vfdb/421")
    assert TASK.stratum("vfdb/418") != TASK.stratum("vfdb/420")
    with pytest.raises(FileNotFoundError, match="no WFDB records"):
        TASK.records(tmp_path / "mitdb")


def test_the_threshold_is_worth_what_it_finds_within_the_false_alarms() -> None:
    decision = Decision(("other", "ventricular"))
    truth = np.array([0] * 18_000 + [-1] * 10 + [1] * 100 + [-1] * 10 + [0] * 18_000, np.int8)

    def worth(*alarms: slice) -> float:
        margin = np.full(len(truth), -4, np.float32)
        for alarm in alarms:
            margin[alarm] = 4
        logits = np.stack((-margin / 2, margin / 2), axis=1)
        return TASK.worth(Pool(truth, logits, np.full(len(truth), "vfdb/1")), decision)

    found = slice(18_009, 18_090)  # the second of two that call for it lies in the episode
    assert worth(found) == pytest.approx(0.8)
    assert worth(found, slice(5000, 5010)) == pytest.approx(0.8)
    assert worth(found, slice(5000, 5010), slice(9000, 9010)) == pytest.approx(0.3)
    assert worth(found, *(slice(i, i + 1) for i in range(5000, 9000, 300))) == pytest.approx(0.8)
    assert worth(slice(18_005, 18_112)) == pytest.approx(1.0), "what goes on after it is not false"
