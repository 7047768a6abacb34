"""What no recording goes beyond, of whatever format."""

HIGHEST_RATE = 1e7
"""Samples a second."""
