"""From strips to a bundle that delineates: training, quantisation, gates, card, all small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is in the training environment")

import keras  # noqa: E402

from ml.bundle import load_bundle  # noqa: E402
from ml.runtime import Model  # noqa: E402
from ml.tasks.wave_strips import STRIP_POINTS  # noqa: E402
from ml.training import wave_network, waves  # noqa: E402
from ml.training.quantise import ConversionError  # noqa: E402
from ml.training.wave_data import Examples, Extent, Source, examples_of  # noqa: E402
from signals.ecg.ec57.waves import annotated_waves  # noqa: E402

pytestmark = pytest.mark.training

RATE = 250.0


def _source(name: str, seed: int) -> Source:
    """Return ten seconds of beats with all their waves marked."""
    rng = np.random.default_rng(seed)
    peaks = np.arange(200, 2400, 180 + seed)
    at = np.arange(2500)
    lead = 0.005 * rng.standard_normal(2500)
    extents, marks = [], []
    for peak in peaks.tolist():
        for kind, symbol, offset, size, width in (
            (0, "p", -40, 0.15, 6),
            (1, "N", 0, 1.0, 3),
            (2, "t", 65, 0.3, 11),
        ):
            lead += size * np.exp(-0.5 * np.square((at - peak - offset) / width))
            middle = peak + offset
            edges = middle - 2 * width, middle, middle + 2 * width
            extents.append(Extent(kind, *map(float, edges)))
            marks += [(tick, mark, "") for tick, mark in zip(edges, f"({symbol})", strict=True)]
    n = 12 if name.startswith("ludb") else 2
    samples = np.tile(lead, (n, 1)).astype(np.float32)
    reference = (annotated_waves(marks, RATE),) * n
    return Source(name, RATE, samples, peaks, (tuple(extents),) * n, reference)


def _material() -> waves.Material:
    tested = [_source(name, seed) for seed, name in enumerate(("ludb/1", "ludb/2", "qtdb/sel30"))]
    arrhythmia = Source(
        "mitdb/201",
        RATE,
        tested[0].samples[:2],
        tested[0].peaks,
        ((), ()),
        no_p=((0, 1200),),
        sinus=tuple(tested[0].peaks[8:].tolist()),
    )
    tested.append(arrhythmia)
    return waves.Material(
        {source.name: source for source in tested},
        Examples.of([examples_of(source) for source in tested]),
        np.random.default_rng(0).standard_normal((2, 4 * STRIP_POINTS)).astype(np.float32),
    )


def test_strips_become_a_bundle_that_delineates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waves, "read_material", lambda *_: _material())
    # a network trained for seconds is unsure, and unsure answers fall either way
    monkeypatch.setattr(waves, "LEAST_AGREEMENT", 0.9)
    monkeypatch.setattr(waves, "_REPRESENTATIVE", 20)
    recipe = waves.Recipe(folds=2, epochs=2, steps=15)
    told: list[str] = []

    def run() -> None:
        waves.train_waves(
            tmp_path, tmp_path / "work", tmp_path / "out", recipe, (0, 0, 1), told.append
        )

    run()
    bundle = load_bundle(tmp_path / "out", "waves")
    assert bundle.id == "waves-0.0.1"
    assert Model(bundle.model).tensors_not_int8() == []
    card = bundle.card
    assert card["results"]["int8"]["lead II alone"]["qrs_on"]["f1"] > 0.8
    assert card["p_waves"]["mitdb/201"]["fibrillation"] > 0
    assert {name for fold in card["protocol"]["folds"] for name in fold} == set(_material().tested)
    assert "ODC-By" in (tmp_path / "out/model-card.md").read_text()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("finished models are kept")

    monkeypatch.setattr(waves, "fit", refuse)
    run()
    assert load_bundle(tmp_path / "out", "waves").sha256 == bundle.sha256


def test_models_that_differ_do_not_pass() -> None:
    examples = _material().examples
    models = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        network = wave_network.wave_network()
        models.append(waves.quantise.to_float_tflite(network, 1))
    assert waves.agreement(models[0], models[0], examples) == 1
    with pytest.raises(ConversionError, match="agrees with the float model"):
        waves.agreement(models[0], models[1], examples)


def test_an_erased_p_wave_is_neither_seen_nor_asked_for() -> None:
    level = np.zeros((200, STRIP_POINTS), np.float32)
    level[:, 100:120] = 1.0
    level[:, 300:320] = 2.0
    inside = np.zeros((200, STRIP_POINTS, 3), np.float32)
    inside[:, 100:120, 0] = 1
    inside[:, 300:320, 1] = 1
    wave_network.erase_p_waves(level, inside, np.random.default_rng(0))
    erased = inside[:, 110, 0] == 0
    assert 0.1 < erased.mean() < 0.3
    assert (level[erased, 100:120] == 0).all()
    assert (level[~erased, 100:120] == 1).all()
    assert (level[:, 300:320] == 2).all()
    assert inside[:, 310, 1].all()


def test_a_p_wave_somewhere_is_enough() -> None:
    inside = np.zeros((1, STRIP_POINTS, 3), np.float32)
    known = np.zeros((1, STRIP_POINTS, 3), np.bool_)
    sinus = np.zeros((1, STRIP_POINTS), np.bool_)
    sinus[0, 1000] = True
    truth = wave_network.targets(inside, known, sinus)
    logits = np.full((1, 1, STRIP_POINTS // 4, 6), -4.0, np.float32)
    nowhere = float(wave_network.wave_loss(truth, logits))
    logits[0, 0, 252, 0] = 6.0
    near = float(wave_network.wave_loss(truth, logits))
    logits[0, 0, 252, 0] = -4.0
    logits[0, 0, 300, 0] = 6.0
    far = float(wave_network.wave_loss(truth, logits))
    assert near < 0.01
    assert far == nowhere > 0.1
