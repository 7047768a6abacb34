"""The program: all commands together. Each imports what it needs when it runs, not before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from app import __version__
from app.cli.analyze import analyze
from app.cli.annotate import annotate
from app.cli.audit import audit_export, audit_show, audit_verify
from app.cli.correct import correct
from app.cli.desktop import desktop
from app.cli.emergency import accept, emergency_list, emergency_open, emergency_review
from app.cli.evaluate import evaluate
from app.cli.exits import EPILOG, errors_to_exit_codes
from app.cli.export import export
from app.cli.list import list_recordings
from app.cli.show import show
from app.cli.strip import strip
from app.cli.users import add, list_users, passphrase, remove, role
from app.cli.vault import check, create, info, rotate
from app.cli.vault_care import backup, drill, erase, inbox, repair, restore

if TYPE_CHECKING:
    from collections.abc import Callable


class _Commands(TyperGroup):
    """All commands, behind the one handler of errors."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 (Typer's own types moved between versions)
        with errors_to_exit_codes():
            return super().invoke(ctx)


program = typer.Typer(
    name="tracekeep",
    cls=_Commands,
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # with panels, --help takes three times as long
    context_settings={"help_option_names": ["-h", "--help"]},
)
_vault = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EPILOG,
    help="Make a vault, take care of it, say who may open it.",
)
program.add_typer(_vault, name="vault")
_emergency = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EPILOG,
    help="Open one patient in an emergency, and review that.",
)
_vault.add_typer(_emergency, name="emergency")
_audit = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EPILOG,
    help="The log of who did what with the vault.",
)
program.add_typer(_audit, name="audit")
_users = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EPILOG,
    help="Say who may open the vault, and as what.",
)
_vault.add_typer(_users, name="user")


@program.callback()
def tracekeep(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda given: _show_version(given),
            help="Say which version this is.",
        ),
    ] = False,
) -> None:
    """Read ECG recordings on this machine and keep the results in an encrypted vault.

    Nothing leaves the machine. Research use only: findings are proposals to a trained reader.
    """


def _show_version(given: bool) -> None:  # noqa: FBT001 (as Typer calls it)
    if given:
        typer.echo(f"tracekeep {__version__}")
        raise typer.Exit


def _add(group: typer.Typer, name: str, command: Callable[..., None]) -> None:
    group.command(name, epilog=EPILOG)(command)


_add(_vault, "create", create)
_add(_vault, "info", info)
_add(_vault, "check", check)
_add(_vault, "repair", repair)
_add(_vault, "backup", backup)
_add(_vault, "restore", restore)
_add(_vault, "drill", drill)
_add(_vault, "erase", erase)
_add(_vault, "inbox", inbox)
_add(_vault, "accept", accept)
_add(_emergency, "open", emergency_open)
_add(_emergency, "list", emergency_list)
_add(_emergency, "review", emergency_review)
_add(_audit, "show", audit_show)
_add(_audit, "verify", audit_verify)
_add(_audit, "export", audit_export)
_add(_vault, "rotate", rotate)
_add(_users, "list", list_users)
_add(_users, "add", add)
_add(_users, "remove", remove)
_add(_users, "role", role)
_add(_users, "passphrase", passphrase)
_add(program, "analyze", analyze)
_add(program, "annotate", annotate)
_add(program, "evaluate", evaluate)
_add(program, "list", list_recordings)
_add(program, "show", show)
_add(program, "correct", correct)
_add(program, "export", export)
_add(program, "strip", strip)
_add(program, "desktop", desktop)
