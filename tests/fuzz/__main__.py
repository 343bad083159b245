"""`python -m tests.fuzz --cases 200000 --seed 1`: decode, the wire and policy files against hostile input.

Exit code 1 if anything was found. Of 20 cases one is a call, three are files to decode, three policies, and the rest,
which are cheap, image headers that are guided by coverage where atheris is installed (extra `fuzz`). A part
that is given by itself (`--wire 5000`) runs alone, or with the others that are.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.fuzz.files import decode_cases, guided, policy_cases
from tests.fuzz.mutations import Tally
from tests.fuzz.wire import target_at, wire_cases


def main() -> int:
    """Run all and print what was found."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    options.add_argument("--cases", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--guided-s", type=int, default=300, help="most seconds that coverage guides")
    for part in PARTS:
        options.add_argument(f"--{part}", type=int, help=f"cases of {part}")
    given = options.parse_args()
    counts = {part: count for part in PARTS if (count := getattr(given, part)) is not None} or shares(given.cases)
    began, cases, findings = time.monotonic(), 0, 0
    for part, count in counts.items():
        for tally in PARTS[part](count, given.seed, given.guided_s):
            print(tally, flush=True)
            for finding in tally.findings[:20]:
                print(f"    {finding}", flush=True)
            cases, findings = cases + tally.cases, findings + len(tally.findings)
    print(f"fuzz: {cases:,} cases, {findings} findings, seed {given.seed}, {time.monotonic() - began:.0f} s")
    return 1 if findings else 0


def shares(cases: int) -> dict[str, int]:
    """Divide cases among the parts."""
    wire, files = cases // 20, 3 * cases // 20
    return {"wire": wire, "headers": cases - wire - 2 * files, "decode": files, "policy": files}


def _wire(count: int, seed: int, _: int) -> Iterator[Tally]:
    with tempfile.TemporaryDirectory() as folder, target_at(Path(folder)) as target:
        yield wire_cases(target, count, seed)


def _headers(count: int, seed: int, within_s: int) -> Iterator[Tally]:
    if importlib.util.find_spec("atheris"):
        yield guided("headers", count, seed, within_s=within_s)
    else:
        yield decode_cases(count, seed)


def _decode(count: int, seed: int, _: int) -> Iterator[Tally]:
    yield decode_cases(count, seed)


def _policy(count: int, seed: int, within_s: int) -> Iterator[Tally]:
    """Let coverage guide a tenth, and the seed the rest."""
    if importlib.util.find_spec("atheris"):
        tally = guided("policy", count // 10, seed, within_s=within_s)
        yield tally
        count -= tally.cases
    yield policy_cases(count, seed)


PARTS: dict[str, Callable[[int, int, int], Iterator[Tally]]] = {
    "wire": _wire,
    "headers": _headers,
    "decode": _decode,
    "policy": _policy,
}

if __name__ == "__main__":
    sys.exit(main())
