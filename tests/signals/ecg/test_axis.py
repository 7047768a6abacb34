"""signals.ecg.axis: any two limb leads tell where the heart vector points."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.ecg.axis import FrontalPlane, angles, wrapped
from signals.simulate.leads import LEAD_VECTORS

LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")


def _seen(degrees: float, size: float = 0.03) -> dict[str, float]:
    """Return what each limb lead sees of a vector, by Einthoven's law and Goldberger's leads."""
    one = size * np.cos(np.radians(degrees))
    two = size * np.cos(np.radians(degrees - 60))
    three = two - one
    return {
        "I": one,
        "II": two,
        "III": three,
        "aVR": -(one + two) / 2,
        "aVL": (one - three) / 2,
        "aVF": (two + three) / 2,
    }


def _axis(labels: tuple[str, ...], degrees: float) -> float:
    plane = FrontalPlane.of(labels)
    assert plane is not None
    seen = _seen(degrees)
    area = np.array([[seen.get(label, 9.0) for label in labels]], np.float32)
    return float(angles(plane.vectors(area))[0])


@pytest.mark.parametrize("pair", list(combinations(LIMB, 2)))
@pytest.mark.parametrize("degrees", [-179, -90, -30, 0, 45, 59, 90, 150, 180])
def test_any_two_limb_leads_give_the_axis(pair: tuple[str, str], degrees: float) -> None:
    assert abs(wrapped(np.array(_axis(pair, degrees) - degrees))) < 1e-3


def test_lead_one_and_avf_are_taken_from_twelve() -> None:
    labels = tuple(label for label in LEAD_VECTORS if label != "MLII")
    plane = FrontalPlane.of(labels)
    assert plane is not None
    assert [labels[i] for i in plane.leads] == ["I", "aVF"]
    assert _axis(labels, -40) == pytest.approx(-40, abs=1e-3)


@pytest.mark.parametrize("labels", [("i", "avf"), ("ECG I", "ECG aVF"), ("lead I", " Lead_AVF ")])
def test_labels_as_files_write_them(labels: tuple[str, str]) -> None:
    plane = FrontalPlane.of(labels)
    assert plane is not None
    assert plane.leads == (0, 1)


@pytest.mark.parametrize(
    "labels", [(), ("II",), ("MLII", "V5"), ("I", "I"), ("V1", "aVF", "mod I")]
)
def test_without_two_limb_leads_there_is_no_axis(labels: tuple[str, ...]) -> None:
    assert FrontalPlane.of(labels) is None


@given(st.floats(-10_000, 10_000))
def test_an_angle_lies_above_minus_180_up_to_180(degrees: float) -> None:
    one = float(wrapped(np.array(degrees)))
    assert -180 <= one <= 180
    turns = (degrees - one) / 360
    assert turns == pytest.approx(round(turns), abs=1e-9)


def test_minus_180_is_180() -> None:
    np.testing.assert_array_equal(wrapped(np.array([-180.0, 180.0, 540.0])), [180, 180, 180])
