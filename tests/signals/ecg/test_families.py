"""signals.ecg.families: which beats are alike, which family dominates, and who is who."""

from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from signals.ecg.families import MOST_FAMILIES, OTHER, Families, FamilyTable, Kinship, Met

POINTS = 64


def _shape(kind: int) -> NDArray[np.float32]:
    unit = np.zeros(POINTS, np.float32)
    if kind >= 0:
        unit[kind] = 1
    return unit


def _meet(
    families: Families,
    kinds: list[int],
    *,
    weight: float = 1.0,
    early: float = 0.0,
    start: int = 1,
) -> Met:
    units = np.stack([_shape(kind) for kind in kinds])
    n = len(kinds)
    return families.meet(
        np.arange(start, start + n),
        units,
        units[:, None] * 2,
        np.full(n, early, np.float32),
        np.full(n, weight, np.float32),
    )


def _one(families: Families, kind: int, *, weight: float = 1.0, early: float = 0.0) -> Kinship:
    return Kinship(*_meet(families, [kind], weight=weight, early=early).kinship[0].tolist())


def _families() -> Families:
    return Families(POINTS, 1, POINTS)


def _settled(kinds: list[int]) -> tuple[NDArray[np.int16], FamilyTable]:
    families = _families()
    met = _meet(families, kinds)
    table = families.table()
    return table.settled(np.arange(1, len(kinds) + 1), met.ids), table


def test_the_first_beat_knows_no_other() -> None:
    met = _meet(_families(), [0])
    kinship = Kinship(*met.kinship[0].tolist())
    assert kinship.to_dominant == kinship.share == kinship.dominant_share == 0
    assert (met.templates == 0).all()


def test_the_family_met_most_dominates_and_is_the_template() -> None:
    families = _families()
    met = _meet(families, [0] * 10 + [1, 1])
    kinship = Kinship(*met.kinship[-1].tolist())
    assert kinship.to_dominant == 0
    assert kinship.to_nearest > 0.99
    assert kinship.share < 0.2
    assert not kinship.in_dominant
    assert met.templates[-1, 0, 0] > 1.9


def test_weight_decides_between_families_of_one_size() -> None:
    families = _families()
    for _ in range(10):
        _one(families, 0, weight=0.3)
        _one(families, 1, weight=1.0)
    assert _one(families, 1).in_dominant
    dominant = families.table().dominant
    assert dominant is not None
    assert dominant.id == 2


def test_a_family_remembers_how_early_its_beats_come() -> None:
    families = _families()
    for _ in range(10):
        _one(families, 0)
        _one(families, 1, early=-0.5)
    assert np.isclose(_one(families, 1).earliness, -0.5)
    assert np.isclose(_one(families, 0).earliness, 0)
    assert {f.id: round(f.earliness, 2) for f in families.table().families} == {1: 0, 2: -0.45}


def test_ever_new_shapes_do_not_push_out_the_dominant_one() -> None:
    families = _families()
    _meet(families, [0] * 20)
    _meet(families, list(range(1, 20)))
    assert _one(families, 0).in_dominant


class _Plain:
    """The arithmetic that the shipped beat model was trained on, one plain step at a time."""

    def __init__(self, qrs_points: int, leads: int, points: int) -> None:
        self.units = np.zeros((8, qrs_points), np.float32)
        self.shapes = np.zeros((8, leads, points), np.float32)
        self.weights = np.zeros(8)
        self.sizes = [0] * 8
        self.earliness = [0.0] * 8

    def meet(
        self, unit: NDArray[np.float32], shape: NDArray[np.float32], ratio: float, weight: float
    ) -> tuple[list[float], NDArray[np.float32]]:
        likeness = self.units @ unit
        dominant, nearest = int(self.weights.argmax()), int(likeness.argmax())
        template = self.shapes[dominant].copy()
        total = float(self.weights.sum())
        joins = bool(likeness[nearest] >= 0.85)
        kinship = [
            float(likeness[dominant]),
            float(likeness[nearest]),
            float(self.weights[nearest]) / total if joins else 0.0,
            float(self.weights[dominant]) / total if total else 0.0,
            self.earliness[nearest] if joins else ratio,
            float(joins and nearest == dominant),
        ]
        if not joins:
            nearest = int(self.weights.argmin())
            self.weights[nearest] = 0.0
            self.sizes[nearest] = 0
        self.sizes[nearest] += 1
        step = max(1.0 / self.sizes[nearest], 0.04)
        mean = self.units[nearest]
        mean += np.float32(step) * (unit - mean)
        mean /= np.sqrt(mean @ mean) + np.float32(1e-6)
        self.shapes[nearest] += np.float32(step) * (shape - self.shapes[nearest])
        self.earliness[nearest] += step * (ratio - self.earliness[nearest])
        self.weights *= 0.995
        self.weights[nearest] += weight
        return kinship, template


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1000), scatter=st.sampled_from([0.02, 0.1, 0.3]), kinds=st.integers(1, 30)
)
def test_the_model_sees_what_it_was_trained_on_to_the_last_bit(
    seed: int, scatter: float, kinds: int
) -> None:
    rng = np.random.default_rng(seed)
    n, qrs_points, leads, points = 300, 70, 2, 112
    centres = rng.standard_normal((kinds, leads * points))
    beats = centres[rng.integers(0, kinds, n)] + scatter * rng.standard_normal((n, leads * points))
    shapes = beats.astype(np.float32).reshape(n, leads, points)
    shapes[rng.random(n) < 0.02] = 0
    units = shapes[:, :, :35].reshape(n, qrs_points)
    units = units / (np.sqrt(np.square(units).sum(axis=1, keepdims=True)) + np.float32(1e-6))
    ratios = rng.normal(0, 0.3, n).astype(np.float32)
    weights = rng.uniform(0, 4, n).astype(np.float32)

    met = Families(qrs_points, leads, points).meet(np.arange(n), units, shapes, ratios, weights)
    plain = _Plain(qrs_points, leads, points)
    for i in range(n):
        kinship, template = plain.meet(units[i], shapes[i], float(ratios[i]), float(weights[i]))
        np.testing.assert_array_equal(met.kinship[i], np.array(kinship, np.float32))
        np.testing.assert_array_equal(met.templates[i], template)


def test_a_family_has_one_id_and_an_exact_count() -> None:
    ids, table = _settled([5, 5, 7, 5, 7, 5])
    assert ids.tolist() == [1, 1, 2, 1, 2, 1]
    assert [(f.id, f.count, f.since) for f in table.families] == [(1, 4, 1), (2, 2, 3)]
    np.testing.assert_allclose(table.families[1].template[0], 2 * _shape(7))


def test_a_shape_that_comes_back_has_its_id_again() -> None:
    ids, table = _settled([0] * 5 + [*range(1, 18)] * 3 + [0] * 5)
    assert set(ids[:5].tolist()) == set(ids[-5:].tolist()) == {1}
    assert table.families[0].count == 10
    np.testing.assert_allclose(table.families[0].template[0], 2 * _shape(0), atol=1e-5)


def test_a_returning_family_keeps_the_mean_of_all_its_beats() -> None:
    families = _families()
    others = [*range(1, 18)]
    for size, n in ((1.0, 3), (2.0, 6)):
        units = np.tile(_shape(0), (n, 1))
        families.meet(
            np.arange(n),
            units,
            units[:, None] * np.float32(size),
            np.zeros(n, np.float32),
            np.ones(n, np.float32),
        )
        _meet(families, others * 3)
    template = next(f.template for f in families.table().families if f.id == 1)
    np.testing.assert_allclose(template[0, 0], (3 * 1 + 6 * 2) / 9, rtol=1e-5)


def test_large_families_that_come_late_take_the_ids_of_small_ones() -> None:
    rare, late = list(range(40)), [50, 51, 52]
    kinds = [60] * 50 + rare + late * 20
    ids, table = _settled(kinds)
    largest = {f.count for f in table.families[:4]}
    assert largest == {50, 20}
    assert len(table.families) == MOST_FAMILIES
    for kind in late:
        assert len(set(ids[[i for i, k in enumerate(kinds) if k == kind]].tolist())) == 1


def test_a_rare_shape_waits_while_all_families_are_larger() -> None:
    common = [kind for kind in range(MOST_FAMILIES) for _ in range(3)]
    ids, _ = _settled([*common, 40, 40, 40])
    assert ids[-3:-1].tolist() == [OTHER, OTHER]
    assert ids[-1] != OTHER


def test_beats_that_cannot_be_read_belong_to_no_family() -> None:
    ids, table = _settled([0, -1, -1, 0, -1])
    assert ids.tolist() == [1, OTHER, OTHER, 1, OTHER]
    assert table.n_other == 3


def test_families_that_turn_out_to_be_one_are_one_in_the_end() -> None:
    away = np.radians(np.concatenate((np.zeros(10), np.linspace(37, 14, 30), np.full(40, 14))))
    units = np.outer(np.cos(away), _shape(0)) + np.outer(np.sin(away), _shape(1))
    units = units.astype(np.float32)
    n = len(units)
    families = _families()
    ones = np.ones(n, np.float32)
    met = families.meet(np.arange(n), units, units[:, None], 0 * ones, ones)
    assert met.ids.tolist() == [1] * 10 + [2] * 70
    table = families.table()
    (family,) = table.families
    assert (family.id, family.count, family.since, family.weight) == (2, n, 0, n)
    assert (table.settled(np.arange(n), met.ids) == 2).all()


def test_no_beat_no_family() -> None:
    table = _families().table()
    assert (table.families, table.n_other, table.dominant) == ((), 0, None)
    assert table.settled(np.zeros(0, np.int64), np.zeros(0, np.int16)).shape == (0,)


def test_a_recount_keeps_the_shapes_and_forgets_the_numbers() -> None:
    families = _families()
    _meet(families, [0, 0, 1])
    families.recount()
    met = _meet(families, [1, 0, 0])
    assert met.ids.tolist() == [1, 2, 2]
    assert met.kinship[0, 1] > 0.99
    assert {f.id: f.count for f in families.table().families} == {1: 1, 2: 2}


@settings(max_examples=50, deadline=None)
@given(
    kinds=st.lists(st.integers(-1, POINTS - 1), max_size=300),
    cuts=st.lists(st.integers(0, 300), max_size=8).map(sorted),
)
def test_the_table_counts_every_beat_once_however_they_came(
    kinds: list[int], cuts: list[int]
) -> None:
    families = _families()
    parts = [np.zeros(0, np.int16)]
    for start, stop in zip([0, *cuts], [*cuts, len(kinds)], strict=True):
        if part := kinds[start:stop]:
            parts.append(_meet(families, part, start=start + 1).ids)
    table = families.table()
    ids = table.settled(np.arange(1, len(kinds) + 1), np.concatenate(parts))
    counts = np.bincount(ids, minlength=MOST_FAMILIES + 1)
    assert counts[OTHER] == table.n_other
    assert {f.id: f.count for f in table.families} == {
        i: c for i, c in enumerate(counts.tolist()) if i != OTHER and c
    }
    if kinds:
        whole, _ = _settled(kinds)
        np.testing.assert_array_equal(ids, whole)


def test_memory_does_not_grow_with_the_recording() -> None:
    families = _families()
    kinds = np.random.default_rng(0).integers(0, POINTS, 500).tolist()
    held = []
    tracemalloc.start()
    for lap in range(8):
        _meet(families, kinds, start=1 + lap * 500)
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[-1] < held[2] + 20_000
