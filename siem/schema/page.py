"""Renders the schema as a page for people: `python -m siem.schema.page > docs/schema.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import groupby

from siem.schema.fields import FIELDS, Field

INTRODUCTION = """\
# The common schema

Every event, whatever its source, has the fields below, as far as its source says them. Names are those of the
[Elastic Common Schema 9](https://www.elastic.co/docs/reference/ecs/ecs-field-reference), written as flat dotted keys;
`siem.*` are our own. A name has one type in every dataset. A document lists its fields in the order of this page and
leaves out what is null; behind them stands what the source sent.

This page is made from `siem/schema/fields.py` by `make docs`.

## Native names

Nothing that the source sent is dropped or renamed away.

- Of JSON logs the whole record stands once in the document, byte for byte, below the dataset's name:
  `aws.cloudtrail.requestParameters.bucketName`.
- Of logs in lines, every column whose exact text no field of the schema holds stands as text under its native name
  below the dataset's: `aws.vpcflow.log-status`, with the hyphens that AWS writes.
- What nobody has documented yet is kept like everything else, and can be searched.

## Identity

`event.id` is the record's own id where it has one (CloudTrail's `eventID`), else the first 24 hex digits of the SHA-256
of the object as it was delivered, a hyphen, and the record's position in it, counted from 0 over all records, also
those that were rejected or skipped. `siem.object` is a hash of bucket, key and version. Neither depends on when or how
often something was read, so reading again changes nothing.

## Time

`@timestamp` is when it happened, as the source says, in UTC: RFC 3339 with `Z`, with a fraction only where it is not
zero, down to microseconds. Finer digits stay in the native field. `event.ingested` is when the write of the object
began.

## Where a rule's field is looked for

A rule may use names of this page and the source's own names, also both. For each dataset a name is looked up in this
order, and the first that applies decides:

1. a field of this page that the dataset's parser fills (`source.ip`);
2. the source's own name, with or without the dataset before it (`eventName`, `aws.cloudtrail.eventName`). It is
   answered from a field of this page where that holds the very same text (`eventName` from `event.action`), otherwise
   from the record;
3. a name of Sigma's taxonomy that the parser declares (`c-uri`). Some mean several values (`cs-uri-query`: path and
   query, and the query alone), some what no log has as one text (`c-uri-extension`): they are made when a rule asks.

A name that is none of these is looked for in the record, so that new and undocumented fields work.

## Fields

*shown*: people see its values, so its case is kept for display and stores can group by it. Rules compare text without
case whether it is shown or not. Types: `text`; `ip`, an address, compared as such by `cidr`; `long` and `double`,
numbers; `date`, a time.
"""


def page() -> str:
    """The whole page, as Markdown."""
    sections = [INTRODUCTION]
    for prefix, fields in groupby(FIELDS, key=section):
        sections.append(f"### {prefix}\n\n{table(fields)}")
    return "\n".join(sections)


def section(field: Field) -> str:
    """The heading that a field stands under: `event.*`, or its own name."""
    first, dot, _ = field.name.partition(".")
    return f"`{first}.*`" if dot else f"`{field.name}`"


def table(fields: Iterable[Field]) -> str:
    rows = [f"| `{f.name}` | {f.kind} | {'shown' if f.shown else ''} | {cell(f.meaning)} |" for f in fields]
    return "\n".join(["| field | type | | meaning |", "|---|---|---|---|", *rows, ""])


def cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
