"""Does the demo keep its word? The whole of it but the model: server, registry, nine listings over gRPC."""

from __future__ import annotations

import pytest

from serving.demo.run import main


@pytest.mark.slow
def test_every_listing_of_the_demo_gets_the_verdict_of_its_story(capsys: pytest.CaptureFixture[str]) -> None:
    """The demo ends with exit code 0 and a table that has each kind of verdict."""
    code = main(embedder="fake")

    printed = capsys.readouterr().out
    assert "unexpected" not in printed
    assert all(verdict in printed for verdict in ("ALLOW", "REVIEW", "TAKEDOWN", "IMAGES_UNREADABLE"))
    assert code == 0
