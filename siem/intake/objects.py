"""What `siem ingest FILE | FOLDER | s3://BUCKET[/PREFIX]` names: objects, in a stable order, one at a time."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from siem.config import Limits
from siem.errors import ConfigError, Denied, Gone, Unavailable, UsageError
from siem.intake.content import SMALL, Delivered
from siem.schema import SourceObject

if TYPE_CHECKING:
    from siem.aws import S3, Listed

S3_SCHEME = "s3://"


class Opener(Protocol):
    """Has an object's bytes."""

    def __call__(self) -> AbstractContextManager[Delivered]:
        """The bytes, for as long as the `with` block lasts.

        Raises:
            Gone, Denied, Unavailable: they cannot be had.
        """
        ...

    def unchanged(self, size: int, since: datetime) -> bool:
        """The listing alone shows that the object still has the bytes, `size` of them, that it had at that time."""
        ...


def objects(
    place: str, limits: Limits, key: str | None = None, without: Path | None = None, at_hand: bool = False
) -> Iterator[tuple[SourceObject, Opener]]:
    """The objects of a place, in the order of their keys' bytes (as S3 lists them).

    A folder mirrors a bucket of its name: the path below it is the key. A file's key is its path as given, or `key`.
    without: a resolved folder that is left out. at_hand: they are looked at, not kept. Then a folder is so many files,
    each with its path as given, and pipes are taken too; their bytes can be had once.

    Raises:
        UsageError: the place does not exist.
        ConfigError, Unavailable: the bucket or a folder cannot be listed.
    """
    if place.startswith(S3_SCHEME):
        return _of_bucket(place, limits)
    if not place:
        raise UsageError("a place is empty; name a file, a folder or s3://BUCKET")
    path = Path(place)
    if path.is_dir():
        found = _of_folder(path.resolve(), limits, without)
        return _as_given(place, found) if at_hand else found
    if at_hand and path.is_fifo():
        return iter([(SourceObject("", key or place), Pipe(path, limits))])
    if not path.is_file():
        raise UsageError(f"{place}: {'no regular file or folder' if path.exists() else 'no such file or folder'}")
    return iter([(SourceObject("", key or place), File(path, limits))])


@dataclass(frozen=True)
class File:
    """A local file. Its times prove nothing (copies keep them): only bytes tell whether it changed."""

    path: Path
    limits: Limits

    def __call__(self) -> AbstractContextManager[Delivered]:
        """Small ones are held in memory, so that they stay what they are."""
        with troubles_of(self.path), self.path.open("rb") as file:
            data = file.read(SMALL + 1)
        return nullcontext(Delivered(data if len(data) <= SMALL else self.path, self.limits))

    def unchanged(self, size: int, since: datetime) -> bool:
        return False


@dataclass(frozen=True)
class Pipe(File):
    """A pipe, `/dev/stdin` or `<(…)`: copied, as parsers read a file more than once."""

    def __call__(self) -> AbstractContextManager[Delivered]:
        return self._copied()

    @contextmanager
    def _copied(self) -> Iterator[Delivered]:
        with tempfile.NamedTemporaryFile() as copy:
            with troubles_of(self.path), self.path.open("rb") as pipe:
                shutil.copyfileobj(pipe, copy)
                copy.flush()
            yield Delivered(Path(copy.name), self.limits)


@dataclass(frozen=True)
class Stored:
    """An object in S3, as it was listed."""

    s3: S3
    source: SourceObject
    limits: Limits
    listed: Listed

    def __call__(self) -> AbstractContextManager[Delivered]:
        return fetched(self.s3, self.source, self.limits)

    def unchanged(self, size: int, since: datetime) -> bool:
        """Only S3 sets the time of an object, in whole seconds, and sets it whenever the object is written."""
        return self.listed.size == size and self.listed.modified < since.replace(microsecond=0)


def _of_bucket(place: str, limits: Limits) -> Iterator[tuple[SourceObject, Opener]]:
    bucket, _, prefix = place.removeprefix(S3_SCHEME).partition("/")
    if not bucket:
        raise UsageError(f"{place}: name a bucket, s3://BUCKET or s3://BUCKET/PREFIX")
    from siem.aws import S3  # boto3 takes 0.25 s to import: two thirds of the start of a command that reads a file

    s3 = S3()
    for listed in s3.objects(bucket, prefix):
        source = SourceObject(bucket, listed.key)
        yield source, Stored(s3, source, limits, listed)


@contextmanager
def fetched(s3: S3, source: SourceObject, limits: Limits) -> Iterator[Delivered]:
    """The bytes of an object in S3.

    Raises:
        Gone, Denied, Unavailable: it cannot be had.
    """
    with s3.fetched(source.bucket, source.key, source.version) as delivered:
        yield Delivered(delivered, limits)


def _of_folder(root: Path, limits: Limits, without: Path | None) -> Iterator[tuple[SourceObject, Opener]]:
    if without is not None and root.is_relative_to(without):
        return
    for path in _files(root, root, without):
        yield SourceObject(root.name, path.relative_to(root).as_posix()), File(path, limits)


def _as_given(folder: str, found: Iterator[tuple[SourceObject, Opener]]) -> Iterator[tuple[SourceObject, Opener]]:
    """Files of a folder, called as if each were given by itself."""
    return ((SourceObject("", f"{folder.rstrip('/')}/{source.key}"), opener) for source, opener in found)


def _files(folder: Path, root: Path, without: Path | None) -> Iterator[Path]:
    """Regular files below a folder, one folder's names in memory at a time.

    Of links only those to files inside `root` are followed: what lies elsewhere is not in the bucket.
    """
    try:
        with os.scandir(folder) as entries:
            found = [(os.fsencode(entry.name) + b"/" * entry.is_dir(follow_symlinks=False), entry) for entry in entries]
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}") from error
    for name, entry in sorted(found, key=lambda pair: pair[0]):
        path = folder / entry.name
        if name.endswith(b"/"):
            if path != without:
                yield from _files(path, root, without)
        elif entry.is_file() and (not entry.is_symlink() or path.resolve().is_relative_to(root)):
            yield path


@contextmanager
def troubles_of(path: Path) -> Iterator[None]:
    """Errors of a file, in our words.

    Raises:
        Gone, Denied, Unavailable: it cannot be had.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise Gone(f"{path}: no such file") from error
    except PermissionError as error:
        raise Denied(f"{path}: may not be read") from error
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error
