"""The window for clinicians: views only, no signal processing."""
