"""What do scans by the service consist of? What answers for them, and what runs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from index.store.store import Store
from serving.scan.answers import ScanAnswers
from serving.scan.files import ScanFiles
from serving.scan.launch import CommandLauncher
from serving.scan.planning import SourcePlanner
from serving.scan.worker import ScanWorker
from serving.settings import Settings
from vision.calibration import MatchCalibration


@dataclass(frozen=True)
class ScanParts:
    """The two sides of the queue of scans."""

    answers: ScanAnswers
    worker: ScanWorker

    @classmethod
    def of(cls, settings: Settings, store: Store, calibration: MatchCalibration) -> Self:
        """Put them together. Raises SettingsError for a root of scans that is none."""
        files, ray = ScanFiles.of_service(settings.scan_roots), bool(settings.scan_ray_address)
        planner = SourcePlanner(files=files, store=store, calibration=calibration, ray=ray)
        return cls(ScanAnswers(store=store, planner=planner), ScanWorker(store=store, launch=CommandLauncher(settings)))
