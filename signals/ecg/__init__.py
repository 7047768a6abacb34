"""ECG: filters' output to beats, intervals and rhythm."""
