"""The command ``tracekeep``: one module a command."""

from __future__ import annotations

from app.offline import forbid_network


def main() -> None:
    """Run the command that is named on the command line, and end the process with its code."""
    forbid_network()

    import sys
    import warnings

    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # they are for developers, and may quote what was read
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    from app.cli.exits import ExitCode
    from app.waiting import wait_and_tell

    wait_and_tell(
        lambda: print("another program is writing to the vault; waiting", file=sys.stderr)
    )
    try:
        from app.cli.program import program

        program(prog_name="tracekeep")
    except KeyboardInterrupt:  # before the program took over
        sys.exit(ExitCode.INTERRUPTED)
