"""Requests to a cluster: one way to ask, and errors of this house."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

import orjson
from opensearchpy import ConnectionError as Unconnected
from opensearchpy import OpenSearch, SerializationError, TransportError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from siem.errors import ConfigError, Refused, Unavailable
from siem.schema import decoded
from siem.store.opensearch.cluster.trouble import advised, cause, distrust, passes

SHORTEST_WAIT, LONGEST_WAIT = 0.1, 5.0
"""Seconds between attempts, at most: of the first, and of all later ones."""

log = logging.getLogger("siem.store")

NO_ACCESS = {
    401: "the store does not know this user, or the password is wrong",
    403: "this user may not do that",
}


class Json:
    """How bodies are written and read. Numbers of records keep the text in which they were written."""

    mimetype = "application/json"

    def dumps(self, data: Any) -> Any:
        return data if isinstance(data, (bytes, str)) else orjson.dumps(data)

    def loads(self, text: Any, mimetype: str | None = None) -> Any:
        return decoded(text)


@dataclass(frozen=True)
class Answer:
    """Status and body, where a caller wants to know."""

    status: int
    body: Any


class Connection:
    """A cluster. patience: seconds that a request is repeated while the cluster is away or has too much to do.

    Raises, from every request:
        Unavailable: it was repeated as long as that. It may have been carried out.
        Refused: the cluster will not do it, however often it is asked.
        ConfigError: it does not know us, or does not let us.
    """

    def __init__(self, client: OpenSearch, name: str, patience: float = 60.0) -> None:
        """name: how people know the cluster, without secrets."""
        self._client, self.name, self.patience = client, name, patience
        self._away: float | None = None  # since when it does not answer as it should (monotonic seconds)

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        also: Collection[int] = (),
        patience: float | None = None,
        **params: Any,
    ) -> Any:
        """The body of the answer; with statuses in `also` an `Answer`, these among those that are none of errors."""
        within = self.patience if patience is None else patience
        if not within:
            return self._asked(method, path, body, also, params)
        return self.repeated(within)(self._asked, method, path, body, also, params)

    def repeated(self, within: float) -> Callable[..., Any]:
        """Calls a function again while it raises `Unavailable`, for so many seconds; says so in the log where that is
        not because requests fail (which is told of already)."""

        def call(function: Callable[..., Any], *given: Any) -> Any:
            since: float | None = None

            def tell(state: RetryCallState) -> None:
                nonlocal since
                if since is None and self._away is None and state.outcome:
                    since = monotonic()
                    log.warning("%s; trying again", state.outcome.exception())

            answer = Retrying(
                retry=retry_if_exception_type(Unavailable),
                stop=stop_after_delay(within),
                wait=wait_random_exponential(SHORTEST_WAIT, LONGEST_WAIT),
                before_sleep=tell,
                reraise=True,
            )(function, *given)
            if since is not None:
                log.warning("store %s goes on, after %.0f s", self.name, monotonic() - since)
            return answer

        return call

    def _asked(
        self, method: str, path: str, body: Mapping[str, Any] | bytes | None, also: Collection[int], params: Any
    ) -> Any:
        """Ask once; a line in the log when the trouble begins, and one when it ends."""
        try:
            answer = self._answer(method, path, body, also, params)
        except Unavailable as error:
            if self._away is None:
                self._away = monotonic()
                if self.patience:
                    log.warning("%s; trying again", error)
            raise
        if (since := self._away) is not None:
            self._away = None
            log.warning("store %s answers again, after %.0f s", self.name, monotonic() - since)
        return answer

    def _answer(
        self, method: str, path: str, body: Mapping[str, Any] | bytes | None, also: Collection[int], params: Any
    ) -> Any:
        try:
            answer = self._client.transport.perform_request(method, path, params=params, body=body)
        except Unconnected as error:  # also: it answered too late
            if never := distrust(error.info):
                raise ConfigError(f"store {self.name}: {never}") from error
            raise Unavailable(f"store {self.name}: no answer ({_said(error)}); is it running?") from error
        except SerializationError as error:
            raise Unavailable(f"store {self.name}: an answer broke off") from error
        except TransportError as error:
            if error.status_code in also:
                return Answer(int(error.status_code), error.info)
            raise self._meant(method, path, error) from error
        if answer == "" and method != "HEAD":  # cut within its head, it passes for one without a body
            raise Unavailable(f"store {self.name}: an answer broke off")
        return Answer(200, answer) if also else answer

    def _meant(self, method: str, path: str, error: TransportError) -> Exception:
        status = int(error.status_code)
        kind, reason = cause(error.info)
        if passes(status, kind):
            return Unavailable(f"store {self.name}: {advised(kind, reason) or status}")
        if status in NO_ACCESS:
            return ConfigError(f"store {self.name}: {NO_ACCESS[status]} ({method} {path})")
        told = f"store {self.name}: {method} {path}: {status} {kind}: {advised(kind, reason)}"
        return Refused(told, status, kind, reason)

    def failed(self, item: Mapping[str, Any], what: str) -> Exception:
        """The error of an item of a bulk answer."""
        kind, reason = cause(item)
        if passes(item["status"], kind):
            return Unavailable(f"store {self.name}: {what}: {advised(kind, reason)}")
        return Refused(f"store {self.name}: {what}: {item['status']} {kind}: {reason}", item["status"], kind, reason)

    def close(self) -> None:
        self._client.close()


def _said(error: Unconnected) -> str:
    return type(error.info).__name__ if isinstance(error.info, Exception) else str(error.error)


logging.getLogger("opensearch").addHandler(logging.NullHandler())
"""Failures are told of by exceptions; the library's own log repeats whole requests, and every attempt."""
