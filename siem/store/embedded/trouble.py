"""What goes wrong below the store, said to people: the path, what happened, what to do."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from siem.errors import Unavailable

ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "the quota is used up: free some space",
    errno.EFBIG: "files may not grow that large here: raise the limit (ulimit -f)",
    errno.EACCES: "let this user read and write the folder",
    errno.EPERM: "let this user read and write the folder",
    errno.EROFS: "the file system is read-only: choose another folder or mount it writable",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENOTDIR: "name a folder",
    errno.EEXIST: "name a folder",
}


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """Turn errors of SQLite, Parquet and the file system into the one that callers know.

    Raises:
        Unavailable: with the path and advice.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise Unavailable(f"store {folder}: {error}; {_sqlite_advice(str(error))}") from error
    except pa.ArrowInvalid as error:
        raise Unavailable(f"store {folder}: a file cannot be read ({error}); restore it from a backup") from error
    except OSError as error:
        advice = ADVICE.get(error.errno or 0, "look at the disk and the folder's rights")
        place = f" ({error.filename})" if error.filename else ""
        raise Unavailable(f"store {folder}: {error.strerror or error}{place}; {advice}") from error


def _sqlite_advice(message: str) -> str:
    if "locked" in message or "busy" in message:
        return "another process holds the ledger for too long: try again"
    if "full" in message:
        return "free some space"
    if "malformed" in message or "not a database" in message:
        return "ledger.sqlite is damaged: restore it from a backup"
    return "look at the disk and the folder's rights"
