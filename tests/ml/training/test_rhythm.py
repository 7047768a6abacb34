"""The rhythm model's task: views of a strip, and a network that ships in two parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is in the training environment")

import keras

from ml.tasks.rhythm import LABELS, Rhythm
from ml.tasks.rhythm_features import FEATURES
from ml.tasks.rhythm_segments import CHANNELS, SEGMENT_POINTS
from ml.training.quantise import converted
from ml.training.recipe import find_recipe, read_recipe
from ml.training.rhythm.data import SEGMENTS, Strip, answers_of, examples_of
from ml.training.rhythm.figures import figures, main_scores
from ml.training.task import find_task
from signals.ecg.waves import BeatWaves

pytestmark = pytest.mark.training

TASK = find_task("rhythm")
OPTIONS = {"channels": [4, 4, 6, 6, 8], "hidden": 8, "dropout": 0.1}
RATE = 300.0


def strip(seconds: float = 3 * SEGMENT_POINTS / 100) -> Strip:
    rng = np.random.default_rng(0)
    n = round(seconds * RATE)
    at = np.arange(n) / RATE
    samples = (0.05 * rng.standard_normal((1, n)) + (at % 0.8 < 0.05)).astype(np.float32)
    peaks = np.arange(0.8, seconds - 0.5, 0.8)
    none, count = BeatWaves.none(1), len(peaks)
    beats = BeatWaves(
        np.rint(peaks * RATE).astype(np.int64),
        rng.uniform(-0.1, 0.1, (count, 8)).astype(np.float32),
        np.zeros((count, 1, 8), np.float32),
        np.zeros(count, np.int8),
        np.zeros((count, *none.st.shape[1:]), np.float32),
        np.zeros((count, 1), np.float32),
        none.lone_p,
    )
    rr = np.diff(peaks, prepend=np.nan)
    quality = np.zeros((1, int(np.ceil(seconds))), np.uint8)
    return Strip("cinc2017/A00001", RATE, samples, quality, beats, rr, Rhythm.OTHER)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(1)
    return TASK.network(OPTIONS)


@pytest.mark.parametrize("seconds", [9.0, 30.0, 61.0])
def test_views_of_a_strip_have_the_networks_shape_and_are_the_same_each_time(
    seconds: float,
) -> None:
    examples, again = examples_of(strip(seconds)), examples_of(strip(seconds))
    n = len(examples.targets)
    assert examples.inputs["features"].shape == (n, len(FEATURES))
    assert examples.inputs["segments"].shape == (n, SEGMENTS, SEGMENT_POINTS, CHANNELS)
    assert set(examples.targets.tolist()) == {Rhythm.OTHER}
    for name, array in examples.inputs.items():
        np.testing.assert_array_equal(array, again.inputs[name])


def test_the_parts_that_ship_answer_as_the_network(network: keras.Model) -> None:
    inputs = examples_of(strip()).batch(np.arange(4))
    whole = network.predict([inputs["features"], inputs["segments"]], verbose=0)
    cut = TASK.parts(network, inputs)
    encoder, head = cut["encoder"].network, cut["model"].network
    single = inputs["segments"].reshape(-1, 1, SEGMENT_POINTS, CHANNELS)
    mean, peak = (found.reshape(4, SEGMENTS, -1) for found in encoder.predict(single, verbose=0))
    answer = head.predict([inputs["features"], mean.mean(axis=1), peak.max(axis=1)], verbose=0)
    np.testing.assert_allclose(answer, whole, atol=1e-4)


def test_int8_parts_answer_through_the_shipped_code_as_float_ones(network: keras.Model) -> None:
    inputs = examples_of(strip()).batch(np.arange(6))
    cut = TASK.parts(
        network, {name: np.tile(a, (8, *[1] * (a.ndim - 1))) for name, a in inputs.items()}
    )
    said = {
        bits: answers_of(
            strip(), {name: converted(part, bits) for name, part in cut.items()}
        ).logits
        for bits in ("float32", "int8")
    }
    assert said["int8"].shape == (1, len(LABELS))
    np.testing.assert_allclose(said["int8"], said["float32"], atol=0.15)


def test_variation_stays_within_what_the_network_is_given() -> None:
    inputs = examples_of(strip()).batch(np.arange(6))
    before = {name: array.copy() for name, array in inputs.items()}
    TASK.vary(inputs, np.zeros(6, np.int8), np.random.default_rng(0))
    assert np.abs(inputs["segments"]).max() <= 1
    assert not np.array_equal(inputs["segments"][..., 0], before["segments"][..., 0])
    np.testing.assert_array_equal(inputs["segments"][..., 1:], before["segments"][..., 1:])


def test_the_score_is_that_of_the_challenge() -> None:
    pairs = [(0, 0)] * 8 + [(0, 2)] * 2 + [(1, 1)] * 4 + [(2, 2)] * 6 + [(2, 0)] * 2 + [(3, 1)]
    measured = {
        str(k): {"true": true, "said": said, "unsure": False}
        for k, (true, said) in enumerate(pairs)
    }
    f1 = np.array([2 * 8 / 20, 2 * 4 / 9, 2 * 6 / 16])
    assert next(iter(main_scores(measured).values())) == pytest.approx(f1.mean())
    card = figures({"int8": measured, "float32": measured})
    assert card["confusion"][3] == [0, 1, 0, 0]
    assert card["sure"]["share"] == 1


def test_the_recipe_that_ships_builds(tmp_path: Path) -> None:
    recipe = read_recipe(find_recipe("rhythm"))
    assert TASK.network(recipe.student.network).count_params() < 100_000
    with pytest.raises(FileNotFoundError, match="REFERENCE"):
        TASK.records(tmp_path)
