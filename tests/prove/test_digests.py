"""CloudTrail's digests against the objects: what was changed, deleted, made up or left out shows by its key."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trail_world import BUCKET, World, digest_key, fingerprint, hours, listed_key, log_key, private_key

from siem.config import Settings
from siem.errors import ConfigError
from siem.prove.digest import digest_named, log_named, read
from siem.prove.keys import Given, keys_in
from siem.prove.place import place_of
from siem.prove.proof import Proof, Verdict
from siem.prove.trails import Trails

DIGESTS = Path(__file__).parent.parent / "data" / "digests"
EXPECTED = json.loads((DIGESTS / "expected.json").read_bytes())
CHAINS = [name for name in EXPECTED if name != "bucket"]
DAY = "AWSLogs/111122223333/{}/ap-northeast-1/2026/11/01/111122223333_{}_ap-northeast-1_{}.json.gz"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "bucket")


def proven(folder: Path) -> Proof:
    place = place_of(str(folder), Settings())
    trails = Trails(place, Given(keys_in(DIGESTS / "list-public-keys.json")))
    for entry in place.listed():
        trails.see(entry.key)
    return trails.prove()


@pytest.mark.parametrize("name", CHAINS)
def test_a_sample_chain_counts_what_is_expected(name: str) -> None:
    counts = proven(DIGESTS / name).counts
    assert {kind: number for kind, number in EXPECTED[name].items() if isinstance(number, int)} == counts


def test_every_fault_of_the_sample_chains_is_named() -> None:
    def log(name: str) -> str:
        return DAY.format("CloudTrail", "CloudTrail", name)

    def digest(end: str) -> str:
        return DAY.format("CloudTrail-Digest", "CloudTrail-Digest", f"example-trail_ap-northeast-1_{end}")

    third, fourth = log("20261101T1030Z_RdOIaUjO3neL1Vjz"), log("20261101T1100Z_L6ccijjpeRFuuaGB")
    found = {name: [(one.kind, one.key) for one in proven(DIGESTS / name).findings] for name in CHAINS}
    assert found == {
        "valid": [],
        "modified-log": [("log-changed", fourth)],
        "deleted-log": [("log-deleted", third)],
        "missing-digest": [
            ("digest-missing", digest("20261101T110000Z")),
            ("log-unvouched", third),
            ("log-unvouched", fourth),
        ],
        "forged-signature": [("signature-wrong", digest("20261101T120000Z"))],
    }


def test_the_sample_bucket_is_proven_and_what_is_not_is_said(samples: Path) -> None:
    proof = proven(samples / "bucket")
    assert (proof.verdict, proof.counts["digests_valid"]) == (Verdict.PROVEN, EXPECTED["bucket"]["digests_valid"])
    assert any("are of regions or kinds without digests" in note for note in proof.notes)


def test_any_byte_of_a_digest_that_is_changed_shows(world: World) -> None:
    hours(world, 2)
    key = digest_key(1)
    text = gzip.decompress((world.root / key).read_bytes())
    for at in range(0, len(text), 97):
        world.put(key, text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :])
        assert [where for _, where in world.found()] == [key]


def test_a_signature_of_another_digest_is_none(world: World) -> None:
    hours(world, 3)
    world.metadata[digest_key(2)] = world.metadata[digest_key(1)]
    assert world.found() == [("signature-wrong", digest_key(2)), ("log-unvouched", log_key(90, "h2"))]


def test_a_digest_without_a_signature_beside_it_is_named(world: World) -> None:
    hours(world, 2)
    del world.metadata[digest_key(2)]
    assert world.found() == [("signature-missing", digest_key(2))]


@pytest.mark.parametrize("signature", ["", "no hex", "00", "zz" * 256])
def test_a_signature_that_is_none_is_wrong(world: World, signature: str) -> None:
    hours(world, 1)
    world.metadata[digest_key(1)]["signature"] = signature
    assert world.found() == [("signature-wrong", digest_key(1))]


def test_a_digest_that_somebody_else_signed_is_named(world: World) -> None:
    hours(world, 1)
    world.digest(2, key=private_key(1))
    assert world.found() == [("signature-unknown-key", digest_key(2))]
    assert world.found(private_key(0), private_key(1)) == []


def test_a_digest_that_claims_a_key_it_was_not_signed_with_is_named(world: World) -> None:
    world.digest(1, key=private_key(1), digestPublicKeyFingerprint=fingerprint(private_key(0)))
    assert world.found() == [("signature-wrong", digest_key(1))]


def test_keys_may_change_in_a_chain(world: World) -> None:
    hours(world, 1)
    world.digest(2, key=private_key(1))
    world.digest(3)
    assert world.found(private_key(0), private_key(1)) == []


def test_a_chain_may_begin_before_what_is_there(world: World) -> None:
    hours(world, 3)
    (world.root / digest_key(1)).unlink()
    proof = world.proof()
    assert proof.verdict is Verdict.PROVEN
    assert any("a chain begins here" in note for note in proof.notes)


def test_a_trail_that_was_stopped_leaves_a_gap(world: World) -> None:
    hours(world, 2)
    world.last = None
    hours(world, 1, first=6)
    assert world.found() == [("chain-gap", digest_key(6))]


def test_of_several_digests_that_are_missing_the_last_is_named(world: World) -> None:
    hours(world, 5)
    for hour in (2, 3, 4):
        (world.root / digest_key(hour)).unlink()
    missing, *logs = world.found()
    assert missing == ("digest-missing", digest_key(4))
    assert logs == [("log-unvouched", log_key(hour * 60 - 30, f"h{hour}")) for hour in (2, 3, 4)]


def test_a_digest_that_was_replaced_by_another_sound_one_breaks_the_chain(world: World) -> None:
    logs = hours(world, 1)
    world.digest(2, logFiles=[])
    kept = world.last
    world.digest(3)
    assert kept is not None
    world.last = {"key": digest_key(1), "hash": "0" * 64, "signature": "0", "bucket": BUCKET}
    world.digest(2, *logs)
    assert ("chain-broken", digest_key(2)) in world.found()


def test_a_digest_that_names_one_before_the_last_is_no_follower(world: World) -> None:
    hours(world, 1)
    first = world.last
    hours(world, 1, first=2)
    world.last = first
    world.digest(3)
    assert world.found() == [("chain-broken", digest_key(3))]


def test_a_digest_that_was_moved_is_named(world: World) -> None:
    hours(world, 1)
    world.digest(2, digestS3Object=digest_key(7))
    assert world.found() == [("digest-moved", digest_key(2))]


def test_a_digest_that_was_written_for_another_bucket_is_named(world: World) -> None:
    hours(world, 2)
    world.bucket = "somebody-elses"
    world.digest(3)
    assert ("digest-moved", digest_key(3)) in world.found()


def test_a_folder_stands_for_the_bucket_that_its_digests_name(world: World) -> None:
    hours(world, 2)
    assert world.proof().notes == [f"the digests were written for the bucket {BUCKET}: this is a copy of it"]


def test_a_log_file_that_nobody_delivered_is_named(world: World) -> None:
    hours(world, 3)
    planted = world.log(75, "planted")
    assert world.found() == [("log-unvouched", planted)]


def test_log_files_after_the_last_digest_are_not_vouched_for_yet(world: World) -> None:
    hours(world, 3)
    world.log(150, "late")
    world.log(200, "new")
    proof = world.proof()
    assert (proof.findings, [note for note in proof.notes if note.startswith("2 ")] != []) == ([], True)


def test_a_backfill_digest_vouches_for_what_came_late(world: World) -> None:
    late = world.log(20, "late")
    hours(world, 3)
    assert world.found() == [("log-unvouched", late)]
    world.digest(1, late, suffix="_backfill", previousDigestS3Object=None, previousDigestSignature=None)
    assert world.found() == []


def test_names_that_only_look_like_digests_and_logs_are_none() -> None:
    assert digest_named(digest_key(1)) is not None
    assert log_named(log_key(1)) is not None
    for key in (
        digest_key(1) + "\n",
        digest_key(1).replace("2026110", "2026139"),
        digest_key(1).replace("eu-west-1", "../x"),
    ):
        assert digest_named(key) is None
    assert log_named(log_key(1).removesuffix(".gz")) is None


HOSTILE = [
    b"",
    b"no json",
    b"[]",
    b"{}",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"digestS3Object": 1}',
    b" " * (33 << 20),
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_a_digest_that_is_none_costs_itself(world: World, content: bytes) -> None:
    hours(world, 2)
    world.put(digest_key(2), content)
    assert world.found() == [("digest-unreadable", digest_key(2))]


def test_a_digest_that_is_broken_gzip_costs_itself(world: World) -> None:
    hours(world, 2)
    path = world.root / digest_key(2)
    path.write_bytes(path.read_bytes()[:-9])
    assert world.found() == [("digest-unreadable", digest_key(2))]


def test_keys_that_a_digest_names_are_no_paths(world: World, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"outside")
    names = ["../secret", "/etc/passwd", str(tmp_path / "secret"), "", "a\0b"]
    world.digest(1, logFiles=[named(name) for name in names])
    assert sorted(world.found()) == sorted(("log-deleted", name) for name in names)


def test_log_files_in_another_bucket_are_not_looked_for(world: World) -> None:
    world.digest(1, logFiles=[{**named("a"), "s3Bucket": "elsewhere"}])
    proof = world.proof()
    assert (proof.findings, proof.verdict) == ([], Verdict.NOT_PROVEN)


def test_a_log_file_that_was_replaced_by_something_broken_is_changed(world: World) -> None:
    (log,) = hours(world, 1)
    (world.root / log).write_bytes(b"\x1f\x8b\x08 no gzip")
    assert world.found() == [("log-changed", log)]


def named(key: str) -> dict[str, Any]:
    return {"s3Bucket": BUCKET, "s3Object": key, "hashValue": "0" * 64, "hashAlgorithm": "SHA-256"}


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_whatever_a_digest_holds_is_read_or_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(content)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"PublicKeyList": [{}]}',
        '{"PublicKeyList": 1}',
        '{"PublicKeyList": [{"Fingerprint": "a", "Value": "AAAA"}]}',
    ],
)
def test_a_file_that_has_no_keys_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"keys\.json"):
        keys_in(file)


def test_a_key_of_another_time_is_none(world: World) -> None:
    hours(world, 1)
    file = world.root.parent / "keys.json"
    old = {**listed_key(private_key()), "ValidityStartTime": "2020-01-01", "ValidityEndTime": 1_600_000_000}
    file.write_text(json.dumps({"PublicKeyList": [old]}))
    world.proof()
    trails = Trails(place_of(str(world.root), Settings()), Given(keys_in(file)))
    trails.see(digest_key(1))
    assert [one.kind for one in trails.prove().findings] == ["signature-unknown-key"]


def test_without_keys_hashes_are_checked_and_the_rest_is_said(world: World) -> None:
    hours(world, 2)
    world.proof()
    trails = Trails(place_of(str(world.root), Settings()), Given({}, "nobody knows them"))
    for entry in place_of(str(world.root), Settings()).listed():
        trails.see(entry.key)
    proof = trails.prove()
    assert (proof.verdict, proof.counts["log_files_valid"]) == (Verdict.NOT_PROVEN, 2)
    assert any("nobody knows them" in note for note in proof.notes)


def test_a_place_without_digests_has_nothing_to_prove(world: World) -> None:
    world.log(1)
    proof = world.proof()
    assert (proof.findings, proof.verdict) == ([], Verdict.NOT_PROVEN)
