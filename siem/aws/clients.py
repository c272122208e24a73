"""Clients of AWS's services, and who signs their requests: we ourselves, or a role that we assume."""

from __future__ import annotations

import os
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import BotoCoreError, NoCredentialsError

from siem.aws.errors import in_our_words
from siem.config import Access

SESSION = "siem"
"""How CloudTrail calls what we do in a role."""


class Assumed(CredentialProvider):  # type: ignore[misc]  # botocore has no types
    """Credentials of a role, fetched with our own when they are needed, and again before they expire."""

    METHOD = "siem-assumed-role"

    def __init__(self, access: Access) -> None:
        super().__init__()
        own = botocore.session.Session()
        extra = {"RoleSessionName": SESSION} | ({"ExternalId": access.external_id} if access.external_id else {})
        self._fetcher = AssumeRoleCredentialFetcher(own.create_client, own.get_credentials(), access.role, extra)

    def load(self) -> Any:
        return DeferredRefreshableCredentials(self._fetcher.fetch_credentials, self.METHOD)


def client(service: str, access: Access, threads: int = 16, **more: Any) -> Any:
    """A client, safe to share between threads. `more` is botocore's configuration.

    Raises:
        ConfigError: the `AWS_*` variables or the profile cannot work.
    """
    config = Config(
        max_pool_connections=threads, connect_timeout=10, read_timeout=60, retries={"mode": "standard"}, **more
    )
    try:
        session = botocore.session.Session()
        if access.role:
            session.register_component("credential_provider", CredentialResolver([Assumed(access)]))
        place = {"region_name": access.region, "endpoint_url": access.endpoint}
        return boto3.Session(botocore_session=session).client(service, config=config, **place)
    except BotoCoreError as error:
        raise in_our_words(error, service) from error


def has_own_endpoint(service: str, access: Access) -> bool:
    """Requests go somewhere else than to AWS: there a bucket may be no host's name."""
    return bool(
        access.endpoint or os.environ.get("AWS_ENDPOINT_URL") or os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}")
    )


def credentials() -> Any:
    """Who signs requests to AWS: as botocore has it, and renewed by it when they expire.

    Raises:
        ConfigError: there are none.
    """
    try:
        found = boto3.Session().get_credentials()
    except BotoCoreError as error:
        raise in_our_words(error, "AWS") from error
    if found is None:
        raise in_our_words(NoCredentialsError(), "AWS")
    return found
