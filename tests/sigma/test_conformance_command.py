"""The cases again through the command, as its users run it: all rules over all events, one process for each engine."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from test_conformance import CASES, file_of, texts_of

pytestmark = pytest.mark.slow

ENGINES = ("python", "duckdb", "opensearch")
OWN = ("dataset", "head", "file", "refused")
"""What makes a case another than a rule over any JSON."""

JUDGED: list[dict[str, Any]] = [
    case
    for case in (param.values[0] for param in CASES)
    if isinstance(case, dict) and not any(word in case for word in OWN)
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of rules called by their cases' numbers, and a file of all events."""
    folder = tmp_path_factory.mktemp("conformance")
    (folder / "rules").mkdir()
    for number, case in enumerate(JUDGED):
        (folder / f"rules/{number}.yml").write_text(f"name: case-{number}\n{file_of(case)[0]}")
    lists = [case["lists"] for case in JUDGED if "lists" in case]
    (folder / "content/lists").mkdir(parents=True)
    (folder / "content/lists/cases.yml").write_text(json.dumps({name: one[name] for one in lists for name in one}))
    (folder / "events.ndjson").write_text("\n".join(chain.from_iterable(map(texts_of, JUDGED))))
    return folder


@pytest.fixture(scope="module")
def matches(world: Path, opensearch: str) -> dict[str, list[tuple[str, int]]]:
    """What each engine finds: the rule and the line of the event."""
    return {engine: hunted(world, engine, opensearch) for engine in ENGINES}


def hunted(world: Path, engine: str, store: str) -> list[tuple[str, int]]:
    options = f"--on events.ndjson --dataset json --format ndjson --engine {engine} --store {store}".split()
    command = [sys.executable, "-m", "siem", "hunt", "rules", "--content", "content", *options]
    done = subprocess.run(command, cwd=world, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    found = map(json.loads, done.stdout.splitlines())
    return [(match["rule_id"], int(match["event_id"].removeprefix("events.ndjson:"))) for match in found]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_command_finds_what_the_cases_expect(matches: dict[str, list[tuple[str, int]]], engine: str) -> None:
    found, line = set(matches[engine]), 0
    wrong: dict[str, list[str]] = {}
    for number, case in enumerate(JUDGED):
        named = dict(enumerate(case["events"], line + 1))
        names = [name for place, name in named.items() if (f"case-{number}", place) in found]
        if names != case["expected"]:
            wrong[case["why"]] = names
        line += len(named)
    assert wrong == {}


def test_the_engines_agree_on_every_rule_and_every_event(matches: dict[str, list[tuple[str, int]]]) -> None:
    assert matches["python"] == matches["duckdb"] == matches["opensearch"]
