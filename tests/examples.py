"""How many examples property tests try: more with `pytest --hypothesis-profile thorough`, fewer in `make check`."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

USUAL = 100
"""`max_examples` of the profile of `make test`."""


def examples(count: int, **more: Any) -> settings:
    """Settings of a property test: `count` examples in `make test`, in proportion in the other profiles."""
    return settings(max_examples=max(5, count * settings.default.max_examples // USUAL), **more)
