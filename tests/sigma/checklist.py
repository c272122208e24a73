"""What the specification has to say about rules of one event, and where engines go wrong: each word has a case.

The words that stand behind `covers:` in `conformance/*.yml`. Correlations and filters have tests of their own.
"""

from __future__ import annotations

RULE = """
title id name related taxonomy status description license author references date modified logsource fields
falsepositives level tags scope custom documents conditions
"""
SELECTIONS = """
map maps keywords keywords-all nested text int float bool null empty list any one case
"""
ESCAPES = """
star question backslash backslash-wildcard three four end
"""
CONDITION = """
and or not parentheses precedence 1-of any-of all-of them hidden pattern list
"""
MODIFIERS = """
all startswith endswith contains exists cased neq windash re i m s base64 base64offset utf16le wide utf16be utf16
lt lte gt gte minute hour day week month year cidr cidr-v6 expand fieldref fieldref-neq fieldref-startswith
fieldref-endswith fieldref-contains order
"""
PLACEHOLDERS = """
expanded literal escaped unresolved empty-list
"""
MODEL = """
dotted dotted-key arrays objects nothing numbers names own-leaves
"""
TRAPS = {
    "trap.1": "text has no case, beyond ASCII too",
    "trap.2": "several words, paths and wildcards inside of words: text is not analysed",
    "trap.3": "regular expressions that an engine has not or reads otherwise",
    "trap.4": "cased, fieldref and parts of times",
    "trap.5": "not holds where the field is missing",
    "trap.6": "per cent and underscore are no wildcards",
    "trap.7": "numbers compare as numbers, addresses as addresses",
    "trap.8": "keywords look at every field's value",
    "trap.9": "arrays: any element matches, not negates the whole",
    "trap.10": "long values stay searchable",
    "trap.11": "an object read as text",
    "trap.12": "truth values and numbers as text, null or Success",
    "trap.13": "versions at the end of an API's name",
    "trap.14": "base64 without case",
    "trap.15": "names of web servers' and proxies' logs",
}


def under(section: str, words: str) -> set[str]:
    return {f"{section}.{word}" for word in words.split()}


CHECKLIST = frozenset(
    under("rule", RULE)
    | under("value", SELECTIONS)
    | under("escape", ESCAPES)
    | under("condition", CONDITION)
    | under("modifier", MODIFIERS)
    | under("placeholder", PLACEHOLDERS)
    | under("record", MODEL)
    | {"refused", *TRAPS}
)
