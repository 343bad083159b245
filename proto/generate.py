"""How do the protos become Python, and are the committed stubs what they make? The script that answers both.

`python proto/generate.py` writes `*_pb2.py`, `*_pb2_grpc.py` and their `.pyi` beside the protos. With `--check` it
writes them to a temporary folder, compares, and exits 1 with the names of those that differ. With `--descriptors FILE`
it writes one descriptor set with everything imported and every comment in it, which buf reads offline. A script and not
a package: `proto/` is a source root.
"""

from __future__ import annotations

import argparse
import filecmp
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata, resources
from pathlib import Path

SOURCE_ROOT = Path(__file__).resolve().parent
PACKAGE = Path("touchstone/moderation/v1")
STUB_SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


def proto_files() -> list[str]:
    """Every proto of the API, relative to the source root."""
    return sorted(path.relative_to(SOURCE_ROOT).as_posix() for path in (SOURCE_ROOT / PACKAGE).glob("*.proto"))


def include_folders() -> list[Path]:
    """Where imports are found: our own, Google's common protos, and protobuf's well-known types."""
    common = metadata.distribution("googleapis-common-protos").locate_file("google/type/money.proto")
    well_known = resources.files("grpc_tools").joinpath("_proto")
    return [SOURCE_ROOT, Path(str(common)).parents[2], Path(str(well_known))]


def compile_protos(files: Sequence[str], *outputs: str) -> None:
    """Run protoc on these protos with these output options; exits when it fails, after protoc's own message."""
    from grpc_tools import protoc  # type: ignore[import-untyped]

    includes = [f"--proto_path={folder}" for folder in include_folders()]
    status = protoc.main(["protoc", *includes, *plugins(), *outputs, *files])
    if status != 0:
        raise SystemExit(f"protoc failed with status {status}; its message stands above")


def plugins() -> Iterator[str]:
    """mypy-protobuf's plug-ins of the environment that runs this script, whether or not it is on PATH."""
    scripts = Path(sys.executable).parent
    for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc"):
        if (scripts / name).exists():
            yield f"--plugin={name}={scripts / name}"


def write_stubs(folder: Path) -> None:
    """Generate every stub under `folder`; only protos with a service get gRPC stubs."""
    files = proto_files()
    services = [file for file in files if file.endswith("_service.proto")]
    compile_protos(files, f"--python_out={folder}", f"--mypy_out=quiet:{folder}")
    compile_protos(services, f"--grpc_python_out={folder}", f"--mypy_grpc_out=quiet:{folder}")


def write_descriptors(file: Path) -> None:
    """Write one descriptor set with imports and comments."""
    compile_protos(proto_files(), f"--descriptor_set_out={file}", "--include_imports", "--include_source_info")


def stubs(folder: Path) -> set[str]:
    """Names of the stubs that lie in the package's folder below `folder`."""
    return {path.name for path in (folder / PACKAGE).iterdir() if path.name.endswith(STUB_SUFFIXES)}


def differing_stubs() -> list[str]:
    """Stubs that are missing, left over, or not what the protos make."""
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary)
        write_stubs(fresh)
        names = sorted(stubs(fresh) | stubs(SOURCE_ROOT))
        _, different, missing = filecmp.cmpfiles(fresh / PACKAGE, SOURCE_ROOT / PACKAGE, names, shallow=False)
    return sorted(different + missing)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; the result is the exit status."""
    parser = argparse.ArgumentParser(description="Generate or check the stubs of the API.")
    parser.add_argument("--check", action="store_true", help="compare the committed stubs with fresh ones")
    parser.add_argument("--descriptors", type=Path, metavar="FILE", help="write a descriptor set for buf instead")
    options = parser.parse_args(arguments)
    if options.descriptors is not None:
        write_descriptors(options.descriptors)
    elif options.check:
        if different := differing_stubs():
            print(
                f"stubs differ from the protos: {', '.join(different)}; run: python proto/generate.py", file=sys.stderr
            )
            return 1
    else:
        write_stubs(SOURCE_ROOT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
