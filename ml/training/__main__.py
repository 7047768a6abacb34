"""``python -m ml.training beats --data DIR``: make a model bundle from recordings."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ml.registry import SHIPPED


def main() -> int:
    """Read the command line and train; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ml.training", description=__doc__)
    tasks = parser.add_subparsers(dest="task", required=True)
    beats = tasks.add_parser("beats", help="the beat classifier (AAMI classes N S V F Q)")
    beats.add_argument("--data", type=Path, required=True, help="folder of mitdb/ and svdb/")
    beats.add_argument("--out", type=Path, default=SHIPPED / "beats", help="folder of the bundle")
    beats.add_argument(
        "--work",
        type=Path,
        default=Path.home() / ".cache/tracekeep/training",
        help="where finished folds are kept, to go on from after a stop",
    )
    beats.add_argument("--version", default="1.0.0", help="of the bundle")
    beats.add_argument("--seed", type=int, default=0)
    beats.add_argument("--folds", type=int, default=5)
    beats.add_argument("--epochs", type=int)
    beats.add_argument("--steps", type=int, help="batches an epoch")
    options = parser.parse_args()
    major, minor, patch = (int(part) for part in options.version.split("."))

    # TensorFlow takes seconds to load: not before the command line is known to be sound
    from ml.training.beats import Recipe, train_beats
    from ml.training.quantise import ConversionError
    from signals.recording import RecordingError

    asked = {name: getattr(options, name) for name in ("seed", "folds", "epochs", "steps")}
    recipe = Recipe(**{name: value for name, value in asked.items() if value is not None})
    try:
        train_beats(
            options.data,
            options.work,
            options.out,
            recipe,
            (major, minor, patch),
            lambda line: print(line, flush=True),
        )
    except (FileNotFoundError, RecordingError, ConversionError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
