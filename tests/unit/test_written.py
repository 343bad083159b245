"""A brand's name can be written as artwork, and a reader reads it back."""

from __future__ import annotations

import numpy as np
import pytest

from training.artworks import EDGE
from training.wordmarks import installed_fonts
from training.written import write_name
from vision.reading import load_reader


def test_a_name_is_written() -> None:
    """The same random draws write the same name; it is tight around the ink and no larger than artwork is."""
    first, again = (write_name("Zephyra", installed_fonts(), np.random.default_rng(3)) for _ in range(2))

    np.testing.assert_array_equal(first.coverage, again.coverage)
    assert max(first.coverage.shape) == EDGE
    assert all(first.coverage.max(axis=axis)[[0, -1]].min() > 0 for axis in (0, 1))
    assert (first.brand, first.one_colour) == ("Zephyra", True)


def test_a_written_name_can_be_read() -> None:
    """Dark letters on light paper are the name that was asked for, in whichever font."""
    random = np.random.default_rng(5)
    papers = []
    for _ in range(6):
        coverage = write_name("Zephyra", installed_fonts(), random).coverage
        grey = np.pad(255 - coverage, 24, constant_values=255)
        papers.append(np.repeat(grey[..., None], 3, axis=2))

    read = [line.text.upper() for lines in load_reader().read(papers) for line in lines]

    assert read.count("ZEPHYRA") >= 4


def test_a_name_without_ink_is_refused() -> None:
    """A name of blanks is nothing to print."""
    with pytest.raises(ValueError, match="leaves no ink"):
        write_name("  ", installed_fonts(), np.random.default_rng(0))
