"""settings.yml says how a team wants rules to be; the rules themselves are not edited."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from siem.sigma import Correlation, Rule, RuleSet, load_rules, load_tuning, tuned

RULES = """\
title: Login failed
id: 11111111-1111-4111-8111-111111111111
name: failed
logsource: {product: aws}
detection: {s: {action: login, result: failure}, condition: s}
tags: [attack.t1110, cis.4.6]
level: low
---
title: Login
name: login
logsource: {product: aws}
detection: {s: {action: login}, condition: s}
tags: [attack.t1078]
level: low
---
title: Guessed
name: guessed
correlation: {type: event_count, rules: failed, group-by: user, timespan: 10m, condition: {gte: 5}}
tags: [attack.t1110]
level: high
---
title: Guessed and in
name: in
correlation: {type: temporal_ordered, rules: [guessed, login], group-by: user, timespan: 1h}
level: critical
---
title: Some
name: some
correlation: {type: temporal, rules: [failed, login], group-by: user, timespan: 1h, condition: {gte: 2}}
---
title: Range
name: range
correlation: {type: event_count, rules: login, timespan: 1h, condition: {gt: 2, lt: 9}}
"""


def given(tmp_path: Path, settings: str, whole: bool = True) -> RuleSet:
    (tmp_path / "r.yml").write_text(RULES)
    (tmp_path / "settings.yml").write_text(settings)
    tuning, errors = load_tuning(tmp_path / "settings.yml")
    assert tuning is not None
    rules = load_rules([tmp_path / "r.yml"])
    assert rules.refused == ()
    return tuned(replace(rules, refused=tuple(errors)), tuning, whole)


def called(rules: RuleSet, name: str) -> Rule | Correlation:
    one = rules.called(name)
    assert one is not None
    return one


def errors(rules: RuleSet) -> list[tuple[int | None, str]]:
    assert {Path(error.file or "").name for error in rules.refused} <= {"settings.yml"}
    return [(error.line, error.message) for error in rules.refused]


def alerting(rules: RuleSet) -> list[str]:
    return [one.title for one in [*rules.rules, *rules.correlations] if one.key not in rules.silent]


def test_a_rule_is_set_by_id_name_or_tag(tmp_path: Path) -> None:
    rules = given(
        tmp_path,
        """\
rules:
  11111111-1111-4111-8111-111111111111: {level: medium, channel: soc}
  GUESSED: {threshold: 20, timespan: 2h, tier: report}
tags:
  Attack.T1078: {level: informational}
""",
    )
    assert errors(rules) == []
    failed, guessed, login = called(rules, "failed"), called(rules, "guessed"), called(rules, "login")
    assert (failed.level, failed.channel, failed.tier) == ("medium", "soc", "alert")
    assert isinstance(guessed, Correlation)
    assert guessed.threshold is not None
    assert (guessed.threshold.limits, guessed.span) == ((("gte", 20.0),), timedelta(hours=2))
    assert (guessed.tier, guessed.level) == ("report", "high")
    assert login.level == "informational"
    assert rules.set_at["guessed"] == dict.fromkeys(("threshold", "timespan", "tier"), f"{tmp_path / 'settings.yml'}:3")
    assert "some" not in rules.set_at


def test_what_is_not_set_is_as_the_rule_says_and_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    rules, plain = given(tmp_path, "# nothing\n"), load_rules([tmp_path / "r.yml"])
    assert [one.fingerprint for one in rules.rules] == [one.fingerprint for one in plain.rules]
    assert (rules.silent, rules.disabled) == (plain.silent, frozenset())


def test_levels_are_of_environments_and_the_default_of_all_others(tmp_path: Path) -> None:
    rules = given(
        tmp_path, "rules:\n  failed: {level: {Production: High, default: low}}\n  login: {level: {dev: low}}\n"
    )
    failed, login = called(rules, "failed"), called(rules, "login")
    assert (failed.level, failed.levels) == ("low", {"production": "high"})
    assert (login.level, login.levels) == ("low", {"dev": "low"})


def test_what_is_said_of_a_rule_comes_before_its_tags_and_later_tags_before_earlier(tmp_path: Path) -> None:
    rules = given(
        tmp_path,
        """\
tags:
  attack.t1110: {level: medium, tier: report}
  cis.4.6: {level: critical, tier: report}
rules:
  guessed: {level: low}
""",
    )
    assert errors(rules) == []
    assert (called(rules, "failed").level, called(rules, "guessed").level) == ("critical", "low")
    (told,) = [doubt for doubt in rules.doubts if Path(doubt.file or "").name == "settings.yml"]
    assert (told.line, told.message) == (
        3,
        "level of Login failed: line 2 says otherwise, by another tag; this one holds",
    )


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("rules:\n  nobody: {tier: report}\n", 2, "no rule in use has the id or name nobody"),
        ("tags:\n  attack.t9999: {tier: report}\n", 2, "no rule in use has the tag attack.t9999"),
        ("rule: {}\n", 1, "settings have no `rule`; there is: rules, tags"),
        ("rules: [failed]\n", 1, "`rules` must be a mapping"),
        ("rules:\n  failed:\n", 2, "failed needs a mapping of enabled,"),
        ("rules:\n  failed:\n    tier: report\n    chanel: x\n", 4, "a rule has no setting `chanel`"),
        ("rules:\n  failed: {enabled: 0}\n", 2, "`enabled` must be true or false"),
        ("rules:\n  failed: {level: hihg}\n", 2, "hihg is no level"),
        ("rules:\n  failed:\n    level:\n      default: low\n      dev: loud\n", 5, "loud is no level"),
        ("rules:\n  failed: {level: {}}\n", 2, "`level` must be a level, or a mapping"),
        ("rules:\n  failed: {level: {dev: low, Dev: high}}\n", 2, "two environments are one"),
        ("rules:\n  failed: {tier: quiet}\n", 2, "`tier` must be alert or report"),
        ("rules:\n  failed: {channel: 7}\n", 2, "`channel` must be the name"),
        ("rules:\n  guessed: {threshold: many}\n", 2, "`threshold` must be a number"),
        ("rules:\n  guessed: {threshold: yes}\n", 2, "`threshold` must be a number"),
        ("rules:\n  guessed: {threshold: .inf}\n", 2, "`threshold` must be a number"),
        ("rules:\n  guessed: {timespan: 15}\n", 2, "`timespan` cannot be 15"),
        ("rules:\n  failed: {threshold: 3}\n", 2, "Login failed is about single events: it has no threshold"),
        ("rules:\n  failed: {timespan: 3m}\n", 2, "Login failed is about single events: it has no timespan"),
        ("rules:\n  in: {threshold: 2}\n", 2, "an order of all its rules"),
        ("rules:\n  some: {threshold: 3}\n", 2, "Some has 2 rules: 3 of them cannot be seen"),
        ("rules:\n  range: {threshold: 3}\n", 2, "the condition of Range is not one number"),
        ("tags:\n  cis.4.6: {threshold: 3}\n", 2, "no rule with the tag can have it: Login failed is about single"),
        (
            "rules:\n  failed: {tier: report}\n  11111111-1111-4111-8111-111111111111: {level: low}\n",
            3,
            "is the rule of line 2 too",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_told_with_its_line_and_the_others_hold(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    of_rules = text.startswith("rules:\n")
    rules = given(tmp_path, text + "  login: {channel: soc}\n" * of_rules)
    ((at, message),) = errors(rules)
    assert (at, said in message) == (line, True), message
    assert called(rules, "login").channel == ("soc" if of_rules else None)


def test_all_that_is_wrong_is_told(tmp_path: Path) -> None:
    text = "rules:\n  nobody: {tier: report}\n  failed: {tier: x, level: y}\n  login: {threshold: 1}\n"
    assert sorted(line for line, _ in errors(given(tmp_path, text)) if line) == [2, 3, 3, 4]


def test_a_tag_sets_the_threshold_of_those_that_have_one(tmp_path: Path) -> None:
    rules = given(tmp_path, "tags:\n  attack.t1110: {threshold: 9}\n")
    assert errors(rules) == []
    guessed = called(rules, "guessed")
    assert isinstance(guessed, Correlation)
    assert guessed.threshold is not None
    assert guessed.threshold.limits == (("gte", 9.0),)


@pytest.mark.parametrize("text", ["rules: {a\n", "- a\n", "a: 1\na: 2\n"])
def test_a_file_that_cannot_be_read_is_no_settings(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.yml").write_text(text)
    tuning, (error,) = load_tuning(tmp_path / "settings.yml")
    assert tuning is None
    assert error.line is not None


def test_a_rule_that_is_switched_off_is_not_run(tmp_path: Path) -> None:
    rules = given(tmp_path, "rules:\n  range: {enabled: false}\n")
    assert rules.called("range") is None
    assert ([one.title for one in rules.resting], rules.disabled) == (["Range"], {"range"})


def test_parts_of_a_correlation_that_is_switched_off_stay_silent(tmp_path: Path) -> None:
    before = alerting(given(tmp_path, ""))
    assert before == ["Guessed and in", "Some", "Range"]
    rules = given(tmp_path, "rules:\n  in: {enabled: false}\n  range: {enabled: false}\n")
    assert alerting(rules) == ["Some"]


def test_a_part_that_is_switched_off_serves_its_correlation_and_that_is_told(tmp_path: Path) -> None:
    rules = given(tmp_path, "rules:\n  failed: {enabled: false}\n  guessed: {enabled: false}\n")
    assert alerting(rules) == ["Guessed and in", "Some", "Range"]
    assert rules.called("failed") is not None
    assert {doubt.line: doubt.message for doubt in rules.doubts} == {
        2: "Login failed is switched off and alerts no more, but is still looked for: it is part of Guessed, Some",
        3: "Guessed is switched off and alerts no more, but is still looked for: it is part of Guessed and in",
    }


def test_a_chain_that_is_switched_off_as_a_whole_is_not_run(tmp_path: Path) -> None:
    names = ("failed", "login", "guessed", "in", "some", "range")
    rules = given(tmp_path, "rules:\n" + "".join(f"  {name}: {{enabled: false}}\n" for name in names))
    assert (rules.rules, rules.correlations, len(rules.resting)) == ((), (), 6)


def test_a_rule_that_alerts_beside_its_correlation_is_silent_when_it_is_switched_off(tmp_path: Path) -> None:
    (tmp_path / "settings.yml").write_text("rules:\n  failed: {enabled: false}\n")
    (tmp_path / "g.yml").write_text(
        "---\n".join(RULES.replace("{gte: 5}", "{gte: 5}, generate: true").split("---\n")[:3])
    )
    tuning, _ = load_tuning(tmp_path / "settings.yml")
    assert tuning is not None
    plain = load_rules([tmp_path / "g.yml"])
    assert alerting(plain) == ["Login failed", "Login", "Guessed"]
    assert alerting(tuned(plain, tuning)) == ["Login", "Guessed"]


def test_a_rule_that_is_refused_can_be_set_and_switched_off(tmp_path: Path) -> None:
    (tmp_path / "settings.yml").write_text("rules:\n  bad: {enabled: false}\n  worse: {tier: report}\n")
    bad = "title: B\nname: bad\nlogsource: {product: aws}\ndetection: {s: {a: b}, condition: t}\n"
    (tmp_path / "r.yml").write_text(f"{RULES}---\n{bad}---\n{bad.replace('bad', 'worse')}")
    tuning, _ = load_tuning(tmp_path / "settings.yml")
    assert tuning is not None
    plain = load_rules([tmp_path / "r.yml"])
    rules = tuned(plain, tuning)
    assert (plain.withheld, rules.withheld, rules.disabled) == ({"bad", "worse"}, {"worse"}, {"bad"})
    assert rules.refused == plain.refused


def test_of_rules_that_were_asked_for_others_settings_are_no_error_and_none_is_switched_off(tmp_path: Path) -> None:
    text = "rules:\n  nobody: {tier: report}\n  range: {enabled: false, tier: report}\ntags: {nope: {tier: report}}\n"
    rules = given(tmp_path, text, whole=False)
    assert (errors(rules), rules.disabled) == ([], frozenset())
    assert called(rules, "range").tier == "report"
