"""A store with rules over it, and stores in which something goes wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from siem.detect.passes import detect
from siem.detect.sources import Sources
from siem.errors import ContentError
from siem.parsing import Registry
from siem.parsing.batch import Parsed, text_of
from siem.schema import Query
from siem.sigma import RuleSet, load_rules
from siem.store.contract import Alert, Hit, Judged, Settle
from siem.store.embedded import EmbeddedStore
from siem.store.handling import MERGED, Action, Disposition, Verb
from siem.testing.deliveries import NOW, START, TRAIL, delivery, put, trail, waiting

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

RULE = """\
title: A console login
name: login
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: ConsoleLogin}
  condition: selection
level: high
tags: [attack.initial-access]
"""

OTHER = RULE.replace("name: login", "name: other").replace("ConsoleLogin", "DeleteTrail")


def closing(alert: Alert, disposition: Disposition = Disposition.EXPECTED) -> Action:
    """Somebody closes an alert."""
    return Action(f"close {alert.id}", alert.id, alert.rule_id, Verb.CLOSE, "ann", NOW, "as planned", disposition)


class Watch:
    """A store, and rules over it."""

    def __init__(self, folder: Path, rules: RuleSet, registry: Registry) -> None:
        self.folder, self.rules, self.sources = folder, rules, Sources.of(registry)
        self.store = EmbeddedStore(folder)

    def login(
        self,
        key: str,
        *ids: str,
        start: datetime = START,
        user: str | None = "ann",
        action: str = "ConsoleLogin",
        ingested: datetime | None = None,
    ) -> None:
        """An object with logins of a user, a second apart."""
        of = delivery(key)
        more = {"event.action": action, "cloud.account.id": "111122223333"}
        more |= {"user.name": user} if user is not None else {}
        more |= {"event.ingested": text_of(ingested)} if ingested is not None else {}
        put(self.store, (of, Parsed(TRAIL, trail(of, *ids, start=start, more=more))))

    def detect(self) -> set[str]:
        """A pass; returns the ids of alerts that are new or grew."""
        return detect(self.store, self.rules, self.sources).alerts

    @property
    def alerts(self) -> list[Alert]:
        return self.store.alerts()

    @property
    def waiting(self) -> list[str]:
        """Objects that the first rule has not judged."""
        return waiting(self.store, TRAIL, self.rules.rules[0].key)

    @property
    def merged(self) -> list[Alert]:
        """Those that others took over from."""
        return [alert for alert in self.store.alerts(merged=True) if alert.state == MERGED]

    def close(self, alert: Alert, disposition: Disposition = Disposition.EXPECTED) -> Alert:
        """As a person does."""
        (closed,) = self.store.act([closing(alert, disposition)])
        return closed

    @property
    def alert(self) -> Alert:
        """The only one."""
        (alert,) = self.alerts
        return alert


def written(folder: Path, *texts: str) -> RuleSet:
    for number, text in enumerate(texts):
        (folder / f"rule{number}.yml").write_text(text)
    found = load_rules(folder / f"rule{number}.yml" for number in range(len(texts)))
    assert not found.refused
    return found


def both(one: RuleSet, other: RuleSet) -> RuleSet:
    """The rules of two sets."""
    return RuleSet((*one.rules, *other.rules))


class Overtaken(EmbeddedStore):
    """A store in which something happens after a pass has looked, and before it marks."""

    meanwhile: Any = None

    def mark(self, judged: Judged, settle: Settle) -> set[str]:
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return super().mark(judged, settle)


class Faulty(EmbeddedStore):
    """A store in which the search for logins errs wherever it meets one of these objects."""

    poison: frozenset[str] = frozenset()

    def search(
        self, queries: Sequence[Query], objects: Sequence[str] | None = None, *more: Any, **options: Any
    ) -> Iterator[Hit]:
        met = self.poison if objects is None else self.poison.intersection(objects)
        bad = [place for place, query in enumerate(queries) if met and "consolelogin" in repr(query).lower()]
        for place in bad:
            options["erred"](place, ContentError("this object cannot be searched"))
        others = [Query(query.dataset, "FALSE") if place in bad else query for place, query in enumerate(queries)]
        return super().search(others, objects, *more, **options)
