"""Messages on their way over real HTTP: what each channel is sent, and every way in which a service fails."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from alerts import ALERT, EVIL, HOUR, MINUTE, NOW, notify
from receiver import Receiver, close, dripping, garbage, half, hang, receiving, status
from structlog.testing import LogCapture

from siem.present.notify import Channel, Notify, Words
from siem.present.notify.reading import channel
from siem.run.notifying import posting
from siem.run.notifying.channels import send
from siem.run.notifying.posting import Undelivered, waiting
from siem.run.notifying.sender import FIRST, Sender, make
from siem.store.contract import Alert, Judged, Store
from siem.store.embedded import EmbeddedStore
from siem.store.handling import Action, Verb
from siem.store.outbox import Notice
from siem.testing.judging_contract import SIGNAL, Settled

TLS = Path(__file__).parent.parent / "store" / "tls"
SECRET = "s3cr3t-value"  # noqa: S105


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting.posted, "__defaults__", (1.0, 2.0))
    monkeypatch.setenv("A_SECRET", SECRET)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = EmbeddedStore(tmp_path / "store")
    yield store
    store.close()


def hook(receiver: Receiver, name: str = "hook") -> Channel:
    return channel(name, {"webhook": {"url": receiver.url("/in"), "secret": "${ENV:A_SECRET}"}})


def bot(receiver: Receiver) -> Channel:
    receiver.say = lambda request: b'{"ok": true, "channel": "C1", "ts": "12.5"}'
    return channel("bot", {"slack": {"token": "${ENV:A_SECRET}", "channel": "C1", "api": receiver.url("/api")}})


def raised(store: Store, *alerts: Alert) -> None:
    store.mark(Judged([SIGNAL]), Settled(*alerts))


def notice_of(store: Store, team: Notify) -> Notice:
    raised(store, ALERT)
    make(store, team, Words(), NOW)
    (one,) = store.outbox(9)
    return one


class World:
    """A sender and its time."""

    def __init__(self, store: Store, *channels: Channel) -> None:
        self.store, self.team, self.now = store, notify(*channels), NOW
        self.log = LogCapture()
        self.counted: list[tuple[str, str]] = []
        wrapped = structlog.wrap_logger(None, processors=[self.log])
        self.sender = Sender(lambda: self.now, wrapped, self.count, random.Random(1))  # noqa: S311

    def count(self, channel: str, outcome: str) -> None:
        self.counted.append((channel, outcome))

    def tick(self, after: timedelta = timedelta()) -> None:
        self.now += after
        make(self.store, self.team, Words(), self.now)
        self.sender.begin(self.store, self.team.channels, lambda: True)
        self.sender.wait(20)

    def unsent(self) -> list[str]:
        return [one.error for one in self.store.outbox(99, unsent=True)]


# Webhooks


def test_a_webhook_is_sent_signed_json_with_a_key(store: Store, receiver: Receiver) -> None:
    World(store, hook(receiver)).tick()
    raised(store, ALERT)
    World(store, hook(receiver)).tick()
    (one,) = receiver.received
    assert one.path == "/in"
    said = one.json
    assert (said["key"], said["revision"], said["channel"]) == (f"hook/alert/{ALERT.id}", 1, "hook")
    assert (said["title"], said["level"], said["fired"]) == ("Root was used", "high", {"rule": 1, "principal": 1})
    assert one.headers["Idempotency-Key"] == f"hook/alert/{ALERT.id}@1"
    stamp = one.headers["Siem-Timestamp"]
    assert stamp == str(int(NOW.timestamp()))
    expected = hmac.new(SECRET.encode(), f"{stamp}.".encode() + one.body, hashlib.sha256).hexdigest()
    assert one.headers["Siem-Signature"] == f"v1={expected}"
    assert store.outbox(9, unsent=True) == []


def test_an_alert_that_grows_is_the_same_message_with_a_higher_revision(store: Store, receiver: Receiver) -> None:
    world = World(store, hook(receiver))
    raised(store, ALERT)
    world.tick()
    store.mark(Judged([replace(SIGNAL, event_id="e2")]), Settled(replace(ALERT, count=4)))
    world.tick(timedelta(seconds=1))
    assert len(receiver.received) == 1
    world.tick(MINUTE)
    assert [(one.json["key"], one.json["revision"], one.json["count"]) for one in receiver.received] == [
        (f"hook/alert/{ALERT.id}", 1, 3),
        (f"hook/alert/{ALERT.id}", 2, 4),
    ]


# What fails

AGAIN = {
    "500": (status(500), "answered 500: on purpose"),
    "503 that asks for time": (status(503, Retry_After="30"), "answered 503"),
    "429": (status(429), "answered 429"),
    "429 that asks for time": (status(429, Retry_After="120"), "answered 429"),
    "hangs": (hang, "too long"),
    "half an answer": (half, "no whole answer"),
    "closes": (close, "no whole answer"),
    "drips": (dripping(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 99), "no whole answer"),
    "drips its content": (dripping(b"HTTP/1.1 200\r\n\r\n" + b"x" * 99), "no whole answer"),
    "no HTTP": (garbage, "no whole answer"),
    "redirects": (status(302, Location="http://127.0.0.1:1/"), "302, a redirect, which is not followed"),
    "moved": (status(308, Location="/other"), "308, a redirect"),
}


@pytest.mark.parametrize("how", [pytest.param(how, marks=[pytest.mark.slow] * ("drips" in how)) for how in AGAIN])
def test_what_fails_is_tried_again_and_other_channels_do_not_wait(how: str, store: Store, receiver: Receiver) -> None:
    answer, said = AGAIN[how]
    with receiving() as other:
        world = World(store, hook(receiver), hook(other, "other"))
        raised(store, ALERT)
        receiver.failing.append(answer)
        world.tick()
        assert len(other.received) == 1
        (failed,) = store.outbox(9, unsent=True)
        assert (failed.channel, failed.attempts) == ("hook", 1)
        assert said in failed.error
        assert failed.due
        asked = 30 if "503" in how else 120 if "120" in how or how == "429 that asks for time" else 0
        wait = failed.due - NOW
        assert wait == timedelta(seconds=asked) if asked else FIRST / 2 <= wait <= FIRST
        world.tick(wait - timedelta(milliseconds=1))
        assert len(receiver.received) == 1
        world.tick(timedelta(milliseconds=1))
        assert [one.headers["Idempotency-Key"] for one in receiver.received] == [f"hook/alert/{ALERT.id}@1"] * 2
        assert {one.path for one in receiver.received} == {"/in"}
        assert world.unsent() == []
        assert len(other.received) == 1


def test_a_channel_that_hangs_keeps_no_other_waiting(store: Store, receiver: Receiver) -> None:
    with receiving() as other:
        world = World(store, hook(receiver), hook(other, "other"))
        raised(store, ALERT)
        receiver.failing.append(hang)
        make(store, world.team, Words(), NOW)
        world.sender.begin(store, world.team.channels, lambda: True)
        begun = time.monotonic()
        while not other.received:
            assert time.monotonic() - begun < 0.9
            time.sleep(0.01)
        world.sender.wait(20)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 413])
def test_what_is_refused_for_good_is_kept_with_its_reason_and_tried_when_there_is_more_to_say(
    code: int, store: Store, receiver: Receiver
) -> None:
    world = World(store, hook(receiver))
    raised(store, ALERT)
    receiver.failing.append(status(code, b"no such \x1b[31mroom\n"))
    world.tick()
    world.tick(HOUR)
    assert len(receiver.received) == 1
    assert world.unsent() == [f"answered {code}: no such [31mroom"]
    assert world.counted == [("hook", "refused")]
    store.act([Action("1", ALERT.id, "r", Verb.ACKNOWLEDGE, "ann", NOW)])
    world.tick()
    assert world.unsent() == []


def test_a_channel_that_asks_for_time_gets_nothing_at_all_meanwhile(store: Store, receiver: Receiver) -> None:
    world = World(store, hook(receiver))
    raised(store, ALERT, replace(ALERT, id="b2b2b2b2"))
    receiver.failing.append(status(429, Retry_After="120"))
    world.tick()
    world.tick(timedelta(seconds=119))
    assert len(receiver.received) == 1
    world.tick(timedelta(seconds=1))
    assert len(receiver.received) == 3
    assert world.unsent() == []


def test_nobody_listens(store: Store, receiver: Receiver) -> None:
    with receiving() as gone:
        one = hook(gone)
    world = World(store, one)
    raised(store, ALERT)
    world.tick()
    assert world.unsent() == ["no connection: Connection refused"]


def test_a_service_has_to_prove_who_it_is(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
    with receiving(served) as receiver:
        url = receiver.url().replace("http://127.0.0.1", "https://localhost")
        world = World(store, channel("hook", {"webhook": {"url": url}}))
        raised(store, ALERT)
        world.tick()
        assert "no connection" in world.unsent()[0]
        monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "certificate.pem"))
        world.tick(MINUTE)
        assert world.unsent() == []
        assert len(receiver.received) == 1


def test_waits_grow_to_an_hour_and_differ(store: Store) -> None:
    sender = World(store).sender
    waits = [[sender._backoff(attempts) for _ in range(50)] for attempts in (0, 1, 5, 50)]
    assert all(FIRST * 2**n / 2 <= wait <= FIRST * 2**n for n, of in zip((0, 1, 5), waits, strict=False) for wait in of)
    assert max(waits[3]) <= HOUR
    assert len(set(waits[2])) > 10


def test_what_retry_after_says() -> None:
    assert waiting("120", NOW) == timedelta(seconds=120)
    assert waiting("Mon, 02 Nov 2026 12:05:00 GMT", NOW) == 5 * MINUTE
    assert waiting("Mon, 02 Nov 2026 11:00:00 GMT", NOW) == timedelta()
    assert waiting("9" * 400, NOW) in (None, HOUR)
    assert [waiting(text, NOW) for text in (None, "", "soon", "-1", "1e9")] == [None] * 5


def test_a_channels_trouble_is_told_once_without_secrets(
    store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_URL", f"{receiver.url()}{SECRET}")
    world = World(store, channel("x", {"slack": {"webhook": "${ENV:A_URL}"}}))
    raised(store, ALERT)
    receiver.failing += [status(500), status(500), close]
    for _ in range(4):
        world.tick(2 * MINUTE)
    told = [(entry["event"], entry.get("why")) for entry in world.log.entries]
    assert [event for event, _ in told] == ["channel failed", "channel failed", "channel goes on"]
    assert world.counted == [("x", "failed")] * 3 + [("x", "sent")]
    assert SECRET not in str(world.log.entries)
    assert SECRET not in str(store.outbox(9))
    assert SECRET not in repr(world.team)


@pytest.mark.parametrize("value", ["", "ftp://x/", "http://example.com/", "http://[::1", "https://a.example/\nx", "x"])
def test_an_address_that_is_none_is_told_without_it(value: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_URL", value)
    one = channel("x", {"slack": {"webhook": "${ENV:A_URL}"}})
    with pytest.raises(Undelivered) as failed:
        send(one, notice_of(store, notify(one)), NOW)
    assert not failed.value.final
    assert len(value) < 2 or value not in str(failed.value)


# Slack


def test_slacks_bot_posts_and_then_edits(store: Store, receiver: Receiver) -> None:
    world = World(store, bot(receiver))
    raised(store, ALERT)
    world.tick()
    store.act([Action("1", ALERT.id, "r", Verb.ACKNOWLEDGE, "ann", NOW, "mine")])
    world.tick(2 * MINUTE)
    posted, edited = receiver.received
    assert (posted.path, posted.json["channel"]) == ("/api/chat.postMessage", "C1")
    assert posted.headers["Authorization"] == f"Bearer {SECRET}"
    assert (edited.path, edited.json["channel"], edited.json["ts"]) == ("/api/chat.update", "C1", "12.5")
    assert "acknowledged by ann mine" in edited.body.decode()


def test_a_message_that_cannot_be_edited_any_more_is_posted_anew(store: Store, receiver: Receiver) -> None:
    world = World(store, bot(receiver))
    raised(store, ALERT)
    world.tick()
    receiver.failing.append(status(200, b'{"ok": false, "error": "message_not_found"}'))
    store.act([Action("1", ALERT.id, "r", Verb.ACKNOWLEDGE, "ann", NOW)])
    world.tick(2 * MINUTE)
    assert [one.path[5:] for one in receiver.received] == ["chat.postMessage", "chat.update", "chat.postMessage"]
    assert world.unsent() == []


@pytest.mark.parametrize(
    ("answer", "final"),
    [
        ({"ok": False, "error": "channel_not_found"}, True),
        ({"ok": False, "error": "invalid_auth"}, True),
        ({"ok": False, "error": "ratelimited"}, False),
        ({"ok": False, "error": "internal_error"}, False),
        ({"ok": False}, True),
        ([1], False),
    ],
)
def test_what_slack_says_no_with(answer: object, final: bool, store: Store, receiver: Receiver) -> None:
    one = bot(receiver)
    receiver.failing.append(status(200, json.dumps(answer).encode()))
    with pytest.raises(Undelivered) as failed:
        send(one, notice_of(store, notify(one)), NOW)
    assert failed.value.final is final
    assert "Slack" in failed.value.reason


@pytest.mark.parametrize("text", EVIL)
def test_whatever_logs_say_reaches_every_kind_of_channel_as_json(text: str, store: Store, receiver: Receiver) -> None:
    one = replace(ALERT, title=text, text=text, values={"user.name": (text,), "cloud.account.id": (text,)})
    raised(store, one)
    world = World(store, hook(receiver), bot(receiver))
    world.tick()
    assert world.unsent() == []
    assert {request.json["channel"] for request in receiver.received} == {"hook", "C1"}


# apprise


def test_other_services_are_reached_by_apprise(
    store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_URL", f"json://127.0.0.1:{receiver.port}/x json://127.0.0.1:{receiver.port}/y")
    world = World(store, channel("many", {"apprise": "${ENV:A_URL}"}))
    raised(store, replace(ALERT, title="@here <!channel> https://evil.example"))
    world.tick()
    assert world.log.entries == []
    assert {one.path for one in receiver.received} == {"/x", "/y"}
    said = receiver.received[0].json
    assert said["title"] == "HIGH: \uff20here \u2039!channel\u203a https[:]//evil.example"
    assert "Who: ann" in said["message"]


def test_what_apprise_cannot_send_is_tried_again(
    store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_URL", f"json://127.0.0.1:{receiver.port}/{SECRET}")
    world = World(store, channel("many", {"apprise": "${ENV:A_URL}"}))
    raised(store, ALERT)
    receiver.failing.append(status(500))
    world.tick()
    assert "did not take it" in world.unsent()[0]
    world.tick(MINUTE)
    assert world.unsent() == []
    monkeypatch.setenv("A_URL", "nonsense")
    with pytest.raises(Undelivered, match="does not know"):
        send(world.team.channels["many"], store.outbox(1)[0], NOW)
