"""The documents of a batch are what its lines say, whichever shape it has."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from siem.config import Limits
from siem.intake.objects import objects
from siem.parsing import Batch, Registry
from siem.parsing.batch import ends_of
from siem.run.reading import read
from siem.schema import ORDER, decoded

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def batches(place: Path, registry: Registry) -> list[Batch]:
    found = []
    for source, opener in objects(str(place), Limits()):
        with opener() as content:
            found += [parsed.batch for parsed in read(source, content, registry, Limits(), NOW) if parsed.batch]
    return found


def test_documents_are_the_decoded_lines(samples: Path, registry: Registry) -> None:
    datasets = set()
    for batch in batches(samples / "bucket", registry):
        lines = batch.ndjson().splitlines()
        documents = batch.documents()
        wanted = [decoded(line) for line in lines]
        assert [dict(documents[row]) for row in range(len(documents))] == wanted
        for name in (*ORDER, batch.dataset, "no.such"):
            assert list(documents.column(name)) == [document.get(name) for document in wanted]
        datasets.add(batch.dataset)
    assert datasets == set(registry.parsers)


def test_lines_and_ends_are_of_the_same_events(samples: Path, registry: Registry) -> None:
    for batch in batches(samples / "bucket", registry):
        lines = batch.ndjson().splitlines()
        assert list(batch.lines()) == lines
        times = [datetime.fromisoformat(decoded(line)["@timestamp"]) for line in lines]
        assert [*map(datetime.fromisoformat, batch.ends())] == [min(times), max(times)]


def test_ends_are_those_of_times_with_and_without_fractions() -> None:
    times = ["2026-11-01T00:00:01Z", "2026-11-01T00:00:01.5Z", "2026-11-01T00:00:00.25Z", "2026-11-01T00:00:00.2Z"]
    assert ends_of(times) == ("2026-11-01T00:00:00.2Z", "2026-11-01T00:00:01.5Z")
    assert ends_of(times[:1]) == (times[0], times[0])
