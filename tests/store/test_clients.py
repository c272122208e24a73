"""Settings become a connection that says who we are, trusts nobody else, and tells no secrets."""

from __future__ import annotations

import gzip
import ssl
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from listening import Listener, Request, listener
from signing import authorization, sha, signature

from siem.config import Settings, load_settings
from siem.errors import ConfigError, Unavailable
from siem.store.opensearch.cluster.addresses import Address, Host, address, is_address
from siem.store.opensearch.cluster.clients import cautions, check_product, connect, names_of
from siem.store.opensearch.names import Period

TLS = Path(__file__).parent / "tls"
SIEM = {"user": "siem", "password": "hunter2"}
KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # as in AWS's own examples


@pytest.fixture(autouse=True)
def _nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings and no credentials but those of the test."""
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


@pytest.fixture
def heard() -> Iterator[Listener]:
    with listener() as listening:
        yield listening


def settings(store: str, **options: Any) -> Settings:
    return load_settings(store=store, opensearch={"patience": 0, **options})


def sent(listening: Listener, *request: Any, **options: Any) -> Request:
    """One request, as it arrived."""
    connection = connect(settings(f"http://127.0.0.1:{listening.port}", **options))
    connection.ask(*(request or ("GET", "/")))
    connection.close()
    return listening.seen[-1]


class TestAddresses:
    def test_several_hosts(self) -> None:
        found = address("https://one.example:9200, http://[2001:db8::1]/path/")
        assert found == Address((Host("https", "one.example", 9200), Host("http", "2001:db8::1", 9200, "/path")))
        assert str(found) == "https://one.example:9200, http://[2001:db8::1]:9200/path"

    def test_https_without_a_port_is_where_https_is(self) -> None:
        assert address("https://one.example").hosts[0].port == 443

    def test_a_user_is_decoded_and_never_shown(self) -> None:
        found = address("https://a%40b:p%2Fw%3A@one.example,https://two.example")
        assert (found.user, found.password) == ("a@b", "p/w:")
        assert "p/w:" not in f"{found!r} {found}"
        assert "p%2F" not in f"{found!r} {found}"

    @pytest.mark.parametrize(
        ("place", "told"),
        [
            ("ftp://host", "neither with https"),
            ("https://one,two", "address 2 begins neither"),
            ("https://", "names no host"),
            ("https://u:hunter2@", "names no host"),
            ("https://host:port", "no port"),
            ("https://host:99999", "no port"),
            ("https://u:hunter2/x@host", "no port.*%2F"),
            ("https://u:9/hunter2@host", "%2F"),
            ("https://u:hunter2?@host", "%3F"),
            ("https://u:hunter2,x@host", "%2C"),
            ("https://u:hunter2@one,https://v:hunter2@two", "different users"),
            ("https://host/?x=1", "%3F"),
        ],
    )
    def test_what_is_none_is_told_without_the_password(self, place: str, told: str) -> None:
        with pytest.raises(ConfigError, match=told) as raised:
            address(place)
        assert "hunter2" not in str(raised.value)

    def test_a_folder_is_none(self) -> None:
        assert [is_address(place) for place in ("./siem-data", "C:/x", "https://h", "s3://b")] == [
            False,
            False,
            True,
            True,
        ]

    @pytest.mark.parametrize(
        ("name", "region"),
        [
            ("search-logs-abc.eu-central-1.es.amazonaws.com", "eu-central-1"),
            ("vpc-logs-abc.cn-north-1.es.amazonaws.com.cn", "cn-north-1"),
            ("search-logs-abc.aos.us-gov-west-1.on.aws", "us-gov-west-1"),
            ("search-logs-abc.eu-central-1.es.amazonaws.com.example", None),
            ("es.amazonaws.com", None),
            ("opensearch.example", None),
        ],
    )
    def test_amazons_names_say_the_region(self, name: str, region: str | None) -> None:
        assert address(f"https://{name}").hosts[0].region == region

    @pytest.mark.parametrize(
        "name", ["abc.eu-west-1.aoss.amazonaws.com", "abc.aoss.eu-west-1.on.aws", "abc.aoss-fips.us-east-1.on.aws"]
    )
    def test_serverless_is_refused(self, name: str) -> None:
        with pytest.raises(ConfigError, match=rf"https://{name}:443 is Amazon OpenSearch Serverless.*use a domain"):
            connect(settings(f"https://{name}"))


class TestIdentity:
    def test_nobody_sends_no_authorization(self, heard: Listener) -> None:
        assert "authorization" not in sent(heard).headers

    @pytest.mark.parametrize("password", ["secret", "pä:ß€", " "])
    def test_a_user_in_the_settings(self, heard: Listener, password: str) -> None:
        request = sent(heard, user="siem", password=password)
        kind, _, told = request.headers["authorization"].partition(" ")
        assert (kind, b64decode(told).decode()) == ("Basic", f"siem:{password}")

    def test_a_user_in_the_address(self, heard: Listener) -> None:
        connection = connect(settings(f"http://siem:p%40ss@127.0.0.1:{heard.port}"))
        connection.ask("GET", "/")
        connection.close()
        assert b64decode(heard.seen[0].headers["authorization"].split()[1]) == b"siem:p@ss"
        assert connection.name == f"http://127.0.0.1:{heard.port}"

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"user": "siem"}, "opensearch.password is missing"),
            ({"password": "hunter2"}, "opensearch.user is missing"),
            ({"user": "a:b", "password": "hunter2"}, "has a colon"),
        ],
    )
    def test_half_a_user_is_told(self, options: dict[str, Any], told: str) -> None:
        with pytest.raises(ConfigError, match=told) as raised:
            connect(settings("http://localhost:9200", **options))
        assert "hunter2" not in str(raised.value)

    def test_a_password_is_in_no_text_of_the_settings(self) -> None:
        assert "hunter2" not in repr(settings("http://localhost", **SIEM))


class TestSigning:
    @pytest.mark.parametrize(
        ("method", "expected"),
        [
            ("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ],
    )
    def test_the_reference_agrees_with_awss_own_vectors(self, method: str, expected: str) -> None:
        """`get-vanilla` and `post-vanilla` of the Signature Version 4 Test Suite."""
        headers = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}
        request = Request(method, "/", headers, b"")
        scope = "20150830/us-east-1/service/aws4_request"
        assert signature(request, ["host", "x-amz-date"], SECRET, scope) == expected

    @pytest.mark.parametrize("token", [None, "a/session+token=="])
    @pytest.mark.parametrize("gzipped", [False, True], ids=["plain", "gzip"])
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("GET", "/", None),
            ("POST", "/_bulk", '{"create":{"_id":"1"}}\n{"a":"ä😀"}\n'.encode()),
            ("POST", "/events-*,siem-log/_search", {"query": {"match_all": {}}}),
            ("PUT", "/_component_template/siem-events%40custom", {"template": {}}),
            ("PUT", "/_component_template/siem-events@custom", {"template": {}}),
        ],
        ids=["root", "bulk", "pattern", "escaped", "at"],
    )
    def test_what_arrives_has_the_signature_that_aws_computes(
        self,
        heard: Listener,
        monkeypatch: pytest.MonkeyPatch,
        token: str | None,
        gzipped: bool,
        method: str,
        path: str,
        body: Any,
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        if token:
            monkeypatch.setenv("AWS_SESSION_TOKEN", token)
        connection = connect(settings(f"http://127.0.0.1:{heard.port}", region="eu-central-1", gzip=gzipped))
        connection.ask(method, path, body, allow_no_indices="true", filter_path="*.mappings._meta,took")
        connection.close()
        (request,) = heard.seen
        key_id, scope, signed, told = authorization(request.headers)
        assert (key_id, scope.split("/")[1:]) == (KEY_ID, ["eu-central-1", "es", "aws4_request"])
        assert scope.startswith(request.headers["x-amz-date"][:8])
        assert told == signature(request, signed, SECRET, scope)
        assert {"host", "x-amz-date", *(["x-amz-security-token"] if token else [])} <= set(signed)
        assert request.headers["x-amz-content-sha256"] == sha(request.body)
        if body and gzipped:
            assert request.headers["content-encoding"] == "gzip"
            sent_body = gzip.decompress(request.body)
            assert sent_body == (body if isinstance(body, bytes) else orjson.dumps(body))

    def test_without_credentials_it_is_told_what_to_set(self) -> None:
        with pytest.raises(ConfigError, match="set AWS_PROFILE or AWS_ACCESS_KEY_ID"):
            connect(settings("https://search-logs.eu-central-1.es.amazonaws.com"))

    def test_a_user_takes_the_place_of_a_signature(self, heard: Listener) -> None:
        assert sent(heard, **SIEM, region="eu-central-1").headers["authorization"].startswith("Basic ")

    def test_hosts_of_two_regions_are_no_cluster(self) -> None:
        both = "https://a.eu-west-1.es.amazonaws.com,https://b.eu-west-2.es.amazonaws.com"
        with pytest.raises(ConfigError, match="not of one cluster"):
            connect(settings(both))


class TestTrust:
    @pytest.fixture
    def secured(self) -> Iterator[Listener]:
        """One that wants a certificate of its clients, too."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=TLS / "certificate.pem")
        context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        with listener(context) as listening:
            yield listening

    OURS = {"certificate": TLS / "certificate.pem", "key": TLS / "key.pem", "ca": TLS / "certificate.pem"}  # noqa: RUF012

    def test_both_sides_show_a_certificate(self, secured: Listener) -> None:
        connection = connect(settings(f"https://localhost:{secured.port}", **self.OURS))
        assert connection.ask("GET", "/x") == {}
        connection.close()
        assert secured.seen[0].target == "/x"

    @pytest.mark.parametrize(
        ("scheme", "name", "without", "more", "told"),
        [
            ("https", "localhost", "ca", {}, "certificate is not trusted .*opensearch.ca"),
            ("https", "127.1", "", {}, "certificate is not trusted .*127.1"),
            ("https", "localhost", "certificate", {"key": None}, "does not take our certificate|no answer"),
        ],
        ids=["unknown authority", "another name", "none of ours"],
    )
    def test_who_is_not_trusted_gets_nothing(
        self, secured: Listener, scheme: str, name: str, without: str, more: dict[str, Any], told: str
    ) -> None:
        options = {key: value for key, value in self.OURS.items() if key != without} | more
        connection = connect(settings(f"{scheme}://{name}:{secured.port}", **options))
        with pytest.raises((ConfigError, Unavailable), match=told):  # by how fast its alert comes
            connection.ask("GET", "/")
        connection.close()
        assert secured.seen == []

    def test_verification_can_be_switched_off(self, secured: Listener) -> None:
        connection = connect(settings(f"https://localhost:{secured.port}", **{**self.OURS, "ca": None}, verify=False))
        assert connection.ask("GET", "/") == {}
        connection.close()

    def test_https_to_who_speaks_http_is_told(self, heard: Listener) -> None:
        connection = connect(settings(f"https://localhost:{heard.port}"))
        with pytest.raises(ConfigError, match="does not speak TLS"):
            connection.ask("GET", "/")
        connection.close()

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"ca": "nowhere.pem"}, r"opensearch\.ca: nowhere\.pem: No such file"),
            ({"certificate": "nowhere.pem"}, r"opensearch\.certificate: nowhere\.pem: No such file"),
            ({"certificate": TLS / "certificate.pem", "key": "no.pem"}, r"opensearch\.key: no\.pem: No such file"),
            ({"certificate": TLS / "certificate.pem"}, "are no certificate and its private key"),
            ({"certificate": TLS / "certificate.pem", "key": TLS / "locked.pem"}, "without a passphrase"),
            ({"key": TLS / "key.pem"}, r"set opensearch\.certificate too"),
            ({"ca": TLS / "key.pem"}, r"opensearch\.ca: .*key\.pem holds no certificates"),
        ],
    )
    def test_files_that_cannot_work_are_told(self, options: dict[str, Any], told: str) -> None:
        with pytest.raises(ConfigError, match=told):
            connect(settings("https://localhost", **options))


class TestCautions:
    @pytest.mark.parametrize(
        "store", ["http://localhost:9200", "http://127.0.0.1", "http://[::1]", "https://far.example"]
    )
    def test_nothing_is_said_of_what_is_as_it_should_be(self, store: str) -> None:
        assert cautions(settings(store, **SIEM)) == []

    def test_clear_text_over_the_network(self) -> None:
        (told,) = cautions(settings("http://u:hunter2@far.example"))
        assert told == "password and events go to http://far.example:9200 as clear text; use https"

    def test_no_verification(self) -> None:
        assert len(cautions(settings("https://far.example", verify=False))) == 1


class TestHosts:
    def test_another_host_answers_for_one_that_is_away(self, heard: Listener) -> None:
        with listener() as gone:
            pass
        connection = connect(settings(f"http://127.0.0.1:{gone.port},http://127.0.0.1:{heard.port}"))
        assert [connection.ask("GET", "/") for _ in range(4)] == [{}] * 4
        connection.close()

    def test_all_are_away(self) -> None:
        with listener() as gone:
            pass
        connection = connect(settings(f"http://u:hunter2@127.0.0.1:{gone.port}"))
        with pytest.raises(Unavailable, match=f"store http://127.0.0.1:{gone.port}: no answer") as raised:
            connection.ask("GET", "/")
        connection.close()
        assert "hunter2" not in str(raised.value)

    def test_names_are_those_of_the_settings(self) -> None:
        names = names_of(settings("http://localhost", prefix="team-", periods={"aws.vpcflow": "day"}))
        assert (names.prefix, names.period("aws.vpcflow"), names.period("aws.waf")) == (
            "team-",
            Period.DAY,
            Period.MONTH,
        )
        assert names_of(settings("http://localhost")).prefix == ""

    @pytest.mark.parametrize("prefix", ["_a", "A", "a b", "a*", "-a", "", "my-events-", "x" * 65])
    def test_a_prefix_that_cannot_be_is_told(self, prefix: str) -> None:
        with pytest.raises(ConfigError, match=r"opensearch\.prefix"):
            settings("http://localhost", prefix=prefix)


class TestProduct:
    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            ({"version": {"number": "8.15.0", "build_flavor": "default"}}, "is Elasticsearch 8.15.0; .*2.19 or newer"),
            ({"version": {"distribution": "opensearch", "number": "2.18.0"}}, "is OpenSearch 2.18.0; 2.19"),
            ({"version": {"distribution": "opensearch", "number": "7.10.2"}}, "override_main_response_version"),
            ({"hello": "world"}, "is no OpenSearch"),
            ([], "is no OpenSearch"),
        ],
    )
    def test_what_this_store_is_not_made_for_is_refused(self, heard: Listener, answer: Any, told: str) -> None:
        heard.answer = orjson.dumps(answer)
        connection = connect(settings(f"http://127.0.0.1:{heard.port}"))
        with pytest.raises(ConfigError, match=told):
            check_product(connection)
        connection.close()

    @pytest.mark.slow
    def test_the_version_that_it_was_made_for_is_taken(self, opensearch: str) -> None:
        assert check_product(connect(settings(opensearch))).startswith("3.8")
