"""Text without case, in one way everywhere: rules compare so, and stores group so."""

from __future__ import annotations


def fold(text: str) -> str:
    """Lower case, code point by code point (Unicode's simple mapping), as Lucene's filter and DuckDB's `lower` do it.

    `str.lower` differs for two letters: it makes two code points of İ, and ς of a Σ that ends a word.
    """
    if text.isascii():
        return text.lower()
    return text.replace("İ", "i").replace("Σ", "σ").lower()
