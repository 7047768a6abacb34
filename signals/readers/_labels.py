"""What a channel measures, told from its label and unit."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from signals.recording import MILLIVOLT, ChannelKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from signals.recording import Unit

_ELECTRODE = (
    r"(?:NZ|IZ|(?:FP|AFP?|FT?C?|FFC|FFT|FCC|FTT|CP?|CCP|CPP|TP?|TTP|TPP|PO?|PPO|POO|OI?)"
    r"(?:\d{1,2}H?|ZH?)|[AM][12]|CB[12])"
)
_EEG = re.compile(
    rf"EEG\b.*|{_ELECTRODE}(?:[-–/ ]*(?:{_ELECTRODE}|REF|LE|RE|AR|AV|AVG|CAR))?", re.IGNORECASE
)
_ECG = re.compile(
    r"""
    .*\b(?:ECG|EKG)\b.* | (?:ECG|EKG)[\s_-]*\S{0,6}
    | (?:lead\s+)? (?: I{1,3} | aV[RLF] | -aVR | V[1-9]R? )
    | M(?:L\s?(?:I{1,3}|[1-3]) | CL\s?\d? | V\d)         # modified leads
    | MOD(?:IFIED)?[\s.]*(?:lead\s*)?(?:I{1,3}|V\d)
    | C[CMSBR]\d | [EA]-?S | A-?I | CHEST | LA-RA | LL-RA | LL-LA | RA-LA
    """,
    re.IGNORECASE | re.VERBOSE,
)
_FRANK = re.compile(r"(?:V|Frank\s+)?[XYZ]", re.IGNORECASE)
_OTHER = re.compile(
    r""".*(?:
        \b(?:ABP|ART|BP|CVP|ICP|PAP|RAP|LAP|UAP|UVP|P\d|PLETH\w*|PPG|SPO2|SAO2|SO2|OSAT|CO2|ETCO2|PULS\w*|PR|HR|
        RESP\w*|RR|FLOW|EFFORT|CHIN|THOR\w*|ABDO\w*|NASAL|AIRFLOW|SNORE|STV?|SV|
        EMG|EOG|LOC|ROC|EDA|GSR|TEMP\w*|BODY|ACC\w*|AXIS|GYRO|MARK\w*|EVENT\w*|TRIG\w*|STATUS|STIM?|
        PRESSURE|PRESS|SOUND|PCG|FHR|UA|BATT\w*|POS\w*|LIGHT|IMP\w*|DC\d*)\b
        | (?:EMG|EOG)\d*
    ).*""",
    re.IGNORECASE | re.VERBOSE,
)


def kind_of(label: str, unit: Unit, *, millivolts_are_ecg: bool = False) -> ChannelKind:
    """Return what a channel measures.

    Parameters
    ----------
    label : str
        As the file writes it.
    unit : Unit
        Of the physical values.
    millivolts_are_ecg : bool, default False
        Whether a signal in mV that nothing else is known of is an ECG, as in WFDB records.
    """
    name = label.strip().rstrip(".")
    if unit.volts is None and unit.symbol not in {"", "arbitrary units", "adu", "NU"}:
        return ChannelKind.OTHER  # mmHg, bpm, %: no potential, whatever the label says
    if _ECG.fullmatch(name):
        return ChannelKind.ECG
    if _EEG.fullmatch(name):
        return ChannelKind.EEG
    if unit != MILLIVOLT or _OTHER.fullmatch(name):
        return ChannelKind.OTHER
    if millivolts_are_ecg or _FRANK.fullmatch(name):
        return ChannelKind.ECG
    return ChannelKind.OTHER


def unique_labels(labels: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels with later doubles numbered, and one repair sentence for each of those."""
    taken: set[str] = set()
    counts: Counter[str] = Counter()
    unique = []
    repairs = []
    for label in labels:
        name = label
        counts[label] += 1
        while name in taken:
            counts[label] += name != label
            name = f"{label} ({max(counts[label], 2)})"
        if name != label:
            repairs.append(f"Channel name {label!r} is used twice: the later one is {name!r}.")
        taken.add(name)
        unique.append(name)
    return tuple(unique), tuple(repairs)
