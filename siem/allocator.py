"""How a process of ours uses memory; see docs/decisions/0007."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

import pyarrow as pa

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
KEPT = 32 << 20
"""Free bytes at the end of the heap that are kept for the next batch. With the 128 KB that glibc keeps, load balancer
lines take 1.1 × the time, as each batch pays for its pages again."""

LARGE = 4 << 20
"""Bytes from which on an allocation is given back to the system at once. glibc would raise its own threshold to 32 MB
and keep what lies below: 300 instead of 268 MB for a VPC Flow object of any size. 1 MB: 242 MB, but 1.3 × the time."""


OBJECTS = 50_000
"""Objects that are made before Python looks for cycles among them. Parsing makes millions and no cycles: with Python's
own 700 a hunt takes 1.1 × the time."""


def settle() -> None:
    """Arrow's memory from the system's allocator, large pieces given back. Called once, where a process begins."""
    gc.set_threshold(OBJECTS)
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(OSError, AttributeError):  # another C library than glibc
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, LARGE)
        library.mallopt(M_TRIM_THRESHOLD, KEPT)


def trim() -> None:
    """Give back what is free, wherever it lies. For work over thousands of small files: 46 KB of each hang in cycles of
    objects, and what is kept of some pins the pages of others."""
    gc.collect(0)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
