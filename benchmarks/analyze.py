"""What one analysis costs: CPU seconds by stage, and peak memory, for half an hour and for a day.

    python benchmarks/analyze.py [RECORDINGS]

RECORDINGS is the folder that holds ``mitdb/`` (default: TRACEKEEP_DATA). The day is made of the
30-minute records there, one after another. Each case runs in a process of its own, reads the file,
analyses it and stores it in a fresh vault, as ``tracekeep analyze`` does.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

DAY_RECORDS = 48
SAMPLES = 650_000  # of a mitdb record
_PASSPHRASE = "benchmark passphrase"


def main() -> None:
    if sys.argv[1:2] == ["--case"]:
        print(json.dumps(run_case(Path(sys.argv[2]), Path(sys.argv[3]))))
        return
    default = os.environ.get("TRACEKEEP_DATA", str(Path.home() / ".cache/tracekeep/data"))
    mitdb = Path(sys.argv[1] if sys.argv[1:] else default) / "mitdb"
    records = sorted(mitdb.glob("*.hea"))
    if not records:
        sys.exit(f"{mitdb}: no WFDB record there")
    with tempfile.TemporaryDirectory() as folder:
        day = make_day(records, Path(folder))
        print(f"one thread; {len(records)} records of {mitdb.name}; CPU seconds\n")
        for title, record in ((f"30 min ({records[0].stem})", records[0]), ("24 h", day)):
            print_case(title, start_case(record, Path(folder) / f"{title[:2]}.vault"))


def make_day(records: list[Path], folder: Path) -> Path:
    """Write one record of 24 h: format 212 packs whole samples, so its files can be joined."""
    chosen = [records[i % len(records)] for i in range(DAY_RECORDS)]
    with (folder / "day.dat").open("wb") as joined:
        for header in chosen:
            joined.write(header.with_suffix(".dat").read_bytes())
    header = folder / "day.hea"
    header.write_text(
        f"day 2 360 {SAMPLES * DAY_RECORDS}\n"
        "day.dat 212 200 11 1024 0 0 0 MLII\n"
        "day.dat 212 200 11 1024 0 0 0 V5\n"
    )
    return header


def start_case(record: Path, vault: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--case", str(record), str(vault)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def run_case(record: Path, folder: Path) -> dict[str, Any]:
    # Imports are a stage of their own: what every start of the program pays.
    from app.analysis import analyze_recording
    from app.gathered import Gathered
    from app.vault import Vault
    from ml.tasks.beats import BeatClassifier
    from ml.tasks.waves import WaveDelineator
    from signals.ecg.intervals import IntervalMeter
    from signals.ecg.qrs import QrsDetector
    from signals.ecg.rhythm import RhythmTracker
    from signals.ecg.ventricular import VentricularDetector
    from signals.readers import open_recording
    from signals.recording import Recording

    spent: dict[str, float] = defaultdict(float)
    spent["start"] = time.process_time()
    measure(spent, Recording, "read", "read")
    measure(spent, Recording, "sha256", "hash")
    for cls, stage in (
        (QrsDetector, "detect"),
        (BeatClassifier, "classify"),
        (WaveDelineator, "delineate"),
        (VentricularDetector, "fibrillation"),
        (RhythmTracker, "rhythm"),
        (IntervalMeter, "intervals"),
    ):
        measure(spent, cls, "push", stage)
        measure(spent, cls, "finish", stage)
    measure(spent, Gathered, "parts", "summary")
    vault, _ = Vault.create(folder, _PASSPHRASE)
    begun = time.process_time()
    with vault, open_recording(record) as recording:
        opened = time.process_time()
        report = analyze_recording(recording)
        analysed = time.process_time()
        intake = vault.intake()
        stages_before_storing = dict(spent)
        vault.commit(intake.store(recording, report))
    stored = time.process_time()
    stages = {**stages_before_storing, "open": opened - begun, "store": stored - analysed}
    total = stages["start"] + stored - begun
    stages["rest"] = total - sum(stages.values())
    return {
        "stages": stages,
        "total": total,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "beats": len(report.beats),
    }


def measure(spent: dict[str, float], cls: type, name: str, stage: str) -> None:
    method = getattr(cls, name)

    def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        begun = time.process_time()
        try:
            return method(*args, **kwargs)
        finally:
            spent[stage] += time.process_time() - begun

    setattr(cls, name, timed)


def print_case(title: str, result: dict[str, Any]) -> None:
    print(f"{title}: {result['beats']:,} beats")
    for stage, seconds in sorted(result["stages"].items(), key=lambda item: -item[1]):
        print(f"  {stage:<10}{seconds:8.2f} s {100 * seconds / result['total']:5.1f} %")
    print(f"  {'together':<10}{result['total']:8.2f} s   peak memory {result['rss_mb']:.0f} MB\n")


if __name__ == "__main__":
    main()
