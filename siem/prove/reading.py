"""Objects that are read several at once, in order, and never more than memory holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

THREADS, AHEAD = 8, 64
"""Objects that are read at once, and that are asked for before their turn."""

T = TypeVar("T")
R = TypeVar("R")


def mapped(make: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
    """Each item with what is made of it, in order."""
    source = iter(items)
    with ThreadPoolExecutor(THREADS) as pool:
        waiting: deque[tuple[T, Future[R]]] = deque()
        try:
            while True:
                waiting.extend([(item, pool.submit(make, item)) for item in islice(source, AHEAD - len(waiting))])
                if not waiting:
                    return
                item, made = waiting.popleft()
                yield item, made.result()
        finally:
            for _, made in waiting:
                made.cancel()


def bounded(pieces: Iterable[bytes], most: int) -> bytes:
    """The pieces joined.

    Raises:
        ValueError: they are too many.
    """
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size > most:
            raise ValueError(f"longer than {most:,} bytes")
    return b"".join(held)
