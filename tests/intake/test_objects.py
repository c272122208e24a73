"""What a place on the command line names: the same objects in the same order, every time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from siem.config import Limits
from siem.errors import Denied, Gone, UsageError
from siem.intake import objects as objects_module
from siem.intake.objects import objects

LIMITS = Limits()


def keys(place: Path | str) -> list[str]:
    return [source.key for source, _ in objects(str(place), LIMITS)]


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    folder = tmp_path / "log-archive"
    for key in ("a/1.log", "a-b/1.log", "a/0/2.log", "B.log", "日本語 ログ/+ .log"):
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_text(key)
    return folder


def test_a_folder_mirrors_a_bucket_of_its_name(bucket: Path) -> None:
    assert {source.bucket for source, _ in objects(str(bucket), LIMITS)} == {"log-archive"}


def test_keys_come_in_the_order_of_their_bytes_as_s3_lists_them(bucket: Path) -> None:
    listed = keys(bucket)
    assert listed == sorted(listed, key=str.encode)
    assert listed == ["B.log", "a-b/1.log", "a/0/2.log", "a/1.log", "日本語 ログ/+ .log"]


def test_where_the_folder_lies_and_how_it_is_named_is_no_part_of_identity(
    bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [source.id for source, _ in objects(str(bucket), LIMITS)]
    monkeypatch.chdir(bucket)
    assert [source.id for source, _ in objects(".", LIMITS)] == wanted
    assert [source.id for source, _ in objects("../log-archive/", LIMITS)] == wanted
    (tmp_path / "elsewhere").mkdir()
    moved = bucket.rename(tmp_path / "elsewhere" / "log-archive")
    assert [source.id for source, _ in objects(str(moved), LIMITS)] == wanted


def test_a_folder_that_is_looked_at_is_so_many_files_with_their_paths_as_given(
    bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bucket.parent)
    below = keys("log-archive")
    for place, before in (
        ("log-archive", "log-archive/"),
        ("log-archive//", "log-archive/"),
        ("./log-archive", "./log-archive/"),
    ):
        found = [source for source, _ in objects(place, LIMITS, at_hand=True)]
        assert [(source.bucket, source.key) for source in found] == [("", before + key) for key in below]


def test_an_opener_gives_the_bytes(bucket: Path) -> None:
    for source, opener in objects(str(bucket), LIMITS):
        with opener() as content:
            assert b"".join(content.blocks()).decode() == source.key


def test_a_large_file_is_not_taken_into_memory(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects_module, "SMALL", 5)
    taken = {}
    for source, opener in objects(str(bucket), LIMITS):
        with opener() as content:
            taken[source.key] = type(content.delivered) is bytes
            assert content.size == len(source.key.encode())
    assert taken["B.log"]
    assert not taken["a/1.log"]


def test_links_that_leave_the_folder_are_not_followed(bucket: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.log").write_text("secret")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "1.log").write_text("other")
    before = keys(bucket)
    (bucket / "out.log").symlink_to(tmp_path / "secret.log")
    (bucket / "dir").symlink_to(tmp_path / "other")
    (bucket / "loop").symlink_to(bucket)
    (bucket / "nowhere.log").symlink_to(bucket / "missing")
    assert keys(bucket) == before
    (bucket / "again.log").symlink_to(bucket / "B.log")
    assert keys(bucket) == sorted([*before, "again.log"], key=str.encode)


def test_what_is_no_regular_file_is_no_object(bucket: Path) -> None:
    before = keys(bucket)
    os.mkfifo(bucket / "pipe")
    assert keys(bucket) == before


def test_a_name_that_is_not_utf8_survives(bucket: Path) -> None:
    (bucket / os.fsdecode(b"\xff\xfe.log")).write_text("odd")
    (source, opener) = list(objects(str(bucket), LIMITS))[-1]
    assert source.key.encode("utf-8", "surrogateescape") == b"\xff\xfe.log"
    assert len(source.id) == 24
    with opener() as content:
        assert content.head() == b"odd"


def test_a_single_file_has_its_path_as_given_for_a_key(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bucket)
    assert [(s.bucket, s.key) for s, _ in objects("a/1.log", LIMITS)] == [("", "a/1.log")]
    assert [s.key for s, _ in objects("a/1.log", LIMITS, key="AWSLogs/x.log")] == ["AWSLogs/x.log"]


def test_a_file_that_went_away_is_gone(bucket: Path) -> None:
    found = list(objects(str(bucket), LIMITS))
    (bucket / "B.log").unlink()
    with pytest.raises(Gone):
        found[0][1]()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_denied(bucket: Path) -> None:
    (bucket / "B.log").chmod(0)
    with pytest.raises(Denied):
        next(iter(objects(str(bucket), LIMITS)))[1]()


def test_a_place_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        objects("nothing/here", LIMITS)
    with pytest.raises(UsageError, match="name a bucket"):
        list(objects("s3://", LIMITS))
