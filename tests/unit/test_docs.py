"""The tables and examples in docs/ are those of the code; a failing test prints the table that belongs there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args, get_origin

import annotated_types
import click
import pytest
import yaml
from click.testing import CliRunner
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from index.store.personal import PERSONAL
from serving.access.access_file import TokenRules, load_access
from serving.access.permissions import GRANTS, NO_CREDENTIAL, NO_ROLE, ROLES, RPCS, Permission
from serving.cli.main import touchstone
from serving.cli.policy import policy as policy_commands
from serving.facts import FACTS, Facts
from serving.features import BIAS, FEATURES
from serving.policy import decide, load_policy
from serving.policy_yaml import MAX_BYTES
from serving.settings import Settings, load_settings
from serving.telemetry.metrics import METRICS

DOCS = Path(__file__).parents[2] / "docs"


def facts_table() -> str:
    """Draw the table of facts."""
    rows = (f"| `{name}` | `{fact.type}` | `{_yaml(fact.neutral)}` | {fact.meaning} |" for name, fact in FACTS.items())
    return _table("| fact | type | nothing found | meaning |", rows)


def weights_table() -> str:
    """Draw the table of what the evidence weighs."""
    rows = (f"| `{f.code}` | {f.weight} | {f.direction:+d} | {f.text} |" for f in FEATURES)
    return _table("| code | weight | direction | what it says |", [f"| (the prior) | {BIAS} | | Always |", *rows])


def settings_table() -> str:
    """Draw the table of settings."""
    rows = (
        f"| `{name}` | {_kind(field)} | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    )
    return _table("| setting | type | default | meaning |", rows)


def privacy_table() -> str:
    """Draw the table of columns with personal data."""
    rows = []
    for table, parts in PERSONAL.items():
        for part in parts:
            columns = ", ".join(f"`{column}`" for column in part.columns.split())
            rows.append(f"| `{table}` | {columns} | {part.whose} | {part.erasure} | {part.retention} |")
    return _table("| table | columns | of whom | when they are erased | kept otherwise |", rows)


def permissions_table() -> str:
    """Draw the table of who may call what."""
    rows = []
    for permission in Permission:
        rpcs = ", ".join(
            f"`{'.'.join(rpc.split('.')[-1].split('/'))}`" for rpc, one in RPCS.items() if one is permission
        )
        roles = ", ".join(f"`{role}`" for role in ROLES if role in GRANTS[permission])
        anybody = dict.fromkeys(NO_ROLE, "every caller who signs in") | dict.fromkeys(NO_CREDENTIAL, "everybody")
        rows.append(f"| {permission.value} | {rpcs} | {anybody.get(permission, roles)} |")
    return _table("| permission | rpcs | roles, besides `admin` |", rows)


def metrics_table() -> str:
    """Draw the table of metrics."""
    rows = (
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.meaning} |"
        for metric in METRICS
    )
    return _table("| metric | kind | labels | meaning |", rows)


def _table(head: str, rows: Iterable[str]) -> str:
    return "\n".join([head, "|" + " --- |" * (head.count("|") - 1), *rows])


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")


def _default(field: FieldInfo) -> str:
    if field.default is None:
        return "unset"
    return f"`{field.default}`" if isinstance(field.default, Path) else f"`{_yaml(field.default)}`"


def _kind(field: FieldInfo) -> str:
    kind = field.annotation
    if get_origin(kind) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(kind))
    if get_origin(kind) is tuple:
        return "list of text"
    names = {Path: "path", str: "text", SecretStr: "text", bool: "true or false", int: "whole number", float: "number"}
    name = next(names[part] for part in (kind, *get_args(kind)) if part in names)
    return " ".join([name, *map(_limit, field.metadata)]).strip()


def _limit(rule: object) -> str:
    match rule:
        case annotated_types.Ge(limit):
            return f"from {limit}"
        case annotated_types.Gt(limit):
            return f"above {limit}"
        case annotated_types.Le(limit):
            return f"to {limit}"
        case _:
            return ""


@pytest.mark.parametrize(
    ("page", "mark", "expected"),
    [
        ("policy.md", "facts", facts_table()),
        ("policy.md", "weights", weights_table()),
        ("settings.md", "settings", settings_table()),
        ("access.md", "permissions", permissions_table()),
        ("operating.md", "metrics", metrics_table()),
        ("privacy.md", "personal", privacy_table()),
    ],
)
def test_table_is_what_the_code_says(page: str, mark: str, expected: str) -> None:
    """Every fact, weight and setting is documented as it is; upon failure, paste what is printed."""
    text = (DOCS / page).read_text(encoding="utf-8")

    found = text.partition(f"<!-- {mark} -->")[2].partition(f"<!-- /{mark} -->")[0].strip()

    assert found == expected, f"docs/{page} must hold between its {mark} marks:\n\n{expected}\n"


def _examples(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_example_policy_does_what_its_page_says(tmp_path: Path) -> None:
    """The example compiles, and allows what it has no rule for."""
    (example,) = _examples("policy.md", "yaml")
    path = tmp_path / "my-policy.yaml"
    path.write_text(example, encoding="utf-8")
    policy = load_policy(path)
    nothing = Facts({name: fact.neutral for name, fact in FACTS.items()})
    cheap = Facts(
        nothing.values
        | {"category.predicted": "fashion > watches-and-jewellery > watches", "listing.market": "FR"}
        | {"price.known": True, "price.ratio": 0.25}
        | {"brand.known": True, "brand.name": "Rolex"}
    )

    assert decide(nothing, policy).verdict == "ALLOW"
    assert decide(cheap.plus("seller.authorised", True), policy).verdict == "ALLOW"
    assert decide(cheap.plus("listing.market", "US"), policy).verdict == "ALLOW"
    named = re.findall(rf"{policy.version.partition('@')[0]}@\w+", (DOCS / "policy.md").read_text(encoding="utf-8"))
    assert set(named) == {policy.version}
    assert decide(cheap, policy).reasons[0].text.startswith("A Rolex watch at 0.25 of its usual price")


def test_expressions_on_the_page_compile_or_not_as_it_says(tmp_path: Path) -> None:
    """Each expression that the page calls right is right, and what it says is refused is refused."""
    text = (DOCS / "policy.md").read_text(encoding="utf-8")
    (example,) = _examples("policy.md", "yaml")
    path = tmp_path / "my-policy.yaml"
    right = [
        "seller.strikes >= 3", "price.ratio < 0.3", "size(text.brands) > 1",
        "text.brands.exists(one, one == brand.name)",
        'size(text.replica_words) > 0 && text.replica_words[0] == "AAA"',
    ]  # fmt: skip
    refused = ["price.ratio < 1", 'text.replica_words[0] == "AAA"']

    for when in (*right, *refused):
        assert f"`{when}`" in text
        path.write_text(example.replace("when: text.replica_wording", f"when: |\n      {when}"), encoding="utf-8")
        answer = CliRunner().invoke(touchstone, ["policy", "check", str(path)])
        assert (answer.exception is None) == (when in right), when


def test_check_command_lists_the_rules(tmp_path: Path) -> None:
    """`touchstone policy check` shows each rule with its verdict and the version that decisions will carry."""
    (example,) = _examples("policy.md", "yaml")
    path = tmp_path / "my-policy.yaml"
    path.write_text(example, encoding="utf-8")

    answer = CliRunner().invoke(touchstone, ["policy", "check", str(path)])

    assert answer.exit_code == 0
    assert load_policy(path).version in answer.output
    assert re.search(r"TAKEDOWN +known-counterfeit-copy", answer.output)


def test_page_names_every_command() -> None:
    """Every command of `touchstone policy`, and of its holds, stands on the page."""
    text = (DOCS / "policy.md").read_text(encoding="utf-8")

    holds = policy_commands.commands["hold"]
    assert isinstance(holds, click.Group)
    for command in (*policy_commands.commands.keys() - {"hold"}, *(f"hold {name}" for name in holds.commands)):
        assert f"policy {command}" in text or f"`{command} " in text, command


def test_page_names_every_code_that_stands_in_code() -> None:
    """Whoever reads a decision finds the codes that no policy gives, and the limits, on the page."""
    text = (DOCS / "policy.md").read_text(encoding="utf-8")

    for module in ("policy", "facts", "stages", "takedown", "gate"):
        source = (DOCS.parent / "serving" / f"{module}.py").read_text(encoding="utf-8")
        for code in re.findall(r'Reason\(\s*"([A-Z_]+)"', source):
            assert f"`{code}`" in text, code
    assert MAX_BYTES == 2**20
    assert "at most 1 MiB" in text


def test_example_settings_are_accepted(tmp_path: Path) -> None:
    """The example file sets what it says, with paths relative to itself."""
    (example,) = _examples("settings.md", "yaml")
    path = tmp_path / "touchstone.yaml"
    path.write_text(example, encoding="utf-8")

    settings = load_settings(path)

    assert settings.data_dir == tmp_path / "data"
    assert settings.policy == tmp_path / "my-policy.yaml"
    assert (settings.base_currency, settings.workers) == ("EUR", 16)


def test_commands_on_the_pages_are_commands() -> None:
    """What the pages and the README tell people to type has the names, options and arguments that there are."""
    pages = [*sorted(DOCS.glob("*.md")), DOCS.parent / "README.md"]
    typed = re.compile(r"^(?:\$ |\.venv/bin/)touchstone (.+)$|`touchstone ([^`…\[|]+)`", re.MULTILINE)
    found = [(page.name, one or other) for page in pages for one, other in typed.findall(page.read_text("utf-8"))]

    assert len(found) > 50
    for page, words in found:
        command: click.Command = touchstone
        rest = shlex.split(words, comments=True)
        while rest:
            context = click.Context(command)
            _, rest, _ = command.make_parser(context).parse_args(rest)
            if not rest:
                break
            assert isinstance(command, click.Group), f"{page}: {words}: too many arguments"
            try:
                _, below, rest = command.resolve_command(context, rest)
            except click.UsageError as error:
                pytest.fail(f"{page}: {words}: {error}")
            assert below is not None
            command = below


def test_example_access_file_is_one(tmp_path: Path) -> None:
    """The settings and the access file of the page are taken as they stand."""
    settings, access = _examples("access.md", "yaml")
    (tmp_path / "touchstone.yaml").write_text(settings, encoding="utf-8")
    (tmp_path / "access.yaml").write_text(access, encoding="utf-8")

    found = load_settings(tmp_path / "touchstone.yaml")
    assert found.access is not None
    loaded = load_access(found.access)

    assert found.tls_key == tmp_path / "tls/server.key"
    assert loaded.tokens is not None
    assert loaded.certificates["upload.shop.example"].as_caller().roles == {"pipeline"}


def test_defaults_of_tokens_are_those_of_the_page() -> None:
    """Each field of `tokens` stands on the page with its default."""
    text = (DOCS / "access.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (`\w+`(?:, `\w+`)?) \| ([^|]+) \|", text.partition("### Tokens")[2], re.MULTILINE))
    documented = {
        name: value.strip()
        for names, values in rows.items()
        for name, value in zip(re.findall(r"`(\w+)`", names), _spread(values, names.count(",") + 1), strict=True)
    }

    for name, field in TokenRules.model_fields.items():
        default = "required" if field.is_required() else documented_default(field.default)
        assert documented[name] == default, name


def _spread(values: str, count: int) -> list[str]:
    return values.split(",") if count > 1 and "," in values else [values] * count


def documented_default(value: object) -> str:
    """Write a default as the page does."""
    if value is None:
        return "unset"
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
