"""Revoked tokens: by id or by subject, from a file that is read again, and kept in mind when it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.access.revoked import Revoked
from serving.errors import SettingsError


class Clock:
    """A time that a test moves on, in seconds."""

    now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def test_a_line_revokes_a_token_or_all_of_a_caller(tmp_path: Path) -> None:
    """Ids and subjects are told apart, comments are left out, and a token without an id is not every token."""
    path = tmp_path / "revoked.txt"
    path.write_text("t-1  # lost laptop\n\n# nobody\nsub:ann smith\n")
    revoked = Revoked(path)

    assert revoked.covers("t-1", "bob")
    assert revoked.covers("", "ann smith")
    assert not revoked.covers("t-2", "bob")
    assert not revoked.covers("", "bob")
    assert not revoked.covers("ann smith", "t-1")
    assert len(revoked) == 2


def test_a_change_is_in_force_within_a_second(tmp_path: Path) -> None:
    """The file is looked at again a second later, not with each call; one that is gone takes nothing back."""
    path, clock = tmp_path / "revoked.txt", Clock()
    path.write_text("")
    revoked = Revoked(path, clock=clock)

    path.write_text("t-1\n")
    before = revoked.covers("t-1", "ann")
    clock.now = 1.5
    after = revoked.covers("t-1", "ann")
    path.unlink()
    clock.now = 3.0

    assert not before
    assert after
    assert revoked.covers("t-1", "ann")


def test_a_file_that_cannot_be_read_is_named_at_the_start(tmp_path: Path) -> None:
    """A wrong path must not mean that nothing is revoked."""
    with pytest.raises(SettingsError, match=r"gone\.txt"):
        Revoked(tmp_path / "gone.txt")
