"""Golden cases of parsers: a raw object at its key, and what it is expected to come to.

A case is a folder: one raw object at its real key below it; `expected.ndjson`, its events without `event.ingested`;
`expected.json`, its counts, rejects and damage. `python -m siem.testing.golden [FOLDER]` writes the expected side of
all cases below FOLDER anew; the difference is reviewed like code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path

import msgspec
import orjson

from siem.config import Limits
from siem.intake.content import Delivered
from siem.parsing import Registry
from siem.run.content import load_registry
from siem.run.reading import read
from siem.schema import SourceObject

BUCKET = "golden"
"""The bucket that every case lies in, as `siem.object` depends on it."""

NOW = datetime(2026, 11, 1, tzinfo=UTC)
EVENTS, COUNTS = "expected.ndjson", "expected.json"

_document = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True)
class Outcome:
    """What a case comes to: the text of its two expected files."""

    events: bytes
    counts: bytes


def cases(folder: Path) -> list[Path]:
    """The case folders below a folder of parsers (`<parser>/<case>`)."""
    return sorted(case for case in folder.glob("*/*") if case.is_dir() and not case.name.startswith(("_", ".")))


def raw_object(case: Path) -> Path:
    """The case's raw object.

    Raises:
        ValueError: there is none, or more than one.
    """
    found = [path for path in sorted(case.rglob("*")) if path.is_file() and path not in (case / EVENTS, case / COUNTS)]
    if len(found) != 1:
        raise ValueError(f"{case}: a case holds one raw object, this one {len(found)}")
    return found[0]


def outcome(case: Path, registry: Registry) -> Outcome:
    """What the case's object comes to now."""
    raw = raw_object(case)
    source = SourceObject(BUCKET, raw.relative_to(case).as_posix())
    reading = read(source, Delivered(raw, Limits()), registry, Limits(), NOW)
    lines: list[bytes] = []
    rejects: list[dict[str, object]] = []
    for block in reading:
        rejects += [{"ordinal": reject.ordinal, "reason": reject.reason} for reject in block.rejects]
        if block.batch is not None:
            lines += [lasting(line) for line in block.batch.ndjson().splitlines()]
    counts = {
        "dataset": reading.dataset,
        "records": reading.tally.records,
        "events": reading.tally.events,
        "rejects": rejects,
        "skipped": reading.tally.skipped,
        "damaged": reading.tally.damaged,
    }
    if reading.dataset is None or reading.reason != reading.tally.damaged:
        counts["reason"] = reading.reason
    return Outcome(
        b"".join(line + b"\n" for line in lines),
        orjson.dumps(counts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE),
    )


def lasting(line: bytes) -> bytes:
    """A document without what depends on when it was read; every other byte as it is."""
    document = _document.decode(line)
    document.pop("event.ingested", None)
    return msgspec.json.encode(document)


def assert_golden(case: Path, registry: Registry) -> None:
    """The case's object comes to exactly what is expected of it.

    Raises:
        AssertionError: it does not; names every field that differs.
        FileNotFoundError: the expected side was never written.
    """
    now = outcome(case, registry)
    differences = [*_counts_differ(case, now.counts), *_events_differ(case, now.events)]
    if differences:
        told = "\n".join(differences[:20])
        more = f"\n… and {len(differences) - 20} more" if len(differences) > 20 else ""
        raise AssertionError(f"{case.parent.name}/{case.name} (- expected, + now)\n{told}{more}")


def _counts_differ(case: Path, now: bytes) -> Iterator[str]:
    expected, found = orjson.loads((case / COUNTS).read_bytes()), orjson.loads(now)
    for name in expected | found:
        if expected.get(name) != found.get(name):
            yield f"{COUNTS} {name}\n  - {expected.get(name)}\n  + {found.get(name)}"


def _events_differ(case: Path, now: bytes) -> Iterator[str]:
    expected = (case / EVENTS).read_bytes().splitlines()
    for number, (before, after) in enumerate(zip_longest(expected, now.splitlines()), 1):
        if before == after:
            continue
        if before is None or after is None:
            yield f"event {number}\n  {_line('-', before)}\n  {_line('+', after)}"
        else:
            yield from _fields_differ(number, before, after)


def _fields_differ(number: int, before: bytes, after: bytes) -> Iterator[str]:
    expected, found = _document.decode(before), _document.decode(after)
    names = [name for name in expected | found if _bytes(expected.get(name)) != _bytes(found.get(name))]
    for name in names:
        old, new = _bytes(expected.get(name)), _bytes(found.get(name))
        yield f"event {number} {name}\n  {_line('-', old)}\n  {_line('+', new)}"
    if not names:
        yield f"event {number}: the same fields in another order\n  - {list(expected)}\n  + {list(found)}"


def _bytes(value: msgspec.Raw | None) -> bytes | None:
    return None if value is None else bytes(value)


def _line(sign: str, value: bytes | None) -> str:
    return f"{sign} {'(absent)' if value is None else value.decode(errors='backslashreplace')[:2_000]}"


def write(case: Path, registry: Registry) -> bool:
    """Write the expected side of a case anew; True where that changes it."""
    now = outcome(case, registry)
    changed = False
    for path, text in ((case / EVENTS, now.events), (case / COUNTS, now.counts)):
        if not path.is_file() or path.read_bytes() != text:
            path.write_bytes(text)
            changed = True
    return changed


def main(arguments: list[str] | None = None) -> int:
    """Write all cases of a folder; says which of them changed."""
    options = argparse.ArgumentParser(prog="python -m siem.testing.golden", description=__doc__)
    options.add_argument("folder", nargs="?", type=Path, default=Path("tests/parsers"), metavar="FOLDER")
    options.add_argument("--content", type=Path, help="folder that holds the team's own parsers", metavar="DIR")
    given = options.parse_args(arguments)
    if not given.folder.is_dir():
        options.error(f"{given.folder}: no such folder")
    registry, errors = load_registry(given.content)
    for error in errors:
        sys.stderr.write(f"{error}\n")
    for case in cases(given.folder):
        sys.stdout.write(f"{'changed' if write(case, registry) else 'as it was'}  {case}\n")
    return 3 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
