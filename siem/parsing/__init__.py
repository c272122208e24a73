"""What a parser is: the two shapes, and what they are built from."""

from siem.parsing.batch import Batch, Parsed, Reject, Tally
from siem.parsing.delimited import Delimited
from siem.parsing.documented import documented
from siem.parsing.execution import holds
from siem.parsing.headers import first
from siem.parsing.json_keys import Integer, Nested
from siem.parsing.json_records import JsonRecords
from siem.parsing.parser import Content, Parser
from siem.parsing.registry import Registry, load_parsers
from siem.parsing.values import address, instant, moment

__all__ = [
    "Batch",
    "Content",
    "Delimited",
    "Integer",
    "JsonRecords",
    "Nested",
    "Parsed",
    "Parser",
    "Registry",
    "Reject",
    "Tally",
    "address",
    "documented",
    "first",
    "holds",
    "instant",
    "load_parsers",
    "moment",
]
