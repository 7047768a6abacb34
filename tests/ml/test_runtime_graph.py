"""ml.runtime_graph: what a model holds, and that nothing damaged gets past it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.registry import SHIPPED
from ml.runtime import _quiet
from ml.runtime_graph import OPERATORS, Graph, ModelError, Operator, Tensor, read_graph
from tests.ml import _small_model as small
from tests.ml._small_model import small_model

FILES = sorted(SHIPPED.glob("*/*.tflite"))
"""Every model that ships."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_reads_what_the_runtime_reads(path: Path) -> None:
    graph = read_graph(path.read_bytes())
    with _quiet():
        interpreter = Interpreter(model_path=str(path))
        interpreter.allocate_tensors()
    details = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    for index, tensor in enumerate(graph.tensors):
        assert tensor.name == details[index]["name"]
        assert tensor.shape == tuple(details[index]["shape"])
        assert np.dtype(tensor.kind) == details[index]["dtype"]
    theirs = [
        step for step in interpreter._get_ops_details() if not step["op_name"].startswith("DELE")
    ]
    assert [step.name for step in graph.operators] == [step["op_name"] for step in theirs]
    for step, other in zip(graph.operators, theirs, strict=True):
        assert step.inputs == tuple(graph.tensors[i] if i >= 0 else None for i in other["inputs"])
        assert step.outputs == tuple(graph.tensors[i] for i in other["outputs"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_shipped_model_is_int8_throughout(path: Path) -> None:
    assert read_graph(path.read_bytes()).tensors_not_int8() == []


def test_numbers_are_those_of_the_schema() -> None:
    names = {
        number: name for name, number in vars(schema.BuiltinOperator).items() if name.isupper()
    }
    assert {number: names[number] for number in OPERATORS} == OPERATORS


def _tensor(shape: tuple[int, ...], kind: str = "int8", *, constant: bool = False) -> Tensor:
    return Tensor("one", shape, kind, constant, fixed=True)


@pytest.mark.parametrize(
    ("kind", "shape", "found"),
    [
        ("int8", (1, 2, 3), []),
        ("int32", (24,), []),
        ("int32", (), []),
        ("int32", (24, 40), ["one: int32"]),
        ("int32", (4, 2), ["one: int32"]),
        ("float32", (24,), ["one: float32"]),
        ("int16", (24,), ["one: int16"]),
    ],
)
def test_int32_passes_only_as_a_bias_or_a_shape(
    kind: str, shape: tuple[int, ...], found: list[str]
) -> None:
    assert Graph((_tensor(shape, kind),), (), (), ()).tensors_not_int8() == found


def test_int32_passes_as_a_padding() -> None:
    padding = _tensor((4, 2), "int32", constant=True)
    pad = Operator("PAD", (_tensor((1, 2, 3, 4)), padding), (_tensor((1, 4, 3, 4)),))
    assert Graph((padding,), (pad,), (), ()).tensors_not_int8() == []


@pytest.mark.parametrize(
    ("name", "inputs", "output", "expected"),
    [
        ("CONV_2D", [(1, 8, 8, 3), (16, 5, 3, 3), (16,)], (1, 4, 4, 16), 4 * 4 * 16 * 5 * 3 * 3),
        ("DEPTHWISE_CONV_2D", [(1, 8, 8, 6), (1, 5, 3, 6), (6,)], (1, 4, 4, 6), 4 * 4 * 6 * 5 * 3),
        ("FULLY_CONNECTED", [(7, 20), (30, 20), None], (7, 30), 7 * 20 * 30),
        ("TRANSPOSE_CONV", [(4,), (6, 1, 4, 3), (1, 1, 9, 3)], (1, 1, 18, 6), 9 * 3 * 6 * 4),
        ("BATCH_MATMUL", [(2, 5, 7), (2, 7, 9)], (2, 5, 9), 2 * 5 * 7 * 9),
        ("BATCH_MATMUL", [(2, 7, 5), (2, 7, 9)], (2, 5, 9), 2 * 5 * 7 * 9),
        ("ADD", [(1, 8), (1, 8)], (1, 8), 0),
    ],
)
def test_multiply_adds(
    name: str,
    inputs: list[tuple[int, ...] | None],
    output: tuple[int, ...],
    expected: int,
) -> None:
    given = tuple(None if shape is None else _tensor(shape) for shape in inputs)
    assert Operator(name, given, (_tensor(output),)).multiply_adds == expected


def test_parameters_are_counted_once_and_without_shapes() -> None:
    weights, bias = _tensor((4, 3), constant=True), _tensor((4,), "int32", constant=True)
    shape = _tensor((2,), "int32", constant=True)
    data = _tensor((1, 3))
    dense = Operator("FULLY_CONNECTED", (data, weights, bias), (_tensor((1, 4)),))
    reshape = Operator("RESHAPE", (data, shape), (data,))
    assert Graph((), (dense, dense, reshape), (), ()).parameters == 16


def test_arena_holds_what_is_still_to_be_read() -> None:
    first, second, third, fourth = (_tensor((1, n)) for n in (100, 10, 20, 50))
    weights = _tensor((10, 100), constant=True)
    steps = (
        Operator("FULLY_CONNECTED", (first, weights, None), (second,)),
        Operator("FULLY_CONNECTED", (second, weights, None), (third,)),
        Operator("CONCATENATION", (second, third), (fourth,)),
    )
    graph = Graph((first, second, third, fourth, weights), steps, (first,), (fourth,))
    assert graph.arena_bytes == 110
    kept = Operator("ADD", (first, fourth), (_tensor((1, 1)),))
    graph = Graph((*graph.tensors, *kept.outputs), (*steps, kept), (first,), kept.outputs)
    assert graph.arena_bytes == 100 + 10 + 20 + 50


def _set(path: str, value: object) -> Callable[[schema.ModelT], None]:
    """Return a change that sets one field of a ModelT: ``subgraphs.0.tensors.3.type``."""

    def change(model: schema.ModelT) -> None:
        *steps, last = path.split(".")
        target = model
        for step in steps:
            target = target[int(step)] if step.isdigit() else getattr(target, step)
        setattr(target, last, value)

    return change


_TENSORS = "subgraphs.0.tensors"


def _custom(model: schema.ModelT) -> None:
    code = model.operatorCodes[0]
    code.deprecatedBuiltinCode = code.builtinCode = 32
    code.customCode = "Peculiar"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_custom, "custom operator 'Peculiar'"),
        (_set("operatorCodes.0.builtinCode", 118), "operator 118 of the schema"),
        (_set("version", 2), "schema version 2"),
        (_set(f"{_TENSORS}.{small.JOINED}.isVariable", 1), "joined is a variable"),
        (_set(f"{_TENSORS}.{small.JOINED}.type", 5), "joined is of type 5 .*; int8 is expected"),
        (_set(f"{_TENSORS}.{small.JOINED}.shape", [4, 0]), "every size is to be 1 or more"),
        (_set(f"{_TENSORS}.{small.WEIGHTS}.shape", [4, 6]), "weights has 20 bytes where .* 24"),
        (_set(f"{_TENSORS}.{small.OUT}.quantization.scale", [0.0]), "out has no scale and zero"),
        (_set(f"{_TENSORS}.{small.OUT}.buffer", 10_000), "damaged: tensor out without a buffer"),
        (_set("subgraphs.0.operators.0.inputs", [0, 9_999]), "damaged: an index of no tensor"),
        (_set("subgraphs.0.operators.0.opcodeIndex", 99), "damaged: an operator without a code"),
        (_set("subgraphs.0.operators.0.inputs", [0, small.OUT]), "reads out, which nothing has"),
        (_set("subgraphs.0.outputs", []), "no input, or an output"),
    ],
)
def test_what_cannot_be_run_is_named(change: Callable[[schema.ModelT], None], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_graph(small_model(change))


@pytest.mark.parametrize("content", [b"", b"no model", bytes(1000)])
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match="TFL3"):
        read_graph(content)


def test_a_shortened_file_is_refused() -> None:
    whole = small_model()
    for length in range(8, len(whole) - 8):
        with pytest.raises(ModelError, match="damaged"):
            read_graph(whole[:length])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_refused_or_harmless_to_the_reader(data: st.DataObject) -> None:
    raw = bytearray(small_model())
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] = data.draw(st.integers(0, 255))
    try:
        graph = read_graph(bytes(raw))
    except ModelError:
        return
    assert graph.operators
