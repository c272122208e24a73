"""Sigma: rules in; condition tree, predicate and queries out. Pure."""

from siem.documents import Refused
from siem.sigma.correlation import Correlation
from siem.sigma.custom import NewTerms, Silence, Suppress, Whose
from siem.sigma.dispatch import Dispatch
from siem.sigma.doubts import Doubting, lapsing
from siem.sigma.duckdb import query
from siem.sigma.explaining import Explaining
from siem.sigma.files import rule_files
from siem.sigma.gates import fields_read
from siem.sigma.head import LEVELS
from siem.sigma.lists import load_lists
from siem.sigma.loading import RuleSet, load_rules
from siem.sigma.logsources import datasets_of
from siem.sigma.modifiers import Lists
from siem.sigma.opensearch import clause
from siem.sigma.pipeline import load_pipelines
from siem.sigma.predicate import Condition, compiled, condition, number, time_of
from siem.sigma.record import KEYWORDS, Reader, View, projected, projected_leaves
from siem.sigma.rule import Filter, Rule
from siem.sigma.tracing import reasons
from siem.sigma.tuned import tuned
from siem.sigma.tuning import Tuning, load_tuning

__all__ = [
    "KEYWORDS",
    "LEVELS",
    "Condition",
    "Correlation",
    "Dispatch",
    "Doubting",
    "Explaining",
    "Filter",
    "Lists",
    "NewTerms",
    "Reader",
    "Refused",
    "Rule",
    "RuleSet",
    "Silence",
    "Suppress",
    "Tuning",
    "View",
    "Whose",
    "clause",
    "compiled",
    "condition",
    "datasets_of",
    "fields_read",
    "lapsing",
    "load_lists",
    "load_pipelines",
    "load_rules",
    "load_tuning",
    "number",
    "projected",
    "projected_leaves",
    "query",
    "reasons",
    "rule_files",
    "time_of",
    "tuned",
]
