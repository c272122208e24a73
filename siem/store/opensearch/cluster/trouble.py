"""What a failed request means: try again later, never, or ask a person."""

from __future__ import annotations

import ssl
from typing import Any

TRANSIENT = frozenset((429, 502, 503, 504))
"""Too much at once, or somebody on the way is away."""

BLOCKS = frozenset(("cluster_block_exception", "index_create_block_exception"))
"""A full disk, or an index that is being worked on: they pass, whatever their status says."""

CLOSED = "index_closed_exception"

ADVICE = {
    "read-only-allow-delete": "the disk of a node is full: free space, or add nodes",
    "index write (api)": "it was made read-only: set its index.blocks.write to false",
    "index read-only (api)": "it was made read-only: set its index.blocks.read_only to false",
    CLOSED: "the index was closed: open it",
}
"""What people can do, by a word of the reason or the type."""


def advised(kind: str, reason: str) -> str:
    """A reason, and what people can do."""
    told = [advice for word, advice in ADVICE.items() if word in reason or word == kind]
    return "; ".join([reason.rstrip(";") or kind, *told])


def passes(status: int, kind: str) -> bool:
    """Trying again can help."""
    return status in TRANSIENT or kind in BLOCKS


def cause(body: Any) -> tuple[str, str]:
    """Type and reason of an error as OpenSearch answers it; of several shards' the first."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return "", str(error)
    roots = error.get("root_cause") or [error]
    deepest = roots[0]
    for failed in error.get("failed_shards", ()):
        deepest = failed.get("reason", deepest)
    inner = deepest.get("caused_by", {})
    kind, reason = deepest.get("type", ""), deepest.get("reason", "")
    return str(kind), f"{reason}: {inner['reason']}" if inner.get("reason") else str(reason)


OURS_REFUSED = ("CERTIFICATE_REQUIRED", "UNKNOWN_CA", "BAD_CERTIFICATE", "ACCESS_DENIED", "HANDSHAKE_FAILURE")
"""What a server says in TLS that does not take our certificate, or misses it."""


def distrust(error: object) -> str:
    """Why a TLS connection will never be made, and what to do; "" where it may be made another time."""
    found = next((one for one in (error, *getattr(error, "args", ())) if isinstance(one, ssl.SSLError)), None)
    if isinstance(found, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({found.verify_message}); set opensearch.ca, or mend the address"
    reason = str(found.reason) if found else ""
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "it does not speak TLS; is it http://?"
    if reason.endswith(OURS_REFUSED):
        return f"it does not take our certificate ({reason}); set opensearch.certificate and opensearch.key"
    return ""
