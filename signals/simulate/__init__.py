"""Recordings with known ground truth, for demos, tests and practice."""
