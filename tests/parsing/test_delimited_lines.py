"""Framing of blocks to whole lines."""

from __future__ import annotations

import hashlib

import pytest
from flows import Memory
from hypothesis import given
from hypothesis import strategies as st

from siem.errors import Damaged
from siem.parsing.lines import Cut, Oversized, framed, gathered, is_clean, windows

TEXT = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\n\n", b"defghijk" * 3])).map(b"".join)


@given(text=TEXT, size=st.integers(1, 40))
def test_every_byte_comes_once_and_only_the_last_frame_ends_inside_a_line(text: bytes, size: int) -> None:
    frames = [frame for frame in framed(Memory(text, size).blocks(), 10_000) if isinstance(frame, bytes)]
    assert b"".join(frames) == text
    assert all(frame.endswith(b"\n") for frame in frames[:-1])


@given(text=TEXT, size=st.integers(1, 40), least=st.integers(1, 60))
def test_gathering_and_cutting_windows_loses_nothing(text: bytes, size: int, least: int) -> None:
    assert b"".join(gathered(Memory(text, size).blocks(), least)) == text
    pieces = list(windows(text, size))
    assert b"".join(pieces) == text
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])


@pytest.mark.parametrize("size", [100, 1_000_000, 1_000_001, 2_500_000])
def test_a_line_that_never_ends_is_counted_and_hashed_but_not_held(size: int) -> None:
    long = b"xyz" * 1_000_000
    frames = list(framed(Memory(b"a\n" + long + b"\nb\n", size).blocks(), 100))
    assert [frame for frame in frames if isinstance(frame, Oversized)] == [
        Oversized(long[:1_000_000], len(long), hashlib.sha256(long).hexdigest())
    ]
    assert b"".join(frame for frame in frames if isinstance(frame, bytes)) == b"a\nb\n"


def test_damage_comes_after_what_was_good() -> None:
    frames = framed(Memory(b"a\nb\nc", 2, "broken").blocks(), 100)
    assert [next(frames), next(frames), next(frames)] == [b"a\n", b"b\n", Cut(b"c")]
    with pytest.raises(Damaged, match="broken"):
        next(frames)


@pytest.mark.parametrize(
    ("block", "clean"),
    [
        (b"ab\ncd\n", True),
        (b"ab\ncd", True),
        (b"a\tb\n", False),
        (b"a\x7f\n", False),
        (b"abcdefg\n", False),
        (b"", True),
        (b"a\nab\nabc\n" * 9, True),
        (b"abcdef\n" * 3 + b"abcdef", True),
        (b"ab\n" * 5 + b"abcdefg", False),
        (b"ab\n" * 5 + b"abcdefg\n" + b"ab\n" * 5, False),
    ],
)
def test_what_can_be_read_as_a_block(block: bytes, clean: bool) -> None:
    assert is_clean(block, 6) == clean
