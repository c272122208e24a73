"""One object from its bytes to parsed blocks: which parser, and what it came to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from siem.config import Limits
from siem.errors import Damaged, SiemError, UsageError
from siem.intake.content import Delivered
from siem.parsing import Parsed, Parser, Registry, Tally
from siem.schema import Origin, SourceObject
from siem.store.contract import Delivery, State

UNCLAIMED = "no parser claims this key"


@dataclass
class Reading:
    """An object that is being read: iterate over it for its blocks; afterwards `state`, `reason` and `tally` are final.

    parser: None where nothing is known of the object; then it has no blocks.
    A reading that ends as FAILED may have given blocks before: they do not count.
    """

    source: SourceObject
    content: Delivered
    parser: Parser | None
    limits: Limits
    now: datetime
    state: State = State.COMMITTED
    reason: str | None = None
    tally: Tally = field(default_factory=Tally)

    @property
    def dataset(self) -> str | None:
        return self.parser.dataset if self.parser is not None else None

    @property
    def delivery(self) -> Delivery:
        return Delivery(self.source, self.content.sha256, self.content.size)

    def __iter__(self) -> Iterator[Parsed]:
        """The blocks, in order.

        Raises:
            Unavailable: the bytes cannot be read now.
        """
        if self.parser is None:
            return
        self.state, self.reason, self.tally = State.COMMITTED, None, Tally()
        for parsed in self._parsed(self.parser):
            self.tally.add(parsed)
            if parsed.damaged is not None and self.state is State.COMMITTED:
                self.state, self.reason = State.DAMAGED, parsed.damaged
            yield parsed

    def _parsed(self, parser: Parser) -> Iterator[Parsed]:
        """The parser's blocks. Whatever goes wrong inside a parser, perhaps a private one, costs this object alone."""
        origin = Origin(self.source.key, self.source.id, self.content.sha256, self.now)
        try:
            yield from parser.parse(self.content, origin, self.limits)
        except Damaged as damage:
            yield Parsed(parser.dataset, None, damaged=str(damage))
        except SiemError:
            raise
        except Exception as error:  # noqa: BLE001  (an outermost loop: of one object)
            self.state, self.reason = State.FAILED, f"{parser.dataset}: {type(error).__name__}: {error}"


def read(
    source: SourceObject,
    content: Delivered,
    registry: Registry,
    limits: Limits,
    now: datetime,
    dataset: str | None = None,
) -> Reading:
    """The reading of an object: its parser is found by key and checked against content; `dataset` names it instead.

    now: when the write begins, aware; becomes `event.ingested`.

    Raises:
        UsageError: no parser makes `dataset`.
        Unavailable: the bytes cannot be read now.
    """
    candidates = registry.claiming(source.key) if dataset is None else [_named(dataset, registry)]
    if not candidates:
        return _unrecognised(source, content, limits, now, UNCLAIMED)
    head = content.head()
    parser = next((parser for parser in candidates if parser.recognises(head)), None)
    if parser is None:
        names = " or ".join(parser.dataset for parser in candidates)
        return _unrecognised(source, content, limits, now, f"the content is not {names}")
    return Reading(source, content, parser, limits, now)


def _named(dataset: str, registry: Registry) -> Parser:
    try:
        return registry.parsers[dataset]
    except KeyError:
        known = ", ".join(sorted(registry.parsers))
        raise UsageError(f"no parser makes {dataset}; there are: {known}") from None


def _unrecognised(source: SourceObject, content: Delivered, limits: Limits, now: datetime, reason: str) -> Reading:
    return Reading(source, content, None, limits, now, State.UNRECOGNISED, reason)
