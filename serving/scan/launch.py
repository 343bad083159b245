"""How is a scan's process started? The command `touchstone scan`, with this service's own settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from index.scan_records import ScanRecord
from serving.scan.offered import over_ray
from serving.scan.planning import location_of
from serving.scan.process import Launch
from serving.scan.words import to_words
from serving.scan.workspace import folder_of
from serving.settings import Settings
from serving.wire.scan import DEFAULT_CASES
from touchstone.moderation.v1 import scan_pb2

_PREFIX = str(Settings.model_config["env_prefix"])


@dataclass(frozen=True)
class CommandLauncher:
    """Starts scans as commands of their own, under the settings of this process."""

    settings: Settings

    def __call__(self, scan: ScanRecord) -> Launch:
        """Say how a scan is run. One that never came further begins anew: what lies there is another's."""
        spec = scan_pb2.ScanSpec.FromString(scan.spec)
        command = [sys.executable, "-m", "serving.cli.main", "scan"]
        command += self._cases(scan, spec) if self._has_all_rows(scan) else self._scan(scan, spec)
        return Launch(command, environment_of(self.settings, os.environ))

    def _scan(self, scan: ScanRecord, spec: scan_pb2.ScanSpec) -> Iterator[str]:
        begun = scan.progress or Path(scan.output).exists()
        yield from ("run", "--out", scan.output, "--resume" if begun else "--restart", "--for-service")
        yield from to_words(spec.catalogue, spec.filter)
        address = self.settings.scan_ray_address
        if over_ray(spec, ray=bool(address)):
            yield from ("--ray", address)
        if spec.open_cases:
            yield from ("--open-cases", *_opening(scan, spec))
        yield from ("--redecide",) if spec.WhichOneof("source") == "catalogue" else ("--", location_of(spec))

    def _cases(self, scan: ScanRecord, spec: scan_pb2.ScanSpec) -> Iterator[str]:
        yield from ("cases", "--for-service", *_opening(scan, spec), "--", scan.output)

    def _has_all_rows(self, scan: ScanRecord) -> bool:
        """Whether cases are all that is left: then what decides may be another by now."""
        wanted = scan_pb2.ScanSpec.FromString(scan.spec).open_cases and bool(scan.progress)
        return wanted and Path(scan.output).exists() and not folder_of(Path(scan.output)).exists()


def _opening(scan: ScanRecord, spec: scan_pb2.ScanSpec) -> tuple[str, ...]:
    return ("--max-cases", str(spec.max_cases or DEFAULT_CASES), "--yes", "--scan-id", scan.scan_id)


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
