"""What a recording is and what its samples say: no models, no windows, no vault, no network."""
