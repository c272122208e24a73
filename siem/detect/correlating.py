"""Placeholder while the engine is written."""

from dataclasses import dataclass

import pyarrow as pa

from siem.sigma import Correlation


@dataclass(frozen=True)
class Found:
    episodes: pa.Table
    firings: pa.Table


class Correlator:
    def found(self, correlation: Correlation, parts: pa.Table) -> Found:
        raise NotImplementedError

    def close(self) -> None: ...
