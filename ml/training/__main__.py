"""How models are made: ``python -m ml.training train|prune|search|test RECIPE --data DIR``.

RECIPE is a file, or the name of a recipe that is shipped (``beats``). ``train`` makes the bundle,
``prune`` draws what is kept and saved as weights are taken out, ``search`` trains the networks that
the recipe's [search] lists; stopped, they go on from what is finished. ``test`` reads other
recordings, laid out like those that it learned from, with the bundle that ships.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.registry import SHIPPED, bundle_for
from ml.training.recipe import RecipeError, find_recipe, read_recipe
from ml.training.task import find_task
from ml.training.testing import test
from signals.recording import RecordingError

if TYPE_CHECKING:
    from ml.training.task import Task


def main() -> int:
    """Read the command line and do what it says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ml.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="make a bundle: cross-validate, then the model")
    prune = commands.add_parser("prune", help="accuracy, size and latency from 0 to 95 %% sparsity")
    prune.add_argument(
        "--folds", type=int, nargs="+", default=[0], help="that are trained and tested (0)"
    )
    search = commands.add_parser("search", help="accuracy against size and latency")
    testing = commands.add_parser("test", help="how well the bundle that ships reads recordings")
    for command in (train, prune, search, testing):
        command.add_argument("recipe", help="file or name")
        command.add_argument("--report", type=Path, help="folder of plots and tables")
        command.add_argument("--data", type=Path, required=True, help="folder of the databases")
        command.add_argument(
            "--work",
            type=Path,
            default=Path.home() / ".cache/tracekeep/training",
            help="where finished pieces are kept, to go on from after a stop",
        )
    train.add_argument("--out", type=Path, help="folder of the bundle")
    options = parser.parse_args()
    try:
        return _run(options)
    except KeyboardInterrupt:
        print("stopped; what is finished is kept, the same command goes on from there")
        return 130


def _run(options: argparse.Namespace) -> int:
    try:
        recipe = read_recipe(find_recipe(options.recipe))
        if options.command == "search" and recipe.search is None:
            raise RecipeError(f"{options.recipe}: search: missing; expected a table")
        if options.command == "prune" and not recipe.folds.has(options.folds):
            last = recipe.folds.count - 1
            raise RecipeError(f"{options.recipe}: --folds: expected some of 0 to {last}, each once")
    except RecipeError as error:
        print(error, file=sys.stderr)
        return 2
    report = options.report or options.work / recipe.name / "report"
    if options.command == "test":
        return _test(find_task(recipe.task), options.data, report)
    if find_spec("tensorflow") is None:
        print("TensorFlow is not there: scripts/environment train installs it", file=sys.stderr)
        return 1
    # TensorFlow takes seconds to load: not before the command line is known to be sound
    from ml.training.making import make
    from ml.training.prune_curve import curve
    from ml.training.quantise import ConversionError
    from ml.training.search import search
    from ml.training.workshop import Workshop

    task = find_task(recipe.task)
    try:
        shop = Workshop(task, recipe, options.data, options.work / recipe.name, _tell)
        if options.command == "train":
            make(shop, options.out or SHIPPED / task.name, report)
        elif options.command == "prune":
            curve(shop, options.folds, report)
        elif recipe.search is not None:
            search(shop, recipe.search, report)
    except (FileNotFoundError, RecordingError, RecipeError, ConversionError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _test(task: Task[Any], data: Path, report: Path) -> int:
    try:
        test(task, bundle_for(task.name), data, report, _tell)
    except (FileNotFoundError, RecordingError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
