"""Conditions for OpenSearch: what is asked of one field, linked by and, or, not; and as query DSL in filter context.

https://docs.opensearch.org/latest/query-dsl/compound/bool/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from siem.sigma.bounds import Bounds, Logic
from siem.sigma.opensearch.automaton import Automaton, TooComplex, quoted, written
from siem.sigma.opensearch.lucene import LONGEST
from siem.sigma.tree import Wild, spelled

Parts: TypeAlias = tuple[str | Wild, ...]
Dsl: TypeAlias = dict[str, Any]

MOST_TERMS = 60_000
"""Values of one `terms` query; a node takes 65,536."""


@dataclass(frozen=True, slots=True)
class Match:
    """A value of a keyword field reads like this, letter by letter."""

    field: str
    parts: Parts


@dataclass(frozen=True, slots=True)
class Other:
    """Any other query of one field, as JSON."""

    json: str


@dataclass(frozen=True, slots=True)
class All:
    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Some:
    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Opposite:
    item: Condition


Condition: TypeAlias = Match | Other | All | Some | Opposite

ALWAYS, NEVER = All(()), Some(())


def all_of(items: Iterable[Condition]) -> Condition:
    """A conjunction, those inside it opened; what is always true is left out."""
    kept = list(dict.fromkeys([part for item in items for part in (item.items if isinstance(item, All) else (item,))]))
    return NEVER if NEVER in kept else kept[0] if len(kept) == 1 else All(tuple(kept))


def any_of(items: Iterable[Condition]) -> Condition:
    """A disjunction, those inside it opened; what is never true is left out."""
    kept = list(dict.fromkeys([part for item in items for part in (item.items if isinstance(item, Some) else (item,))]))
    return ALWAYS if ALWAYS in kept else kept[0] if len(kept) == 1 else Some(tuple(kept))


def negated(item: Condition) -> Condition:
    if item in (ALWAYS, NEVER):
        return NEVER if item == ALWAYS else ALWAYS
    return item.item if isinstance(item, Opposite) else Opposite(item)


LOGIC: Logic[Condition] = Logic(ALWAYS, NEVER, all_of, any_of, negated)


def exact(condition: Condition) -> Bounds[Condition]:
    return Bounds.exact(condition)


def at_most(condition: Condition) -> Bounds[Condition]:
    return LOGIC.at_most(condition)


def exists(field: str) -> Condition:
    return Other(json.dumps({"exists": {"field": field}}))


def term(field: str, value: str | float) -> Condition:
    """For fields that are no keywords."""
    return Other(json.dumps({"term": {field: {"value": value}}}))


def between(field: str, **limits: object) -> Condition:
    return Other(json.dumps({"range": {field: limits}}))


def regexp(field: str, text: str) -> Condition:
    """A value of a keyword field as a whole; `text` in Lucene's dialect, at most `lucene.LONGEST` characters."""
    return Other(json.dumps({"regexp": {field: {"value": text}}}))


def rendered(condition: Condition) -> Dsl:
    """The query."""
    match condition:
        case Match(field, parts):
            return match(field, parts)
        case Other(text):
            query: Dsl = json.loads(text)
            return query
        case All(items):
            return conjunction(items)
        case Some(items):
            return disjunction(items)
        case Opposite(item):
            return {"bool": {"must_not": [rendered(item)]}}


def match(field: str, parts: Parts) -> Dsl:
    if parts == (Wild.ANY,):
        return {"exists": {"field": field}}
    if (text := spelled(parts)) is not None:
        return {"term": {field: {"value": text}}}
    if len(parts) == 2 and parts[1] is Wild.ANY and not isinstance(parts[0], Wild):
        return {"prefix": {field: {"value": parts[0]}}}
    return {"wildcard": {field: {"value": "".join(map(escaped, parts))}}}


def escaped(part: str | Wild) -> str:
    """Literal text in a wildcard query, or the wildcard."""
    if isinstance(part, Wild):
        return part.value
    return part.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")


def conjunction(items: Sequence[Condition]) -> Dsl:
    if not items:
        return {"match_all": {}}
    needed = [rendered(item) for item in items if not isinstance(item, Opposite)]
    refused = [rendered(item.item) for item in items if isinstance(item, Opposite)]
    return {"bool": {name: given for name, given in (("filter", needed), ("must_not", refused)) if given}}


def disjunction(items: Sequence[Condition]) -> Dsl:
    if not items:
        return {"match_none": {}}
    others = [rendered(item) for item in items if not isinstance(item, Match)]
    queries = [*together([item for item in items if isinstance(item, Match)]), *others]
    return queries[0] if len(queries) == 1 else {"bool": {"should": queries, "minimum_should_match": 1}}


def together(matches: Sequence[Match]) -> Iterator[Dsl]:
    """Alternatives of one field in as few queries as can be: each `*text*` of its own reads all terms of the index."""
    groups: dict[tuple[str, Parts, Parts], list[str]] = {}
    for given in matches:
        literals = [place for place, part in enumerate(given.parts) if not isinstance(part, Wild)]
        if literals:
            head, literal, tail = split(given.parts, literals[-1])
            groups.setdefault((given.field, head, tail), []).append(literal)
        else:
            yield match(given.field, given.parts)
    for (field, head, tail), texts in groups.items():
        if head or tail:
            yield from expressions(field, head, texts, tail)
        else:
            yield from [any_term(field, texts[at : at + MOST_TERMS]) for at in range(0, len(texts), MOST_TERMS)]


def split(parts: Parts, at: int) -> tuple[Parts, str, Parts]:
    return parts[:at], str(parts[at]), parts[at + 1 :]


def any_term(field: str, texts: Sequence[str]) -> Dsl:
    return match(field, (texts[0],)) if len(texts) == 1 else {"terms": {field: list(texts)}}


def expressions(field: str, head: Parts, texts: Sequence[str], tail: Parts) -> Iterator[Dsl]:
    """Patterns that differ in one literal, as expressions with as many of them as a node takes."""
    chosen: list[str] = []
    for text in texts:
        if chosen and len(either(head, [*chosen, text], tail)) > LONGEST:
            yield from as_one(field, head, chosen, tail)
            chosen = []
        chosen.append(text)
    yield from as_one(field, head, chosen, tail)


def as_one(field: str, head: Parts, texts: Sequence[str], tail: Parts) -> Iterator[Dsl]:
    """One expression, unless a node might refuse it."""
    if len(texts) > 1 and is_simple(head, texts, tail):
        yield {"regexp": {field: {"value": either(head, texts, tail)}}}
    else:
        yield from [match(field, (*head, text, *tail)) for text in texts]


def either(head: Parts, texts: Sequence[str], tail: Parts) -> str:
    return f"{written(head)}({'|'.join(map(quoted, texts))}){written(tail)}"


def is_simple(head: Parts, texts: Sequence[str], tail: Parts) -> bool:
    automaton = Automaton()
    choices = automaton.either([automaton.parts((text,)) for text in texts])
    try:
        automaton.check(automaton.chain([automaton.parts(head), choices, automaton.parts(tail)]))
    except TooComplex:
        return False
    return True


def size(query: Dsl) -> int:
    """Clauses that ask something of a field."""
    if "bool" not in query:
        return 1
    linked = query["bool"]
    return sum([size(part) for name in ("filter", "must_not", "should") for part in linked.get(name, ())])
