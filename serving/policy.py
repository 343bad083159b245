"""Given the evidence, what happens to the listing? The policy: rules as data, evaluated by a pure function.

A policy file is YAML; each rule's `when` is a CEL expression over the typed facts of `serving.facts`. It is compiled
when loaded, so an unknown name or a type error is refused with file and line before it can meet a listing.

What no policy can switch off stands in code: a rule that fails to evaluate gives REVIEW; a photo that could not be read
or a stage that failed gives at least REVIEW; a TAKEDOWN needs a copy of a known counterfeit, because neither a price
nor a visual match alone shows that goods are fake.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from serving.domain import Reason, Verdict
from serving.errors import PolicyError
from serving.facts import FACT_TYPES, Facts

FORMAT_VERSION = 1
DEFAULT_POLICY = Path(__file__).parent / "data" / "policy.yaml"

_RULE_KEYS = ("id", "when", "verdict", "code", "text")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,62}")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PRECEDENCE = (Verdict.ALLOW, Verdict.REVIEW, Verdict.TAKEDOWN)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One line of the policy: when `matches` says so, the verdict is at least `verdict`, for the reason given."""

    rule_id: str
    verdict: Verdict
    code: str
    text: str
    matches: Callable[[Facts], bool]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A verdict, the reasons that the rules gave for it, and the rules that fired (all in the policy's order)."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    fired: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A compiled policy. `version` is `name@hash of the file`, so a decision names exactly the rules that made it."""

    version: str
    rules: tuple[Rule, ...]


def decide(facts: Facts, policy: Policy) -> Outcome:
    """Apply every rule; the gravest verdict stands, with all reasons. ALLOW when no rule fires."""
    verdict = Verdict.ALLOW
    reasons: list[Reason] = []
    fired: list[str] = []
    for rule in policy.rules:
        try:
            matched = rule.matches(facts)
        except _EvaluationError as error:
            # A missing value must never skip a rule silently: a person looks instead.
            verdict = _graver(verdict, Verdict.REVIEW)
            reasons.append(Reason("POLICY_ERROR", f"Rule {rule.rule_id!r} could not be evaluated: {error}"))
            continue
        if matched:
            effect = rule.verdict
            if effect is Verdict.TAKEDOWN and not facts.values["duplicate.known_counterfeit"]:
                effect = Verdict.REVIEW
                reasons.append(
                    Reason("TAKEDOWN_NOT_CERTIFIED", f"Rule {rule.rule_id!r} asks for TAKEDOWN without a known counterfeit")
                )
            verdict = _graver(verdict, effect)
            reasons.append(Reason(rule.code, _fill(rule.text, facts)))
            fired.append(rule.rule_id)
    for reason in facts.faults:
        verdict = _graver(verdict, Verdict.REVIEW)
        reasons.append(reason)
    return Outcome(verdict=verdict, reasons=tuple(reasons), fired=tuple(fired))


def load_policy(path: Path | None = None) -> Policy:
    """Read and compile a policy file; without a path, the default one that ships.

    Raises:
        PolicyError: the file is missing, not YAML, breaks a rule of the format or does not compile; it names the line.
    """
    path = path or DEFAULT_POLICY
    try:
        source = path.read_text(encoding="utf-8")
        document = yaml.compose(source, Loader=yaml.SafeLoader)
    except OSError as error:
        raise PolicyError(f"cannot read the policy: {error.strerror or error}", file=path, line=0) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise PolicyError(f"not YAML: {error}", file=path, line=mark.line + 1 if mark else 0) from error
    return _Compiler(path).compile(document, hashlib.sha256(source.encode()).hexdigest())


class _EvaluationError(Exception):
    """A CEL expression failed on these facts."""


class _Compiler:
    """Turns the YAML tree (with its line numbers) into a Policy, or says in which line it cannot."""

    def __init__(self, path: Path) -> None:
        from cel_expr_python import cel

        self._path = path
        types = {"bool": cel.Type.BOOL, "int": cel.Type.INT, "double": cel.Type.DOUBLE, "string": cel.Type.STRING}
        types["list<string>"] = cel.Type.List(cel.Type.STRING)
        self._bool = cel.Type.BOOL
        self._environment = cel.NewEnv(variables={name: types[kind] for name, kind in FACT_TYPES.items()})

    def compile(self, document: yaml.Node | None, digest: str) -> Policy:
        top = self._mapping(document, ("format_version", "name", "rules"), "the policy")
        if self._scalar(top["format_version"]) != str(FORMAT_VERSION):
            raise self._error(top["format_version"], f"format_version must be {FORMAT_VERSION}")
        nodes = top["rules"]
        if not isinstance(nodes, yaml.SequenceNode):
            raise self._error(nodes, "`rules` must be a list of rules")
        rules = tuple(self._rule(node) for node in nodes.value)
        self._refuse_repeats(rules, nodes)
        return Policy(version=f"{self._scalar(top['name'])}@{digest[:12]}", rules=rules)

    def _rule(self, node: yaml.Node) -> Rule:
        fields = self._mapping(node, _RULE_KEYS, "a rule")
        verdict, code, text = (self._scalar(fields[key]) for key in ("verdict", "code", "text"))
        if verdict not in Verdict.__members__:
            raise self._error(fields["verdict"], f"verdict {verdict!r} is none of {', '.join(Verdict)}")
        if not _CODE.fullmatch(code):
            raise self._error(fields["code"], f"code {code!r} must be CAPITALS_AND_UNDERSCORES, 3 to 63 characters")
        for name in _PLACEHOLDER.findall(text):
            if name not in FACT_TYPES:
                raise self._error(fields["text"], f"{{{name}}} is no fact; known are: {', '.join(FACT_TYPES)}")
        return Rule(
            rule_id=self._scalar(fields["id"]),
            verdict=Verdict(verdict),
            code=code,
            text=text,
            matches=self._expression(fields["when"]),
        )

    def _expression(self, node: yaml.Node) -> Callable[[Facts], bool]:
        source = self._scalar(node)
        try:
            expression = self._environment.compile(source)
        except RuntimeError as error:  # the binding raises nothing narrower
            names = ", ".join(FACT_TYPES)
            raise self._error(node, f"`when` does not compile: {error}\nknown facts are: {names}") from error
        if expression.return_type() != self._bool:
            raise self._error(node, f"`when` must be true or false; this gives {expression.return_type().name()}")

        def matches(facts: Facts) -> bool:
            value = expression.eval(data=facts.values)
            if value.type() != self._bool:
                raise _EvaluationError(str(value.value()))
            return bool(value.value())

        return matches

    def _mapping(self, node: yaml.Node | None, keys: Iterable[str], what: str) -> dict[str, yaml.Node]:
        wanted = tuple(keys)
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, f"{what} must be a mapping with the keys {', '.join(wanted)}")
        found: dict[str, yaml.Node] = {}
        for key_node, value_node in node.value:
            key = self._scalar(key_node)
            if key not in wanted or key in found:
                raise self._error(key_node, f"{what} has no second or other key {key!r}; allowed: {', '.join(wanted)}")
            found[key] = value_node
        if missing := [key for key in wanted if key not in found]:
            raise self._error(node, f"{what} lacks {', '.join(missing)}")
        return found

    def _scalar(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or not str(node.value).strip():
            raise self._error(node, "expected a single value")
        return str(node.value).strip()

    def _refuse_repeats(self, rules: tuple[Rule, ...], nodes: yaml.SequenceNode) -> None:
        seen: set[str] = set()
        for rule, node in zip(rules, nodes.value, strict=True):
            if rule.rule_id in seen:
                raise self._error(node, f"rule id {rule.rule_id!r} is used twice")
            seen.add(rule.rule_id)

    def _error(self, node: yaml.Node | None, message: str) -> PolicyError:
        return PolicyError(message, file=self._path, line=node.start_mark.line + 1 if node else 1)


def _graver(one: Verdict, other: Verdict) -> Verdict:
    return max(one, other, key=_PRECEDENCE.index)


def _fill(text: str, facts: Facts) -> str:
    return _PLACEHOLDER.sub(lambda match: _words(facts.values[match.group(1)]), text)


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(cast("list[str]", value))
    return f"{value:.2g}" if isinstance(value, float) else str(value)
