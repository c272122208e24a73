"""Where seals lie: a folder, or a prefix of a bucket under Object Lock. What is there is never written again."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from siem.config import OURS, Access
from siem.disk import flush
from siem.errors import ConfigError, Gone, Unavailable
from siem.intake.objects import S3_SCHEME

if TYPE_CHECKING:
    from siem.aws import S3


class Anchor(Protocol):
    """Files by name."""

    def names(self) -> list[str]:
        """Of all files, in order.

        Raises:
            ConfigError, Unavailable: they cannot be listed.
        """
        ...

    def read(self, name: str) -> bytes:
        """A file.

        Raises:
            Gone, Denied, Unavailable: it cannot be had.
        """
        ...

    def write(self, name: str, content: bytes) -> bool:
        """Write a file, durably. False, and nothing changed: one of that name is there.

        Raises:
            ConfigError, Denied, Unavailable: it cannot be written.
        """
        ...


def anchor_of(text: str, access: Callable[[str], Access]) -> Anchor:
    """What the setting `verify.anchor` names. access: to a bucket.

    Raises:
        ConfigError: it is no folder and no bucket.
    """
    if not text.startswith(S3_SCHEME):
        return InFolder(Path(text).expanduser().absolute())
    bucket, _, prefix = text.removeprefix(S3_SCHEME).partition("/")
    if not bucket:
        raise ConfigError(f"verify.anchor: {text}: name a folder, s3://BUCKET or s3://BUCKET/PREFIX")
    return InBucket(bucket, f"{prefix.rstrip('/')}/" if prefix.strip("/") else "", access(bucket))


@dataclass(frozen=True)
class InFolder:
    """A folder; it is made with the first file."""

    folder: Path

    def names(self) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self.folder) if entry.is_file())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigError(f"verify.anchor: {self.folder}: {error.strerror}") from error

    def read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError as error:
            raise Gone(f"{self.folder / name}: no such file") from error
        except OSError as error:
            raise Unavailable(f"{self.folder / name}: {error.strerror}") from error

    def write(self, name: str, content: bytes) -> bool:
        """Whole or not at all: it gets its name when it is on the disk."""
        aside = self.folder / f".{name}.{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(content)
            flush(aside)
            os.link(aside, self.folder / name)
            flush(self.folder)
        except FileExistsError:
            return False
        except OSError as error:
            raise ConfigError(f"verify.anchor: {self.folder}: {error.strerror}") from error
        finally:
            with suppress(OSError):
                aside.unlink()
        return True


@dataclass(frozen=True)
class InBucket:
    """A prefix of a bucket, which ends with `/` or is empty."""

    bucket: str
    prefix: str
    access: Access = OURS

    @cached_property
    def _s3(self) -> S3:
        from siem.aws import S3  # boto3 takes 0.25 s to import

        return S3(access=self.access)

    def names(self) -> list[str]:
        found = (one.key.removeprefix(self.prefix) for one in self._s3.objects(self.bucket, self.prefix))
        return sorted(name for name in found if "/" not in name)

    def read(self, name: str) -> bytes:
        with self._s3.fetched(self.bucket, self.prefix + name) as content:
            return content if isinstance(content, bytes) else content.read_bytes()

    def write(self, name: str, content: bytes) -> bool:
        return self._s3.created(self.bucket, self.prefix + name, content)
