"""Where output goes. A reader that has seen enough ends the command; a full disk is told in a line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from siem.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STDOUT, STDERR = 1, 2


class Closed(Exception):
    """Whoever read the output has seen enough: no error."""


class Output(FileIO):
    """A stream or file that results are written to. Its trouble is raised once; what comes afterwards is dropped.

    quiet: drop without a word, for what errors are told on.

    Raises:
        Closed: nobody reads the pipe any more. No OSError, as the command line's library makes of it what it likes.
        Unavailable: it cannot be written.
    """

    def __init__(self, place: int | Path, called: str, quiet: bool = False) -> None:
        super().__init__(place, "w", closefd=not isinstance(place, int))
        self._called, self._quiet, self._over = called, quiet, False

    def write(self, data: ReadableBuffer, /) -> int:
        if not self._over:
            try:
                return super().write(data)
            except OSError as error:
                self._over = True
                if isinstance(error, BrokenPipeError) and not self._quiet:
                    raise Closed from error
                if not self._quiet:
                    raise Unavailable(f"{self._called} cannot be written: {error.strerror}") from error
        return memoryview(data).nbytes


def guard() -> None:
    """Let stdout and stderr be of that kind, also where they are closed."""
    _occupied(STDOUT, os.O_RDONLY)  # writing to it is an error, and no file of ours takes its number
    _occupied(STDERR, os.O_WRONLY)
    encoding = sys.stdout.encoding if sys.stdout is not None else "utf-8"
    out, err = Output(STDOUT, "stdout"), Output(STDERR, "stderr", quiet=True)
    sys.stdout = TextIOWrapper(BufferedWriter(out), encoding, "backslashreplace", line_buffering=out.isatty())
    sys.stderr = TextIOWrapper(BufferedWriter(err), encoding, "backslashreplace", line_buffering=True)


def _occupied(stream: int, how: int) -> None:
    try:
        os.fstat(stream)
    except OSError:
        opened = os.open(os.devnull, how)
        if opened != stream:
            os.dup2(opened, stream)
            os.close(opened)


@contextmanager
def output(path: Path) -> Iterator[BinaryIO]:
    """A file that an option names, written anew.

    Raises:
        UsageError: it cannot be opened.
        Closed, Unavailable: it cannot be written.
    """
    try:
        raw = Output(path, str(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    with BufferedWriter(raw) as file:
        yield file
