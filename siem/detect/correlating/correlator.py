"""From a table of parts to what a correlation found in it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from siem.detect.correlating import windows
from siem.detect.correlating.episodes import EPISODES, EVIDENCE, FIRINGS, Found, found
from siem.detect.correlating.parts import pieces
from siem.sigma.correlation import NUMERIC, Correlation, Kind

ROWS = 1 << 18
"""Parts that are looked at together."""


class Correlator:
    """Runs correlations. rows: about how many parts it looks at together, groups as a whole; bounds its memory."""

    def __init__(self, rows: int = ROWS) -> None:
        self._rows = rows

    def found(self, correlation: Correlation, parts: pa.Table, evidence: int = EVIDENCE) -> Found:
        """Episodes and firings of the correlation over parts, whatever order these are in.

        parts: slot(int16) group(string) time(timestamp[us, UTC]) event(string) value(string, for value_count)
        number(float64, for numeric kinds). group: the folded values, "" without group-by. An event with several values
        has several rows. Columns that the kind does not need may be absent; a row without value or number is none.
        evidence: how many events an episode lists.
        """
        made = [
            found(correlation, piece, windows.fires(correlation, piece), evidence)
            for whole in pieces(
                _with_values(correlation, parts).combine_chunks(),
                correlation.span,
                windows.least(correlation),
                self._rows,
            )
            for piece in [windows.relevant(correlation, whole)]
            if len(piece)
        ]
        return Found(
            pa.concat_tables([EPISODES.empty_table(), *[one.episodes for one in made]]).combine_chunks(),
            pa.concat_tables([FIRINGS.empty_table(), *[one.firings for one in made]]).combine_chunks(),
        )


def _with_values(correlation: Correlation, parts: pa.Table) -> pa.Table:
    """Without the rows whose value is missing or no finite number."""
    if correlation.kind is Kind.VALUE_COUNT and parts["value"].null_count:
        return parts.filter(pc.is_valid(parts["value"]))
    if correlation.kind in NUMERIC and not pc.all(finite := pc.is_finite(parts["number"]), skip_nulls=False).as_py():
        return parts.filter(finite)
    return parts
