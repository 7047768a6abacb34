"""Painters shared by screen, PNG and print: one drawing path, given plain values and a scale."""
