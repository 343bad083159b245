"""What does a day of so many pictures need? Reckoned from costs that were measured, each named with its source.

Nothing here is a promise about other machines: change a cost, and `python -m training.fleet.sizing` prints the tables
of docs/scale.md anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.fleet import searching

DAY_S = 86_400


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What is asked of the fleet."""

    pictures_a_day: float = 100e6
    peak: float = 3.0  # busiest hour by the average; assumed
    pictures_a_listing: float = 4.0  # assumed
    listings_indexed: float = 1e9
    references: float = 10e6
    zones: int = 3
    load: float = 0.6  # share of a resource that may be busy in the peak

    @property
    def average(self) -> float:
        """Pictures a second."""
        return self.pictures_a_day / DAY_S

    @property
    def busiest(self) -> float:
        """Pictures a second in the busiest hour."""
        return self.average * self.peak


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a picture takes. Processor time in seconds of one core of the machine that it was measured on."""

    # docs/speed.md, two cores, drawn JPEGs of 1,000 x 1,000 pixels: a decision at saturation among the marks that ship,
    # with whoever asks for it, of which the networks, by themselves; and stages of a decision by itself.
    decision_s: float = 0.163
    sender_s: float = 0.015
    networks_cpu_s: float = 0.056
    decode_s: float = 0.0082
    keypoints_s: float = 0.0108
    verify_s: float = 0.0131
    gpu_photos_s: float = 4_400.0  # README.md: one H100, batches of 64, float32
    gpu_marks_s: float = 13_000.0  # README.md
    finder_share: float = 0.9055  # vision/finder.py: its multiply-adds by the embedder's
    marks_a_picture: float = 3.0  # vision/finder.py: two boxes and the whole
    jpeg_bytes: float = 177e3  # the first 40 of those drawn JPEGs on average
    crop_bytes: float = 2 * 224 * 224 * 3 + 3 * 160 * 160 * 3  # finder's, whole, three marks: what Triton gets
    photo_keypoint_bytes: float = 18e3  # docs/storage.md
    reference_keypoint_bytes: float = 37e3  # docs/storage.md
    verify_share: float = 0.6  # docs/scan.md: photos that look like a brand, in which its references are looked for
    decision_bytes: float = 4e3  # docs/storage.md: "a few kB"
    dim: int = 1_280

    @property
    def beside_s(self) -> float:
        """Processor time of a photo, in a decision of its own, beside the networks; it searches few references."""
        return self.decision_s - self.sender_s - self.networks_cpu_s

    @property
    def before_s(self) -> float:
        """Processor time of a photo before the networks."""
        return self.decode_s + self.keypoints_s

    @property
    def regions(self) -> float:
        """Vectors of a picture: the whole photo, and its marks."""
        return 1 + self.marks_a_picture

    def searching_s(self, references: float) -> float:
        """Processor time to search the marks of a picture among so many references of marks, a vector each.

        The whole photo is searched among references of goods, of which there are taken to be few.
        """
        return self.marks_a_picture * searching.searching_s(references, self.dim)

    @property
    def gpu_s(self) -> float:
        """Seconds of an H100 for a picture: the finder, the whole photo, and marks."""
        return (1 + self.finder_share) / self.gpu_photos_s + self.marks_a_picture / self.gpu_marks_s


@dataclass(frozen=True)
class Need:
    """One line of the table: a resource, on average and in the busiest hour."""

    what: str
    average: str
    busiest: str
    source: str


def needs(demand: Demand, costs: Costs) -> list[Need]:
    """Reckon what screening takes."""
    average, busiest = demand.average, demand.busiest

    def line(what: str, each: float, source: str, *, room: bool = False) -> Need:
        if room:
            each, source = each / demand.load, f"{source}, {demand.load:.0%} busy"
        return Need(what, _number(average * each), _number(busiest * each), source)

    def busy(what: str, seconds: float, source: str = "a picture") -> Need:
        return line(what, seconds, f"{_number(1e3 * seconds)} ms {source}", room=True)

    listing = 1 / demand.pictures_a_listing
    many = f"{demand.references / 1e6:.0f} million references"
    stored = _stored(demand, costs)
    day = f"{demand.pictures_a_day / 1e6:.0f} million a day; the busiest hour {demand.peak:g} times the average"
    kept = f"{stored / 1e3:.0f} kB a picture: keypoints, vectors, decisions"
    return [
        line("pictures a second", 1, day),
        line("listings a second", listing, f"{demand.pictures_a_listing:g} pictures each"),
        busy("cores, networks on CPUs", costs.networks_cpu_s + costs.beside_s),
        busy("cores, networks on GPUs", costs.beside_s),
        busy(f"cores, search of {many}", costs.searching_s(demand.references), "a picture, reckoned"),
        busy("H100", costs.gpu_s),
        line("network in, Gbit/s", costs.jpeg_bytes * 8e-9, f"{costs.jpeg_bytes / 1e3:.0f} kB a picture"),
        line("to Triton, Gbit/s", costs.crop_bytes * 8e-9, f"{costs.crop_bytes / 1e3:.0f} kB of crops a picture"),
        line("commits a second", listing, "one a listing"),
        line("store, MB/s", stored * 1e-6, kept),
    ]


def holdings(demand: Demand, costs: Costs) -> list[tuple[str, str, str]]:
    """Reckon what is kept: what, how much, and where from."""
    regions = demand.listings_indexed * demand.pictures_a_listing * costs.regions
    day = demand.pictures_a_day * _stored(demand, costs)
    stored_reference = costs.reference_keypoint_bytes + 4 * costs.dim
    values = demand.references * costs.dim
    bits = searching.code_bits(demand.references, costs.dim)
    held, file = (of(demand.references, costs.dim) for of in (searching.memory_bytes, searching.file_bytes))
    first = demand.listings_indexed * costs.dim
    every = f"{regions / 1e9:.0f} billion: {costs.regions:g} a picture"
    return [
        ("store, a day", _bytes(day), "as above"),
        ("store, a year of it", _bytes(365 * day), "where nothing is forgotten"),
        ("references, in the store", _bytes(demand.references * stored_reference), "42 kB each (docs/storage.md)"),
        ("index of references, memory of each replica", _bytes(held), f"{bits:,} bits each, as docs/index.md has them"),
        ("index of references, its file", _bytes(file), "the same"),
        ("file of vectors, mapped, a replica", _bytes(4 * values), "four bytes a value"),
        ("catalogue, all regions, 16 bits", _bytes(regions * costs.dim * 2), every),
        ("catalogue, one region a listing, 16 bits", _bytes(2 * first), "the whole first photo"),
        ("the same, a byte a value", _bytes(first), "`IVF_SQ8`"),
    ]


def _stored(demand: Demand, costs: Costs) -> float:
    """Reckon the bytes that the store keeps of a picture."""
    vectors = costs.regions * costs.dim * 2
    return costs.photo_keypoint_bytes + vectors + costs.decision_bytes / demand.pictures_a_listing


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.1f}"


def _bytes(value: float) -> str:
    for unit, size in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value / 1e6:.0f} MB"


def tables(demand: Demand, costs: Costs) -> tuple[str, str]:
    """Draw both tables as docs/scale.md has them."""
    first = [f"| {one.what} | {one.average} | {one.busiest} | {one.source} |" for one in needs(demand, costs)]
    second = [f"| {what} | {much} | {why} |" for what, much, why in holdings(demand, costs)]
    return (
        "\n".join(["| needed | average | busiest hour | from |", "| --- | --- | --- | --- |", *first]),
        "\n".join(["| kept | size | from |", "| --- | --- | --- |", *second]),
    )


if __name__ == "__main__":
    print(*tables(Demand(), Costs()), sep="\n\n")
