"""`touchstone doctor`: find what is wrong and say how to mend it."""

from __future__ import annotations

from dataclasses import asdict

import click

from serving.channel import Credentials
from serving.cli.common import print_json, settings_of, wants_json
from serving.cli.connection import with_credentials
from serving.doctor import Finding, examine, examine_server


@click.command()
@with_credentials("Only ask a running service whether it serves.")
@click.option(
    "--listen",
    multiple=True,
    default=("127.0.0.1:50051",),
    show_default=True,
    metavar="HOST:PORT",
    help="Where a service is to listen, for --console and --metrics, too; may be given several times.",
)
@click.pass_context
def doctor(context: click.Context, /, server: str | None, credentials: Credentials, *, listen: tuple[str, ...]) -> None:
    """Check this installation, or a running service. Exit code 1 when something is wrong."""
    findings: list[Finding] = []
    for finding in [examine_server(server, credentials)] if server else examine(settings_of(context), listen=listen):
        findings.append(finding)
        if not wants_json(context):
            mark = click.style("ok  ", fg="green") if finding.ok else click.style("FAIL", fg="red")
            click.echo(f"{mark}  {finding.check:<14}  {finding.detail}")
    if wants_json(context):
        print_json([asdict(finding) for finding in findings])
    if not all(finding.ok for finding in findings):
        context.exit(1)
