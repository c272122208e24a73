"""Processing pipelines: what they make of fields, correlations, filters and whole rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pipeline_world import changed, pipeline, refusal, rule


def test_a_mapped_field_keeps_its_modifiers_and_values(tmp_path: Path) -> None:
    step = "- {type: field_name_mapping, mapping: {a: x.a, b: y}}"
    made = changed(tmp_path, step, "s: {'a|contains|all': [one, 't*o'], 'b|re|i': '%x', c|exists: true}")
    assert made == {"s": {"x.a|contains|all": ["one", "t*o"], "y|re|i": "%x", "c|exists": True}}


def test_a_field_mapped_to_several_is_one_of_them_and_the_rest_of_the_map_holds_too(tmp_path: Path) -> None:
    step = "- {type: field_name_mapping, mapping: {a: [x, y]}}"
    made = changed(tmp_path, step, "s: {'a|contains|all': [one, two], b|neq: 3}")
    assert made == {
        "s": [{"x|contains|all": ["one", "two"], "b|neq": 3}, {"y|contains|all": ["one", "two"], "b|neq": 3}]
    }
    made = changed(tmp_path, step, "s: [{a: null, b: 1}, {a|exists: false}]")
    assert made == {"s": [{"x": None, "b": 1}, {"y": None, "b": 1}, {"x|exists": False}, {"y|exists": False}]}


def test_fields_that_become_one_lose_no_value(tmp_path: Path) -> None:
    step = "- {type: field_name_mapping, mapping: {a: x, b: x}}"
    assert changed(tmp_path, step, "s: {a: 1, b: 2}") == {"s": {"x|all": [1, 2]}}
    assert changed(tmp_path, step, "s: {a: 1, b: 1}") == {"s": {"x": 1}}
    assert changed(tmp_path, step, "s: {a: [1, 2], b: 3}") == {"s": [{"x|all": [1, 3]}, {"x|all": [2, 3]}]}
    assert changed(tmp_path, step, "s: {a|neq: [1, 2], b|neq: 3}") == {"s": {"x|neq": [1, 2, 3]}}
    assert changed(tmp_path, step, "s: {a|contains: 1, b: 2}") == {"s": {"x|contains": 1, "x": 2}}


def test_mapping_reaches_field_references_and_the_list_of_fields(tmp_path: Path) -> None:
    loaded = pipeline(tmp_path, "- {type: field_name_mapping, mapping: {a: [x, y], b: z}}")
    made = loaded.applied(rule("s: {b|fieldref: a}", fields=["a", "b", "c"]))
    assert made["detection"]["s"] == {"z|fieldref": ["x", "y"]}
    assert made["fields"] == ["x", "y", "z", "c"]


def test_keywords_that_get_a_field_are_still_looked_for_inside_of_it(tmp_path: Path) -> None:
    step = "- {type: field_name_mapping, mapping: {null: message}}"
    assert changed(tmp_path, step, "s: [one, 'two*', 3]") == {"s": {"message": ["*one*", "*two*", 3]}}
    assert changed(tmp_path, step, "s: {'|all': [one, two]}") == {"s": {"message|all": ["*one*", "*two*"]}}
    assert changed(tmp_path, step, "s: {'|re': o.e}") == {"s": {"message|re": "o.e"}}


@pytest.mark.parametrize(
    ("step", "field"),
    [
        ("type: field_name_prefix, prefix: win.", "win.EventName"),
        ("type: field_name_suffix, suffix: .raw", "EventName.raw"),
        ("type: field_name_prefix_mapping, mapping: {Event: e.}", "e.Name"),
        ("type: field_name_transform, transform_func: lower", "eventname"),
        ("type: field_name_transform, transform_func: snake_case", "event_name"),
        ("type: field_name_transform, transform_func: upper, mapping: {EventName: x}", "x"),
    ],
)
def test_field_names_are_transformed_and_keywords_left_alone(tmp_path: Path, step: str, field: str) -> None:
    made = changed(tmp_path, f"- {{{step}}}", "s: {EventName|contains: v}\nk: [word]")
    assert made == {"s": {f"{field}|contains": "v"}, "k": ["word"]}


def test_too_many_alternatives_are_refused_at_their_place(tmp_path: Path) -> None:
    names = ", ".join(f"{name}: [{', '.join(f'{name}{n}' for n in range(11))}]" for name in "abc")
    loaded = pipeline(tmp_path, f"- {{type: field_name_mapping, mapping: {{{names}}}}}")
    problem = refusal(loaded, rule("s: {a: 1, b: 2, c: 3}"))
    assert "1,000 alternatives" in problem.message
    assert problem.place[:2] == ("detection", "s")


def test_what_nobody_changes_stays_as_it_is_written(tmp_path: Path) -> None:
    content = rule("s: [{a: [one]}, [x, y], z]\nt: {'|all': [b]}\ncondition: s or t", fields=["a"])
    step = "- {type: field_name_mapping, mapping: {other: x}}"
    assert pipeline(tmp_path, step).applied(content) == content


def test_a_rule_that_cannot_be_read_is_left_for_its_reader_to_complain(tmp_path: Path) -> None:
    loaded = pipeline(tmp_path, "- {type: field_name_prefix, prefix: x.}\n- {type: add_condition, conditions: {a: b}}")
    for detection in (None, [], "text", {"s": {1: "a"}, "t": [], "u": {"f": {"g": 1}}, "condition": 3}):
        loaded.applied({"title": "T", "logsource": 5, "fields": "f", "detection": detection})
    assert loaded.applied(rule("s: {1: a}"))["detection"]["s"] == {1: "a"}


CORRELATION = """\
title: T
correlation:
  type: value_count
  rules: [one, two]
  group-by: [a, who]
  aliases: {who: {one: a, two: b}}
  timespan: 5m
  condition: {field: b, gte: 5}
"""


def test_in_correlations_groups_aliases_and_the_condition_are_mapped_and_aliases_keep_their_names(
    tmp_path: Path,
) -> None:
    loaded = pipeline(tmp_path, "- {type: field_name_mapping, mapping: {a: x, b: y, who: wrong}}")
    made = loaded.applied(yaml.safe_load(CORRELATION))["correlation"]
    assert made["group-by"] == ["x", "who"]
    assert made["aliases"] == {"who": {"one": "x", "two": "y"}}
    assert made["condition"] == {"field": "y", "gte": 5}


def test_several_fields_can_group_but_not_stand_in_an_alias_or_condition(tmp_path: Path) -> None:
    content = yaml.safe_load(CORRELATION)
    loaded = pipeline(tmp_path, "- {type: field_name_mapping, mapping: {a: [x, y], b: [u, v]}}")
    assert refusal(loaded, content).place == ("correlation", "aliases", "who", "one")
    del content["correlation"]["aliases"]
    assert refusal(loaded, content).place == ("correlation", "condition", "field")
    del content["correlation"]["condition"]
    assert loaded.applied(content)["correlation"]["group-by"] == ["x", "y", "who"]


def test_a_correlation_has_the_log_sources_of_the_rules_that_it_names(tmp_path: Path) -> None:
    step = "- {type: field_name_prefix, prefix: x., rule_conditions: [{type: logsource, product: aws}]}"
    loaded, content = pipeline(tmp_path, step), yaml.safe_load(CORRELATION)
    assert "does not tell" in refusal(loaded, content).message
    assert loaded.applied(content, [rule("s: {a: 1}")])["correlation"]["condition"]["field"] == "x.b"
    assert loaded.applied(content, [{"logsource": {"product": "linux"}}]) == content


FILTER = "title: F\nlogsource: {product: aws}\nfilter:\n  rules: any\n  own: {a|cased: V}\n  condition: not own\n"


def test_a_filter_is_mapped_as_the_rules_are_that_it_becomes_part_of(tmp_path: Path) -> None:
    mapping = "{type: field_name_mapping, mapping: {a: x}, rule_conditions: [{type: logsource, product: aws}]}"
    loaded = pipeline(tmp_path, f"- {mapping}\n- {{type: add_condition, conditions: {{i: j}}}}")
    assert loaded.applied(yaml.safe_load(FILTER))["filter"] == {
        "rules": "any",
        "own": {"x|cased": "V"},
        "condition": "not own",
    }


@pytest.mark.parametrize(
    "condition", ["type: logsource, service: s3", "type: tag, tag: a.b", "type: contains_field, field: f"]
)
def test_a_filter_for_rules_of_which_only_some_would_change_is_refused(tmp_path: Path, condition: str) -> None:
    loaded = pipeline(tmp_path, f"- {{type: field_name_prefix, prefix: x., rule_conditions: [{{{condition}}}]}}")
    assert "a filter alone does not tell" in refusal(loaded, yaml.safe_load(FILTER)).message


def test_a_filter_for_other_log_sources_is_left_alone(tmp_path: Path) -> None:
    condition = "[{type: logsource, product: linux, service: auditd}, {type: is_sigma_rule}]"
    loaded = pipeline(tmp_path, f"- {{type: field_name_prefix, prefix: x., rule_conditions: {condition}}}")
    assert loaded.applied(yaml.safe_load(FILTER)) == yaml.safe_load(FILTER)


def test_filters_of_rules_whose_log_source_changes_are_refused(tmp_path: Path) -> None:
    loaded = pipeline(tmp_path, "- {type: change_logsource, product: linux}")
    assert "another log source" in refusal(loaded, yaml.safe_load(FILTER)).message


def test_conditions_are_added_to_each_condition_of_a_rule(tmp_path: Path) -> None:
    steps = "- {type: add_condition, conditions: {'i|startswith': '$product-', n: [1, $x]}, template: true}"
    made = changed(tmp_path, steps, "s: {a: b}\nt: {c: d}\ncondition: [s, s or t]")
    assert made["_added_0"] == {"i|startswith": "aws-", "n": [1, "$x"]}
    assert made["condition"] == ["_added_0 and (s)", "_added_0 and (s or t)"]
    steps = "- {type: add_condition, name: own, negated: true, conditions: {a: b}}"
    assert changed(tmp_path, steps, "s: {a: b}")["condition"] == "not own and (s)"


def test_an_added_condition_takes_no_selection_away_and_fills_its_template(tmp_path: Path) -> None:
    loaded = pipeline(tmp_path, "- {type: add_condition, name: s, conditions: {a: b}}")
    assert "selection `s` of its own" in refusal(loaded, rule("s: {a: b}")).message
    loaded = pipeline(tmp_path, "- {type: add_condition, template: true, conditions: {a: $category}}")
    assert "log source has no category" in refusal(loaded, rule("s: {a: b}")).message


@pytest.mark.parametrize(
    ("detection", "after"),
    [
        ("s: {a: 1, b: 2}", {"s": {"b": 2}}),
        ("s: [{a: 1}, {b: 2}]", {"s": {"b": 2}}),
        ("s: {b: 1}\nt: {a: 2}\ncondition: s and not t", {"s": {"b": 1}, "condition": "s"}),
        ("s_1: {b: 1}\ns_2: {a: 2}\ns_3: {c: 1}\ncondition: 1 of s_*",
         {"s_1": {"b": 1}, "s_3": {"c": 1}, "condition": "(s_1 or s_3)"}),
        ("s: {b: 1}\nt: {a: 2}\nu: {c: 3}\ncondition: (s or t) and not (t or u)",
         {"s": {"b": 1}, "u": {"c": 3}, "condition": "(s and not u)"}),
    ],
)  # fmt: skip
def test_dropped_lines_are_asked_of_no_event(tmp_path: Path, detection: str, after: dict[str, Any]) -> None:
    step = "- {type: drop_detection_item, field_name_conditions: [{type: include_fields, fields: [a]}]}"
    assert {"condition": "s", **changed(tmp_path, step, detection)} == {"condition": "s", **after}


def test_a_rule_of_which_nothing_is_left_is_refused(tmp_path: Path) -> None:
    problem = refusal(pipeline(tmp_path, "- {type: drop_detection_item}"), rule("s: {a: 1}"))
    assert problem.message == "pipeline `team`: the pipeline leaves nothing of condition `s`"
    assert problem.place == ("detection", "condition")


def test_head_of_a_rule(tmp_path: Path) -> None:
    loaded = pipeline(
        tmp_path,
        """\
        - {type: change_logsource, product: linux, category: dns}
        - {type: set_custom_attribute, attribute: custom, value: {owner: x}}
        - {type: add_field, field: [b, c]}
        - {type: remove_field, field: a}
        """,
    )
    made = loaded.applied(rule("s: {f: v}", fields=["a"]))
    assert made["logsource"] == {"category": "dns", "product": "linux"}
    assert (made["custom"], made["fields"]) == ({"owner": "x"}, ["b", "c"])
    assert pipeline(tmp_path, "- {type: set_field, fields: [z]}").applied(rule("s: {f: v}"))["fields"] == ["z"]


def test_failures_refuse_a_rule_with_file_line_and_transformation(tmp_path: Path) -> None:
    steps = """\
    - {type: set_state, key: k, val: v}
    - type: nest
      items:
        - type: detection_item_failure
          message: Not here.
          field_name_conditions: [{type: include_fields, fields: [b]}]
    """
    problem = refusal(pipeline(tmp_path, steps), rule("s: [{a: 1}, {b|contains: x}]"))
    file = tmp_path / "p.yml"
    assert problem.message == f"pipeline `team`: nest ({file}:4): detection_item_failure ({file}:6): Not here."
    assert problem.place == ("detection", "s", 1, "b|contains")
    assert "Never." in refusal(pipeline(tmp_path, "- {type: rule_failure, message: Never.}"), rule("s: {a: 1}")).message
    strict = "- {type: field_name_mapping, mapping: {a: x}}\n- {type: strict_field_mapping_failure}"
    assert "field `b` is not mapped" in refusal(pipeline(tmp_path, strict), rule("s: {a: 1, b: 2}")).message
    assert changed(tmp_path, strict, "s: {a: 1}") == {"s": {"x": 1}}


def test_a_rule_without_a_condition_gets_none_by_an_added_one(tmp_path: Path) -> None:
    loaded = pipeline(tmp_path, "- {type: add_condition, conditions: {a: b}}")
    content = rule("s: {f: v}\ncondition: ''")
    assert loaded.applied(content)["detection"]["condition"] == ""
