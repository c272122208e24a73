"""Every exception that crosses a room's border.

SiemError
├── UsageError         the command line asks for something that does not exist       exit 2
├── ContentError       a parser, rule or list is wrong; names file and line          exit 3
├── ConfigError        a setting is wrong; names the setting                         exit 3
├── Unavailable        a dependency is down: try again later, nothing was changed    exit 4
├── Refused            the store will not take a request, however often it is tried     exit 4
├── Denied             an object may not be read, however often it is tried
│   └── Forbidden      a message names an object that no message may make us read
├── Withheld           an object alone cannot be had for a long time, while others can
├── Gone               an object does not exist any more
└── Damaged            an object ends or breaks before its end; what came before it is good
"""

from __future__ import annotations


class SiemError(Exception):
    """Root of the tree. `str()` is a sentence for people that says what to do."""

    exit_code = 1


class UsageError(SiemError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class ContentError(SiemError):
    """A content file (parser, rule, filter, list) cannot be used."""

    exit_code = 3

    def __init__(self, message: str, file: str | None = None, line: int | None = None) -> None:
        self.message, self.file, self.line = message, file, line
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(f"{place}{message}")


class ConfigError(SiemError):
    """A setting has a value that cannot work."""

    exit_code = 3


class Unavailable(SiemError):
    """A dependency (store, bucket, queue) is down. Nothing was committed; try again later."""

    exit_code = 4


class Refused(SiemError):
    """The store will not take a request, however often it is tried: `status`, `kind` and `reason` are its answer's."""

    exit_code = 4

    def __init__(self, message: str, status: int = 0, kind: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.status, self.kind, self.reason = status, kind, reason


class Denied(SiemError):
    """The object may not be read: rights, a key, or its storage class forbid it."""


class Forbidden(Denied):
    """No message may make us read this object: its bucket is not in the list, or its key could mean another."""


class Withheld(SiemError):
    """The object alone cannot be had for a long time, while others can: it is at fault, and nobody waits for it."""


class Gone(SiemError):
    """The object does not exist any more."""


class Damaged(SiemError):
    """The bytes of an object are broken from here on; everything read before stands."""
