"""ml.runtime: the shipped model through whichever runtime is there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from ml import runtime
from ml.registry import bundle_for
from ml.runtime import Model, ModelError
from tests.ml._edit_tflite import edited


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


def test_float_is_refused_unless_it_was_asked_for() -> None:
    with_float = edited(bundle_for("beats").model, _floating)
    with pytest.raises(ModelError, match=r"not int8 throughout: .*Relu6_1: float32"):
        Model(with_float, allow_float=False)
    assert Model(bundle_for("beats").model, allow_float=False).tensors_not_int8() == []


def test_what_the_runtime_refuses_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="cannot load the model"):
        Model(edited(bundle_for("beats").model, _floating), allow_float=True)


def _floating(model: schema.ModelT) -> None:
    tensor = model.subgraphs[0].tensors[60]
    tensor.name = "Relu6_1"
    tensor.type = schema.TensorType.FLOAT32
    tensor.quantization = None


@pytest.mark.parametrize(
    ("shape", "signature"), [([32, 72], [-1, 72]), ([31, 72], None)], ids=["open", "different"]
)
def test_a_fixed_batch_is_asked_for(shape: list[int], signature: list[int] | None) -> None:
    def change(model: schema.ModelT) -> None:
        graph = model.subgraphs[0]
        for index in graph.inputs:
            tensor = graph.tensors[index]
            if list(tensor.shape) == [32, 72]:
                tensor.shape, tensor.shapeSignature = shape, signature

    with pytest.raises(ModelError, match="a fixed batch is expected"):
        Model(edited(bundle_for("beats").model, change))


def test_inputs_of_another_type_are_refused() -> None:
    def change(model: schema.ModelT) -> None:
        model.subgraphs[0].tensors[1].type = schema.TensorType.UINT8

    with pytest.raises(ModelError, match="as uint8; int8 or float32 is expected"):
        Model(edited(bundle_for("beats").model, change))


def test_the_same_bytes_are_loaded_once() -> None:
    tflite = bundle_for("beats").model
    assert Model(tflite)._loaded is Model(bytes(bytearray(tflite)))._loaded
    assert Model(tflite)._loaded is not Model(bundle_for("waves").model)._loaded


def test_threads_that_share_a_model_get_their_own_answers(model: Model) -> None:
    given = [_inputs(model, 150, seed) for seed in range(4)]
    expected = [model.run(*inputs)[0] for inputs in given]

    def work(seed: int) -> bool:
        return all(np.array_equal(model.run(*given[seed])[0], expected[seed]) for _ in range(5))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(4)))


def test_what_is_quantised_together_does_not_matter(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = _inputs(model, 100)
    (expected,) = model.run(*inputs)
    for values in (1, 40_000, 10**7):
        monkeypatch.setattr(runtime, "_VALUES_AT_ONCE", values)
        np.testing.assert_array_equal(model.run(*inputs)[0], expected)


def test_a_missing_runtime_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_RUNTIMES", (("None", "nothing", "no_such_module.interpreter"),))
    runtime._load.cache_clear()
    with pytest.raises(runtime.RuntimeMissingError, match="pip install"):
        Model(bundle_for("beats").model)


def test_loading_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    runtime._load.cache_clear()
    Model(bundle_for("beats").model)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
