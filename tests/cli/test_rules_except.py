"""`siem rules except`: from an alert to a filter that keeps such events quiet, and a case that says so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from siem_command import lines, siem

from siem.cli import ended
from siem.cli.rules import excepting
from siem.errors import Unavailable
from siem.store import existing_store
from siem.store.contract import Alert
from siem.store.handling import Action
from siem.testing.flaky import FlakyStore

RULE = """\
title: A console login
id: 11111111-2222-4333-8444-555555555555
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: ConsoleLogin}
  condition: selection
level: high
"""
SINCE = ("--since", "2026-10-01")
WORDS = ("--reason", "The monthly drill.", "--until", "2099-01-01", "--by", "ann", *SINCE)


@pytest.fixture(scope="module")
def stored(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store and a content folder with one rule."""
    folder = tmp_path_factory.mktemp("except")
    (folder / "mine" / "detections").mkdir(parents=True)
    (folder / "mine" / "detections" / "login.yml").write_text(RULE)
    siem("ingest", samples / "bucket", "--store", folder / "store")
    siem("detect", "--rules", folder / "mine", "--store", folder / "store")
    return folder


def alerts(stored: Path) -> list[dict[str, Any]]:
    return lines(siem("alerts", "list", "--store", stored / "store"))


def places(stored: Path) -> tuple[object, ...]:
    return ("--store", stored / "store", "--content", stored / "mine")


def files(stored: Path) -> list[Path]:
    return sorted((stored / "mine" / "detections").rglob("*"))


def test_an_exception_is_tried_written_and_logged(stored: Path) -> None:
    one = next(alert for alert in alerts(stored) if "user/tanaka" in str(alert["group"]))
    closing = ("--as", "true", "--text", "stolen password", "--by", "bob")
    siem("alerts", "close", one["id"], *closing, "--store", stored / "store")
    before = files(stored)
    tried = siem("rules", "except", one["id"][:8], *WORDS, "--dry-run", *places(stored))
    assert files(stored) == before
    (gone,) = lines(tried)
    assert (gone["what"], gone["confirmed"], gone["id"], gone["left"]) == ("gone", True, one["id"], 0)
    told = tried.stderr.decode()
    assert "CAREFUL: 1 of these alerts were closed as true" in told
    assert "siem.principal.id: arn:aws:iam::111122223333:user/tanaka" in told

    done = siem("rules", "except", one["id"], *WORDS, *places(stored))
    assert lines(done) == [gone]
    filter_, cases = (
        stored / "mine/detections/filters" / f"a_console_login_{one['id'][:8]}{end}" for end in (".yml", ".cases.yml")
    )
    assert f"written: {filter_}" in done.stderr.decode()
    assert yaml.safe_load(filter_.read_text())["custom"] == {
        "owner": "ann",
        "reason": "The monthly drill.",
        "expires": "2099-01-01",
    }
    shown = json.loads(siem("alerts", "show", one["id"], "--format", "json", "--store", stored / "store").stdout)
    last = shown["actions"][-1]
    assert (last["verb"], last["author"], last["text"]) == ("except", "ann", "The monthly drill. (until 2099-01-01)")
    assert shown["state"] == "closed"

    again = siem("rules", "except", one["id"], *WORDS, *places(stored), code=2).stderr.decode()
    assert "is there already" in again or "none of its events" in again
    verdicts = lines(siem("rules", "test", filter_.parent, "--content", stored / "mine"))
    assert [(each["rule_id"], each["expected"], each["ok"]) for each in verdicts] == [(one["rule_id"], False, True)]
    filter_.write_text(filter_.read_text().replace("user/tanaka", "user/other"))
    verdicts = lines(siem("rules", "test", filter_.parent, "--content", stored / "mine", code=1))
    assert [each["ok"] for each in verdicts] == [False]
    filter_.unlink()
    cases.unlink()


def test_more_fields_make_it_narrower(stored: Path) -> None:
    one = next(alert for alert in alerts(stored) if "user/tanaka" in str(alert["group"]))
    done = siem(
        "rules", "except", one["id"], "--field", "responseElements.ConsoleLogin", "--field", "source.address", *WORDS,
        "--dry-run", *places(stored),
    )  # fmt: skip
    told = done.stderr.decode()
    assert "responseElements.ConsoleLogin is Failure or Success" in told
    assert "source.address is 203.0.113.66" in told


def wrong(stored: Path, *options: object, alert: str = "") -> str:
    id_ = alert or alerts(stored)[0]["id"]
    done = siem("rules", "except", id_, *options, "--store", stored / "store", code=2)
    return done.stderr.decode()


def test_a_wrong_call_says_what_is_wrong_and_writes_nothing(stored: Path, tmp_path: Path) -> None:
    filters = stored / "mine" / "detections" / "filters"
    if filters.is_dir():
        filters.rmdir()
    before = files(stored)
    mine = ("--content", stored / "mine")
    assert "name its folder with --content" in wrong(stored, *WORDS)
    over = ("--reason", "x", "--until", "2020-01-01")
    assert "write a date to come" in wrong(stored, *over, *mine)
    assert "write a date to come" in wrong(stored, "--reason", "x", "--until", "30d", *mine)
    assert "say why" in wrong(stored, "--reason", " ", "--until", "2099-01-01", *mine)
    assert "no value in it" in wrong(stored, *WORDS, "--field", "nothing.like.it", *mine)
    assert "no name of a field" in wrong(stored, *WORDS, "--field", "a|contains", *mine)
    assert "no alert abcdefgh" in wrong(stored, *WORDS, *mine, alert="abcdefgh")
    filters.symlink_to(tmp_path)
    assert "leads out of" in wrong(stored, *WORDS, *mine)
    filters.unlink()
    assert files(stored) == before
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_logged_is_not_written(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(FlakyStore):
        def act(self, actions: Sequence[Action]) -> list[Alert]:
            raise Unavailable("it is away")

    before = files(stored)
    one = next(alert["id"] for alert in alerts(stored) if "user/tanaka" in str(alert["group"]))
    monkeypatch.setattr(excepting, "existing_store", lambda settings: Deaf(existing_store(settings), lambda *_: None))
    assert ended(["rules", "except", one, *WORDS, *map(str, places(stored))]) == Unavailable.exit_code
    assert files(stored) == before


@pytest.mark.slow
def test_every_alert_of_the_sample_bucket_can_be_excepted(samples: Path, tmp_path: Path) -> None:
    """Of every dataset, with and without correlations: the filter is good, its case passes, and the alert is gone."""
    (tmp_path / "mine" / "detections").mkdir(parents=True)
    store = ("--store", tmp_path / "store")
    siem("ingest", samples / "bucket", *store)
    siem("detect", *store)
    kinds: dict[str, dict[str, Any]] = {}
    for alert in lines(siem("alerts", "list", *store)):
        kinds.setdefault(alert["rule_id"], alert)
    for alert in list(kinds.values())[::3]:
        content = ("--content", tmp_path / "mine")
        hidden = lines(siem("rules", "except", alert["id"], *WORDS, *content, *store, "--dry-run"))
        assert ("gone", alert["id"]) in [(one["what"], one["id"]) for one in hidden], alert["title"]
