"""A watched store for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from watched import RULE, Faulty, Overtaken, Watch, written

from siem.parsing import Registry
from siem.sigma import RuleSet


@pytest.fixture
def rules(tmp_path: Path) -> RuleSet:
    return written(tmp_path, RULE)


@pytest.fixture
def watch(tmp_path: Path, rules: RuleSet, registry: Registry) -> Iterator[Watch]:
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
