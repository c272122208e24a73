"""What a service tells those who look after it."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from siem.errors import ConfigError, Unavailable
from siem.run.serving import STUCK, address, serving
from siem.run.worker.numbers import registry
from siem.run.worker.signs import Signs, Snapshot


class Watched:
    restarts = 2

    def __init__(self) -> None:
        self.silent, self.waiting = 0.0, dict[str, str]()
        ended, lives = Signs(), Signs()
        ended.count("objects", 3, "committed")
        ended.count("messages_received", 5)
        lives.count("objects", 4, "committed")
        lives.count("objects", 1, "gone")
        lives.level("messages_held", 7)
        self.ended, self.lives = ended.snapshot(), lives.snapshot()

    def snapshots(self) -> list[Snapshot]:
        return [self.lives, self.ended]

    def living(self) -> list[Snapshot]:
        return [self.lives]

    def silence(self) -> float:
        return self.silent

    def waits(self) -> dict[str, str]:
        return self.waiting


def served(listen: str | None, watched: Watched) -> AbstractContextManager[int | None]:
    return serving("worker.listen", listen, watched, registry(watched))


def asked(port: int | None, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_numbers_are_those_of_all_processes_also_of_those_that_died() -> None:
    with served("127.0.0.1:0", Watched()) as port:
        status, text = asked(port, "/metrics")
    assert status == 200
    for line in (
        'siem_worker_objects_total{state="committed"} 7.0',
        'siem_worker_objects_total{state="gone"} 1.0',
        "siem_worker_messages_received_total 5.0",
        "siem_worker_messages_held 7.0",
        "siem_worker_processes 1.0",
        "siem_worker_restarts_total 2.0",
    ):
        assert line in text.splitlines()


def test_a_worker_is_healthy_while_its_processes_give_signs_of_life() -> None:
    with served("0", watched := Watched()) as port:
        assert asked(port, "/healthz")[0] == 200
        watched.silent = STUCK + 1
        assert asked(port, "/healthz")[0] == 503


def test_a_worker_is_ready_while_it_waits_for_nothing() -> None:
    with served("0", watched := Watched()) as port:
        assert asked(port, "/readyz")[0] == 200
        watched.waiting = {"the store": "away"}
        status, text = asked(port, "/readyz")
    assert (status, json.loads(text)) == (503, {"waits": {"the store": "away"}})


def test_nothing_else_is_answered_and_nothing_at_all_unless_asked_for() -> None:
    with served("0", Watched()) as port:
        assert asked(port, "/")[0] == 404
    with served(None, Watched()) as port:
        assert port is None


OURS = "worker.listen"


def test_a_port_alone_is_this_machines() -> None:
    assert address(OURS, "9108") == address(OURS, ":9108") == address(OURS, "127.0.0.1:9108") == ("127.0.0.1", 9108)
    assert address(OURS, "0.0.0.0:80") == ("0.0.0.0", 80)  # noqa: S104
    for text in ("", "host", "host:", "host:x", "host:70000"):
        with pytest.raises(ConfigError, match="no HOST:PORT"):
            address(OURS, text)


def test_an_address_that_is_taken_is_told() -> None:
    with served("0", Watched()) as port, pytest.raises(Unavailable), served(f"127.0.0.1:{port}", Watched()):
        pass
