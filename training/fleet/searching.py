"""What does a search of ever more references take? Reckoned from two trained indexes that were measured.

For each region a search compares the middles of all cells, looks through a share of the codes, and compares the best
exactly (`index.large_index`): first a product of matrices, last whole rows from everywhere in the memory. How fast the
codes and the rows go follows from the two measurements; the product is taken to run at what the cores can do at most.
"""

from __future__ import annotations

from dataclasses import dataclass

from index import large_index

FLOPS_A_CORE = 185e9 / 2  # docs/speed.md
COMPARED = 512  # exactly, for each region
REGIONS = 16  # in one call, when it was measured


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A row of docs/index.md: `seconds` for 16 regions in one call, where FAISS may use so many threads."""

    vectors: float
    dim: int
    seconds: float
    threads: int


# Up to 40 million products of a call FAISS has one thread, which is 16 regions among 100,000 (`threads_for`).
FEWER = Measured(vectors=1e5, dim=512, seconds=0.0080, threads=1)
MORE = Measured(vectors=1e6, dim=512, seconds=0.0259, threads=2)
MEMORY_BYTES = 427 * 2**20  # of a replica's own for `MORE`; docs/index.md
FILE_BYTES = 262 * 2**20  # the same


def code_bits(vectors: float, dim: int) -> int:
    """Say how many bits stand for a vector."""
    return dim // large_index.together(dim, int(vectors)) * large_index.BITS


def looked_through(vectors: float, dim: int) -> float:
    """Say how many bits of codes a region's search looks through."""
    cells = large_index.cells(int(vectors))
    return vectors * large_index.probes(cells) / cells * code_bits(vectors, dim)


def searching_s(vectors: float, dim: int) -> float:
    """Reckon the processor time in seconds to search a region among so many vectors, with others in one call."""
    a_bit, _ = _speeds()
    return looked_through(vectors, dim) * a_bit + _middles_s(vectors, dim) + exact_s(dim)


def exact_s(dim: int) -> float:
    """Reckon the processor time in seconds to compare a region's best exactly."""
    _, a_value = _speeds()
    return COMPARED * dim * a_value


def memory_bytes(vectors: float, dim: int) -> float:
    """Reckon what a trained index of so many vectors takes of a replica's own memory."""
    return vectors * code_bits(vectors, dim) * MEMORY_BYTES / (MORE.vectors * code_bits(MORE.vectors, MORE.dim))


def file_bytes(vectors: float, dim: int) -> float:
    """Reckon how large its file is."""
    return memory_bytes(vectors, dim) * FILE_BYTES / MEMORY_BYTES


def _middles_s(vectors: float, dim: int) -> float:
    return 2 * large_index.cells(int(vectors)) * dim / FLOPS_A_CORE


def _speeds() -> tuple[float, float]:
    """Solve for the seconds of a core for a bit of codes, and for a value of a row that is compared exactly.

    Both rows are of one `dim`, and threads share all but the exact comparison, which is the caller's own.
    """

    def shared(row: Measured) -> float:
        return looked_through(row.vectors, row.dim) / row.threads

    def seconds(row: Measured) -> float:
        return row.seconds / REGIONS - _middles_s(row.vectors, row.dim) / row.threads

    a_bit = (seconds(MORE) - seconds(FEWER)) / (shared(MORE) - shared(FEWER))
    return a_bit, (seconds(FEWER) - a_bit * shared(FEWER)) / (COMPARED * FEWER.dim)
