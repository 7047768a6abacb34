from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.readers._labels import kind_of, unique_labels
from signals.recording import ARBITRARY, MICROVOLT, MILLIVOLT, ChannelKind, Unit


def words(text: str) -> list[str]:
    return text.split()


ECG_LABELS = words(
    """
    I II III i ii iii aVR aVL aVF avr V1 V2 v6 V9 V4R MLI MLII MLIII MV1 MV2 ML2 MCL1 CM5
    CC5 CM2 E-S A-S A-I ES AS ECG ECG1 ECG2 EKG EKG1 ECG-1 ECG_2 mod.V1 chest CHEST
    LA-RA
    """
)
EEG_LABELS = words(
    """
    Fp1 Fp2 FP1 Fpz F3 F7 Fz C3 C4 Cz T3 T7 P3 Pz O1 O2 Oz A1 A2 M1 AF3 AFz FC5 FC6 FT7 FCz
    CP5 TP9 PO3 POz Iz Nz F9 C3-A2 Fp1-F7 FP1-REF Fpz-Cz T5-O1 Fc5. Fc1. C1.. Oz.. Cz-M2
    C3-LE
    """
)
OTHER_LABELS = [
    "ABP",
    "PLETH",
    "RESP",
    "CVP",
    "ART",
    "PAP",
    "ICP",
    "SpO2",
    "CO2",
    "EOG",
    "EMG",
    "Temp",
    "Status",
    "Trigger",
    "DC1",
    "PR",
    "OSAT",
]


@pytest.mark.parametrize("unit", [MILLIVOLT, MICROVOLT, ARBITRARY])
@pytest.mark.parametrize("label", [*ECG_LABELS, "ECG lead II", "EKG ECG", "lead II", "ECG ECG1"])
def test_ecg(label: str, unit: Unit) -> None:
    assert kind_of(label, unit) is ChannelKind.ECG


def test_a_grid_of_electrodes_is_no_ecg_for_its_fourth_row() -> None:
    assert kind_of("D1", MICROVOLT) is ChannelKind.OTHER
    assert kind_of("D3", MILLIVOLT, millivolts_are_ecg=True) is ChannelKind.ECG


@pytest.mark.parametrize("label", [*EEG_LABELS, "EEG Fpz-Cz", "EEG A2-A1", "EEG F1-Ref", "eeg c3"])
def test_eeg(label: str) -> None:
    assert kind_of(label, MICROVOLT) is ChannelKind.EEG
    assert kind_of(label, MILLIVOLT, millivolts_are_ecg=True) is ChannelKind.EEG


@pytest.mark.parametrize(
    "label",
    [
        *OTHER_LABELS,
        "EMG submental",
        "EOG horizontal",
        "Resp chest",
        "Event marker",
        "nasal airflow",
    ],
)
def test_other(label: str) -> None:
    assert kind_of(label, MICROVOLT) is ChannelKind.OTHER
    assert kind_of(label, MILLIVOLT, millivolts_are_ecg=True) is ChannelKind.OTHER


@pytest.mark.parametrize("label", ["record 418, signal 0", "signal 1", "channel", "X"])
def test_millivolts_of_a_wfdb_record_are_ecg(label: str) -> None:
    assert kind_of(label, MILLIVOLT, millivolts_are_ecg=True) is ChannelKind.ECG
    assert kind_of(label, Unit("mmHg"), millivolts_are_ecg=True) is ChannelKind.OTHER
    assert kind_of(label, MICROVOLT, millivolts_are_ecg=True) is ChannelKind.OTHER


@pytest.mark.parametrize("label", ["X", "y", "Z", "vx", "Frank Z"])
def test_frank_leads_are_told_by_their_unit(label: str) -> None:
    assert kind_of(label, MILLIVOLT) is ChannelKind.ECG
    assert kind_of(label, Unit("g")) is ChannelKind.OTHER


def test_a_lead_in_pressure_units_is_no_ecg() -> None:
    assert kind_of("V1", Unit("mmHg")) is ChannelKind.OTHER


@given(st.lists(st.sampled_from(["a", "b", "a (2)", "a (3)", ""]), max_size=12))
def test_labels_become_unique(labels: list[str]) -> None:
    unique, repairs = unique_labels(labels)
    assert len(set(unique)) == len(labels)
    assert all(new.startswith(old) for new, old in zip(unique, labels, strict=True))
    changed = [new for new, old in zip(unique, labels, strict=True) if new != old]
    assert len(repairs) == len(changed)


def test_thousands_of_equal_labels_take_no_time() -> None:
    unique, _ = unique_labels(["ECG"] * 10_000)
    assert unique[:3] == ("ECG", "ECG (2)", "ECG (3)")
    assert len(set(unique)) == 10_000
