"""A detection pass over stored CloudTrail; many rules over a batch; a hunt over files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import duckdb
import orjson
from isal import igzip

from bench.claim import Claim
from bench.corpus_cloudtrail import cloudtrail
from bench.corpus_rules import rules
from bench.ingest import NOW, bucket
from siem.config import Limits, load_settings
from siem.detect.alerts import shown
from siem.detect.hunting import Hunt
from siem.detect.packs import Packs, Span
from siem.detect.sources import Sources
from siem.errors import ContentError
from siem.intake.objects import objects
from siem.parsing import Batch, Registry
from siem.run.content import load_registry
from siem.run.ingest import ingest
from siem.run.reading import read
from siem.sigma import Dispatch, Rule, RuleSet, compiled, query
from siem.store import open_folder

OBJECTS, RECORDS = 50, 20_000
HUNTED = 10
"""Objects that are hunted over: 200,000 events."""
NAMES = (
    "60 rules over stored CloudTrail",
    "500 rules against 100, over stored CloudTrail",
    "Predicate, 500 rules",
    "hunt over files, 60 rules",
)
DATASET = "aws.cloudtrail"
JUDGED = 2_000
"""Events that every rule is evaluated on, one document at a time."""


@dataclass(frozen=True)
class Stored:
    """A million events in an embedded store, and a few objects as they were delivered."""

    folder: Path
    bucket: Path
    registry: Registry

    @property
    def sources(self) -> Sources:
        return Sources.of(self.registry)


@contextmanager
def stored() -> Iterator[Stored]:
    """Made once a run: it takes a minute."""
    registry = load_registry(None)[0]
    with bucket(OBJECTS, RECORDS) as given, tempfile.TemporaryDirectory() as folder:
        with closing(open_folder(Path(folder) / "store")) as store:
            ingest([str(given)], store, registry, load_settings(), lambda: NOW)
        yield Stored(Path(folder), given, registry)


def claims(over: Stored) -> list[Claim]:
    few, some, many = [rules(count, over.folder) for count in (60, 100, 500)]
    narrow = partial(columns, over, few.rules)
    return [
        Claim(NAMES[0], "events", partial(passed, over, few.rules), narrow, 1 / 17),
        Claim(NAMES[1], "events", partial(passed, over, many.rules), partial(passed, over, some.rules), 1 / 4),
        *batched(over, few, many),
    ]


def passed(over: Stored, asked: Sequence[Rule]) -> int:
    """What a pass does before it marks: search, verification, and the columns that signals are made of."""

    def erred(rule: Rule, error: ContentError) -> None:
        raise error

    fields = over.sources.fields[DATASET]
    wanted = frozenset[str]().union(*[shown(rule, fields.names) for rule in asked])
    with closing(open_folder(over.folder / "store")) as store:
        for _ in Packs(fields, store.dialect).found(store, asked, Span(), wanted, erred):
            pass
    return OBJECTS * RECORDS


def columns(over: Stored, asked: Sequence[Rule]) -> int:
    """The floor: DuckDB reads the columns of short values that the rules use."""
    fields = over.sources.fields[DATASET]
    names = frozenset[str]().union(*[query(rule.tree, fields).first.columns for rule in asked])
    counts = ", ".join([f'count("{name}")' for name in sorted(names)])
    files = [str(path) for path in (over.folder / "store" / "events").glob("*/*/*.parquet")]
    with duckdb.connect(":memory:", config={"threads": 2}) as connection:
        sql = f"SELECT {counts} FROM read_parquet($files, union_by_name = true)"
        connection.execute(sql, {"files": files}).fetchall()
    return OBJECTS * RECORDS


def batched(over: Stored, few: RuleSet, many: RuleSet) -> list[Claim]:
    delivered = [path.read_bytes() for path in sorted(over.bucket.iterdir())[:HUNTED]]
    (over.folder / "hunted").mkdir()
    for number, data in enumerate(delivered):
        (over.folder / "hunted" / f"111122223333_CloudTrail_eu-west-1_20261101T0000Z_{number}.json.gz").write_bytes(
            data
        )
    (over.folder / "one").mkdir()
    name = "111122223333_CloudTrail_eu-west-1_20261101T0000Z_0.json.gz"
    (over.folder / "one" / name).write_bytes(cloudtrail(JUDGED))
    held = list(batches(over, over.folder / "one"))
    return [
        Claim(NAMES[2], "events", partial(dispatched, over, held, many), evaluation(over, held, many), 5),
        Claim(NAMES[3], "events", partial(hunted, over, few), partial(loaded, delivered), 0.5),
    ]


def batches(over: Stored, folder: Path) -> Iterator[Batch]:
    for source, opener in objects(str(folder), Limits()):
        with opener() as content:
            for parsed in read(source, content, over.registry, Limits(), NOW):
                if parsed.batch is not None:
                    yield parsed.batch


def dispatched(over: Stored, held: Sequence[Batch], asked: RuleSet) -> int:
    """As a hunt does it: columns first, then documents. What was learnt of earlier batches is not kept."""
    dispatch = Dispatch(asked.rules, over.sources.fields[DATASET])
    for batch in held:
        for _ in dispatch.matches(batch.documents()):
            pass
    return sum(map(len, held))


def evaluation(over: Stored, held: Sequence[Batch], asked: RuleSet) -> Callable[[], int]:
    """Every rule on every document, which is decoded before."""
    judges = [compiled(rule.tree, over.sources.fields[DATASET]) for rule in asked.rules]
    documents = [orjson.loads(line) for batch in held for line in batch.ndjson().splitlines()]

    def evaluated() -> int:
        for document in documents:
            for judge in judges:
                judge(document)
        return len(documents)

    return evaluated


def hunted(over: Stored, asked: RuleSet) -> int:
    """As the command does it, from the rules on: what was learnt in another round is not kept."""
    hunting = Hunt(asked, over.sources)
    found = chain.from_iterable(map(hunting.batch, batches(over, over.folder / "hunted")))
    for _ in found:
        pass
    return HUNTED * RECORDS


def loaded(delivered: Sequence[bytes]) -> int:
    """The floor: decompress, and decode to plain dictionaries."""
    return sum([len(orjson.loads(igzip.decompress(data))["Records"]) for data in delivered])
