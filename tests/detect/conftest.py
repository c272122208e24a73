"""A watched store for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
def watching(tmp_path: Path, registry: Registry) -> Iterator[Callable[..., Watch]]:
    """A new store with the rules of these texts over it."""
    made: list[Watch] = []

    def new(*texts: str) -> Watch:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Watch(folder / "store", written(folder, *texts), registry))
        return made[-1]

    yield new
    for watch in made:
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
