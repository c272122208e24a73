"""links.yml of a content folder: where one goes from an alert.

    CloudTrail: "https://{cloud.region}.console.aws.amazon.com/…"     # refused: a log must not choose the host
    Alert: "https://dashboards.example.com/app/alerts?id={alert.id}"
    User: "https://wiki.example.com/people/{user.name}"

A field in braces stands for the first value that the alert has in it, as a part of a path, query or fragment: encoded,
so that nothing in it means anything. A link that lacks a value is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from siem.documents import mapping
from siem.errors import ContentError
from siem.present.notify.reading import checked
from siem.problem import Problem, Problems
from siem.store.contract import Alert

FIELD = re.compile(r"\{([^{}]*)\}")
LONGEST = 500
"""Characters of a value in a link."""


@dataclass(frozen=True)
class Link:
    """name: what people read. template: an address with fields in braces behind its host."""

    name: str
    template: str

    def filled(self, alert: Alert) -> str | None:
        """The address; None where a value is missing, or would lead elsewhere (`..`)."""
        found: list[str] = []
        for name in FIELD.findall(self.template):
            value = _value(alert, name)
            if not value or len(value) > LONGEST or not value.strip("."):
                return None
            found.append(quote(value, safe="", errors="replace"))
        texts = iter(found)
        return FIELD.sub(lambda _: next(texts), self.template)


def links(alert: Alert, templates: tuple[Link, ...]) -> Iterator[Mapping[str, str]]:
    """`name` and `url` of each that can be filled."""
    for link in templates:
        if url := link.filled(alert):
            yield {"name": link.name, "url": url}


def load_links(path: Path) -> tuple[tuple[Link, ...], list[ContentError]]:
    """The links of a file, and what is wrong with others."""
    errors: list[ContentError] = []
    document = mapping(path, errors)
    if document is None:
        return (), errors
    problems = Problems()
    found = []
    for name, template in document.content.items():
        if made := problems.attempt((str(name),), lambda name=name, template=template: link(str(name), template)):  # type: ignore[misc]
            found.append(made)
    return tuple(found), [*errors, *[document.error(problem.message, problem.place) for problem in problems.found]]


def link(name: str, template: object) -> Link:
    """
    Raises:
        Problem: it is no address, or a field would fill something else than its path, query or fragment.
    """
    address = checked(template)
    if "{" in urlsplit(address).netloc:
        raise Problem("a field may stand behind the host alone: logs must not choose where a link leads")
    if re.search(r"[{}]", FIELD.sub("", address)) or re.search(r"[\s<>|\"`\\]|[^ -~]", FIELD.sub("", address)):
        raise Problem('an address has neither spaces nor <>|"`\\ nor braces that do not close')
    return Link(name, address)


def _value(alert: Alert, field: str) -> str:
    match field:
        case "alert.id":
            return alert.id
        case "rule.id":
            return alert.rule_id
        case "event.id":
            return alert.events[0] if alert.events else ""
        case "first":
            return f"{alert.first:%Y-%m-%dT%H:%M:%SZ}"
        case "last":
            return f"{alert.last:%Y-%m-%dT%H:%M:%SZ}"
        case _:
            return next(iter(alert.values.get(field, ())), "") or alert.group.get(field, "")
