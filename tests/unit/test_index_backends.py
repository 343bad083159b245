"""Choosing an index library: by name, with a remedy when it is missing."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

from index.backends import create_index
from index.faiss_index import FaissIndex, owner_of
from index.region_index import MemoryRegions
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


def test_a_search_of_all_listings_holds_up_no_screening() -> None:
    """While the catalogue's index is busy, however long, references are searched."""
    pytest.importorskip("faiss", reason="FAISS is not installed: install the extra 'cpu'")
    MemoryRegions("faiss", 4, limit=10)
    references = FaissIndex(4)
    references.add(np.arange(1), np.eye(1, 4, dtype=np.float32))
    done = threading.Event()
    busy = owner_of("cpu", "listings").submit(done.wait, 30)
    try:
        assert references.search(np.eye(1, 4, dtype=np.float32), 1).ids.tolist() == [[0]]
        assert not busy.done()
    finally:
        done.set()


def test_importing_the_index_package_loads_no_library() -> None:
    """FAISS is imported with the first index, not with our modules."""
    program = "import index.catalogue, index.faiss_index, index.refresh, sys; print('faiss' in sys.modules)"

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "False"
