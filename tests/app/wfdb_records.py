"""Simulated records as WFDB files with their truth as reference annotations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import wfdb

from signals.simulate import EcgScenario, simulate_ecg
from signals.writers.wfdb_annotations import write_annotations


def write_record(folder: Path, name: str, scenario: EcgScenario) -> Path:
    """Write ``name.hea``, ``name.dat`` and ``name.atr``; return the header."""
    recording = simulate_ecg(scenario).recording
    channels = range(len(recording.channels))
    signal = recording.read(channels, 0, recording.channels[0].n_samples)
    wfdb.wrsamp(
        name,
        fs=scenario.rate,
        units=["mV" for _ in channels],
        sig_name=list(scenario.leads),
        p_signal=np.nan_to_num(signal.T.astype(np.float64)),
        fmt=["16" for _ in channels],
        write_dir=str(folder),
    )
    truth = recording.annotations
    write_annotations(
        folder,
        name,
        "atr",
        scenario.rate,
        [round(note.onset * scenario.rate) for note in truth],
        [note.text for note in truth],
        [note.note for note in truth],
    )
    return folder / f"{name}.hea"
