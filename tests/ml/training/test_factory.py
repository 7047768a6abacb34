"""The factory on a toy task: the same bundle each time, from kept pieces, nobody seen twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is in the training environment")

from ai_edge_litert.interpreter import Interpreter

from ml.bundle import load_bundle
from ml.runtime import Model
from ml.runtime_graph import read_graph
from ml.training import fitting, making, measuring, prune_curve
from ml.training.int8_error import int8_errors
from ml.training.prune_curve import curve
from ml.training.pruning import importance, sparsity
from ml.training.quantise import ConversionError, slim
from ml.training.recipe import Distil, Prune, Quantise, Recipe, Search, Teacher
from ml.training.search import search
from ml.training.task import Answers
from ml.training.workshop import EVERYBODY, Workshop
from tests.ml.training.toy import WIDTH, Record, Toy, recipe

pytestmark = pytest.mark.training

DISTILLED = replace(
    recipe(),
    teacher=Teacher(2, 20, 64, 0.01, network={"width": 24}, count=2),
    distil=Distil(2.0, 0.5),
)
PRUNED = replace(recipe(), prune=Prune(0.8, ramp=2, epochs=3, learning_rate=0.005))


def _shop(
    work: Path, how: Recipe, task: Toy | None = None, tell: Callable[[str], None] | None = None
) -> Workshop:
    return Workshop(task or Toy(), how, work, work, tell or (lambda _: None))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def test_a_stopped_run_goes_on_and_ends_with_the_same_bundle(tmp_path: Path, work: Path) -> None:
    told: list[str] = []

    def stop(line: str) -> None:
        told.append(line)
        if "2 of 3 folds" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        making.make(_shop(work, recipe(), tell=stop), tmp_path / "out", tmp_path)
    assert sum("epoch 1" in line for line in told) == 2
    told.clear()
    making.make(_shop(work, recipe(), tell=told.append), tmp_path / "out", tmp_path / "report")
    assert sum("epoch 1" in line for line in told) == 2, "the third fold, and everybody"
    bundle = load_bundle(tmp_path / "out", "toy")
    assert Model(bundle.model).tensors_not_int8() == []
    assert bundle.card["scores"][0]["c"] > 0.7
    assert bundle.card["recipe"]["student"]["network"] == {"width": 16}
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "learning-curves.png",
        "confusion.png",
        "reliability.png",
        "int8-error.png",
        *(f"fold-{number}.npz" for number in range(recipe().folds.count)),
    }
    after, before = (bundle.card["calibration"]["log_loss"][when] for when in ("after", "before"))
    assert after < before

    told.clear()
    making.make(_shop(work, recipe(), tell=told.append), tmp_path / "out", tmp_path / "report")
    assert not any("epoch" in line for line in told), "everything is kept"
    elsewhere = making.make(_shop(tmp_path / "elsewhere", recipe()), tmp_path / "again", tmp_path)
    assert elsewhere.sha256 == bundle.sha256, "to the bit"


def test_what_decides_is_in_the_name_and_nothing_else(work: Path) -> None:
    shop = _shop(work, recipe())
    trained: list[str] = []
    shop.tell = trained.append
    shop.trained(recipe(), 0, 0)
    made = len(trained)
    shop.trained(replace(recipe(), version="9.9.9", chosen="words", seeds=(0, 1)), 0, 0)
    assert len(trained) == made
    longer = replace(recipe(), student=replace(recipe().student, epochs=4))
    shop.trained(longer, 0, 0)
    assert len(trained) == made + 4
    # the labels of one training patient are others: what is learnt is not the same
    task = Toy()
    task.relabelled = {shop.folds[1][0]}
    other = _shop(work / "other", recipe(), task)
    assert other.trained(recipe(), 0, 0).digest != shop.trained(recipe(), 0, 0).digest
    # those of a held-out patient do not count
    task.relabelled = set(shop.folds[0])
    held_out = _shop(work / "held-out", recipe(), task)
    assert held_out.trained(recipe(), 0, 0).digest == shop.trained(recipe(), 0, 0).digest


def test_neither_teachers_nor_student_see_whom_a_fold_holds_out(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []
    fit = fitting.fit

    def spy(network: Any, task: Any, examples: Any, *rest: Any) -> list[float]:  # noqa: ANN401
        seen.append(set(examples.records.tolist()))
        return fit(network, task, examples, *rest)

    monkeypatch.setattr(fitting, "fit", spy)
    shop = _shop(work, DISTILLED)
    shop.trained(DISTILLED, 1, 0)
    assert len(seen) == 3, "two teachers, one student"
    patients = {shop.task.patient(name) for name in shop.folds[1]}
    for records in seen:
        assert records == set(shop.names) - set(shop.folds[1])
        assert not patients & {shop.task.patient(name) for name in records}


def test_a_student_tells_what_its_teachers_tell() -> None:
    import keras

    from ml.training.distillation import Teachers, cross_entropy, loss

    rng = np.random.default_rng(0)
    points = {"points": rng.normal(size=(8, 6)).astype(np.float32)}
    task = Toy()
    networks = [fitting.built(task.network, {"width": 8}, seed) for seed in (1, 2)]
    shares = Teachers(networks, 2.0).shares(points)
    softened = [
        np.asarray(keras.ops.softmax(network(points["points"]) / 2)) for network in networks
    ]
    np.testing.assert_allclose(shares, np.mean(softened, axis=0), atol=1e-6)

    truth = np.concatenate((np.array([0, 1, 2, -1] * 2)[:, None], shares), axis=1)
    logits = rng.normal(size=(8, 3)).astype(np.float32)
    known = truth[:, 0] >= 0
    of_class = np.log(np.exp(logits).sum(axis=1)) - logits[range(8), truth[:, 0].astype(int)]
    soft = np.log(np.exp(logits / 2).sum(axis=1, keepdims=True)) - logits / 2
    expected = 0.75 * of_class[known].mean() + 0.25 * 4 * (shares * soft).sum(axis=1).mean()
    found = float(loss(cross_entropy, 0.25, 2.0)(truth.astype(np.float32), logits))
    assert found == pytest.approx(expected, rel=1e-5)
    assert float(
        loss(cross_entropy, 0.0, 1.0)(truth[:, :1].astype(np.float32), logits)
    ) == pytest.approx(of_class[known].mean(), rel=1e-5)


def test_pruned_weights_stay_zero_to_the_end(work: Path) -> None:
    shop = _shop(work, PRUNED)
    trained = shop.trained(PRUNED, EVERYBODY, 0)
    assert sparsity(trained.network) == pytest.approx(0.8, abs=0.01)
    models = shop.models(PRUNED, trained, EVERYBODY, "int8")
    interpreter = Interpreter(model_content=models["model"])
    interpreter.allocate_tensors()
    shapes = {(16, 6), (16, 16), (3, 16)}
    kernels = [
        interpreter.get_tensor(tensor["index"])
        for tensor in interpreter.get_tensor_details()
        if tuple(tensor["shape"]) in shapes
    ]
    assert len(kernels) == 3
    zeros = sum(int((kernel == 0).sum()) for kernel in kernels)
    assert zeros / sum(kernel.size for kernel in kernels) >= 0.79
    dense = shop.trained(recipe(), EVERYBODY, 0)
    assert sparsity(dense.network) == 0


def test_importance_never_empties_a_layer_first() -> None:
    weak, strong = np.full((4, 4), 1e-3), np.full((4, 4), 10.0)
    assert importance(weak).max() == importance(strong).max() == 1
    rising = importance(np.arange(1, 5, dtype=np.float32))
    assert (np.diff(rising) > 0).all()


class _OtherInInt8(Toy):
    """The first `n` answers of an int8 model are of another class than those of the float model."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self._n = n

    def answers(self, record: Record, models: Mapping[str, bytes]) -> Answers:
        answers = super().answers(record, models)
        if not read_graph(models["model"]).tensors_not_int8():
            answers.logits[: self._n] = np.roll(answers.logits[: self._n], 1, axis=1)
        return answers


def test_int8_that_answers_otherwise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"agree on 8.* of the answers; 90% are asked"):
        making.make(_shop(tmp_path, recipe(), _OtherInInt8(40)), tmp_path, tmp_path)
    loose = replace(recipe(), quantise=Quantise(256, most_lost=5.0, least_agreement=0.5))
    with pytest.raises(ConversionError, match=r"int8 costs .* more than the 5 that the recipe"):
        making.make(_shop(tmp_path, loose, _OtherInInt8(40)), tmp_path, tmp_path)


def test_sixteen_bit_activations_are_made_too(work: Path) -> None:
    shop = _shop(work, recipe())
    trained = shop.trained(recipe(), 0, 0)
    wide = shop.models(recipe(), trained, 0, "int16x8")["model"]
    interpreter = Interpreter(model_content=wide)
    interpreter.allocate_tensors()
    assert any(one["dtype"] == np.int16 for one in interpreter.get_tensor_details())


def test_the_pruning_curve_says_whether_the_claim_held(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune_curve, "STEPS", (0.0, 0.9))
    monkeypatch.setattr(measuring, "_LEAST_S", 0.01)
    points = curve(_shop(work, PRUNED), [0], tmp_path)
    assert [point["sparsity"] for point in points] == pytest.approx([0.0, 0.9], abs=0.01)
    assert points[-1]["compressed_bytes"] < points[0]["compressed_bytes"]
    told = json.loads((tmp_path / "sparsity.json").read_text())
    assert told["points"] == points
    assert "of the accuracy kept”" in told["verdict"]
    assert told["verdict"] in (tmp_path / "sparsity.md").read_text()
    assert (tmp_path / "sparsity.png").exists()


def test_a_search_draws_the_front_and_chooses(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "_LEAST_S", 0.01)
    plan = Search({"width": [4, 16]}, bits=("int8", "float32"), folds=(0, 1))
    points = search(_shop(work, recipe()), plan, tmp_path)
    assert len(points) == 4
    assert sum(point["chosen"] for point in points) == 1
    small, wide = (
        next(p for p in points if p["network"] == {"width": n} and p["bits"] == "int8")
        for n in (4, 16)
    )
    assert small["bytes"] < wide["bytes"]
    assert small["score"] < wide["score"]
    assert (tmp_path / "search.png").exists()
    assert (
        json.loads((tmp_path / "search.json").read_text())["chosen"]
        in (tmp_path / "search.md").read_text()
    )


def test_each_operator_of_int8_is_near_that_of_float32(work: Path) -> None:
    shop = _shop(work, recipe())
    trained = shop.trained(recipe(), 0, 0)
    as_float, as_int8 = (
        shop.models(recipe(), trained, 0, kind)["model"] for kind in ("float32", "int8")
    )
    inputs = shop.parts(recipe(), trained, 0)["model"].inputs
    errors = int8_errors(as_float, as_int8, inputs)
    assert [one.operator for one in errors] == ["FULLY_CONNECTED"] * 3
    assert 0 < max(one.relative for one in errors) < 0.1
    assert max(one.relative for one in int8_errors(as_float, as_float, inputs)) == 0


def test_what_ships_is_smaller_and_answers_the_same(work: Path) -> None:
    shop = _shop(work, recipe())
    trained = shop.trained(recipe(), 0, 0)
    whole = shop.models(recipe(), trained, 0, "int8")
    ships = slim(whole)
    assert len(ships["model"]) < 0.95 * len(whole["model"])
    inputs = np.random.default_rng(0).normal(0, 1, (40, WIDTH)).astype(np.float32)
    answers = [Model(models["model"]).run(inputs)[0] for models in (whole, ships)]
    np.testing.assert_array_equal(*answers)
