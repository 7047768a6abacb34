"""Write a simulated Holter as an EDF+ file: ``python -m signals.simulate holter.edf``."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from signals.ecg.beat import BeatClass
from signals.simulate import holter_scenario, simulate_ecg
from signals.writers.edf import write_edf


def main() -> None:
    """Write the file and say what was put into it."""
    parser = argparse.ArgumentParser(prog="python -m signals.simulate", description=__doc__)
    parser.add_argument("file", type=Path, help="EDF+ file to write")
    parser.add_argument("--minutes", type=float, default=30.0, help="length (default: 30)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another patient")
    arguments = parser.parse_args()
    simulated = simulate_ecg(holter_scenario(60 * arguments.minutes, arguments.seed))
    write_edf(arguments.file, simulated.recording)
    beats = Counter(BeatClass(cls) for cls in simulated.beats.classes.tolist())
    print(f"{arguments.file}: {arguments.minutes:g} min, {len(simulated.recording.channels)} leads")
    print("Beats put in: ", ", ".join(f"{beats[c]} {c.name}" for c in BeatClass if beats[c]))
    for kind, count in Counter(kind for _, _, kind in simulated.episodes).items():
        print(f"Episodes put in: {count} × {kind}")


if __name__ == "__main__":
    main()
