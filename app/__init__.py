"""What people touch: analysis, reports, the vault, the command, the window."""
