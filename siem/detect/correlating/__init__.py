"""Correlations over parts: in which windows they hold, and the episodes that these make.

docs/decisions/0010-correlations.md is the law. Everything is sorted once and then done on whole columns, without a
loop over parts: a window is two places in the sorted parts, and what is asked of it is a difference of running
numbers. So the time of every kind grows like that of sorting, however many parts a window has.
"""

from siem.detect.correlating.correlator import Correlator
from siem.detect.correlating.episodes import EVIDENCE, LONGEST, Found

__all__ = ["EVIDENCE", "LONGEST", "Correlator", "Found"]
