"""One object from bytes to blocks: who parses it, and what it ends as."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from siem.config import Limits
from siem.errors import Damaged, Unavailable, UsageError
from siem.intake.content import Delivered
from siem.parsing import Content, Parsed, Registry, Reject
from siem.run.reading import Reading, read
from siem.schema import DatasetFields, LogSource, Origin, SourceObject
from siem.store.contract import State

NOW = datetime(2026, 11, 2, tzinfo=UTC)
LIMITS = Limits()


@dataclass
class Lines:
    """A log type whose every line is a reject that says where it came from."""

    dataset: str = "test.lines"
    key: re.Pattern[str] = re.compile(r"\.lines$")
    first: bytes = b"#"
    version: str = "1"
    logsources: tuple[LogSource, ...] = ()
    unique_ids: bool = False
    lenient: bool = True

    @property
    def fields(self) -> DatasetFields:
        return DatasetFields(self.dataset, nested=False)

    def claims(self, key: str) -> bool:
        return self.key.search(key) is not None

    def recognises(self, head: bytes) -> bool:
        return not head or head.startswith(self.first)

    def parse(self, content: Content, origin: Origin, limits: Limits) -> Iterator[Parsed]:
        ordinal, damaged = 0, None
        try:
            for block in content.blocks():
                lines = block.splitlines()
                if b"bug" in lines:
                    raise KeyError("a bug")
                yield Parsed(self.dataset, None, [Reject.of(ordinal + i, origin.key, x) for i, x in enumerate(lines)])
                ordinal += len(lines)
        except Damaged as damage:
            if not self.lenient:
                raise
            damaged = str(damage)
        yield Parsed(self.dataset, None, damaged=damaged)


def registry(*parsers: Lines) -> Registry:
    return Registry({parser.dataset: parser for parser in parsers})


def reading(data: bytes, *parsers: Lines, key: str = "a.lines", dataset: str | None = None) -> Reading:
    source = SourceObject("bucket", key)
    return read(source, Delivered(data, LIMITS), registry(*(parsers or (Lines(),))), LIMITS, NOW, dataset)


def test_an_object_is_parsed_by_the_parser_that_claims_its_key() -> None:
    it = reading(b"#1\n#2\n")
    assert [reject.raw for parsed in it for reject in parsed.rejects] == [b"#1", b"#2"]
    assert (it.dataset, it.state, it.reason, it.tally.records) == ("test.lines", State.COMMITTED, None, 2)


def test_content_decides_between_parsers_that_claim_the_same_key() -> None:
    other = Lines(dataset="test.others", first=b"%")
    assert reading(b"%1", Lines(), other).dataset == "test.others"
    assert reading(b"#1", Lines(), other).dataset == "test.lines"


def test_an_object_that_no_parser_claims_is_unrecognised_and_says_so() -> None:
    it = reading(b"#1", key="a.png")
    assert list(it) == []
    assert (it.state, it.dataset, it.reason) == (State.UNRECOGNISED, None, "no parser claims this key")


def test_content_that_is_not_what_the_key_says_is_unrecognised_and_says_so() -> None:
    it = reading(b"PK\x03\x04")
    assert list(it) == []
    assert (it.state, it.reason) == (State.UNRECOGNISED, "the content is not test.lines")


def test_a_dataset_that_is_named_needs_no_key() -> None:
    it = reading(b"#1", key="whatever", dataset="test.lines")
    list(it)
    assert (it.state, it.tally.records) == (State.COMMITTED, 1)


def test_a_dataset_that_nobody_makes_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no parser makes aws\.nothing; there are: test\.lines"):
        reading(b"", dataset="aws.nothing")


def test_an_empty_object_has_no_records_and_is_fine() -> None:
    for data in (b"", gzip.compress(b"")):
        it = reading(data)
        list(it)
        assert (it.state, it.tally.records) == (State.COMMITTED, 0)


@pytest.mark.parametrize("lenient", [True, False], ids=["parser tells", "parser lets it pass"])
def test_damage_leaves_what_came_before(lenient: bool) -> None:
    it = reading(gzip.compress(b"#1\n#2\n") + b"garbage", Lines(lenient=lenient))
    list(it)
    reason = "bytes that are no gzip follow the gzip stream"
    assert (it.state, it.reason, it.tally.damaged, it.tally.records) == (State.DAMAGED, reason, reason, 2)


def test_an_object_that_is_broken_from_its_first_byte_is_damaged() -> None:
    it = reading(b"\x1f\x8b\x08")
    list(it)
    assert (it.state, it.reason, it.tally.records) == (State.DAMAGED, "the gzip stream ends too early", 0)


def test_a_bug_in_a_parser_costs_the_object_and_not_the_run() -> None:
    it = reading(b"#1\nbug\n")
    list(it)
    assert (it.state, it.reason) == (State.FAILED, "test.lines: KeyError: 'a bug'")


def test_bytes_that_cannot_be_read_now_are_no_fault_of_the_object(tmp_path: Path) -> None:
    content = Delivered(tmp_path / "gone", LIMITS)
    with pytest.raises(Unavailable):
        list(read(SourceObject("bucket", "a.lines"), content, registry(Lines()), LIMITS, NOW))


def test_a_reading_can_be_repeated() -> None:
    it = reading(b"#1\n")
    assert list(it) == list(it)
    assert it.tally.records == 1


def test_the_delivery_tells_hash_and_size_as_delivered() -> None:
    data = gzip.compress(b"#1\n")
    assert (reading(data).delivery.bytes, reading(data).delivery.source.key) == (len(data), "a.lines")
