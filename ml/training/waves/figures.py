"""What the card of the wave model tells: point by point, and P waves by rhythm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.training.waves.scoring import PointScore, pooled

if TYPE_CHECKING:
    from collections.abc import Mapping

    Measured = Mapping[str, Mapping[str, Any]]

_ALONE, _BETTER = "lead II alone", "better lead"
_NEAR_MS = 20.0


def scores_of(measured: Measured) -> dict[str, float]:
    """Return how many marks are found, how many of them closely, and what is known of P waves."""
    views = _views(measured)
    alone, better = views.get(_ALONE, {}), views.get(_BETTER, {})
    shares = _p_shares(measured).values()
    total = {key: sum(share[key] for share in shares) for key in next(iter(shares), {})}
    return {
        "F1 of marks, ludb": _mean_f1(alone),
        f"marks within {_NEAR_MS:g} ms, ludb": _near(measured),
        "F1 of marks, qtdb": _mean_f1(better),
        "P seen in sinus rhythm": _ratio(total, "sinus"),
        "no P seen in fibrillation": 1 - _ratio(total, "fibrillation"),
    }


def figures_of(measured: Mapping[str, Measured]) -> dict[str, Any]:
    """Return the sections ``results``, by kind, view and point, and ``p_waves``, by record."""
    return {
        "results": {kind: _views(records) for kind, records in measured.items()},
        "p_waves": _p_shares(measured["int8"]),
    }


def report_of(card: Mapping[str, Any]) -> list[str]:
    """Return these sections as Markdown."""
    lines = [
        (
            "Milliseconds are ours minus the reader's; pairs within 150 ms, one to one. “Lead II "
            "alone”, “lead II of 12” (its own points, the other leads read with it) and “consensus "
            "of 12” are of ludb, against the marks of lead II; “better lead” and “consensus of 2” "
            "are of qtdb (q1c). The last column has means over recordings, as in Martínez 2004."
        ),
        "",
        "| | point | marks | Se | +P | F1 | F1 float32 | mean ± SD ms | by recording ms |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for view, points in card["results"]["int8"].items():
        for point, one in points.items():
            marks = one["matched"] + one["missed"]
            said = one["matched"] + one["extra"]
            lines.append(
                f"| {view} | {point} | {marks:,} | {one['matched'] / marks:.2%} | "
                f"{one['matched'] / said:.2%} | {one['f1']:.2%} | "
                f"{card['results']['float32'][view][point]['f1']:.2%} | "
                f"{one['mean']:+.1f} ± {one['sd']:.1f} | "
                f"{one['mean_of_records']:+.1f} ± {one['sd_of_records']:.1f} |"
            )
    lines += [
        "",
        "### P waves by rhythm",
        "",
        (
            "Beats of mitdb, held out: of those in regular sinus rhythm, and of those in atrial "
            "fibrillation, how many were said to have a P wave."
        ),
        "",
        "| record | sinus | with P | fibrillation | with P |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, share in card["p_waves"].items():
        lines.append(
            f"| {name} | {share['sinus']:,} | {_percent(share, 'sinus')} | "
            f"{share['fibrillation']:,} | {_percent(share, 'fibrillation')} |"
        )
    return lines


def _views(measured: Measured) -> dict[str, dict[str, PointScore]]:
    records = [one["views"] for one in measured.values() if "views" in one]
    views = sorted({view for record in records for view in record}, key=_order)
    return {view: pooled([record[view] for record in records if view in record]) for view in views}


def _order(view: str) -> tuple[bool, bool, str]:
    return "2" in view or "better" in view, "consensus" in view, view


def _p_shares(measured: Measured) -> dict[str, Any]:
    return {name: one["p_waves"] for name, one in sorted(measured.items()) if "p_waves" in one}


def _mean_f1(points: Mapping[str, PointScore]) -> float:
    return float(np.mean([one["f1"] for one in points.values()])) if points else 0.0


def _near(measured: Measured) -> float:
    """Return the share of the marks of lead II that have one of ours near them."""
    compared = [
        point
        for one in measured.values()
        for point in one.get("views", {}).get(_ALONE, {}).values()
    ]
    near = sum(int((np.abs(point["errors"]) <= _NEAR_MS).sum()) for point in compared)
    marks = sum(int(point["missed"]) + len(point["errors"]) for point in compared)
    return near / max(1, marks)


def _ratio(share: Mapping[str, int], rhythm: str) -> float:
    return share.get(f"{rhythm}_with_p", 0) / max(1, share.get(rhythm, 0))


def _percent(share: Mapping[str, int], rhythm: str) -> str:
    return f"{_ratio(share, rhythm):.1%}" if share[rhythm] else "–"
