"""ml.tasks.beat_families: which beats are alike, and which family dominates."""

from __future__ import annotations

import numpy as np

from ml.tasks.beat_families import Families, Kinship

POINTS = 20


def _meet(
    families: Families, kind: int, weight: float = 1.0, early: float = 0.0
) -> tuple[Kinship, np.ndarray]:
    unit = np.zeros(POINTS, np.float32)
    unit[kind] = 1
    template = np.full((1, POINTS), np.nan, np.float32)
    kinship = families.meet(unit, unit[None] * 2, early, weight, template)
    return kinship, template


def test_the_first_beat_knows_no_other() -> None:
    kinship, template = _meet(Families(POINTS, 1, POINTS), 0)
    assert kinship.to_dominant == kinship.share == kinship.dominant_share == 0
    assert (template == 0).all()


def test_the_family_met_most_dominates_and_is_the_template() -> None:
    families = Families(POINTS, 1, POINTS)
    for _ in range(10):
        _meet(families, 0)
    _meet(families, 1)
    kinship, template = _meet(families, 1)
    assert kinship.to_dominant == 0
    assert kinship.to_nearest > 0.99
    assert kinship.share < 0.2
    assert not kinship.in_dominant
    assert template[0, 0] > 1.9


def test_weight_decides_between_families_of_one_size() -> None:
    families = Families(POINTS, 1, POINTS)
    for _ in range(10):
        _meet(families, 0, weight=0.3)
        _meet(families, 1, weight=1.0)
    assert _meet(families, 1)[0].in_dominant


def test_a_family_remembers_how_early_its_beats_come() -> None:
    families = Families(POINTS, 1, POINTS)
    for _ in range(10):
        _meet(families, 0)
        _meet(families, 1, early=-0.5)
    assert np.isclose(_meet(families, 1)[0].earliness, -0.5)
    assert np.isclose(_meet(families, 0)[0].earliness, 0)


def test_ever_new_shapes_do_not_push_out_the_dominant_one() -> None:
    families = Families(POINTS, 1, POINTS)
    for _ in range(20):
        _meet(families, 0)
    for kind in range(1, POINTS):
        _meet(families, kind)
    assert _meet(families, 0)[0].in_dominant
