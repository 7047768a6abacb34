"""Files to recordings: one module a format."""
