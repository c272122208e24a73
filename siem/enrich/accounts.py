"""What people call the accounts of AWS.

`accounts.yml` of a content folder:

    "123456789012":
      name: shop
      environment: production
      ou: Workloads/Shop
      security: {owner: payments}     # whatever else the team keeps about it
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yaml import MappingNode

from siem.documents import Document, mapping
from siem.errors import ContentError
from siem.problem import Problems

ID = re.compile(r"\d{12}", re.ASCII)
KEYS = ("name", "environment", "ou", "security")


@dataclass(frozen=True, slots=True)
class Account:
    """environment: in lower case. ou: the organizational unit, as the team writes it. security: as written."""

    name: str | None = None
    environment: str | None = None
    ou: str | None = None
    security: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Accounts:
    """Accounts by their ids of 12 digits; those that nobody named have no name and no environment."""

    known: Mapping[str, Account] = field(default_factory=dict)

    def name(self, account_id: str) -> str | None:
        return self._of(account_id).name

    def environment(self, account_id: str) -> str | None:
        return self._of(account_id).environment

    @property
    def environments(self) -> frozenset[str]:
        """Those that any account has."""
        return frozenset([one.environment for one in self.known.values() if one.environment])

    def _of(self, account_id: str) -> Account:
        return self.known.get(account_id, NOBODYS)


NOBODYS = Account()


def load_accounts(path: Path) -> tuple[Accounts, list[ContentError]]:
    """The accounts of a file, and what is wrong with it; an account with a mistake is left out."""
    errors: list[ContentError] = []
    document = mapping(path, errors)
    if document is None:
        return Accounts(), errors
    known: dict[str, Account] = {}
    for id_, given in _entries(document, errors):
        problems = Problems()
        if not ID.fullmatch(id_):
            digits = f"; it has {len(id_)}: zeros in front count" if id_.isdecimal() else ""
            problems.add(f"`{id_}` is no account: an id has 12 digits{digits}", id_)
        made = _account(id_, given, problems)
        errors += [document.error(problem.message, problem.place) for problem in problems.found]
        if not problems.found:
            known[id_] = made
    return Accounts(known), errors


def _entries(document: Document, errors: list[ContentError]) -> list[tuple[str, Any]]:
    """Ids as they are written: without quotes YAML takes 001234567012 for an octal number."""
    node = document.node
    written = [key.value for key, _ in node.value] if isinstance(node, MappingNode) else []
    if len(written) > len(document.content):
        errors.append(document.error("two ids are one number: put ids into quotes"))
        return []
    return list(zip(written, document.content.values(), strict=True))


def _account(id_: str, given: Any, problems: Problems) -> Account:
    given = {} if given is None else given
    if not isinstance(given, dict):
        problems.add(f"an account is a mapping of {', '.join(KEYS)}", id_)
        return NOBODYS
    for key in given:
        if key not in KEYS:
            problems.add(
                f"an account has no `{key}`; there is: {', '.join(KEYS)}, and `security` for all else", id_, key
            )
    texts = {key: given.get(key) for key in ("name", "environment", "ou")}
    for key, value in texts.items():
        if value is not None and not (isinstance(value, str) and value.strip()):
            problems.add(f"`{key}` must be a text; {value!r} is none: put it into quotes", id_, key)
            texts[key] = None
    security = given.get("security") or {}
    if not isinstance(security, dict):
        problems.add("`security` must be a mapping", id_, "security")
    environment = texts["environment"]
    return Account(texts["name"], environment and environment.lower(), texts["ou"], security)
