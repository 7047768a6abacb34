"""``python -m ml.training train RECIPE --data DIR``: make a model bundle from recordings.

RECIPE is a file, or the name of a recipe that is shipped (``beats``).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ml.registry import SHIPPED
from ml.training.recipe import RecipeError, find_recipe, read_recipe


def main() -> int:
    """Read the command line and do what it says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ml.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="make a bundle: cross-validate, then the model")
    train.add_argument("recipe", help="file or name")
    waves = commands.add_parser("waves", help="make the bundle of the delineator (P, QRS and T)")
    for command in (train, waves):
        command.add_argument("--data", type=Path, required=True, help="folder of the databases")
        command.add_argument("--out", type=Path, help="folder of the bundle")
        command.add_argument(
            "--work",
            type=Path,
            default=Path.home() / ".cache/tracekeep/training",
            help="where finished pieces are kept, to go on from after a stop",
        )
    train.add_argument("--report", type=Path, help="folder of the plots")
    waves.add_argument("--version", default="1.0.0", help="of the bundle")
    waves.add_argument("--seed", type=int, default=0)
    waves.add_argument("--folds", type=int, default=4)
    waves.add_argument("--epochs", type=int, default=26)
    waves.add_argument("--steps", type=int, default=100, help="batches an epoch")
    options = parser.parse_args()
    try:
        return _waves(options) if options.command == "waves" else _recipe(options)
    except KeyboardInterrupt:
        print("stopped; what is finished is kept, the same command goes on from there")
        return 130


def _recipe(options: argparse.Namespace) -> int:
    try:
        recipe = read_recipe(find_recipe(options.recipe))
    except RecipeError as error:
        print(error, file=sys.stderr)
        return 2
    # TensorFlow takes seconds to load: not before the command line is known to be sound
    from ml.training.making import make
    from ml.training.quantise import ConversionError
    from ml.training.task import find_task
    from ml.training.workshop import Workshop
    from signals.recording import RecordingError

    try:
        task = find_task(recipe.task)
        work = options.work / recipe.task
        shop = Workshop(task, recipe, options.data, work, _tell)
        make(shop, options.out or SHIPPED / task.name, options.report or work / "report")
    except (FileNotFoundError, RecordingError, RecipeError, ConversionError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _waves(options: argparse.Namespace) -> int:
    major, minor, patch = (int(part) for part in options.version.split("."))
    from ml.training.quantise import ConversionError
    from ml.training.waves import Recipe, train_waves
    from signals.recording import RecordingError

    recipe = Recipe(options.seed, options.folds, options.epochs, options.steps)
    out = options.out or SHIPPED / "waves"
    try:
        train_waves(options.data, options.work, out, recipe, (major, minor, patch), _tell)
    except (FileNotFoundError, RecordingError, ConversionError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
