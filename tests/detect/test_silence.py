"""Rules of silence: somebody has sent, and then nothing came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from watched import HOUR, RULE, SECOND, Watch, written

from siem.cli.alerts import _lines, _row
from siem.detect.alerts import alert_id
from siem.detect.judgement import Judgement
from siem.detect.passes import again, detect
from siem.detect.standing import Standing, differences
from siem.parsing import Registry
from siem.parsing.batch import Parsed
from siem.testing.deliveries import FLOW, NOW, TRAIL, delivery, flows, put, trail

SILENT = """\
title: Logs stopped
name: stopped
logsource: {product: aws}
level: high
custom: {silence: {of: OF, for: 2h}}
"""
ONE, OTHER = "123456789012", "210987654321"


@pytest.fixture
def watching(tmp_path: Path, registry: Registry) -> Iterator[Callable[..., Watch]]:
    made: list[Watch] = []

    def watching(of: str, *more: str) -> Watch:
        made.append(Watch(tmp_path / "store", written(tmp_path, SILENT.replace("OF", of), *more), registry))
        return made[0]

    yield watching
    made[0].store.close()


def sent(watch: Watch, after: timedelta, account: str = ONE, region: str = "eu", dataset: str = TRAIL) -> None:
    of = delivery(f"AWSLogs/{account}/CloudTrail/{region}/2026/11/01/{after}-{dataset}.json.gz")
    events = trail(of, f"{account} {region} {after}") if dataset == TRAIL else flows(of, 1)
    put(watch.store, (of, Parsed(dataset, events)), now=NOW + after)


def listened(watch: Watch, after: timedelta) -> set[str]:
    return detect(watch.store, watch.rules, watch.sources, now=NOW + after).alerts


def test_a_dataset_that_stopped_is_one_alert_however_many_passes_there_are(watching: Callable[..., Watch]) -> None:
    watch = watching("dataset")
    sent(watch, 0 * HOUR)
    sent(watch, 3 * HOUR, OTHER)
    assert listened(watch, 5 * HOUR) == set()
    group, last = {"event.dataset": TRAIL}, NOW + 3 * HOUR
    assert listened(watch, 5 * HOUR + SECOND) == {alert_id("stopped", group, last, "")}
    assert listened(watch, 9 * HOUR) == set()
    assert (watch.alert.title, watch.alert.level) == ("Logs stopped: aws.cloudtrail", "high")
    assert (watch.alert.first, watch.alert.last, watch.alert.count, watch.alert.events) == (
        last,
        last + 2 * HOUR,
        0,
        (),
    )
    assert watch.alert.text == "Nothing has come since 2026-11-02T15:00:00Z."


def test_who_sends_again_raises_nothing_and_his_next_silence_is_another(watching: Callable[..., Watch]) -> None:
    watch = watching("dataset")
    for hours in (0, 3):
        sent(watch, hours * HOUR)
    listened(watch, 6 * HOUR)
    first = watch.close(watch.alert)
    sent(watch, 7 * HOUR)
    assert listened(watch, 8 * HOUR) == set()
    assert watch.alert == first
    (second,) = listened(watch, 10 * HOUR)
    assert [(alert.id, alert.state) for alert in watch.alerts] == [(second, "open"), (first.id, "closed")]


def test_who_never_sent_or_only_once_is_missed_by_nobody(watching: Callable[..., Watch]) -> None:
    watch = watching("dataset")
    assert listened(watch, 9 * HOUR) == set()
    sent(watch, 0 * HOUR)
    sent(watch, 1 * HOUR, dataset=TRAIL)
    assert listened(watch, 99 * HOUR) == set()


@pytest.mark.parametrize(
    ("of", "silent"),
    [
        ("dataset", []),
        ("account", [{"event.dataset": TRAIL, "cloud.account.id": OTHER}]),
        (
            "source",
            [
                {
                    "event.dataset": TRAIL,
                    "siem.source": f"logs/AWSLogs/{account}/CloudTrail/{region}",
                    "cloud.account.id": account,
                }
                for account, region in ((ONE, "us"), (OTHER, "eu"))
            ],
        ),
    ],
)
def test_silence_is_of_a_dataset_an_account_or_a_place(
    watching: Callable[..., Watch], of: str, silent: list[dict[str, str]]
) -> None:
    watch = watching(of)
    for account, region, hours in ((ONE, "eu", (0, 9)), (ONE, "us", (0, 5)), (OTHER, "eu", (0, 3)), (OTHER, "eu", ())):
        for hour in hours:
            sent(watch, hour * HOUR, account, region)
    listened(watch, 10 * HOUR)
    assert sorted([dict(alert.group) for alert in watch.alerts], key=str) == sorted(silent, key=str)


def test_only_datasets_of_the_log_source_are_listened_for(tmp_path: Path, watching: Callable[..., Watch]) -> None:
    watch = watching("dataset")
    for hours in (0, 3):
        sent(watch, hours * HOUR)
        sent(watch, hours * HOUR, dataset=FLOW)
    text = SILENT.replace("OF", "dataset").replace("product: aws", "product: aws, service: vpcflow")
    watch.rules = written(tmp_path, text)
    listened(watch, 9 * HOUR)
    assert watch.alert.group == {"event.dataset": FLOW}


def test_nobody_listens_without_a_time_and_judging_again_leaves_silences(watching: Callable[..., Watch]) -> None:
    watch = watching("dataset", RULE)
    for hours in (0, 3):
        sent(watch, hours * HOUR)
    assert watch.detect() == set()
    listened(watch, 9 * HOUR)
    before = watch.alert
    again(watch.store, watch.rules, watch.sources, None, None)
    assert watch.alert == before
    assert list(differences(watch.store, Judgement(watch.rules, watch.sources), Standing())) == []


def test_an_alert_without_events_is_shown(watching: Callable[..., Watch]) -> None:
    watch = watching("dataset")
    for hours in (0, 3):
        sent(watch, hours * HOUR)
    listened(watch, 9 * HOUR)
    lines = list(_lines(_row(watch.alert) | {"actions": [], "merged": []}))
    assert "nothing from 2026-11-02T15:00:00Z to 2026-11-02T17:00:00Z" in lines
