"""`touchstone scan`: look at many listings in one go; `scan diff`, `report` and `cases` read what a scan wrote."""

from __future__ import annotations

import importlib

import click

# name -> where it is; what is none of these names is what to scan.
COMMANDS = {
    "run": "serving.cli.scan_run:run",
    "diff": "serving.cli.scan_diff:diff",
    "report": "serving.cli.scan_report:report",
    "cases": "serving.cli.scan_cases:cases",
}


class ScanCommands(click.Group):
    """A group in which `scan MANIFEST` means `scan run MANIFEST`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """Name all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take what is no command's name for the first argument of `run`."""
        if args and args[0] not in COMMANDS:
            args = ["run", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=ScanCommands, context_settings={"ignore_unknown_options": True})
def scan() -> None:
    """Look at many listings in one go: `scan MANIFEST|FOLDER --out OUT.parquet`."""
