"""What runs inside the child process of `reference_brands.untrusted`: SVG in on stdin, PNG out on stdout, then gone.

A script without imports of ours, so that it starts quickly and needs no path. The first argument is the longest edge.
"""

import resource
import sys

_MEMORY_BYTES = 2**30
_CPU_S = 10


def main() -> int:
    """Draw and return the exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import resvg_py

    edge, svg = int(sys.argv[1]), sys.stdin.buffer.read().decode()
    try:
        png = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True, width=edge, height=edge)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.buffer.write(bytes(png))
    return 0


if __name__ == "__main__":
    sys.exit(main())
