"""What the shipped parsers make of the sample bucket comes back from the store as it went in."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from siem.config import Limits
from siem.parsing import Parsed, Registry
from siem.schema import Origin, SourceObject, decoded
from siem.store import open_folder
from siem.store.contract import Delivery, State
from siem.testing.deliveries import NOW, found


class Bytes:
    """An object in memory."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.size = len(octets)

    def head(self) -> bytes:
        return self.octets[:65536]

    def blocks(self, least: int | None = None) -> Iterator[bytes]:
        yield self.octets

    def file(self) -> BinaryIO:
        return io.BytesIO(self.octets)


def test_documents_of_all_samples_are_what_the_parsers_gave(
    tmp_path: Path, samples: Path, registry: Registry, limits: Limits
) -> None:
    store = open_folder(tmp_path / "store")
    expected: dict[tuple[str, str], dict[str, Any]] = {}
    datasets = Counter[str]()
    with store.writing(NOW) as writing:
        for path in sorted((samples / "bucket").rglob("*.gz"))[:300]:
            key, octets = str(path.relative_to(samples / "bucket")), path.read_bytes()
            content = Bytes(gzip.decompress(octets))
            parser = next((one for one in registry.claiming(key) if one.recognises(content.head())), None)
            if parser is None:
                continue
            source = SourceObject("bucket", key)
            delivery = Delivery(source, hashlib.sha256(octets).hexdigest(), len(octets))
            parsed: Parsed
            for parsed in parser.parse(content, Origin(key, source.id, delivery.sha256, NOW), limits):
                writing.add(delivery, parsed, parser.version, parser.unique_ids)
                for line in parsed.batch.ndjson().splitlines() if parsed.batch else ():
                    document = decoded(line)
                    expected.setdefault((document["event.id"], document["@timestamp"]), document)
            writing.finish(delivery, State.COMMITTED)
            datasets[parser.dataset] += 1
        rows = writing.commit()
    assert len(datasets) >= 1
    stored = [hit for dataset in datasets for hit in found(store, dataset, documents=True)]
    assert {(hit.event_id, (hit.document or {})["@timestamp"]): hit.document for hit in stored} == expected
    assert len(stored) == len(expected) == sum(row.events - row.duplicates for row in rows)
    store.close()
