"""Choosing an index library: by name, with a remedy when it is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from index.backends import create_index
from index.faiss_index import FaissIndex
from vision.errors import TouchstoneError


def test_an_unknown_backend_is_refused_with_the_choices() -> None:
    """A misspelt setting names what there is."""
    with pytest.raises(TouchstoneError, match="'fais': choose one of exact, faiss"):
        create_index("fais", 4)


def test_a_missing_library_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without FAISS the message says how to get it and what works without it."""
    monkeypatch.setitem(sys.modules, "faiss", None)

    with pytest.raises(TouchstoneError, match="install the extra 'cpu' or 'gpu'"):
        create_index("faiss", 4)


@pytest.mark.parametrize("device", ["cuda:99", "cuda", "cuda:-1", "tpu:0"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    """FAISS would abort the process at the first search, so the device is checked before."""
    pytest.importorskip("faiss", reason="FAISS is not installed: install the extra 'cpu'")

    with pytest.raises(TouchstoneError, match="choose one of cpu"):
        FaissIndex(4, device=device)


def test_importing_the_index_package_loads_no_library() -> None:
    """FAISS is imported with the first index, not with our modules."""
    program = "import index.catalogue, index.faiss_index, index.refresh, sys; print('faiss' in sys.modules)"

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "False"
