"""The documents of a batch are what its lines say, whichever shape it has."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from siem.config import Limits
from siem.intake.objects import objects
from siem.parsing import Batch, Registry
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
