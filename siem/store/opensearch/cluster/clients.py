"""From settings to a connection: who we are, whom we trust, and how long we wait."""

from __future__ import annotations

import ssl
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch, Urllib3AWSV4SignerAuth
from opensearchpy.connection import Connection as Transport
from urllib3 import disable_warnings
from urllib3.exceptions import InsecureRequestWarning

from siem import aws
from siem.config import OpenSearch as Options
from siem.config import Settings
from siem.errors import ConfigError
from siem.store.opensearch.cluster.addresses import Address, address
from siem.store.opensearch.cluster.connection import Connection, Json
from siem.store.opensearch.names import Names, Period

THREADS = 16
"""Connections to a host that are kept open."""

OLDEST = (2, 19)
"""Version of OpenSearch: what this store was made for and measured on is 3.8."""

PRETENDED = (7, 10)
"""What a cluster says for the sake of old clients, if it is told to."""

NO_SERVERLESS = (
    "is Amazon OpenSearch Serverless, which has no refresh and keeps no document ids in time series collections: nobody"
    " could tell whether every event is there, and once; use a domain of Amazon OpenSearch Service, a cluster of your"
    " own, or a folder"
)


def connect(settings: Settings) -> Connection:
    """The cluster that `settings.store` names; nothing is sent yet.

    Raises:
        ConfigError: a setting cannot work.
    """
    where, options = address(settings.store), settings.opensearch
    if any(host.serverless for host in where.hosts):
        raise ConfigError(f"store: {where} {NO_SERVERLESS}")
    client = OpenSearch(
        [
            {"host": host.name, "port": host.port, "use_ssl": host.scheme == "https", "url_prefix": host.path}
            for host in where.hosts
        ],
        serializer=Json(),
        timeout=options.timeout,
        max_retries=len(where.hosts) - 1,  # each host once: `Connection` decides about more
        retry_on_timeout=False,
        pool_maxsize=THREADS,
        http_compress=options.gzip,
        ssl_context=trust(options) if any(host.scheme == "https" for host in where.hosts) else None,
        **identity(where, options),
    )
    return Connection(client, str(where), options.patience)


def names_of(settings: Settings) -> Names:
    """Names of the indices as the settings have them; `preparing.settled` adds what the cluster was prepared with."""
    options = settings.opensearch
    periods = {dataset: Period(period) for dataset, period in options.periods.items()}
    kept = max(Names.kept, *map(timedelta, settings.retention.values()), timedelta())
    return Names(options.prefix or "", periods, kept)


def identity(where: Address, options: Options) -> dict[str, Any]:
    """How a request says who sends it: by name and password, or signed."""
    if who := credentials(where, options):
        # not the library's `http_auth`, which knows no letters beyond Latin-1
        return {"headers": {"authorization": f"Basic {b64encode(':'.join(who).encode()).decode()}"}}
    if region := signing_region(where, options):
        return {"http_auth": Urllib3AWSV4SignerAuth(aws.credentials(), region, "es")}
    return {}


def credentials(where: Address, options: Options) -> tuple[str, str] | None:
    user = options.user or where.user
    password = options.password.get_secret_value() if options.password else where.password
    if not user and not password:
        return None
    if not user or password is None:
        raise ConfigError(f"settings: opensearch.{'password' if user else 'user'} is missing; a user needs both")
    if ":" in user:
        raise ConfigError("settings: opensearch.user has a colon, which no user of basic authentication can have")
    return user, password


def signing_region(where: Address, options: Options) -> str | None:
    regions = {options.region or host.region for host in where.hosts}
    if len(regions) > 1:
        raise ConfigError(f"store: {where} are not of one cluster; set opensearch.region if they are")
    return regions.pop()


def trust(options: Options) -> ssl.SSLContext:
    """Whose certificates we take, and which is ours.

    Raises:
        ConfigError: a file is not there, or not what it should be.
    """
    for name in ("ca", "certificate", "key"):
        readable(name, getattr(options, name))
    if options.key and not options.certificate:
        raise ConfigError("settings: opensearch.key is the key of a certificate; set opensearch.certificate too")
    context = ssl.create_default_context()
    try:
        authorities = options.ca or Path(Transport.default_ca_certs() or "")
        folder = authorities.is_dir()
        context.load_verify_locations(None if folder else authorities, authorities if folder else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"settings: opensearch.ca: {authorities} holds no certificates in PEM form") from error
    if options.certificate:
        present(context, options.certificate, options.key)
    if not options.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        disable_warnings(InsecureRequestWarning)  # `cautions` says it once, and in our words
    return context


def present(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Our own certificate."""
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")  # nobody is there to be asked for one
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"settings: opensearch.certificate: {certificate} and {key or 'the key in it'} are no certificate and its"
            " private key in PEM form, without a passphrase"
        ) from error


def readable(name: str, file: Path | None) -> None:
    if file is None:
        return
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise ConfigError(f"settings: opensearch.{name}: {file}: {error.strerror}") from error


def cautions(settings: Settings) -> list[str]:
    """What works, and should not be so."""
    where, options = address(settings.store), settings.opensearch
    told = []
    if far := [host for host in where.hosts if host.scheme == "http" and not host.near]:
        secret = "password and events" if credentials(where, options) else "events"
        told.append(f"{secret} go to {far[0]} as clear text; use https")
    if not options.verify and any(host.scheme == "https" for host in where.hosts):
        told.append("whoever answers is taken for the cluster (opensearch.verify is off); set opensearch.ca instead")
    return told


def check_product(connection: Connection) -> str:
    """The version of the cluster.

    Raises:
        ConfigError: it is something that this store was not made for.
    """
    answer = connection.ask("GET", "/")
    version = answer.get("version", {}) if isinstance(answer, dict) else {}
    number = str(version.get("number", ""))
    if version.get("distribution") != "opensearch":
        what = (
            f"Elasticsearch {number}" if "build_flavor" in version or "lucene_version" in version else "no OpenSearch"
        )
        raise ConfigError(f"store {connection.name} is {what}; this store needs OpenSearch {oldest()} or newer")
    if not OLDEST <= numbers(number) < PRETENDED:
        raise ConfigError(
            f"store {connection.name} is OpenSearch {number}; {oldest()} or newer is needed (is it newer, switch its"
            " compatibility.override_main_response_version off)"
        )
    return number


def oldest() -> str:
    return ".".join(map(str, OLDEST))


def numbers(version: str) -> tuple[int, ...]:
    return tuple([int(part) for part in version.partition("-")[0].split(".")[:2] if part.isdecimal()])
