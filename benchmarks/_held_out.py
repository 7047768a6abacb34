"""The models and decisions of a cross-validation: for each record those that did not see it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from ml.bundle import Bundle
from ml.decision import Decision


def held_out(bundle: Bundle, folder: Path) -> dict[str, Bundle]:
    """Return the bundle of each record, from the ``fold-*.npz`` of a training's report."""
    bundles: dict[str, Bundle] = {}
    for file in sorted(folder.glob("fold-*.npz")):
        with np.load(file) as kept:
            models = {name: kept[name].tobytes() for name in bundle.models}
            decision = Decision.from_json(json.loads(str(kept["decision"])))
            records = kept["records"].tolist()
        bundles |= dict.fromkeys(records, replace(bundle, models=models, decision=decision))
    if not bundles:
        sys.exit(f"{folder}: no fold-*.npz is there: python -m ml.training train writes them")
    return bundles
