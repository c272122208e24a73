"""Regular expressions mean the same in Python and in RE2, or RE2 is not asked."""

from __future__ import annotations

import re

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.schema import fold
from siem.sigma.regex import FOLDED, Unsupported, compiled, re2, searching, wider

EVERY = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000]


@pytest.fixture(scope="module")
def letters(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    connection.register("letters", pa.table({"letter": EVERY}))
    return connection


@pytest.mark.slow
def test_every_character_folds_in_duckdb_as_here(letters: duckdb.DuckDBPyConnection) -> None:
    folded = letters.execute("SELECT lower(letter) FROM letters").fetchall()
    assert [row[0] for row in folded] == [fold(letter) for letter in EVERY]


def test_folding_is_one_character_for_one() -> None:
    assert all(len(fold(letter)) == 1 for letter in EVERY)
    assert fold("".join(EVERY)) == "".join(map(fold, EVERY))


CLASSES = [
    r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", r"[^\s]", r"[^\W]", r"[\Sa]", "[a-z]", "[^k-s]", "i", "[IKS]", ".", "é",
    "[0-z]",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("pattern", CLASSES)
@pytest.mark.parametrize("flags", [re.NOFLAG, re.I, re.S])
def test_both_find_the_same_characters(letters: duckdb.DuckDBPyConnection, pattern: str, flags: re.RegexFlag) -> None:
    written = re2(pattern, flags)
    if written is None:
        assert flags & re.I
        return
    found = letters.execute("SELECT letter FROM letters WHERE regexp_matches(letter, $p)", {"p": written}).fetchall()
    check = compiled(pattern, flags).search
    assert [row[0] for row in found] == [letter for letter in EVERY if check(letter)]


def test_it_is_known_which_characters_python_takes_for_an_ascii_letter() -> None:
    every = "".join(EVERY)
    for letter in "abcdefghijklmnopqrstuvwxyz":
        assert set(re.findall(letter, every, re.I)) == set(FOLDED.get(letter, letter + letter.upper()))


def test_an_expression_that_is_too_large_for_re2_is_left_to_the_predicate(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    assert re2("((a{100}){100}){100}") is None
    for pattern in ("a{1001}", "a{0,1001}", "a{1001,}", "(a{1000}){2}", "(?:b|(a{0,40}){0,26})", "((a{501,}b)?){2}"):
        assert re2(pattern) is None
    for pattern in ("a{1000}", "(a{1000})*", "(a{1000}){0,1}", "(a{500}){2}", "(a{31}){32}", "((a{500,}b)?){2}"):
        assert connection.execute("SELECT regexp_matches('b', $p)", {"p": re2(pattern)}).fetchall()
    assert wider("(?>((a{100}){100}){100})") is wider("(b)(?(1)((a{100}){100}){100})") is None
    largest = re2("[^a]{300}")
    assert largest is not None
    assert connection.execute("SELECT regexp_matches('b', $p)", {"p": largest}).fetchall() == [(False,)]


@pytest.mark.parametrize("pattern", ["(", "a{2}{3}", "[[:alpha:]]", "(?a)x", "(?L)x", "(?<n>x)", "x(?a:y)"])
def test_what_cannot_be_run_is_refused(pattern: str) -> None:
    with pytest.raises(Unsupported):
        compiled(pattern)


HOSTILE = [
    (r"^(a+)+$", "a" * 40 + "!"),
    (r"(?i).*(set).*&&\s?set.*(environment|invoke).*&&.*\"", "set&&set" * 300),
    (r"(?i)echo.*clip.*&&.*(Clipboard|i`?n`?v`?o`?k`?e`?)", "echo clip&&" * 300),
    (r"a.*b", "a" * 1_000_000),
    (r"(x+x+)+y", "x" * 5_000),
    (r"(x+x+)+y(?!z)", "x" * 5_000),
    (r"(?=(a+)+$)b", "a" * 5_000 + "!"),
    (r"(?>(?:a+)+$)b", "a" * 5_000 + "!"),
    (r"(c)?(?(1)d|(a+)+!)", "a" * 5_000),
    (r"^(?!z)(a+)+$", "a" * 5_000 + "!"),
    (r"(?P<one>a+)+(?P=one)!", "a" * 5_000),
    (r"^(\S+\s?)+;", "a" * 5_000),
    (r"(\W*\D*)+é1", "-" * 5_000),
    (r"(?i)(é+)+!", "é" * 5_000),
]


@pytest.mark.parametrize(("pattern", "text"), HOSTILE)
def test_no_text_makes_an_expression_search_without_end(pattern: str, text: str) -> None:
    assert not searching(pattern)(text)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|b)*c.*d", r"\ba.*b$", "(?m)^a+$", r"^(\W|[\Sa])+\D$"])
@given(text=st.text("abcd\n ", max_size=300))
def test_both_engines_of_the_predicate_agree(pattern: str, text: str) -> None:
    linear = re2(pattern)
    assert linear is not None
    found = bool(pc.match_substring_regex(pa.scalar(text), pattern=linear).as_py())
    assert (compiled(pattern).search(text[:12]) is not None) == searching(pattern)(text[:12])
    assert searching(pattern)(text) == found


@pytest.mark.parametrize(
    "pattern",
    [
        "a(?=b).*c", "(?<!a)b+c", "(?>a+|b)c", "a++b?", r"(a|b)c*\1", "(a)?b(?(1)c|d)", "(a)?(?(1)b)", "(?i)(?!a)B+",
        "(?i)(ſ|a)b", r"(?s)^(?!.*d)(.)\1$",
    ],
)  # fmt: skip
@given(text=st.text("abcd\n ", max_size=12))
def test_what_re2_has_not_is_left_out_of_a_wider_expression(pattern: str, text: str) -> None:
    assert re2(pattern) is None
    expression = wider(pattern)
    assert expression is not None
    if compiled(pattern).search(text):
        assert pc.match_substring_regex(pa.scalar(text), pattern=expression).as_py()
