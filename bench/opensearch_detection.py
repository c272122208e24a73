"""A detection pass over new events in OpenSearch, against one aggregation that counts what the rules' queries find."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.corpus_rules import rules
from bench.ingest import bucket
from bench.opensearch_bulk import NOW, ROUNDS, Measured, Node
from bench.parsed import parser_of
from siem.config import load_settings
from siem.detect.alerts import shown
from siem.detect.packs import Packs, Span
from siem.errors import ContentError
from siem.run.content import load_registry
from siem.run.ingest import ingest
from siem.sigma import Rule, clause
from siem.store.opensearch import OpenSearchStore
from siem.store.opensearch.cluster.preparing import prepare
from siem.store.opensearch.names import Names

NAMES = ("detection pass of 100 rules over 100,000 new events in OpenSearch",)
DATASET, OBJECTS, EVENTS, RULES = "aws.cloudtrail", 5, 20_000, 100
MOST_HITS = 0.02
GOAL = 4.0


def measured(node: Node) -> Iterator[Measured]:
    """product, floor: events per second of wall time; most of it is the node's."""
    names, parser = Names(f"bench-{os.getpid()}-pass-"), parser_of(DATASET)
    prepare(node.connection, names, {DATASET: parser.fields})
    store = OpenSearchStore(node.connection, names, {DATASET: parser.fields})
    try:
        with bucket(OBJECTS, EVENTS) as given:
            ingest([str(given)], store, load_registry(None)[0], load_settings(), lambda: NOW)
        objects = list(store.ledger())
        with tempfile.TemporaryDirectory() as folder:
            asked = rules(RULES, Path(folder)).rules
        times: dict[str, list[float]] = {"product": [], "floor": []}
        for _ in range(ROUNDS + 1):
            for name, spent in (("product", passed(store, asked, objects)), ("floor", counted(node, names, asked))):
                times[name].append(spent)
        fast, floor = (OBJECTS * EVENTS / statistics.median(spent[1:]) for spent in times.values())
        yield Measured(NAMES[0], fast, floor, GOAL, at_most=True)
    finally:
        for index in node.connection.ask("GET", f"/_cat/indices/{names.prefix}*", h="index", format="json"):
            node.connection.ask("DELETE", f"/{index['index']}")
        for kind in ("_index_template", "_component_template"):
            node.connection.ask("DELETE", f"/{kind}/{names.prefix}*")


def passed(store: OpenSearchStore, asked: Sequence[Rule], objects: list[str]) -> float:
    """Seconds that rules take to find what they match in objects, with what alerts need of it."""
    fields = parser_of(DATASET).fields
    start, packs = time.perf_counter(), Packs(fields, store.dialect)
    columns = frozenset[str]().union(*[shown(rule, fields.names) for rule in asked])
    hits = sum(1 for _ in packs.found(store, asked, Span(objects), columns, refused))
    spent = time.perf_counter() - start
    assert 0 < hits <= MOST_HITS * OBJECTS * EVENTS, f"{hits} events hit: the corpus is not what the claim is about"
    return spent


def refused(rule: Rule, error: ContentError) -> None:
    raise error


def counted(node: Node, names: Names, asked: Sequence[Rule]) -> float:
    """Seconds of one `filters` aggregation of the same clauses."""
    fields = parser_of(DATASET).fields
    filters = {str(place): clause(rule.tree, fields).query for place, rule in enumerate(asked)}
    body = {"size": 0, "aggs": {"rules": {"filters": {"filters": filters}}}}
    start = time.perf_counter()
    node.connection.ask("POST", f"/{names.events(DATASET)}/_search", body, request_cache="false")
    return time.perf_counter() - start
