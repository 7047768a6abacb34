"""ml.runtime: the shipped model through whichever runtime is there."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ml.registry import bundle_for
from ml.runtime import Model, ModelError


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(bundle_for("beats").model)


def _inputs(model: Model, n: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, (n, *spec.shape[1:])).astype(np.float32) for spec in model.inputs]


def test_names_what_runs_it(model: Model) -> None:
    name, version = model.runtime.split()
    assert name in {"LiteRT", "tflite-runtime"}
    assert version[0].isdigit()


def test_every_tensor_of_the_shipped_model_is_int8(model: Model) -> None:
    assert model.tensors_not_int8() == []
    assert all(spec.scale > 0 for spec in (*model.inputs, *model.outputs))


@pytest.mark.parametrize(
    ("kind", "shape", "found"),
    [
        (np.int8, [1, 2, 3], []),
        (np.int32, [24], []),
        (np.int32, [], []),
        (np.int32, [24, 40], ["one: int32"]),
        (np.float32, [24], ["one: float32"]),
        (np.int16, [24], ["one: int16"]),
    ],
)
def test_int32_passes_only_as_a_bias_or_a_shape(
    kind: type, shape: list[int], found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(bundle_for("beats").model)
    tensors = [{"name": "one", "dtype": kind, "shape": np.array(shape, np.int32)}]
    graph = SimpleNamespace(get_tensor_details=lambda: tensors)
    monkeypatch.setattr(model, "_interpreter", graph)
    assert model.tensors_not_int8() == found


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 100])
def test_any_number_of_items(model: Model, n: int) -> None:
    (result,) = model.run(*_inputs(model, n))
    assert result.shape == (n, 5)
    assert result.dtype == np.float32


def test_an_item_gets_the_same_answer_wherever_it_stands(model: Model) -> None:
    features, shapes = _inputs(model, 70)
    (together,) = model.run(features, shapes)
    for i in (0, 31, 32, 69):
        (alone,) = model.run(features[i : i + 1], shapes[i : i + 1])
        np.testing.assert_array_equal(alone[0], together[i])


def test_values_beyond_the_range_are_clipped_not_wrapped(model: Model) -> None:
    inputs = _inputs(model, 4)
    huge = [np.full_like(array, 1e6) for array in inputs]
    edge = [
        np.full_like(array, (127 - spec.zero_point) * spec.scale)
        for array, spec in zip(inputs, model.inputs, strict=True)
    ]
    np.testing.assert_array_equal(model.run(*huge)[0], model.run(*edge)[0])


def test_wrong_shapes_are_refused(model: Model) -> None:
    features, shapes = _inputs(model, 3)
    with pytest.raises(ValueError, match="2 inputs"):
        model.run(features)
    with pytest.raises(ValueError, match="shape"):
        model.run(features[:, 1:], shapes)
    with pytest.raises(ValueError, match="shape"):
        model.run(features, shapes[:2])


@pytest.mark.parametrize("content", [b"", b"no model", bytes(1000)])
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match="cannot load"):
        Model(content)


def test_loading_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    Model(bundle_for("beats").model)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
