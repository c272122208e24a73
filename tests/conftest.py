"""What most tests need: the sample bucket, the shipped parsers, the default limits, OpenSearch nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from aws import AWS, running
from examples import USUAL
from hypothesis import settings
from opensearch import Node, Nodes, NoNode, given

from siem.config import Limits
from siem.parsing import Registry
from siem.run.content import load_registry

pytest.register_assert_rewrite("siem.testing")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def samples() -> Path:
    return ROOT / "samples"


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The parsers of the checkout. One that does not load fails every test that needs parsers."""
    registry, errors = load_registry()
    assert errors == []
    return registry


@pytest.fixture(scope="session")
def limits() -> Limits:
    return Limits()


NODES = pytest.StashKey[Nodes]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", type=float, default=60.0, help="seconds that the soak test of workers lasts")
    parser.addoption("--seed", type=int, default=0, help="what the soak test draws its faults from")


def pytest_configure(config: pytest.Config) -> None:
    """The process that runs all holds the nodes; its workers are told where they are."""
    kept = config.rootpath / ".pytest_cache" / "opensearch"
    told = getattr(config, "workerinput", {}).get("nodes")
    nodes = Nodes(Path(told or mkdtemp(prefix="hinomi-nodes-")), kept)
    config.stash[NODES] = nodes
    if not told:
        config.add_cleanup(nodes.hold())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["nodes"] = str(node.config.stash[NODES].folder)


@pytest.fixture(scope="session")
def opensearch(pytestconfig: pytest.Config) -> str:
    """The URL of a real node, one for all tests of a run; what they leave in it is nobody's concern. It fails the
    tests, and does not skip them, if there is none: mark them slow."""
    try:
        url = os.environ.get("SIEM_TEST_OPENSEARCH_URL")
        return given(url) if url else pytestconfig.stash[NODES].shared()
    except NoNode as why:
        pytest.fail(str(why), pytrace=False)


@pytest.fixture(scope="session")
def nodes(pytestconfig: pytest.Config) -> Nodes:
    """Begins nodes, for tests that want one of their own; they end it."""
    return pytestconfig.stash[NODES]


@pytest.fixture(scope="module")
def cluster(pytestconfig: pytest.Config) -> Iterator[list[Node]]:
    """Three nodes that know each other, for the tests of one module to kill."""
    nodes: list[Node] = []
    try:
        nodes += pytestconfig.stash[NODES].cluster(3)
    except NoNode as why:
        pytest.fail(str(why), pytrace=False)
    yield nodes
    for node in nodes:
        if node.lives:
            node.kill()


# shared machines are slow now and then, and no test asserts a time: no deadlines
settings.register_profile("hinomi", deadline=None, max_examples=USUAL)
settings.register_profile("quick", deadline=None, max_examples=USUAL // 10)
settings.register_profile("thorough", deadline=None, max_examples=USUAL * 20)
settings.load_profile("hinomi")


@pytest.fixture(scope="session")
def aws_url() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def aws(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> AWS:
    """An AWS that this process and those that it starts reach. Others use it too: names have to be of this test."""
    found = AWS(aws_url)
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return found
