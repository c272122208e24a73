"""A sender that is killed between sending and noting sends again, under the same key; and its scheduler whole."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import structlog
from alerts import ALERT, notify
from receiver import receiving, status

from siem.present.notify import Words
from siem.present.notify.reading import channel
from siem.run.notifying.sender import Sender, make
from siem.store.contract import Judged
from siem.store.embedded import EmbeddedStore
from siem.testing.judging_contract import SIGNAL, Settled

pytestmark = pytest.mark.slow

PROCESSES = multiprocessing.get_context("forkserver")
KILLED = -9


def telling(folder: Path, url: str, pid: Path) -> None:
    """Tell all that there is to tell, once."""
    pid.write_text(str(os.getpid()))
    store, team = EmbeddedStore(folder), notify(channel("hook", {"webhook": {"url": url}}))
    make(store, team, Words(), datetime.now(UTC))
    sender = Sender(lambda: datetime.now(UTC), structlog.wrap_logger(None, processors=[]))
    sender.begin(store, team.channels, lambda: True)
    sender.wait(60)
    store.close()


def ended(*given: object) -> int | None:
    process = PROCESSES.Process(target=telling, args=given)
    process.start()
    process.join(60)
    return process.exitcode


@pytest.mark.parametrize("answered", [False, True], ids=["before its answer", "behind its answer"])
def test_killed_between_sending_and_noting_it_is_sent_again_under_its_key(answered: bool, tmp_path: Path) -> None:
    folder, pid = tmp_path / "store", tmp_path / "pid"
    store = EmbeddedStore(folder)
    store.mark(Judged([SIGNAL]), Settled(ALERT, replace(ALERT, id="b2b2b2b2")))

    def dies(answer: Callable[[BaseHTTPRequestHandler], None]) -> Callable[[BaseHTTPRequestHandler], None]:
        def at_once(handler: BaseHTTPRequestHandler) -> None:
            if answered:
                answer(handler)
            os.kill(int(pid.read_text()), signal.SIGKILL)

        return at_once

    with receiving() as receiver:
        receiver.failing.append(dies(status(200)))
        assert ended(folder, receiver.url(), pid) in (KILLED, 0)
        assert ended(folder, receiver.url(), pid) == 0
        assert ended(folder, receiver.url(), pid) == 0
        keys = [one.headers["Idempotency-Key"] for one in receiver.received]
    assert set(keys) == {f"hook/alert/{id_}@1" for id_ in (ALERT.id, "b2b2b2b2")}
    assert len(keys) <= 3
    assert answered or len(keys) == 3
    assert store.outbox(9, unsent=True) == []
    assert all(one.sent for one in store.outbox(9))
    store.close()
