"""What does a policy file say? YAML and CEL, compiled into rules, or refused with file, line and what is allowed.

Part of `serving.policy`. Everything is found out here, when the file is loaded: an unknown fact, a type error, a rule
that cannot be evaluated on a listing of which nothing is known. docs/policy.md describes the format.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from serving.domain import Verdict
from serving.errors import PolicyError
from serving.facts import FACT_TYPES, FACTS, Facts

FORMAT_VERSION = 1
DEFAULT_POLICY = Path(__file__).parent / "data" / "policy.yaml"
# Thousands of rules; no policy that people wrote comes near it.
MAX_BYTES = 2**20

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

_RULE_KEYS = ("id", "when", "verdict", "code", "text")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,62}")
_NULL = "tag:yaml.org,2002:null"
# CEL names the place of a fault within the expression: "ERROR: <input>:2:5: undeclared reference to 'x'".
_CEL_FAULT = re.compile(r"<input>:(\d+):\d+: ([^\n]*)")
_KNOWN_FACTS = "known facts are: " + ", ".join(f"{name} ({kind})" for name, kind in FACT_TYPES.items())


class EvaluationError(Exception):
    """A CEL expression failed on these facts."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of the policy: when `matches` says so, the verdict is at least `verdict`, for the reason given.

    `matches` raises EvaluationError, and nothing else, when the expression has no answer for these facts.
    """

    rule_id: str
    verdict: Verdict
    code: str
    text: str
    matches: Callable[[Facts], bool]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A compiled policy. `version` is `name@hash of the file`, so a decision names exactly the rules that made it."""

    version: str
    rules: tuple[Rule, ...]


def load_policy(path: Path | None = None) -> Policy:
    """Read and compile a policy file; without a path, the default one that ships.

    Raises:
        PolicyError: the file is missing, not YAML, breaks a rule of the format or does not compile; it names the line.

    """
    path = path or DEFAULT_POLICY
    data = _read(path)
    return _Compiler(path).compile(_parse(data, path), hashlib.sha256(data).hexdigest())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PolicyError(f"cannot read it ({error.strerror or error}); name a YAML file", file=path, line=0) from error
    if len(data) > MAX_BYTES:
        raise PolicyError(f"is larger than {MAX_BYTES} bytes; a policy has at most so many", file=path, line=0)
    return data


def _parse(data: bytes, path: Path) -> yaml.Node | None:
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


class _Compiler:
    """Turns the YAML tree (with its line numbers) into a Policy, or says in which line it cannot."""

    def __init__(self, path: Path) -> None:
        from cel_expr_python import cel

        self._path = path
        types = {"bool": cel.Type.BOOL, "int": cel.Type.INT, "double": cel.Type.DOUBLE, "string": cel.Type.STRING}
        types["list<string>"] = cel.Type.List(cel.Type.STRING)
        self._bool = cel.Type.BOOL
        self._environment = cel.NewEnv(variables={name: types[kind] for name, kind in FACT_TYPES.items()})
        self._nothing_known = Facts({name: fact.neutral for name, fact in FACTS.items()})

    def compile(self, document: yaml.Node | None, digest: str) -> Policy:
        top = self._mapping(document, ("format_version", "name", "rules"), "a policy")
        if self._scalar(top["format_version"]) != str(FORMAT_VERSION):
            raise self._error(top["format_version"], f"format_version must be {FORMAT_VERSION}")
        nodes = top["rules"]
        if not isinstance(nodes, yaml.SequenceNode) or not nodes.value:
            raise self._error(nodes, "`rules` must be a list of at least one rule")
        seen: set[str] = set()
        rules = tuple(self._rule(node, seen) for node in nodes.value)
        return Policy(version=f"{self._name(top['name'], 'name')}@{digest[:12]}", rules=rules)

    def _rule(self, node: yaml.Node, seen: set[str]) -> Rule:
        fields = self._mapping(node, _RULE_KEYS, "a rule")
        rule_id = self._name(fields["id"], "id")
        if rule_id in seen:
            raise self._error(fields["id"], f"id {rule_id!r} is used twice; give each rule its own")
        seen.add(rule_id)
        verdict, code = self._scalar(fields["verdict"]), self._scalar(fields["code"])
        if verdict not in Verdict.__members__:
            raise self._error(fields["verdict"], f"verdict {verdict!r} is none of {', '.join(Verdict)}")
        if not _CODE.fullmatch(code):
            raise self._error(fields["code"], f"code {code!r} must be CAPITALS_AND_UNDERSCORES, 3 to 63 characters")
        return Rule(
            rule_id=rule_id,
            verdict=Verdict(verdict),
            code=code,
            text=self._text(fields["text"]),
            matches=self._expression(fields["when"]),
        )

    def _text(self, node: yaml.Node) -> str:
        text = self._scalar(node)
        for name in PLACEHOLDER.findall(text):
            if name not in FACT_TYPES:
                raise self._error(node, f"{{{name}}} is no fact; {_KNOWN_FACTS}")
        if set("{}") & set(PLACEHOLDER.sub("", text)):
            raise self._error(node, "text has a brace that stands alone; braces enclose the name of a fact")
        return text

    def _expression(self, node: yaml.Node) -> Callable[[Facts], bool]:
        source = self._scalar(node)
        try:
            expression = self._environment.compile(source)
        except RuntimeError as error:  # the binding raises nothing narrower
            fault = _CEL_FAULT.search(str(error))
            line, says = (int(fault[1]), fault[2].removesuffix(" (in container '')")) if fault else (1, str(error))
            raise self._error(node, f"`when` does not compile: {says}; {_KNOWN_FACTS}", expression_line=line) from error
        if expression.return_type() != self._bool:
            raise self._error(node, f"`when` must give true or false, not {expression.return_type().name().lower()}")

        def matches(facts: Facts) -> bool:
            try:
                value = expression.eval(data=facts.values)
            except RuntimeError as error:
                raise EvaluationError(str(error)) from error
            if value.type() != self._bool:
                raise EvaluationError(str(value.value()))
            return bool(value.value())

        try:
            matches(self._nothing_known)
        except EvaluationError as error:
            raise self._error(node, f"`when` fails where nothing is known of a listing: {error}; guard it") from error
        return matches

    def _mapping(self, node: yaml.Node | None, keys: Iterable[str], what: str) -> dict[str, yaml.Node]:
        wanted = tuple(keys)
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, f"{what} must be a mapping with the keys {', '.join(wanted)}")
        found: dict[str, yaml.Node] = {}
        for key_node, value_node in node.value:
            key = self._scalar(key_node)
            if key not in wanted:
                raise self._error(key_node, f"{what} has no key {key!r}; allowed are {', '.join(wanted)}")
            if key in found:
                raise self._error(key_node, f"{what} has the key {key!r} twice; keep one")
            found[key] = value_node
        if missing := [key for key in wanted if key not in found]:
            raise self._error(node, f"{what} lacks {', '.join(missing)}")
        return found

    def _name(self, node: yaml.Node, key: str) -> str:
        name = self._scalar(node)
        if not _NAME.fullmatch(name):
            raise self._error(node, f"{key} {name!r:.80} must be letters, digits, `.`, `_` and `-`, 1 to 64 characters")
        return name

    def _scalar(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag == _NULL or not str(node.value).strip():
            raise self._error(node, "expected a single value here, and not an empty one")
        value = str(node.value).strip()
        if any("\ud800" <= character <= "\udfff" for character in value):  # YAML can escape what no text may hold
            raise self._error(node, "holds half of a surrogate pair; write the character itself")
        return value

    def _error(self, node: yaml.Node | None, message: str, *, expression_line: int = 1) -> PolicyError:
        line = node.start_mark.line + 1 if node else 1
        if isinstance(node, yaml.ScalarNode) and node.style == "|":  # the value begins in the line after the `|`
            line += expression_line
        return PolicyError(message, file=self._path, line=line)
