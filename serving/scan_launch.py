"""How is a scan's process started? The command `touchstone scan run`, with this service's own settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from index.scan_records import ScanRecord
from serving.scan_planning import location_of
from serving.scan_process import Launch
from serving.settings import Settings
from touchstone.moderation.v1 import scan_pb2

_PREFIX = str(Settings.model_config["env_prefix"])


@dataclass(frozen=True)
class CommandLauncher:
    """Starts scans as commands of their own, under the settings of this process."""

    settings: Settings

    def __call__(self, scan: ScanRecord) -> Launch:
        """Say how a scan is run. One that never came further begins anew: what lies there is another's."""
        spec = scan_pb2.ScanSpec.FromString(scan.spec)
        begun = scan.progress or Path(scan.output).exists()
        command = [sys.executable, "-m", "serving.cli.main", "scan", "run", location_of(spec)]
        command += ["--out", scan.output, "--resume" if begun else "--restart", "--for-service"]
        command += [word for seller in spec.filter.seller_ids for word in ("--seller", seller)]
        command += [word for market in spec.filter.markets for word in ("--market", market)]
        return Launch(command, environment_of(self.settings, os.environ))


def environment_of(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """Put settings into an environment, where secrets are seen by nobody else, in place of those it had."""
    names = {f"{_PREFIX}{name.upper()}": name for name in type(settings).model_fields}
    kept = {name: value for name, value in environment.items() if name.upper() not in names}
    return kept | dict(_given(settings, names))


def _given(settings: Settings, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for variable, name in names.items():
        value: Any = getattr(settings, name)
        if name not in settings.model_fields_set or value is None:
            continue
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        yield variable, ",".join(value) if isinstance(value, tuple) else str(value)
