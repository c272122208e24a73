"""`siem verify` as an auditor runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from siem_command import lines, siem

pytestmark = pytest.mark.slow  # every test starts processes

ROOT = Path(__file__).parents[2]
BUCKET = ROOT / "samples" / "bucket"
DIGESTS = ROOT / "tests" / "data" / "digests"
KEYS = ("--public-keys", DIGESTS / "list-public-keys.json")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the sample bucket, judged."""
    place = tmp_path_factory.mktemp("verify") / "store"
    siem("ingest", BUCKET, "--store", place)
    siem("detect", "--store", place)
    return place


def test_the_sample_bucket_is_proven_in_json_words_and_exit_code(stored: Path) -> None:
    done = json.loads(siem("verify", BUCKET, *KEYS, "--store", stored, "--format", "json").stdout)
    assert {proof["proof"]: proof["verdict"] for proof in done["proofs"]} == {
        "bucket": "proven",
        "store": "proven",
        "seals": "not proven",
        "digests": "proven",
    }
    assert (done["findings"], done["verdict"]) == ([], "not proven")
    told = siem("verify", BUCKET, *KEYS, "--store", stored, "--format", "table")
    assert [line.split()[:2] for line in told.stdout.decode().splitlines()[1:]] == [
        ["bucket", "proven"],
        ["store", "proven"],
        ["seals", "not"],
        ["digests", "proven"],
    ]
    assert b"seals: nothing is sealed: the setting verify.anchor names no place" in told.stderr


def test_what_is_missing_changed_or_new_is_named(stored: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bucket"
    shutil.copytree(BUCKET, copy)
    shutil.copy(BUCKET.with_name("bucket.object-metadata.json"), tmp_path)
    waf, alb = (sorted(path for path in copy.rglob("*") if name in path.name)[0] for name in ("waflogs", "app.web-alb"))
    waf.unlink()
    alb.write_bytes(alb.read_bytes()[:-1] + b"?")
    (copy / "new.log").write_bytes(b"new")
    done = lines(siem("verify", copy, *KEYS, "--store", stored, code=1))
    assert {(one["kind"], one["key"]) for one in done if one["type"] == "finding"} == {
        ("not-in-bucket", waf.relative_to(copy).as_posix()),
        ("changed", alb.relative_to(copy).as_posix()),
        ("not-in-ledger", "new.log"),
    }


def test_each_faulty_chain_ends_with_a_finding_and_needs_no_store(tmp_path: Path) -> None:
    expected = json.loads((DIGESTS / "expected.json").read_bytes())
    for name in sorted(expected.keys() - {"bucket"}):
        code = 0 if name == "valid" else 1
        done = siem("verify", DIGESTS / name, *KEYS, "--format", "json", cwd=tmp_path, code=code)
        (digests,) = [proof for proof in json.loads(done.stdout)["proofs"] if proof["proof"] == "digests"]
        assert digests["counts"] == {key: count for key, count in expected[name].items() if isinstance(count, int)}


def test_a_store_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    told = siem("verify", DIGESTS / "valid", *KEYS, "--store", "typo", cwd=tmp_path, code=3).stderr
    assert told.startswith(b"siem: no store at typo;")
    assert siem("verify", cwd=tmp_path, code=3).stderr.startswith(b"siem: no store at ./siem-data;")


def test_a_place_that_is_none_is_told(tmp_path: Path) -> None:
    for place in ("nowhere", "s3://", __file__):
        assert b"name a " in siem("verify", place, cwd=tmp_path, code=2).stderr
    assert (
        b"keys.json" in siem("verify", tmp_path, "--public-keys", tmp_path / "keys.json", cwd=tmp_path, code=3).stderr
    )


def test_a_folder_may_mirror_a_bucket_of_another_name(stored: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(BUCKET, copy)
    done = lines(siem("verify", copy, "--bucket", "bucket", *KEYS, "--store", stored))
    assert [one for one in done if one["type"] == "finding"] == []


def test_nights_are_sealed_and_what_is_deleted_after_shows(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "siem.toml").write_text(f'[verify]\nanchor = "{tmp_path}/anchor"\n')
    copy = tmp_path / "store"
    shutil.copytree(stored, copy)
    (first,) = lines(siem("verify", "--seal", "--store", copy, cwd=tmp_path))
    (second,) = lines(siem("verify", "--seal", "--store", copy, cwd=tmp_path))
    assert (first["number"], first["previous"], second["number"]) == (1, None, 2)
    done = lines(siem("verify", "--store", copy, cwd=tmp_path))
    assert {one["proof"]: one["verdict"] for one in done} == {"store": "proven", "seals": "proven"}
    (tmp_path / "anchor" / "seal-000001.json").write_text("{}")
    done = lines(siem("verify", "--store", copy, cwd=tmp_path, code=1))
    assert [one["key"] for one in done if one["type"] == "finding"] == ["seal-000001.json"]


def test_a_seal_needs_an_anchor_and_no_place(stored: Path, tmp_path: Path) -> None:
    assert b"verify.anchor" in siem("verify", "--seal", "--store", stored, cwd=tmp_path, code=3).stderr
    assert b"takes no place" in siem("verify", BUCKET, "--seal", "--store", stored, cwd=tmp_path, code=2).stderr
