"""Sigma: rules in; condition tree, predicate and queries out. Pure."""

from siem.sigma.dispatch import Dispatch
from siem.sigma.documents import rule_files
from siem.sigma.duckdb import query
from siem.sigma.logsources import datasets_of
from siem.sigma.opensearch import clause
from siem.sigma.predicate import compiled
from siem.sigma.record import KEYWORDS, projected, projected_leaves
from siem.sigma.rule import Rule, RuleSet, load_rules

__all__ = [
    "KEYWORDS",
    "Dispatch",
    "Rule",
    "RuleSet",
    "clause",
    "compiled",
    "datasets_of",
    "load_rules",
    "projected",
    "projected_leaves",
    "query",
    "rule_files",
]
