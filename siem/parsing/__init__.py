"""What a parser is: the shapes, and what they are built from."""

from siem.parsing.batch import Batch, Documents, Parsed, Reject, Tally
from siem.parsing.delimited import Delimited
from siem.parsing.documented import documented
from siem.parsing.execution import holds
from siem.parsing.forms import Form
from siem.parsing.headerless import Headerless
from siem.parsing.headers import first
from siem.parsing.json_keys import Integer, Nested
from siem.parsing.json_records import JsonRecords
from siem.parsing.json_table import Always, Parts, columnwise, remembered
from siem.parsing.parser import Content, Example, Parser
from siem.parsing.registry import Registry, load_parsers
from siem.parsing.values import address, instant, moment

__all__ = [
    "Always",
    "Batch",
    "Content",
    "Delimited",
    "Documents",
    "Example",
    "Form",
    "Headerless",
    "Integer",
    "JsonRecords",
    "Nested",
    "Parsed",
    "Parser",
    "Parts",
    "Registry",
    "Reject",
    "Tally",
    "address",
    "columnwise",
    "documented",
    "first",
    "holds",
    "instant",
    "load_parsers",
    "moment",
    "remembered",
]
