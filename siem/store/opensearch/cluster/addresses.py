"""What the setting `store` says of a cluster: `https://[user:password@]host[:port][/path]`, or several, with commas."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, quote, unquote, urlsplit

from siem.errors import ConfigError

PORTS = {"https": 443, "http": 9200}
"""Where an address names none."""

ESCAPED = " ".join([quote(letter, safe="") for letter in ":/?#@,"])

AMAZON = (
    re.compile(r"\.(?P<region>[a-z0-9-]+)\.es\.amazonaws\.com(\.cn)?"),
    re.compile(r"\.aos\.(?P<region>[a-z0-9-]+)\.on\.(aws|amazonwebservices\.com\.cn)"),
)
"""How names of Amazon OpenSearch Service's domains end; the second of those that have IPv6 as well.
https://docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-signing-service-requests.html"""

SERVERLESS = (
    re.compile(r"\.[a-z0-9-]+\.aoss(-fips)?\.amazonaws\.com(\.cn)?"),
    re.compile(r"\.aoss(-fips)?\.[a-z0-9-]+\.on\.(aws|amazonwebservices\.com\.cn)"),
)
"""https://docs.aws.amazon.com/opensearch-service/latest/developerguide/serverless-collection-endpoints.html"""


@dataclass(frozen=True)
class Host:
    """A node, or what stands before some."""

    scheme: str
    name: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        shown = f"[{self.name}]" if ":" in self.name else self.name
        return f"{self.scheme}://{shown}:{self.port}{self.path}"

    @property
    def near(self) -> bool:
        """On this machine: nobody on the way reads along."""
        try:
            return ip_address(self.name).is_loopback
        except ValueError:
            return self.name == "localhost" or self.name.endswith(".localhost")

    @property
    def region(self) -> str | None:
        """Of one of Amazon's names."""
        found = (pattern.search(self.name) for pattern in AMAZON)
        return next((match["region"] for match in found if match and match.end() == len(self.name)), None)

    @property
    def serverless(self) -> bool:
        return any(re.search(f"{pattern.pattern}$", self.name) for pattern in SERVERLESS)


@dataclass(frozen=True)
class Address:
    """A cluster. user, password: as they stand in the address."""

    hosts: tuple[Host, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """For people, without secrets."""
        return ", ".join(map(str, self.hosts))


def is_address(place: str) -> bool:
    """The setting names a cluster, not a folder."""
    return "://" in place


def address(place: str) -> Address:
    """Raises `ConfigError` where it is none; no message repeats what may hold a password."""
    parts = [split(part.strip(), number) for number, part in enumerate(place.split(","), 1)]
    known = {(part.username, part.password) for part in parts if part.username or part.password}
    if len(known) > 1:
        raise ConfigError("store: the addresses name different users; one cluster has one")
    user, password = known.pop() if known else (None, None)
    return Address(tuple(map(host, parts)), unquote(user) if user else None, unquote(password) if password else None)


def split(text: str, number: int) -> SplitResult:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  (looked at here, because it raises)
    except ValueError:
        raise wrong(number, "has no port that can be") from None
    if parts.scheme not in PORTS:
        raise wrong(number, "begins neither with https:// nor with http://")
    if not parts.hostname:
        raise wrong(number, "names no host")
    if parts.query or parts.fragment or "@" in parts.path:
        raise wrong(number, "has one of ? # @ where none can be")
    return parts


def wrong(number: int, what: str) -> ConfigError:
    return ConfigError(f"store: address {number} {what}; in a user or password, write : / ? # @ , as {ESCAPED}")


def host(parts: SplitResult) -> Host:
    return Host(parts.scheme, parts.hostname or "", parts.port or PORTS[parts.scheme], parts.path.rstrip("/"))
