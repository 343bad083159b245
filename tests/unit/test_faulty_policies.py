"""Policy files with one fault each: all are refused, with file, line and what is allowed there."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.errors import PolicyError
from serving.policy import load_policy

FOLDER = Path(__file__).parent / "faulty_policies"

# By file: the line of the fault, and words of the message.
FAULTS = {
    "format_version_missing": (2, "a policy lacks format_version"),
    "format_version_unknown": (2, "format_version must be 1 or 2"),
    "format_1_with_markets": (
        12,
        "a rule has no key 'markets' (format_version 2 adds it); allowed are id, when, verdict, code, text",
    ),
    "name_with_a_space": (3, "name 'autumn rules' must be letters, digits"),
    "key_unknown_at_the_top": (4, "a policy has no key 'author'; allowed are format_version, name, rules"),
    "rules_not_a_list": (4, "`rules` must be a list of at least one rule"),
    "rules_empty": (4, "`rules` must be a list of at least one rule"),
    "rule_not_a_mapping": (22, "a rule must be a mapping with the keys id, when, verdict, code, text"),
    "rule_with_unknown_key": (
        20,
        "a rule has no key 'priority'; allowed are id, when, verdict, code, text, categories, markets, brands",
    ),
    "rule_without_text": (11, "a rule lacks text"),
    "key_twice": (20, "a rule has the key 'verdict' twice; keep one"),
    "id_twice": (11, "id 'known-counterfeit-copy' is used twice; give each rule its own"),
    "id_with_a_slash": (11, "id 'bags/cheap' must be letters, digits, `.`, `_` and `-`"),
    "verdict_unknown": (18, "verdict 'BLOCK' is none of ALLOW, REVIEW, TAKEDOWN"),
    "verdict_in_small_letters": (18, "verdict 'review' is none of ALLOW, REVIEW, TAKEDOWN"),
    "code_with_a_hyphen": (19, "code 'CHEAP-BAG' must be CAPITALS_AND_UNDERSCORES, 3 to 63 characters"),
    "value_empty": (19, "expected a single value here, and not an empty one"),
    "text_with_unknown_fact": (20, "{brand.nmae} is no fact; known facts are: listing.claimed_brand (string)"),
    "text_with_a_brace_alone": (20, "braces enclose the name of a fact"),
    "when_with_unknown_fact": (
        17,
        "undeclared reference to 'selller.authorised'; known facts are: listing.claimed_brand (string)",
    ),
    "when_int_for_a_double": (16, "no matching overload for '_<_' applied to '(double, int)'; known facts are: "),
    "when_string_for_a_bool": (17, "no matching overload for '!_' applied to '(string)'; known facts are: "),
    "when_with_a_single_ampersand": (6, "`when` does not compile: Syntax error"),
    "when_assigns": (6, "`when` does not compile: Syntax error"),
    "when_not_true_or_false": (6, "`when` must give true or false, not int"),
    "when_fails_on_silence": (6, "`when` fails where nothing is known of a listing"),
    "when_bad_regular_expression": (6, "guard it"),
    "category_unknown": (
        12,
        "category 'fashion > bagz' is not in the taxonomy; under 'fashion' are: clothing, shoes, bags, ",
    ),
    "category_below_a_leaf": (12, "under 'fashion > bags > handbags' are: nothing; it is a leaf"),
    "category_unknown_at_the_top": (12, "category 'bags' is not in the taxonomy; at the top are: fashion, "),
    "categories_not_a_list": (12, "must be a list of at least one, such as"),
    "market_unknown": (13, "market 'EU' is not an ISO 3166-1 alpha-2 code in capitals, such as DE"),
    "market_in_small_letters": (15, "market 'fr' is not an ISO 3166-1 alpha-2 code in capitals, such as DE"),
    "markets_empty": (13, "must be a list of at least one, such as `[DE, FR]`; to set no limit leave it out"),
    "brand_of_nothing": (14, "brand '-' names nothing; write it as the registry does"),
    "brand_is_a_mapping": (14, "expected a single value here, and not an empty one"),
    "alias": (23, "aliases (`*name`) are not allowed; write the value out"),
    "indentation_broken": (18, "not YAML: "),
    "quote_never_closed": (21, "not YAML: while scanning a quoted scalar; found unexpected end of stream"),
    "tab": (19, "not YAML: "),
}


@pytest.mark.parametrize(("name", "line", "says"), [(name, *fault) for name, fault in FAULTS.items()])
def test_fault_is_named_with_its_line_and_what_is_allowed(name: str, line: int, says: str) -> None:
    """The error names the file, the very line, and what may stand there."""
    path = FOLDER / f"{name}.yaml"

    with pytest.raises(PolicyError) as caught:
        load_policy(path)

    assert (caught.value.file, caught.value.line) == (path, line)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert says in str(caught.value)


def test_every_faulty_file_is_expected() -> None:
    """No file lies there without a test, and there are the thirty that were promised."""
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(FAULTS)
    assert len(FAULTS) >= 30


def test_files_are_faulty_by_their_one_fault_alone(tmp_path: Path) -> None:
    """What the files have in common is a policy without fault."""
    lines = (FOLDER / "rule_without_text.yaml").read_text(encoding="utf-8")
    path = tmp_path / "whole.yaml"
    path.write_text(f'{lines}    text: "A {{brand.name}} bag"\n', encoding="utf-8")

    assert [rule.rule_id for rule in load_policy(path).rules] == ["known-counterfeit-copy", "cheap-bag"]
