"""`touchstone scan`: look at many listings in one go; `scan diff`, `report` and `cases` read what a scan wrote."""

from __future__ import annotations

import click

from serving.cli.command_table import CommandTable

# What is none of these names is what to scan.
COMMANDS = {
    "run": ("serving.cli.scan_run:run", "The scan itself; may be left out."),
    "diff": ("serving.cli.scan_diff:diff", "Say what changed between two scans."),
    "report": ("serving.cli.scan_report:report", "Write a page that says what a scan found."),
    "cases": ("serving.cli.scan_cases:cases", "Open a case for each listing that became worse."),
}


class ScanCommands(CommandTable):
    """A table in which `scan MANIFEST` means `scan run MANIFEST`."""

    table = COMMANDS

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
