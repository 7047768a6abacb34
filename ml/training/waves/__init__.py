"""The delineator: where P, QRS and T of each beat begin and end."""
