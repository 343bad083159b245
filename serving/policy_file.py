"""What does a policy file say? YAML and CEL, compiled into rules, or refused with file, line and what is allowed.

Part of `serving.policy`. Everything is found out here, when the file is loaded: an unknown fact, a type error, a rule
that cannot be evaluated on a listing of which nothing is known. docs/policy.md describes the format.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from serving.domain import Verdict
from serving.errors import PolicyError
from serving.facts import FACT_TYPES, FACTS, Facts
from serving.policy_scope import EVERYWHERE, Scope, ScopeRules
from serving.policy_yaml import parse, read_policy
from vision.taxonomy import Taxonomy, load_taxonomy

# Format 2 adds the limits of a rule; a file of format 1 is read as ever.
FORMAT_VERSIONS = ("1", "2")
DEFAULT_POLICY = Path(__file__).parent / "data" / "policy.yaml"

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

_RULE_KEYS = ("id", "when", "verdict", "code", "text")
_SCOPE_KEYS = ("categories", "markets", "brands")
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
    """One rule of the policy: where it applies, the verdict is at least `verdict`, for the reason given.

    `matches` is its condition. It raises EvaluationError, and nothing else, when it has no answer for these facts.
    """

    rule_id: str
    verdict: Verdict
    code: str
    text: str
    matches: Callable[[Facts], bool]
    scope: Scope = EVERYWHERE

    def applies(self, facts: Facts) -> bool:
        """Tell whether the listing is one that the rule is about, and meets its condition."""
        return self.scope.covers(facts) and self.matches(facts)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A compiled policy. `version` is `name@hash of the file`, so a decision names exactly the rules that made it."""

    version: str
    rules: tuple[Rule, ...]


def load_policy(path: Path | None = None, *, taxonomy: Callable[[], Taxonomy] = load_taxonomy) -> Policy:
    """Read and compile a policy file; without a path, the default one that ships.

    Raises:
        PolicyError: the file is missing, not YAML, breaks a rule of the format or does not compile; it names the line.

    """
    path = path or DEFAULT_POLICY
    return compile_policy(read_policy(path), source=path, taxonomy=taxonomy)


def compile_policy(data: bytes, *, source: Path, taxonomy: Callable[[], Taxonomy] = load_taxonomy) -> Policy:
    """Compile the bytes of a policy file, which `source` names in errors.

    `taxonomy` is asked for only when a rule names categories. Raises PolicyError as `load_policy` does.
    """
    document = parse(data, source)
    return _Compiler(source, ScopeRules(taxonomy)).compile(document, hashlib.sha256(data).hexdigest())


class _Compiler:
    """Turns the YAML tree (with its line numbers) into a Policy, or says in which line it cannot."""

    def __init__(self, path: Path, scopes: ScopeRules) -> None:
        from cel_expr_python import cel

        self._path = path
        self._scopes = scopes
        types = {"bool": cel.Type.BOOL, "int": cel.Type.INT, "double": cel.Type.DOUBLE, "string": cel.Type.STRING}
        types["list<string>"] = cel.Type.List(cel.Type.STRING)
        self._bool = cel.Type.BOOL
        self._environment = cel.NewEnv(variables={name: types[kind] for name, kind in FACT_TYPES.items()})
        self._nothing_known = Facts({name: fact.neutral for name, fact in FACTS.items()})

    def compile(self, document: yaml.Node | None, digest: str) -> Policy:
        top = self._mapping(document, ("format_version", "name", "rules"), "a policy")
        if (version := self._scalar(top["format_version"])) not in FORMAT_VERSIONS:
            raise self._error(top["format_version"], f"format_version must be {' or '.join(FORMAT_VERSIONS)}")
        self._scope_keys = _SCOPE_KEYS if version != "1" else ()
        nodes = top["rules"]
        if not isinstance(nodes, yaml.SequenceNode) or not nodes.value:
            raise self._error(nodes, "`rules` must be a list of at least one rule")
        seen: set[str] = set()
        rules = tuple(self._rule(node, seen) for node in nodes.value)
        return Policy(version=f"{self._name(top['name'], 'name')}@{digest[:12]}", rules=rules)

    def _rule(self, node: yaml.Node, seen: set[str]) -> Rule:
        fields = self._mapping(node, _RULE_KEYS, "a rule", optional=self._scope_keys)
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
            scope=Scope(
                categories=self._limits(fields.get("categories"), self._scopes.category),
                markets=self._limits(fields.get("markets"), self._scopes.market),
                brands=self._limits(fields.get("brands"), self._scopes.brand),
            ),
        )

    def _limits(self, node: yaml.Node | None, rule: Callable[[str], str]) -> tuple[str, ...]:
        if node is None:
            return ()
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self._error(node, "must be a list of at least one, such as `[DE, FR]`; to set no limit leave it out")
        found: list[str] = []
        for item in node.value:
            try:
                found.append(rule(self._scalar(item)))
            except ValueError as error:
                raise self._error(item, str(error)) from error
        return tuple(found)

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

        # CEL takes over every value that it is given: all facts cost 31 us a rule, those that are named 9 us. CEL
        # allows spaces within a name, and a fact too many does no harm.
        closed_up = "".join(source.split())
        named = tuple(name for name in FACT_TYPES if name in closed_up)

        def matches(facts: Facts) -> bool:
            try:
                value = expression.eval(data={name: facts.values[name] for name in named})
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

    def _mapping(
        self, node: yaml.Node | None, wanted: tuple[str, ...], what: str, *, optional: tuple[str, ...] = ()
    ) -> dict[str, yaml.Node]:
        allowed = (*wanted, *optional)
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, f"{what} must be a mapping with the keys {', '.join(wanted)}")
        found: dict[str, yaml.Node] = {}
        for key_node, value_node in node.value:
            key = self._scalar(key_node)
            if key not in allowed:
                newer = " (format_version 2 adds it)" if key in _SCOPE_KEYS and what == "a rule" else ""
                raise self._error(key_node, f"{what} has no key {key!r}{newer}; allowed are {', '.join(allowed)}")
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
