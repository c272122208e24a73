"""Processing pipelines: their files, which of them count, and what is said of those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline_world import rule, written

from siem.sigma.pipeline import load_pipelines


def named(name: str, priority: int, target: str = "x") -> str:
    step = f"{{type: field_name_prefix, prefix: {target}.}}"
    return f"name: {name}\npriority: {priority}\ntransformations: [{step}]\n"


def test_pipelines_come_by_priority_then_as_given_and_a_team_replaces_what_is_shipped(tmp_path: Path) -> None:
    written(tmp_path, "shipped/a.yml", named("one", 20))
    written(tmp_path, "shipped/deep/b.yml", named("two", 10))
    written(tmp_path, "team/c.yml", named("three", 10))
    written(tmp_path, "team/d.yaml", named("one", 10, "mine"))
    written(tmp_path, "team/e.yml", "transformations: []\n")
    loaded, errors = load_pipelines([tmp_path / "shipped", tmp_path / "team"])
    assert errors == []
    assert [(one.name, one.priority) for one in loaded] == [("e.yml", 0), ("two", 10), ("three", 10), ("one", 10)]
    assert loaded[-1].applied(rule("s: {a: 1}"))["detection"]["s"] == {"mine.a": 1}
    assert (loaded[-1].file, loaded[-1].line) == (str(tmp_path / "team/d.yaml"), 1)


def test_a_pipeline_that_cannot_be_used_also_takes_the_one_away_that_it_replaces(tmp_path: Path) -> None:
    shipped = written(tmp_path, "shipped/a.yml", named("one", 20))
    team = written(tmp_path, "team/a.yml", "name: one\ntransformations: [{type: unheard}]\n")
    loaded, errors = load_pipelines([shipped.parent, team.parent])
    assert (loaded, [str(error) for error in errors]) == ([], [f"{team}:2: transformation `unheard` is not known"])


def test_two_of_one_name_in_a_folder_are_told(tmp_path: Path) -> None:
    for name in ("a.yml", "b.yml"):
        written(tmp_path, name, named("same", 1))
    loaded, (error,) = load_pipelines([tmp_path])
    assert len(loaded) == 1
    assert str(error) == f"{tmp_path}/b.yml:1: name same is taken by {tmp_path}/a.yml"


def test_everything_that_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "p.yml",
        """\
        name: p
        priority: high
        finalizers:
          - type: concat
        transformations:
          - type: regex
          - type: query_expression_placeholders
          - type: field_name_mapping
            mapping: {a: b}
            rule_conditions:
              - type: logsource
              - type: sounds_like
          - type: field_name_prefix
            prefix: 5
          - type: nest
            items:
              - type: replace_string
                regex: "("
                replacement: x
          - type: add_condition
            conditions: {a: b}
            detection_item_conditions: []
          - {type: rule_failure}
          - {type: rule_failure, message: m, colour: red}
        unheard: 1
        """,
    )
    loaded, errors = load_pipelines([file])
    assert loaded == []
    told = {error.line: error.message for error in errors}
    assert told[2] == "priority must be a whole number"
    assert told[3].startswith("`finalizers` changes queries")
    assert told[6].startswith("transformation `regex` is refused")
    assert told[7].startswith("transformation `query_expression_placeholders` is refused")
    assert told[11] == "condition `logsource` needs a category, product or service"
    assert told[14] == "`prefix` must be text"
    assert told[17].startswith("regular expression '(' cannot be read")
    assert told[22] == "`add_condition` is about the whole rule, and `detection_item_conditions` is not asked"
    assert told[23] == "transformation `rule_failure` needs `message`"
    assert told[24] == "transformation `rule_failure` has no `colour`"
    assert told[25] == "`unheard` is not known in a pipeline"


AFTER_I = "{type: processing_item_applied, processing_item_id: i}"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("{type: field_name_mapping, mapping: {a: []}}", "mapped to nothing"),
        ("{type: field_name_mapping, mapping: {a: 'b|c'}}", "cannot be the name of a field"),
        ("{type: field_name_transform, transform_func: rot13}", "transform_func must be"),
        ("{type: set_custom_attribute, attribute: level, value: high}", "no custom attribute"),
        ("{type: value_placeholders, include: [a], exclude: [b]}", "cannot stand together"),
        ("{type: set_value, value: x, force_type: num}", "cannot be a number"),
        ("{type: set_value, value: [x]}", "`value` must be"),
        ("{type: set_field, fields: [1]}", "a list of texts"),
        ("{type: change_logsource}", "needs a category"),
        ("{type: replace_string, regex: x, replacement: '\\2'}", "`replacement` cannot be read"),
        ("{type: map_string, mapping: {a: [1]}}", "must be a text"),
        ("{type: set_state, key: k, val: 1, rule_cond_expr: a}", "no such condition"),
        ("{type: set_state, key: k, val: 1, rule_cond_op: xor}", "must be and, or"),
        (
            "{type: rule_failure, message: m, rule_conditions: {a: {type: is_sigma_rule}}, rule_cond_expr: a or b}",
            "`b`",
        ),
        ("{type: drop_detection_item, detection_item_conditions: [{type: is_null, cond: some}]}", "any or all"),
        ("{type: rule_failure, message: m, rule_conditions: [{type: processing_state, key: k, val: 1}]}", "state `k`"),
        (f"{{type: set_state, key: k, val: 1, rule_conditions: [{AFTER_I}]}}", "has the id `i`"),
        (
            "{type: rule_failure, message: m, rule_conditions: [{type: rule_attribute, attribute: related, value: 1}]}",
            "compared",
        ),
        ("{type: file_placeholders, path: x}", "is refused"),
        ("text", "must be a map with a `type`"),
    ],
)
def test_a_transformation_that_cannot_be_meant_is_refused(tmp_path: Path, step: str, message: str) -> None:
    file = written(tmp_path, "p.yml", f"name: p\ntransformations:\n  - {step}\n")
    loaded, (error,) = load_pipelines([file])
    assert loaded == []
    assert message in error.message
    assert (error.file, error.line) == (str(file), 3)


def test_files_that_are_no_pipeline_are_told(tmp_path: Path) -> None:
    for name, text in {"a.yml": "- a\n", "b.yml": "name: [\n", "c.yml": "name: c\n---\nname: d\n"}.items():
        written(tmp_path, name, text)
    loaded, errors = load_pipelines([tmp_path])
    assert [one.name for one in loaded] == ["c"]
    assert [(Path(str(error.file)).name, error.line) for error in errors] == [("a.yml", 1), ("b.yml", 2), ("c.yml", 3)]
