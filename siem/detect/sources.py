"""What rules can look at: every dataset, its log sources, and where its fields are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from siem.parsing import Registry
from siem.schema import ANY_JSON, DatasetFields, LogSource
from siem.sigma import Rule, datasets_of


@dataclass(frozen=True)
class Sources:
    """The datasets of a registry, as rules see them."""

    fields: Mapping[str, DatasetFields]
    logsources: Mapping[str, Sequence[LogSource]]

    @classmethod
    def of(cls, registry: Registry) -> Sources:
        parsers = registry.parsers
        return cls(
            {dataset: parser.fields for dataset, parser in parsers.items()},
            {dataset: parser.logsources for dataset, parser in parsers.items()},
        )

    def rules_for(self, dataset: str, rules: Iterable[Rule]) -> list[Rule]:
        """The rules that look at events of a dataset; at records of none ("") all of them."""
        looking = [rule for rule in rules if rule.silence is None]
        return [rule for rule in looking if not dataset or dataset in datasets_of(rule, self.logsources)]

    def fields_of(self, dataset: str) -> DatasetFields:
        return self.fields[dataset] if dataset else ANY_JSON
