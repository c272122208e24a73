"""The doctor finds what is wrong with a store, says what to do, and changes nothing."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from listening import listener

from siem.config import Settings, load_settings
from siem.errors import ConfigError
from siem.schema import DatasetFields
from siem.store import existing_store, open_folder, shown
from siem.store.checks import Check, Verdict, examined
from siem.store.contract import State
from siem.store.embedded import doctor
from siem.store.opensearch.cluster import doctor as of_cluster
from siem.store.opensearch.cluster.clients import connect
from siem.store.opensearch.names import States
from siem.store.preparation import Prepared, preparation
from siem.testing.deliveries import delivery, put

FIELDS = {name: DatasetFields(name) for name in ("aws.trail", "aws.flow")}
NUMBERS = count()
GIBI = 1 << 30


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def now() -> datetime:
    return datetime.now(UTC)


def verdicts(checks: Sequence[Check]) -> dict[str, str]:
    return {check.what: check.verdict.value for check in checks}


def bad(checks: Sequence[Check]) -> list[Check]:
    """Those that say something; each says what to do."""
    found = [check for check in checks if check.verdict is not Verdict.OK]
    assert all(check.advice for check in found)
    return found


def initialised(settings: Settings, dry_run: bool = False) -> list[Prepared]:
    return preparation(settings, FIELDS, dry_run, lambda _: None)


class TestFolders:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return load_settings(store=str(tmp_path / "store"))

    def test_one_that_is_not_there(self, settings: Settings) -> None:
        (check,) = bad(examined(settings, FIELDS, now))
        assert (check.what, check.advice) == ("store", "run `siem store init`")
        assert not Path(settings.store).exists()

    def test_init_makes_it_once(self, settings: Settings) -> None:
        told = [Prepared("create", "folder", settings.store, "is missing")]
        assert initialised(settings, dry_run=True) == told
        assert not Path(settings.store).exists()
        assert initialised(settings) == told
        assert initialised(settings) == initialised(settings, dry_run=True) == []
        assert bad(examined(settings, FIELDS, now)) == []

    @pytest.mark.parametrize("dry_run", [True, False])
    def test_a_file_is_no_place(self, settings: Settings, dry_run: bool) -> None:
        Path(settings.store).write_text("")
        with pytest.raises(Exception, match="name a folder"):
            initialised(settings, dry_run)

    def test_a_ledger_that_is_none(self, settings: Settings) -> None:
        open_folder(settings.store).close()
        (Path(settings.store) / "ledger.sqlite").write_text("once upon a time " * 100)
        (check,) = bad(examined(settings, FIELDS, now))
        assert check.what == "ledger"
        assert "not a ledger" in check.said

    def test_one_that_may_not_be_written(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        open_folder(settings.store).close()
        monkeypatch.setattr(os, "access", lambda *_: False)  # tests may run as root, who may do anything
        assert verdicts(examined(settings, FIELDS, now))["folder"] == "failure"

    @pytest.mark.parametrize(("free", "verdict"), [(20, "ok"), (5, "warning"), (0.5, "failure")])
    def test_a_disk_that_fills(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: float, verdict: str
    ) -> None:
        usage = shutil.disk_usage(tmp_path)._replace(free=int(free * GIBI))
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        assert doctor.disk(tmp_path).verdict == verdict

    def test_nothing_is_changed(self, settings: Settings) -> None:
        open_folder(settings.store).close()
        before = sqlite3.connect(Path(settings.store) / "ledger.sqlite").execute("PRAGMA data_version").fetchall()
        files = sorted(path.name for path in Path(settings.store).rglob("*"))
        examined(settings, FIELDS, now)
        assert sorted(path.name for path in Path(settings.store).rglob("*")) == files
        after = sqlite3.connect(Path(settings.store) / "ledger.sqlite").execute("PRAGMA data_version").fetchall()
        assert after == before


class TestNoCluster:
    def test_nobody_answers(self) -> None:
        with listener() as gone:
            pass
        settings = load_settings(store=f"http://127.0.0.1:{gone.port}", opensearch={"patience": 0})
        (check,) = bad(examined(settings, FIELDS, now))
        assert "no answer" in check.said

    def test_it_is_something_else(self) -> None:
        with listener() as heard:
            (check,) = bad(examined(load_settings(store=f"http://127.0.0.1:{heard.port}"), FIELDS, now))
        assert "is no OpenSearch" in check.said

    def test_a_setting_cannot_work(self) -> None:
        settings = load_settings(store="https://localhost", opensearch={"ca": "nowhere.pem"})
        (check,) = bad(examined(settings, FIELDS, now))
        assert check.what == "settings"
        assert "nowhere.pem" in check.said


@pytest.mark.slow
class TestClusters:
    @pytest.fixture
    def settings(self, opensearch: str) -> Iterator[Settings]:
        """A store of its own, which is taken away again."""
        prefix = f"doc{os.getpid()}x{next(NUMBERS)}-"
        settings = load_settings(store=opensearch, opensearch={"prefix": prefix})
        yield settings
        for index in asked(settings, "GET", f"/{prefix}*/_settings", filter_path="*.settings.index.uuid"):
            asked(settings, "DELETE", f"/{index}")
        for kind in ("index", "component"):
            asked(settings, "DELETE", f"/_{kind}_template/{prefix}*", also=(404,))

    def test_before_init_it_says_so_and_after_it_is_content(
        self, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        found = bad(examined(settings, FIELDS, now))
        assert [check.what for check in found] == ["component template", "index template", "index"]
        assert all(check.verdict is Verdict.FAILURE and "siem store init" in check.advice for check in found)
        assert found[2].said.startswith(f"{len(FIELDS) + len(States)} to create: ")
        planned = initialised(settings, dry_run=True)
        assert bad(examined(settings, FIELDS, now)) == found  # nothing was done
        assert initialised(settings) == planned
        checks = [check for check in examined(settings, FIELDS, now) if "of node" not in check.said]  # a full machine
        assert verdicts(checks) == dict.fromkeys(("connection", "health", "disk", "clock", "templates"), "ok")
        assert [record.getMessage() for record in caplog.records if record.name == "siem.store"] == []

    def test_an_index_that_is_read_only(self, settings: Settings) -> None:
        initialised(settings)
        log = f"{settings.opensearch.prefix}siem-log"
        asked(settings, "PUT", f"/{log}/_settings", {"index.blocks.write": True})
        blocked = [check for check in bad(examined(settings, FIELDS, now)) if log in check.said]
        assert [(check.what, check.verdict.value) for check in blocked] == [("disk", "warning")]

    @pytest.mark.parametrize("index", ["siem-alerts", "events-aws.trail-other"])
    def test_an_index_that_is_closed(self, index: str, settings: Settings) -> None:
        initialised(settings)
        name = f"{settings.opensearch.prefix}{index}"
        asked(settings, "POST", f"/{name}/_close")
        (check,) = [check for check in bad(examined(settings, FIELDS, now)) if check.what == "index"]
        assert (check.verdict, name in check.said, "open" in check.advice) == (Verdict.FAILURE, True, True)

    def test_shards_that_are_away(self, settings: Settings) -> None:
        initialised(settings)
        nowhere = {"settings": {"index.routing.allocation.require.name": "nobody"}}
        index = f"/{settings.opensearch.prefix}events-aws.trail-2026.11"
        asked(settings, "PUT", index, nowhere, wait_for_active_shards="0")
        (check,) = [check for check in bad(examined(settings, FIELDS, now)) if check.what == "health"]
        assert check.verdict is Verdict.FAILURE
        assert "shards are away" in check.said

    def test_a_ledger_that_is_ahead_of_its_log(self, settings: Settings) -> None:
        initialised(settings)
        one, two = delivery("a"), delivery("b")
        with closing(existing_store(settings)) as store:
            for of in (one, two):
                put(store, (of, []), state=State.DENIED)
        (check,) = [check for check in examined(settings, FIELDS, now) if check.what == "state"]
        assert check.said == "the ledger follows the log, up to entry 2"
        asked(settings, "DELETE", f"/{settings.opensearch.prefix}siem-log/_doc/000000000002")
        (check,) = [check for check in bad(examined(settings, FIELDS, now)) if check.what == "state"]
        assert check.verdict is Verdict.FAILURE
        asked(settings, "DELETE", f"/{settings.opensearch.prefix}siem-state/_doc/log")
        asked(settings, "POST", f"/{settings.opensearch.prefix}siem-ledger/_refresh")
        assert check in examined(settings, FIELDS, now)

    @pytest.mark.parametrize("hours", [-1, 1])
    def test_clocks_that_differ(self, settings: Settings, hours: int) -> None:
        clock = lambda: datetime.now(UTC) + timedelta(hours=hours)  # noqa: E731
        (check,) = [check for check in bad(examined(settings, FIELDS, clock)) if check.what == "clock"]
        assert re.search(r"by 3[56]\d\d s", check.said)
        assert "NTP" in check.advice

    def test_a_template_that_takes_ours_is_one_line(self, settings: Settings) -> None:
        initialised(settings)
        prefix = settings.opensearch.prefix
        greedy = {"index_patterns": [f"{prefix}events*"], "priority": 501, "template": {}}
        asked(settings, "PUT", f"/_index_template/{prefix}greedy", greedy)
        (check,) = [check for check in bad(examined(settings, FIELDS, now)) if check.what == "index template"]
        assert f"{prefix}greedy is not ours" in check.said
        assert [row.step for row in initialised(settings, dry_run=True)] == ["conflict"]
        with pytest.raises(ConfigError, match="greedy"):
            initialised(settings)

    def test_a_newer_version_is_one_failure_and_the_rest_is_told(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        initialised(settings)
        monkeypatch.setattr("siem.store.opensearch.cluster.preparing.VERSION", 0)
        checks = examined(settings, FIELDS, now)
        assert verdicts(checks)["clock"] == "ok"
        (check,) = [check for check in bad(checks) if check.what == "templates"]
        assert "upgrade this program" in check.said


def asked(settings: Settings, *request: Any, **params: Any) -> Any:
    connection = connect(settings)
    try:
        return connection.ask(*request, **params)
    finally:
        connection.close()


@pytest.mark.parametrize(("used", "verdict"), [("84", []), ("86", ["warning"]), ("96", ["failure"]), (None, [])])
def test_how_full_a_node_is(used: str | None, verdict: list[str]) -> None:
    assert [check.verdict.value for check in of_cluster.fullness([{"node": "n", "disk.percent": used}])] == verdict


def test_a_disk_that_was_full_is_told_apart_from_what_somebody_blocked() -> None:
    def blocked(kind: str) -> dict[str, Any]:
        return {"settings": {"index": {"blocks": {kind: "true"}}}}

    told = list(of_cluster.blocks({"b": blocked("write"), "a": blocked("read_only_allow_delete")}))
    assert [(check.verdict.value, check.said) for check in told] == [
        ("failure", "read-only, because a disk was full: a"),
        ("warning", "somebody blocked b"),
    ]
    assert [check.verdict.value for check in of_cluster.blocks({})] == ["ok"]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("./siem-data", "./siem-data"),
        ("a@b", "a@b"),
        ("https://one.example:9200,https://two.example", "https://one.example:9200,https://two.example"),
        ("https://u:hunter2@one.example", "https://***@one.example"),
        ("https://u:hunter2/@,?@one.example,https://two.example", "https://***@one.example,https://two.example"),
        ("https://u:hunter2@one.example,https://u:hunter2@two.example", "https://***@two.example"),
        ("htp://u:hunter2@one.example", "htp://***@one.example"),
    ],
)
def test_a_place_is_shown_without_whoever_it_names(place: str, told: str) -> None:
    assert shown(place) == told


def test_a_mistyped_address_is_told_without_the_password() -> None:
    with pytest.raises(ConfigError, match=r"htp://\*\*\*@one.example is neither") as raised:
        open_folder("htp://u:hunter2@one.example")
    assert "hunter2" not in str(raised.value)
