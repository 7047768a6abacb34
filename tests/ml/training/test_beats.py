"""From beats to a bundle that classifies: training, quantisation, gates, card, all of it, small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is in the training environment")

import keras  # noqa: E402

from ml.bundle import load_bundle  # noqa: E402
from ml.runtime import Model  # noqa: E402
from ml.tasks.beat_features import FEATURES  # noqa: E402
from ml.tasks.beats import BeatClassifier  # noqa: E402
from ml.training import beats as task  # noqa: E402
from ml.training import network, quantise  # noqa: E402
from ml.training.data import Beats, Record  # noqa: E402
from ml.training.evaluation import classify, confusion, scores  # noqa: E402

pytestmark = pytest.mark.training


def _record(name: str, seed: int) -> Record:
    """Return four minutes of narrow beats, a fifth of them early, and as many wide."""
    rng = np.random.default_rng(seed)
    rate, n = 128.0, 300
    classes = rng.choice([0, 1, 2], n, p=[0.6, 0.2, 0.2]).astype(np.int8)
    intervals = np.where(classes > 0, 0.5, 0.8) + rng.normal(0, 0.01, n)
    peaks = np.rint((1 + np.cumsum(intervals)) * rate).astype(np.int64)
    at = np.arange(peaks[-1] + 200)
    lead = rng.normal(0, 0.01, len(at))
    for peak, beat_class in zip(peaks, classes, strict=True):
        size, width = (-1.5, 6.0) if beat_class == 2 else (1.0, 1.6)
        near = slice(max(0, peak - 40), peak + 40)
        lead[near] += size * np.exp(-0.5 * np.square((at[near] - peak) / width))
    return Record(name, rate, np.stack((lead, 0.5 * lead)).astype(np.float32), peaks, classes)


@pytest.fixture(scope="module")
def records() -> dict[str, Record]:
    names = ["mitdb/102", "mitdb/201", "mitdb/202", "svdb/801", "svdb/802", "svdb/803"]
    return {name: _record(name, seed) for seed, name in enumerate(names)}


def test_records_become_a_bundle_that_classifies(
    records: dict[str, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "find_records", lambda _: sorted(records))
    monkeypatch.setattr(task, "read_record", lambda _, name: records[name])
    # a network trained for seconds is unsure, and unsure answers fall either way
    monkeypatch.setattr(quantise, "LEAST_AGREEMENT", 0.9)
    recipe = task.Recipe(folds=2, epochs=2, steps=20)
    told: list[str] = []

    def run() -> None:
        task.train_beats(
            tmp_path, tmp_path / "work", tmp_path / "out", recipe, (0, 0, 1), told.append
        )

    run()
    bundle = load_bundle(tmp_path / "out", "beats")
    assert bundle.id == "beats-0.0.1"
    assert Model(bundle.model).tensors_not_int8() == []
    assert bundle.card["results"]["all"]["int8"]["V"]["f1"] > 0.9
    assert set(bundle.card["records"]) == set(records)
    assert sum("trained and tested" in line for line in told) == 2
    unseen = _record("svdb/900", 99)
    answer = classify(unseen, bundle.model, bundle.decision.offsets)
    assert scores(confusion(unseen.classes, answer))["V"].f1 > 0.9
    assert BeatClassifier(bundle, 128.0, 2).runtime

    card = bundle.card
    (folder,) = (tmp_path / "work").iterdir()
    for number, held_out in enumerate(card["protocol"]["folds"]):
        with np.load(folder / f"fold-{number}.npz") as answers:
            of_float, of_int8 = (
                np.concatenate([answers[f"{name} {kind}"] for name in held_out])
                for kind in ("float32", "int8")
            )
        same = float((of_float == of_int8).mean())
        assert card["agreement_int8_float32"]["held_out_by_fold"][number] == round(same, 4)

    told.clear()
    run()
    assert not any("trained and tested" in line for line in told), "finished folds are kept"
    assert load_bundle(tmp_path / "out", "beats").model == bundle.model, "to the bit"


def test_folds_of_other_data_code_or_packages_are_not_taken(
    records: dict[str, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = list(records.values())[:2]
    sources = ["signals/readers/wfdb.py", "signals/filters.py", "ml/runtime.py", "ml/bundle.py"]
    sources += ["ml/tasks/beats.py", "ml/training/network.py", "ml/training/card.py"]
    for name in sources:
        assert (task.ROOT / name).exists()
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(task, "ROOT", tmp_path)
    packages = [SimpleNamespace(name="tensorflow", version="2.21.0")]
    monkeypatch.setattr(task, "distributions", lambda: packages)
    recipe = task.Recipe()
    digests = [recipe.digest(given)]
    assert recipe.digest(given) == digests[0]
    (tmp_path / "ml/training/card.py").write_text("2")
    assert recipe.digest(given) == digests[0], "the card is made anew in any case"

    for name in sources[:-1]:
        (tmp_path / name).write_text("2")
        digests.append(recipe.digest(given))
    packages[0].version = "2.21.1"
    digests.append(recipe.digest(given))
    digests.append(task.Recipe(seed=1).digest(given))
    digests.append(recipe.digest(given[:1]))
    others = [
        replace(given[1], samples=given[1].samples + np.float32(1e-3)),
        replace(given[1], peaks=given[1].peaks + 1),
        replace(given[1], classes=given[1].classes[::-1]),
        replace(given[1], name="svdb/899"),
        replace(given[1], rate=129.0),
    ]
    digests += [recipe.digest([given[0], other]) for other in others]
    assert len(set(digests)) == len(digests)


def test_a_float_model_does_not_pass_as_int8() -> None:
    assert Model(quantise.to_float_tflite(network.beat_network())).tensors_not_int8()


def test_models_that_differ_do_not_pass() -> None:
    rng = np.random.default_rng(0)
    beats = Beats(
        rng.uniform(-1, 1, (256, 2, 112, 2)).astype(np.float16),
        rng.uniform(-1, 1, (256, len(FEATURES))).astype(np.float16),
        np.zeros(256, np.int8),
        np.full(256, "svdb/800"),
    )
    models = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        models.append(quantise.to_float_tflite(network.beat_network()))
    assert quantise.agreement(models[0], models[0], beats) == 1
    with pytest.raises(quantise.ConversionError, match="agrees with the float model"):
        quantise.agreement(models[0], models[1], beats)


def test_swapping_leads_and_turning_them_leaves_the_rest_alone() -> None:
    rng = np.random.default_rng(0)
    features = rng.uniform(-1, 1, (400, len(FEATURES))).astype(np.float32)
    shapes = rng.uniform(0.1, 1, (400, 2, 112, 2)).astype(np.float32)
    before = features.copy()
    network.vary(features, shapes, rng)
    shared = [
        i
        for i, name in enumerate(FEATURES)
        if not name.startswith(("relative", "lead")) and name != "compared"
    ]
    np.testing.assert_array_equal(features[:, shared], before[:, shared])
    first, second = network.LEAD_COLUMNS
    widths = [FEATURES.index(f"lead{lead}.width") for lead in (0, 1)]
    assert widths[0] in first
    assert widths[1] in second
    swapped = features[:, widths[0]] == before[:, widths[1]]
    assert 0.4 < swapped.mean() < 0.6
    hidden = features[:, FEATURES.index("compared")] == 0
    assert 0.15 < hidden.mean() < 0.35
    assert (shapes[hidden][..., 1] == 0).all()


def test_a_patient_with_most_of_a_class_does_not_speak_for_all() -> None:
    classes = np.array([0] * 1000 + [1] * 450 + [1] * 50, np.int8)
    records = np.array(["a"] * 1000 + ["a"] * 450 + ["b"] * 50)
    beats = Beats(
        np.zeros((1500, 2, 112, 2), np.float16), np.zeros((1500, 1), np.float16), classes, records
    )
    weights = network.sampling_weights(beats)
    assert weights.sum() == pytest.approx(1)
    assert weights[classes == 1].sum() == pytest.approx(weights[classes == 0].sum() * 0.5**0.5)
    few, many = weights[records == "b"].sum(), weights[(classes == 1) & (records == "a")].sum()
    assert few / many > 50 / 450 * 2


def test_a_class_that_was_drawn_too_often_is_said_less_readily() -> None:
    classes = np.array([0] * 900 + [1] * 100, np.int8)
    even = np.where(classes == 0, 1 / 900, 1 / 100)
    thresholds = task.decision_thresholds(classes, even)
    undone = task.PRIOR_SHARE * np.log(0.9 / 0.1)
    assert thresholds[0] - thresholds[1] == pytest.approx(undone, abs=1e-3)
    flat = task.decision_thresholds(classes, np.ones(1000))
    assert flat[0] == flat[1] == 0
