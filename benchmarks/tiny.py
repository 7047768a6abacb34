"""Every model that ships, measured in the manner of MLPerf Tiny, beside its peers in one run.

    python benchmarks/tiny.py [--json FILE] [TASK ...]

For each .tflite file of each bundle: a quality gate on the figures of its card (cross-validated by
patient, int8), single-stream latency (one item at a time, p50 and p90), throughput (many items,
the batch that it ships with), memory, size, multiply-adds, parameters, and whether an integer
accelerator would take all of it. Beside it the same network as float32 in LiteRT and in ONNX
Runtime and as int8 in ONNX Runtime, made from the shipped file, and the shipped file in
tflite-runtime 2.14 where TRACEKEEP_TFLITE_PYTHON or scripts/environment has it. All of them are
checked to give the same answers, to what int8 costs, before anything is printed.

CPU time of one thread: on an idle machine, the time by the clock. Each contender runs in processes
of its own, in turn with the others; shown is the median of the rounds. "memory" is what a process
gains by loading and running the model, "arena" the least that the tensors between the operators
need at once, "apart" how far its answers are from those of the shipped one, in standard deviations
of an output. Inputs are noise: no network here takes longer for one input than for another.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks._edge_tpu import refusals  # noqa: E402 (the project's root comes first)
from benchmarks._onnx_twin import onnx_twin  # noqa: E402
from benchmarks._tflite import float_twin  # noqa: E402
from ml.bundle import Bundle  # noqa: E402
from ml.registry import SHIPPED, bundle_for  # noqa: E402
from ml.runtime import Model  # noqa: E402
from ml.runtime_graph import read_graph  # noqa: E402
from ml.tasks.beats import BeatClassifier  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDS = 3
ITEMS = 128
SHIPPED_AS = "int8"
FLOAT = "float32"
ONNX_FLOAT, ONNX_INT8 = "float32, ONNX", "int8, ONNX"
OLD_RUNTIME = "int8, 2.14"
MOST_FLOAT_DIFFERENCE, MOST_ROUNDING, MOST_INT8_DIFFERENCE = 1e-3, 0.2, 0.5
"""Root mean square of the difference, in standard deviations of the output: between two float
runtimes, between two int8 ones, and between int8 and float. Networks that have nothing to do with
each other are 1.4 apart; noise parts int8 from float more than a recording does."""


@dataclass(frozen=True)
class Gate:
    """What a figure of a card is to reach."""

    what: str
    path: tuple[str | int, ...]
    least: float


GATES = {
    "beats": [
        Gate("V sensitivity", ("results", "all", "int8", "V", "sensitivity"), 0.97),
        Gate("V predictivity", ("results", "all", "int8", "V", "predictivity"), 0.97),
        Gate("S sensitivity", ("results", "all", "int8", "S", "sensitivity"), 0.80),
        Gate("S predictivity", ("results", "all", "int8", "S", "predictivity"), 0.75),
        Gate("S F1, mean over patients", ("scores", 0, "S F1, mean over patients"), 0.70),
        Gate("svdb, V F1", ("results", "svdb", "int8", "V", "f1"), 0.92),
        Gate("svdb, S F1", ("results", "svdb", "int8", "S", "f1"), 0.78),
    ],
    "rhythm": [
        Gate("mean F1", ("scores", 0, "mean F1 of sinus, fibrillation and other"), 0.85),
    ],
    "ventricular": [
        Gate("vfdb, windows alarmed at 0.1/h", ("scores", 0, "windows Se at 0.1/h"), 0.90),
    ],
    "waves": [
        Gate("P onset F1", ("results", "int8", "lead II alone", "p_on", "f1"), 0.975),
        Gate("QRS onset F1", ("results", "int8", "lead II alone", "qrs_on", "f1"), 0.998),
        Gate("T offset F1", ("results", "int8", "lead II alone", "t_off", "f1"), 0.985),
    ],
}
"""The bars that the project set itself before training; a model may ship below them and says so."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tasks", nargs="*", metavar="TASK", help="beats, rhythm ... (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    options = parser.parse_args()
    shipped = sorted(path.parent.name for path in SHIPPED.glob("*/manifest.json"))
    if unknown := set(options.tasks) - set(shipped):
        parser.error(f"no bundle for {', '.join(sorted(unknown))}: there are {', '.join(shipped)}")
    print(processor())
    figures = [
        measure(bundle_for(task), name, tflite)
        for task in options.tasks or shipped
        for name, tflite in sorted(bundle_for(task).models.items())
    ]
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if "beats" in (options.tasks or shipped):
        print(f"\nbeats, all included: {classified_per_second():,.0f} beats per CPU second")


def processor() -> str:
    """Name the CPU, and whether it multiplies int8 faster than float32 (Linux on x86-64)."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    entry = dict(line.split(":", 1) for line in lines if ":" in line)
    entry = {key.strip(): value.strip() for key, value in entry.items()}
    vnni = any("vnni" in flag for flag in entry.get("flags", "").split())
    return f"{entry.get('model name', platform.machine())}, {'with' if vnni else 'without'} VNNI"


def measure(bundle: Bundle, name: str, tflite: bytes) -> dict[str, Any]:
    graph = read_graph(tflite)
    model = Model(tflite)
    figures = {
        "bundle": bundle.id,
        "model": name,
        "bytes": len(tflite),
        "batch": model.batch,
        "parameters": graph.parameters,
        "multiply_adds_per_item": sum(one.multiply_adds for one in graph.operators) // model.batch,
        "arena_bytes": graph.arena_bytes,
        "operators": sorted({operator.name for operator in graph.operators}),
        "edge_tpu_refusals": refusals(tflite),
        "gates": [checked(gate, bundle.card) for gate in GATES.get(bundle.task, [])],
        "contenders": contend(model, tflite),
    }
    show(figures)
    return figures


def checked(gate: Gate, card: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
    for key in gate.path:
        card = card[key]
    return {"what": gate.what, "least": gate.least, "figure": card, "passed": card >= gate.least}


def contend(model: Model, tflite: bytes) -> dict[str, dict[str, Any]]:
    """Return what was measured of each contender, the shipped model first."""
    inputs = noise(model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "inputs.npz", **{f"input{i:02}": one for i, one in enumerate(inputs)})
        cases: dict[str, tuple[str, Path]] = {}
        for case, file, content in (
            (SHIPPED_AS, "shipped.tflite", tflite),
            (FLOAT, "float.tflite", float_twin(tflite)),
            (ONNX_FLOAT, "float.onnx", onnx_twin(tflite, int8=False)),
            (ONNX_INT8, "int8.onnx", onnx_twin(tflite, int8=True)),
        ):
            (folder / file).write_bytes(content)
            cases[case] = sys.executable, folder / file
        other = ROOT / ".venv-tflite-runtime/bin/python"
        if Path(python := os.environ.get("TRACEKEEP_TFLITE_PYTHON", str(other))).exists():
            cases[OLD_RUNTIME] = python, folder / "shipped.tflite"
        rounds: dict[str, list[dict[str, Any]]] = {case: [] for case in cases}
        answers: dict[str, list[NDArray[np.float32]]] = {}
        for _ in range(ROUNDS):
            for case, (python, file) in cases.items():
                figures, answers[case] = run_case(python, file, folder)
                rounds[case].append(figures | {"bytes": file.stat().st_size})
    agree(answers)
    return {
        case: middle(figures) | {"apart": apart(answers[case], answers[SHIPPED_AS])}
        for case, figures in rounds.items()
    }


def noise(model: Model) -> list[NDArray[np.float32]]:
    """Draw items for each input about 0, in the range that its int8 stands for."""
    rng = np.random.default_rng(0)
    inputs = []
    for spec in model.inputs:
        low, high = (spec.scale * (level - spec.zero_point) for level in (-128, 127))
        drawn = rng.normal(0, 0.15 * (high - low), (ITEMS, *spec.shape[1:]))
        inputs.append(np.clip(drawn, low, high).astype(np.float32))
    return inputs


def run_case(
    python: str, file: Path, folder: Path
) -> tuple[dict[str, Any], list[NDArray[np.float32]]]:
    script = Path(__file__).with_name("_tiny_case.py")
    command = [python, script, ROOT, file, folder / "inputs.npz", folder / "outputs.npz"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{file.name} could not be measured:\n{done.stderr}")
    with np.load(folder / "outputs.npz") as outputs:
        return json.loads(done.stdout), [outputs[key] for key in sorted(outputs.files)]


def agree(answers: dict[str, list[NDArray[np.float32]]]) -> None:
    """Stop where a contender does not compute the network that ships."""
    pairs = [(FLOAT, SHIPPED_AS, MOST_INT8_DIFFERENCE), (ONNX_FLOAT, FLOAT, MOST_FLOAT_DIFFERENCE)]
    pairs += [(case, SHIPPED_AS, MOST_ROUNDING) for case in (ONNX_INT8, OLD_RUNTIME)]
    for case, reference, most in pairs:
        if case in answers and (found := apart(answers[case], answers[reference])) > most:
            sys.exit(f"{case} is not the network of {reference}: {found:.4f} SD apart")


def apart(one: list[NDArray[np.float32]], other: list[NDArray[np.float32]]) -> float:
    """Return the root mean square difference in standard deviations, of the worst output."""
    return max(
        float(np.sqrt(np.square(a - b).mean()) / b.std()) for a, b in zip(one, other, strict=True)
    )


def middle(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        key: statistics.median(one[key] for one in rounds) if isinstance(value, float) else value
        for key, value in rounds[0].items()
    }


def show(figures: dict[str, Any]) -> None:
    print(
        f"\n{figures['bundle']}, {figures['model']}: {figures['bytes']:,} bytes, "
        f"{figures['parameters']:,} parameters, {figures['multiply_adds_per_item']:,} "
        f"multiply-adds an item, batch {figures['batch']}, arena "
        f"{figures['arena_bytes'] / 1024:,.0f} KiB"
    )
    for gate in figures["gates"]:
        verdict = "passed" if gate["passed"] else "NOT passed"
        print(f"  gate {gate['what']} >= {gate['least']:g}: {gate['figure']:.4f}, {verdict}")
    if not figures["gates"]:
        print("  no quality gate is stated for this task")
    print(f"  operators: {', '.join(figures['operators'])}")
    refused = figures["edge_tpu_refusals"]
    print(f"  Edge TPU: {'; '.join(refused) if refused else 'takes all of it'}")
    print(
        f"  {'':15}{'':22}{'p50 us':>9}{'p90 us':>9}{'us/item':>9}{'item/s':>10}{'ratio':>7}"
        f"{'load us':>9}{'memory KiB':>12}{'file B':>10}{'apart':>8}"
    )
    ours = figures["contenders"][SHIPPED_AS]["item_us"]
    for case, one in figures["contenders"].items():
        memory = "-" if one["memory_kib"] is None else f"{one['memory_kib']:,}"
        print(
            f"  {case:15}{one['name']:22}{one['p50_us']:9.0f}{one['p90_us']:9.0f}"
            f"{one['item_us']:9.1f}{1e6 / one['item_us']:10,.0f}{one['item_us'] / ours:7.2f}"
            f"{one['load_us']:9,.0f}{memory:>12}{one['bytes']:10,}"
            f"{one['apart']:8.1%}",
            flush=True,
        )


def classified_per_second() -> float:
    """Classify half an hour of beats that are all alike, each read in full, features included."""
    rate, minutes = 250.0, 30
    rng = np.random.default_rng(0)
    peaks = np.arange(200, minutes * 60 * rate - 200, 200).astype(np.int64)
    samples = rng.normal(0, 0.02, (2, round(minutes * 60 * rate))).astype(np.float32)
    for offset in range(-5, 6):
        samples[:, peaks + offset] += 1 - abs(offset) / 6
    rates = []
    for _ in range(ROUNDS):
        classifier = BeatClassifier(bundle_for("beats"), rate, 2, adaptive=False)
        begun = time.process_time()
        classifier.push(samples, peaks)
        classifier.finish()
        rates.append(len(peaks) / (time.process_time() - begun))
    return statistics.median(rates)


if __name__ == "__main__":
    main()
