"""Who sees which applications? Those who decide all of them, applicants their own, a role without a name none."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.applications import Application
from index.store.store import Store
from serving.access.caller import BRAND_OWNER, NOBODY, Caller
from serving.application_answers import ApplicationAnswers
from serving.brand_answers import BrandAnswers
from tests.contract.test_store_decisions import NOON
from tests.support.databases import with_tables
from touchstone.moderation.v1 import brand_portal_service_pb2 as pb


@pytest.mark.parametrize(
    ("caller", "count"),
    [
        (Caller("lena", frozenset({"lead"})), 2),
        (Caller("ann"), 1),
        (Caller("ann", frozenset({BRAND_OWNER})), 1),
        (Caller("", frozenset({BRAND_OWNER})), 0),
        (NOBODY, 2),  # nobody was asked to sign in: whoever reaches the server may do everything
    ],
)
def test_applications_are_seen_by_whom_they_concern(tmp_path: Path, caller: Caller, count: int) -> None:
    """A caller of whom a proxy tells roles and no name is held to them, and sees nobody's applications."""
    with Store.open(with_tables(tmp_path / "store.db")) as store:
        for number, applicant in enumerate(("ann", "ben")):
            store.add_application(
                Application(application_id=f"a{number}", applicant=applicant, payload=b"", note="", create_time=NOON)
            )

        listed = ApplicationAnswers(store, BrandAnswers(store)).list(pb.ListApplicationsRequest(), caller)

        assert len(listed.applications) == count
