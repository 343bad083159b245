"""Which command was meant? The `touchstone` command's table; each entry is imported only when it is called.

Exit codes: 0 ok, 1 failed, 2 bad input or usage, 3 some items failed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from index.errors import CatalogueError, PriceDataError, SellerDataError
from reference_brands.errors import SeedError
from serving.cli.command_table import CommandTable
from serving.errors import InvalidListing, PackageError, PolicyError, ScanError, SettingsError
from serving.telemetry.logs import configure_logging
from vision.errors import TouchstoneError

# name -> (where it is, one line of help). The help stands here so that `touchstone --help` imports nothing.
COMMANDS = {
    "serve": ("serving.cli.serve:serve", "Run the service."),
    "console": ("serving.cli.console:console", "Serve pages for people over a running service."),
    "screen": ("serving.cli.screen:screen", "Screen one listing and print the decision."),
    "scan": ("serving.cli.scan:scan", "Look at many listings in one go; compare and report what was found."),
    "brands": ("serving.cli.brands:brands", "The registry of brands and references; find listings, sweep."),
    "prices": ("serving.cli.prices:prices", "Prices: import, bands, show, drift."),
    "sellers": ("serving.cli.sellers:sellers", "Sellers: import, authorise, show, fit, rings."),
    "audit": ("serving.cli.audit:audit", "The audit log: export, verify, the head to keep elsewhere."),
    "store": ("serving.cli.store:store", "The store: copy it to another database."),
    "backup": ("serving.cli.backup:backup", "Save everything that cannot be made again, while the service runs."),
    "restore": ("serving.cli.backup:restore", "Put a backup back, or check that it is whole."),
    "privacy": ("serving.cli.privacy:privacy", "Personal data: where they are, and how somebody is erased."),
    "index": ("serving.cli.index:index", "The index snapshot: build, verify."),
    "blobs": ("serving.cli.blobs:blobs", "Files of references and photos: verify, collect, copy."),
    "photos": ("serving.cli.photos:photos", "Photos that are kept for people who decide: count, forget."),
    "keys": ("serving.cli.keys:keys", "API keys: create, list, revoke; brands that were given: grants, withdraw."),
    "catalogue": ("serving.cli.catalogue:catalogue", "The index of screened listings: build, verify, move, forget."),
    "cases": ("serving.cli.cases:cases", "Cases: list, show, claim, resolve, batch, undo, report, appeal."),
    "evidence": ("serving.cli.evidence:evidence", "Evidence packages: export, verify; what the public register gets."),
    "policy": ("serving.cli.policy:policy", "Policies: check, submit, shadow, backtest, activate; legal holds."),
    "guarantee": ("serving.cli.guarantee:guarantee", "Certificates for takedowns: certify, list, show, suspend."),
    "learn": ("serving.cli.learn:learn", "What verdicts teach: run, status, verify."),
    "fusion": ("training.fusion_cli:fusion", "What all evidence says together: fit, show."),
    "eval": ("training.cli:evaluate", "Measure on labelled data: brands, categories, prices, decisions."),
    "export-triton": ("training.export_triton:export_triton", "Write a model repository for a Triton server."),
    "train": ("training.train:train", "Train the networks that ship, or go on with a run."),
    "bench": ("serving.cli.bench:bench", "How fast is it? The networks, the service, search, side by side."),
    "doctor": ("serving.cli.doctor:doctor", "Find what is wrong and say how to mend it."),
}


# Errors about what the caller gave, not about the installation.
BAD_INPUT = (
    *(InvalidListing, SettingsError, PolicyError, ScanError, PackageError),
    *(CatalogueError, PriceDataError, SellerDataError, SeedError),
)


class Commands(CommandTable):
    """All commands."""

    table = COMMANDS


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of store and index. [$TOUCHSTONE_DATA_DIR]")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file (YAML).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
@click.option("-v", "--verbose", is_flag=True, help="Log more, to stderr.")
@click.version_option(package_name="touchstone")
@click.pass_context
def touchstone(context: click.Context, /, **options: Any) -> None:
    """Screen marketplace listings for counterfeits."""
    configure_logging("info" if options["verbose"] else "warning")  # until the settings are read
    context.obj = options


def main() -> None:
    """Run the command line; every declared error is one line on stderr and an exit code."""
    try:
        code = touchstone.main(standalone_mode=False)  # returns the code of `context.exit`
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BAD_INPUT as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except (TouchstoneError, OSError) as error:  # OSError names the file or folder that cannot be used
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    sys.exit(code)


if __name__ == "__main__":
    main()
