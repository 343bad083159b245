"""What stands in a policy file, line by line? Reads it and parses the YAML, whose nodes know where they stand.

Part of `serving.policy`; `serving.policy_file` makes rules of the nodes.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from serving.errors import PolicyError

# Thousands of rules; no policy that people wrote comes near it.
MAX_BYTES = 2**20


def read_policy(path: Path) -> bytes:
    """Read a policy file, which is not compiled yet. Raises PolicyError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PolicyError(f"cannot read it ({error.strerror or error}); name a YAML file", file=path, line=0) from error
    if len(data) > MAX_BYTES:
        raise PolicyError(f"is larger than {MAX_BYTES} bytes; a policy has at most so many", file=path, line=0)
    return data


def parse(data: bytes, path: Path) -> yaml.Node | None:
    """Turn bytes into a tree of nodes that know their lines; None for an empty file. Raises PolicyError."""
    try:
        source = data.decode("utf-8")
        return yaml.compose(source, Loader=_Loader)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PolicyError("not UTF-8; save it as such", file=path, line=line) from error
    except yaml.reader.ReaderError as error:
        line = source.count("\n", 0, error.position) + 1
        raise PolicyError(
            f"not YAML: the character #x{error.character:04x} is not allowed", file=path, line=line
        ) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        says = "; ".join(part for part in (error.context, error.problem) if part)
        raise PolicyError(f"not YAML: {says}", file=path, line=line) from error
    except RecursionError as error:
        raise PolicyError("nested too deeply; a policy is a list of rules", file=path, line=1) from error


class _Loader(yaml.SafeLoader):
    """Refuses aliases: what a rule says must stand where the rule stands, for its reader and for its line number."""

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            says = "aliases (`*name`) are not allowed; write the value out"
            raise yaml.composer.ComposerError(None, None, says, mark)
        return super().compose_node(parent, index)  # type: ignore[arg-type]  # the stub leaves out None
