"""What people touch: analysis, reports, the vault, the command, the window."""

__version__ = "0.1.0"
