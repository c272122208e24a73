"""What rules say under `custom`, beyond Sigma: docs/writing-detections.md says what each key means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from siem.problem import Problems
from siem.sigma.spans import span

CUSTOM, GROUP, SUPPRESS, NEW_TERMS, SILENCE = "custom", "group", "suppress", "new_terms", "silence"
WORDS = ("title", "text")
KEYS = frozenset(("after_hours", "ties", *WORDS, GROUP, SUPPRESS, NEW_TERMS, SILENCE))
"""Those that mean something to us."""

FIELD = re.compile(r"\{([^{}]*)\}")
"""A field in a title or text."""


@dataclass(frozen=True)
class Suppress:
    """Matches with the same values of `by` that follow the first within `span`, its end included, are one alert.

    by: None: the usual group.
    """

    by: tuple[str, ...] | None
    span: timedelta


@dataclass(frozen=True)
class NewTerms:
    """A rule alerts of the first event of each value of `fields` (together), in each group by itself.

    by: the group; (): all events are one. learning: for so long, from its first event on, nothing is new to a group.
    """

    fields: tuple[str, ...]
    by: tuple[str, ...]
    learning: timedelta

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that the alert is about."""
        return (*self.by, *self.fields)


class Whose(StrEnum):
    """Whose silence: of a dataset, of an account in it, of a place that its objects lie in."""

    DATASET = "dataset"
    ACCOUNT = "account"
    SOURCE = "source"


@dataclass(frozen=True)
class Silence:
    """A rule alerts when somebody has sent and then nothing came for longer than `span`."""

    of: Whose
    span: timedelta


def group(custom: Mapping[str, Any], problems: Problems) -> tuple[str, ...] | None:
    """The fields that the alerts of a rule are about, (): all are one; None where it does not say."""
    if GROUP not in custom:
        return None
    return names(custom, GROUP, problems, CUSTOM) if custom[GROUP] != [] else ()


def in_words(custom: Mapping[str, Any]) -> list[str]:
    """The fields that title and text name."""
    texts = [custom[name] for name in WORDS if isinstance(custom.get(name), str)]
    return [field for text in texts for field in FIELD.findall(text)]


def suppress(custom: Mapping[str, Any], problems: Problems) -> Suppress | None:
    """Of a rule or correlation; None where it says nothing of it."""
    given = section(custom, SUPPRESS, ("by", "for"), problems)
    if given is None:
        return None
    if "by" in given and GROUP in custom:
        problems.add("`group` and `suppress.by` both say what an alert is about: leave one out", CUSTOM, SUPPRESS, "by")
    by = names(given, "by", problems, CUSTOM, SUPPRESS) if "by" in given else None
    return Suppress(by, length(given, "for", problems, CUSTOM, SUPPRESS))


def new_terms(custom: Mapping[str, Any], problems: Problems) -> NewTerms | None:
    """Of a rule; None where it says nothing of them."""
    place = (CUSTOM, NEW_TERMS)
    given = section(custom, NEW_TERMS, ("field", "fields", "by", "learning"), problems)
    if given is None:
        return None
    if ("field" in given) == ("fields" in given):
        problems.add("new_terms needs `field` (or `fields`): whose values are looked at", *place)
        return None
    fields = names(given, "field" if "field" in given else "fields", problems, *place)
    by = names(given, "by", problems, *place) if "by" in given else ()
    for name in fields:
        if name in by:
            problems.add(f"`by` has {name}, whose values are looked at", *place, "by")
    for name in (GROUP, SUPPRESS):
        if name in custom:
            problems.add(f"new_terms alerts once of each value: leave `{name}` out", CUSTOM, name)
    return NewTerms(fields, by, length(given, "learning", problems, *place, least=timedelta()))


def silence(custom: Mapping[str, Any], problems: Problems) -> Silence | None:
    """Of a rule without a detection; None where it says nothing of it."""
    place = (CUSTOM, SILENCE)
    given = section(custom, SILENCE, ("of", "for"), problems)
    if given is None:
        return None
    for name in (GROUP, SUPPRESS, NEW_TERMS):
        if name in custom:
            problems.add(f"a rule of silence has no events: leave `{name}` out", CUSTOM, name)
    span = length(given, "for", problems, *place)
    try:
        return Silence(Whose(str(given.get("of"))), span)
    except ValueError:
        problems.add(f"`of` must be one of {', '.join(Whose)}", *place, *(["of"] if "of" in given else []))
        return None


def section(
    custom: Mapping[str, Any], name: str, keys: tuple[str, ...], problems: Problems
) -> Mapping[str, Any] | None:
    """What stands below a key of `custom`; None where the key is missing, or what stands there is no mapping."""
    if name not in custom:
        return None
    given = custom[name]
    if not isinstance(given, Mapping):
        problems.add(f"{name} must be a mapping of {', '.join(keys)}", CUSTOM, name)
        return None
    for key in given.keys() - set(keys):
        problems.add(f"{name} has no `{key}`; there is: {', '.join(keys)}", CUSTOM, name, str(key))
    return given


def names(given: Mapping[str, Any], name: str, problems: Problems, *place: str) -> tuple[str, ...]:
    """A field, or a list of different fields."""
    value = given.get(name)
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(text, str) and text for text in listed) or len({*listed}) < len(listed):
        problems.add(f"`{name}` must be a list of different fields", *place, name)
        return ()
    return tuple(listed)


def length(
    given: Mapping[str, Any], name: str, problems: Problems, *place: str, least: timedelta = timedelta(seconds=1)
) -> timedelta:
    """A length of time, which has to be there."""
    return problems.attempt((*place, name), partial(span, given.get(name), name, least)) or timedelta()
