"""AWS Signature Version 4 by its specification, for tests: what AWS computes of a request that it has got.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

from listening import Request

UNRESERVED = "-_.~"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def canonical(request: Request, signed: list[str]) -> str:
    path, _, query = request.target.partition("?")
    pairs = sorted(
        (quote(name, safe=UNRESERVED), quote(value, safe=UNRESERVED))
        for name, value in parse_qsl(query, keep_blank_values=True)
    )
    return "\n".join(
        (
            request.method,
            quote(path, safe="/" + UNRESERVED),
            "&".join([f"{name}={value}" for name, value in pairs]),
            *[f"{name}:{' '.join(request.headers[name].split())}" for name in signed],
            "",
            ";".join(signed),
            sha(request.body),
        )
    )


def signature(request: Request, signed: list[str], secret: str, scope: str) -> str:
    date, region, service, end = scope.split("/")
    said = "\n".join(
        ("AWS4-HMAC-SHA256", request.headers["x-amz-date"], scope, sha(canonical(request, signed).encode()))
    )
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, end, said):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


def authorization(headers: Mapping[str, str]) -> tuple[str, str, list[str], str]:
    """Key id, scope, names of signed headers and signature."""
    pattern = r"AWS4-HMAC-SHA256 Credential=(\w+)/([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)"
    found = re.fullmatch(pattern, headers["authorization"])
    assert found
    return found[1], found[2], found[3].split(";"), found[4]
