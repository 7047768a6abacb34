"""ml.runtime: models through whichever runtime is there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from ml import runtime
from ml.runtime import Model, ModelError
from tests.ml import _small_model as small
from tests.ml._small_model import small_model


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(small_model())


def _inputs(model: Model, n: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, (n, *spec.shape[1:])).astype(np.float32) for spec in model.inputs]


def test_names_what_runs_it(model: Model) -> None:
    name, version = model.runtime.split()
    assert name in {"LiteRT", "tflite-runtime"}
    assert version[0].isdigit()


def test_inputs_and_outputs_stand_in_the_order_of_their_names(model: Model) -> None:
    assert [(spec.name, spec.shape) for spec in model.inputs] == [("a", (4, 3)), ("b", (4, 2))]
    assert [(spec.name, spec.shape) for spec in model.outputs] == [("out", (4, 4))]
    assert model.batch == small.BATCH


def test_gives_what_the_arithmetic_gives(model: Model) -> None:
    inputs = _inputs(model, 50)
    rng = np.random.default_rng(0)
    weights, bias = rng.integers(-127, 128, (4, 5)) / 64, rng.integers(-999, 1000, 4) / 64**2
    stored = np.rint(np.concatenate(inputs, axis=1) * 64) / 64
    expected = np.clip(stored @ weights.T + bias, -128 / 64, 127 / 64)
    np.testing.assert_allclose(model.run(*inputs)[0], expected, atol=0.5001 / 64)


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 100])
def test_any_number_of_items(model: Model, n: int) -> None:
    (result,) = model.run(*_inputs(model, n))
    assert result.shape == (n, 4)
    assert result.dtype == np.float32


def test_an_item_gets_the_same_answer_wherever_it_stands(model: Model) -> None:
    a, b = _inputs(model, 10)
    (together,) = model.run(a, b)
    for i in range(10):
        (alone,) = model.run(a[i : i + 1], b[i : i + 1])
        np.testing.assert_array_equal(alone[0], together[i])


def test_values_beyond_the_range_are_clipped_not_wrapped(model: Model) -> None:
    for level in (-128, 127):
        edge = [np.full((4, *spec.shape[1:]), level / 64, np.float32) for spec in model.inputs]
        beyond = [1e6 * array for array in edge]
        np.testing.assert_array_equal(model.run(*beyond)[0], model.run(*edge)[0])


def test_wrong_shapes_are_refused(model: Model) -> None:
    a, b = _inputs(model, 3)
    with pytest.raises(ValueError, match="2 inputs"):
        model.run(a)
    with pytest.raises(ValueError, match="shape"):
        model.run(a[:, 1:], b)
    with pytest.raises(ValueError, match="shape"):
        model.run(a, b[:2])


def _float_tensor(model: schema.ModelT) -> None:
    tensor = model.subgraphs[0].tensors[small.JOINED]
    tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None


def _all_float(model: schema.ModelT) -> None:
    for tensor in model.subgraphs[0].tensors:
        buffer = model.buffers[tensor.buffer]
        if tensor.buffer:
            stored = np.int32 if tensor.type == schema.TensorType.INT32 else np.int8
            values = np.frombuffer(bytes(buffer.data), stored) * tensor.quantization.scale[0]
            buffer.data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None


def test_float_is_refused_unless_it_was_asked_for(model: Model) -> None:
    with pytest.raises(ModelError, match=r"not int8 throughout: joined: float32$"):
        Model(small_model(_float_tensor))
    with pytest.raises(ModelError, match=r"a: float32, b: float32, joined: float32 and 3 more"):
        Model(small_model(_all_float))
    assert Model(small_model()).tensors_not_int8() == []
    inputs = [np.rint(array * 64) / np.float32(64) for array in _inputs(model, 6)]
    (exact,) = Model(small_model(_all_float), allow_float=True).run(*inputs)
    clipped = np.clip(exact, -128 / 64, 127 / 64)
    np.testing.assert_allclose(model.run(*inputs)[0], clipped, atol=0.5001 / 64)


def test_what_the_runtime_refuses_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="cannot load the model"):
        Model(small_model(_float_tensor), allow_float=True)


@pytest.mark.parametrize(
    ("shape", "signature"), [([4, 2], [-1, 2]), ([3, 2], None)], ids=["open", "different"]
)
def test_a_fixed_batch_is_asked_for(shape: list[int], signature: list[int] | None) -> None:
    def change(model: schema.ModelT) -> None:
        tensor = model.subgraphs[0].tensors[small.B]
        tensor.shape, tensor.shapeSignature = shape, signature

    with pytest.raises(ModelError, match="a fixed batch is expected"):
        Model(small_model(change))


def test_inputs_of_another_type_are_refused() -> None:
    def change(model: schema.ModelT) -> None:
        model.subgraphs[0].tensors[small.A].type = schema.TensorType.UINT8

    with pytest.raises(ModelError, match="a goes in or out as uint8; int8 or float32 is expected"):
        Model(small_model(change), allow_float=True)


def _other_name(model: schema.ModelT) -> None:
    model.subgraphs[0].name = "another"


def test_the_same_bytes_are_loaded_once(model: Model) -> None:
    assert Model(small_model())._loaded is model._loaded
    assert Model(small_model(_other_name))._loaded is not model._loaded


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
    for values in (1, 64, 10**7):
        monkeypatch.setattr(runtime, "_VALUES_AT_ONCE", values)
        np.testing.assert_array_equal(model.run(*inputs)[0], expected)


def test_a_missing_runtime_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_RUNTIMES", (("None", "nothing", "no_such_module.interpreter"),))
    runtime._load.cache_clear()
    with pytest.raises(runtime.RuntimeMissingError, match="pip install"):
        Model(small_model())


def test_loading_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    runtime._load.cache_clear()
    Model(small_model())
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
