"""Processing pipelines: what they make of values, and when their transformations are applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_world import changed, pipeline, refusal, rule

from siem.sigma.pipeline import values
from siem.sigma.pipeline.values import Placeholder
from siem.sigma.tree import Wild


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        ("type: replace_string, regex: 'c:', replacement: 'd:'", r"{f|endswith: 'c:\x'}", {"f": r"*d:\\x"}),
        ("type: replace_string, regex: '\\*', replacement: '#'", "{f: [a*, b]}", {"f": ["a#", "b"]}),
        ("type: replace_string, regex: '2', replacement: '3'", "{f: 22}", {"f": "33"}),
        ("type: replace_string, regex: x, replacement: y", "{f|re: x}", {"f|re": "x"}),
        ("type: replace_string, regex: x, replacement: y", "{f|cased|contains: x}", {"f|cased": "*y*"}),
        ("type: replace_string, regex: '^x', replacement: y", "{'|startswith': x}", {"|startswith": "y*"}),
        ("type: map_string, mapping: {a: [b, 'c*']}", "{f|all: [a, d]}", {"f|all": ["b", "c*", "d"]}),
        ("type: map_string, mapping: {a: b}", "{f|startswith: a}", {"f|startswith": "a"}),
        ("type: set_value, value: null", "{f|contains|all: [a, b]}", {"f|all": [None, None]}),
        ("type: set_value, value: 5, force_type: str", "{f|neq: a}", {"f|neq": "5"}),
        ("type: convert_type, target_type: str", "{f: [1, true, 2.5]}", {"f": ["1", True, "2.5"]}),
        ("type: convert_type, target_type: num", "{f: ['1', 2]}", {"f": [1, 2]}),
        ("type: case, method: upper", "{f|cased: 'a?b'}", {"f|cased": "A?B"}),
    ],
)
def test_values_are_changed_as_they_are_compared(tmp_path: Path, step: str, before: str, after: dict[str, Any]) -> None:
    assert changed(tmp_path, f"- {{{step}}}", f"s: {before}") == {"s": after}


def test_placeholders_are_replaced_before_other_modifiers(tmp_path: Path) -> None:
    head = "vars: {admins: [root, 'a*'], n: 5}\n"
    steps = "- {type: value_placeholders, include: [admins, n]}\n"
    made = changed(tmp_path, steps, "s: {'f|expand|contains': 'x%admins%%n%', g|re|expand: '%n%[%]', h: '%n%'}", head)
    assert made == {"s": {"f|contains": ["xroot5", "xa*5"], "g|re": "5[%]", "h": "%n%"}}
    made = changed(tmp_path, steps, r"s: {'f|expand': ['%n%%left%', '100\%']}", head)
    assert made == {"s": {"f|expand": ["5%left%", r"100\%"]}}
    assert changed(tmp_path, "- {type: wildcard_placeholders}", r"s: {f|expand: ['a%n%\*']}") == {"s": {"f": r"a*\*"}}


def test_a_placeholder_without_a_variable_is_refused_at_its_place(tmp_path: Path) -> None:
    problem = refusal(pipeline(tmp_path, "- {type: value_placeholders}"), rule("s: {f|expand: '%x%'}"))
    assert problem.place == ("detection", "s", "f|expand")
    assert problem.message.endswith("placeholder %x% is not resolved: `vars` has no x")


def test_hashes_become_fields(tmp_path: Path) -> None:
    step = "- {type: hashes_fields, valid_hash_algos: [MD5, SHA1], field_prefix: file.}"
    made = changed(tmp_path, step, "s: {Hashes|contains: [MD5=abc, SHA1=def, 'IMPHASH=x'], a: b}")
    assert made == {"s": [{"file.MD5": "abc", "a": "b"}, {"file.SHA1": "def", "a": "b"}]}
    assert "`neq` or `all`" in refusal(pipeline(tmp_path, step), rule("s: {Hashes|neq: MD5=abc}")).message


pieces = st.lists(
    st.one_of(st.text(alphabet="ab\\*?%", min_size=1, max_size=4), st.sampled_from(Wild), st.just(Placeholder("p"))),
    max_size=6,
)


@given(pieces)
def test_text_that_is_written_is_read_as_the_same(given_pieces: list[Any]) -> None:
    parts: list[Any] = []
    for piece in given_pieces:
        if parts and type(parts[-1]) is str and type(piece) is str:
            parts[-1] += piece
        else:
            parts.append(piece)
    expand = values.has_placeholder(tuple(parts))
    read = values.read(values.written(tuple(parts), expand), expand)
    joined: list[Any] = []
    for piece in read:
        if joined and type(joined[-1]) is str and type(piece) is str:
            joined[-1] += piece
        else:
            joined.append(piece)
    assert joined == parts


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ("rule_conditions: [{type: logsource, product: AWS}]", True),
        ("rule_conditions: [{type: logsource, product: aws, category: dns}]", False),
        ("rule_conditions: [{type: logsource, product: aws}], rule_cond_not: true", False),
        ("rule_conditions: [{type: tag, tag: attack.t1}, {type: contains_field, field: f}], rule_cond_op: or", True),
        ("rule_conditions: {a: {type: tag, tag: x.y}, b: {type: is_sigma_rule}}, rule_cond_expr: not a and b", True),
        ("rule_conditions: [{type: contains_detection_item, field: f, value: 'V*'}]", True),
        ("rule_conditions: [{type: contains_detection_item, field: f, value: 'V'}]", False),
        ("rule_conditions: [{type: rule_attribute, attribute: level, op: gt, value: low}]", True),
        ("rule_conditions: [{type: rule_attribute, attribute: date, op: lt, value: '2024-05-01'}]", True),
        ("rule_conditions: [{type: rule_attribute, attribute: risk, op: gte, value: 6}]", False),
        ("rule_conditions: [{type: rule_attribute, attribute: fields, op: in, value: f}]", True),
        ("rule_conditions: [{type: is_sigma_correlation_rule}]", False),
        ("detection_item_conditions: [{type: match_string, cond: all, pattern: V}]", True),
        ("detection_item_conditions: [{type: match_string, cond: any, pattern: V, negate: true}]", False),
        ("detection_item_conditions: [{type: contains_wildcard, cond: any}]", True),
        ("detection_item_conditions: [{type: match_value, cond: any, value: v}]", False),
        ("detection_item_conditions: [{type: is_null, cond: any}], detection_item_cond_not: true", True),
        ("field_name_conditions: [{type: include_fields, fields: ['F', 'f']}]", True),
        ("field_name_conditions: [{type: include_fields, fields: ['[a-e]'], mode: re}]", False),
        ("field_name_conditions: [{type: exclude_fields, fields: [f]}]", False),
    ],
)
def test_a_transformation_is_applied_where_its_conditions_hold(tmp_path: Path, conditions: str, holds: bool) -> None:
    loaded = pipeline(tmp_path, f"- {{type: set_value, value: changed, {conditions}}}")
    content = rule("s: {f|startswith: V}", level="high", date="2024/04/01", risk=5, fields=["f"])
    assert (loaded.applied(content)["detection"]["s"] == {"f": "changed"}) is holds


def test_later_transformations_know_what_earlier_ones_did(tmp_path: Path) -> None:
    steps = """\
    - {id: m, type: field_name_mapping, mapping: {a: x}}
    - {id: s, type: set_state, key: k, val: 5, rule_conditions: [{type: contains_field, field: x}]}
    - type: field_name_suffix
      suffix: .s
      field_name_conditions: [{type: processing_item_applied, processing_item_id: m}]
    - type: set_value
      value: seen
      detection_item_conditions: [{type: processing_item_applied, processing_item_id: m}]
      rule_conditions:
        - {type: processing_item_applied, processing_item_id: s}
        - {type: processing_state, key: k, op: gte, val: 5}
    """
    assert changed(tmp_path, steps, "s: {a: 1, b: 3}") == {"s": {"x": "seen", "b": 3}}
    assert changed(tmp_path, steps, "s: {b: 3}") == {"s": {"b": 3}}


def test_an_attribute_that_cannot_be_compared_refuses_the_rule(tmp_path: Path) -> None:
    condition = "{type: rule_attribute, attribute: level, value: high}"
    loaded = pipeline(tmp_path, f"- {{type: set_value, value: 1, rule_conditions: [{condition}]}}")
    assert "attribute `level` is not there" in refusal(loaded, rule("s: {a: 1}")).message
