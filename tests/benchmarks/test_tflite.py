"""benchmarks._tflite and _edge_tpu: what tiny.py says of a model and compares it with."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from benchmarks._edge_tpu import OPERATORS, refusals
from benchmarks._tflite import NAMES, float_twin, operator_name, packed, parsed
from ml.registry import SHIPPED
from ml.runtime import Model, ModelError
from tests.ml._small_model import small_model

FILES = sorted(SHIPPED.glob("*/*.tflite"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_float_twin_is_the_same_network(path: Path) -> None:
    shipped = Model(path.read_bytes())
    twin = Model(float_twin(path.read_bytes()), allow_float=True)
    assert all(spec.scale == 0 for spec in (*twin.inputs, *twin.outputs))
    rng = np.random.default_rng(0)
    inputs = []
    for spec in shipped.inputs:
        low, high = (spec.scale * (level - spec.zero_point) for level in (-128, 127))
        drawn = rng.normal(0, 0.15 * (high - low), (64, *spec.shape[1:]))
        inputs.append(np.clip(drawn, low, high).astype(np.float32))
    for one, other in zip(shipped.run(*inputs), twin.run(*inputs), strict=True):
        assert np.sqrt(np.square(one - other).mean()) < 0.5 * other.std()


def test_a_step_that_only_changes_a_scale_is_left_out() -> None:
    tflite = small_model()
    model = parsed(tflite)
    (graph,) = model.subgraphs
    first = graph.operators[0]
    graph.tensors.append(deepcopy(graph.tensors[first.outputs[0]]))
    step = schema.OperatorT()
    step.inputs, step.outputs = [len(graph.tensors) - 1], list(first.outputs)
    step.opcodeIndex = len(model.operatorCodes)
    model.operatorCodes.append(schema.OperatorCodeT())
    model.operatorCodes[-1].builtinCode = schema.BuiltinOperator.QUANTIZE
    model.operatorCodes[-1].version = 1
    first.outputs = step.inputs
    graph.operators.insert(1, step)
    without, given = (Model(float_twin(one), allow_float=True) for one in (tflite, packed(model)))
    assert len(given.graph.operators) == len(without.graph.operators)
    rng = np.random.default_rng(0)
    inputs = [rng.normal(0, 1, spec.shape).astype(np.float32) for spec in given.inputs]
    (one,), (other,) = (twin.run(*inputs) for twin in (given, without))
    np.testing.assert_array_equal(one, other)


def test_a_twin_is_refused_where_int8_is_expected() -> None:
    with pytest.raises(ModelError, match=r"not int8 throughout: .*: float32"):
        Model(float_twin(small_model()))


def test_the_list_names_operators_of_the_schema() -> None:
    assert set(NAMES.values()) >= OPERATORS


def test_several_items_at_once_are_named() -> None:
    assert refusals(small_model()) == ["FULLY_CONNECTED gives more than one row"]


def test_an_operator_that_is_not_on_the_list_is_named() -> None:
    model = parsed(small_model())
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DIV
    assert "DIV is not on its list" in refusals(packed(model))


def test_a_fused_activation_after_joining_is_named() -> None:
    model = parsed(small_model())
    for operator in model.subgraphs[0].operators:
        if operator_name(model, operator) == "CONCATENATION":
            operator.builtinOptions.fusedActivationFunction = 1
    assert "CONCATENATION has a fused activation" in refusals(packed(model))
