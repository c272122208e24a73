"""What logs of web servers and load balancers write into one column: request lines and endpoints, taken apart; and
what rules for web servers and proxies call its parts.

`one` is what the parts of a text are; `cut` is the same in Arrow for texts of the usual form, at a third of the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from siem.parsing.casts import FEW, Cast, by_text, without
from siem.parsing.columns import Coded
from siem.schema import Alias, Derived, Extension, Joined

Texts = tuple[str | None, ...]
LONGEST = (1 << 31) - 1
"""Bytes of a text in Arrow."""


@dataclass(frozen=True)
class Parts:
    """The parts of a column's texts; a part that a text does not have is null.

    names: the parts. one: those of a text. usual: matches texts (RE2, whole) that `cut` takes apart as `one` does.
    """

    names: tuple[str, ...]
    one: Callable[[str], Texts]
    usual: str
    cut: Callable[[pa.StringArray], tuple[Coded, ...]]

    def of(self, name: str, column: Coded) -> dict[str, Coded]:
        """The parts as columns `<name>.<part>`."""
        parts = zip(self.names, self._coded(column.texts), strict=True)
        return {f"{name}.{part}": coded.at_each(column.at) for part, coded in parts}

    def _coded(self, texts: pa.StringArray) -> Sequence[Coded]:
        if len(texts) <= FEW:
            return [Coded(each, None) for each in self._each(texts)]
        usual = pc.match_substring_regex(texts, self.usual).fill_null(False)
        if pc.all(usual).as_py():
            return self.cut(texts)
        rest = pc.invert(usual)
        cut, each = self.cut(texts.filter(usual)), self._each(texts.filter(rest))
        empty, count = pa.nulls(len(texts), pa.string()), len(texts) - len(each[0])
        parts = [part.texts.take(pa.array(part.places(count))) for part in cut]
        both = [
            pc.replace_with_mask(pc.replace_with_mask(empty, usual, part), rest, other)
            for part, other in zip(parts, each, strict=True)
        ]
        return [
            Coded(part, None) if is_varied(like, count) else Coded(part, None).recoded()
            for part, like in zip(both, cut, strict=True)
        ]

    def _each(self, texts: pa.StringArray) -> tuple[pa.StringArray, ...]:
        nothing: Texts = (None,) * len(self.names)
        rows = [nothing if text is None else self.one(text) for text in texts.to_pylist()]
        return tuple(pa.array([row[place] or None for row in rows], pa.string()) for place in range(len(self.names)))


def is_varied(column: Coded, rows: int) -> bool:
    """There is a text for each of the rows."""
    return column.at is None and len(column.texts) == rows


def cells(texts: pa.StringArray, mark: str, count: int, last: bool = False) -> list[pa.StringArray]:
    """What stands between the first (or last) `count - 1` marks of each text; every text has so many."""
    every = pc.split_pattern(texts, mark, max_splits=count - 1, reverse=last).flatten()
    first = np.arange(0, len(every), count, dtype=np.int32)
    return [every.take(pa.array(first + place)) for place in range(count)]


ENDPOINT = re.compile(r"\[?([0-9a-fA-F.:]*)\]?:([0-9]+)")
REQUEST = re.compile(r"([^ ]+) (.*?)(?: HTTP/([0-9]+(?:\.[0-9]+)?)|-? (?:- )?)")
"""Also `- http://host:80- ` and `- - - `, where there was no request that could be read."""
URL = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*)://(\[[^\]]*\]|[^/?:\[]*)(?::([0-9]+))?)?(/[^?]*)?(?:\?(.*))?")


def _endpoint(text: str) -> Texts:
    match = ENDPOINT.fullmatch(text)
    return match.groups() if match else (None, None)


def _endpoint_cut(texts: pa.StringArray) -> tuple[Coded, ...]:
    address, port = cells(texts, ":", 2, last=True)
    return Coded.of(address), Coded(port, None)


def _request(text: str) -> Texts:
    match = REQUEST.fullmatch(text)
    method, url, version = (part if part != "-" else None for part in match.groups()) if match else (None, None, None)
    whole = URL.fullmatch(url or "")
    return method, version, url, *(whole.groups() if whole else (None,) * 5)


def _request_cut(texts: pa.StringArray) -> tuple[Coded, ...]:
    """What repeats is taken apart further by its distinct texts (a quarter less time)."""
    method, url, version = cells(texts, " ", 3)
    scheme, _, authority, path = cells(url, "/", 4)
    hosts = Coded.of(authority)
    domain, port = cells(hosts.texts, ":", 2)
    path, query = cells(pc.binary_join_element_wise("/", path, "?", ""), "?", 2)
    return (
        Coded.of(method),
        Coded.of(version).cast(lambda versions: pc.utf8_slice_codeunits(versions, len("HTTP/"))),
        Coded(url, None),
        Coded.of(scheme).cast(lambda schemes: pc.utf8_slice_codeunits(schemes, 0, -1)),
        Coded(domain, hosts.at),
        Coded(port, hosts.at),
        Coded(path, None),
        Coded(without(pc.binary_replace_slice(query, -1, LONGEST, ""), ""), None),
    )


endpoint = Parts(("address", "port"), _endpoint, "^[0-9a-fA-F.:]+:[0-9]+$", _endpoint_cut)
"""`192.0.2.1:443`, `2001:db8::1:443` or `[2001:db8::1]:443`."""
request = Parts(
    ("method", "version", "url", "scheme", "domain", "port", "path", "query"),
    _request,
    r"^[A-Z]+ [a-z]+://[^/?:\[ ]+:[0-9]+/[^ ]* HTTP/[0-9]+(?:\.[0-9]+)?$",
    _request_cut,
)
"""`GET https://host:443/path?query HTTP/1.1`, as load balancers write it: the URL whole, what is escaped as it is."""


def _outcome(status: str) -> str | None:
    return {"1": "success", "2": "success", "3": "success", "4": "failure", "5": "failure"}.get(status[:1])


def _tls_version(text: str) -> str | None:
    match = re.fullmatch(r"(?:TLS|SSL)?v?([0-9])\.?([0-9])?", text, re.IGNORECASE | re.ASCII)
    return f"{match[1]}.{match[2] or 0}" if match else None


def _tls_protocol(text: str) -> str | None:
    return text[:3].lower() if _tls_version(text) and text[:3].lower() in ("tls", "ssl") else None


def _root(trace: str) -> str | None:
    found = re.search(r"(?:^|;)Root=([^;]+)", trace)
    return found[1] if found else None


def _roots(traces: pa.StringArray) -> pa.StringArray:
    data = traces.buffers()[2]
    several = pc.equal(traces, "Root=")
    if data is not None and b";" in data.to_pybytes():  # to look into each takes most of the time, where none has any
        several = pc.or_(several, pc.match_substring(traces, ";"))
    usual = pc.and_not(pc.starts_with(traces, "Root="), several)
    roots = pc.binary_replace_slice(traces, 0, len("Root="), "")  # a sixth of the time of `utf8_slice_codeunits`
    if pc.all(usual).as_py():
        return roots
    rest = pc.invert(usual).fill_null(False)
    others = [_root(text) for text in traces.filter(rest).to_pylist()]
    return pc.replace_with_mask(roots, rest, pa.array(others, pa.string()))


http_outcome = by_text(_outcome)
"""`success` or `failure` of an HTTP status."""
tls_version = by_text(_tls_version)
"""`1.3`, of `TLSv1.3` or `tlsv13`."""
tls_protocol = by_text(_tls_protocol)
"""`tls` or `ssl`, of `TLSv1.3` or `SSLv3`."""
trace_root = Cast(_root, _roots)
"""The trace id of an `X-Amzn-Trace-Id` header: its `Root`."""

PATH_AND_QUERY = Joined((("", "url.path"), ("?", "url.query")))


def w3c_names(url: Alias, path_and_query: str | Derived) -> dict[str, Alias]:
    """Names of the W3C log format for a request, as Sigma's taxonomy and public rules have them.

    Rules for web servers mean path and query where they say `cs-uri-query`, as well as the query alone. Rules for
    proxies mean the URL by `c-uri`, rules for web servers what stands in the request's first line: `url` is both.

    https://github.com/SigmaHQ/sigma-specification/blob/main/specification/sigma-appendix-taxonomy.md
    """
    query = (path_and_query, "url.query")
    return {
        **dict.fromkeys(("c-method", "cs-method"), "http.request.method"),
        **dict.fromkeys(("c-uri", "cs-uri"), url),
        **dict.fromkeys(("c-uri-query", "cs-uri-query"), query),
        **dict.fromkeys(("c-uri-stem", "cs-uri-stem", "c-uri-path", "cs-uri-path"), "url.path"),
        **dict.fromkeys(("c-uri-extension", "cs-uri-extension"), Extension("url.path")),
        "cs-uri-scheme": "url.scheme",
        **dict.fromkeys(("cs-host", "cs(Host)", "r-dns"), "url.domain"),
        **dict.fromkeys(("c-useragent", "cs-useragent", "cs-user-agent", "cs(User-Agent)"), "user_agent.original"),
        "sc-status": "http.response.status_code",
    }
