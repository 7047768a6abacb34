"""Recordings and annotations to files, for the formats that are written."""
