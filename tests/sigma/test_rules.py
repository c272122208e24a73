"""Rule files: what is read from them, and what is said of those that cannot be used."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from siem.schema import LogSource
from siem.sigma import RuleSet, datasets_of, load_rules

GOOD = """\
title: A user was created
id: 11111111-1111-4111-8111-111111111111
name: user_created
status: test
level: medium
description: Somebody made a user.
author: A. Nalyst
references:
  - https://example.com/
tags:
  - attack.persistence
falsepositives:
  - Automation
logsource:
  product: aws
  service: cloudtrail
detection:
  selection:
    eventSource: iam.amazonaws.com
    eventName: CreateUser
  condition: selection
custom:
  owner: platform
"""


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(text))
    return file


def told(rules: RuleSet) -> list[tuple[str, int | None, str]]:
    return [(Path(error.file or "").name, error.line, error.message) for error in rules.refused]


def test_a_rule_says_all_that_its_author_wrote(tmp_path: Path) -> None:
    (rule,) = load_rules([written(tmp_path, "a.yml", GOOD)]).rules
    assert rule.key == rule.id == "11111111-1111-4111-8111-111111111111"
    assert (rule.name, rule.title, rule.level, rule.status) == ("user_created", "A user was created", "medium", "test")
    assert (rule.description, rule.author) == ("Somebody made a user.", "A. Nalyst")
    assert (rule.tags, rule.falsepositives) == (("attack.persistence",), ("Automation",))
    assert rule.references == ("https://example.com/",)
    assert rule.logsource == LogSource(product="aws", service="cloudtrail")
    assert rule.fields == {"eventSource", "eventName"}
    assert rule.custom == {"owner": "platform"}
    assert rule.line == 1


def test_folders_are_read_whole_without_the_cases(tmp_path: Path) -> None:
    for number, name in enumerate(["b.yml", "deep/er/a.yaml"]):
        written(tmp_path, name, GOOD.replace("1111-4111", f"{number}{number}{number}{number}-4111"))
    written(tmp_path, "b.cases.yml", "not: a rule")
    written(tmp_path, "notes.txt", "not a rule either")
    rules = load_rules([tmp_path])
    assert len(rules.rules) == 2
    assert rules.refused == ()


def test_of_a_content_folder_only_its_rules_are_read(tmp_path: Path) -> None:
    """Not its lists and pipelines: `siem rules check mine` is about rules."""
    written(tmp_path, "mine/detections/a.yml", GOOD)
    written(tmp_path, "mine/detections/lists/b.yml", GOOD.replace("1111-4111", "2222-4111"))
    for room in ("lists", "pipelines"):
        written(tmp_path, f"mine/{room}/office.yml", "- 198.51.100.0/24")
    for given in (tmp_path, tmp_path / "mine"):
        rules = load_rules([given])
        assert len(rules.rules) == 2
        assert rules.refused == ()


def test_a_file_that_is_given_twice_is_read_once(tmp_path: Path) -> None:
    file = written(tmp_path, "a.yml", GOOD)
    rules = load_rules([tmp_path, file])
    assert (len(rules.rules), rules.refused) == (1, ())


def test_a_rule_is_called_by_id_else_name_else_place(tmp_path: Path) -> None:
    nameless = "title: T\nlogsource: {}\ndetection:\n  s: {f: x}\n  condition: s\n"
    written(tmp_path, "sub/a.yml", f"{nameless}---\n{nameless}name: my_rule\n---\nid: Rule-7\n{nameless}")
    assert [rule.key for rule in load_rules([tmp_path]).rules] == ["sub/a.yml#1", "my_rule", "Rule-7"]
    assert [rule.key for rule in load_rules([tmp_path / "sub/a.yml"]).rules] == ["a.yml#1", "my_rule", "Rule-7"]


def test_several_documents_keep_their_lines(tmp_path: Path) -> None:
    text = f"# a comment first\n---\n{GOOD}---\n{GOOD.replace('1111-4111', '2222-4111')}"
    first, second = load_rules([written(tmp_path, "a.yml", text)]).rules
    assert (first.line, second.line) == (3, 27)


def test_every_error_of_every_file_is_told_with_its_line(tmp_path: Path) -> None:
    written(
        tmp_path,
        "a.yml",
        """\
        title: Broken in three places
        level: enormous
        logsource: {product: aws}
        detection:
          selection:
            f|sounds_like: x
            g|lt: much
          condition: selection and other
        ---
        title: Good
        logsource: {product: aws}
        detection:
          selection: {f: x}
          condition: selection
        """,
    )
    written(tmp_path, "b.yml", "title: [unclosed\n")
    written(tmp_path, "c.yml", GOOD)
    rules = load_rules([tmp_path])
    assert [rule.title for rule in rules.rules] == ["Good", "A user was created"]
    places = [f"{file}:{line}" for file, line, _ in told(rules)]
    assert places == ["a.yml:2", "a.yml:6", "a.yml:7", "a.yml:8", "b.yml:2"]
    messages = [message for _, _, message in told(rules)]
    assert "enormous" in messages[0]
    assert messages[1:4] == [
        "modifier `sounds_like` is not known",
        "modifier `lt` needs a number",
        "condition names `other`, but there is no such selection",
    ]


def test_rules_that_are_refused_are_withheld_by_the_keys_that_they_would_have(tmp_path: Path) -> None:
    bad = "title: T\nlogsource: {}\ndetection: text\n"
    good = "title: T\nname: good\nlogsource: {}\ndetection: {s: {f: x}, condition: s}\n"
    texts = [f"id: 5\nname: called\n{bad}", f"id: other\nname: x\n{bad}", bad, "- a\n", f"name: good\n{bad}", good]
    written(tmp_path, "a.yml", "---\n".join(texts))
    written(tmp_path, "b.yml", "title: [unclosed\n")
    rules = load_rules([tmp_path])
    assert [rule.key for rule in rules.rules] == ["good"]
    assert rules.withheld == {"called", "other", "a.yml#3", "a.yml#4"}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("- a\n- b\n", 1, "not a rule"),
        ("action: global\ntitle: T\n", 1, "`action` documents"),
        ("title: T\ndetection:\n  s: {f: x}\n  condition: s\n", 1, "must have a logsource"),
        ("title: T\nlogsource: {product: aws}\n", 1, "must have a detection"),
        ("logsource: {product: aws}\ndetection:\n  s: {f: x}\n  condition: s\n", 1, "must have a title"),
        ("title: T\nlogsource: {product: aws}\ndetection:\n  s: {f: x}\n", 3, "no condition"),
        ("title: T\nlogsource: {product: aws}\ndetection: text\n", 3, "must be a mapping"),
        ("title: T\nlogsource: {product: [aws]}\ndetection:\n  s: {f: x}\n  condition: s\n", 2, "product must be text"),
        ("title: T\ntags: attack\nlogsource: {}\ndetection:\n  s: {f: x}\n  condition: s\n", 2, "tags must be a list"),
        ("title: T\nid: [x]\nlogsource: {}\ndetection:\n  s: {f: x}\n  condition: s\n", 2, "id must be a text"),
        ("title: T\ntitle: U\n", 2, "stands twice"),
        ("title: T\nrelated: [5]\nlogsource: {}\ndetection:\n  s: {f: x}\n  condition: s\n", 2, "related items"),
        ("title: T\nlogsource: {}\ndetection:\n  s: {f: x}\n  condition: " + "not " * 100 + "s\n", 3, "deeper"),
    ],
)
def test_what_is_no_rule_is_refused_with_a_reason(tmp_path: Path, text: str, line: int, message: str) -> None:
    file = tmp_path / "a.yml"
    file.write_text(text)
    rules = load_rules([file])
    assert rules.rules == ()
    assert any(found == line and message in said for _, found, said in told(rules)), told(rules)


def test_a_list_of_mappings_names_the_line_of_the_bad_one(tmp_path: Path) -> None:
    text = "title: T\nlogsource: {}\ndetection:\n  s:\n    - f: x\n    - g: y\n      h|re: '('\n  condition: s\n"
    assert [line for _, line, _ in told(load_rules([written(tmp_path, "a.yml", text)]))] == [7]


def test_a_broken_document_leaves_the_others_of_its_file(tmp_path: Path) -> None:
    rules = load_rules([written(tmp_path, "a.yml", f"title: 'open\n---\n{GOOD}---\n: : :\n")])
    assert [rule.name for rule in rules.rules] == ["user_created"]
    assert len(rules.refused) == 2


def test_a_second_rule_of_one_id_is_refused_and_both_files_are_named(tmp_path: Path) -> None:
    written(tmp_path, "a.yml", GOOD)
    written(tmp_path, "b.yml", GOOD.replace("A user", "Another user"))
    rules = load_rules([tmp_path])
    assert [rule.title for rule in rules.rules] == ["A user was created"]
    ((file, line, message),) = told(rules)
    assert (file, line) == ("b.yml", 1)
    assert str(tmp_path / "a.yml") in message


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "latin.yml").write_bytes(b"title: gr\xfc\xdfe\n")
    rules = load_rules([tmp_path / "gone.yml", tmp_path / "latin.yml"])
    assert [message for _, _, message in told(rules)] == ["cannot be read: No such file or directory", "is not UTF-8"]


def test_a_byte_order_mark_and_windows_line_ends_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert len(load_rules([tmp_path]).rules) == 1


def test_the_fingerprint_is_of_the_meaning(tmp_path: Path) -> None:
    def fingerprint(text: str) -> str:
        return load_rules([written(tmp_path, "a.yml", text)]).rules[0].fingerprint

    first = fingerprint(GOOD)
    assert fingerprint(GOOD.replace("A user was created", "New title").replace("selection", "s")) == first
    assert fingerprint(GOOD.replace("CreateUser", "DeleteUser")) != first
    assert fingerprint(GOOD.replace("level: medium", "level: high")) != first
    assert fingerprint(GOOD.replace("service: cloudtrail", "service: s3")) != first


def test_lists_reach_the_rules(tmp_path: Path) -> None:
    file = written(tmp_path, "a.yml", GOOD.replace("eventName: CreateUser", "eventName|expand: '%calls%'"))
    assert "no list of that name" in load_rules([file]).refused[0].message
    assert load_rules([file], {"calls": ["CreateUser"]}).refused == ()


def test_a_rule_looks_at_the_datasets_that_answer_its_log_source(tmp_path: Path) -> None:
    answered = {
        "aws.cloudtrail": [LogSource(product="aws", service="cloudtrail")],
        "aws.elb": [LogSource(product="aws", service="elb"), LogSource(category="webserver")],
        "private": [],
    }

    def datasets(logsource: str) -> tuple[str, ...]:
        text = f"title: T\nlogsource: {logsource}\ndetection:\n  s: {{f: x}}\n  condition: s\n"
        return datasets_of(load_rules([written(tmp_path, "a.yml", text)]).rules[0], answered)

    assert datasets("{product: aws, service: cloudtrail}") == ("aws.cloudtrail",)
    assert datasets("{product: AWS}") == ("aws.cloudtrail", "aws.elb")
    assert datasets("{category: webserver}") == ("aws.elb",)
    assert datasets("{product: windows}") == ()
    assert datasets("{}") == ("aws.cloudtrail", "aws.elb", "private")
    assert datasets("{definition: enable it}") == ("aws.cloudtrail", "aws.elb", "private")


def test_aliases_cannot_make_a_file_without_end(tmp_path: Path) -> None:
    bomb = ["title: bomb", "logsource: {product: aws}", "detection:", "  a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        bomb.append(f"  {name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    written(tmp_path, "bomb.yml", "\n".join([*bomb, "  condition: a"]))
    written(tmp_path, "knot.yml", "title: knot\ndetection: &d {selection: *d, condition: selection}")
    written(tmp_path, "good.yml", GOOD)
    found = load_rules([tmp_path])
    assert [rule.file for rule in found.rules] == [str(tmp_path / "good.yml")]
    assert ["aliases" in str(found.refused[0]), "alias" in str(found.refused[1])] == [True, True]


def test_a_yaml_directive_is_no_document(tmp_path: Path) -> None:
    found = load_rules([written(tmp_path, "a.yml", f"# ours\n%YAML 1.2\n---\n{GOOD}")])
    assert (len(found.rules), found.refused) == (1, ())


def test_rules_without_id_and_name_may_have_files_of_one_name(tmp_path: Path) -> None:
    plain = "\n".join(line for line in GOOD.splitlines() if not line.startswith(("id:", "name:")))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder, "a.yml", plain)
    found = load_rules([tmp_path / "one", tmp_path / "two"])
    assert [rule.key for rule in found.rules] == ["a.yml#1", f"{(tmp_path / 'two' / 'a.yml').as_posix()}#1"]


def test_links_and_suffixes_of_any_case_are_followed_and_what_is_gone_is_told(tmp_path: Path) -> None:
    room, elsewhere = tmp_path / "room", tmp_path / "elsewhere"
    room.mkdir(), elsewhere.mkdir()
    written(elsewhere, "A.YML", GOOD)
    (room / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(room)
    (room / "gone.yml").symlink_to(tmp_path / "nowhere.yml")
    found = load_rules([room])
    assert (len(found.rules), len(found.refused)) == (1, 1)
    assert "gone.yml" in str(found.refused[0])


@pytest.mark.parametrize("part", ["title", "text"])
def test_words_of_alerts_must_be_text(part: str, tmp_path: Path) -> None:
    path = tmp_path / "rule.yml"
    path.write_text(f"{GOOD}  {part}: [a]\n")
    (refused,) = load_rules([path]).refused
    assert f"{part} must be text" in str(refused)
    assert refused.line == GOOD.count("\n") + 1


@pytest.mark.parametrize(("given", "level"), [("high", "high"), ("High", "high"), ("medium", "medium"), ("null", None)])
def test_a_rule_may_be_louder_after_hours(tmp_path: Path, given: str, level: str | None) -> None:
    text = f"{GOOD}  after_hours: {given}\n"
    (rule,) = load_rules([written(tmp_path, "a.yml", text)]).rules
    assert rule.after_hours == level


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("low", "after_hours is lower than the rule's level, medium"),
        ("loud", "after_hours must be a level: informational, low, medium, high, critical"),
        ("[high]", "after_hours must be a level: informational, low, medium, high, critical"),
        ("true", "after_hours must be a level: informational, low, medium, high, critical"),
    ],
)
def test_a_rule_that_would_be_quieter_after_hours_is_refused(tmp_path: Path, given: str, said: str) -> None:
    text = f"{GOOD}  after_hours: {given}\n"
    (error,) = load_rules([written(tmp_path, "a.yml", text)]).refused
    assert (error.message, error.line) == (said, text.count("\n"))
