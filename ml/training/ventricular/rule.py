"""The alarm's rule as it is judged: by weights that were fitted without the patient."""

from __future__ import annotations

from signals.ecg.ventricular import WEIGHTS

FITTED_WITHOUT = {
    (
        "mitdb/114 mitdb/203 mitdb/207 svdb/800 svdb/812 svdb/841 svdb/853 svdb/865 svdb/877 "
        "svdb/889"
    ): (-18.89, 6.64, 18.93, 13.85),
    (
        "mitdb/101 mitdb/115 mitdb/205 svdb/802 svdb/820 svdb/842 svdb/854 svdb/866 svdb/878 "
        "svdb/890 vfdb/418"
    ): (-18.80, 5.95, 21.72, 11.31),
    (
        "mitdb/102 mitdb/116 mitdb/208 svdb/803 svdb/821 svdb/844 svdb/856 svdb/868 svdb/880 "
        "svdb/892 vfdb/421"
    ): (-18.67, 7.90, 17.62, 12.64),
    (
        "mitdb/104 mitdb/118 mitdb/209 svdb/805 svdb/823 svdb/845 svdb/857 svdb/869 svdb/881 "
        "svdb/893 vfdb/424"
    ): (-19.51, 10.26, 17.04, 12.42),
    (
        "mitdb/106 mitdb/119 mitdb/215 svdb/806 svdb/824 svdb/847 svdb/859 svdb/871 svdb/883 "
        "vfdb/427"
    ): (-22.51, 8.68, 21.33, 16.00),
    (
        "mitdb/108 mitdb/122 mitdb/220 svdb/808 svdb/826 svdb/848 svdb/860 svdb/872 svdb/884 "
        "vfdb/602"
    ): (-19.49, 7.81, 18.72, 13.47),
    (
        "mitdb/109 mitdb/124 mitdb/223 svdb/809 svdb/827 svdb/850 svdb/862 svdb/874 svdb/886 "
        "vfdb/607"
    ): (-19.59, 8.12, 18.46, 13.61),
    (
        "mitdb/112 mitdb/201 mitdb/230 svdb/811 svdb/829 svdb/851 svdb/863 svdb/875 svdb/887 "
        "vfdb/611"
    ): (-19.60, 7.99, 18.71, 13.41),
}
"""Weights of the rule by the patients that had no part in their fit: ``scripts/bench ventricular``
fits them, and says so if it finds others."""


def weights_without(patient: str) -> tuple[float, ...]:
    """Return weights that were fitted without a patient; for one that was not there, what ships."""
    for patients, weights in FITTED_WITHOUT.items():
        if patient in patients.split():
            return weights
    return WEIGHTS
