"""Objects of a bucket, over HTTP as S3 speaks it."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from siem.aws import S3, s3
from siem.config import MEBI, Limits, Settings
from siem.errors import ConfigError, Denied, Gone, SiemError, Unavailable, UsageError
from siem.intake.objects import objects
from siem.parsing import Registry
from siem.run.ingest import Ingested, ingest
from siem.store import open_folder

LIMITS = Limits()
PAGE = 2
STORED = {
    "AWSLogs/1/a.log": b"first",
    "AWSLogs/1/folder/": b"",
    "AWSLogs/1/team a+b/日本語 ログ.log.gz": gzip.compress(b"second"),
    "other/b.log": b"third",
}
LONG_AGO = "2026-11-01T00:00:00.000Z"
WRITTEN: dict[str, str] = {}
"""When objects were written, but for those of long ago."""

FAULTS = {
    "denied": (403, "AccessDenied"),
    "archived": (403, "InvalidObjectState"),
    "kms": (400, "KMS.DisabledException"),
    "slow": (503, "SlowDown"),
    "busy": (400, "KMS.ThrottlingException"),
    "expired": (400, "ExpiredToken"),
    "missing": (404, "NoSuchKey"),
}


class Bucket(BaseHTTPRequestHandler):
    """The bucket `archive`: lists two keys a page, answers a key below `fault/` with that fault."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        _, bucket, key = (
            unquote(url.path).split("/", 2) if url.path.count("/") > 1 else (*unquote(url.path).split("/"), "")
        )
        if bucket != "archive":
            self.fault(404, "NoSuchBucket")
        elif not key:
            self.listing(parse_qs(url.query))
        elif key == "fault/cut":
            self.answer(200, b"half", promised=8)
        elif key.startswith("fault/"):
            self.fault(*FAULTS[key.removeprefix("fault/")])
        elif key in STORED:
            self.answer(200, STORED[key])
        else:
            self.fault(404, "NoSuchKey")

    def listing(self, query: dict[str, list[str]]) -> None:
        keys = sorted((key for key in STORED if key.startswith(query.get("prefix", [""])[0])), key=str.encode)
        start = int(query.get("continuation-token", ["0"])[0])
        more = start + PAGE < len(keys)
        found = "".join(
            f"<Contents><Key>{quote(key)}</Key><Size>{len(STORED[key])}</Size>"
            f"<LastModified>{WRITTEN.get(key, LONG_AGO)}</LastModified></Contents>"
            for key in keys[start : start + PAGE]
        )
        token = f"<NextContinuationToken>{start + PAGE}</NextContinuationToken>" if more else ""
        self.answer(
            200,
            f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token}{found}</ListBucketResult>".encode(),
        )

    def fault(self, status: int, code: str) -> None:
        self.answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())

    def answer(self, status: int, body: bytes, promised: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(promised or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(autouse=True)
def endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    yield
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_object_of_every_page_is_listed_in_s3s_order() -> None:
    found = list(objects("s3://archive", LIMITS))
    assert [(source.bucket, source.key) for source, _ in found] == [("archive", key) for key in STORED]


def test_a_prefix_is_a_prefix_of_keys() -> None:
    assert [source.key for source, _ in objects("s3://archive/oth", LIMITS)] == ["other/b.log"]


def test_an_opener_gives_the_bytes_of_any_key() -> None:
    read = {}
    for source, opener in objects("s3://archive", LIMITS):
        with opener() as content:
            read[source.key] = (b"".join(content.blocks()), content.size)
    assert read["AWSLogs/1/team a+b/日本語 ログ.log.gz"] == (b"second", len(gzip.compress(b"second")))
    assert read["AWSLogs/1/folder/"] == (b"", 0)
    assert read["other/b.log"] == (b"third", 5)


def test_a_large_object_lies_in_a_file_as_long_as_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "IN_MEMORY", MEBI)
    monkeypatch.setitem(STORED, "large.log", bytes(3 * MEBI))
    with S3().fetched("archive", "large.log") as delivered:
        assert isinstance(delivered, Path)
        assert delivered.read_bytes() == bytes(3 * MEBI)
    assert not delivered.exists()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("missing", Gone),
        ("denied", Denied),
        ("archived", Denied),
        ("kms", Denied),
        ("expired", Unavailable),
        ("slow", Unavailable),
        ("busy", Unavailable),
    ],
)
def test_errors_say_whether_to_try_again(fault: str, error: type[SiemError]) -> None:
    with pytest.raises(error, match=rf"s3://archive/fault/{fault}: no"), S3().fetched("archive", f"fault/{fault}"):
        pass


def test_an_answer_that_breaks_off_is_never_taken_for_the_object(monkeypatch: pytest.MonkeyPatch) -> None:
    for in_memory in (MEBI, 1):
        monkeypatch.setattr(s3, "IN_MEMORY", in_memory)
        with pytest.raises(Unavailable), S3().fetched("archive", "fault/cut"):
            pass


def test_a_bucket_that_is_not_there_is_an_error_of_the_settings() -> None:
    with pytest.raises(ConfigError, match=r"s3://nothing/.*NoSuchBucket"):
        list(objects("s3://nothing", LIMITS))


def test_a_name_that_no_bucket_can_have_is_an_error_of_usage() -> None:
    with pytest.raises(UsageError, match="Invalid bucket name"):
        list(objects("s3://no bucket", LIMITS))


def test_an_endpoint_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(Unavailable, match="Could not connect"):
        list(objects("s3://archive", LIMITS))


def test_a_listing_shows_what_was_not_written_since(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same size and older than a commit: the bytes are those of the commit, and need not be fetched."""
    monkeypatch.setitem(WRITTEN, "other/b.log", "2026-11-03T00:00:00.000Z")
    since = datetime(2026, 11, 2, tzinfo=UTC)
    unchanged = {source.key: opener.unchanged(5, since) for source, opener in objects("s3://archive", LIMITS)}
    assert unchanged["AWSLogs/1/a.log"]
    assert not unchanged["AWSLogs/1/folder/"]  # another size
    assert not unchanged["other/b.log"]
    within_a_second = datetime(2026, 11, 1, 0, 0, 0, 900_000, tzinfo=UTC)
    ((_, opener),) = objects("s3://archive/AWSLogs/1/a.log", LIMITS)
    assert not opener.unchanged(5, within_a_second)


def test_an_object_that_was_written_anew_is_taken_in_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, registry: Registry
) -> None:
    def run() -> Ingested:
        return ingest(["s3://archive/other/"], store, registry, Settings(), lambda: datetime(2026, 11, 2, tzinfo=UTC))

    store = open_folder(tmp_path / "store")
    assert run().objects == 1
    monkeypatch.setitem(STORED, "other/b.log", b"forth")
    monkeypatch.setitem(WRITTEN, "other/b.log", "2026-11-03T00:00:00.000Z")
    assert [source.key for source in run().changed] == ["other/b.log"]
    assert (run().objects, run().known) == (0, 1)
    assert sorted(row.sha256 for row in store.ledger().values()) == sorted(
        hashlib.sha256(content).hexdigest() for content in (b"third", b"forth")
    )
    store.close()
