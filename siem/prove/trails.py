"""CloudTrail's digests against the objects: signatures, chains, and the hash of every log file that they name.

Everything in a digest is an attacker's until its signature is right, so nothing is opened that was not listed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from siem.errors import Damaged, Denied, Gone
from siem.prove.chain import Link, breaks
from siem.prove.digest import ALGORITHM, Digest, digest_named, log_named, name_of, read
from siem.prove.keys import Keys
from siem.prove.place import Place
from siem.prove.proof import Proof
from siem.prove.reading import bounded, mapped
from siem.prove.scratch import Scratch, octets, text

NAME = "digests"

MOST_BYTES = 32 << 20
"""Of a digest, decompressed: 80,000 log files, more than a region has in an hour."""

LATE = timedelta(hours=1)
"""A log file is delivered minutes after the time in its name, and is in the digest of the hour of its delivery."""

TABLES = """
CREATE TABLE digests (key BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE logs (key BLOB PRIMARY KEY) WITHOUT ROWID;       -- that lie beside digests
CREATE TABLE named (                                          -- log files that digests name
    key BLOB NOT NULL, hash TEXT NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (key, hash)
) WITHOUT ROWID;
CREATE TABLE buckets (key BLOB PRIMARY KEY, bucket TEXT NOT NULL) WITHOUT ROWID;  -- that digests were written for
"""

LOG_FILES = """
SELECT named.key, named.hash, named.digest, logs.key IS NOT NULL FROM named LEFT JOIN logs USING (key)
ORDER BY named.key
"""
NOT_NAMED = "SELECT key FROM logs WHERE NOT EXISTS (SELECT 1 FROM named WHERE named.key = logs.key) ORDER BY key"


@dataclass
class Span:
    """What the sound digests of a place (account and region) are about."""

    first: datetime
    last: datetime


class Trails:
    """Sees every key that is listed, in order, and proves afterwards what it saw."""

    def __init__(self, place: Place, keys: Keys) -> None:
        self._place, self._keys = place, keys
        self._proof = Proof(NAME)
        self._scratch = Scratch(TABLES)
        self._roots: set[str] = set()
        self._links: dict[tuple[str, str, str, bool], Link] = {}
        self._spans: dict[tuple[str, str], Span] = {}

    def see(self, key: str) -> None:
        """`…/CloudTrail-Digest/` is listed before `…/CloudTrail/`."""
        at = key.find("/CloudTrail")
        if at < 0:
            return
        if (named := digest_named(key)) is not None:
            self._roots.add(named.root)
            self._scratch.put("INSERT OR IGNORE INTO digests VALUES (?)", (octets(key),))
        elif key[: at + 1] in self._roots:
            self._scratch.put("INSERT OR IGNORE INTO logs VALUES (?)", (octets(key),))

    def prove(self) -> Proof:
        """Read what was seen.

        Raises:
            Unavailable: the bucket is away.
        """
        with closing(self._scratch):
            if not self._roots:
                self._proof.unproven("there are no digests here: logs are proven from the bucket onwards")
                return self._proof
            self._digests()
            self._moved()
            self._log_files()
            self._not_named()
            return self._proof

    def _digests(self) -> None:
        keys = (text(key) for (key,) in self._scratch.ask("SELECT key FROM digests ORDER BY key"))
        for key, found in mapped(self._read, keys):
            self._proof.counts["digests"] += 1
            named = digest_named(key)
            assert named is not None  # noqa: S101  (only such keys are in the table)
            wrong = self._wrong(found) if isinstance(found, Digest) else found
            if wrong is not None:
                self._proof.found(wrong[0], self._place.bucket, key, wrong[1])
                self._links[named.chain] = Link(key, named.time)
            elif isinstance(found, Digest):
                self._sound(found)
        for trouble in filter(None, (self._place.unsigned, self._keys.trouble)):
            self._proof.unproven(f"signatures were not checked, and what is below rests on hashes alone: {trouble}")

    def _read(self, key: str) -> Digest | tuple[str, str]:
        """A digest; or kind and words of what is wrong with it."""
        named = digest_named(key)
        assert named is not None  # noqa: S101
        try:
            with self._place.opened(key) as delivered:
                content = bounded(delivered.pieces(), MOST_BYTES)
            digest = Digest(key, named, read(content), content, self._place.signature(key))
        except (Gone, Denied, Damaged, ValueError) as error:
            return "digest-unreadable", f"it cannot be read: {error}"
        if digest.signature is None and self._place.unsigned is None:
            return (
                "signature-missing",
                "there is no signature beside it: it was copied without its metadata, or made up",
            )
        return digest

    def _wrong(self, digest: Digest) -> tuple[str, str] | None:
        said = digest.content
        if said.key != digest.key:
            return "digest-moved", f"it was written as {said.key}"
        if end_of(said.end) != digest.named.time:
            return "digest-moved", f"it ends at {said.end}, and its name says otherwise"
        if self._place.unsigned is not None:
            return None
        key = self._keys.key(said.fingerprint, digest.named.region, digest.named.time)
        if self._keys.trouble is not None:
            return None
        if key is None or not (digest.named.backfill or key.covers(digest.named.time)):
            when = "no public key" if key is None else "no public key of that time"
            return "signature-unknown-key", f"{when} has its fingerprint {said.fingerprint}"
        if not key.verifies(digest.signature or "", digest.signed):
            logs = f"what it vouches for ({len(said.logs):,} log files) is unproven"
            return (
                "signature-wrong",
                f"the signature ({ALGORITHM}) is not of this digest: one of them was changed; {logs}",
            )
        self._proof.counts["digests_valid"] += 1
        return None

    def _sound(self, digest: Digest) -> None:
        """A digest that is what CloudTrail wrote, as far as can be told."""
        said, chain, place = digest.content, digest.named.chain, digest.named.place
        before = self._links.get(chain)
        if before is None and said.previous_key is not None and not digest.named.backfill:
            self._proof.noted(f"a chain begins here with {digest.key}; what is before it was not looked at")
        if (broken := breaks(before, digest)) is not None:
            self._proof.found(broken.kind, self._place.bucket, broken.key, broken.said)
        self._links[chain] = Link(digest.key, digest.end, digest.sha256, digest.signature)
        start = said.start.astimezone(UTC)
        span = self._spans.setdefault(place, Span(start, digest.end))
        span.first, span.last = min(span.first, start), max(span.last, digest.end)
        self._scratch.put("INSERT OR IGNORE INTO buckets VALUES (?, ?)", (octets(digest.key), said.bucket))
        for log in said.logs:
            if log.bucket != said.bucket:
                self._proof.counts["log_files_elsewhere"] += 1
            else:
                row = octets(log.key), log.hash.lower(), octets(digest.key)
                self._scratch.put("INSERT OR IGNORE INTO named VALUES (?, ?, ?)", row)

    def _moved(self) -> None:
        """Digests are written for a bucket; a folder, or a copy of a bucket, stands for one."""
        counted: Counter[str] = Counter(dict(self._scratch.ask("SELECT bucket, count(*) FROM buckets GROUP BY 1")))
        if not counted:
            return
        own = self._place.bucket if self._place.bucket in counted else counted.most_common(1)[0][0]
        if own != self._place.bucket:
            self._proof.noted(f"the digests were written for the bucket {own}: this is a copy of it")
        for key, bucket in self._scratch.ask("SELECT key, bucket FROM buckets WHERE bucket <> ? ORDER BY key", own):
            self._proof.found("digest-moved", self._place.bucket, text(key), f"it was written for the bucket {bucket}")

    def _log_files(self) -> None:
        outside = 0
        for (octets_, hash_, digest, is_there), hashed in mapped(self._hashed, self._scratch.ask(LOG_FILES)):
            key, by = text(octets_), name_of(text(digest))
            self._proof.counts["log_files"] += 1
            if not is_there and not key.startswith(self._place.prefix):
                outside += 1
            elif not is_there:
                self._proof.found(
                    "log-deleted", self._place.bucket, key, f"the digest {by} names it, and it is not there"
                )
            elif hashed != hash_:
                said = f"it is not what the digest {by} vouches for: {hashed}, not {hash_}"
                self._proof.found("log-changed", self._place.bucket, key, said)
            else:
                self._proof.counts["log_files_valid"] += 1
        if outside:
            self._proof.unproven(f"{outside:,} log files that digests name lie outside of {self._place.prefix}")
        if elsewhere := self._proof.counts["log_files_elsewhere"]:
            self._proof.unproven(f"{elsewhere:,} log files that digests name lie in another bucket")

    def _hashed(self, wanted: tuple[bytes, str, bytes, int]) -> str:
        """The hash of a log file's content, or why there is none."""
        key, _, _, is_there = wanted
        if not is_there:
            return ""
        hashed = hashlib.sha256()
        try:
            with self._place.opened(text(key)) as delivered:
                for piece in delivered.pieces():
                    hashed.update(piece)
        except (Gone, Denied, Damaged) as error:
            return str(error)
        return hashed.hexdigest()

    def _not_named(self) -> None:
        """Log files that lie where digests vouch for what was delivered, and that none of them names."""
        without = later = earlier = 0
        for (octets_,) in self._scratch.ask(NOT_NAMED):
            key = text(octets_)
            named = log_named(key)
            span = self._spans.get(named.place) if named is not None else None
            if named is None or span is None:
                without += 1
            elif named.time < span.first:
                earlier += 1
            elif named.time + LATE > span.last:
                later += 1
            else:
                said = "no digest names it, and it lies among those that are named: who wrote it?"
                self._proof.found("log-unvouched", self._place.bucket, key, said)
        told = ((later, "are newer than the last digest"), (earlier, "are older than the first digest"))
        for count, what in (*told, (without, "are of regions or kinds without digests")):
            if count:
                self._proof.noted(f"{count:,} CloudTrail objects {what}: they are proven from the bucket onwards")


def end_of(said: str) -> datetime | None:
    """digestEndTime."""
    try:
        return datetime.strptime(said, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
