"""The beat classifier as the factory makes it: from beats to a bundle, small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is in the training environment")

import keras  # noqa: E402

from ml.bundle import load_bundle  # noqa: E402
from ml.tasks.beat_features import FEATURES  # noqa: E402
from ml.training.beats import task as beats  # noqa: E402
from ml.training.beats.data import Record, answers_of  # noqa: E402
from ml.training.beats.network import LEAD_COLUMNS, QUICK, vary  # noqa: E402
from ml.training.evaluation import confusion, scores  # noqa: E402
from ml.training.making import make  # noqa: E402
from ml.training.recipe import Folds, Quantise, find_recipe, read_recipe  # noqa: E402
from ml.training.workshop import Workshop  # noqa: E402

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
    samples = np.stack((lead, 0.5 * lead)).astype(np.float32)
    return Record(name, rate, samples, ((-5, 5),) * 2, peaks, classes, ())


def test_records_become_a_bundle_that_classifies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["mitdb/102", "mitdb/201", "mitdb/202", "svdb/801", "svdb/802", "svdb/803"]
    records = {name: _record(name, seed) for seed, name in enumerate(names)}
    monkeypatch.setattr(beats, "find_records", lambda _: names)
    monkeypatch.setattr(beats, "read_record", lambda _, name: records[name])
    whole = read_recipe(find_recipe("beats"))
    recipe = replace(
        whole,
        folds=Folds(2),
        student=replace(whole.student, epochs=4, steps=100, batch=128, learning_rate=4e-3),
        # a network trained for seconds is unsure, and unsure answers fall either way
        quantise=Quantise(512, most_lost=10.0, least_agreement=0.8),
    )
    shop = Workshop(beats.TASK, recipe, tmp_path, tmp_path / "work", lambda _: None)
    make(shop, tmp_path / "out", tmp_path / "report")
    bundle = load_bundle(tmp_path / "out", "beats")
    assert bundle.card["results"]["all"]["int8"]["V"]["f1"] > 0.9
    assert set(bundle.card["records"]) == set(records)
    assert set(bundle.models) == {"model", QUICK}
    unseen = _record("svdb/900", 99)
    answers = answers_of(unseen, bundle.models)
    counts = confusion(answers.truth, bundle.decision.classes(answers.logits), 5)
    assert scores(counts, bundle.labels)["V"].f1 > 0.9


def test_the_answer_is_the_mean_of_a_member_with_shapes_and_one_without() -> None:
    network = beats.TASK.network(read_recipe(find_recipe("beats")).student.network)
    rng = np.random.default_rng(0)
    features = rng.uniform(-1, 1, (4, len(FEATURES))).astype(np.float32)
    shapes = rng.uniform(-1, 1, (2, 4, 2, 112, 2)).astype(np.float32)
    names = ("logits_joined", "logits_apart")
    members = keras.Model(network.inputs, [network.get_layer(name).output for name in names])
    (joined, apart), (other, same) = (
        members.predict_on_batch({"features": features, "shapes": some}) for some in shapes
    )
    assert np.abs(joined - other).max() > 1e-4
    np.testing.assert_allclose(apart, same, atol=1e-6)
    mean, *_ = network.predict_on_batch({"features": features, "shapes": shapes[0]})
    np.testing.assert_allclose(mean, (joined + apart) / 2, atol=1e-5)


def test_swapping_leads_and_turning_them_leaves_the_rest_alone() -> None:
    rng = np.random.default_rng(0)
    features = rng.uniform(-1, 1, (400, len(FEATURES))).astype(np.float32)
    shapes = rng.uniform(0.1, 1, (400, 2, 112, 2)).astype(np.float32)
    before = features.copy()
    vary(features, shapes, rng)
    shared = [
        i
        for i, name in enumerate(FEATURES)
        if not name.startswith(("relative", "slow", "lead")) and name != "compared"
    ]
    np.testing.assert_array_equal(features[:, shared], before[:, shared])
    first, second = LEAD_COLUMNS
    widths = [FEATURES.index(f"lead{lead}.width") for lead in (0, 1)]
    assert widths[0] in first
    assert widths[1] in second
    swapped = features[:, widths[0]] == before[:, widths[1]]
    assert 0.4 < swapped.mean() < 0.6
    hidden = features[:, FEATURES.index("compared")] == 0
    assert 0.15 < hidden.mean() < 0.35
    assert (shapes[hidden][..., 1] == 0).all()
