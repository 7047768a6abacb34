"""The command ``tracekeep``: one module a command."""
