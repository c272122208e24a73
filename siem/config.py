"""Settings: `siem.toml` in the working folder, then `SIEM_*` variables, then the command line."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, PositiveInt, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from siem.errors import ConfigError
from siem.spans import length

MEBI = 1 << 20

RATIO_FROM = 16 * MEBI
"""Content below this is never too much for its compressed size: an empty day of logs compresses 1,000 times."""

PREFIX = re.compile(r"[a-z0-9][a-z0-9._-]*")
"""What names of indices may begin with."""


class Limits(BaseModel, frozen=True):
    """What one object may cost. An object or record beyond them is kept as damaged or rejected, never in silence."""

    object_bytes: int = Field(default=16 << 30, gt=0, description="decompressed bytes of one object")
    ratio: float = Field(default=500, gt=1, description="decompressed over compressed bytes, looked at beyond 16 MiB")
    record_bytes: int = Field(default=MEBI, gt=0, description="bytes of one record or line")
    depth: int = Field(default=64, gt=0, le=200, description="levels of nesting of one record")
    block_bytes: int = Field(default=4 * MEBI, ge=64 << 10, description="bytes that are parsed at a time")

    def allowed(self, size: int) -> tuple[int, str]:
        """Bytes of content that an object of `size` delivered bytes may have, and what is said of one with more."""
        expanded = max(RATIO_FROM, int(size * self.ratio))
        if expanded < self.object_bytes:
            return expanded, f"expands to more than {self.ratio:g} times its size (limits.ratio)"
        return self.object_bytes, f"longer than {self.object_bytes:,} bytes (limits.object_bytes)"


class Batching(BaseModel, frozen=True):
    """How many small objects are written together."""

    events: int = Field(default=50_000, gt=0, description="events in one write")
    objects: int = Field(default=1_000, gt=0, description="objects in one write")


class Detect(BaseModel, frozen=True):
    """How matches become alerts."""

    live_window: timedelta = Field(
        default=timedelta(hours=24),
        gt=timedelta(0),
        description="events older than this when they are stored are history",
    )

    @field_validator("live_window", mode="before")
    @classmethod
    def _span(cls, value: object) -> object:
        """`90m`, `24h`, `7d`; anything else is left to the type, which takes seconds and ISO 8601 too."""
        found = length(value, "smhd", digits=6) if isinstance(value, str) else None
        return value if found is None else found


class Access(BaseModel, frozen=True):
    """How a bucket is read that is not simply ours."""

    account: str | None = Field(
        default=None, pattern=r"^\d{12}$", description="whose bucket it is: reading another's fails"
    )
    role: str | None = Field(default=None, pattern="^arn:", description="role to assume")
    external_id: str | None = Field(default=None, description="what that role asks for to be assumed")
    region: str | None = Field(default=None, description="of the bucket, where it is not ours")
    endpoint: str | None = Field(default=None, description="address of an S3 that is not AWS's")
    requester_pays: bool = Field(default=False, description="we pay for what we read")


OURS = Access()


class Worker(BaseModel, frozen=True):
    """How a worker goes about its queues. Bounds are those of one process."""

    threads: int = Field(default=8, gt=0, le=64, description="objects that are fetched at a time")
    messages: int = Field(default=1_000, ge=10, description="messages that are held at a time")
    visibility: int | None = Field(
        default=None, ge=3, le=43_200, description="seconds that messages are hidden at a time; the queue's own if none"
    )
    wait: int = Field(default=5, ge=0, le=20, description="seconds that a queue is asked for a first message")
    bytes: int = Field(default=8 * MEBI, gt=0, description="bytes of objects, as delivered, in one write")
    seconds: float = Field(default=5.0, ge=0, description="seconds that an object waits for others to be written with")
    patience: float = Field(default=60.0, ge=0, description="seconds that an object alone is fetched again and again")
    attempts: int = Field(default=5, gt=0, description="times a message is tried that no dead-letter queue takes")
    listen: str | None = Field(default=None, description="HOST:PORT where /healthz, /readyz and /metrics are answered")
    grace: float = Field(default=20.0, ge=0, description="seconds that a stopped worker has for what it has begun")


class Verify(BaseModel, frozen=True):
    """What proofs stand on."""

    anchor: str | None = Field(default=None, description="folder or s3:// where seals lie, best under Object Lock")


class OpenSearch(BaseModel, frozen=True):
    """How a cluster is reached, where `store` is its address; and how its indices are laid out."""

    user: str | None = Field(default=None, description="name for basic authentication; also `https://user:password@…`")
    password: SecretStr | None = Field(default=None, description="password of that user")
    certificate: Path | None = Field(default=None, description="PEM file of a client certificate, with its chain")
    key: Path | None = Field(default=None, description="PEM file of its private key, without a passphrase")
    ca: Path | None = Field(
        default=None, description="PEM file of the authorities that the cluster's certificate is of"
    )
    verify: bool = Field(default=True, description="check the cluster's certificate and name")
    region: str | None = Field(default=None, description="AWS region that requests are signed for (SigV4)")
    timeout: float = Field(default=60, gt=0, description="seconds that one answer may take")
    patience: float = Field(default=60, ge=0, description="seconds that a request is repeated while it is away")
    gzip: bool = Field(default=False, description="compress requests")
    prefix: str | None = Field(
        default=None, max_length=64, description="what the names of all indices and templates begin with"
    )
    periods: dict[str, Literal["day", "month"]] = Field(default={}, description="what an index of a dataset spans")

    @field_validator("prefix")
    @classmethod
    def _of_an_index(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not PREFIX.fullmatch(value):
            raise ValueError("begin with a letter or digit, and use lower case letters, digits, `-`, `_` and `.`")
        if "events-" in value:  # `events-*` of the store without a prefix would mean this store's indices too
            raise ValueError("it may not contain `events-`: patterns of one store would mean another's indices")
        return value


def listed(value: object) -> object:
    """Names as a variable has them: with commas between."""
    return tuple(name for part in value.split(",") if (name := part.strip())) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)]


class Scheduler(BaseModel, frozen=True):
    """What `siem scheduler` does, and how often."""

    detect: float = Field(default=60, gt=0, le=86_400, description="seconds between two detection passes")
    listen: str | None = Field(default=None, description="HOST:PORT where /healthz, /readyz and /metrics are answered")


class Settings(BaseSettings):
    """All settings, with their defaults. `SIEM_LIMITS__DEPTH=32` sets `limits.depth`."""

    model_config = SettingsConfigDict(
        env_prefix="SIEM_", env_nested_delimiter="__", toml_file="siem.toml", extra="forbid", frozen=True
    )

    store: str = Field(default="./siem-data", min_length=1)
    content: Path | None = None
    limits: Limits = Limits()
    batching: Batching = Batching()
    queues: Names = ()
    buckets: Names = ()
    access: dict[str, Access] = {}
    worker: Worker = Worker()
    retention: dict[str, PositiveInt] = Field(
        default={}, description="days that events are kept, by dataset; `default` for those that are not named"
    )
    detect: Detect = Detect()
    verify: Verify = Verify()
    opensearch: OpenSearch = OpenSearch()
    scheduler: Scheduler = Scheduler()

    def access_to(self, bucket: str) -> Access:
        """What is set for the bucket, and, where it is silent, for its account."""
        own = self.access.get(bucket, OURS)
        common = self.access.get(own.account or "", OURS)
        return Access(**(common.model_dump(exclude_unset=True) | own.model_dump(exclude_unset=True)))

    @field_validator("content", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        if value == "":
            raise ValueError("empty; name a folder")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**given: object) -> Settings:
    """The settings in force; `given` comes from the command line and wins, None in it means not given.

    Raises:
        ConfigError: a value cannot work; the message names the setting.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"settings: {problems}") from error
    except SettingsError as error:
        raise ConfigError(f"settings: {error}; a SIEM_* variable that holds several values is a JSON object") from error
    except ValueError as error:  # siem.toml is not TOML
        raise ConfigError(f"siem.toml: {error}") from error
