"""Which datasets a rule looks at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from siem.schema import LogSource
from siem.sigma.rule import Rule

ANY = LogSource()


def datasets_of(rule: Rule, answered: Mapping[str, Iterable[LogSource]]) -> tuple[str, ...]:
    """The datasets that answer a rule's log source, in the order of `answered` (dataset -> its parser's log sources).

    A log source that names nothing is answered by all.
    """
    wanted = rule.logsource
    return tuple(
        [
            dataset
            for dataset, sources in answered.items()
            if wanted == ANY or any(mine.covers(wanted) for mine in sources)
        ]
    )
