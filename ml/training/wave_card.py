"""The model card: what the wave model is, on what it was tested and how well it did."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ml.decision import Decision
from ml.tasks.wave_strips import BASELINE_S, CUTOFF_HZ, GRID_RATE, STEP_POINTS, STRIP_POINTS
from ml.tasks.waves import LABELS, TASK
from ml.training.card import rounded
from ml.training.wave_evaluation import Comparison, PointScore, PShare, score

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KINDS = ("float32", "int8")

_SOURCES = [
    {
        "name": "Lobachevsky University Electrocardiography Database",
        "cite": "Kalyakulina AI, et al. LUDB: a new open-access validation tool for "
        "electrocardiogram delineation algorithms. IEEE Access 8:186181-186190 (2020).",
    },
    {
        "name": "QT Database",
        "cite": "Laguna P, Mark RG, Goldberger AL, Moody GB. A database for evaluation of "
        "algorithms for measurement of QT and other waveform intervals in the ECG. Computers in "
        "Cardiology 24:673-676 (1997).",
    },
    {
        "name": "MIT-BIH Arrhythmia Database",
        "cite": "Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. "
        "IEEE Eng in Med and Biol 20(3):45-50 (2001).",
    },
    {
        "name": "PhysioNet/CinC Challenge 2017",
        "cite": "Clifford GD, et al. AF classification from a short single lead ECG recording: "
        "the PhysioNet/Computing in Cardiology Challenge 2017. Computing in Cardiology 44 (2017).",
    },
    {
        "name": "MIT-BIH Noise Stress Test Database",
        "cite": "Moody GB, Muldrow WK, Mark RG. A noise stress test for arrhythmia detectors. "
        "Computers in Cardiology 11:381-384 (1984).",
    },
    {
        "name": "PhysioNet",
        "cite": "Goldberger AL, et al. PhysioBank, PhysioToolkit, and PhysioNet. "
        "Circulation 101(23):e215-e220 (2000).",
    },
]
_LICENCE = "Open Data Commons Attribution License 1.0 (ODC-By 1.0)"

_INTENDED_USE = (
    "Decision support for trained readers of electrocardiograms in adults: proposes where P, QRS "
    "and T of each detected beat begin and end, in each lead and in all. Every result is "
    "unconfirmed until a reader has reviewed it. Research use only; not a medical device, not for "
    "alarms."
)

_LIMITS = (
    (
        "Cross-validated by patient on the development parts of ludb and qtdb: the model that "
        "ships has learnt from all of them, so that any figure it gives on them is better than it "
        "will be on others. Excerpts of one recording are in one fold."
    ),
    (
        "R peaks are those of our own detector. Network, length of training and thresholds were "
        "chosen while looking at cross-validated results of the same patients."
    ),
    (
        "The strips that were learnt from have the R peaks of our detector as it was then; it was "
        "worked on in the same days, so training anew gives much the same figures, not the same."
    ),
    (
        "int8 and float32 were compared on strips that the final model was trained on, answer by "
        "answer (one each 8 ms), most of them easy; the columns F1 and F1 float32 compare them on "
        "held-out patients."
    ),
    (
        "P waves that are small, or hidden in the T wave before (first-degree block, fast rates), "
        "are missed in a few patients throughout: see the shares by recording."
    ),
    "Few recordings have dissociation or blocked beats: UNRELATED and lone P waves are not scored.",
    "Not tested on children, during exercise, or with implanted pacemakers beyond those of ludb.",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the command knows about the model beside its results."""

    version: tuple[int, int, int]
    recipe: Mapping[str, int]
    folds: Sequence[Sequence[str]]
    size: int
    agreement: float


def summary(results: Sequence[Mapping[str, Comparison]]) -> str:
    """Return one line on lead II alone."""
    scores = _by_view(results).get("lead II alone", {})
    return ", ".join(
        f"{point} F1 {of_point.f1:.2%} SD {of_point.sd:.1f} ms"
        for point, of_point in scores.items()
    )


def _by_view(results: Sequence[Mapping[str, Comparison]]) -> dict[str, dict[str, PointScore]]:
    views = sorted({view for record in results for view in record}, key=_order)
    return {view: score([record[view] for record in results if view in record]) for view in views}


def _order(view: str) -> tuple[bool, bool, str]:
    return "2" in view or "better" in view, "consensus" in view, view


def describe(
    facts: Facts,
    results: Mapping[str, Sequence[Mapping[str, Comparison]]],
    p_shares: Mapping[str, PShare],
) -> dict[str, Any]:
    """Return the card as JSON values.

    Parameters
    ----------
    facts : Facts
        Of the model that ships.
    results : mapping
        For each of KINDS the comparisons of each recording, by what was compared.
    p_shares : mapping
        By record name.
    """
    return dict(
        rounded(
            {
                "task": TASK,
                "version": list(facts.version),
                "decision": Decision(LABELS).as_json(),
                "intended_use": _INTENDED_USE,
                "limits": list(_LIMITS),
                "command": "python -m ml.training waves --data DIR "
                + " ".join(f"--{name} {value}" for name, value in facts.recipe.items())
                + f" --version {'.'.join(map(str, facts.version))}",
                "model": {
                    "tflite_bytes": facts.size,
                    "quantisation": "full int8 by post-training quantisation; representative "
                    "strips of training patients",
                    "agreement_int8_float32": facts.agreement,
                },
                "preprocessing": {
                    "grid_hz": GRID_RATE,
                    "strip_points": STRIP_POINTS,
                    "points_an_answer": STEP_POINTS,
                    "low_pass_hz": CUTOFF_HZ,
                    "baseline_s": BASELINE_S,
                },
                "data": {"licence": _LICENCE, "sources": _SOURCES},
                "protocol": {
                    "what": "cross-validated by patient on the development part; whole "
                    "recordings, through the shipped streaming code; within 150 ms, one to one; "
                    "milliseconds, ours minus the reader's",
                    "folds": [list(fold) for fold in facts.folds],
                    "recipe": dict(facts.recipe),
                },
                "results": {
                    kind: {
                        view: {
                            point: asdict(of_point) | {"f1": of_point.f1}
                            for point, of_point in scores.items()
                        }
                        for view, scores in _by_view(results[kind]).items()
                    }
                    for kind in KINDS
                },
                "p_waves": {name: asdict(share) for name, share in sorted(p_shares.items())},
            }
        )
    )


def as_markdown(card: Mapping[str, Any]) -> str:
    """Return the card for people."""
    protocol = card["protocol"]
    lines = [
        f"# Model card: {card['task']} {'.'.join(map(str, card['version']))}",
        "",
        card["intended_use"],
        "",
        (
            f"{card['model']['tflite_bytes']:,} bytes, {card['model']['quantisation']}; int8 and "
            f"float32 agree on {card['model']['agreement_int8_float32']:.2%} of the answers, one "
            "each 8 ms, in strips that the model was trained on."
        ),
        "",
        "## Results",
        "",
        (
            f"{protocol['what'].capitalize()}; {len(protocol['folds'])} folds, seed "
            f"{protocol['recipe']['seed']}. “Lead II alone”, “lead II of 12” (its own points, the "
            "other leads read with it) and “consensus of 12” are of ludb, against the marks of "
            "lead II; “better lead” and “consensus of 2” are of qtdb (q1c). The last column has "
            "means over recordings, as in Martínez 2004."
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
            f"| {name} | {share['sinus']:,} | {_share(share, 'sinus')} | "
            f"{share['fibrillation']:,} | {_share(share, 'fibrillation')} |"
        )
    lines += ["", "## Limits", "", *(f"- {limit}" for limit in card["limits"])]
    lines += ["", "## Made by", "", f"    {card['command']}", "", "## Data", ""]
    lines += [f"All under the {card['data']['licence']}.", ""]
    lines += [f"- {source['name']}. {source['cite']}" for source in card["data"]["sources"]]
    return "\n".join(lines) + "\n"


def _share(share: Mapping[str, int], rhythm: str) -> str:
    return f"{share[f'{rhythm}_with_p'] / share[rhythm]:.1%}" if share[rhythm] else "–"
