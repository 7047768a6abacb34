"""ml.training.recipe: what is read, and the one error for what is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml.training.recipe import RECIPES, RecipeError, find_recipe, read_recipe

WHOLE = """
task = "toy"
version = "1.2.3"
seeds = [0, 1]
[folds]
count = 5
[student]
epochs = 2
steps = 10
batch = 32
learning_rate = 1
network = { width = 8, channels = [1, 2] }
[teacher]
epochs = 2
steps = 10
batch = 32
learning_rate = 1e-3
count = 3
[distil]
temperature = 2
share = 0.5
[prune]
sparsity = 0.9
ramp = 1
epochs = 2
learning_rate = 1e-3
[calibrate]
method = "vector"
coverage = 0.98
[decide]
labels = ["S"]
[search]
sparsity = [0, 0.5]
bits = ["int8", "float32"]
folds = [0, 4]
[search.network]
width = [4, 8]
"""


def _read(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_whole_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(WHOLE)
    recipe = read_recipe(path)
    assert recipe.name == "mine"
    assert recipe.numbers == (1, 2, 3)
    assert recipe.teacher is not None
    assert recipe.teacher.count == 3
    assert isinstance(recipe.student.learning_rate, float)
    assert recipe.search is not None
    assert recipe.search.sparsity == (0.0, 0.5)
    assert recipe.quantise.examples == 4096
    assert "seeds" in recipe.as_json()


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_recipes_can_be_read(path: Path) -> None:
    assert read_recipe(find_recipe(path.stem)).name == path.stem


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("epochs = 2\nsteps", 'epochs = "2"\nsteps', "student.epochs: expected a whole number"),
        ("epochs = 2\nsteps", "epochs = 0\nsteps", "student.epochs: expected a whole number of at"),
        ("epochs = 2\nsteps", "epochs = true\nsteps", "student.epochs: expected a whole number"),
        ("batch = 32\n", "", "student.batch: missing; expected a whole number"),
        ("batch = 32\n", "bach = 32\n", "student.bach: unknown; expected one of epochs, steps"),
        ("sparsity = 0.9", "sparsity = 1.5", "prune.sparsity: expected a number of at least 0 and"),
        ("ramp = 1", "ramp = 3", "prune.ramp: expected at most prune.epochs"),
        ('"vector"', '"isotonic"', "calibrate.method: expected one of temperature, vector, not"),
        ('["S"]', '"S"', "decide.labels: expected a list, each text, not 'S'"),
        ("[0, 0.5]", '[0, "x"]', "search.sparsity: expected a number"),
        ('"float32"]', '"int4"]', "search.bits: expected one of int8, int16x8, float32"),
        ("[0, 4]", "[0, 5]", "search.folds: expected numbers below folds.count"),
        ("[0, 4]", "[0, 0]", "search.folds: expected numbers below folds.count, each once"),
        ("[distil]\ntemperature = 2\nshare = 0.5\n", "", "[teacher] and [distil] go together"),
        (
            '[calibrate]\nmethod = "vector"\ncoverage = 0.98\n',
            "",
            "decide.labels and [distil] need classes: add [calibrate]",
        ),
        ('"1.2.3"', '"1.2"', "version: expected three numbers"),
        ("seeds = [0, 1]", "seeds = []", "seeds: expected at least one number"),
        ("[folds]\ncount = 5", "folds = 5", "folds: expected a table, not 5"),
        ("task =", "name = 1\ntask =", "name: unknown; it follows from the files"),
        ("[folds]", "[folds", ""),
        ("width = [4, 8]", "width = 4", "search.network: expected a list of values"),
        ("seeds =", 'searched = "none.json"\nseeds =', "searched: none.json cannot be read"),
    ],
)
def test_one_error_names_file_key_and_what_was_expected(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert old in WHOLE
    assert _read(tmp_path, WHOLE.replace(old, new, 1)).startswith(problem)


def test_the_reason_for_a_network_comes_from_the_search_that_chose_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(WHOLE.replace("seeds =", 'searched = "found.json"\nseeds ='))
    point = {"network": {"width": 8}, "sparsity": 0.9, "bits": "int8", "chosen": True}
    result = {"points": [point, {"chosen": False}], "chosen": "It is small."}
    (tmp_path / "found.json").write_text(json.dumps(result))
    assert read_recipe(path).chosen == "It is small."
    point["network"] = {"width": 4}
    (tmp_path / "found.json").write_text(json.dumps(result))
    with pytest.raises(RecipeError, match=r"searched: found.json chose width 4, not 8"):
        read_recipe(path)


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="nor a recipe of that name"):
        find_recipe("betas")
    with pytest.raises(RecipeError, match="No such file"):
        read_recipe(tmp_path / "none.toml")
