"""Are decode and policy files safe from any bytes? Seeded mutants, and, where atheris is installed, guided by coverage.

Atheris sees which lines of our own parsers a case reaches (image headers, AVIF, policy files) and keeps what reaches
new ones; what native code it does not see, the seeded mutants reach with files of every format and feature.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from serving.errors import PolicyError
from serving.policy_file import DEFAULT_POLICY, compile_policy
from tests.fuzz.mutations import Tally, mutated_text
from tests.integration.test_decode_fuzz import ALL_SEEDS, mutants, outcome_of
from vision.errors import ImageError
from vision.headers import read_header
from vision.taxonomy import Taxonomy, load_taxonomy

ROOT = Path(__file__).parents[2]
_SOURCE = Path("policy.yaml")


def decode_cases(count: int, seed: int) -> Tally:
    """Decode mutants of every format; any exception but an `ImageError` is a finding."""
    tally = Tally("decode")
    for what, data in mutants(count, seed):
        try:
            tally.outcomes[outcome_of(data)] += 1
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            tally.outcomes["finding"] += 1
            tally.findings.append(f"{what}: {error!r}: {data[:200].hex()}")
    return tally


def policy_seeds() -> list[bytes]:
    """Read all policies that there are: the sound ones, as often as all the faulty ones together, and those."""
    golden, bad = (
        sorted((ROOT / "tests" / folder).glob("*.yaml")) for folder in ("golden/policies", "unit/faulty_policies")
    )
    sound, faulty = ([path.read_bytes() for path in paths] for paths in ((DEFAULT_POLICY, *golden), bad))
    return sound * (len(faulty) // len(sound)) + faulty


@cache
def _taxonomy() -> Taxonomy:
    return load_taxonomy()


def policy_outcome(data: bytes) -> str:
    """Compile a policy: `POLICY`, or `fault`; anything but a `PolicyError` that says something passes through."""
    try:
        compile_policy(data, source=_SOURCE, taxonomy=_taxonomy)
    except PolicyError as error:
        return "fault" if str(error) else "a fault without a message"
    return "POLICY"


def policy_cases(count: int, seed: int) -> Tally:
    """Compile mutants of every policy."""
    tally, seeds, rng = Tally("policy"), policy_seeds(), random.Random(seed)
    for number in range(count):
        data = mutated_text(seeds[number % len(seeds)], rng)
        try:
            tally.outcomes[policy_outcome(data)] += 1
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            tally.outcomes["finding"] += 1
            tally.findings.append(f"{number}: {error!r}: {data[:2_000]!r}")
    return tally


def header_or_policy(which: str) -> tuple[Callable[[bytes], object], list[bytes]]:
    """Give what atheris calls with each case, and what it begins with."""
    if which == "policy":
        return policy_outcome, policy_seeds()

    def header(data: bytes) -> None:
        try:
            read_header(data)
        except ImageError:
            return

    return header, list(ALL_SEEDS.values())


def guided(which: str, count: int, seed: int, *, within_s: int) -> Tally:
    """Run atheris in a process of its own; its death, or an exception, is the finding."""
    tally = Tally(f"{which}, guided")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.fuzz.guided", which, folder]
        limits = [f"-runs={count}", f"-seed={seed}", "-rss_limit_mb=2048", "-timeout=20", "-max_len=4096"]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            [*command, *limits, f"-max_total_time={within_s}"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    said = done.stderr
    ran = [word for line in said.splitlines() if line.startswith("Done ") for word in line.split()[1:2]]
    tally.outcomes["ran"] = int(ran[0]) if ran else 0
    if done.returncode:
        tally.findings.append(said[-2_000:])
    elif not ran:
        tally.findings.append(f"atheris said nothing: {said[-500:]}")
    return tally
