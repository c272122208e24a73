"""Engines that commands are run with."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["python", "duckdb", "opensearch"])
def engine(request: pytest.FixtureRequest) -> list[str]:
    """Options that choose who evaluates."""
    if request.param != "opensearch":
        return ["--engine", request.param]
    return ["--engine", request.param, "--store", request.getfixturevalue("opensearch")]
