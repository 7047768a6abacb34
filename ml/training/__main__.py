"""``python -m ml.training beats|waves --data DIR``: make a model bundle from recordings."""

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
    waves = tasks.add_parser("waves", help="the delineator (P, QRS and T)")
    waves.add_argument(
        "--data",
        type=Path,
        required=True,
        help="folder of ludb/, qtdb/, mitdb/, cinc2017/ and nstdb/",
    )
    for name, task in (("beats", beats), ("waves", waves)):
        task.add_argument("--out", type=Path, default=SHIPPED / name, help="folder of the bundle")
        task.add_argument(
            "--work",
            type=Path,
            default=Path.home() / ".cache/tracekeep/training",
            help="where finished folds are kept, to go on from after a stop",
        )
        task.add_argument("--version", default="1.0.0", help="of the bundle")
        task.add_argument("--seed", type=int, default=0)
        task.add_argument("--folds", type=int)
        task.add_argument("--epochs", type=int)
        task.add_argument("--steps", type=int, help="batches an epoch")
    options = parser.parse_args()
    major, minor, patch = (int(part) for part in options.version.split("."))

    # TensorFlow takes seconds to load: not before the command line is known to be sound
    from ml.training import beats as beat_task
    from ml.training import waves as wave_task
    from ml.training.quantise import ConversionError
    from signals.recording import RecordingError

    asked = {
        name: value
        for name in ("seed", "folds", "epochs", "steps")
        if (value := getattr(options, name)) is not None
    }

    def tell(line: str) -> None:
        print(line, flush=True)

    places = options.data, options.work, options.out
    version = major, minor, patch
    try:
        if options.task == "beats":
            beat_task.train_beats(*places, beat_task.Recipe(**asked), version, tell)
        else:
            wave_task.train_waves(*places, wave_task.Recipe(**asked), version, tell)
    except (FileNotFoundError, RecordingError, ConversionError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
