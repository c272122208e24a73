"""A watched store for each test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from watched import RULE, Faulty, Overtaken, Watch, written

from siem.parsing import Registry
from siem.sigma import Rule


@pytest.fixture
def rules(tmp_path: Path) -> Sequence[Rule]:
    return written(tmp_path, RULE)


@pytest.fixture
def watch(tmp_path: Path, rules: Sequence[Rule], registry: Registry) -> Iterator[Watch]:
    watch = Watch(tmp_path / "store", rules, registry)
    yield watch
    watch.store.close()


@pytest.fixture
def overtaken(watch: Watch) -> Iterator[Overtaken]:
    store = Overtaken(watch.folder)
    yield store
    store.close()


@pytest.fixture
def faulty(watch: Watch) -> Iterator[Faulty]:
    store = Faulty(watch.folder)
    yield store
    store.close()
