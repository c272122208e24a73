"""Bytes in, content out: whatever is delivered, all that can be read is read, in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import random
import tracemalloc
import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import Protocol

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from siem.config import MEBI, Limits
from siem.errors import Damaged, Unavailable
from siem.intake import content as content_module
from siem.intake.content import Delivered

DEFAULT = Limits()


class Make(Protocol):
    def __call__(self, data: bytes, limits: Limits = ...) -> Delivered: ...


@pytest.fixture(params=["bytes", "file"])
def delivered(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """An object in memory, and the same one as a file."""

    def make(data: bytes, limits: Limits = DEFAULT) -> Delivered:
        if request.param == "bytes":
            return Delivered(data, limits)
        (tmp_path / "object").write_bytes(data)
        return Delivered(tmp_path / "object", limits)

    return make


def read(content: Delivered) -> tuple[bytes, str | None]:
    """All that can be read, and why there is no more."""
    blocks: list[bytes] = []
    try:
        blocks.extend(content.blocks())
    except Damaged as damage:
        return b"".join(blocks), str(damage)
    return b"".join(blocks), None


def lines(count: int) -> bytes:
    rng = random.Random(7)  # noqa: S311
    return b"".join(
        b"2 111122223333 eni-%08x 10.0.0.%d ACCEPT\n" % (rng.getrandbits(32), i % 256) for i in range(count)
    )


TEXT = lines(5_000)
ZIPPED = gzip.compress(TEXT, mtime=0)


class TestGzip:
    def test_is_told_by_the_first_bytes(self, delivered: Make) -> None:
        assert read(delivered(ZIPPED)) == (TEXT, None)
        assert read(delivered(TEXT)) == (TEXT, None)

    def test_of_several_members_is_read_to_its_end(self, delivered: Make) -> None:
        assert read(delivered(ZIPPED + gzip.compress(b"") + ZIPPED)) == (TEXT + TEXT, None)

    def test_inside_gzip_is_decompressed_too(self, delivered: Make) -> None:
        assert read(delivered(gzip.compress(ZIPPED + ZIPPED))) == (TEXT + TEXT, None)

    def test_a_third_level_passes_as_it_is(self, delivered: Make) -> None:
        assert read(delivered(gzip.compress(gzip.compress(ZIPPED)))) == (ZIPPED, None)

    def test_padding_with_zeros_is_no_damage(self, delivered: Make) -> None:
        assert read(delivered(ZIPPED + bytes(100_000))) == (TEXT, None)

    @pytest.mark.parametrize("garbage", [b"x", b"\x1f", b"garbage" * 50_000, b"\0\0x"])
    def test_garbage_behind_it_costs_nothing_of_it(self, delivered: Make, garbage: bytes) -> None:
        assert read(delivered(ZIPPED + garbage)) == (TEXT, "bytes that are no gzip follow the gzip stream")

    def test_a_member_that_is_none_costs_nothing_of_those_before(self, delivered: Make) -> None:
        assert read(delivered(ZIPPED + b"\x1f\x8bgarbage")) == (TEXT, "the gzip stream is broken")

    @pytest.mark.parametrize("place", [-1, -8])
    def test_with_a_wrong_checksum_or_length_is_read_whole(self, delivered: Make, place: int) -> None:
        data = bytearray(ZIPPED)
        data[place] ^= 1
        assert read(delivered(bytes(data))) == (TEXT, "the gzip stream does not fit its checksum")

    def test_broken_inside_is_read_to_where_it_breaks(self, delivered: Make) -> None:
        stored = gzip.compress(TEXT, compresslevel=0, mtime=0)  # blocks as they are, each behind five bytes of header
        first = int.from_bytes(stored[11:13], "little")
        second = 10 + 5 + first
        data = stored[:second] + b"\xff" * 5 + stored[second + 5 :]
        assert read(delivered(data)) == (TEXT[:first], "the gzip stream is broken")

    def test_cut_anywhere_gives_what_came_before_the_cut(self, delivered: Make) -> None:
        for cut in range(2, len(ZIPPED), len(ZIPPED) // 40):
            text, damage = read(delivered(ZIPPED[:cut]))
            assert damage == "the gzip stream ends too early"
            assert TEXT.startswith(text)
            assert len(text) >= len(TEXT) * (cut - 1_000) // len(ZIPPED)

    def test_cut_gives_every_byte_that_zlib_can_give(self, delivered: Make) -> None:
        data = gzip.compress(b"".join(b"%d\n" % i for i in range(300)), mtime=0)
        for cut in range(2, len(data)):
            assert read(delivered(data[:cut]))[0] == zlib.decompressobj(31).decompress(data[:cut])

    def test_of_nothing_is_empty(self, delivered: Make) -> None:
        assert read(delivered(gzip.compress(b""))) == (b"", None)

    def test_empty_object_is_empty(self, delivered: Make) -> None:
        assert read(delivered(b"")) == (b"", None)
        assert delivered(b"").head() == b""

    def test_zip_passes_as_it_is(self, delivered: Make) -> None:
        archive = BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("log.json", TEXT)
        assert read(delivered(archive.getvalue())) == (archive.getvalue(), None)


@examples(150)
@given(
    st.lists(st.binary(max_size=300) | st.integers(0, 40_000).map(bytes), min_size=1, max_size=4),
    st.integers(1, 2),
    st.integers(1, 5_000),
)
def test_members_of_any_sizes_come_back_as_they_were(parts: list[bytes], levels: int, piece: int) -> None:
    data = b"".join(parts)
    packed = b"".join(gzip.compress(part) for part in parts)
    for _ in range(levels - 1):
        packed = gzip.compress(packed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(content_module, "SMALL", 0)
        patch.setattr(content_module.Delivered, "_raw", lambda self: iter(cut(packed, piece)))
        content = Delivered(packed, Limits())
        text, damage = read(content)
    plain = data.startswith((b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"))
    assert plain or (text, damage) == (data, None)


@examples(150)
@given(st.integers(0, 2**32), st.integers(0, 255), st.booleans())
def test_no_byte_that_is_changed_ever_passes_unseen_or_crashes(place: int, value: int, small: bool) -> None:
    text = lines(200)
    sound = gzip.compress(text, mtime=0)
    at = place % len(sound)
    data = sound[:at] + bytes([value]) + sound[at + 1 :]
    with pytest.MonkeyPatch.context() as patch:
        if not small:
            patch.setattr(content_module, "SMALL", 0)
        got, damage = read(Delivered(data, Limits()))
    assert got == text or damage or not data.startswith(b"\x1f\x8b")


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


class TestText:
    def test_byte_order_mark_is_dropped(self, delivered: Make) -> None:
        assert read(delivered(gzip.compress(b"\xef\xbb\xbf{}"))) == (b"{}", None)
        assert delivered(b"\xef\xbb\xbf{}").head() == b"{}"

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf16_becomes_utf8(self, delivered: Make, encoding: str) -> None:
        text = "\ufeff" + "ログ 😀 log\n" * 50_000
        assert read(delivered(gzip.compress(text.encode(encoding)))) == (text[1:].encode(), None)

    def test_utf16_is_read_to_where_it_breaks(self, delivered: Make) -> None:
        data = "\ufeffsound".encode("utf-16-le") + b"\x00\xdc" + "lost".encode("utf-16-le")
        assert read(delivered(data)) == (b"sound", "text that begins as UTF-16 and is not")


class TestLimits:
    @pytest.mark.slow
    def test_a_bomb_ends_as_damaged_in_bounded_memory(self) -> None:
        data = gzip.compress(bytes(200 * MEBI))
        content = Delivered(data, Limits(block_bytes=MEBI))
        tracemalloc.start()
        total = 0
        with pytest.raises(Damaged, match=r"more than 500 times its size \(limits.ratio\)"):  # noqa: PT012
            for block in content.blocks():
                total += len(block)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total == int(len(data) * 500)
        assert peak < 8 * MEBI

    @pytest.mark.slow
    def test_a_bomb_inside_gzip_is_measured_by_what_was_delivered(self) -> None:
        inner = gzip.compress(bytes(200 * MEBI))
        text, damage = read(Delivered(gzip.compress(inner), Limits()))
        assert len(text) == 16 * MEBI
        assert damage == "expands to more than 500 times its size (limits.ratio)"

    def test_content_below_16_mebi_may_expand_as_it_likes(self) -> None:
        assert read(Delivered(gzip.compress(b" " * 15_000_000), Limits())) == (b" " * 15_000_000, None)

    def test_the_size_of_the_content_is_limited(self, delivered: Make) -> None:
        limits = Limits(object_bytes=100_000)
        why = "longer than 100,000 bytes (limits.object_bytes)"
        assert read(delivered(ZIPPED, limits)) == (TEXT[:100_000], why)
        assert read(delivered(TEXT, limits)) == (TEXT[:100_000], why)
        assert read(delivered(TEXT[:100_000], limits)) == (TEXT[:100_000], None)

    @pytest.mark.slow
    def test_a_size_in_the_trailer_that_lies_is_not_believed(self) -> None:
        data = gzip.compress(bytes(30 * MEBI))
        text, damage = read(Delivered(data[:-4] + (10).to_bytes(4, "little"), Limits(ratio=10_000)))
        assert len(text) == 30 * MEBI
        assert damage == "the gzip stream does not fit its checksum"

    def test_a_large_file_is_never_in_memory_as_a_whole(self, tmp_path: Path) -> None:
        with gzip.open(tmp_path / "large.gz", "wb", compresslevel=1) as file:
            for _ in range(40):
                file.write(TEXT * 5)
        content = Delivered(tmp_path / "large.gz", Limits(block_bytes=MEBI))
        tracemalloc.start()
        total = sum(map(len, content.blocks()))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total == len(TEXT) * 200
        assert peak < 8 * MEBI


def test_blocks_are_about_as_large_as_asked(delivered: Make) -> None:
    limits = Limits(block_bytes=64 << 10)
    for data in (ZIPPED, TEXT):
        sizes = [len(block) for block in delivered(data, limits).blocks()]
        assert all(64 << 10 <= size <= 128 << 10 for size in sizes[:-1])


def test_hash_and_size_are_of_the_bytes_as_delivered(delivered: Make) -> None:
    content = delivered(ZIPPED)
    assert (content.sha256, content.size) == (hashlib.sha256(ZIPPED).hexdigest(), len(ZIPPED))


def test_head_shows_the_first_64_kibibytes_and_reading_begins_anew(delivered: Make) -> None:
    content = delivered(ZIPPED)
    assert content.head() == TEXT[: 64 << 10]
    assert read(content) == (TEXT, None)
    assert read(content) == (TEXT, None)


def test_head_of_damaged_content_is_what_comes_before_the_damage(delivered: Make) -> None:
    assert TEXT.startswith(delivered(ZIPPED[:2_000]).head())
    assert delivered(b"\x1f\x8b\x08").head() == b""


def test_file_is_seekable_and_untouched(delivered: Make) -> None:
    for data in (b"PAR1\xef\xbb\xbf", gzip.compress(b"PAR1\xef\xbb\xbf")):
        with delivered(data).file() as file:
            assert file.read() == b"PAR1\xef\xbb\xbf"
            assert file.seek(4) == 4
            assert file.read(3) == b"\xef\xbb\xbf"


def test_a_file_that_went_away_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No such file"):
        list(Delivered(tmp_path / "gone", Limits()).blocks())
