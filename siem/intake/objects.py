"""What `siem ingest FILE | FOLDER | s3://BUCKET[/PREFIX]` names: objects, in a stable order, one at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from siem.config import Limits
from siem.errors import ConfigError, Denied, Gone, Unavailable, UsageError
from siem.intake.content import SMALL, Delivered
from siem.schema import SourceObject

if TYPE_CHECKING:
    from siem.aws import S3

Opener = Callable[[], AbstractContextManager[Delivered]]
"""Gives an object's bytes for as long as the `with` block lasts; raises Gone, Denied, Unavailable."""

S3_SCHEME = "s3://"


def objects(place: str, limits: Limits, key: str | None = None) -> Iterator[tuple[SourceObject, Opener]]:
    """The objects of a place, in the order of their keys' bytes (as S3 lists them).

    A folder mirrors a bucket of its name: the path below it is the key. A file's key is its path as given, or `key`.

    Raises:
        UsageError: the place does not exist.
        ConfigError, Unavailable: the bucket or a folder cannot be listed.
    """
    if place.startswith(S3_SCHEME):
        return _of_bucket(place, limits)
    path = Path(place)
    if path.is_dir():
        return _of_folder(path.resolve(), limits)
    if not path.is_file():
        raise UsageError(f"{place}: no such file or folder")
    return iter([(SourceObject("", key or place), partial(_opened, path, limits))])


def _of_bucket(place: str, limits: Limits) -> Iterator[tuple[SourceObject, Opener]]:
    bucket, _, prefix = place.removeprefix(S3_SCHEME).partition("/")
    if not bucket:
        raise UsageError(f"{place}: name a bucket, s3://BUCKET or s3://BUCKET/PREFIX")
    from siem.aws import S3  # boto3 takes 0.25 s to import: two thirds of the start of a command that reads a file

    s3 = S3()
    for listed in s3.objects(bucket, prefix):
        source = SourceObject(bucket, listed.key)
        yield source, partial(fetched, s3, source, limits)


@contextmanager
def fetched(s3: S3, source: SourceObject, limits: Limits) -> Iterator[Delivered]:
    """The bytes of an object in S3.

    Raises:
        Gone, Denied, Unavailable: it cannot be had.
    """
    with s3.fetched(source.bucket, source.key, source.version) as delivered:
        yield Delivered(delivered, limits)


def _of_folder(root: Path, limits: Limits) -> Iterator[tuple[SourceObject, Opener]]:
    for path in _files(root, root):
        yield SourceObject(root.name, path.relative_to(root).as_posix()), partial(_opened, path, limits)


def _files(folder: Path, root: Path) -> Iterator[Path]:
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
            yield from _files(path, root)
        elif entry.is_file() and (not entry.is_symlink() or path.resolve().is_relative_to(root)):
            yield path


def _opened(path: Path, limits: Limits) -> AbstractContextManager[Delivered]:
    """The bytes of a local file: small ones in memory, so that they stay what they are."""
    try:
        with path.open("rb") as file:
            data = file.read(SMALL + 1)
    except FileNotFoundError as error:
        raise Gone(f"{path}: no such file") from error
    except PermissionError as error:
        raise Denied(f"{path}: may not be read") from error
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error
    return nullcontext(Delivered(data if len(data) <= SMALL else path, limits))
