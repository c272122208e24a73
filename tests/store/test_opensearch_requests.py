"""What the store on OpenSearch asks of the node for what it does often."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import pytest
import structlog
from stores import connected, prepared, removed, shipped_fields
from structlog.testing import LogCapture

from siem.detect.passes import detect
from siem.detect.sources import Sources
from siem.parsing.batch import Parsed
from siem.run.content import load_registry, shipped_content
from siem.run.detection import Detection
from siem.run.metrics import Metrics
from siem.run.watching import Watched
from siem.sigma import load_rules
from siem.store.opensearch import OpenSearchStore
from siem.store.opensearch.names import Names
from siem.testing.deliveries import FLOW, TRAIL, delivery, flows, put, trail

pytestmark = pytest.mark.slow


@pytest.fixture
def asked(opensearch: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[OpenSearchStore, list[str]]]:
    """A store, and the requests that it sends."""
    names, fields = Names(f"requests{secrets.token_hex(4)}-"), shipped_fields()
    prepared(opensearch, names, fields)
    connection = connected(opensearch)
    requests: list[str] = []
    answer = connection._answer

    def counted(method: str, path: str, *rest: Any) -> Any:
        requests.append(f"{method} {path}")
        return answer(method, path, *rest)

    monkeypatch.setattr(connection, "_answer", counted)
    store = OpenSearchStore(connection, names, fields)
    yield store, requests
    store.close()
    removed(opensearch, names)


def test_a_pass_with_nothing_new_is_three_requests(asked: tuple[OpenSearchStore, list[str]]) -> None:
    store, requests = asked
    registry, _ = load_registry()
    rules = load_rules([shipped_content() / "detections"])
    one, two = delivery("a"), delivery("b")
    put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))), (two, Parsed(FLOW, flows(two, 3))))
    assert detect(store, rules, Sources.of(registry), everything=True).objects == 2
    requests.clear()
    assert detect(store, rules, Sources.of(registry), everything=True).objects == 0
    assert len(requests) <= 3, requests


def test_a_tick_with_nothing_new_is_three_requests_and_a_renewed_lease_two(
    asked: tuple[OpenSearchStore, list[str]],
) -> None:
    def now() -> datetime:
        return datetime.now(UTC)

    store, requests = asked
    one = delivery("a")
    put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))))
    log = structlog.wrap_logger(None, processors=[LogCapture()])
    content = Watched(None, timedelta(days=1), lambda what, why: None)
    detection = Detection(content, Metrics(now, monotonic), "me", now, monotonic, log)
    detection.tick(store)
    (done,) = store.passes(20)
    assert (done.objects, done.events) == (1, 2)
    requests.clear()
    detection.tick(store)
    assert len(requests) <= 3, requests
    assert store.passes(20) == [done]
    lease = store.take("work", "me", None)
    requests.clear()
    assert store.take("work", "me", lease) is not None
    assert len(requests) <= 2, requests
