"""Streams of JSON as they should not be: what is sound in them is found, what is not costs itself only."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from siem.parsing.framing import Broken, Frame, Framer

WINDOW, LONGEST = 4096, 1 << 14


def record(number: int, **more: Any) -> dict[str, Any]:
    return {"eventVersion": "1.11", "eventName": "[S3Console/0.4]", "eventID": f"id-{number}"} | more


def written(value: Any, **how: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), **how).encode()


def document(*records: bytes) -> bytes:
    return b'{"Records":[' + b",".join(records) + b"]}"


def frames(content: bytes, window: int, longest: int) -> tuple[list[Frame], str | None]:
    """What a framer gives, fed in pieces of one window, and the damage."""
    framer = Framer("eventVersion", window, longest)
    found: list[Frame] = []
    for start in range(0, len(content), window):
        found += framer.feed(content[start : start + window])
    return [*found, *framer.close()], framer.damage


def framed(content: bytes, window: int = WINDOW, longest: int = LONGEST) -> tuple[list[str], list[Broken], str | None]:
    """Ids of the records in order, what is broken, and the damage."""
    found, damage = frames(content, window, longest)
    sound = [json.loads(frame)["eventID"] for frame in found if isinstance(frame, bytes)]
    return sound, [frame for frame in found if isinstance(frame, Broken)], damage


def ids(*numbers: int) -> list[str]:
    return [f"id-{number}" for number in numbers]


A, B, C, D = (written(record(number)) for number in range(4))
SOUND = {
    "a list": document(A, B, C),
    "lines": b"\n".join((A, B, C)),
    "one behind the other": A + B + C,
    "two documents": document(A) + document(B, C),
    "two documents, the second with a byte order mark": document(A) + b"\n\xef\xbb\xbf" + document(B, C),
    "two lists in a document": b'{"Records":[' + A + b'],"Records":[' + B + b"," + C + b"]}",
    "two lists, not side by side": b'{"Records":[' + A + b'],"x":[{"a":"]}"}],"Records":[' + B + b"," + C + b"]}",
    "two lists behind another key": b'{"x":1,"Records":[' + A + b'],"Records":[' + B + b"," + C + b"]}",
    "another order of keys": b"\n".join(written(record(number), sort_keys=True) for number in range(3)),
    "envelopes": b"\n".join(
        written({"detail-type": "AWS API Call via CloudTrail", "detail": record(number)}) for number in range(3)
    ),
}


@pytest.mark.parametrize("window", [1, 7, 64, WINDOW])
@pytest.mark.parametrize("form", SOUND)
def test_every_form_gives_its_records_whatever_the_windows(form: str, window: int) -> None:
    assert framed(SOUND[form], window) == (ids(0, 1, 2), [], None)


HARD = "}\n}\n"
"""Text that a scanner takes for structure as soon as it loses count of quotation marks and backslashes."""


@pytest.mark.parametrize("form", ["compact", "lines", "pretty", "envelopes", "behind another key"])
def test_windows_may_end_anywhere(form: str) -> None:
    many = [record(number, userData=HARD * (37 * number % 60)) for number in range(300)]
    content = {
        "compact": written({"Records": many}),
        "lines": b"\n".join(map(written, many)),
        "pretty": json.dumps({"Records": many}, indent=2).encode(),
        "envelopes": b"".join(written({"detail-type": "AWS API Call via CloudTrail", "detail": one}) for one in many),
        "behind another key": written({"account": "1", "Records": many}),
    }[form]
    assert framed(content) == (ids(*range(300)), [], None)


def test_a_record_may_hold_what_records_begin_with() -> None:
    many = [written(record(number, event={"eventVersion": "2.1", "x": "y" * 900})) for number in range(40)]
    for content in (document(*many), b'{"Records":[ ' + b" , ".join(many) + b"]}"):
        assert framed(content) == (ids(*range(40)), [], None)


@pytest.mark.parametrize(
    ("content", "survive", "raw"),
    [
        (document(A, b"z" + B[1:], C), ids(0, 2), b"z" + B[1:]),
        (document(A, b"{#" + B[2:], C), ids(0, 2), b"{#" + B[2:]),
        (document(A, B[:-9], C), ids(0, 2), B[:-9]),
        (b'{"Records":[' + A + b"]," + B + b"," + C + b"]}", ids(0, 1, 2), b"]"),
        (document(A, b"}" * 50, C), ids(0, 2), b"}" * 50),
        (document(A, C, b":,:,:"), ids(0, 2), b":,:,:"),
    ],
    ids=["no bracket", "no quotation mark", "not closed", "a list that seems to end", "brackets", "junk at the end"],
)
def test_what_is_broken_costs_itself(content: bytes, survive: list[str], raw: bytes) -> None:
    found, broken, damage = framed(content)
    assert found == survive
    assert [(one.raw, one.reason) for one in broken] == [(raw, "broken JSON")]
    assert damage is None


def test_the_way_back_is_known_by_how_sound_records_begin() -> None:
    first, second, third, fourth = (written(record(number), sort_keys=True) for number in range(4))
    found, broken, _ = framed(document(first, second.replace(b'id-1"', b"id-1"), third, fourth))
    assert (found, len(broken)) == (ids(0, 2, 3), 1)


@pytest.mark.parametrize("sort_keys", [False, True])
@pytest.mark.parametrize("place", [1, 2])
def test_a_record_that_is_too_long_is_known_by_its_size_and_hash(place: int, sort_keys: bool) -> None:
    first, last = (written(record(number), sort_keys=sort_keys) for number in (0, 3))
    long = written(record(1, userData="x" * (3 << 20)), sort_keys=sort_keys)
    texts = [first, last]
    texts.insert(place, long)
    found, (broken,), damage = framed(document(*texts), 1 << 16)
    assert (found, damage) == (ids(0, 3), None)
    assert (broken.size, broken.sha256) == (len(long), hashlib.sha256(long).hexdigest())
    assert long.startswith(broken.raw)
    assert "longer than" in broken.reason


@pytest.mark.parametrize("end", range(1, 30))
def test_a_cut_is_damage(end: int) -> None:
    assert framed(document(A)[:end])[2] == "the document ends too early"


def test_a_document_without_records_is_kept() -> None:
    other = written({"version": "0", "detail": record(1)})
    assert framed(other) == ([], [Broken(other, "a document without Records")], "a document without Records")
    assert framed(written({"Recprds": [record(0), record(1)]})) == (ids(0, 1), [], "a document without Records")


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", [b"}", b":,", b'{"eventVersion":', b'{"eventVersion"x},', b"[", b'"', b"[],"], ids=bytes.decode
)
def test_nothing_is_read_again_and_again(piece: bytes) -> None:
    """Half a megabyte of each; what grows with the square takes minutes."""
    size = (1 << 19) // len(piece)
    for content in (document(A, piece * size), b'{"Records":[' + A + b'],"x":[' + piece * size):
        assert frames(content, 1 << 18, 1 << 20)[0][0] == A
