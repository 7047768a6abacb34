"""The pictures of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ml.training.int8_error import LayerError

_COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44", "#edae49", "#6a4c93", "#66717e")
_INK, _FAINT = "#22303c", "#d5dbe1"
_STYLE = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "text.color": _INK,
    "axes.edgecolor": "#8894a0",
    "axes.labelcolor": _INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=_COLOURS),
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.dpi": 150,
}


@contextmanager
def _figure(path: Path, width: float = 7.0, height: float = 4.2) -> Iterator[Figure]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        figure = Figure((width, height), layout="constrained")
        yield figure
        # without the date and the version, the same figures give the same file
        figure.savefig(path, metadata={"Software": None})


def learning_curves(path: Path, losses: Mapping[str, Sequence[float]]) -> None:
    """Draw the loss of each epoch, one line for each training."""
    with _figure(path) as figure:
        axes = figure.subplots()
        for name, values in losses.items():
            axes.plot(range(1, len(values) + 1), values, marker="o", markersize=3, label=name)
        axes.set(title="Loss while learning", xlabel="epoch", ylabel="training loss")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()


def confusion(path: Path, counts: NDArray[np.int64], labels: Sequence[str]) -> None:
    """Draw counts, rows the true class, each coloured by its share of the row."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2.2 + 0.75 * len(labels)
    with _figure(path, size + 0.6, size) as figure:
        axes = figure.subplots()
        axes.grid(visible=False)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), n in np.ndenumerate(counts):
            share = shares[row, column]
            axes.text(
                column,
                row,
                f"{n:,}\n{share:.1%}" if n else "–",
                ha="center",
                va="center",
                color="white" if share > 0.55 else _INK,
                fontsize=8,
            )
        axes.set(title="Held-out answers, int8", xlabel="answered", ylabel="true")
        axes.set_xticks(range(len(labels)), labels)
        axes.set_yticks(range(len(labels)), labels)


def reliability(path: Path, told: Mapping[str, Any]) -> None:
    """Draw how often answers were right by the probability that they were given.

    Parameters
    ----------
    path : pathlib.Path
    told : mapping
        As :func:`ml.training.calibration.told` gives it.
    """
    with _figure(path, 7.0, 5.0) as figure:
        upper, lower = figure.subplots(
            2, 1, sharex=True, gridspec_kw={"height_ratios": (3, 1), "hspace": 0.04}
        )
        upper.plot([0, 1], [0, 1], color="#8894a0", linewidth=1, linestyle=(0, (4, 3)))
        for number, when in enumerate(("before", "after")):
            bins = told["reliability"][when]
            error = told["expected_calibration_error"][when]
            upper.plot(
                bins["promised"],
                bins["kept"],
                marker="o",
                markersize=4,
                color=_COLOURS[1 - number],
                label=f"{when} calibration, error {error:.1%}",
            )
            lower.bar(
                np.array(bins["promised"]) + 0.008 * (2 * number - 1),
                bins["share"],
                width=0.015,
                color=_COLOURS[1 - number],
            )
        upper.set(title="Are probabilities kept?", ylabel="share that was right", ylim=(0, 1.03))
        upper.legend(loc="upper left")
        lower.set(yscale="log", ylabel="answers", xlabel="probability of the likeliest class")
        lower.set_xlim(0, 1.03)


def int8_error(path: Path, models: Mapping[str, Sequence[LayerError]]) -> None:
    """Draw the relative error of each operator's output, model by model."""
    rows = [
        (f"{number}  {one.operator.lower()}", one.relative, index)
        for index, errors in enumerate(models.values())
        for number, one in enumerate(errors, 1)
    ]
    with _figure(path, 7.0, 1.4 + 0.19 * len(rows)) as figure:
        axes = figure.subplots()
        axes.grid(visible=False, axis="y")
        axes.barh(
            range(len(rows)),
            [100 * row[1] for row in rows],
            height=0.7,
            color=[_COLOURS[row[2] % len(_COLOURS)] for row in rows],
        )
        axes.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=7)
        axes.invert_yaxis()
        axes.margins(y=0.01)
        names = ", ".join(models)
        axes.set(
            title=f"What int8 changes, operator by operator ({names})",
            xlabel="root mean square of the difference to float32, % of the values'",
        )


def sparsity(path: Path, points: Sequence[Mapping[str, Any]], score: str) -> None:
    """Draw what a score, the compressed size and the latency become as weights are taken out.

    Parameters
    ----------
    path : pathlib.Path
    points : sequence of mapping
        As :func:`ml.training.prune_curve.curve` gives them, the dense one first.
    score : str
        Name of the score.
    """
    at = [100 * point["sparsity"] for point in points]
    with _figure(path, 7.0, 4.6) as figure:
        axes = figure.subplots()
        for key, label, colour in (
            ("score", score, _COLOURS[0]),
            ("compressed_bytes", "compressed size", _COLOURS[1]),
            ("latency_us", "latency, one thread", _COLOURS[2]),
        ):
            first = points[0][key]
            axes.plot(
                at,
                [100 * point[key] / first for point in points],
                marker="o",
                markersize=4,
                color=colour,
                label=label,
            )
        for line, at_claim in ((axes.axhline, 95), (axes.axvline, 90)):
            line(at_claim, color="#8894a0", linewidth=0.8, linestyle=(0, (4, 3)))
        axes.plot(
            90,
            95,
            marker="D",
            markersize=9,
            linestyle="none",
            markerfacecolor="none",
            markeredgecolor=_INK,
            label="claim to test: 90 % removed, 95 % of the accuracy kept",
        )
        axes.set(
            title="What pruning keeps and what it saves",
            xlabel="weights that are zero, %",
            ylabel="% of the dense model's",
            ylim=(0, None),
        )
        axes.legend(loc="lower left")


def front(path: Path, points: Sequence[Mapping[str, Any]], score: str) -> None:
    """Draw the score of each point of a search against size and against latency.

    Parameters
    ----------
    path : pathlib.Path
    points : sequence of mapping
        As :func:`ml.training.search.search` gives them.
    score : str
        Name of the score.
    """
    with _figure(path, 9.0, 4.2) as figure:
        for axes, key, label in zip(
            figure.subplots(1, 2, sharey=True),
            ("bytes", "latency_us"),
            ("size of the models, kB", "latency of one item, µs"),
            strict=True,
        ):
            factor = 1e-3 if key == "bytes" else 1.0
            for number, bits in enumerate(sorted({point["bits"] for point in points})):
                of_bits = [point for point in points if point["bits"] == bits]
                axes.scatter(
                    [factor * point[key] for point in of_bits],
                    [100 * point["score"] for point in of_bits],
                    s=22,
                    color=_COLOURS[number],
                    alpha=0.85,
                    label=bits,
                )
            best = sorted((p for p in points if p[f"on_front_{key}"]), key=lambda p: float(p[key]))
            axes.step(
                [factor * point[key] for point in best],
                [100 * point["score"] for point in best],
                where="post",
                color="#8894a0",
                linewidth=1,
            )
            for point in (point for point in points if point["chosen"]):
                axes.scatter(
                    factor * point[key],
                    100 * point["score"],
                    s=120,
                    facecolors="none",
                    edgecolors=_INK,
                    linewidths=1.4,
                    label="chosen",
                )
            axes.set(xlabel=label, xlim=(0, None))
            if key == "bytes":
                axes.set(title="Accuracy against what it costs", ylabel=f"{score}, %")
                axes.legend()
