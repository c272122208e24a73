"""What most tests need: the sample bucket, the shipped parsers, the default limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from examples import USUAL
from hypothesis import settings

from siem.config import Limits
from siem.parsing import Registry
from siem.run.content import load_registry

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


# shared machines are slow now and then, and no test asserts a time: no deadlines
settings.register_profile("hinomi", deadline=None, max_examples=USUAL)
settings.register_profile("quick", deadline=None, max_examples=USUAL // 10)
settings.register_profile("thorough", deadline=None, max_examples=USUAL * 20)
settings.load_profile("hinomi")
