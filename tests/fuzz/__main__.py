"""`python -m tests.fuzz --cases 200000 --seed 1`: decode, the wire and policy files against hostile input.

Exit code 1 if anything was found. A fifth of the cases are calls, half are files to decode, the rest policies; up to
half of those two are guided by coverage, where atheris is installed (extra `fuzz`) and time allows.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.files import decode_cases, guided, policy_cases
from tests.fuzz.mutations import Tally
from tests.fuzz.wire import target_at, wire_cases


def main() -> int:
    """Run all and print what was found."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    options.add_argument("--cases", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--guided-s", type=int, default=60, help="most seconds of each run that coverage guides")
    given = options.parse_args()
    began, cases, findings = time.monotonic(), 0, 0
    for tally in _runs(given.cases, given.seed, given.guided_s):
        print(tally, flush=True)
        for finding in tally.findings[:20]:
            print(f"    {finding}", flush=True)
        cases, findings = cases + tally.cases, findings + len(tally.findings)
    print(f"fuzz: {cases:,} cases, {findings} findings, seed {given.seed}, {time.monotonic() - began:.0f} s")
    return 1 if findings else 0


def _runs(cases: int, seed: int, guided_s: int) -> Iterator[Tally]:
    wire, policies = cases // 5, 3 * cases // 10
    files = cases - wire - policies
    with tempfile.TemporaryDirectory() as folder, target_at(Path(folder)) as target:
        yield wire_cases(target, wire, seed)
    if importlib.util.find_spec("atheris"):
        for which, share in (("headers", files // 2), ("policy", policies // 2)):
            tally = guided(which, share, seed, within_s=guided_s)
            yield tally
            files, policies = (files - tally.cases, policies) if which == "headers" else (files, policies - tally.cases)
    yield decode_cases(files, seed)
    yield policy_cases(policies, seed)


if __name__ == "__main__":
    sys.exit(main())
