"""The same objects, rules and commands on both stores: the same events, ledger, signals, alerts and words."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from agreeing import Both, both
from manifest import DATA, OBJECTS, ROOT

from bench.corpus_cloudtrail import cloudtrail
from bench.corpus_elb import alb
from bench.corpus_vpcflow import vpcflow
from bench.corpus_waf import waf
from siem.config import Limits, Settings
from siem.detect.passes import again, detect
from siem.detect.sources import Sources
from siem.parsing import Registry
from siem.run.content import shipped_content
from siem.run.ingest import ingest
from siem.run.replay import replay
from siem.sigma import RuleSet, load_rules
from siem.store.contract import Store
from siem.store.embedded import EmbeddedStore
from siem.store.handling import MERGED, Action, Disposition, Verb

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
MORNING = datetime(2026, 11, 1, 4, tzinfo=UTC)
DETECTIONS = ROOT / "detections"
SAMPLES = [str(ROOT / "samples" / name) for name in ("bucket", "cloudtrail-invictus")]
BAD = [str(DATA / "bad-input" / entry["case"]) for entry in OBJECTS if "case" in entry]
STRICT = Settings(limits=Limits(record_bytes=1_700))
"""Records are longer, now and then."""


@pytest.fixture
def stores(opensearch: str, tmp_path: Path) -> Iterator[Both]:
    with both(opensearch, tmp_path / "store") as stores:
        yield stores


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    found = load_rules([shipped_content() / "detections"])
    assert found.refused == ()
    return found


class Work:
    """What a session does to both stores; everything that it is told has to be the same."""

    def __init__(self, stores: Both, registry: Registry, rules: RuleSet) -> None:
        self.stores, self.registry, self.rules = stores, registry, rules
        self.sources = Sources.of(registry)

    def takes(self, places: list[str], settings: Settings = Settings()) -> Any:  # noqa: B008
        return self.stores.tell(lambda store: vars(ingest(places, store, self.registry, settings, lambda: NOW)))

    def judges(self) -> Any:
        return self.stores.tell(lambda store: vars(detect(store, self.rules, self.sources, everything=True)))

    def judges_again(self, since: datetime | None, until: datetime | None = None) -> Any:
        return self.stores.tell(lambda store: vars(again(store, self.rules, self.sources, since, until)))

    def replays(self) -> Any:
        return self.stores.tell(lambda store: vars(replay(store, self.registry, Limits(), lambda: NOW)))

    def agree(self) -> None:
        self.stores.agree(list(self.registry.parsers))

    def handles(self) -> None:
        """Some alerts are closed, one of them again and again."""
        for number, alert in enumerate(self.stores.folder.alerts()[:12]):
            verb, was = (Verb.CLOSE, list(Disposition)[number % 4]) if number % 3 else (Verb.ACKNOWLEDGE, None)
            action = Action(str(number), alert.id, alert.rule_id, verb, "ann", NOW, "as planned", was)
            for _ in range(1 + number % 2):
                self.stores.tell(lambda store, action=action: store.act([action]))  # type: ignore[misc]

    def runs(self, *arguments: object) -> bytes:
        """What a command prints."""
        told = []
        for options, environment in self.stores.options():
            command = [sys.executable, "-m", "siem", *map(str, arguments), *options]
            done = subprocess.run(command, env=os.environ | environment, capture_output=True, check=False)
            told.append((done.returncode, done.stderr, done.stdout))
        assert told[0] == told[1]
        assert told[0][0] == 0, told[0]
        return told[0][2]


@pytest.fixture
def work(stores: Both, registry: Registry, rules: RuleSet) -> Work:
    return Work(stores, registry, rules)


def test_samples_and_broken_input_from_delivery_to_alerts(work: Work) -> None:
    assert work.takes(SAMPLES + BAD)["duplicates"] > 0
    work.agree()
    assert work.judges()["signals"] > 500
    work.agree()
    work.handles()
    assert work.takes(SAMPLES + BAD)["rejects"] == 0  # nothing is new
    assert work.judges()["objects"] == 0
    for since, until in ((MORNING, MORNING + timedelta(minutes=4, microseconds=500)), (None, MORNING), (MORNING, None)):
        assert work.judges_again(since, until)["signals"] > 0
    work.agree()
    assert work.replays()["tried"] > 0
    work.agree()
    span = ["--since", "2026-11-01T02:52:00.8Z", "--until", "2026-11-01T04:01:36.885212Z"]
    for command in (["hunt", DETECTIONS], ["hunt", DETECTIONS, *span], ["alerts", "list"], ["rejects", "list"]):
        assert work.runs(*command)


def test_rejects_that_newer_limits_take_become_the_same_events(work: Work) -> None:
    assert work.takes(SAMPLES[:1], STRICT)["rejects"] > 20
    work.agree()
    work.judges()
    assert work.replays()["events"] > 20
    work.agree()
    work.judges()
    work.agree()


@pytest.fixture
def generated(tmp_path: Path) -> str:
    """Objects of each kind, some of them with the bytes of others."""
    logs = tmp_path / "generated" / "AWSLogs" / "111122223333"
    day = "us-east-1/2026/11/01"
    header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
    for at in range(3):
        name = f"111122223333_{{}}_us-east-1_20261101T0{at}00Z_{at:016}"
        objects = {
            f"CloudTrail/{day}/{name.format('CloudTrail')}.json.gz": cloudtrail(400, at),
            f"vpcflowlogs/{day}/{name.format('vpcflowlogs')}.log.gz": vpcflow(f"{header} log-status", 900, at // 2),
            f"elasticloadbalancing/{day}/{name.format('elasticloadbalancing')}.log.gz": alb(400, 0.3, at // 2),
            f"WAFLogs/us-east-1/web/2026/11/01/00/00/{name.format('waflogs')}.log.gz": waf(400, at // 2),
        }
        for key, content in objects.items():
            (logs / key).parent.mkdir(parents=True, exist_ok=True)
            (logs / key).write_bytes(content)
    return str(tmp_path / "generated")


def test_generated_logs(work: Work, generated: str) -> None:
    done = work.takes([generated])
    assert all(done["events"][dataset] >= 700 for dataset in work.registry.parsers), done
    assert done["duplicates"] > 1_000
    work.agree()
    work.judges()
    work.agree()


def standing(store: Store) -> list[Any]:
    """The alerts that stand, whatever came before them."""
    return sorted([vars(alert) for alert in store.alerts()], key=lambda alert: alert["id"])


def test_objects_in_any_order_and_late_ones_make_the_same_alerts(work: Work, tmp_path: Path) -> None:
    """Both stores take them in the same order, which is another than that of the keys, and judge now and then."""
    bucket = tmp_path / "logs"
    for place in SAMPLES:
        shutil.copytree(place, bucket, dirs_exist_ok=True)
    files = sorted(path for path in bucket.rglob("*") if path.is_file())
    chance = random.Random(7)  # noqa: S311
    chance.shuffle(files)
    cuts = sorted(chance.sample(range(1, len(files)), 2))
    for start, end in zip([0, *cuts], [*cuts, len(files)], strict=True):
        part = tmp_path / f"part{start}"
        for file in [*files[start:end], *chance.sample(files[:end], 3)]:  # some come twice
            (part / file.relative_to(bucket)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, part / file.relative_to(bucket))
        work.takes([str(part)])
        work.judges()
    work.agree()
    late = work.stores.tell(standing)
    assert any(alert.state == MERGED for alert in work.stores.folder.alerts(merged=True))
    assert late == in_order(work, [str(bucket)], tmp_path / "in order")


def in_order(work: Work, places: list[str], folder: Path) -> list[Any]:
    """The alerts of an embedded store that has everything at once."""
    store = EmbeddedStore(folder)
    ingest(places, store, work.registry, Settings(), lambda: NOW)
    detect(store, work.rules, work.sources, everything=True)
    alerts = standing(store)
    store.close()
    return alerts
