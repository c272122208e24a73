"""`siem scheduler` as its users run it: a process that detects, tells, serves metrics, and ends when it is asked to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from siem_command import lines, siem

slow = pytest.mark.slow

LINE = "2 123456789012 eni-{name} 192.0.2.1 192.0.2.2 443 4444 6 1 40 1793530800 1793530801 ACCEPT OK\n"
RULE = """\
title: A port
id: 6a3c0bcb-9a3a-4f5c-8a8e-1c1f0e5d6b11
logsource: {product: aws, service: vpcflow}
detection:
  selection: {dstport: 4444}
  condition: selection
custom: {group: [source.ip]}
"""


class Logs:
    """A folder of flow logs that grows, a store, and a team's content."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rule = folder, folder / "content" / "detections" / "port.yml"
        self.rule.parent.mkdir(parents=True)
        self.place = ("--store", folder / "store")

    def ingest(self, name: str) -> None:
        log = self.folder / "logs" / "AWSLogs" / "123456789012" / "vpcflowlogs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(
            "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
            f" log-status\n{LINE.format(name=name)}"
        )
        siem("ingest", self.folder / "logs", *self.place)

    def alerts(self) -> list[str]:
        return [row["rule_id"][:8] for row in lines(siem("alerts", "list", *self.place))]

    @contextmanager
    def scheduler(self, *options: object, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "siem", "scheduler", *map(str, (*self.place, *options))]
        with (self.folder / "told").open("wb") as told:
            process = subprocess.Popen(command, stderr=told, env={**os.environ, **settings})
            try:
                yield process
            finally:
                process.kill()
                process.wait()

    def told(self) -> str:
        return (self.folder / "told").read_text()


def wait(known: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not known():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@slow
def test_a_rule_saved_while_it_runs_alerts_and_sigterm_ends_it(logs: Logs) -> None:
    logs.ingest("one")
    port = free_port()
    settings = {"SIEM_SCHEDULER__DETECT": "0.3", "SIEM_SCHEDULER__LISTEN": str(port)}
    with logs.scheduler("--content", logs.folder / "content", **settings) as process:
        wait(lambda: '"what":"pass"' in logs.told())
        logs.rule.write_text(RULE)
        time.sleep(1)
        logs.ingest("two")
        wait(lambda: logs.told().count('"what":"pass"') == 2)
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            metrics = answer.read().decode().splitlines()
        for path in ("healthz", "readyz"):
            with urlopen(f"http://127.0.0.1:{port}/{path}") as answer:
                assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert "siem_detection_objects_total 2.0" in metrics
    assert "siem_scheduler_lease_held 1.0" in metrics
    assert logs.alerts() == ["6a3c0bcb"]
    told = [json.loads(line) for line in logs.told().splitlines()]
    assert [line["what"] for line in told] == ["listens", "lease", "pass", "pass"]
    assert told[1].keys() >= {"what", "level", "timestamp", "process", "standing", "holder"}
    stats = json.loads(siem("store", "stats", *logs.place, "--format", "json").stdout)
    assert [(done["objects"], done["events"], done["alerts"]) for done in stats["passes"]] == [(1, 1, 1), (1, 1, 0)]
    assert stats["passes"][0]["holder"] == told[1]["holder"]
    assert [row["dataset"] for row in stats["datasets"]] == ["aws.vpcflow"]
    table = siem("store", "stats", *logs.place, "--format", "table").stdout.decode()
    assert "started" in table
    assert len(lines(siem("store", "stats", *logs.place))) == 1


@slow
def test_ctrl_c_ends_it_too(logs: Logs) -> None:
    siem("store", "init", *logs.place)
    with logs.scheduler() as process:
        wait(lambda: '"standing":"held"' in logs.told())
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert len(logs.told().splitlines()) == 1


@slow
def test_a_store_or_a_setting_that_cannot_be_ends_it_at_once(logs: Logs) -> None:
    told = siem("scheduler", *logs.place, code=3).stderr.decode()
    assert told.startswith("siem: no store at ")
    siem("store", "init", *logs.place)
    nowhere = logs.folder / "nowhere"
    told = siem("scheduler", *logs.place, "--content", nowhere, code=3).stderr.decode()
    assert told == f"siem: content folder {nowhere} does not exist\n"
    (logs.folder / "siem.toml").write_text("[scheduler]\nlisten = 'here'\n")
    told = siem("scheduler", *logs.place, cwd=logs.folder, code=3).stderr.decode()
    assert told == "siem: scheduler.listen: here is no HOST:PORT, as 127.0.0.1:9108\n"
