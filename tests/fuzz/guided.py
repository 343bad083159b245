"""What atheris runs, in a process of its own: `python -m tests.fuzz.guided policy|headers FOLDER OPTIONS`."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Instrument our parsers, write the seeds, and hand over to libFuzzer, which ends the process."""
    import atheris

    which, folder = sys.argv[1], Path(sys.argv[2])
    with atheris.instrument_imports(include=["vision.headers", "vision.avif", "serving.policy_file"]):
        import vision.avif
        import vision.headers  # noqa: F401
    from tests.fuzz.files import header_or_policy

    call, seeds = header_or_policy(which)
    for number, seed in enumerate(seeds):
        (folder / f"seed{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], str(folder), *sys.argv[3:]], call)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
