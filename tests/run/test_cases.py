"""Cases of rules and of correlations, and why one that fails does."""

from __future__ import annotations

from pathlib import Path

import pytest

from siem.detect.sources import Sources
from siem.parsing import Registry
from siem.run.cases import cases
from siem.run.verdicts import Trial, Verdict
from siem.sigma import load_rules

RULES = """\
title: Login failed
name: failed
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: ConsoleLogin, responseElements.ConsoleLogin: Failure}
  condition: selection
---
title: Traffic was refused
name: refused
logsource: {product: aws, service: vpcflow}
detection: {selection: {action: REJECT}, condition: selection}
---
title: Passwords are guessed
name: guessed
correlation:
  type: event_count
  rules: failed
  group-by: source.ip
  timespan: 10m
  condition: {gte: 3}
---
title: From the network to the console
name: chain
correlation:
  type: temporal_ordered
  rules: [refused, guessed]
  group-by: source.ip
  timespan: 1d
"""
LOGS = """\
logs:
  login: &login
    eventVersion: "1.11"
    eventTime: "2026-11-01T02:24:10Z"
    eventName: ConsoleLogin
    sourceIPAddress: 203.0.113.9
    responseElements: {ConsoleLogin: Failure}
  flow: &flow |
    version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status
    2 123456789012 eni-1 203.0.113.9 10.0.0.1 4444 22 6 1 40 1793498400 1793498460 REJECT OK
"""


@pytest.fixture(scope="module")
def sources(registry: Registry) -> Sources:
    return Sources.of(registry)


def verdicts(tmp_path: Path, registry: Registry, sources: Sources, text: str) -> list[Verdict]:
    (tmp_path / "r.yml").write_text(RULES)
    (tmp_path / "r.cases.yml").write_text(LOGS + "cases:\n" + text)
    found, problems = cases(load_rules([tmp_path / "r.yml"]), sources)
    assert problems == []
    trial = Trial(registry, sources)
    return [trial.verdict(case) for case in found]


GOOD = """\
- {rule: failed, match: true, log: *login}
- {rule: guessed, match: true, log: [*login, *login, *login]}
- {rule: guessed, match: false, log: [*login, *login]}
- rule: chain
  match: true
  logs:
  - {dataset: aws.vpcflow, log: *flow}
  - {dataset: aws.cloudtrail, log: [*login, *login, *login]}
- rule: chain
  match: false
  logs: [{dataset: aws.cloudtrail, log: [*login, *login, *login]}]
"""


def test_cases_of_correlations_run_over_several_records_and_datasets(
    tmp_path: Path, registry: Registry, sources: Sources
) -> None:
    found = verdicts(tmp_path, registry, sources, GOOD)
    assert [verdict.why for verdict in found] == [""] * 5
    assert [verdict.matched for verdict in found] == [True, True, False, True, False]


def test_cases_may_be_called_yaml_as_rules_may(tmp_path: Path, sources: Sources) -> None:
    """They are no rules, so they must be cases."""
    (tmp_path / "r.yaml").write_text(RULES)
    (tmp_path / "r.cases.yaml").write_text(LOGS + "cases:\n" + GOOD)
    found, problems = cases(load_rules([tmp_path]), sources)
    assert (len(found), problems) == (5, [])


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("{rule: failed, match: false, log: *login}", 'selection: eventName is "ConsoleLogin": the record has'),
        (
            "{rule: failed, match: true, log: [*login, {<<: *login, eventName: GetUser}]}",
            "",
        ),
        (
            "{rule: failed, match: true, log: [{<<: *login, eventName: Other}, {<<: *login, responseElements: null}]}",
            'record 1: selection: eventName is "ConsoleLogin": the record has "Other"; '
            'record 2: selection: responseElements.ConsoleLogin is "Failure": the record has none',
        ),
        ("{rule: guessed, match: true, log: [*login, *login]}", "does not; Login failed matches 2 events"),
        ("{rule: guessed, match: false, log: [*login, *login, *login]}", "an episode source.ip=203.0.113.9 of 3 event"),
        (
            "{rule: guessed, match: true, log: {<<: *login, eventName: Other}}",
            'matches 0 events; selection: eventName is "ConsoleLogin": the record has "Other"',
        ),
        (
            "{rule: guessed, match: true, log: {<<: *login, sourceIPAddress: AWS Internal}}",
            "1 events without the values that it groups or counts by are left out",
        ),
        ("{rule: failed, match: true, log: {eventVersion: 7}}", "the log came to no event: "),
        (
            f"{{rule: failed, match: true, log: {{<<: *login, a: {'[' * 200}{']' * 200}}}}}",
            "nested deeper than 64 levels",
        ),
        ("{rule: failed, match: true, log: {<<: *login, a: !!set {x}}}", "the log cannot be written as JSON: "),
        ("{rule: failed, match: true, log: {<<: *login, 1: 2}}", ""),
        ("{rule: failed, match: true, log: {<<: *login, a: 123456789012345678901234567890}}", ""),
        ("{rule: refused, match: true, logs: [{dataset: aws.cloudtrail, log: *login}]}", "no log is of a dataset that"),
    ],
)
def test_why_a_case_fails(tmp_path: Path, registry: Registry, sources: Sources, case: str, why: str) -> None:
    (verdict,) = verdicts(tmp_path, registry, sources, f"- {case}\n")
    assert why in verdict.why
    assert verdict.ok == (not why)


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        ("{rule: chain, match: true, log: *login}", "`dataset:` must be one of aws.cloudtrail, aws.vpcflow"),
        ("{rule: chain, match: true, logs: []}", "`logs:` must be a list"),
        ("{rule: chain, match: true, logs: [{dataset: aws.vpcflow}]}", "`logs:` must be a list"),
        ("{rule: chain, match: true, logs: [], log: x}", "needs `name`, `match: true|false` and `log` (or `logs`)"),
        ("{rule: failed, match: 1, log: x}", "needs `name`"),
        ("{rule: failed, match: true, log: x, more: 1}", "unknown key more"),
        ("{rule: other, match: true, log: x}", "`rule:` must name one"),
        ("{match: true, log: x}", "`rule:` must name one"),
    ],
)
def test_a_case_that_cannot_be_read_is_told(tmp_path: Path, sources: Sources, case: str, problem: str) -> None:
    (tmp_path / "r.yml").write_text(RULES)
    (tmp_path / "r.cases.yml").write_text(f"{LOGS}cases:\n- {case}\n")
    found, (error,) = cases(load_rules([tmp_path / "r.yml"]), sources)
    assert found == []
    assert problem in error.message
    assert (error.file, error.line) == (str(tmp_path / "r.cases.yml"), LOGS.count("\n") + 2)


def test_what_is_wrong_with_a_case_disturbs_no_other(tmp_path: Path, sources: Sources) -> None:
    (tmp_path / "r.yml").write_text(RULES)
    bad, good = "- {rule: other, match: true, log: *login}\n", "- {rule: failed, match: true, log: *login}\n"
    (tmp_path / "r.cases.yml").write_text(f"{LOGS}cases:\n{bad}{good}{bad}{good}")
    found, problems = cases(load_rules([tmp_path / "r.yml"]), sources)
    start = LOGS.count("\n") + 2
    assert (len(found), [problem.line for problem in problems]) == (2, [start, start + 2])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ["the rule has no cases beside it"] * 4),
        ("[", ["not YAML: "]),
        ("cases: 1", ["`cases:` must be a list"]),
        ("cases:\n- {name: a, name: b}", ["key `name` stands twice"]),
    ],
)
def test_a_file_without_a_case_is_told(tmp_path: Path, sources: Sources, text: str, told: list[str]) -> None:
    (tmp_path / "r.yml").write_text(RULES)
    (tmp_path / "r.cases.yml").write_text(text)
    found, problems = cases(load_rules([tmp_path / "r.yml"]), sources)
    assert (found, len(problems)) == ([], len(told))
    for problem, words in zip(problems, told, strict=True):
        assert words in problem.message


def test_times_of_a_log_stay_as_they_are_written(tmp_path: Path, sources: Sources) -> None:
    """Most YAML readers make days and times of them; a log has text."""
    (tmp_path / "r.yml").write_text(RULES)
    log = {"eventTime": "2026-11-01T02:24:10Z", "requestParameters": {"from": "2026-11-01"}}
    text = str(log).replace("'", "")
    (tmp_path / "r.cases.yml").write_text(f"cases:\n- {{rule: failed, match: true, log: {text}}}\n")
    (case,), _ = cases(load_rules([tmp_path / "r.yml"]), sources)
    assert case.logs[0].content == log


def test_cases_of_a_rule_are_about_the_rule_and_those_of_a_filter_about_both(
    tmp_path: Path, sources: Sources, registry: Registry
) -> None:
    log = "{eventTime: 2026-11-01T02:24:10Z, eventName: Stop, eventVersion: '1.11', recipientAccountId: '123456789012'}"
    rule = "title: Stopped\nname: stopped\nlogsource: {product: aws, service: cloudtrail}\n"
    (tmp_path / "stopped.yml").write_text(rule + "detection: {selection: {eventName: Stop}, condition: selection}\n")
    (tmp_path / "ours.yml").write_text(
        "title: Ours\nlogsource: {product: aws}\n"
        "filter: {rules: stopped, ours: {cloud.account.id: '123456789012'}, condition: not ours}\n"
    )
    for name, match in (("stopped", "true"), ("ours", "false")):
        text = f"cases:\n- name: {name}\n  rule: stopped\n  match: {match}\n  dataset: aws.cloudtrail\n  log: {log}\n"
        (tmp_path / f"{name}.cases.yml").write_text(text)
    trial = Trial(registry, sources)
    whole = load_rules([tmp_path])
    found, problems = cases(whole, sources)
    assert problems == []
    assert [(one.name, trial.verdict(one).why) for one in found] == [("stopped", ""), ("ours", "")]
    alone = load_rules([tmp_path / "ours.yml"])
    (case,), problems = cases(alone, sources, whole)
    assert (case.name, trial.verdict(case).matched, problems) == ("ours", False, [])
    (_, problems) = cases(alone, sources)
    assert "`rule:` must name one of the file's rules, or one that its filters are added to" in str(problems[0])


def test_a_case_may_say_the_key_of_its_object(tmp_path: Path, sources: Sources, registry: Registry) -> None:
    rule = "title: Asked\nname: asked\nlogsource: {product: aws, service: elb}\n"
    (tmp_path / "asked.yml").write_text(
        rule + "detection: {selection: {cloud.account.id: '123456789012'}, condition: selection}\n"
    )
    line = registry.parsers["aws.elb"].example
    assert line is not None
    name = "123456789012_elasticloadbalancing_us-east-1_app.x.1_20261101T0000Z_192.0.2.1_x.log.gz"
    key = f"AWSLogs/123456789012/elasticloadbalancing/us-east-1/2026/11/01/{name}"
    log = str(line.log).strip().replace("\\", "\\\\").replace('"', '\\"')
    text = (
        f'cases:\n- name: a\n  match: true\n  key: {key}\n  log: "{log}"\n- name: b\n  match: false\n  log: "{log}"\n'
    )
    (tmp_path / "asked.cases.yml").write_text(text)
    found, problems = cases(load_rules([tmp_path / "asked.yml"]), sources)
    assert problems == []
    trial = Trial(registry, sources)
    assert [(one.name, trial.verdict(one).why) for one in found] == [("a", ""), ("b", "")]
