"""Where the objects are that are proven: a bucket, or a folder that mirrors one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import orjson

from siem.config import OURS, Access, Limits, Settings
from siem.errors import ConfigError, Gone, UsageError
from siem.intake.content import Delivered
from siem.intake.objects import S3_SCHEME, File, fetched, objects
from siem.schema import SourceObject

if TYPE_CHECKING:
    from siem.aws import S3

SIDECAR = ".object-metadata.json"
"""`FOLDER.object-metadata.json`: what S3 keeps beside the objects, by key."""

SIGNATURE = "signature"


class Entry(NamedTuple):
    """An object in a listing. size, modified: as S3 has them; None of a file, whose times prove nothing."""

    key: str
    size: int | None = None
    modified: datetime | None = None


class Place(Protocol):
    """A bucket, or a part of it."""

    @property
    def bucket(self) -> str: ...
    @property
    def prefix(self) -> str:
        """What the keys begin with that are looked at."""
        ...

    def listed(self) -> Iterator[Entry]:
        """Its objects, in the order of their keys' bytes."""
        ...

    def opened(self, key: str) -> AbstractContextManager[Delivered]:
        """The bytes of an object.

        Raises:
            Gone, Denied, Unavailable: they cannot be had.
        """
        ...

    def signature(self, key: str) -> str | None:
        """What CloudTrail wrote beside a digest; None: nothing is there.

        Raises:
            Gone, Denied, Unavailable: it cannot be had.
        """
        ...

    @property
    def as_of(self) -> datetime | None:
        """When the listing was made; None: it is made as it is read."""
        ...

    @property
    def unsigned(self) -> str | None:
        """Why no object of this place has a signature beside it; None: they should."""
        ...


def place_of(text: str, settings: Settings, mirrored: str | None = None) -> Place:
    """What `siem verify` is told. mirrored: the bucket that a folder mirrors; if not given, one of its name.

    Raises:
        UsageError: it is no bucket and no folder.
    """
    if text.startswith(S3_SCHEME):
        bucket, _, prefix = text.removeprefix(S3_SCHEME).partition("/")
        if not bucket:
            raise UsageError(f"{text}: name a bucket, s3://BUCKET or s3://BUCKET/PREFIX")
        if mirrored is not None:
            raise UsageError(f"{text}: --bucket is for folders")
        return Bucket(bucket, prefix, settings.limits, settings.access_to(bucket))
    if not Path(text).is_dir():
        raise UsageError(f"{text}: name a folder that mirrors a bucket, or s3://BUCKET[/PREFIX]")
    root = Path(text).resolve()
    own = Path(settings.store).expanduser().resolve()  # the store's own files are no logs
    return Folder(root, mirrored or root.name, settings.limits, own)


@dataclass(frozen=True)
class Bucket:
    """A bucket in S3."""

    bucket: str
    prefix: str
    limits: Limits
    access: Access = OURS
    unsigned: str | None = None
    as_of: datetime | None = None

    @cached_property
    def _s3(self) -> S3:
        from siem.aws import S3  # boto3 takes 0.25 s to import

        return S3(access=self.access)

    def listed(self) -> Iterator[Entry]:
        for one in self._s3.objects(self.bucket, self.prefix):
            yield Entry(one.key, one.size, one.modified)

    def opened(self, key: str) -> AbstractContextManager[Delivered]:
        return fetched(self._s3, SourceObject(self.bucket, key), self.limits)

    def signature(self, key: str) -> str | None:
        return self._s3.metadata(self.bucket, key).get(SIGNATURE)


@dataclass(frozen=True)
class Folder:
    """A folder; the path below it is the key."""

    root: Path
    bucket: str
    limits: Limits
    without: Path | None = None
    prefix: str = ""
    as_of: datetime | None = None

    def listed(self) -> Iterator[Entry]:
        return (Entry(source.key) for source, _ in objects(str(self.root), self.limits, without=self.without))

    def opened(self, key: str) -> AbstractContextManager[Delivered]:
        path = self.root / key
        if "\0" in key or not path.resolve().is_relative_to(self.root):
            raise Gone(f"{key}: not in the folder")
        return File(path, self.limits)()

    def signature(self, key: str) -> str | None:
        return self._signatures.get(key)

    @property
    def unsigned(self) -> str | None:
        return None if self._sidecar.is_file() else f"signatures: there is no {self._sidecar.name} beside the folder"

    @property
    def _sidecar(self) -> Path:
        return self.root.with_name(self.root.name + SIDECAR)

    @cached_property
    def _signatures(self) -> Mapping[str, str]:
        """By key.

        Raises:
            ConfigError: the file is something else.
        """
        if not self._sidecar.is_file():
            return {}
        try:
            kept = orjson.loads(self._sidecar.read_bytes())
            found = {key: {name.lower(): text for name, text in beside.items()} for key, beside in kept.items()}
        except (OSError, ValueError, AttributeError) as error:
            raise ConfigError(f"{self._sidecar}: not the metadata of objects by key ({error})") from error
        return {key: str(beside[SIGNATURE]) for key, beside in found.items() if SIGNATURE in beside}
