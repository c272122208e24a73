"""Correlations: what they are, how a document says it, which rules they name, and their words for people."""

from siem.sigma.correlation.rule import COMPARISONS, NUMERIC, Correlation, Kind, Threshold

__all__ = ["COMPARISONS", "NUMERIC", "Correlation", "Kind", "Threshold"]
