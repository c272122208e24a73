"""What detection came to: signals, the alerts they come to, how far each rule has judged, and what it owes.

One at a time holds the lock (`siem-state/judging`), a document that also has the marks and the groups being settled.
What a part of a pass came to is made in memory first, so that an error leaves nothing. Then the groups are noted in the
lock, signals and alerts are written, and the lock is given back with the new marks: the end of the commit. Who finds
groups in a lock that somebody left settles them again. What people do with alerts goes the same way: the actions are
noted in the lock, written to their log and into the alerts, and then the lock is given back. Every commit has a number,
which the lock has when it has ended; the news of a commit (`news`) are written before its alerts.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import Any

from siem.errors import Unavailable
from siem.store.contract import Again, Alert, Judged, Progress, Settle, Signal
from siem.store.groups import part
from siem.store.handling import MERGED, Action, handled
from siem.store.opensearch import signals as kept
from siem.store.opensearch.cluster.operations import Operation, conflicts
from siem.store.opensearch.cluster.scanning import document, documents, scan
from siem.store.opensearch.commit.claims import PAUSE, Writer
from siem.store.opensearch.commit.log import APPLIED, Log, Pointer
from siem.store.opensearch.commit.writing import Place
from siem.store.opensearch.lock import JUDGING, Group, Lock
from siem.store.opensearch.names import States
from siem.store.opensearch.news import Newsroom
from siem.store.opensearch.rejudging import replaced
from siem.store.opensearch.signals import Version, digest, group_key, of_groups, part_key, settle_key, signal_id
from siem.store.outbox import News
from siem.store.times import micros

TOGETHER = 500
"""Groups of a rule that are settled at a time."""

AT_ONCE = 5_000
"""Documents that are written between two signs of life."""

OWED = "owed"

EARLIEST = datetime.min.replace(tzinfo=UTC)


class Judgements:
    """Of one store."""

    def __init__(self, place: Place, log: Log, newsroom: Newsroom) -> None:
        self._place, self._log, self._newsroom = place, log, newsroom
        self._connection, self._names = place.connection, place.names
        self._state = place.names.state(States.STATE)

    def progress(self) -> Progress:
        self._log.follow()
        pointer, lock = documents(self._connection, self._state, [APPLIED, JUDGING])
        standing = Lock.of(lock)
        return Progress(Pointer.of(pointer).last, standing.marks, standing.owing)

    def owed(self, dataset: str) -> dict[str, list[str]]:
        self._log.follow()
        owed = [hit["_source"] for hit in scan(self._connection, self._state, {"term": {"kind": OWED}})]
        rows = self._log.rows(sorted({one["object"] for one in owed}))
        turns = {id_: row.turn for id_, row in rows.items() if row.row and row.row.dataset == dataset}
        found: dict[str, list[str]] = {}
        for one in sorted(owed, key=lambda one: turns.get(one["object"], 0)):
            if one["object"] in turns:
                found.setdefault(one["rule_id"], []).append(one["object"])
        return found

    def signals(self, rule_id: str, group: Mapping[str, str]) -> list[Signal]:
        return [signal for _, signal in self._signals(of_groups(rule_id, [group_key(group)]))]

    def every_signal(self) -> Iterator[Signal]:
        order = ({"rule_id": "asc"}, {"grouping": "asc"}, *kept.BY_TIME)
        for hit in scan(self._connection, self._names.state(States.SIGNALS), sort=order):
            yield kept.read_signal(hit["_source"])

    def alerts(self, merged: bool) -> list[Alert]:
        query = {"match_all": {}} if merged else kept.unmerged()
        return [alert for alert, _ in kept.alerts(self._connection, self._names, query)]

    def alert(self, id_: str) -> Alert | None:
        found = kept.named(self._connection, self._names, [id_])
        return found[id_][0] if id_ in found else None

    def news(self, most: int) -> list[News]:
        return self._newsroom.news(self._lock().number, most)

    def actions(self, alerts: Collection[str] | None) -> list[Action]:
        return kept.actions(self._connection, self._names, alerts)

    def act(self, actions: Sequence[Action]) -> list[Alert]:
        """See `Store.act`.

        Raises:
            Unavailable: also where somebody took the lock over meanwhile; the same actions may be tried again.
        """
        writer = self._place.writer()
        try:
            with self._held(writer) as lock:
                theirs = self._on_survivors(actions)
                logged = kept.logged_among(self._connection, self._names, theirs)
                new = tuple([action for action in theirs if action.id not in logged])
                held = self._put(replace(lock, acting=new))
                self._place.step("acting")
                self._act(new, held)
                self._put(held.ended())
                self._place.step("acted")
        finally:
            writer.end()
        left = self._named(theirs)
        return [left[id_][0] for id_ in dict.fromkeys([action.alert for action in theirs]) if id_ in left]

    def _on_survivors(self, actions: Sequence[Action]) -> list[Action]:
        found = self._named(actions)
        into = {id_: alert.merged_into for id_, (alert, _) in found.items() if alert.merged_into}
        return [replace(action, alert=into.get(action.alert, action.alert)) for action in actions]

    def _named(self, actions: Iterable[Action]) -> dict[str, tuple[Alert, Version]]:
        """The alerts that actions are about."""
        return kept.named(self._connection, self._names, list({action.alert for action in actions}))

    def _act(self, actions: Sequence[Action], held: Lock) -> None:
        """Log actions and carry them out. Nobody else acts meanwhile, so it may be done again."""
        standing = self._named(actions)
        theirs = [action for action in actions if action.alert in standing]
        if not theirs:
            return
        conflicts(self._connection, [kept.logged(self._names, action) for action in theirs])
        self._place.step("logged")
        left = {id_: alert for id_, (alert, _) in standing.items()}
        for action in theirs:
            left[action.alert] = handled(left[action.alert], action)
        changed = [id_ for id_, alert in left.items() if alert != standing[id_][0]]
        if not changed:  # nothing was to be done, or somebody has done it
            return
        self._tell(changed, held)
        self._place.step("told")
        if conflicts(self._connection, [kept.put_alert(self._names, left[id_], standing[id_][1]) for id_ in changed]):
            raise Unavailable(f"store {self._connection.name}: another process changed alerts; try again")
        self._place.step("handled")

    def mark(self, judged: Judged, settle: Settle) -> set[str]:
        """See `Store.mark`.

        Raises:
            Unavailable: also where somebody took the lock over meanwhile; the pass has to be made again.
        """
        writer = self._place.writer()
        try:
            with self._held(writer) as lock:
                changes = self._changes(judged, lock, settle, writer)
                held = self._put(replace(lock, dirty=changes.touched))
                self._place.step("noted")
                self._carry_out(changes.signals, writer)
                self._place.step("signals")
                self._tell(changes.news, held)
                self._place.step("news")
                self._carry_out(changes.alerts, writer)
                self._place.step("alerts")
                self._carry_out(self._debts(judged), writer)
                self._place.step("owed")
                marks, owing = {**judged.passed, **judged.marks}, self._is_owing(judged, lock.owing)
                self._put(held.advanced(marks, owing, frozenset(changes.unsettled)))
                self._place.step("marked")
        finally:
            writer.end()
        return changes.changed

    def _lock(self) -> Lock:
        return Lock.of(document(self._connection.ask("GET", f"/{self._state}/_doc/{JUDGING}", also=(404,))))

    @contextmanager
    def _held(self, writer: Writer) -> Iterator[Lock]:
        """The lock in this writer's hands. Where that ends with an error, it is given back as it was found."""
        writer.beat()
        while True:
            lock = self._lock()
            if lock.holder and lock.holder != writer.token and not writer.is_gone(lock.holder):
                time.sleep(PAUSE)
                continue
            if mine := self._written(replace(lock, holder=writer.token)):
                break
        try:
            self._act(mine.acting, mine)
            yield replace(mine, acting=())
        except BaseException:
            now = self._lock()
            if now.holder == writer.token:
                self._put(replace(now, holder=""))
            raise

    def _put(self, lock: Lock) -> Lock:
        """Write the lock where nobody changed it.

        Raises:
            Unavailable: somebody did.
        """
        if (written := self._written(lock)) is None:
            raise Unavailable(f"store {self._connection.name}: another process judges; try again")
        return written

    def _written(self, lock: Lock) -> Lock | None:
        """None: somebody changed it."""
        operation = Operation(self._state, JUDGING, lock.document(), lock.version, absent=lock.version is None)
        if conflicts(self._connection, [operation]):
            return None
        now = self._lock()
        return now if now == replace(lock, version=now.version) else None

    def _tell(self, alerts: Collection[str], held: Lock) -> None:
        """Leave news of alerts that this commit is about to change."""

        def check() -> None:
            if self._lock().version != held.version:
                raise Unavailable(f"store {self._connection.name}: another process judges; try again")

        self._newsroom.write(alerts, held.number + 1, check)

    def _carry_out(self, operations: Sequence[Operation], writer: Writer) -> None:
        for start in range(0, len(operations), AT_ONCE):
            if conflicts(self._connection, operations[start : start + AT_ONCE]):
                raise Unavailable(f"store {self._connection.name}: another process changed alerts; try again")
            writer.beat()

    def _debts(self, judged: Judged) -> list[Operation]:
        owed = [
            Operation(self._state, _debt(*one), {"kind": OWED, "rule_id": one[0], "object": one[1]})
            for one in judged.owed
        ]
        return [*owed, *[Operation(self._state, _debt(*one), None) for one in judged.paid]]

    def _is_owing(self, judged: Judged, before: bool) -> bool:
        """Something is owed, now that these debts are written."""
        if judged.owed or not judged.paid:
            return before or bool(judged.owed)
        return next(scan(self._connection, self._state, {"term": {"kind": OWED}}, page=1), None) is not None

    def _changes(self, judged: Judged, lock: Lock, settle: Settle, writer: Writer) -> Changes:
        """What is to be written, from what stands now."""
        removed = dict(self._again(judged.again)) if judged.again else {}
        removed |= replaced(self._connection, self._names, self._log, judged, lock.marks)
        new, later = self._firsts({signal_id(signal): signal for signal in judged.signals}, removed)
        removed |= later
        old = self._standing(list(new))
        touched = {_group(signal) for signal in [*removed.values(), *new.values(), *old.values()]} | lock.dirty
        changes = Changes(frozenset(touched), _again_from([*removed.values(), *old.values()], lock.dirty))
        changes.signals += [kept.put_signal(self._names, signal) for signal in new.values()]
        changes.signals += [kept.removed_signal(self._names, id_) for id_ in removed if id_ not in new]
        for rule, of_rule in groupby(sorted(touched), key=lambda group: group[0]):
            while keys := [key for _, key in islice(of_rule, TOGETHER)]:
                query = of_groups(rule, keys)
                there = {id_: one for id_, one in self._signals(query) if id_ not in removed and id_ not in new}
                there |= {id_: one for id_, one in new.items() if one.rule_id == rule and settle_key(one) in keys}
                if not self._settle(changes, rule, query, sorted(there.values(), key=_by_time), settle):
                    changes.unsettled |= {(rule, key) for key in keys}
                writer.beat()
        return changes

    def _firsts(
        self, given: Mapping[str, Signal], without: Collection[str]
    ) -> tuple[dict[str, Signal], dict[str, Signal]]:
        """What is given, where only the first of a group counts without those that are not, as far as is known; and
        those standing that they take over from. without: ids of signals that do not count any more."""
        first: dict[Group, tuple[str, Signal]] = {}
        for id_, signal in given.items():
            if signal.within is not None:
                key = (signal.rule_id, part_key(signal))
                first[key] = min(first.get(key, (id_, signal)), (id_, signal), key=_moment)
        later: dict[str, Signal] = {}
        for rule, of_rule in groupby(sorted(first), key=lambda key: key[0]):
            while keys := [key for _, key in islice(of_rule, TOGETHER)]:
                for id_, standing in self._signals(kept.of_parts(rule, keys)):
                    key = (rule, part_key(standing))
                    if id_ in without or key not in first:
                        continue
                    if _moment(first[key]) < _moment((id_, standing)):
                        later[id_] = standing
                    else:
                        del first[key]
        counts = {id_ for id_, _ in first.values()}
        return {id_: one for id_, one in given.items() if one.within is None or id_ in counts}, later

    def _settle(
        self, changes: Changes, rule: str, query: Mapping[str, Any], signals: Sequence[Signal], settle: Settle
    ) -> bool:
        """Bring the alerts of some groups in line with their signals. False: whoever settles does not know the rule."""
        standing = {alert.id: (alert, version) for alert, version in kept.alerts(self._connection, self._names, query)}
        wanted = settle(rule, signals, [alert for alert, _ in standing.values()])
        if wanted is None:
            return False
        gone = standing.keys() - {alert.id for alert in wanted}
        changes.alerts += [kept.removed_alert(self._names, id_, standing[id_][1]) for id_ in sorted(gone)]
        changes.news |= gone
        for alert in wanted:
            before, version = standing.get(alert.id, (None, None))
            if before != alert:
                changes.alerts.append(kept.put_alert(self._names, alert, version))
            if before != alert or changes.may_have_changed(alert):
                changes.news.add(alert.id)
            if alert.state != MERGED and (before is None or before.state == MERGED or before.count != alert.count):
                changes.changed.add(alert.id)
        return True

    def _signals(self, query: Mapping[str, Any]) -> Iterator[tuple[str, Signal]]:
        return kept.signals(self._connection, self._names, query)

    def _standing(self, ids: Sequence[str]) -> dict[str, Signal]:
        """Signals that are there already, as they are."""
        found = documents(self._connection, self._names.state(States.SIGNALS), ids)
        return {id_: kept.read_signal(doc["_source"]) for id_, doc in zip(ids, found, strict=True) if doc is not None}

    def _again(self, what: Again) -> Iterator[tuple[str, Signal]]:
        """Signals that a rule had where it judged again; those of objects that came meanwhile stay, and those of events
        that were dropped."""
        dropped = self._log.pointer().dropped
        found: list[tuple[str, Signal]] = []
        for dataset in what.datasets:
            begins = [time for time in (what.since, dropped.get(dataset)) if time is not None]
            limits = {"gte": max(begins, default=None), "lt": what.until}
            span = {name: micros(limit) for name, limit in limits.items() if limit is not None}
            filters: list[dict[str, Any]] = [
                {"term": {"rule_id": what.rule_id}},
                {"term": {"dataset": dataset}},
                *([{"range": {"micros": span}}] if span else []),
            ]
            found += self._signals({"bool": {"filter": filters}})
        rows = self._log.rows(sorted({signal.object for _, signal in found}))
        early = {id_ for id_, row in rows.items() if row.turn <= what.turn}
        return iter([(id_, signal) for id_, signal in found if signal.object in early])


@dataclass
class Changes:
    """What a part of a pass writes. changed: alerts that are new or of another count. news: those that change, or may
    have been changed by an attempt that did not come to its end.

    again: groups that were settled before with some of these signals, and the time of the first of them.
    unsettled: groups whose rule nobody knew: they were left by somebody with other rules, and stay dirty.
    """

    touched: frozenset[Group]
    again: Mapping[Group, datetime]
    signals: list[Operation] = field(default_factory=list)
    alerts: list[Operation] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    news: set[str] = field(default_factory=set)
    unsettled: set[Group] = field(default_factory=set)

    def may_have_changed(self, alert: Alert) -> bool:
        """Although it stands as it is wanted."""
        since = self.again.get((alert.rule_id, group_key(alert.group)))
        return since is not None and alert.last >= since


def _group(signal: Signal) -> Group:
    return signal.rule_id, settle_key(signal)


def _moment(one: tuple[str, Signal]) -> tuple[datetime, str]:
    return one[1].timestamp, one[1].event_id


def _again_from(signals: Iterable[Signal], dirty: Iterable[Group]) -> dict[Group, datetime]:
    """Signals that stood already; of groups that somebody left dirty every one may be new."""
    found = dict.fromkeys(dirty, EARLIEST)
    for signal in signals:
        group = _group(signal)
        found[group] = min(found.get(group, signal.timestamp), signal.timestamp)
    return found


def _by_time(signal: Signal) -> tuple[Any, ...]:
    return signal.timestamp, signal.event_id, part(signal)


def _debt(rule: str, object_: str) -> str:
    return f"{OWED}-{digest(rule)[:32]}-{object_}"
