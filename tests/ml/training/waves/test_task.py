"""The delineator through the factory: from strips to a bundle that delineates, all small."""

# ruff: noqa: ARG002 (the arguments are those of the protocol)

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is in the training environment")

from ml.runtime import Model
from ml.training import making
from ml.training.recipe import Calibrate, Folds, Quantise, Recipe, RecipeError, find_recipe
from ml.training.recipe import read_recipe as read
from ml.training.waves.data import Source
from ml.training.waves.task import TASK
from ml.training.workshop import Workshop
from tests.ml.training.waves.recordings import arrhythmia, marked

pytestmark = pytest.mark.training


class _Small(type(TASK)):  # type: ignore[misc]
    """The task on four recordings that are made up."""

    def records(self, data: Path) -> list[str]:
        return ["ludb/1", "ludb/2", "mitdb/201", "qtdb/sel30"]

    def files(self, data: Path, record: str) -> list[Path]:
        return []

    def read(self, data: Path, record: str) -> Source:
        return arrhythmia(record) if record.startswith("mitdb") else marked(record, len(record))


def _recipe() -> Recipe:
    whole = read(find_recipe("waves"))
    return replace(
        whole,
        folds=Folds(2),
        student=replace(whole.student, epochs=2, steps=15),
        quantise=Quantise(20, most_lost=10.0),
    )


def test_strips_become_a_bundle_that_delineates(tmp_path: Path) -> None:
    told: list[str] = []

    def run() -> str:
        shop = Workshop(_Small(), _recipe(), tmp_path, tmp_path / "work", told.append)
        bundle = making.make(shop, tmp_path / "out", tmp_path / "report")
        assert bundle.labels == TASK.labels
        assert Model(bundle.model).tensors_not_int8() == []
        card = bundle.card
        assert card["results"]["int8"]["lead II alone"]["qrs_on"]["f1"] > 0.8
        assert card["p_waves"]["mitdb/201"]["fibrillation"] > 0
        assert {name for fold in card["protocol"]["folds"] for name in fold} == set(shop.names)
        return bundle.sha256

    first = run()
    text = (tmp_path / "out/model-card.md").read_text()
    assert "ODC-By" in text
    assert "| better lead | t_off |" in text
    assert "calibration" not in text
    pictures = {path.name for path in (tmp_path / "report").glob("*.png")}
    assert pictures == {"learning-curves.png", "int8-error.png"}
    told.clear()
    assert run() == first
    assert not any("epoch" in line for line in told), "everything is kept"


def test_nothing_is_calibrated_without_classes(tmp_path: Path) -> None:
    recipe = replace(_recipe(), calibrate=Calibrate("temperature", 0.9))
    with pytest.raises(RecipeError, match="calibrate: expected where a task names classes"):
        Workshop(_Small(), recipe, tmp_path, tmp_path, print)
