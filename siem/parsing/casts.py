"""Casts: how the text of a column becomes a field's value. A small closed set, each named by its result.

A cast sees the distinct texts of a column in a block, and says for each what the document will hold, also for numbers
and times as it is written there; null where the text is no such thing. `one` is what a cast means; `many` is the same
in Arrow, for distinct texts by the thousand, and leaves to `one` what it cannot judge.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from siem.parsing import values
from siem.parsing.batch import text_of
from siem.parsing.protocols import PROTOCOLS

FEW = 64
"""Up to so many texts Python is quicker: a call of Arrow costs 10 µs, and a cast takes ten."""


@dataclass(frozen=True)
class Cast:
    """one: what a text becomes, None where it is no such value. many: the same for an array.

    exact: what it gives is the very text, so that the column need not be stored beside the field.
    normal: it is the very text where that was in normal form; the column is stored where it was not.
    """

    one: Callable[[str], str | None]
    many: Callable[[pa.StringArray], pa.StringArray]
    exact: bool = False
    normal: bool = False

    def texts(self, texts: pa.StringArray) -> pa.StringArray:
        """What each text becomes; null stays null."""
        if len(texts) > FEW:
            return self.many(texts)
        return pa.array([None if text is None else self.one(text) for text in texts.to_pylist()], pa.string())


def by_text(one: Callable[[str], str | None]) -> Cast:
    """A cast for columns of few distinct texts."""

    def many(texts: pa.StringArray) -> pa.StringArray:
        return pa.array([None if text is None else one(text) for text in texts.to_pylist()], pa.string())

    return Cast(one, many)


MANY = 1024
"""Up to so many IPv6 addresses Python is quicker: it takes 0.12 µs for each, and Arrow 140 for the expression."""

NULL = pa.scalar(None, pa.string())
UNKNOWN = pa.scalar(None, pa.bool_())
INT64 = range(-(1 << 63), 1 << 63)
SURE_DIGITS = 18
"""So many are surely within 64 bits."""
SECONDS = range(-62_135_596_800, 253_402_300_800)
"""Years 1 to 9999."""
MICRO = 6
"""Digits of a fraction that are used."""
FAMILIES = ("ipv4", "ipv6", "efa")

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPV4 = rf"^(?:{_OCTET}\.){{3}}{_OCTET}$"
_GROUP = "[0-9a-fA-F]{1,4}"
IPV6 = "^(?:{})$".format(
    "|".join(
        [f"(?:{_GROUP}:){{7}}{_GROUP}", f"(?:{_GROUP}:){{1,7}}:", f":(?::{_GROUP}){{1,7}}"]
        + [f"(?:{_GROUP}:){{1,{7 - after}}}(?::{_GROUP}){{1,{after}}}" for after in range(1, 7)]
    )
)
"""Most ways to write one (RFC 4291, 2.2); not those that end as an IPv4 address."""
USUAL = r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?Z$"
"""Times as most logs have them; documents too, but for zeros that end a fraction."""
WHOLE_SECONDS = len("2026-11-01T00:00:00Z")
LEAST = np.frombuffer(b"1000-00-00T00:00:00.000000Z", np.uint8)
ALLOWED = np.array([ord("9") + 1 - least if chr(least).isdigit() else 1 for least in LEAST], np.uint8)
"""`USUAL` times with a fraction by their bytes: the least that may stand in each place, and how many from there."""
ZONE = re.compile(r"[+-]\d\d:\d\d$", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _kept(texts: pa.StringArray, sure: pa.BooleanArray, one: Callable[[str], str | None]) -> pa.StringArray:
    """The texts that are `sure`, and of those of which it is not known (null) the ones that `one` keeps."""
    if sure.null_count:
        unknown = pc.is_null(sure)
        kept = [text is not None and one(text) is not None for text in texts.filter(unknown).to_pylist()]
        sure = pc.replace_with_mask(sure, unknown, pa.array(kept, pa.bool_()))
    return texts if pc.all(sure).as_py() else pc.if_else(sure, texts, NULL)


def is_canonical(text: str) -> bool:
    """A decimal as it would be written again: `0`, `-7`, not `007`, `+7`, `4e1` or `-0`."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and (text == "0" or not digits.startswith("0"))


def number(text: str, allowed: range) -> str | None:
    """A canonical decimal in the range, at most 64 bits wide."""
    return text if len(text) <= len(str(INT64.start)) and is_canonical(text) and int(text) in allowed else None


def are_plain(texts: pa.StringArray) -> bool:
    """All are canonical and surely within 64 bits: by NumPy, 1 ns a text (by Arrow 5)."""
    _, offsets, data = texts.buffers()
    if texts.null_count or data is None:
        return False
    places = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    octets, sizes = np.frombuffer(data, np.uint8), np.diff(places)
    digits = octets[places[0] : places[-1]]
    if not len(digits) or digits.min() < ord("0") or digits.max() > ord("9"):
        return False
    zeros = octets[places[:-1][sizes > 1]] == ord("0")
    return bool(sizes.min() > 0 and sizes.max() <= SURE_DIGITS and not zeros.any())


def _number_in(allowed: range) -> Cast:
    def one(text: str) -> str | None:
        return number(text, allowed)

    def many(texts: pa.StringArray) -> pa.StringArray:
        if are_plain(texts):
            numbers = texts.cast(pa.int64())
        else:
            short = pc.less_equal(pc.binary_length(texts), SURE_DIGITS)
            plain = pc.and_(pc.and_(pc.ascii_is_decimal(texts), short), pc.invert(pc.starts_with(texts, "0")))
            numbers = pc.if_else(plain, texts, NULL).cast(pa.int64())
        inside = pc.and_(pc.greater_equal(numbers, allowed.start), pc.less_equal(numbers, allowed.stop - 1))
        return _kept(texts, inside, one)

    return Cast(one, many, exact=True)


def _text(given: str) -> str | None:
    return given or None


def without(texts: pa.StringArray, text: str) -> pa.StringArray:
    """The texts, with null for this one."""
    same = pc.equal(texts, text)
    return pc.if_else(same, NULL, texts) if pc.any(same).as_py() else texts


def _texts(texts: pa.StringArray) -> pa.StringArray:
    return without(texts, "")


def _lower(given: str) -> str | None:
    return "".join(letter.lower() if letter.isascii() else letter for letter in given) or None


def _lowers(texts: pa.StringArray) -> pa.StringArray:
    return pc.ascii_lower(_texts(texts))


def _addresses(texts: pa.StringArray) -> pa.StringArray:
    plain = pc.match_substring_regex(texts, IPV4)
    colon = pc.match_substring(texts, ":").fill_null(False)
    count = pc.sum(colon).as_py() or 0
    if count > MANY:
        known = pc.if_else(pc.match_substring_regex(texts.filter(colon), IPV6), True, UNKNOWN)
        plain = pc.replace_with_mask(plain, colon, known)
    elif count:
        plain = pc.if_else(colon, UNKNOWN, plain)
    return _kept(texts, plain, values.address)


def _epoch(text: str) -> str | None:
    whole, dot, fraction = text.partition(".")
    seconds = number(whole, SECONDS)
    if seconds is None or (dot and not (fraction.isascii() and fraction.isdigit() and int(seconds) >= 0)):
        return None
    return text_of(EPOCH + timedelta(seconds=int(seconds), microseconds=int(fraction[:MICRO].ljust(MICRO, "0"))))


def _epochs(texts: pa.StringArray) -> pa.StringArray:
    seconds = _number_in(SECONDS).many(texts).cast(pa.int64())
    times = pc.replace_substring(seconds.cast(pa.timestamp("s")).cast(pa.string()), " ", "T")
    whole = pc.binary_join_element_wise(times, "Z", "")
    dotted = pc.match_substring(texts, ".").fill_null(False)
    if not pc.any(dotted).as_py():
        return whole
    return pc.replace_with_mask(whole, dotted, pa.array(map(_epoch, texts.filter(dotted).to_pylist()), pa.string()))


def _rfc3339(text: str) -> str | None:
    return values.moment(text if text[-1:] in ("Z", "z") or ZONE.search(text) else f"{text}Z")


def _rfc3339s(texts: pa.StringArray) -> pa.StringArray:
    """Most texts are nearly as they are written already; that they are times Arrow judges, for all of them at once."""
    matching = are_micros(texts)
    usual = pa.repeat(True, len(texts)) if matching else pc.match_substring_regex(texts, USUAL).fill_null(False)
    try:
        pc.if_else(usual, texts, NULL).cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        usual = pa.repeat(False, len(texts))
    written = _without_zeros(texts)
    if pc.all(usual).as_py():
        return written
    rest = pc.invert(usual)
    others = [None if text is None else _rfc3339(text) for text in texts.filter(rest).to_pylist()]
    return pc.replace_with_mask(written, rest, pa.array(others, pa.string()))


def are_micros(texts: pa.StringArray) -> bool:
    """All are `USUAL` and have a fraction: by NumPy, in an eighth of the time."""
    _, offsets, data = texts.buffers()
    if texts.null_count or data is None:
        return False
    places = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    if np.any(np.diff(places) != len(LEAST)):
        return False
    octets = np.frombuffer(data, np.uint8)[places[0] : places[-1]].reshape(-1, len(LEAST))
    return bool(np.all(octets - LEAST < ALLOWED))  # what is less than the least wraps around


def _without_zeros(times: pa.StringArray) -> pa.StringArray:
    """Usual times without the zeros that end a fraction: one in ten has some."""
    zeros = pc.and_(pc.ends_with(times, "0Z"), pc.greater(pc.binary_length(times), WHOLE_SECONDS)).fill_null(False)
    short = pc.ascii_rtrim(pc.ascii_rtrim(times.filter(zeros), "0Z"), ".")
    return pc.replace_with_mask(times, zeros, pc.binary_join_element_wise(short, "Z", ""))


def _family(text: str) -> str | None:
    name = _lower(text)
    return name if name in FAMILIES else "ipv6" if ":" in text else "ipv4" if "." in text else None


def _families(texts: pa.StringArray) -> pa.StringArray:
    of_address = pc.if_else(pc.match_substring(texts, "."), "ipv4", NULL)
    of_address = pc.if_else(pc.match_substring(texts, ":"), "ipv6", of_address)
    if of_address.null_count == texts.null_count:  # no name has either
        return of_address
    names = pc.ascii_lower(texts)
    return pc.if_else(pc.is_in(names, pa.array(FAMILIES)), names, of_address)


text = Cast(_text, _texts, exact=True)
"""Any text but the empty one."""
lower = Cast(_lower, _lowers)
"""ASCII letters in lower case."""
address = Cast(values.address, _addresses, exact=True)
"""An IPv4 or IPv6 address, as it stands."""
integer = _number_in(INT64)
"""A canonical decimal within 64 bits."""
port = _number_in(range(65_536))
"""0 to 65535."""
protocol = _number_in(range(256))
"""An IANA protocol number."""
transport = by_text(PROTOCOLS.get)
"""The name of an IANA protocol number."""
family = Cast(_family, _families)
"""`ipv4` or `ipv6`, from its name in any case or of an address."""
epoch = Cast(_epoch, _epochs)
"""RFC 3339 of seconds since 1970, years 1 to 9999; since 1970 they may have a fraction."""
rfc3339 = Cast(_rfc3339, _rfc3339s, normal=True)
"""RFC 3339 in UTC of a time that is written so; one without a zone is in UTC."""
status = _number_in(range(100, 600))
"""An HTTP status."""
