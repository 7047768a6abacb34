"""Recordings with known ground truth, for demos, tests and practice."""

from signals.simulate.ecg import SimulatedEcg, TrueBeats, holter_scenario, simulate_ecg
from signals.simulate.scenario import EcgScenario, LeadOff, NoiseLevels

__all__ = [
    "EcgScenario",
    "LeadOff",
    "NoiseLevels",
    "SimulatedEcg",
    "TrueBeats",
    "holter_scenario",
    "simulate_ecg",
]
